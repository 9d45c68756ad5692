"""``ganwatch detect``: the turning points of a stored run, or of a log or a trace in a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from monitor.detection.guarantee import ARL
from monitor.detection.hindsight import Row, find_turning_points
from monitor.detection.report import report
from monitor.errors import Misuse, Problem


def records_of_file(path: Path, roles: Sequence[str], modes: int | None) -> tuple[list[Row], dict[str, Any]]:
    """The records of a file; ``roles`` as typed: ``Q=my/quality``."""
    from monitor.interop.rows_of_logs import rows_of_file  # noqa: PLC0415 - readers load other packages

    told = dict(_parse_role(text) for text in roles)
    if modes is not None and modes < 2:
        raise Misuse(f"--modes is {modes}: a judge tells at least 2 modes apart")
    return rows_of_file(path, told, modes)


def records_of_run(
    run: str, attempt: int | None, data_dir: Path | None, database: str | None
) -> tuple[list[Row], dict[str, Any]]:
    """The records of a run that the service has stored."""
    from monitor.alerts.mark_records import rows_of_run  # noqa: PLC0415 - only the service needs it
    from monitor.settings import load_settings  # noqa: PLC0415
    from monitor.store.database import Database  # noqa: PLC0415

    settings = load_settings(data_dir=data_dir, database=database)
    stored = Database(settings.database_url)
    if stored.is_sqlite and not Path(stored.url.database or "").is_file():
        raise Misuse(
            f"there is no file {run!r}, and no store in {settings.data_dir}: name a log, or the store with "
            "--data-dir or --database"
        )
    try:
        stored.migrate()
        with stored.read() as connection:
            return rows_of_run(connection, run, attempt)
    except Problem as problem:
        raise Misuse(f"{problem.detail} There is no such file either.") from None
    finally:
        stored.close()


def tell(
    rows: Sequence[Row], meta: dict[str, Any], say: Callable[[str], None], *, offline: bool, arl: float = ARL
) -> None:
    """Print what is found."""
    if not rows:
        raise Misuse("there is no evaluation in it: Q and D are measured at evaluation marks")
    for line in report(rows, find_turning_points(rows, meta, offline=offline, arl=arl), offline=offline):
        say(line)


def _parse_role(text: str) -> tuple[str, str]:
    role, is_given, name = text.partition("=")
    if not is_given or not name:
        raise Misuse(f"--role takes ROLE=SERIES, such as Q=eval/quality, not {text!r}")
    return role, name
