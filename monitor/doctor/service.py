"""The token, the port, and the service that answers there or elsewhere."""

from __future__ import annotations

import os
import socket
import stat
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from monitor.client.address import Address, server_address
from monitor.doctor.findings import Finding, note, ok, wrong
from monitor.errors import Misuse
from monitor.settings import Settings, base_url, check_token

TIMEOUT = 10.0
#: Clocks that differ by more seconds than this make runs look lost, or their times wrong.
SKEW = 10.0


def examine_token(settings: Settings) -> Iterator[Finding]:
    if settings.token:
        yield _judge_token(settings.token, "GANWATCH_TOKEN")
        return
    path = settings.token_file or settings.data_dir / "token"
    if not path.exists():
        if settings.token_file:
            yield wrong("token", f"there is no file {path}", "make it, or unset GANWATCH_TOKEN_FILE")
        else:
            yield note("token", f"none yet; `ganwatch serve` makes one in {path}")
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077 and not settings.token_file:
        yield wrong("token", f"others on this machine may read {path}", f"chmod 600 {path}")
    yield _judge_token(path.read_text(encoding="utf-8").strip(), str(path))


def examine_port(settings: Settings) -> Iterator[Finding]:
    """Whether the service answers at its port, or could."""
    address = Address(base_url(settings), _token_of(settings))
    where = urlsplit(address.base)
    try:
        socket.create_connection((where.hostname or "", where.port or 80), TIMEOUT).close()
    except OSError:
        yield note("port", f"nothing listens at {address.base}", "`ganwatch serve` starts the service")
        return
    yield from _examine_address("port", address)


def examine_server() -> Iterator[Finding]:
    """The service that trainings here deliver to."""
    try:
        address = server_address(None, None)
    except ValueError as error:
        yield wrong("server", str(error), "set GANWATCH_SERVER to the link that `ganwatch serve` prints")
        return
    if address is None:
        yield note("server", "GANWATCH_SERVER is not set: trainings here keep their numbers in the spool")
    else:
        yield from _examine_address("server", address)


def _examine_address(subject: str, address: Address) -> Iterator[Finding]:
    is_here = urlsplit(address.base).hostname in {"127.0.0.1", "::1", "localhost"}
    headers = {"Authorization": f"Bearer {address.token or ''}"}
    with httpx.Client(base_url=address.base, timeout=TIMEOUT, trust_env=not is_here) as client:
        try:
            alive = client.get("/healthz")
            is_ours = alive.headers.get("content-type") == "application/json" and "status" in alive.json()
        except (httpx.HTTPError, ValueError) as error:
            yield wrong(subject, f"{address.base} does not answer: {error}", "is it the service's address?")
            return
        if not is_ours:
            remedy = "stop it, or choose another port with --port or GANWATCH_PORT"
            yield wrong(subject, f"something else answers at {address.base}", remedy)
            return
        yield from _examine_clock(alive)
        ready = client.get("/readyz")
        if ready.status_code != httpx.codes.OK:
            yield wrong(subject, "the service does not reach its database", "its log says why")
        page = client.get("/", headers=headers)
        if page.status_code == httpx.codes.UNAUTHORIZED:
            yield wrong(
                subject, f"{address.base} refuses the token", "take the link that `ganwatch token` prints"
            )
        elif page.status_code != httpx.codes.OK or "text/html" not in page.headers.get("content-type", ""):
            yield wrong(subject, f"{address.base} shows no page ({page.status_code})", "its log says why")
        else:
            yield ok(subject, f"the service answers at {address.base} and shows its page")


def _examine_clock(answer: httpx.Response) -> Iterator[Finding]:
    if "date" not in answer.headers:
        return
    ahead = time.time() - parsedate_to_datetime(answer.headers["date"]).timestamp()
    if abs(ahead) > SKEW:
        where = "ahead of" if ahead > 0 else "behind"
        yield wrong(
            "clock", f"{abs(ahead):.0f} s {where} the service's", "let both machines synchronize theirs"
        )


def _judge_token(token: str, source: str) -> Finding:
    try:
        check_token(token, source)
    except Misuse as misuse:
        return wrong("token", str(misuse), "set another, or delete the file to get a new one")
    return ok("token", f"from {source}")


def _token_of(settings: Settings) -> str | None:
    path = settings.token_file or settings.data_dir / "token"
    if settings.token:
        return settings.token
    return (
        path.read_text(encoding="utf-8").strip()
        if os.access(path, os.R_OK) and Path(path).is_file()
        else None
    )
