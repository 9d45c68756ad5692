"""How bytes get to the service: two verbs, so that the library behind them can change."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from monitor.client.address import Address

if TYPE_CHECKING:
    import httpx

CONNECT_TIMEOUT = 5.0
REPLY_TIMEOUT = 30.0


class Unreachable(Exception):  # noqa: N818 - a state of the network
    """There was no answer; whether the request was carried out is not known."""


class Reply(NamedTuple):
    status: int
    body: bytes


class Transport(Protocol):
    """Raises ``Unreachable``, and nothing else."""

    def post(self, path: str, body: bytes, media_type: str) -> Reply: ...

    def put(self, path: str, body: bytes, media_type: str) -> Reply: ...

    def close(self) -> None: ...


class HttpTransport:
    """Over HTTP; paths are those under ``/api/v1``."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._client: httpx.Client | None = None

    def post(self, path: str, body: bytes, media_type: str) -> Reply:
        return self._send("POST", path, body, media_type)

    def put(self, path: str, body: bytes, media_type: str) -> Reply:
        return self._send("PUT", path, body, media_type)

    def get(self, path: str) -> Reply:
        return self._send("GET", path, b"", "")

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _send(self, method: str, path: str, body: bytes, media_type: str) -> Reply:
        import httpx  # noqa: PLC0415 - it takes longer to load than a run to begin, and the sender has time

        try:
            if self._client is None:
                self._client = self._connect()
            reply = self._client.request(method, path, content=body, headers={"Content-Type": media_type})
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        return Reply(reply.status_code, reply.content)

    def _connect(self) -> httpx.Client:
        import httpx  # noqa: PLC0415

        token = self._address.token
        return httpx.Client(
            base_url=f"{self._address.base}/api/v1",
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=httpx.Timeout(REPLY_TIMEOUT, connect=CONNECT_TIMEOUT),
            trust_env=not self._address.is_loopback,
        )
