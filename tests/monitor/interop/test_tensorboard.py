from __future__ import annotations

import io
import math
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from monitor.client.quantiles import PERCENTILES, distribution_of
from monitor.interop import tensorboard
from monitor.interop.records import Distribution, Note, Pictures, Record, Scalars, Unreadable
from tests.monitor.interop.importing import Importer
from tests.reference.quantiles_twin import quantile

pytest.importorskip("tensorboard", reason="the package tensorboard is not installed")

from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from tensorboard.plugins.histogram.summary_v2 import histogram_pb
from tensorboard.plugins.scalar.summary_v2 import scalar_pb

TIME = 1_600_000_000.0


def frame(event: Any) -> bytes:
    body = event.SerializeToString()
    head = struct.pack("<Q", len(body))
    return head + struct.pack("<I", masked_crc32c(head)) + body + struct.pack("<I", masked_crc32c(body))


def event(step: int, summary: Any) -> bytes:
    return frame(event_pb2.Event(wall_time=TIME + step, step=step, summary=summary))


def old_scalar(tag: str, value: float) -> Any:
    return summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=tag, simple_value=value)])


def png(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 3), (shade, 0, 255)).save(stream, "PNG")
    return stream.getvalue()


def a_log(path: Path) -> Path:
    image = summary_pb2.Summary.Image(height=3, width=4, colorspace=3, encoded_image_string=png(9))
    histogram = summary_pb2.HistogramProto(
        min=-1, max=3, num=4, sum=6, bucket_limit=[0.0, 2.0, sys.float_info.max], bucket=[1, 1, 2]
    )
    path.write_bytes(
        frame(event_pb2.Event(wall_time=TIME, file_version="brain.Event:2"))
        + event(1, old_scalar("loss", 0.5))
        + event(2, scalar_pb("loss", 0.25))
        + event(3, old_scalar("loss", math.nan))
        + event(4, histogram_pb("weights", np.linspace(0, 1, 101), buckets=10))
        + event(5, summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag="old", histo=histogram)]))
        + event(6, summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag="samples", image=image)]))
    )
    return path


def read(path: Path) -> list[Record]:
    return list(tensorboard.read(path))


def test_scalars_histograms_and_images_of_both_kinds_are_read(tmp_path: Path) -> None:
    first, second, third, weights, old, samples = read(a_log(tmp_path / "events.out.tfevents.1"))
    assert first == Scalars(1, TIME + 1, {"loss": 0.5})
    assert second == Scalars(2, TIME + 2, {"loss": 0.25})
    assert isinstance(third, Scalars)
    assert math.isnan(third.values["loss"])
    assert isinstance(weights, Distribution)
    assert weights.values[0] == 0.0
    assert weights.values[4] == pytest.approx(0.5, abs=0.05)
    assert weights.values[-1] == 101
    assert isinstance(old, Distribution)
    assert (old.values[0], old.values[8], old.values[9], old.values[10]) == (-1.0, 3.0, 1.5, 4.0)
    assert isinstance(samples, Pictures)
    assert samples.images.shape == (1, 3, 4, 3)
    assert samples.images[0, 0, 0].tolist() == [9, 0, 255]


def test_it_arrives_as_a_run_of_its_folder(imports: Importer, tmp_path: Path) -> None:
    (tmp_path / "wgan").mkdir()
    a_log(tmp_path / "wgan" / "events.out.tfevents.1")
    assert imports(tmp_path / "wgan")
    assert imports.run()["name"] == "wgan"
    assert imports.points("loss") == [(1, 0.5), (2, 0.25), (3, "NaN")]
    assert {name: entry["kind"] for name, entry in imports.series().items()} == {
        "loss": "scalar",
        "old": "distribution",
        "weights": "distribution",
    }
    (image,) = imports.client.get(f"/api/v1/runs/{imports.run()['id']}/images").json()["images"]
    assert (image["name"], image["step"]) == ("samples", 6)
    # A second file, as a training leaves that went on.
    second = tmp_path / "wgan" / "events.out.tfevents.2"
    second.write_bytes(event(7, old_scalar("loss", 0.125)))
    assert imports(tmp_path / "wgan")
    assert imports.points("loss") == [(1, 0.5), (2, 0.25), (3, "NaN"), (7, 0.125)]


def test_a_file_torn_at_any_byte_gives_what_is_whole_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1"
    frames = [event(step, old_scalar("loss", step)) for step in range(4)]
    ends = np.cumsum([len(each) for each in frames])
    for size in range(1, int(ends[-1]) + 1):
        path.write_bytes(b"".join(frames)[:size])
        records = read(path)
        whole = [
            Scalars(step, TIME + step, {"loss": float(step)}) for step in range(int((ends <= size).sum()))
        ]
        assert records[: len(whole)] == whole
        notes = records[len(whole) :]
        assert len(notes) == (0 if size in ends else 1)
        assert all(isinstance(note, Note) and note.is_damage for note in notes)


@pytest.mark.parametrize("at", range(0, 60, 3))
def test_a_flipped_bit_costs_one_event_and_is_told(tmp_path: Path, at: int) -> None:
    path = tmp_path / "events.out.tfevents.1"
    frames = [event(step, old_scalar("loss", step)) for step in range(1, 5)]
    assert len(frames[0]) > 40
    data = bytearray(b"".join(frames))
    data[len(frames[0]) + at % len(frames[1])] ^= 1 << at % 8
    path.write_bytes(data)
    records = read(path)
    assert [record.step for record in records if isinstance(record, Scalars)] == [1, 3, 4]
    assert [record.is_damage for record in records if isinstance(record, Note)] == [True]


def test_without_the_package_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)
    with pytest.raises(Unreadable, match=r"pip install 'ganwatch\[interop\]'"):
        read(a_log(tmp_path / "events.out.tfevents.1"))


@given(
    edges=st.lists(st.integers(-50, 50), min_size=3, max_size=6, unique=True).map(sorted),
    counts=st.lists(st.integers(0, 4), min_size=5, max_size=5),
)
def test_quantiles_are_those_of_evenly_filled_buckets(edges: list[int], counts: list[int]) -> None:
    left, right = [float(edge) for edge in edges[:-1]], [float(edge) for edge in edges[1:]]
    count = counts[: len(left)]
    found = distribution_of(left, right, count)
    if not sum(count):
        assert found is None
        return
    assert found is not None
    assert found[10] == sum(count)
    assert list(found[:9]) == sorted(found[:9])
    for share, value in zip(np.array(PERCENTILES[1:-1]) / 100, found[1:8], strict=True):
        # At the border of two buckets with a hole between, every value of the hole is a quantile.
        behind = np.cumsum(count)
        if min(abs(behind - share * sum(count))) > 1e-9:
            assert value == pytest.approx(quantile(left, right, count, share, 400), abs=0.3)


def test_a_tensor_that_claims_to_be_huge_or_makes_no_sense_costs_no_other(tmp_path: Path) -> None:
    bomb, shapeless = scalar_pb("bomb", 1.0), scalar_pb("shapeless", 1.0)
    for size in (2**20, 2**20):
        bomb.value[0].tensor.tensor_shape.dim.add(size=size)
    shapeless.value[0].tensor.tensor_shape.dim.add(size=3)
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(event(1, bomb) + event(2, shapeless) + event(3, old_scalar("loss", 0.5)))
    *notes, last = tensorboard.read(path)
    assert [type(note) for note in notes] == [Note, Note]
    assert isinstance(last, Scalars)
    assert last.values == {"loss": 0.5}
