"""How answers are written: JSON through msgspec, and 304 where the asker has it already."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec
from fastapi import Request
from starlette.responses import Response


class Json(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return msgspec.json.encode(content)


def answer_unless_known(request: Request, tag: str, make: Callable[[], Any]) -> Response:
    """The answer with its entity tag; 304 without making it when the asker names that tag."""
    headers = tag_headers(tag)
    if is_known(request, tag):
        return Response(status_code=304, headers=headers)
    return Json(make(), headers=headers)


def tag_headers(tag: str) -> dict[str, str]:
    return {"etag": f"W/{_full(tag)}", "cache-control": "private, no-cache"}


def is_known(request: Request, tag: str) -> bool:
    """Whether the asker has the answer of that tag already."""
    known = request.headers.get("if-none-match", "")
    return any(candidate.strip().removeprefix("W/") == _full(tag) for candidate in known.split(","))


def _full(tag: str) -> str:
    """Another version of the program may answer differently about the same."""
    return f'"{tag}-{_program()}"'


@cache
def _program() -> str:
    try:
        return version("ganwatch")
    except PackageNotFoundError:
        return "unpackaged"
