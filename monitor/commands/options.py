"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import tyro


def option(metavar: str | None, help_text: str) -> Any:
    """An option whose text says what is taken in its place: `None` would tell nobody anything."""
    return tyro.conf.arg(metavar=metavar, help=help_text, help_behavior_hint="")


Host = Annotated[str | None, option("HOST", "Address to listen on (default 127.0.0.1).")]
Port = Annotated[int | None, option("PORT", "Port to listen on (default 8765; 0 takes a free one).")]
DataDir = Annotated[Path | None, option("DIR", "Where the database and the token lie (default .ganwatch).")]
DatabaseUrl = Annotated[str | None, option("URL", "SQLAlchemy URL (default: SQLite in the data directory).")]
Server = Annotated[str | None, option("LINK", "The link that the service printed (default GANWATCH_SERVER).")]
Token = Annotated[str | None, option("TOKEN", "Its token (default that of the link, or GANWATCH_TOKEN).")]
