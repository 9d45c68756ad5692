"""How tests find parts of the page: the names in web/js/selectors.js."""

from __future__ import annotations

from playwright.sync_api import Locator, Page


def part(page: Page | Locator, name: str) -> Locator:
    return page.locator(f'[data-part="{name}"]')


def chart(page: Page, name: str) -> Locator:
    return page.locator(f'[data-part="chart"][data-chart="{name}"]')


def row(page: Page, run: str) -> Locator:
    return page.locator(f'[data-part="run-row"][data-run="{run}"]')


def open_run(page: Page, run: str, query: str = "") -> None:
    page.goto(f"/runs/{run}{query}")
    part(page, "toolbar").wait_for()


def wait_until_drawn(page: Page, name: str) -> Locator:
    """The chart, once the library has drawn it."""
    found = chart(page, name)
    found.scroll_into_view_if_needed()
    found.locator("svg.main-svg").first.wait_for()
    return found


def until(page: Page, condition: str) -> None:
    """Waits in the page: `wait_for_function` would need eval there, which the page's policy forbids."""
    page.evaluate(
        f"""async () => {{
          const end = performance.now() + 15000;
          while (!({condition})) {{
            if (performance.now() > end) throw new Error("never came true: " + {condition!r});
            await new Promise((then) => requestAnimationFrame(then));
          }}
        }}"""
    )
