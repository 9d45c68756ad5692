"""Where training processes deliver: one batch of numbered records a request."""

from __future__ import annotations

import re
from time import perf_counter

import msgspec
from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from monitor import protocol
from monitor.api.answers import Json
from monitor.api.parameters import RunInPath
from monitor.api.service import HasService, Service
from monitor.errors import Problem
from monitor.protocol import Batch, Receipt
from monitor.store.ingest import apply_batch

MEDIA_TYPE_JSON = "application/json"

_FIELD = re.compile(r" - at `(?P<field>\$[^`]*)`$")
_LITERAL = re.compile(rb"-?(?:NaN|Infinity)")

router = APIRouter(tags=["ingest"])


class MessagePack(Response):
    media_type = protocol.MEDIA_TYPE_MSGPACK

    def render(self, content: Receipt) -> bytes:
        return protocol.msgpack_encoder.encode(content)


_ANSWERS: dict[str, type[Response]] = {MEDIA_TYPE_JSON: Json, protocol.MEDIA_TYPE_MSGPACK: MessagePack}


def _refers_to(name: str) -> dict[str, object]:
    schema = {"schema": {"$ref": f"#/components/schemas/{name}"}}
    return {"content": {protocol.MEDIA_TYPE_MSGPACK: schema, MEDIA_TYPE_JSON: schema}}


@router.post(
    "/runs/{run}/batches",
    summary="Deliver a batch of records",
    openapi_extra={"requestBody": {"required": True, **_refers_to("Batch")}},
    responses={
        200: {"description": "Everything up to the high-water mark is stored.", **_refers_to("Receipt")}
    },
    response_class=Response,
)
async def receive_batch(run: RunInPath, request: Request, service: HasService) -> Response:
    """Applies what is new of the batch, once; the answer is in the format of the request."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if media_type not in _ANSWERS:
            raise Problem(415, "unsupported-media-type", f"Send {' or '.join(_ANSWERS)}.")
        refuse_encoding(request)
        body = await request.body()
        receipt = await to_thread.run_sync(_apply, service, run, media_type, body, limiter=service.storing)
    except Problem as problem:
        service.metrics.count_refusal(problem.type)
        raise
    return _ANSWERS[media_type](receipt)


def refuse_encoding(request: Request) -> None:
    """A compressed body could unpack to anything."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "unsupported-encoding", "Send the body as it is, without Content-Encoding.")


def _apply(service: Service, run: str, media_type: str, body: bytes) -> Receipt:
    batch = decode_batch(media_type, body)
    began = perf_counter()
    applied = apply_batch(service.database, run, batch, service.clock())
    service.metrics.count_batch(batch, len(applied.receipt.rejected), perf_counter() - began)
    if applied.changed:
        service.broker.publish(run, applied.run_version, applied.changed)
    if applied.is_news:
        service.background.notice(run)
    elif "points" in applied.changed:
        service.background.notice_points(run)
    return applied.receipt


def decode_batch(media_type: str, body: bytes) -> Batch:
    is_json = media_type == MEDIA_TYPE_JSON
    decoder = protocol.batch_decoder_json if is_json else protocol.batch_decoder_msgpack
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        match = _FIELD.search(str(error))
        detail = str(error)[: match.start()] if match else str(error)
        raise Problem(422, "invalid", detail, field=match["field"] if match else None) from None
    except UnicodeDecodeError:
        raise Problem(400, "malformed", "A string of the body is not UTF-8.") from None
    except RecursionError:
        raise Problem(400, "malformed", "The body is nested too deeply.") from None
    except msgspec.DecodeError as error:
        raise Problem(400, "malformed", _remedy(body, str(error)) if is_json else str(error)) from None


def _remedy(body: bytes, message: str) -> str:
    """JSON has no NaN, yet Python writes one."""
    position = re.search(r"\(byte (\d+)\)", message)
    start = max(0, int(position[1]) - 1) if position else 0
    if literal := _LITERAL.match(body, start) or _LITERAL.match(body, start + 1):
        name = literal[0].decode()
        return f'{name} at byte {literal.start()} is not JSON; write it as the string "{name}".'
    return message
