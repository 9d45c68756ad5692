"""What `ganwatch import` does: every log it finds, each with a line of what became of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from monitor.client.transport import HttpTransport
from monitor.errors import Misuse
from monitor.interop.logs import FORMATS, LeftOut, Log, find_logs
from monitor.interop.records import Unreadable
from monitor.interop.sending import Report, import_log

#: Lines about one log, and about files that are left out for the same reason.
MOST_TOLD = 20
MOST_ALIKE = 3

Tell = Callable[[str], object]


def import_all(
    paths: Sequence[Path],
    transport: HttpTransport,
    tell: Tell,
    *,
    project: str | None = None,
    run: str | None = None,
    format_name: str | None = None,
) -> bool:
    """Import all that is found; whether everything that was named is there now, and whole."""
    if not paths:
        raise Misuse("import what? name log files, or folders of them")
    found = list(find_logs(paths, FORMATS[format_name] if format_name else None))
    logs = [entry for entry in found if isinstance(entry, Log)]
    if run is not None and len(logs) > 1:
        raise Misuse(f"--id names one run, and these are {len(logs)} logs; import them one by one")
    if not found:
        tell("nothing to import there")
    is_complete = bool(logs)
    left_out = [entry for entry in found if isinstance(entry, LeftOut)]
    is_complete &= not any(entry.is_named for entry in left_out)
    _tell_left_out(left_out, tell)
    for entry in logs:
        shown = entry.files[0] if len(entry.files) == 1 else entry.files[0].parent
        try:
            report = import_log(entry, transport, project, run)
        except (Unreadable, OSError) as reason:
            tell(f"{shown}: not imported: {reason}")
            is_complete = False
        else:
            _tell_report(str(shown), report, tell)
            is_complete &= not report.is_damaged
    return is_complete


def _tell_left_out(left_out: Sequence[LeftOut], tell: Tell) -> None:
    """What was named each by itself; what only lies beside the logs in short."""
    by_reason: dict[str, list[LeftOut]] = {}
    for entry in left_out:
        by_reason.setdefault(f"{entry.is_named} {entry.reason}", []).append(entry)
    for alike in by_reason.values():
        shown = alike if alike[0].is_named or len(alike) <= MOST_ALIKE else alike[:1]
        for entry in shown:
            more = "" if len(shown) == len(alike) else f" (as are {len(alike) - 1:,} more files)"
            tell(f"{entry.path}: left out: {entry.reason}{more}")


def _tell_report(shown: str, report: Report, tell: Tell) -> None:
    news = "nothing new" if not report.new else f"{report.new:,} new"
    tell(f"{shown}: run {report.run}: {report.records:,} records, {news}")
    notes = [*report.notes, *report.rejected]
    for note in notes[:MOST_TOLD]:
        tell(f"  {note}")
    if len(notes) > MOST_TOLD:
        tell(f"  and {len(notes) - MOST_TOLD:,} more such")
