"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import tyro


def option(metavar: str | None, help_text: str) -> Any:
    """An option whose text says what is taken in its place: `None` would tell nobody anything."""
    return tyro.conf.arg(metavar=metavar, help=help_text, help_behavior_hint="")


DataDir = Annotated[Path | None, option("DIR", "Where the database and the token lie (default .ganwatch).")]
DatabaseUrl = Annotated[str | None, option("URL", "SQLAlchemy URL (default: SQLite in the data directory).")]
Server = Annotated[str | None, option("LINK", "The link that the service printed (default GANWATCH_SERVER).")]
Token = Annotated[str | None, option("TOKEN", "Its token (default that of the link, or GANWATCH_TOKEN).")]
