"""Every point of a run as a file, streamed: an export of any size takes the same memory."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Annotated, Literal, cast

import anyio
from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from monitor import portions
from monitor.api.answers import is_known, tag_headers
from monitor.api.parameters import RunInPath
from monitor.api.query import First, Last, Names, OfAttempt, Patterns, require_order
from monitor.api.service import HasService
from monitor.errors import Problem
from monitor.exports.arrow import write_arrow, write_parquet
from monitor.exports.csv import write_csv
from monitor.exports.portions import write_portions
from monitor.store import census
from monitor.store.extract import Extract, Extraction

#: An export holds a view of the database for as long as it takes; these many at a time.
MOST_EXPORTS = 4
#: How long it waits for a client that does not read, and the bytes a second of one that reads.
PATIENCE = 60.0
SLOWEST = 2**16
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
#: What does not become smaller by compressing it once more.
PACKED_TYPES = (ARROW, PARQUET, portions.MEDIA_TYPE)

_exporting = threading.BoundedSemaphore(MOST_EXPORTS)

router = APIRouter(tags=["query"])


class Download(StreamingResponse):
    """Takes the parts from a generator in a thread, and ends it whatever becomes of the client.

    A client that does not read is waited for ``patience`` seconds in all, and longer by what ``SLOWEST``
    takes for what it has read: as long as it lasts, the database keeps what was deleted meanwhile.
    """

    def __init__(
        self,
        parts: Iterator[bytes],
        done: Callable[[], None],
        patience: float = PATIENCE,
        **options: object,
    ) -> None:
        self._parts = cast("Generator[bytes]", parts)
        self._done = done
        self._patience = patience
        super().__init__(self._take(), **options)  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            began = anyio.current_time()
            with anyio.fail_after(self._patience):
                await send(message)
            waited = anyio.current_time() - began
            self._patience += len(message.get("body", b"")) / SLOWEST - waited

        try:
            await super().__call__(scope, receive, send_in_time)
        except TimeoutError:
            # The answer is not ended in order, so that nobody takes the part for the whole.
            raise ClientDisconnect from None
        finally:
            with anyio.CancelScope(shield=True):
                await run_in_threadpool(self._end)

    async def _take(self) -> AsyncIterator[bytes]:
        while (part := await run_in_threadpool(next, self._parts, None)) is not None:
            yield part

    def _end(self) -> None:
        self._parts.close()
        self._done()


@router.get("/runs/{run}/export", response_class=Response, summary="Every point, as a file")
def export_points(
    run: RunInPath,
    request: Request,
    service: HasService,
    *,
    format: Annotated[  # noqa: A002
        Literal["csv", "arrow", "parquet", "portions"],
        Query(description="`portions` is what `monitor.read` reads."),
    ] = "csv",
    name: Names = [],  # noqa: B006 - FastAPI copies it
    match: Patterns = [],  # noqa: B006
    first: First = None,
    last: Last = None,
    axis: Literal["step", "epoch", "time"] = "step",
    attempt: OfAttempt = None,
) -> Response:
    """All series unless some are named, one after the other, each in the order in which it was stored."""
    require_order(first, last)
    with service.database.read() as connection:
        tag = census.run_tag(connection, run)
    headers = tag_headers(tag)
    if is_known(request, tag):
        return Response(status_code=304, headers=headers)
    patterns = match if name or match else ["*"]
    extraction = Extraction(service.database, run, Extract(name, patterns, axis, first, last, attempt))
    writers: dict[str, tuple[str, str, Callable[[], Iterator[bytes]]]] = {
        "csv": ("text/csv", "csv", lambda: write_csv(extraction)),
        "arrow": (ARROW, "arrows", lambda: write_arrow(extraction)),
        "parquet": (PARQUET, "parquet", lambda: write_parquet(extraction)),
        "portions": (portions.MEDIA_TYPE, "portions", lambda: write_portions(run, extraction)),
    }
    media_type, suffix, write = writers[format]
    parts = write()
    if not _exporting.acquire(blocking=False):
        raise Problem(
            503,
            "too-many-exports",
            f"{MOST_EXPORTS} exports are under way; try again when one is done.",
            headers={"retry-after": "5"},
        )
    headers["content-disposition"] = f'attachment; filename="{run}.{suffix}"'
    return Download(parts, _exporting.release, media_type=media_type, headers=headers)
