"""``ganwatch sync``: what waits in a folder's spools, delivered."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from monitor.client.sync import sync
from monitor.errors import Misuse


def deliver(directory: Path, server: str | None, token: str | None, say: Callable[[str], None]) -> bool:
    """Whether nothing waits any more."""
    server = server or os.environ.get("GANWATCH_SERVER")
    if not server:
        raise Misuse("deliver where? give the link that `ganwatch serve` printed with --server")
    try:
        reports = sync(directory, server, token)
    except ValueError as error:
        raise Misuse(str(error)) from None
    for report in reports:
        lost = f", {report.lost} lost" if report.lost else ""
        obstacle = f"; the rest waits: {report.obstacle}" if report.obstacle else ""
        say(f"{report.run} ({report.writer}): {report.delivered} records delivered{lost}{obstacle}")
    if not reports:
        say(f"nothing waits in {directory}")
    return not any(report.obstacle for report in reports)
