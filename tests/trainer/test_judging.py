import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from trainer.config import Config, Judges
from trainer.data import ImageSet
from trainer.errors import ConfigError
from trainer.judging import _of_faces
from trainer.probes.judges.arcface import IdentityBank
from trainer.probes.judges.recognition import Crop
from trainer.recipes import RECIPES

pytest.importorskip("facenet_pytorch")


def of_faces(**judges: object) -> Config:
    return replace(RECIPES["dcgan64-gn"](), judges=Judges(kind="faces", **judges))  # type: ignore[arg-type]


def test_a_missing_bank_costs_one_line_and_bins_judge_diversity(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    images = ImageSet(torch.randint(0, 256, (40, 3, 64, 64), dtype=torch.uint8))
    with caplog.at_level(logging.WARNING, "trainer.judging"):
        judges = list(_of_faces(of_faces(identities=tmp_path / "no.npz"), images, torch.device("cpu")))
    assert [(judge.gives_quality, judge.m is not None) for judge in judges] == [(True, False), (False, True)]
    assert judges[0].name == "mtcnn"
    (said,) = [record.getMessage() for record in caplog.records if record.name == "trainer.judging"]
    assert said.startswith("training goes on without D by ArcFace: the judge arcface needs an identity bank")
    assert "\n" not in said


def test_missing_weights_cost_one_line_and_bins_judge_diversity(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    bank, model = tmp_path / "bank.npz", tmp_path / "gone.onnx"
    IdentityBank(torch.eye(2), ("a", "b"), torch.ones(2), "0" * 64, str(model), Crop()).write(bank)
    images = ImageSet(torch.randint(0, 256, (40, 3, 64, 64), dtype=torch.uint8))
    for recognizer, missing in ((None, f"the model {model}"), ("buffalo_l", "buffalo_l.zip")):
        caplog.clear()
        config = of_faces(identities=bank, recognizer=recognizer)
        with caplog.at_level(logging.WARNING, "trainer.judging"):
            judges = list(_of_faces(config, images, torch.device("cpu")))
        assert [judge.name for judge in judges] == ["mtcnn", "kmeans"]
        (said,) = [record.getMessage() for record in caplog.records if record.name == "trainer.judging"]
        assert missing in said
        assert "\n" not in said


def test_celeba_is_judged_as_faces_by_itself() -> None:
    own = RECIPES["dcgan64-gn"]()
    assert [
        replace(own, dataset=name).shows_faces for name in ("celeba", "celeba-hq", "images", "lsun-church")
    ] == [True, True, False, False]
    assert of_faces().shows_faces
    assert not replace(own, dataset="celeba", judges=Judges(kind="fitted")).shows_faces


def test_judges_that_do_not_fit_the_data_are_refused(tmp_path: Path) -> None:
    bank = tmp_path / "bank.npz"
    with pytest.raises(ConfigError, match=r"set judges\.kind to faces"):
        Judges(kind="fitted", identities=bank)
    with pytest.raises(ConfigError, match=r"name them with judges\.identities"):
        Judges(recognizer="buffalo_l")
    with pytest.raises(ConfigError, match="images are no faces"):
        replace(RECIPES["dcgan64-gn"](), judges=Judges(identities=bank))
    with pytest.raises(ConfigError, match="leave it at auto"):
        replace(RECIPES["digits-gn"](), judges=Judges(kind="faces"))
