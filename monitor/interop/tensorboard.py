"""TensorBoard's event files: scalars, histograms, images, in the summaries of TensorFlow 1 and 2.

The messages and checksums are TensorBoard's own; the frames are read here, because its reader stops without
a word at the first that is damaged. A frame is

    offset  size  field
    0       8     length of the event
    8       4     masked CRC-32C of the length
    12      ...   the event, a protocol buffer
    ...     4     masked CRC-32C of the event

A torn end is told; a damaged event is skipped by its length, and a damaged length to the next that is sound.
"""

from __future__ import annotations

import io
import math
import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.client.quantiles import distribution_of
from monitor.interop.packages import load
from monitor.interop.pictures import BROKEN_IMAGE, open_image
from monitor.interop.records import MALFORMED, About, Distribution, Note, Pictures, Record, Scalars

name = "tensorboard"
_HEAD = struct.Struct("<QI")
_FOOT = struct.Struct("<I")
#: A histogram has some dozens, a page of images no more than thousands.
MOST_NUMBERS = 2**20


def reads(path: Path) -> bool:
    return "tfevents" in path.name


def describe(path: Path) -> About:
    times = [event.wall_time for event in _events(path) if not isinstance(event, Note)]
    return About(began=times[0], ended=max(times)) if times else About()


def read(path: Path) -> Iterator[Record]:
    plugins: dict[str, str] = {}
    for event in _events(path):
        if isinstance(event, Note):
            yield event
            continue
        for value in event.summary.value:
            try:
                yield from _records(event.step, event.wall_time, value, plugins)
            except MALFORMED as error:
                yield Note(f"{value.tag!r} is not as TensorBoard writes it: {error}", is_damage=True)


def _records(step: int, time: float, value: Any, plugins: dict[str, str]) -> Iterator[Record]:
    tag = value.tag
    # Only the first value of a tag says which plugin it is for.
    plugin = plugins[tag] = value.metadata.plugin_data.plugin_name or plugins.get(tag, "")
    match value.WhichOneof("value"), plugin:
        case "simple_value", _:
            yield Scalars(step, time, {tag: value.simple_value})
        case "histo", _:
            yield from _old_histogram(step, time, tag, value.histo)
        case "image", _:
            yield from _pictures(step, time, tag, [value.image.encoded_image_string])
        case "tensor", "scalars":
            yield Scalars(step, time, {tag: float(_array(value.tensor).item())})
        case "tensor", "histograms":
            buckets = np.asarray(_array(value.tensor), np.float64).reshape(-1, 3)
            values = distribution_of(*buckets.T)
            if values:
                yield Distribution(step, time, tag, values)
        case "tensor", "images":
            width_and_height_first = _array(value.tensor).tolist()
            yield from _pictures(step, time, tag, width_and_height_first[2:])
        case kind, _:
            yield Note(f"{tag!r} holds {plugin or kind}, which is not imported")


def _array(tensor: Any) -> npt.NDArray[Any]:
    # One number can stand for a tensor of any size.
    if math.prod(dim.size for dim in tensor.tensor_shape.dim) > MOST_NUMBERS:
        raise ValueError(f"a tensor has more than {MOST_NUMBERS} numbers")
    array: npt.NDArray[Any] = load("tensorboard.util.tensor_util").make_ndarray(tensor)
    return array


def _old_histogram(step: int, time: float, tag: str, histogram: Any) -> Iterator[Record]:
    limits = list(histogram.bucket_limit)
    values = distribution_of(
        [histogram.min, *limits[:-1]],
        limits,
        list(histogram.bucket),
        lowest=histogram.min,
        highest=histogram.max,
        mean=histogram.sum / histogram.num if histogram.num else None,
    )
    if values:
        yield Distribution(step, time, tag, values)


def _pictures(step: int, time: float, tag: str, encoded: list[bytes]) -> Iterator[Record]:
    for data in encoded:
        try:
            pixels = open_image(io.BytesIO(data))
        except BROKEN_IMAGE as error:
            yield Note(f"an image of {tag!r} cannot be read: {error}", is_damage=True)
        else:
            yield Pictures(step, time, tag, pixels[None])


def _events(path: Path) -> Iterator[Any]:
    """Events, and a note where one is lost."""
    event_class = load("tensorboard.compat.proto.event_pb2").Event
    masked_crc32c = load("tensorboard.compat.tensorflow_stub.pywrap_tensorflow").masked_crc32c
    decode_error = load("google.protobuf.message").DecodeError
    for at, body, checksum in _frames(path, masked_crc32c):
        if checksum is None:
            yield Note(f"byte {at}: {body.decode()}", is_damage=True)
            continue
        try:
            if masked_crc32c(body) != checksum:
                raise decode_error
            event = event_class.FromString(body)
        except decode_error:
            yield Note(f"byte {at}: a damaged event is left out", is_damage=True)
        else:
            yield event


def _frames(path: Path, masked_crc32c: Any) -> Iterator[tuple[int, bytes, int | None]]:
    """(offset, event, its checksum), or (offset, what is wrong there, None)."""
    size = path.stat().st_size
    if not size:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = 0
        while at < size:
            if size - at < _HEAD.size:
                yield at, b"the file breaks off", None
                return
            length, checksum = _HEAD.unpack_from(data, at)
            end = at + _HEAD.size + length + _FOOT.size
            if masked_crc32c(data[at : at + 8]) != checksum:
                following = _next_frame(data, at + 1, masked_crc32c)
                yield at, b"%d damaged bytes are skipped" % (following - at), None
                at = following
            elif end > size:
                yield at, b"the file breaks off", None
                return
            else:
                yield at, data[at + _HEAD.size : end - _FOOT.size], _FOOT.unpack_from(data, end - 4)[0]
                at = end


def _next_frame(data: mmap.mmap, at: int, masked_crc32c: Any) -> int:
    while at + _HEAD.size <= len(data):
        length, checksum = _HEAD.unpack_from(data, at)
        if length < len(data) - at and masked_crc32c(data[at : at + 8]) == checksum:
            return at
        at += 1
    return len(data)
