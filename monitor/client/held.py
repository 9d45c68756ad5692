"""What the disk would not take, until it does: records that describe a run in full, numbers as a gap."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.client.frames import RECORD, encode_frame, frame_at, payload_decoder
from monitor.protocol import Gap, msgpack_encoder

#: A run logs far fewer declarations, marks and images than this; what comes beyond becomes a gap as well.
MOST_KEPT = 2000


@dataclass
class _Lost:
    attempt: int
    first: int
    last: int
    time: float
    reason: str


class Held:
    """Frames in memory; not safe for several threads, the spool's lock guards it."""

    def __init__(self) -> None:
        self._frames: list[bytes] = []
        #: The gap that still grows, until something follows it or it is handed out.
        self._open: _Lost | None = None

    def __bool__(self) -> bool:
        return self._open is not None or bool(self._frames)

    def lose(self, sequence: int, attempt: int, reason: str, time: float) -> None:
        lost = self._open
        if lost is not None and lost.last == sequence - 1 and lost.attempt == attempt:
            lost.last = sequence
        else:
            self._close()
            self._open = _Lost(attempt, sequence, sequence, time, reason)

    def keep(self, frame: bytes) -> bool:
        """Whether there was room for it."""
        if len(self._frames) >= MOST_KEPT:
            return False
        self._close()
        self._frames.append(frame)
        return True

    def frames(self) -> list[bytes]:
        """All that is held, oldest first."""
        return [*self._frames, *([_encode(self._open)] if self._open else [])]

    def records_behind(self, sequence: int) -> int:
        """How many records behind that number are here alone; what was lost is none of them."""
        frames = [frame for data in self._frames if (frame := frame_at(data, 0))]
        behind = [payload_decoder.decode(frame.payload) for frame in frames if frame.sequence > sequence]
        return sum(not isinstance(record, Gap) for record in behind)

    def hand_out(self) -> list[bytes]:
        """The same, to be delivered from here: no gap among them grows any more."""
        self._close()
        return self.frames()

    def written(self) -> None:
        """The oldest is on disk now."""
        if self._frames:
            del self._frames[0]
        else:
            self._open = None

    def _close(self) -> None:
        self._frames, self._open = self.frames(), None


def _encode(lost: _Lost) -> bytes:
    gap = Gap(sequence=lost.first, last=lost.last, time=lost.time, reason=lost.reason)
    return encode_frame(msgpack_encoder.encode(gap), RECORD, lost.attempt, lost.first)
