"""Asking the service, for commands that can do nothing without an answer."""

from __future__ import annotations

from typing import Any

import msgspec

from monitor.client.address import Address
from monitor.client.transport import HttpTransport, Unreachable
from monitor.errors import Misuse


def ask(address: Address, path: str) -> Any:
    """What the service says, decoded; :class:`Misuse` where it refuses or is not there."""
    transport = HttpTransport(address)
    try:
        reply = transport.get(path)
    except Unreachable as error:
        raise Misuse(f"{address.base} does not answer: {error}") from None
    finally:
        transport.close()
    answer = msgspec.json.decode(reply.body) if reply.body else {}
    if reply.status != 200:
        raise Misuse(str(answer.get("detail", f"the service answered {reply.status}")))
    return answer
