import hashlib
import hmac
import json
import threading

import pytest

from monitor.alerts.channels.configured import channels_from
from monitor.alerts.channels.event import DeliveryError, Event
from monitor.alerts.channels.post import is_public
from monitor.alerts.channels.webhook import Webhook
from monitor.settings import Settings
from tests.monitor.alerts.receiver import dripping, receiver

EVENT = Event(
    "0" * 32, {"type": "alert.firing", "time": 1.0, "alert": {"run": "r1", "id": "a1", "title": "Turning"}}
)


def test_a_webhook_carries_the_event_its_signature_and_a_link() -> None:
    with receiver() as there:
        channel = Webhook(there.url, "key", allow_private=True, public_url="https://gans.example/")
        channel.deliver(EVENT)
    ((headers, body),) = there.received
    assert json.loads(body) == {
        "id": "0" * 32,
        "type": "alert.firing",
        "time": 1.0,
        "alert": {"run": "r1", "id": "a1", "title": "Turning"},
        "link": "https://gans.example/runs/r1/alerts/a1",
    }
    signature = hmac.new(b"key", body, hashlib.sha256).hexdigest()
    assert headers["Ganwatch-Signature"] == f"sha256={signature}"
    assert headers["Ganwatch-Event-Id"] == "0" * 32
    assert headers["Content-Type"] == "application/json"


def test_a_second_try_is_the_same_to_the_byte() -> None:
    with receiver() as there:
        channel = Webhook(there.url, "key", allow_private=True)
        channel.deliver(EVENT)
        channel.deliver(EVENT)
    assert there.received[0] == there.received[1]


def test_without_a_secret_nothing_is_signed() -> None:
    with receiver() as there:
        Webhook(there.url, "", allow_private=True).deliver(EVENT)
    assert "Ganwatch-Signature" not in there.received[0][0]


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 500, 503])
def test_any_other_answer_is_a_failure_and_no_redirect_is_followed(status: int) -> None:
    with receiver() as elsewhere, receiver() as there:
        there.answers, there.headers = [status], {"Location": elsewhere.url}
        with pytest.raises(DeliveryError, match=f"the receiver answered {status}"):
            Webhook(there.url, "", allow_private=True).deliver(EVENT)
    assert elsewhere.received == []


def test_a_huge_reply_is_not_read() -> None:
    with receiver() as there:
        there.body = b"x" * 50_000_000
        Webhook(there.url, "", allow_private=True).deliver(EVENT)
    assert len(there.received) == 1


def test_a_receiver_that_drips_is_given_up_in_time() -> None:
    with dripping(threading.Event()) as port:
        channel = Webhook(f"http://127.0.0.1:{port}/", "", allow_private=True, timeout=0.2)
        with pytest.raises(DeliveryError, match=r"no answer within 0\.2 s"):
            channel.deliver(EVENT)


def test_a_receiver_that_is_not_there_is_a_failure() -> None:
    with receiver() as there:
        url = there.url
    with pytest.raises(DeliveryError, match="Connection refused"):
        Webhook(url, "", allow_private=True).deliver(EVENT)


def test_what_does_not_speak_http_is_a_failure() -> None:
    stop = threading.Event()
    stop.set()
    with dripping(stop) as port, pytest.raises(DeliveryError, match="did not answer in HTTP"):
        Webhook(f"http://127.0.0.1:{port}/", "", allow_private=True).deliver(EVENT)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0177.0.0.1",
        "0x7f.1",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
    ],
)
def test_an_address_of_this_machine_is_refused_however_it_is_written(host: str) -> None:
    with receiver() as there:
        with pytest.raises(DeliveryError):
            Webhook(f"http://{host}:{there.port}/", "", timeout=1).deliver(EVENT)
        assert there.received == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("127.8.8.8", False),
        ("169.254.169.254", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("224.0.0.1", False),
        ("0.0.0.0", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("::127.0.0.1", False),
        ("64:ff9b:1::7f00:1", False),
        ("fec0::1", False),
    ],
)
def test_only_addresses_on_the_internet_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://",
        "hook",
        "http://a b/",
        "http://h/\r\nX: y",
        "http://h:99999/",
        "http://ü.example/",
        "http://a..b/",
        f"http://{'a' * 64}.example/",
    ],
)
def test_other_schemes_and_malformed_addresses_are_refused(url: str) -> None:
    with pytest.raises(DeliveryError):
        Webhook(url, "", allow_private=True).deliver(EVENT)


def test_neither_the_address_nor_the_secret_is_ever_shown() -> None:
    with receiver() as there:
        there.answers = [500]
        channel = Webhook(there.url, "the secret", allow_private=True)
        with pytest.raises(DeliveryError) as caught:
            channel.deliver(EVENT)
    shown = f"{caught.value!r} {channel!r}"
    assert "hidden" not in shown
    assert "the secret" not in shown


def test_without_an_address_there_is_no_channel() -> None:
    assert channels_from(Settings()) == {}
    assert list(channels_from(Settings(webhook_url="https://example.com/"))) == ["webhook"]
