"""Slack, e-mail and commands: real receivers on loopback, a real mail server, real processes."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from monitor.alerts.channels.command import Command
from monitor.alerts.channels.configured import channels_from
from monitor.alerts.channels.event import DeliveryError, Event
from monitor.alerts.channels.mail import Mail, Security
from monitor.alerts.channels.slack import Slack
from monitor.errors import Misuse
from monitor.settings import Settings
from tests.monitor.alerts.receiver import receiver

SIGNAL = {"signal": "D", "series": "diversity/test", "before": 2.25, "after": 0.5, "unit": "nats"}
ALERT = {
    "id": "a" * 32,
    "run": "r1",
    "run_name": "faces\r\nBcc: eve@example.org <!channel>",
    "rule": "turning-point",
    "severity": "critical",
    "state": "firing",
    "title": "Turning point at epoch 50",
    "sentence": "D fell & S leapt.",
    "signals": [SIGNAL],
    "transitions": [{"time": 1.0, "state": "firing", "reason": "confirmed"}],
}
#: The alert's own.
PAGE = f"https://gans.example/runs/r1/alerts/{ALERT['id']}"
FIRING = Event("0" * 32, {"type": "alert.firing", "time": 1e9, "alert": ALERT})
OVER = Event("1" * 32, {"type": "alert.resolved", "time": 1e9, "alert": ALERT})
MANY = Event(
    "2" * 32,
    {
        "type": "alerts",
        "time": 1e9,
        "count": 1000,
        "runs": 1000,
        "counts": [{"type": "alert.firing", "severity": "critical", "rule": "lost-run", "count": 1000}],
        "alerts": [ALERT] * 10,
    },
)
TEST = Event("3" * 32, {"type": "test", "time": 1e9})


def test_slack_is_told_in_its_markup_and_no_name_mentions_anybody() -> None:
    with receiver() as there:
        slack = Slack(there.url, allow_private=True, public_url="https://gans.example")
        for event in (FIRING, MANY, TEST, OVER):
            slack.deliver(event)
    texts = [json.loads(body)["text"] for _, body in there.received]
    assert texts[0].splitlines() == [
        "*Turning point at epoch 50 (faces Bcc: eve@example.org &lt;!channel&gt;)*",
        "D fell &amp; S leapt.",
        "Severity: critical. Run r1.",
        "diversity/test: 2.25 → 0.5 nats",
        f"<{PAGE}|Look at it>",
    ]
    assert "1000 alerts of 1000 runs" in texts[1]
    assert "1000 firing: lost-run (critical)" in texts[1]
    assert "and 990 more" in texts[1]
    assert texts[2].startswith("*A test of ganwatch*")
    assert "It is over" in texts[3]


def test_slack_goes_nowhere_that_a_webhook_may_not_go() -> None:
    with pytest.raises(DeliveryError, match="not on the public internet") as caught:
        Slack("http://127.0.0.1:9/services/T0/secret").deliver(FIRING)
    assert "secret" not in str(caught.value)


class Mailbox:
    """Keeps what the server takes; ``refusal`` is what it says instead of taking it."""

    def __init__(self) -> None:
        self.envelopes: list[Any] = []
        self.refusal = ""

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        if self.refusal:
            return self.refusal
        self.envelopes.append(envelope)
        return "250 taken"

    def messages(self) -> list[EmailMessage]:
        return [message_from_bytes(each.content, policy=policy.default) for each in self.envelopes]  # type: ignore[misc]


def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    known = isinstance(data, LoginPassword) and (data.login, data.password) == (b"ada", b"the password")
    return AuthResult(success=known, handled=False)


@contextmanager
def mail_server(box: Mailbox, **options: Any) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def mail(port: int, security: Security = "none", host: str = "127.0.0.1", **options: Any) -> Mail:
    return Mail(host, port, security, "ganwatch@example.org", ("a@example.org", "b@example.org"), **options)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of localhost, signed by itself, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("certificate")
    made, key = folder / "certificate.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(made)]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    return made, key


@pytest.fixture
def context(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """What the mail server shows; whoever connects trusts it."""
    made, key = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(made))
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(made, key)
    return served


def test_an_alert_is_mailed_to_everybody_and_no_name_becomes_a_header() -> None:
    box = Mailbox()
    with mail_server(box) as port:
        channel = mail(port, public_url="https://gans.example")
        for event in (FIRING, MANY, OVER, TEST):
            channel.deliver(event)
    first = box.messages()[0]
    assert box.envelopes[0].rcpt_tos == ["a@example.org", "b@example.org"]
    subject = first["Subject"].strip()
    assert subject.startswith("[ganwatch] Turning point at epoch 50 (faces Bcc: eve@example.org")
    assert first["Bcc"] is None
    assert first["Message-ID"] == f"<{'0' * 32}@ganwatch>"
    text = first.get_content()
    assert "diversity/test: 2.25 → 0.5 nats" in text
    assert PAGE in text
    assert [message["Subject"].strip() for message in box.messages()[1:]] == [
        "[ganwatch] 1000 alerts of 1000 runs",
        "[ganwatch] Resolved: " + subject.removeprefix("[ganwatch] "),
        "[ganwatch] A test of ganwatch",
    ]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # it is TLS all the way
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_goes_over_tls_and_the_password_with_it(security: Security, context: ssl.SSLContext) -> None:
    box = Mailbox()
    options: dict[str, Any] = {"authenticator": authenticate, "auth_required": True}
    if security == "tls":
        options |= {"ssl_context": context, "auth_require_tls": False}
    else:
        options |= {"tls_context": context, "require_starttls": True}
    with mail_server(box, **options) as port:
        mail(port, security, "localhost", user="ada", password="the password").deliver(TEST)
        wrong = mail(port, security, "localhost", user="ada", password="a wrong one")
        with pytest.raises(DeliveryError, match="the mail server answered 535") as caught:
            wrong.deliver(TEST)
    assert len(box.envelopes) == 1
    assert "wrong" not in f"{caught.value} {wrong!r}"


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_mail_server_that_is_not_who_it_should_be_gets_nothing(
    security: Security, context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    box = Mailbox()
    options = {"ssl_context" if security == "tls" else "tls_context": context}
    with mail_server(box, **options) as port, pytest.raises(DeliveryError, match="TLS failed"):
        mail(port, security, "localhost").deliver(TEST)
    assert box.envelopes == []


def test_a_password_that_smtp_cannot_say_is_a_failure_that_does_not_tell_it() -> None:
    box = Mailbox()
    options: dict[str, Any] = {"authenticator": authenticate, "auth_require_tls": False}
    with mail_server(box, **options) as port, pytest.raises(DeliveryError, match="ASCII") as caught:
        mail(port, user="ada", password="pässword").deliver(TEST)
    assert "ä" not in str(caught.value)


def test_a_server_without_starttls_is_told_nothing() -> None:
    box = Mailbox()
    with mail_server(box) as port, pytest.raises(DeliveryError, match="not understood"):
        mail(port, "starttls").deliver(TEST)
    assert box.envelopes == []


def test_what_a_mail_server_refuses_is_a_failure_that_is_tried_again() -> None:
    box = Mailbox()
    box.refusal = "451 later, and the secret is 42"
    with mail_server(box) as port, pytest.raises(DeliveryError) as caught:
        mail(port).deliver(TEST)
    assert str(caught.value) == "the mail server answered 451"


def test_a_mail_server_that_is_not_there_or_does_not_speak_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(DeliveryError, match=r"no answer within 0\.3 s"):
            mail(port, timeout=0.3).deliver(TEST)
    with pytest.raises(DeliveryError, match="connection failed"):
        mail(port).deliver(TEST)


def test_a_mail_server_that_drips_is_given_up_in_time() -> None:
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            while not stop.wait(0.02):
                try:
                    connection.sendall(b"2")
                except OSError:
                    return

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        with pytest.raises(DeliveryError, match="no answer within"):
            mail(listener.getsockname()[1], timeout=0.5).deliver(TEST)
    finally:
        stop.set()
        thread.join()
        listener.close()


def run_python(program: str, *arguments: object, timeout: float = 30.0) -> Command:
    return Command((sys.executable, "-c", program, *map(str, arguments)), timeout, "https://gans.example")


def test_a_command_gets_the_alert_as_json_and_none_of_the_service_s_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANWATCH_TOKEN", "a secret of the service")
    monkeypatch.setenv("FOR_THE_COMMAND", "yes")
    program = "import os, sys; open(sys.argv[1], 'w').write('\\n'.join([sys.stdin.read(), *os.environ]))"
    run_python(program, tmp_path / "told").deliver(FIRING)
    told, *environment = (tmp_path / "told").read_text().splitlines()
    assert json.loads(told)["alert"]["title"] == "Turning point at epoch 50"
    assert json.loads(told)["id"] == "0" * 32
    assert json.loads(told)["link"] == PAGE
    assert "FOR_THE_COMMAND" in environment
    assert not any(name.startswith("GANWATCH_") for name in environment)


def test_no_shell_reads_the_words_of_a_command(tmp_path: Path) -> None:
    words = ("; touch it", "$(touch it)", "`touch it`", "> it")
    run_python("import sys; assert sys.argv[1:] == " + repr(list(words)), *words).deliver(FIRING)
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_fails_hangs_or_is_not_there_is_a_failure() -> None:
    with pytest.raises(DeliveryError, match="ended with 3"):
        run_python("import sys; sys.exit(3)").deliver(FIRING)
    with pytest.raises(DeliveryError, match="cannot be run"):
        Command(("/no/such/command",)).deliver(FIRING)
    with pytest.raises(DeliveryError, match="did not end within"):
        run_python("import time; time.sleep(60)", timeout=0.3).deliver(FIRING)


def test_a_command_that_does_not_read_is_judged_by_its_end() -> None:
    huge = Event("4" * 32, {"type": "test", "time": 1.0, "padding": "x" * 10**6})
    run_python("pass").deliver(huge)


def is_alive(pid: int) -> bool:
    """A killed process stays a zombie until somebody asks how it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_nothing_that_a_command_started_outlives_it(tmp_path: Path) -> None:
    child = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
    program = (
        "import subprocess, sys, time, pathlib\n"
        "subprocess.Popen([sys.executable, '-c', sys.argv[2], sys.argv[1]])\n"
        "pid = pathlib.Path(sys.argv[1])\n"
        "while not (pid.exists() and pid.read_text()): time.sleep(0.01)\n"
    )
    run_python(program, tmp_path / "pid", child).deliver(FIRING)
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 30
    while is_alive(pid):
        assert time.monotonic() < deadline


LOGIN = {"email_to": "a@b", "smtp_host": "h", "smtp_user": "u"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"email_to": "ada@example.org"}, "GANWATCH_SMTP_HOST"),
        ({"email_to": "ada", "smtp_host": "h"}, "GANWATCH_EMAIL_TO: 'ada' is no address"),
        ({"email_to": "a@b", "email_from": "x", "smtp_host": "h"}, "GANWATCH_EMAIL_FROM"),
        (LOGIN, "needs GANWATCH_SMTP_PASSWORD"),
        ({**LOGIN, "smtp_password": "p", "smtp_security": "none"}, "in the open"),
        ({"alert_command": "notify 'me"}, "GANWATCH_ALERT_COMMAND"),
    ],
)
def test_what_is_set_halfway_is_refused_with_what_is_missing(given: dict[str, Any], said: str) -> None:
    with pytest.raises(Misuse, match=said):
        channels_from(Settings(**given))


def test_every_channel_that_is_set_is_there_and_none_shows_its_secrets(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hidden-password\n")
    settings = Settings(
        webhook_url="https://hidden-webhook.example",
        webhook_secret="hidden-key",
        slack_url="https://hidden-slack.example",
        email_to="a@example.org, b@example.org",  # type: ignore[arg-type]
        smtp_host="mail.example.org",
        smtp_user="ada",
        smtp_password_file=tmp_path / "password",
        alert_command="notify --who 'ada lovelace' --key hidden-key",
    )
    channels = channels_from(settings)
    assert list(channels) == ["webhook", "slack", "email", "command"]
    assert "hidden" not in f"{channels!r} {settings!r}"
    assert channels["email"].port == 587  # type: ignore[attr-defined]
    assert channels["email"].password == "hidden-password"  # type: ignore[attr-defined]
    arguments = channels["command"].arguments  # type: ignore[attr-defined]
    assert arguments == ("notify", "--who", "ada lovelace", "--key", "hidden-key")
