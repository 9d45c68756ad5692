"""Ways to tell people: each channel delivers one event, or says in plain words why it could not.

A webhook receives a POST of JSON, signed with HMAC-SHA256 over the body. The service may be asked to send to
any address, so it looks at the address that it is really connected to, after the name was resolved, and
refuses what is not on the public internet unless that was allowed. It follows no redirect, reads no more of
the answer than its status, and never takes longer than its timeout, however slowly the receiver drips. What
it says of a failure holds neither the address of the webhook nor the secret: both are credentials.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit

import msgspec

#: The status line is all that is read of an answer; no honest one is longer.
LONGEST_STATUS_LINE = 8192
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")
#: An IPv4 address may hide in an IPv6 one: NAT64 leads to it.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_CONTROL = re.compile(r"[\x00-\x20\x7f]")


class DeliveryError(Exception):
    """Why an event was not delivered, fit to be stored and shown."""


@dataclass(frozen=True)
class Event:
    """Something to tell. ``id`` is the same at every try, so that a receiver knows what it already has."""

    id: str
    body: dict[str, Any]


class Channel(Protocol):
    """Delivers events; raises :class:`DeliveryError`."""

    def deliver(self, event: Event) -> None: ...


def channels_from(
    webhook_url: str | None,
    webhook_secret: str | None,
    allow_private: bool,
    timeout: float = 5.0,
    public_url: str = "",
) -> dict[str, Channel]:
    """The channels that are configured, by name."""
    if not webhook_url:
        return {}
    return {"webhook": Webhook(webhook_url, webhook_secret or "", allow_private, timeout, public_url)}


@dataclass(frozen=True)
class Webhook:
    """``POST url`` with ``Ganwatch-Event-Id`` and, given a secret, ``Ganwatch-Signature: sha256=<hex>``."""

    url: str = field(repr=False)
    secret: str = field(repr=False)
    allow_private: bool = False
    timeout: float = 5.0
    public_url: str = ""

    def deliver(self, event: Event) -> None:
        target = _parse(self.url)
        body = msgspec.json.encode({"id": event.id, **event.body, "link": self._link(event)})
        request = self._head(target, event, body) + body
        try:
            with self._connection(target) as connection:
                connection.sendall(request)
                status = _read_status(connection)
        except TimeoutError:
            raise DeliveryError(f"no answer within {self.timeout:g} s") from None
        except ssl.SSLError as error:
            raise DeliveryError(f"TLS failed: {error.reason or type(error).__name__}") from None
        except OSError as error:
            raise DeliveryError(f"the connection failed: {error.strerror or type(error).__name__}") from None
        except ValueError:
            raise DeliveryError("the webhook's address names a host that cannot be") from None
        if not 200 <= status < 300:
            raise DeliveryError(f"the receiver answered {status}")

    def _link(self, event: Event) -> str | None:
        run = event.body.get("alert", {}).get("run")
        return f"{self.public_url.rstrip('/')}/runs/{run}" if self.public_url and run else None

    def _head(self, target: SplitResult, event: Event, body: bytes) -> bytes:
        path = f"{target.path or '/'}{'?' + target.query if target.query else ''}"
        lines = [
            f"POST {path} HTTP/1.1",
            f"Host: {target.netloc.rpartition('@')[2]}",
            "User-Agent: ganwatch",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            f"Ganwatch-Event-Id: {event.id}",
            "Connection: close",
        ]
        if self.secret:
            lines.append(f"Ganwatch-Signature: sha256={sign(self.secret, body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")

    @contextmanager
    def _connection(self, target: SplitResult) -> Iterator[socket.socket]:
        connection = self._connect(target)
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            # The plain method: that of a TLS socket would say goodbye first, which takes the receiver's help.
            with suppress(OSError):  # the receiver was faster
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

        timer = threading.Timer(self.timeout, expire)
        timer.daemon = True
        timer.start()
        try:
            if isinstance(connection, ssl.SSLSocket):
                connection.do_handshake()
            yield connection
        except (OSError, DeliveryError):
            if expired.is_set():
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()
            timer.join()
            connection.close()

    def _connect(self, target: SplitResult) -> socket.socket:
        host, port = target.hostname or "", target.port or (443 if target.scheme == "https" else 80)
        refused: str | None = None
        problem: OSError | None = None
        # Two addresses are a name's IPv6 and IPv4; a name with hundreds must not take hundreds of timeouts.
        for family, kind, number, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[:2]:
            if not self._may_reach(str(address[0])):
                refused = str(address[0])
                continue
            connection = socket.socket(family, kind, number)
            connection.settimeout(self.timeout)
            try:
                connection.connect(address)
                peer = str(connection.getpeername()[0])
            except OSError as error:
                connection.close()
                problem = error
                continue
            if not self._may_reach(peer):
                connection.close()
                refused = peer
                continue
            if target.scheme == "http":
                return connection
            context = ssl.create_default_context()
            return context.wrap_socket(connection, server_hostname=host, do_handshake_on_connect=False)
        if problem is not None:
            raise problem
        raise DeliveryError(
            f"the address {refused} is not on the public internet; "
            "allow it with GANWATCH_WEBHOOK_ALLOW_PRIVATE"
        )

    def _may_reach(self, address: str) -> bool:
        return self.allow_private or is_public(address)


def sign(secret: str, body: bytes) -> str:
    """What a receiver compares with the header, in constant time."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def is_public(address: str) -> bool:
    """Whether anybody can reach an address: not loopback, private, link-local, multicast or reserved."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        hidden = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            hidden = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if hidden is not None:
            return is_public(str(hidden))
    return ip.is_global and not ip.is_multicast


def _parse(url: str) -> SplitResult:
    try:
        target = urlsplit(url)
        _ = target.port
    except ValueError:
        raise DeliveryError("the webhook's address is not a URL") from None
    if target.scheme not in {"http", "https"} or not target.hostname or _CONTROL.search(url):
        raise DeliveryError("the webhook's address must begin with http:// or https:// and name a host")
    if not url.isascii():
        raise DeliveryError("the webhook's address must be written in ASCII")
    return target


def _read_status(connection: socket.socket) -> int:
    answer = b""
    while b"\r\n" not in answer and len(answer) < LONGEST_STATUS_LINE:
        received = connection.recv(1024)
        if not received:
            break
        answer += received
    match = _STATUS.match(answer)
    if match is None:
        raise DeliveryError("the receiver did not answer in HTTP")
    return int(match[1])
