from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from monitor import Run
from tests.monitor.api.running import Running
from tests.web import trainings
from tests.web.conftest import OpenPage
from tests.web.selectors import open_run, part, until, wait_until_drawn
from tests.web.trainings import train

pytestmark = pytest.mark.browser

#: How far what was shown has moved, as browsers measure it (0.1 is what users begin to notice).
LAYOUT_SHIFT = """() => new Promise((told) => {
  const add = (list) => told(list.getEntries().reduce((sum, entry) => sum + entry.value, 0));
  new PerformanceObserver(add).observe({ type: "layout-shift", buffered: true });
  setTimeout(() => told(0), 300);
})"""
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1920, "height": 1080}


@pytest.fixture(scope="module")
def collapsed(service: Running, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = trainings.begin(
        service,
        tmp_path_factory.mktemp("spool"),
        "a-name-that-somebody-s-launcher-generated-2026-05-01T12-00-00",
        tags=["unprotected", "lr 5e-3", "seed 3"],
        config={"network": {"width": 32}, "path": "/a/very/long/path" * 10},
    )
    train(run, epochs=60, turns_at=45)
    return run


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_no_page_scrolls_sideways(
    service: Running, collapsed: Run, open_page: OpenPage, viewport: dict[str, int]
) -> None:
    page = open_page(service, viewport=viewport)
    with service.client() as client:
        job = {"recipe": "digits-gn", "name": "j" * 90, "overrides": {"lr.d": 4e-4, "seed": 1}}
        assert client.post("/api/v1/jobs", json=job).status_code == 201
        (alert,) = client.get(f"/api/v1/runs/{collapsed.id}/alerts").json()["alerts"]
    for address in (
        "/",
        "/alerts",
        "/jobs",
        f"/runs/{collapsed.id}/alerts/{alert['id']}",
        f"/runs/{collapsed.id}",
        f"/compare?run={collapsed.id}",
        "/compare",
        "/runs/nowhere",
    ):
        page.goto(address)
        page.get_by_role("heading", level=1).wait_for()
        if "run=" in address or collapsed.id in address:
            wait_until_drawn(page, "diversity/tests")
            for fold in page.locator("details").all():
                fold.evaluate("(details) => { details.open = true; }")
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, address


def test_nothing_moves_once_it_is_shown(page: Page, collapsed: Run) -> None:
    for address in ("/", f"/runs/{collapsed.id}"):
        page.goto(address)
        page.get_by_role("heading", level=1).wait_for()
        if address != "/":
            wait_until_drawn(page, "quality/tests")
        moved = page.evaluate(LAYOUT_SHIFT)
        assert moved < 0.02, address


def test_the_theme_follows_the_system_until_one_is_chosen(
    service: Running, collapsed: Run, open_page: OpenPage
) -> None:
    page = open_page(service, color_scheme="dark")
    open_run(page, collapsed.id)
    wait_until_drawn(page, "quality/tests")
    root = page.locator("html")
    expect(root).to_have_attribute("data-theme", "dark")
    dark = drawn_colour(page)

    page.emulate_media(color_scheme="light")
    expect(root).to_have_attribute("data-theme", "light")
    until(page, f"{DRAWN_COLOUR} !== {dark!r}")

    theme = part(page, "theme")
    theme.click()
    expect(theme).to_have_text("Theme: light")
    theme.click()
    expect(theme).to_have_text("Theme: dark")
    expect(root).to_have_attribute("data-theme", "dark")
    until(page, f"{DRAWN_COLOUR} === {dark!r}")
    page.reload()
    expect(part(page, "theme")).to_have_text("Theme: dark")
    expect(root).to_have_attribute("data-theme", "dark")


def test_the_page_is_walked_with_the_keyboard(page: Page, collapsed: Run) -> None:
    page.goto("/")
    page.locator('[data-part="run-row"]').first.wait_for()
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()

    link = page.get_by_role("link", name="a-name-that")
    link.focus()
    page.keyboard.press("Enter")
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_contain_text("a-name-that")
    expect(heading).to_be_focused()
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Runs")


def test_every_control_has_a_name_and_shows_its_focus(page: Page, collapsed: Run) -> None:
    open_run(page, collapsed.id)
    wait_until_drawn(page, "quality/tests")
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, a, input, select, [tabindex='0']")]
          .filter((one) => one.checkVisibility())
          .filter((one) => !(one.getAttribute("aria-label") || one.textContent.trim()))
          .map((one) => one.outerHTML.slice(0, 120))"""
    )
    assert nameless == []
    for name in ("Wide chart", "Logarithmic axis"):
        control = page.get_by_role("button", name=name).first
        control.focus()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")
        expect(control).to_be_focused()
        expect(control).to_have_css("outline-style", "solid")


DRAWN_COLOUR = "document.querySelector('[data-chart=\"quality/tests\"] .js-plotly-plot').layout.font.color"


def drawn_colour(page: Page) -> str:
    colour: str = page.evaluate(DRAWN_COLOUR)
    return colour
