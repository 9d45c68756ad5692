"""Where the service is, and what opens it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qs, urlsplit, urlunsplit

from monitor.errors import Misuse


@dataclass(frozen=True)
class Address:
    #: Scheme, host and path, without a slash at the end.
    base: str
    token: str | None = field(repr=False)

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, which no proxy can reach."""
        return urlsplit(self.base).hostname in ("127.0.0.1", "::1", "localhost")

    def page(self, run: str) -> str:
        return f"{self.base}/runs/{run}"


def server_address(server: str | None, token: str | None) -> Address | None:
    """From the arguments, else the environment; None without a server. Raises ValueError.

    The link that the service prints, token included, is an address too.
    """
    server = server if server is not None else os.environ.get("GANWATCH_SERVER")
    if not server:
        return None
    parts = urlsplit(server if "://" in server else f"http://{server}")
    if parts.scheme not in ("http", "https") or not parts.hostname or not _has_port(parts, server):
        raise ValueError(f"{server!r} is no address of a server, such as http://127.0.0.1:8765")
    in_link = parse_qs(parts.query).get("token", [None])[0]
    base = urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
    return Address(base, token or in_link or os.environ.get("GANWATCH_TOKEN") or None)


def needed_address(server: str | None, token: str | None = None) -> Address:
    """As :func:`server_address`, for commands that can do nothing without one. Raises :class:`Misuse`."""
    try:
        address = server_address(server, token)
    except ValueError as error:
        raise Misuse(str(error)) from None
    if address is None:
        raise Misuse("of which service? pass --server, the link that `ganwatch serve` prints")
    return address


def _has_port(parts: SplitResult, typed: str) -> bool:
    """Without a scheme nothing but the port tells an address from any other word."""
    try:
        return parts.port is not None or "://" in typed
    except ValueError:
        return False
