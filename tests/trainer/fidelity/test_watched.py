"""Fidelity while a training goes on: when it is due, under which mark, and that it changes nothing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.trainer.fidelity.measured import config, images, settings
from tests.trainer.recording import RecordingRun
from tests.trainer.states import assert_identical, last_state
from trainer.checkpoint import CheckpointDirectory
from trainer.cli import main
from trainer.config import Checkpoints, Config, Fidelity
from trainer.errors import FidelityError
from trainer.fidelity import measure_checkpoint, open_checkpoint
from trainer.loop import train
from trainer.probes import Watch as ProbeWatch
from trainer.stopping import Stopping
from trainer.watching import Unwatched, WatchFactory, WithFidelity, probes

CPU = torch.device("cpu")
FID = "fid/cifar10-resnet20"


def trained(
    chosen: Config, place: Path, watch_with: WatchFactory = probes, *, resume: bool = False
) -> tuple[RecordingRun, dict[str, Tensor]]:
    run, checkpoints = RecordingRun(), CheckpointDirectory(place)
    train(
        chosen,
        images(20),
        run,
        watch_with=watch_with,
        checkpoints=checkpoints,
        stopping=Stopping(run),
        device=CPU,
        resume=checkpoints.newest() if resume else None,
        quiet=True,
    )
    return run, last_state(place)[1]


def chosen(weights: Path, **changes: Any) -> Config:
    return config(settings(weights, samples=20, metrics=("fid",)), **changes)


def test_weights_are_bit_identical_with_fidelity_on_and_off(weights: Path, tmp_path: Path) -> None:
    every_figure = config(settings(weights, samples=20))
    run, watched = trained(every_figure, tmp_path / "on")
    _, unwatched = trained(every_figure, tmp_path / "off", Unwatched)
    assert_identical(watched, unwatched)
    assert {"kid/cifar10-resnet20", "recall/cifar10-resnet20"} <= {name for name, *_ in run.points}


def test_figures_come_every_so_many_epochs_under_the_mark_of_the_epoch(weights: Path, tmp_path: Path) -> None:
    two = chosen(weights, epochs=6)
    two = replace(two, fidelity=replace(two.fidelity, every=2))
    run, _ = trained(two, tmp_path)
    points = [(step, mark) for name, step, mark, _ in run.points if name == FID]
    epochs = {mark["step"]: (mark["epoch"], index) for index, mark in enumerate(run.marks)}
    assert [epochs[step] for step, _ in points] == [(2, 1), (4, 3), (6, 5)]
    assert [mark for _, mark in points] == [1, 3, 5]
    assert "torch-fidelity" in run.declared[FID]["help"]


def test_a_training_that_goes_on_measures_where_the_uninterrupted_one_does(
    weights: Path, tmp_path: Path
) -> None:
    two = chosen(weights, epochs=5, checkpoints=Checkpoints(every=1))
    two = replace(two, fidelity=replace(two.fidelity, every=2))
    whole, _ = trained(two, tmp_path / "whole")
    first, _ = trained(replace(two, epochs=3), tmp_path / "parts")
    second, _ = trained(two, tmp_path / "parts", resume=True)
    assert first.series(FID) + second.series(FID) == whole.series(FID)
    assert len(whole.series(FID)) == 2


def test_a_measurement_that_fails_in_the_middle_costs_the_figures_and_not_the_training(
    weights: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks_after_one(run: Any, subject: Any) -> WithFidelity:
        watch = probes(run, subject)
        assert isinstance(watch, WithFidelity)
        assert watch.meter is not None
        measure, measured = watch.meter.measure, []

        def once() -> dict[str, float]:
            if measured:
                raise torch.cuda.OutOfMemoryError("no memory left")
            measured.append(True)
            return measure()

        watch.meter.measure = once  # type: ignore[method-assign]
        return watch

    run, _ = trained(chosen(weights, epochs=4), tmp_path, breaks_after_one)
    assert len(run.series(FID)) == 1
    assert len(run.marks) == 4
    assert caplog.text.count("fidelity cannot be measured any more") == 1


def test_weights_that_are_missing_are_refused_before_the_first_step(tmp_path: Path) -> None:
    with pytest.raises(FidelityError, match=r"nowhere\.pt.*set fidelity\.weights"):
        trained(chosen(tmp_path / "nowhere.pt"), tmp_path / "run")


def test_where_weights_cannot_be_fetched_it_trains_without_and_says_once_what_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there
    recipes_own = Fidelity(every=1, samples=20)
    run, _ = trained(config(recipes_own, epochs=2), tmp_path / "run")
    assert len(run.marks) == 2
    (said,) = [line for line in caplog.messages if "without fidelity" in line]
    assert "weights-inception-2015-12-05-6726825d.pth into" in said
    assert str(tmp_path / "hub" / "checkpoints") in said
    assert "fidelity.weights" in said


def test_without_it_nothing_is_measured(weights: Path, tmp_path: Path) -> None:
    def watch(run: Any, subject: Any) -> ProbeWatch:
        made = probes(run, subject)
        assert isinstance(made, ProbeWatch)
        return made

    run, _ = trained(config(settings(weights, every=0)), tmp_path, watch)
    assert FID not in run.declared


def test_a_stored_checkpoint_has_the_figures_that_were_logged_when_it_was_written(
    weights: Path, tmp_path: Path
) -> None:
    for i, pixels in enumerate(images(20).images):
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(tmp_path / f"{i:02}.png")
    one = chosen(weights, epochs=2, data=tmp_path)
    run, _ = trained(one, tmp_path / "run" / "checkpoints")
    checkpoint = open_checkpoint(tmp_path / "run")
    measured = measure_checkpoint(checkpoint, one, CPU)
    assert (measured.step, measured.figures[FID]) == run.series(FID)[-1]
    assert measured.protocol.real == 20
    assert open_checkpoint(checkpoint.path).step == checkpoint.step


def test_a_stored_checkpoint_is_measured_from_the_command_line(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i, pixels in enumerate(images(20).images):
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(pictures / f"{i:02}.png")
    run, _ = trained(chosen(weights, epochs=1), tmp_path / "run" / "checkpoints")
    main(["fidelity", str(tmp_path / "run"), "--data", str(pictures), "--device", "cpu"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [FID, f"{run.series(FID)[0][1]:.6g}"]
    assert lines[1].startswith("step 3: 20 images of G_ema")
    with pytest.raises(SystemExit, match=r"gantrain: no checkpoint in .*pictures"):
        main(["fidelity", str(pictures)])


def test_a_checkpoint_whose_data_is_gone_says_what_to_pass(weights: Path, tmp_path: Path) -> None:
    trained(chosen(weights, epochs=1), tmp_path)
    with pytest.raises(SystemExit, match="pass --data PATH"):
        main(["fidelity", str(tmp_path), "--device", "cpu"])
