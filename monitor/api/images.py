"""Image grids: uploaded under the hash of their bytes, kept as a PNG of our own with their pixels alone."""

from __future__ import annotations

import hashlib
import hmac
import io
import threading
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from monitor.api.answers import answer_unless_known
from monitor.api.ingest import refuse_encoding
from monitor.api.parameters import DigestInPath, RunInPath
from monitor.api.service import HasService, Service
from monitor.errors import Problem
from monitor.store import census, images

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP")
#: What a PNG can hold as it is; every other mode becomes RGB.
KEPT_MODES = frozenset({"1", "L", "LA", "RGB", "RGBA", "I;16"})
#: An image being decoded takes a hundred megabytes; these many at a time.
_decoding = threading.BoundedSemaphore(2)

router = APIRouter(tags=["images"])


@router.put(
    "/runs/{run}/images/{digest}",
    summary="Upload an image",
    status_code=201,
    response_class=Response,
    responses={200: {"description": "It was here already."}},
    openapi_extra={
        "requestBody": {"required": True, "content": {f"image/{name.lower()}": {} for name in FORMATS}}
    },
)
async def put_image(run: RunInPath, digest: DigestInPath, request: Request, service: HasService) -> Response:
    """The bytes of a PNG, JPEG or WebP under their SHA-256."""
    refuse_encoding(request)
    body = await request.body()
    is_new = await run_in_threadpool(_store, service, run, digest, body)
    return Response(status_code=201 if is_new else 200)


@router.get("/runs/{run}/images/{digest}", response_class=Response, summary="An image's bytes")
def get_image(run: RunInPath, digest: DigestInPath, service: HasService) -> Response:
    with service.database.read() as connection:
        stored = images.get_image(connection, run, digest)
    if stored is None:
        raise Problem(404, "unknown-image", f"There is no image {digest} in run {run!r}.")
    headers = {
        "cache-control": "private, max-age=31536000, immutable",
        "content-security-policy": "default-src 'none'; sandbox",
        "etag": f'"{digest}"',
    }
    return Response(stored.data, media_type=stored.media_type, headers=headers)


@router.get("/runs/{run}/images", response_class=Response, summary="The image grids of a run")
def list_images(
    run: RunInPath,
    request: Request,
    service: HasService,
    name: Annotated[str | None, Query(description="Only those logged under this name.")] = None,
) -> Response:
    with service.database.read() as connection:
        tag = census.run_tag(connection, run)
        return answer_unless_known(
            request, tag, lambda: {"images": images.list_images(connection, run, name)}
        )


def _store(service: Service, run: str, digest: str, body: bytes) -> bool:
    if not hmac.compare_digest(hashlib.sha256(body).hexdigest(), digest):
        raise Problem(
            422, "digest-mismatch", "The body's SHA-256 is not the one in the address.", field="digest"
        )
    with _decoding:
        data, (width, height) = reencode(body, service.settings.max_pixels)
    return images.put_image(
        service.database, run, digest, media_type="image/png", width=width, height=height, data=data
    )


def reencode(body: bytes, max_pixels: int) -> tuple[bytes, tuple[int, int]]:
    """The pixels of the first frame as a PNG of our own making: no metadata, no second meaning."""
    from PIL import Image  # noqa: PLC0415 - 3 MB that a service without images does without

    try:
        with Image.open(io.BytesIO(body), formats=FORMATS) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise _too_many_pixels(f"{width} x {height} pixels are", max_pixels)
            pixels = image if image.mode in KEPT_MODES else image.convert(_plain_mode(image))
            clean = Image.frombytes(pixels.mode, pixels.size, pixels.tobytes())
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels("That is", max_pixels) from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise Problem(
            422, "not-an-image", f"The body is not a whole PNG, JPEG or WebP image: {_first_line(error)}"
        ) from None
    out = io.BytesIO()
    clean.save(out, "PNG")
    return out.getvalue(), clean.size


def _plain_mode(image: Image.Image) -> str:
    return "RGBA" if image.has_transparency_data else "RGB"


def _too_many_pixels(subject: str, limit: int) -> Problem:
    return Problem(413, "too-many-pixels", f"{subject} more than the {limit} that an image may have.")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].replace(" <_io.BytesIO object>", "")
