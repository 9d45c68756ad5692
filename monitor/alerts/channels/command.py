"""A command of the operator's own, run with each event as JSON on its standard input. Never a shell."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from monitor.alerts.channels.event import DeliveryError, Event, link_of

#: What of the service's environment holds settings, and secrets among them.
_OWN = "GANWATCH_"


@dataclass(frozen=True)
class Command:
    """Exit status 0 is a delivery. It gets the environment without the service's settings."""

    arguments: tuple[str, ...] = field(repr=False)
    timeout: float = 30.0
    public_url: str = ""

    def deliver(self, event: Event) -> None:
        body = msgspec.json.encode({"id": event.id, **event.body, "link": link_of(event, self.public_url)})
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}
        try:
            process = subprocess.Popen(  # noqa: S603 - the operator's own words, split, and run by no shell
                self.arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise DeliveryError(f"the command cannot be run: {error.strerror}") from None
        try:
            process.communicate(body, timeout=self.timeout)
        except subprocess.TimeoutExpired:
            raise DeliveryError(f"the command did not end within {self.timeout:g} s") from None
        finally:
            # With whatever it started: nothing of it outlives the delivery.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.returncode:
            raise DeliveryError(f"the command ended with {process.returncode}")
