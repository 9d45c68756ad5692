"""What a path or a query may hold, as the wire's own types say it."""

from __future__ import annotations

from typing import Annotated, get_args

from fastapi import Path

from monitor import protocol


def _pattern(annotated: object) -> str:
    pattern = get_args(annotated)[1].pattern
    assert isinstance(pattern, str)
    return pattern


RUN_PATTERN = _pattern(protocol.RunId)

RunInPath = Annotated[str, Path(alias="run", pattern=RUN_PATTERN, description="The run's id.")]
DigestInPath = Annotated[
    str, Path(alias="digest", pattern=_pattern(protocol.Digest), description="SHA-256 of the bytes uploaded.")
]
