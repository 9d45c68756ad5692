from __future__ import annotations

import pytest

from monitor.client.address import needed_address, server_address
from monitor.errors import Misuse


@pytest.mark.parametrize(
    ("typed", "base"),
    [
        ("http://127.0.0.1:8765", "http://127.0.0.1:8765"),
        ("http://127.0.0.1:8765/?token=abcdefgh", "http://127.0.0.1:8765"),
        ("https://watch.example/gan/", "https://watch.example/gan"),
        ("localhost:8765", "http://localhost:8765"),
        ("[::1]:8765", "http://[::1]:8765"),
    ],
)
def test_an_address_may_be_the_link_or_a_host_with_its_port(typed: str, base: str) -> None:
    address = server_address(typed, None)
    assert address is not None
    assert address.base == base


@pytest.mark.parametrize(
    "typed", ["notaurl", "ftp://x", "http://", "host:port", "http://host:port", "host:99999"]
)
def test_what_is_no_address_is_refused_as_it_was_typed(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANWATCH_SERVER", typed)
    with pytest.raises(ValueError, match="is no address of a server, such as") as refused:
        server_address(None, None)
    assert repr(typed) in str(refused.value)


def test_where_a_service_is_needed_its_absence_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GANWATCH_SERVER", raising=False)
    assert server_address(None, None) is None
    with pytest.raises(Misuse, match="pass --server"):
        needed_address(None)
    with pytest.raises(Misuse, match="is no address of a server"):
        needed_address("notaurl")
