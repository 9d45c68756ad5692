"""E-mail, by a server that takes it: over TLS from the start, after STARTTLS, or in the open."""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate
from typing import Literal

from monitor.alerts.channels.event import DeliveryError, Event, link_of
from monitor.alerts.channels.texts import lines_of, title_of

Security = Literal["starttls", "tls", "none"]
PORTS: dict[Security, int] = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True)
class Mail:
    """One message an event to all recipients; its Message-ID is made of the event's id."""

    host: str
    port: int
    security: Security
    sender: str
    recipients: tuple[str, ...]
    user: str = ""
    password: str = field(default="", repr=False)
    timeout: float = 30.0
    public_url: str = ""

    def deliver(self, event: Event) -> None:
        message = self._write(event)
        try:
            with self._server() as server:
                refused = server.send_message(message)
        except smtplib.SMTPResponseException as error:
            raise DeliveryError(f"the mail server answered {error.smtp_code}") from None
        except smtplib.SMTPRecipientsRefused:
            raise DeliveryError("the mail server refused every recipient") from None
        except smtplib.SMTPException as error:
            raise DeliveryError(f"the mail server was not understood: {type(error).__name__}") from None
        except OSError as error:
            raise DeliveryError.of_connection(error, self.timeout) from None
        except UnicodeError:
            # Not the error itself: it holds a character of the password.
            raise DeliveryError(
                "SMTP speaks ASCII: set GANWATCH_SMTP_HOST, _USER and _PASSWORD in it"
            ) from None
        if len(refused) == len(self.recipients):
            raise DeliveryError("the mail server refused every recipient")

    def _write(self, event: Event) -> EmailMessage:
        message = EmailMessage()
        message["From"], message["To"] = self.sender, ", ".join(self.recipients)
        message["Subject"] = f"[ganwatch] {title_of(event)}"
        message["Date"] = formatdate(event.body.get("time"))
        message["Message-ID"] = f"<{event.id}@ganwatch>"
        message["Auto-Submitted"] = "auto-generated"
        link = link_of(event, self.public_url)
        message.set_content("\n".join([*lines_of(event), *(["", link] if link else [])]) + "\n")
        return message

    @contextmanager
    def _server(self) -> Iterator[smtplib.SMTP]:
        """Logged in; however slowly the server answers, it is all over after the timeout."""
        context = ssl.create_default_context()
        if self.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(timeout=self.timeout, context=context)
        else:
            server = smtplib.SMTP(timeout=self.timeout)
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            if server.sock is not None:
                with suppress(OSError):  # the server was faster
                    socket.socket.shutdown(server.sock, socket.SHUT_RDWR)

        timer = threading.Timer(self.timeout, expire)
        timer.daemon = True
        timer.start()
        try:
            # TLS checks this name; smtplib sets it only in a constructor that connects, without our timer.
            server._host = self.host  # type: ignore[attr-defined]
            server.connect(self.host, self.port)
            if self.security == "starttls":
                server.starttls(context=context)
            if self.user:
                server.login(self.user, self.password)
            yield server
            with suppress(smtplib.SMTPException, OSError):  # it has the message
                server.quit()
        except (OSError, smtplib.SMTPException):
            if expired.is_set():
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()
            timer.join()
            server.close()
