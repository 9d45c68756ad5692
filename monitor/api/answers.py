"""How answers are written: JSON through msgspec, and 304 where the asker has it already."""

from __future__ import annotations

from collections.abc import Callable
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
    headers = {"etag": f'W/"{tag}"', "cache-control": "private, no-cache"}
    known = request.headers.get("if-none-match", "")
    if any(candidate.strip().removeprefix("W/") == f'"{tag}"' for candidate in known.split(",")):
        return Response(status_code=304, headers=headers)
    return Json(make(), headers=headers)
