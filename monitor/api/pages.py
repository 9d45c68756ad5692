"""The page: one HTML file for every address of it, its modules, and plotly.js from the plotly package."""

from __future__ import annotations

import functools
import gzip
import hashlib
import importlib.util
import os
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

import monitor
from monitor.api.gate import check_origin, local_path
from monitor.api.service import HasService
from monitor.api.welcome import welcome_page
from monitor.errors import Misuse, Problem

PLOTLY_PATH = "/static/vendor/plotly.min.js"
#: Longer than any token with the address it leads to; strangers may send no more.
MOST_OF_A_FORM = 16 * 1024
#: Kept by the browser, which asks each time whether it is still the same.
REVALIDATED = {"cache-control": "private, no-cache"}

router = APIRouter(include_in_schema=False)


def web_directory() -> Path:
    """Where the page's files lie: in the package as installed, or at the top of a checkout."""
    package = Path(monitor.__file__).parent
    for directory in (package / "_bundled" / "web", package.parent / "web"):
        if (directory / "index.html").is_file():
            return directory
    raise Misuse("the page's files are missing: install ganwatch again")


class Assets(StaticFiles):
    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(REVALIDATED)
        return response


@router.get("/")
@router.get("/runs/{run}")
@router.get("/runs/{run}/alerts/{alert}")
@router.get("/compare")
@router.get("/alerts")
@router.get("/jobs")
def get_page() -> Response:
    return FileResponse(web_directory() / "index.html", headers=REVALIDATED)


@router.post("/login")
async def log_in(request: Request, service: HasService) -> Response:
    """The welcome page's form."""
    check_origin(request)
    form = await _read_form(request)
    target = local_path(form.get("next", ["/"])[0])
    try:
        service.access.check_token(request, form.get("token", [""])[0].strip())
    except Problem as problem:
        return welcome_page(request, problem, target)
    return service.access.open_session(request, target)


async def _read_form(request: Request) -> dict[str, list[str]]:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_OF_A_FORM:
            raise Problem(413, "too-large", f"The form has more than {MOST_OF_A_FORM} bytes.")
    try:
        return parse_qs(body.decode("latin-1"), max_num_fields=8)
    except ValueError:
        raise Problem(400, "malformed", "The form has too many fields.") from None


@router.get(PLOTLY_PATH)
def get_plotly(request: Request) -> Response:
    script = _plotly()
    headers = {"etag": script.tag, "vary": "accept-encoding", "cache-control": "private, max-age=86400"}
    if script.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        return Response(script.compressed, headers=headers, media_type="text/javascript")
    return Response(gzip.decompress(script.compressed), headers=headers, media_type="text/javascript")


class _Script(NamedTuple):
    compressed: bytes
    tag: str


@functools.lru_cache(maxsize=1)
def _plotly() -> _Script:
    """Found without importing plotly, which takes a second."""
    spec = importlib.util.find_spec("plotly")
    if spec is None or spec.origin is None:
        raise Problem(404, "not-found", "The plotly package is not installed.")
    script = (Path(spec.origin).parent / "package_data" / "plotly.min.js").read_bytes()
    return _Script(gzip.compress(script, 6, mtime=0), f'"{hashlib.sha256(script).hexdigest()[:32]}"')
