"""A loop that writes to TensorBoard writes to a run when the import is swapped."""

from __future__ import annotations

import inspect
import io
import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.tensorboard import SummaryWriter as TensorBoard

import monitor
from monitor import protocol
from monitor.client.quantiles import describe, describe_buckets
from monitor.client.values import Rejected
from tests.monitor.client.test_run import records, warnings_of


@pytest.fixture
def writer() -> Iterator[monitor.SummaryWriter]:
    writer = monitor.SummaryWriter("runs/first", "-lr", id="run")
    yield writer
    writer.close()


def rows(directory: Path) -> list[tuple[int, dict[str, Any]]]:
    return [(row["step"], row["values"]) for row in records(directory, kind=dict)]


def test_every_call_of_the_original_is_a_call_here() -> None:
    for name, method in inspect.getmembers(TensorBoard, inspect.isfunction):
        if name.startswith("_") and name != "__init__":
            continue
        theirs = list(inspect.signature(method).parameters.values())[1:]
        ours = inspect.signature(inspect.getattr_static(monitor.SummaryWriter, name).__get__(object()))
        if any(each.kind is each.VAR_POSITIONAL for each in ours.parameters.values()):
            continue
        mine = [each for each in ours.parameters.values() if each.kind is each.POSITIONAL_OR_KEYWORD]
        assert [(p.name, p.default) for p in mine] == [(p.name, p.default) for p in theirs]


def a_loop(writer: Any) -> None:
    """As one finds them."""
    for step in range(3):
        writer.add_scalar("loss/d", torch.tensor(step / 2), step)
        writer.add_scalar("loss/g", np.float32(0.25), global_step=step, walltime=100.0 + step)
        writer.add_scalars("angle", {"g": 1.0, "d": torch.tensor([2.0])}, step)
    writer.add_histogram("weights", torch.arange(101.0), 2)
    writer.add_image("sample", torch.rand(3, 8, 8), 2)
    writer.add_images("samples", np.zeros((4, 8, 8, 1), np.uint8), 2, dataformats="NHWC")
    writer.add_text("note", "hello", 2)
    writer.add_hparams({"lr": 2e-4, "critic": "gn"}, {"best/fid": 7.5})
    writer.flush()
    writer.close()


def test_a_loop_written_for_tensorboard_writes_a_run(
    tmp_path: Path, writer: monitor.SummaryWriter, caplog: pytest.LogCaptureFixture
) -> None:
    a_loop(TensorBoard(str(tmp_path / "events")))
    a_loop(writer)
    logged = records(tmp_path)
    assert (logged[0].name, writer.get_logdir()) == ("runs/first-lr", "runs/first")
    losses = [row for row in rows(tmp_path) if "loss/d" in row[1]]
    assert losses == [(step, {"loss/d": step / 2}) for step in range(3)]
    assert rows(tmp_path).count((1, {"angle/g": 1.0, "angle/d": 2.0})) == 1
    (weights,) = [values["weights"] for _, values in rows(tmp_path) if "weights" in values]
    assert weights == [0, 1, 5, 25, 50, 75, 95, 99, 100, 50, 101]
    images = {image.name: image for image in records(tmp_path, kind=protocol.Image)}
    assert (images["sample"].rows, images["samples"].rows, images["samples"].columns) == (1, 2, 2)
    (configured,) = records(tmp_path, kind=protocol.Configure)
    assert configured.config == {"lr": 2e-4, "critic": "gn"}
    assert rows(tmp_path)[-1] == (0, {"best/fid": 7.5})
    assert isinstance(logged[-1], protocol.End)
    assert [message for message in warnings_of(caplog) if "no place" in message] == [
        "a run has no place for what add_text writes; it is not stored"
    ]


def test_a_call_without_a_step_counts_on_by_tag(tmp_path: Path, writer: monitor.SummaryWriter) -> None:
    for _ in range(3):
        writer.add_scalar("a", 1.0)
    writer.add_scalar("a", 1.0, 10)
    writer.add_scalar("a", 1.0)
    writer.add_scalar("b", 1.0)
    writer.close()
    assert [(step, *values) for step, values in rows(tmp_path)] == [
        *((step, "a") for step in (0, 1, 2, 10, 11)),
        (0, "b"),
    ]


@pytest.mark.parametrize(
    "call",
    [
        lambda w: w.add_scalar("a", "text"),
        lambda w: w.add_scalar("a", np.zeros(2)),
        lambda w: w.add_scalar("a", 1.0, "step"),
        lambda w: w.add_histogram("a", []),
        lambda w: w.add_histogram("a", ["text"]),
        lambda w: w.add_histogram_raw("a", 0, 1, 2, 1, 1, [1.0], [1, 2]),
        lambda w: w.add_image("a", np.zeros((2, 2))),
        lambda w: w.add_image("a", np.zeros((3, 2, 2)), dataformats="CHX"),
        lambda w: w.add_images("a", np.zeros((1, 2, 2, 2))),
        lambda w: w.add_figure("a", object()),
    ],
)
def test_nothing_raises_into_the_loop(
    tmp_path: Path, writer: monitor.SummaryWriter, caplog: pytest.LogCaptureFixture, call: Any
) -> None:
    call(writer)
    call(writer)
    writer.close()
    assert len(warnings_of(caplog)) == 2  # and that the run waits for a server
    assert [type(record) for record in records(tmp_path)] == [protocol.Begin, protocol.End]


def pixels_of(tmp_path: Path, name: str) -> Any:
    (record,) = [image for image in records(tmp_path, kind=protocol.Image) if image.name == name]
    (spool,) = (tmp_path / "spool" / "run").iterdir()
    with Image.open(spool / "images" / f"{record.digest}.png") as opened:
        return np.asarray(opened)


def test_images_come_in_every_layout_as_floats_or_bytes(
    tmp_path: Path, writer: monitor.SummaryWriter
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    writer.add_image("hwc", image, 0, dataformats="HWC")
    writer.add_image("chw", torch.tensor(image).permute(2, 0, 1), 0)
    writer.add_image("hw", image[..., 0] / 255, 0, dataformats="HW")
    writer.add_image("float", torch.tensor(image / 255).permute(2, 0, 1), 0)
    writer.add_image("mask", image[..., 0] > 99, 0, dataformats="HW")
    writer.close()
    for name in ("hwc", "chw", "float"):
        assert (pixels_of(tmp_path, name) == image).all()
    assert (pixels_of(tmp_path, "hw") == image[..., 0]).all()
    assert (pixels_of(tmp_path, "mask") == (image[..., 0] > 99) * 255).all()


def test_a_figure_becomes_an_image(tmp_path: Path, writer: monitor.SummaryWriter) -> None:
    def savefig(stream: io.BytesIO, format: str) -> None:  # noqa: A002
        Image.new("RGBA", (6, 4), (255, 0, 0, 255)).save(stream, format)

    writer.add_figure("figure", SimpleNamespace(savefig=savefig), 0)
    writer.close()
    assert pixels_of(tmp_path, "figure").tolist() == [[[255, 0, 0]] * 6] * 4


def test_it_writes_to_a_run_that_is_there_and_goes_back_where_it_is_told_to(tmp_path: Path) -> None:
    with monitor.init(id="run") as run:
        monitor.SummaryWriter(run=run).add_scalar("a", 1.0, 9)
        again = monitor.SummaryWriter(run=run, purge_step=5)
        assert run.attempt == 1
        again.add_scalar("a", 2.0, 5)
    (attempt,) = records(tmp_path, kind=protocol.Attempt)
    assert attempt.from_step == 4


def test_a_block_that_raises_fails_the_run(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), monitor.SummaryWriter(id="run"):
        raise RuntimeError("boom")
    assert records(tmp_path)[-1].state == "failed"


def test_a_distribution_hides_no_nan_and_ends_at_what_was_there() -> None:
    numbers = describe(np.array([[3.0, 1.0], [2.0, math.inf]]))
    assert numbers[0] == 1.0
    assert numbers[8:] == [math.inf, math.inf, 4.0]
    assert all(math.isnan(number) for number in describe(np.array([1.0, math.nan]))[:10])
    noise = np.random.default_rng(0).normal(size=1001)
    expected = np.percentile(noise, [0, 1, 5, 25, 50, 75, 95, 99, 100])
    assert describe(noise) == pytest.approx([*expected, noise.mean(), 1001])
    with pytest.raises(Rejected):
        describe(np.array([]))


def test_a_histogram_is_spread_evenly_in_its_buckets(tmp_path: Path, writer: monitor.SummaryWriter) -> None:
    numbers = describe_buckets([0.0, 1.0, 2.0, 3.0], [0, 50, 50, 0])
    assert numbers == pytest.approx([0, 0.02, 0.1, 0.5, 1.0, 1.5, 1.9, 1.98, 2.0, 1.0, 100])
    writer.add_histogram_raw("raw", 0.25, 1.75, 100, 90.0, 0.0, [0.0, 1.0, 2.0], [0, 50, 50], 3)
    writer.close()
    ((step, values),) = rows(tmp_path)
    assert (step, values["raw"]) == (
        3,
        pytest.approx([0.25, 0.25, 0.25, 0.5, 1, 1.5, 1.75, 1.75, 1.75, 0.9, 100]),
    )
