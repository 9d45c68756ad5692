from __future__ import annotations

import gzip
import socket

import httpx
import pytest

from monitor.api.pages import web_directory
from tests.monitor.api.running import TOKEN, Running

ESCAPES = [
    "../pyproject.toml",
    "../../pyproject.toml",
    "js/../../pyproject.toml",
    "%2e%2e/pyproject.toml",
    "%2e%2e%2fpyproject.toml",
    "..%2fpyproject.toml",
    "%252e%252e%252fpyproject.toml",
    "%25252e%25252e%25252fpyproject.toml",
    "..;/pyproject.toml",
    "..%3b/pyproject.toml",
    "..\\pyproject.toml",
    "..%5cpyproject.toml",
    "%2e%2e%5cpyproject.toml",
    "..%c0%afpyproject.toml",
    "..%ef%bc%8fpyproject.toml",
    "/etc/passwd",
    "//etc/passwd",
    "%2fetc%2fpasswd",
    "C:/Windows/win.ini",
    "C:%5cWindows%5cwin.ini",
    "file:///etc/passwd",
    "index.html%00.js",
    "%00",
    "js/%00/../../../pyproject.toml",
    "....//pyproject.toml",
    "vendor/../../pyproject.toml",
    "vendor/plotly.min.js/../../../pyproject.toml",
    "a" * 5000,
    "%ff%fe",
]


def raw_get(service: Running, target: str) -> bytes:
    """As it stands: a client library would tidy the path first."""
    fields = ["Host: localhost", f"Authorization: Bearer {TOKEN}", "Connection: close"]
    head = "\r\n".join([f"GET {target} HTTP/1.1", *fields, "", ""])
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(head.encode())
        answer = b""
        while received := connection.recv(65536):
            answer += received
    return answer


@pytest.mark.parametrize("path", ESCAPES)
@pytest.mark.parametrize("root", ["/static/", "/", "/runs/", "/api/v1/runs/r/images/"])
def test_no_path_leads_out_of_the_page_s_own_files(service: Running, root: str, path: str) -> None:
    status, _, rest = raw_get(service, root + path).partition(b"\r\n")
    assert status.split()[1] in {b"400", b"404", b"422"} or b"<title>ganwatch</title>" in rest, status
    assert b"build-system" not in rest
    assert b"root:" not in rest


def test_a_link_out_of_the_page_s_files_is_not_followed(
    service: Running, client: httpx.Client, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from monitor.api.pages import Assets  # noqa: PLC0415

    directory = tmp_path_factory.mktemp("web")
    secret = tmp_path_factory.mktemp("elsewhere") / "secret"
    secret.write_text("secret")
    (directory / "link").symlink_to(secret)
    (directory / "file").write_text("open")
    assets = Assets(directory=directory)
    assert assets.lookup_path("file")[1] is not None
    assert assets.lookup_path("link")[1] is None


@pytest.mark.parametrize("path", ["/", "/runs/some-run", "/compare?run=a&run=b"])
def test_every_address_of_the_page_is_the_same_page(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.content == (web_directory() / "index.html").read_bytes()
    assert answer.headers["cache-control"] == "private, no-cache"


def test_the_page_asks_for_nothing_from_elsewhere() -> None:
    page = (web_directory() / "index.html").read_text()
    assert "//" not in page.replace("<!doctype", "").replace("http://www.w3.org", "")


def test_a_module_is_asked_for_again_only_when_it_changed(client: httpx.Client) -> None:
    first = client.get("/static/index.html")
    assert first.status_code == 200
    again = client.get("/static/index.html", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304


def test_plotly_comes_from_its_package_compressed_and_is_kept(client: httpx.Client) -> None:
    packed = client.get("/static/vendor/plotly.min.js", headers={"Accept-Encoding": "gzip"})
    assert packed.status_code == 200
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["content-type"].startswith("text/javascript")
    assert packed.text.lstrip()[:200].count("plotly.js") == 1
    plain = client.get("/static/vendor/plotly.min.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == packed.content
    assert len(gzip.compress(plain.content)) < len(plain.content) / 2
    again = client.get("/static/vendor/plotly.min.js", headers={"If-None-Match": packed.headers["etag"]})
    assert again.status_code == 304
