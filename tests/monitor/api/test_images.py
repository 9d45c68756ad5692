from __future__ import annotations

import hashlib
import io
import struct
import zlib
from typing import Any

import httpx
import pytest
from PIL import Image

from monitor import protocol
from monitor.api.images import reencode
from monitor.errors import Problem
from tests.monitor.api.batches import a_run, batch, send

MOST_PIXELS = 2**24


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def upload(
    client: httpx.Client, body: bytes, digest: str | None = None, run: str = "pictures"
) -> httpx.Response:
    digest = digest or hashlib.sha256(body).hexdigest()
    return client.put(
        f"/api/v1/runs/{run}/images/{digest}", content=body, headers={"Content-Type": "image/png"}
    )


def fetch(client: httpx.Client, body: bytes, run: str = "pictures") -> httpx.Response:
    return client.get(f"/api/v1/runs/{run}/images/{hashlib.sha256(body).hexdigest()}")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "I;16"])
def test_the_pixels_come_back_as_they_were(client: httpx.Client, mode: str) -> None:
    size = (5, 3)
    image = Image.frombytes(mode, size, bytes(range(len(Image.new(mode, size).tobytes()))))
    body = encoded(image)
    assert upload(client, body).status_code == 201
    answer = fetch(client, body)
    assert answer.headers["content-type"] == "image/png"
    back = Image.open(io.BytesIO(answer.content))
    assert back.mode == image.mode
    assert back.tobytes() == image.tobytes()


def test_an_image_uploaded_again_is_kept_once(client: httpx.Client) -> None:
    body = encoded(Image.new("L", (2, 2), 7))
    assert [upload(client, body).status_code for _ in range(3)] == [201, 200, 200]


def test_an_image_is_kept_by_the_browser_and_runs_nothing(client: httpx.Client) -> None:
    body = encoded(Image.new("L", (2, 2), 9))
    upload(client, body)
    headers = fetch(client, body).headers
    assert "immutable" in headers["cache-control"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_exif_and_all_other_metadata_are_dropped(client: httpx.Client, kind: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    body = encoded(Image.new("RGB", (4, 4), "red"), kind, exif=exif, icc_profile=b"a secret profile")
    assert b"a secret place" in body
    assert upload(client, body).status_code == 201
    kept = fetch(client, body).content
    assert b"secret" not in kept
    assert {kept[start + 4 : start + 8] for start in chunk_starts(kept)} == {b"IHDR", b"IDAT", b"IEND"}


def chunk_starts(png: bytes) -> list[int]:
    starts, position = [], 8
    while position < len(png):
        starts.append(position)
        position += 12 + int.from_bytes(png[position : position + 4], "big")
    return starts


def test_what_hides_behind_the_pixels_is_dropped(client: httpx.Client) -> None:
    """A polyglot: a whole PNG, and a page or an archive after its end."""
    body = encoded(Image.new("L", (4, 4))) + b"<script>alert(1)</script>PK\x03\x04"
    assert upload(client, body).status_code == 201
    kept = fetch(client, body).content
    assert b"script" not in kept
    assert kept.endswith(chunk(b"IEND", b""))


def test_only_the_first_frame_of_an_animation_is_kept() -> None:
    frames = [Image.new("L", (3, 3), shade) for shade in (10, 20, 30)]
    body = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
    kept, size = reencode(body, MOST_PIXELS)
    assert size == (3, 3)
    assert Image.open(io.BytesIO(kept)).tobytes() == bytes([10] * 9)


def test_a_palette_keeps_its_transparency() -> None:
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 0)).quantize(2)
    kept, _ = reencode(encoded(image), MOST_PIXELS)
    assert Image.open(io.BytesIO(kept)).mode == "RGBA"


@pytest.mark.parametrize(
    ("width", "height"), [(100_000, 100_000), (2**31 - 1, 2**31 - 1), (5000, 5000), (MOST_PIXELS + 1, 1)]
)
def test_a_decompression_bomb_is_refused_by_its_size_alone(
    client: httpx.Client, width: int, height: int
) -> None:
    body = png_header(width, height) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    answer = upload(client, body)
    assert answer.status_code == 413
    assert answer.json()["type"] == "too-many-pixels"


def test_a_bomb_in_a_text_chunk_is_refused() -> None:
    text = chunk(b"zTXt", b"k\0\0" + zlib.compress(b"\0" * 100_000_000))
    body = png_header(1, 1) + text + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
    with pytest.raises(Problem) as refusal:
        reencode(body, MOST_PIXELS)
    assert refusal.value.status == 422


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_truncated_image_is_refused(client: httpx.Client, kind: str) -> None:
    pixels = bytes((i * 7919) % 251 for i in range(64 * 64))
    whole = encoded(Image.frombytes("L", (64, 64), pixels).convert("RGB"), kind)
    for length in (0, 1, 8, 20, 33, len(whole) // 2, len(whole) - 40):
        answer = upload(client, whole[:length])
        assert answer.status_code == 422, length
        assert answer.json()["type"] == "not-an-image"


@pytest.mark.parametrize(
    "body",
    [
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        b"GIF89a" + b"\0" * 40,
        b"BM" + b"\0" * 60,
        b"%PDF-1.7",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n",
        b"<html><script>alert(1)</script>",
        b"\0" * 100,
        b"",
    ],
    ids=["svg", "gif", "bmp", "pdf", "eps", "html", "zeros", "empty"],
)
def test_what_is_no_png_jpeg_or_webp_is_refused(client: httpx.Client, body: bytes) -> None:
    answer = upload(client, body)
    assert answer.status_code == 422
    assert answer.json()["type"] == "not-an-image"
    assert fetch(client, body).status_code == 404


def test_bytes_under_another_hash_are_refused(client: httpx.Client) -> None:
    answer = upload(client, encoded(Image.new("L", (2, 2))), digest="0" * 64)
    assert answer.status_code == 422
    assert answer.json()["type"] == "digest-mismatch"


@pytest.mark.parametrize(
    "digest",
    [
        "..",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "A" * 64,
        "0" * 63,
        "0" * 65,
        "0" * 64 + ".png",
        "0" * 64 + "%0a",
    ],
)
def test_an_image_has_no_address_but_its_hash(client: httpx.Client, digest: str) -> None:
    body = encoded(Image.new("L", (2, 2)))
    assert client.put(f"/api/v1/runs/pictures/images/{digest}", content=body).status_code in {404, 405, 422}
    assert client.get(f"/api/v1/runs/pictures/images/{digest}").status_code in {404, 405, 422}


def test_an_image_of_one_run_is_not_found_in_another(client: httpx.Client) -> None:
    body = encoded(Image.new("L", (3, 2), 99))
    upload(client, body, run="mine")
    assert fetch(client, body, run="mine").status_code == 200
    assert fetch(client, body, run="yours").status_code == 404


def test_the_grids_of_a_run_are_listed_with_what_is_known_of_them(client: httpx.Client) -> None:
    a_run(client, "grids")
    body = encoded(Image.new("L", (8, 6)))
    upload(client, body, run="grids")
    digest = hashlib.sha256(body).hexdigest()
    grid = protocol.Image(
        sequence=6,
        time=1005.0,
        name="samples",
        step=40,
        digest=digest,
        caption="G",
        rows=2,
        columns=3,
        scores=[0.5],
    )
    assert send(client, "grids", batch([grid], first=6)).status_code == 200
    (listed,) = client.get("/api/v1/runs/grids/images").json()["images"]
    expected = {
        "name": "samples",
        "step": 40,
        "digest": digest,
        "width": 8,
        "height": 6,
        "rows": 2,
        "columns": 3,
    }
    assert expected.items() <= listed.items()
    assert client.get("/api/v1/runs/grids/images", params={"name": "others"}).json() == {"images": []}


def test_a_large_grid_is_kept(client: httpx.Client) -> None:
    body = encoded(Image.effect_noise((1500, 1500), 50))
    assert upload(client, body).status_code == 201
    assert fetch(client, body).status_code == 200
