"""What trainings on this disk logged and could not deliver."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from monitor.client.frames import HEADER_SIZE, SEGMENT, sound_frames
from monitor.client.layout import all_spools, refusal_of, segments
from monitor.client.position import read_position
from monitor.doctor.findings import Finding, note, ok, size_of, wrong


def examine_spools(directory: Path) -> Iterator[Finding]:
    spools = list(all_spools(directory))
    for spool in spools:
        yield _examine_spool(spool)
    if not spools:
        yield ok("spool", f"nothing waits in {directory}")
    damaged = sorted((directory / "quarantine").rglob("*.segment"))
    if damaged:
        remedy = "what was lost is shown on the run; delete them when nobody needs them"
        yield note("quarantine", f"{len(damaged)} damaged segments in {directory / 'quarantine'}", remedy)


@dataclass
class _Content:
    waiting: int = 0
    damaged: int = 0
    size: int = 0
    written: float = 0.0


def _examine_spool(spool: Path) -> Finding:
    content = _read(spool)
    subject = f"spool {spool.parent.name}/{spool.name}"
    detail = f"{content.waiting:,} records wait, {size_of(content.size)}"
    if reason := refusal_of(spool):
        return wrong(
            subject, f"{detail}; the service refuses them: {reason}", f"delete {spool}, or its file refused"
        )
    if content.damaged:
        places = "place" if content.damaged == 1 else "places"
        remedy = "the rest is delivered, and what is lost is shown on the run"
        return wrong(subject, f"{detail}; damaged in {content.damaged} {places}", remedy)
    if _is_held(spool):
        return ok(subject, f"{detail}; its training runs")
    days = (time.time() - content.written) / 86400
    return wrong(
        subject, f"{detail}; its training is gone since {days:.1f} days", "`ganwatch sync` delivers them"
    )


def _read(spool: Path) -> _Content:
    content = _Content()
    position = read_position(spool)
    confirmed = position.sequence - 1 if position else 0
    files = segments(spool)
    for path in files:
        data = path.read_bytes()
        content.size += len(data)
        content.written = max(content.written, path.stat().st_mtime)
        at = 0
        for frame in sound_frames(data):
            content.damaged += frame.begin != at
            content.waiting += frame.magic != SEGMENT and frame.sequence > confirmed
            at = frame.end
        # The last record of a killed process may be torn, and was never logged; other remains are damage.
        content.damaged += len(data) - at >= HEADER_SIZE and path != files[-1]
    return content


def _is_held(spool: Path) -> bool:
    """Whether a living process writes the spool or delivers it. The lock is tried and given back at once."""
    try:
        descriptor = os.open(spool / "lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
