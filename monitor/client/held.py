"""What the disk would not take, until it does: records that describe a run in full, numbers as a gap."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.client.frames import RECORD, encode_frame
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
        #: The gap that still grows; it becomes a frame when something follows it or somebody reads it.
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
        """All that is held, oldest first. It may be delivered from here, so no gap in it grows any more."""
        self._close()
        return list(self._frames)

    def written(self, count: int) -> None:
        """The oldest ``count`` frames are on disk now."""
        del self._frames[:count]

    def _close(self) -> None:
        lost, self._open = self._open, None
        if lost is None:
            return
        gap = Gap(sequence=lost.first, last=lost.last, time=lost.time, reason=lost.reason)
        self._frames.append(encode_frame(msgpack_encoder.encode(gap), RECORD, lost.attempt, lost.first))
