"""``ganwatch detect``: the turning points of a stored run, or of a log or a trace in a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monitor.client.address import Address, needed_address
from monitor.detection.guarantee import ARL
from monitor.detection.hindsight import Row, find_turning_points
from monitor.detection.records import SINCE_THE_MARK, EvaluationMark, assemble
from monitor.detection.report import report
from monitor.errors import Misuse, Problem
from monitor.reading import ReadError, read


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
    """The records of a run: out of the store here, else of the service that ``GANWATCH_SERVER`` names."""
    try:
        return _records_in_store(run, attempt, data_dir, database)
    except Misuse:
        if data_dir is not None or database is not None or not os.environ.get("GANWATCH_SERVER"):
            raise
    if attempt is not None:
        raise Misuse(f"--attempt {attempt} needs the store itself: name it with --data-dir or --database")
    return _records_of_service(run, needed_address(None))


def _records_in_store(
    run: str, attempt: int | None, data_dir: Path | None, database: str | None
) -> tuple[list[Row], dict[str, Any]]:
    from monitor.alerts.mark_records import rows_of_run  # noqa: PLC0415 - only the service needs it
    from monitor.settings import load_settings  # noqa: PLC0415
    from monitor.store.database import Database  # noqa: PLC0415

    settings = load_settings(data_dir=data_dir, database=database)
    stored = Database(settings.database_url)
    if stored.is_sqlite and not Path(stored.url.database or "").is_file():
        raise Misuse(
            f"there is no file {run!r}, and no store in {settings.data_dir}: name a log, the store with "
            "--data-dir or --database, or its service with GANWATCH_SERVER"
        )
    try:
        stored.migrate()
        with stored.read() as connection:
            return rows_of_run(connection, run, attempt)
    except Problem as problem:
        raise Misuse(f"{problem.detail} There is no such file either.") from None
    finally:
        stored.close()


def _records_of_service(run: str, address: Address) -> tuple[list[Row], dict[str, Any]]:
    """As the service itself assembles them: what a mark's step has, and what came since the mark before."""
    from monitor.alerts.mark_records import meta_of  # noqa: PLC0415 - only runs need it
    from monitor.commands.asking import ask  # noqa: PLC0415
    from monitor.store.detectors import RoleSeries, choose_by_role  # noqa: PLC0415

    declared = [entry for entry in ask(address, f"/runs/{run}/series")["series"] if entry["role"] is not None]
    roles = choose_by_role(RoleSeries(*map(entry.get, RoleSeries._fields)) for entry in declared)
    remedied = {entry["number"] for entry in ask(address, f"/runs/{run}")["attempts"] if entry["remedy"]}
    marks = ask(address, f"/runs/{run}/marks")
    if not roles or not marks["step"]:
        return [], {}
    try:
        found = read(run, *(one.name for one in roles.values()), server=address.base, token=address.token)
    except ReadError as error:
        raise Misuse(str(error)) from None
    curves = {role: found[one.name] for role, one in roles.items() if one.name in found}
    rows: list[Row] = []
    after, last_attempt = min(marks["step"][0] - 1, -1), None
    for index, (step, epoch) in enumerate(zip(marks["step"], marks["epoch"], strict=True)):
        at_mark, since, attempt = {}, {}, last_attempt
        for role, curve in curves.items():
            low, high = np.searchsorted(curve.step, (after, step), side="right")
            if role in SINCE_THE_MARK:
                since[role] = curve.value[low:high].tolist()
            elif low < high and curve.step[high - 1] == step:
                at_mark[role], attempt = float(curve.value[high - 1]), int(curve.attempt[high - 1])
        is_changed = last_attempt is not None and attempt != last_attempt and attempt in remedied
        record = assemble(EvaluationMark(attempt or 0, index, step, epoch, frozenset()), at_mark, since)
        rows.append(Row(record, step, epoch, is_changed))
        after, last_attempt = step, attempt
    return rows, meta_of(roles)


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
