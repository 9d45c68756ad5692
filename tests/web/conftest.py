from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from monitor import Run
from tests.monitor.api.running import TOKEN, Running, run_service
from tests.web import trainings

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: A slow machine is no failure.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)

Begin = Callable[..., Run]
OpenPage = Callable[..., Page]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"Chromium is not installed ({CHROMIUM})")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with run_service(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def begin(service: Running, tmp_path: Path) -> Iterator[Begin]:
    """Begins runs; those that a test leaves open end with it."""
    runs = []

    def begin_one(name: str = "a training", **options: object) -> Run:
        runs.append(trainings.begin(service, tmp_path / "spool", name, **options))
        return runs[-1]

    yield begin_one
    for run in runs:
        run.finish()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Pages of people who are logged in. What the page itself complains about fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_one(service: Running, **options: object) -> Page:
        defaults = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"}
        context = browser.new_context(base_url=service.url, **{**defaults, **options})  # type: ignore[arg-type]
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"{error}"))
        page.on("dialog", lambda dialog: complaints.append(f"a dialog opened: {dialog.message}"))
        page.add_init_script(
            "addEventListener('securitypolicyviolation',"
            " (event) => console.error('policy: ' + event.violatedDirective))"
        )
        page.on("console", lambda said: complaints.append(said.text) if _is_complaint(said.text) else None)
        page.goto(f"/?token={TOKEN}")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not complaints


def _is_complaint(said: str) -> bool:
    """What the policy forbids, and shapes that cannot be drawn; a request that fails may be the test."""
    return "policy" in said.lower() or "attribute" in said


@pytest.fixture
def page(service: Running, open_page: OpenPage) -> Page:
    return open_page(service)
