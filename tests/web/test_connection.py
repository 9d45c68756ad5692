from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.monitor.api.running import run_service
from tests.web import trainings
from tests.web.conftest import OpenPage
from tests.web.selectors import open_run, part, row
from tests.web.trainings import Training, finish

pytestmark = pytest.mark.browser


def test_a_server_that_is_gone_is_said_to_be_and_comes_back_by_itself(
    tmp_path: Path, open_page: OpenPage
) -> None:
    port = free_port()
    with run_service(tmp_path / "server", port=port) as service:
        training = Training(trainings.begin(service, tmp_path / "spool", "outlives the server"))
        training.epochs(3)
        page = open_page(service)
        expect(row(page, training.run.id)).to_contain_text("epoch 3")
        open_run(page, training.run.id)
        expect(page.locator(".facts")).to_contain_text("epoch 3")
        page.evaluate("window.neverReloaded = true")

    banner = part(page, "banner")
    expect(banner).to_contain_text("The server does not answer.")
    expect(banner).to_contain_text(re.compile(r"What you see is from .+\d"))
    expect(banner).to_contain_text(re.compile("Trying again"))
    expect(page.locator(".facts")).to_contain_text("epoch 3")
    banner.get_by_role("button", name="Try now").click()
    expect(banner).to_contain_text("The server does not answer.")
    training.epochs(2)

    with run_service(tmp_path / "server", port=port):
        expect(page.locator(".facts")).to_contain_text("epoch 5")
        expect(banner).to_be_hidden()
        expect(part(page, "live")).to_have_text("live")
        assert page.evaluate("window.neverReloaded") is True
        finish(training.run)


def test_a_page_opened_while_the_server_is_gone_fills_when_it_comes_back(
    tmp_path: Path, open_page: OpenPage
) -> None:
    port = free_port()
    with run_service(tmp_path / "server", port=port) as service:
        run = trainings.begin(service, tmp_path / "spool", "seen later")
        finish(run)
        page = open_page(service)
        expect(row(page, run.id)).to_be_visible()
    expect(part(page, "banner")).to_be_visible()
    page.get_by_role("link", name="seen later").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The server does not answer")
    with run_service(tmp_path / "server", port=port):
        expect(page.get_by_role("heading", level=1)).to_have_text("seen later")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
