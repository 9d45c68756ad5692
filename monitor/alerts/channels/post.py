"""A POST to wherever it is asked to go, and no further.

The service may be asked to send to any address, so it looks at the address that it is really connected to,
after the name was resolved, and refuses what is not on the public internet unless that was allowed. It
follows no redirect, reads no more of the answer than its status, and never takes longer than its timeout,
however slowly the receiver drips. What it says of a failure does not hold the address: that is a credential.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from urllib.parse import SplitResult, urlsplit

from monitor.alerts.channels.event import DeliveryError

#: The status line is all that is read of an answer; no honest one is longer.
LONGEST_STATUS_LINE = 8192
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")
#: An IPv4 address may hide in an IPv6 one: NAT64 leads to it.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_CONTROL = re.compile(r"[\x00-\x20\x7f]")


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, allow_private: bool = False, timeout: float = 5.0
) -> None:
    """Deliver JSON; :class:`DeliveryError` unless the receiver answers 2xx in time."""
    target = _parse(url)
    request = _head(target, body, headers) + body
    try:
        with _connection(target, allow_private, timeout) as connection:
            connection.sendall(request)
            status = _read_status(connection)
    except OSError as error:
        raise DeliveryError.of_connection(error, timeout) from None
    except ValueError:
        raise DeliveryError("the address names a host that cannot be") from None
    if not 200 <= status < 300:
        raise DeliveryError(f"the receiver answered {status}")


def _head(target: SplitResult, body: bytes, headers: Mapping[str, str]) -> bytes:
    path = f"{target.path or '/'}{'?' + target.query if target.query else ''}"
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {target.netloc.rpartition('@')[2]}",
        "User-Agent: ganwatch",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
        "Connection: close",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


@contextmanager
def _connection(target: SplitResult, allow_private: bool, timeout: float) -> Iterator[socket.socket]:
    connection = _connect(target, allow_private, timeout)
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        # The plain method: that of a TLS socket would say goodbye first, which takes the receiver's help.
        with suppress(OSError):  # the receiver was faster
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    timer = threading.Timer(timeout, expire)
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


def _connect(target: SplitResult, allow_private: bool, timeout: float) -> socket.socket:
    host, port = target.hostname or "", target.port or (443 if target.scheme == "https" else 80)
    refused: str | None = None
    problem: OSError | None = None
    # Two addresses are a name's IPv6 and IPv4; a name with hundreds must not take hundreds of timeouts.
    for family, kind, number, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[:2]:
        if not (allow_private or is_public(str(address[0]))):
            refused = str(address[0])
            continue
        connection = socket.socket(family, kind, number)
        connection.settimeout(timeout)
        try:
            connection.connect(address)
            peer = str(connection.getpeername()[0])
        except OSError as error:
            connection.close()
            problem = error
            continue
        if not (allow_private or is_public(peer)):
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
        "allow it with GANWATCH_WEBHOOK_ALLOW_PRIVATE or GANWATCH_SLACK_ALLOW_PRIVATE"
    )


def is_public(address: str) -> bool:
    """Whether anybody can reach an address: not loopback, private, link-local, multicast or reserved."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        hidden = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            hidden = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if hidden is not None:
            return is_public(str(hidden))
        # The standard library counts these as global; nobody on the internet has one.
        if ip.is_reserved or ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast


def _parse(url: str) -> SplitResult:
    try:
        target = urlsplit(url)
        _ = target.port
    except ValueError:
        raise DeliveryError("the address is not a URL") from None
    if target.scheme not in {"http", "https"} or not target.hostname or _CONTROL.search(url):
        raise DeliveryError("the address must begin with http:// or https:// and name a host")
    if not url.isascii():
        raise DeliveryError("the address must be written in ASCII")
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
