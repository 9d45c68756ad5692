"""The door in front of every route: host, token, origin, and the headers that every answer carries.

Nothing is served without a token except what ``PUBLIC`` names, and that includes paths that do not exist.
"""

from __future__ import annotations

import ipaddress
import logging
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.api.auth import Access, unauthorized
from monitor.api.problems import answer_failure, answer_problem
from monitor.api.welcome import wants_page, welcome_page
from monitor.errors import Problem
from monitor.settings import Settings

#: What is served to anybody who can reach the port: (method, path).
PUBLIC = frozenset({("GET", "/healthz"), ("GET", "/readyz"), ("POST", "/login")})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
EVENTS_PATH = "/api/v1/events"
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


log = logging.getLogger("ganwatch")


class Gate:
    def __init__(self, app: ASGIApp, settings: Settings, access: Access) -> None:
        self._app = app
        self._access = access
        public_name = urlsplit(settings.public_url).hostname or settings.host
        names = (settings.host, public_name, *settings.allowed_hosts)
        self._names = LOOPBACK_NAMES | {name.lower() for name in names}
        self._is_loopback = settings.is_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        has_started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            refusal = self._answer_at_the_door(Request(scope))
            await (refusal or self._app)(scope, receive, send_with_headers)
        except Exception:
            if has_started:
                raise
            log.exception("%s %s failed", scope["method"], scope["path"])
            await answer_failure()(scope, receive, send_with_headers)

    def _answer_at_the_door(self, request: Request) -> Response | None:
        """What is answered in place of the route, or None to let the request in."""
        path = request.scope["path"]
        try:
            self._check_host(request)
            if (request.method, path) in PUBLIC:
                return None
            if request.method == "GET" and not path.startswith("/api/") and "token" in request.query_params:
                return self._enter_with_link(request)
            self._check_token(request)
        except Problem as problem:
            if problem.status in {401, 429} and wants_page(request):
                return welcome_page(request, problem)
            return answer_problem(problem)
        return None

    def _check_host(self, request: Request) -> None:
        host = request.headers.get("host", "")
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            name = ""
        # No name resolves to an address literal, so that nothing can be rebound to one.
        if name not in self._names and (self._is_loopback or not _is_address(name)):
            raise Problem(
                421,
                "unknown-host",
                f"The service does not answer to {host!r}; add it to GANWATCH_ALLOWED_HOSTS.",
            )

    def _enter_with_link(self, request: Request) -> Response:
        # A link is followed by a person; a page that loads it as an image would only use up the guesses.
        if request.headers.get("sec-fetch-dest", "document") != "document":
            raise Problem(403, "cross-origin", "The link is to be opened, not loaded by a page.")
        self._access.check_token(request, request.query_params["token"])
        others = [
            (name, value)
            for name, value in parse_qsl(request.scope["query_string"].decode())
            if name != "token"
        ]
        query = f"?{urlencode(others)}" if others else ""
        return self._access.open_session(request, local_path(request.scope["path"] + query))

    def _check_token(self, request: Request) -> None:
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            self._access.check_token(request, credentials.strip())
            return
        if not self._access.has_session(request):
            raise unauthorized("A token is needed; `ganwatch token` prints a link with it.")
        if request.method not in SAFE_METHODS or request.scope["path"] == EVENTS_PATH:
            check_origin(request)


def check_origin(request: Request) -> None:
    """A browser sends its cookie along with what other pages ask of it; those say where they come from."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    is_ours = origin is None or origin.partition("://")[2].lower() == request.headers["host"].lower()
    if site not in {"same-origin", "none"} or not is_ours:
        raise Problem(403, "cross-origin", "The request comes from a page of another origin.")


def local_path(path: str) -> str:
    """The path, unless a browser would take it for an address elsewhere."""
    has_controls = any(character <= " " or character == "\x7f" for character in path)
    return path if path.startswith("/") and path[1:2] not in {"/", "\\"} and not has_controls else "/"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
