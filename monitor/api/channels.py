"""The channels that alerts are told by: which there are, what waits for them, and whether they work."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from monitor.alerts.channels.configured import why_missing
from monitor.alerts.channels.event import DeliveryError, Event
from monitor.api.answers import Json
from monitor.api.service import HasService
from monitor.errors import Problem
from monitor.store import outbox

router = APIRouter(tags=["alerts"])

ChannelInPath = Annotated[str, Path(alias="channel", max_length=64, description="The channel's name.")]


@router.get("/channels", summary="Where alerts are told", response_class=Response)
def list_all(service: HasService) -> Response:
    """`waiting` is what was not delivered yet, `error` why not. No addresses: they are credentials."""
    with service.database.read() as connection:
        waiting = outbox.count_waiting(connection)
    return Json(
        {
            "channels": [
                {"name": name, "waiting": count, "error": error}
                for name, (count, error) in ((name, waiting.get(name, (0, ""))) for name in service.channels)
            ]
        }
    )


@router.post("/channels/{channel}/test", summary="Send a test message", response_class=Response)
def test(channel: ChannelInPath, service: HasService) -> Response:
    """502 says why it did not arrive."""
    there = service.channels.get(channel)
    if there is None:
        raise Problem(404, "unknown-channel", why_missing(channel), field="channel")
    try:
        there.deliver(Event(secrets.token_hex(16), {"type": "test", "time": service.clock()}))
    except DeliveryError as error:
        raise Problem(502, "not-delivered", str(error), field="channel") from None
    return Json({"name": channel, "delivered": True})
