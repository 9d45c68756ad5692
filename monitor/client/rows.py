"""The numbers of one call of ``log`` in the spool: rows of a set of names (bytes: ``frames.py``)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import Literal, NamedTuple

import msgspec
import numpy as np

from monitor.client.frames import HEADER_SIZE, RECORD, ROW, Frame, NamedRow, payload_decoder
from monitor.protocol import Points, encode_integers, msgpack_encoder

Width = Literal[1, 11]
#: Step, time and mark.
Place = tuple[int, float, int]
#: Number of the set of names, as a row begins with.
NUMBER = struct.Struct("<I")
#: Step, time, mark: what stands before the values.
PLACE = struct.Struct("<qdq")
#: Rows of a segment that spell their names out: these, and every 256th.
NAMED = frozenset((0, 1, 15))
NAMED_EVERY = 256
#: Sets of names a reader remembers; beyond them it looks again.
MOST_NAMES = 4096

names_decoder = msgspec.msgpack.Decoder(list[str])


class Columns:
    """A set of names that is sound: checked and encoded once, then written again and again."""

    def __init__(self, names: tuple[str, ...], width: Width) -> None:
        self.width: Width = width
        #: Given by the spool with the first row.
        self.number = 0
        #: In which segment they were last used, and how often.
        self.segment = -1
        self.rows = 0
        self._names = msgspec.Raw(msgpack_encoder.encode(names))
        count = len(names) * width
        # The whole frame at once; its length, magic and all.
        self._frame = struct.Struct(f"<4sIIIQIqdq{count}d")
        self._length = self._frame.size - HEADER_SIZE
        self._data = struct.Struct(f"<qdq{count}d")

    def is_named(self, segment: int) -> bool:
        """Whether the next row in that segment must spell the names out."""
        if self.segment != segment:
            self.segment, self.rows = segment, 0
        return self.rows in NAMED or self.rows % NAMED_EVERY == 0

    def named(self, place: Place, values: Collection[float]) -> NamedRow:
        return NamedRow(self._names, self.width, self.number, self._data.pack(*place, *values))

    def frame(self, attempt: int, sequence: int, place: Place, values: Collection[float]) -> bytearray:
        """The frame of a row without names, all but its crc."""
        frame = bytearray(self._frame.size)
        self._frame.pack_into(frame, 0, ROW, 0, self._length, attempt, sequence, self.number, *place, *values)
        return frame


class Names:
    """A set of names as it is read."""

    def __init__(self, names: list[str], width: Width) -> None:
        self.names = names
        self.width: Width = width
        self.count = len(names) * width
        #: Bytes that a row has from its step on.
        self.size = PLACE.size + 8 * self.count

    def points(self, sequence: list[int], rows: list[bytes]) -> Points:
        """Rows to columns, without looking at a value."""
        layout = np.dtype(
            [("step", "<i8"), ("time", "<f8"), ("mark", "<i8"), ("values", "<f8", (self.count,))]
        )
        table = np.frombuffer(b"".join(rows), layout)
        columns = table["values"].reshape(len(rows), len(self.names), self.width).swapaxes(0, 1)
        marks = table["mark"]
        return Points(
            names=self.names,
            width=self.width,
            sequence=encode_integers(sequence),
            step=table["step"].tobytes(),
            time=table["time"].tobytes(),
            values=[column.tobytes() for column in columns],
            mark=marks.tobytes() if marks.max() >= 0 else None,
        )


class Row(NamedTuple):
    """One row as it is read; ``data`` from its step on."""

    names: Names
    data: bytes

    @property
    def step(self) -> int:
        step: int = PLACE.unpack_from(self.data)[0]
        return step


class Dictionary:
    """The sets of names of one spool, by number."""

    def __init__(self) -> None:
        self._known: dict[int, Names] = {}
        #: Those that no frame spells out any more.
        self._lost: set[int] = set()

    def learn(self, named: NamedRow) -> Row:
        """Raises ``msgspec.ValidationError`` where the row contradicts itself."""
        names = self._known.get(named.number)
        if names is None:
            names = Names(names_decoder.decode(named.names), named.width)
            if len(self._known) >= MOST_NAMES:
                self._known.clear()
            self._known[named.number] = names
        if len(named.data) != names.size:
            raise msgspec.ValidationError(f"{len(named.data)} bytes of numbers for {names.count}")
        return Row(names, named.data)

    def row(self, payload: bytes, frames: Callable[[], Iterable[Frame]]) -> Row | None:
        """The row of a payload; None where its names are known neither here nor in any of the frames."""
        if len(payload) < NUMBER.size:
            return None
        (number,) = NUMBER.unpack_from(payload)
        names = self._known.get(number)
        if names is None and number not in self._lost:
            names = self._look_up(number, frames())
        if names is None or len(payload) != NUMBER.size + names.size:
            return None
        return Row(names, payload[NUMBER.size :])

    def _look_up(self, number: int, frames: Iterable[Frame]) -> Names | None:
        for frame in frames:
            if frame.magic != RECORD:
                continue
            with suppress(msgspec.MsgspecError):
                payload = payload_decoder.decode(frame.payload)
                if isinstance(payload, NamedRow) and payload.number == number:
                    return self.learn(payload).names
        self._lost.add(number)
        return None
