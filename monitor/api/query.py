"""What was measured: series, points and marks of a run, as columns."""

from __future__ import annotations

from typing import Annotated, Literal

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from monitor.api.answers import answer_unless_known
from monitor.api.parameters import RunInPath
from monitor.api.service import HasService
from monitor.errors import Problem
from monitor.store import census, marks, picture, series

MOST_SERIES = 64

Names = Annotated[list[str], Query(max_length=MOST_SERIES, description="A series; repeat for several.")]
Patterns = Annotated[
    list[Annotated[str, Query(max_length=512)]],
    Query(max_length=MOST_SERIES, description="Series like `quality/*`: * is anything, ? one character."),
]
Edge = Annotated[float | None, Query(allow_inf_nan=False)]
First = Annotated[Edge, Query(alias="from", description="Where on the axis the view begins.")]
Last = Annotated[Edge, Query(alias="to", description="Where on the axis it ends; both are in it.")]
OfAttempt = Annotated[
    int | None, Query(ge=0, le=2**31, description="Its lineage is shown; the newest unless named.")
]

router = APIRouter(tags=["query"])


def require_order(first: float | None, last: float | None) -> None:
    """A view that ends before it begins holds nothing, and nobody means that."""
    if first is not None and last is not None and first > last:
        raise Problem(
            422, "invalid", f"The view begins at {first:g}, behind its end at {last:g}.", field="from"
        )


@router.get("/runs/{run}/series", response_class=Response, summary="The series of a run")
def list_series(run: RunInPath, request: Request, service: HasService) -> Response:
    with service.database.read() as connection:
        tag = census.run_tag(connection, run)
        return answer_unless_known(request, tag, lambda: {"series": series.list_series(connection, run)})


@router.get("/runs/{run}/marks", response_class=Response, summary="The evaluation marks of a run")
def list_marks(run: RunInPath, request: Request, service: HasService) -> Response:
    with service.database.read() as connection:
        tag = census.run_tag(connection, run)
        return answer_unless_known(request, tag, lambda: marks.list_marks(connection, run))


@router.get("/runs/{run}/points", response_class=Response, summary="Points, resampled to what is drawn")
async def query_points(
    run: RunInPath,
    request: Request,
    service: HasService,
    *,
    name: Names = [],  # noqa: B006 - FastAPI copies it
    match: Patterns = [],  # noqa: B006
    buckets: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    first: First = None,
    last: Last = None,
    axis: Literal["step", "epoch", "time"] = "step",
    attempt: OfAttempt = None,
    aligned: Annotated[bool, Query(description="The same buckets for every series, with nulls.")] = False,
    since: Annotated[
        str | None, Query(max_length=100, description="A `cursor` of an earlier answer: only what is new.")
    ] = None,
) -> Response:
    """At most so many buckets a series, each with its min and max: no spike disappears.

    Points that are fewer than the buckets come as they are (`exact`). A bucket stands for what lies between
    its `first` and its `step` (or `time`, or `epoch`), the place of its last point.
    """
    if not name and not match:
        raise Problem(
            422, "invalid", "Name a series, or match some: name=loss/g, match=loss/*.", field="name"
        )

    require_order(first, last)

    def draw() -> Response:
        with service.database.read() as connection:
            tag = census.run_tag(connection, run)
            return answer_unless_known(
                request,
                tag,
                lambda: picture.query_points(
                    connection,
                    run,
                    name,
                    buckets,
                    patterns=match,
                    most=MOST_SERIES,
                    first=first,
                    last=last,
                    axis=axis,
                    attempt=attempt,
                    aligned=aligned,
                    since=since,
                ),
            )

    async with service.turns:
        if await request.is_disconnected():
            raise ClientDisconnect
        return await to_thread.run_sync(draw, limiter=service.drawing)
