"""Who may come in: the token, the session that a browser gets for it, and how often one may guess."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import OrderedDict

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from monitor.clock import Clock
from monitor.errors import Problem

SESSION_SECONDS = 30 * 24 * 3600
MOST_GUESSES = 10
GUESS_WINDOW = 60.0
MOST_ADDRESSES = 4096


class Access:
    """Knows the token's hash, and signs sessions with a key made from it: another token ends them all."""

    def __init__(self, token: str, port: int, clock: Clock) -> None:
        self._digest = hashlib.sha256(token.encode()).digest()
        self._key = hmac.digest(token.encode(), b"ganwatch session", "sha256")
        self._clock = clock
        self._guesses = GuessLimit(clock)
        #: Browsers do not keep the cookies of two ports apart; the name does.
        self.cookie = f"ganwatch-{port}"

    def check_token(self, request: Request, candidate: str) -> None:
        address = request.client.host if request.client else ""
        if self._guesses.is_reached(address):
            raise Problem(
                429,
                "too-many-guesses",
                "Too many different wrong tokens came from this address; wait a minute.",
                headers={"retry-after": "60"},
            )
        digest = hashlib.sha256(candidate.encode()).digest()
        if not hmac.compare_digest(digest, self._digest):
            self._guesses.count(address, digest)
            raise unauthorized("The token is wrong.")

    def open_session(self, request: Request, path: str) -> Response:
        """Send the browser on to the path, with a session in place of the token."""
        response = RedirectResponse(path, status_code=303)
        response.set_cookie(
            self.cookie,
            self.new_session(),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="strict",
            secure=request.scope["scheme"] == "https",
        )
        return response

    def new_session(self) -> str:
        expires = str(int(self._clock()) + SESSION_SECONDS)
        return f"{expires}.{self._signature(expires)}"

    def has_session(self, request: Request) -> bool:
        expires, _, signature = request.cookies.get(self.cookie, "").partition(".")
        is_ours = hmac.compare_digest(signature.encode(), self._signature(expires).encode())
        return is_ours and int(expires) > self._clock()

    def _signature(self, expires: str) -> str:
        mac = hmac.digest(self._key, expires.encode(), "sha256")
        return base64.urlsafe_b64encode(mac).decode().rstrip("=")


class GuessLimit:
    """Counts the *different* wrong tokens of an address: a client left with an old token locks nobody out."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._guesses: OrderedDict[str, dict[bytes, float]] = OrderedDict()

    def is_reached(self, address: str) -> bool:
        return len(self._recent(address)) >= MOST_GUESSES

    def count(self, address: str, digest: bytes) -> None:
        self._guesses[address] = self._recent(address) | {digest: self._clock()}
        self._guesses.move_to_end(address)
        while len(self._guesses) > MOST_ADDRESSES:
            self._guesses.popitem(last=False)

    def _recent(self, address: str) -> dict[bytes, float]:
        now = self._clock()
        # A clock that was set back must lock nobody out until then.
        return {
            guess: time
            for guess, time in self._guesses.get(address, {}).items()
            if now - GUESS_WINDOW < time <= now
        }


def unauthorized(detail: str) -> Problem:
    return Problem(401, "unauthorized", detail, headers={"www-authenticate": 'Bearer realm="ganwatch"'})
