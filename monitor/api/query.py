"""What was measured: series, points and marks of a run, as columns."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from monitor.api.answers import answer_unless_known
from monitor.api.parameters import RunInPath
from monitor.api.service import HasService
from monitor.store import census, marks, series

MOST_SERIES = 64

router = APIRouter(tags=["query"])


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
def query_points(
    run: RunInPath,
    request: Request,
    service: HasService,
    *,
    name: Annotated[list[str], Query(max_length=MOST_SERIES, description="A series; repeat for several.")],
    buckets: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    first: Annotated[float | None, Query(alias="from", allow_inf_nan=False)] = None,
    last: Annotated[float | None, Query(alias="to", allow_inf_nan=False)] = None,
    axis: Literal["step", "time"] = "step",
    attempt: Annotated[int | None, Query(ge=0)] = None,
) -> Response:
    """At most so many buckets a series, each with its min and max: no spike disappears."""
    with service.database.read() as connection:
        tag = census.run_tag(connection, run)
        return answer_unless_known(
            request,
            tag,
            lambda: series.query_points(
                connection, run, name, buckets, first=first, last=last, axis=axis, attempt=attempt
            ),
        )
