import logging
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.trainer.probes.notebook import Notebook
from tests.trainer.probes.test_watch import REAL, Training
from trainer.probes import preparation
from trainer.probes.judges.classifier import Fit, classifier_judge
from trainer.probes.real_images import draw_real, draw_to_fit


class Pictures:
    """A data set of large images and their classes, of which it counts how many were read."""

    def __init__(self, n: int, size: int) -> None:
        self.n, self.size = n, size
        self.read = 0

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        self.read += 1
        generator = torch.Generator().manual_seed(index)
        return torch.rand(3, self.size, self.size, generator=generator) * 2 - 1, index % 2


def test_images_to_fit_a_judge_on_take_a_byte_a_pixel_and_no_more_pixels_than_it_sees() -> None:
    images, labels = draw_to_fit(Pictures(20, 96), 12, seed=0)
    assert images.shape == (12, 3, 64, 64)
    assert images.dtype == torch.uint8
    assert labels is not None
    whole = draw_real(Pictures(20, 96), 12, seed=0)
    averaged = torch.nn.functional.adaptive_avg_pool2d(whole, 64)
    assert torch.allclose(images.float() / 127.5 - 1, averaged, atol=0.5 / 127.5 + 1e-6)


def test_bytes_are_drawn_as_they_are() -> None:
    real = torch.randint(256, (30, 1, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    images, labels = draw_to_fit(real, 30, seed=0)
    assert labels is None
    assert sorted(images.flatten(1).tolist()) == sorted(real.flatten(1).tolist())


def test_a_judge_fitted_on_smaller_images_judges_the_large_ones(tmp_path: Any) -> None:
    images, labels = draw_to_fit(Pictures(40, 96), 40, seed=0)
    assert labels is not None
    judge = classifier_judge(images, labels, fit=Fit((4,), epochs=1, held_out=10, batch=16), cache=tmp_path)
    quality, _ = judge.score(draw_real(Pictures(50, 96), 5, seed=1))
    assert quality is not None
    assert quality.shape == (5,)


@pytest.mark.parametrize(("long", "level"), [(0.0, logging.WARNING), (60.0, logging.INFO)])
def test_what_it_takes_to_fit_a_judge_is_told_before_and_aloud_if_it_is_long(
    long: float, level: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(preparation, "LONG", long)
    monkeypatch.setattr(preparation, "MOST", 30)
    caplog.set_level(logging.INFO, "trainer")
    Training().watch(Notebook(), judge=None)
    (told,) = [record for record in caplog.records if "no judge is given" in record.message]
    assert told.levelno == level
    assert "fitted on 30 real images, which take about" in told.message


def test_no_more_images_are_read_than_are_judged_and_fitted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "MOST", 80)
    pictures = Pictures(len(REAL) * 10, 4)
    G = torch.nn.Sequential(torch.nn.Linear(6, 48), torch.nn.Unflatten(1, (3, 4, 4)))
    D = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 1))
    preparation_of: dict[str, Any] = {"real": pictures, "n_eval": 20, "n_grid": 4}
    Training.watch(type("Own", (), {"G": G, "D": D, "critic": D})(), Notebook(), judge=None, **preparation_of)
    assert pictures.read == 20 + 64 + 80
