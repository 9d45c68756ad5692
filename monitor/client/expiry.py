"""What has waited for a server longer than a spool keeps it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from monitor.client.frames import RECORD, SEGMENT, payload_decoder, sound_frames
from monitor.client.images import ImageStore
from monitor.client.layout import remove_segment
from monitor.protocol import Gap, Image

#: Thirty days.
SPOOL_SECONDS = 30 * 86400.0


class Discarded(NamedTuple):
    #: Records that are lost now; those that were lost before are not among them.
    records: int
    #: Bytes that this freed.
    freed: int


def discard(segment: Path, images: ImageStore) -> Discarded:
    """Remove a segment, and the images that it speaks of."""
    records = freed = 0
    with suppress(OSError):
        for frame in sound_frames(segment.read_bytes()):
            payload = None
            if frame.magic == RECORD:
                with suppress(msgspec.MsgspecError):
                    payload = payload_decoder.decode(frame.payload)
            if isinstance(payload, Image):
                freed += images.remove(payload.digest)
            records += frame.magic != SEGMENT and not isinstance(payload, Gap)
    return Discarded(records, freed + remove_segment(segment))
