from __future__ import annotations

import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from monitor import Run
from tests.monitor.api.running import Running, run_service
from tests.web.conftest import PATIENCE_MS, Begin, OpenPage
from tests.web.selectors import chart, open_run, part, row, until
from tests.web.trainings import Training, finish, train

pytestmark = pytest.mark.browser


def test_a_click_leads_from_the_list_to_a_run_whose_points_arrive_without_reloading(
    page: Page, begin: Begin
) -> None:
    training = Training(begin("digits, seed 3"))
    training.epochs(3)
    expect(row(page, training.run.id)).to_contain_text("epoch 3")
    page.evaluate("window.neverReloaded = true")

    page.get_by_role("link", name="digits, seed 3").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("digits, seed 3")
    expect(page.locator(".facts")).to_contain_text("epoch 3")
    drawn = _last_drawn_x(page)
    training.epochs(4)
    expect(page.locator(".facts")).to_contain_text("epoch 7")
    until(page, f"({_LAST_X})() > {drawn}")
    assert _last_drawn_x(page) == pytest.approx(7)
    assert page.evaluate("window.neverReloaded") is True


def test_a_run_that_begins_appears_in_the_list_by_itself(page: Page, begin: Begin) -> None:
    run = begin("came later")
    expect(row(page, run.id)).to_contain_text("came later")
    expect(row(page, run.id).locator(".badge")).to_have_text("running")
    finish(run)
    expect(row(page, run.id).locator(".badge")).to_have_text("finished")


def test_what_happens_while_the_stream_opens_is_asked_for_once_it_is_open(page: Page) -> None:
    part(page, "live").filter(has_text="live").wait_for()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.split("/api/v1/")[-1].split("?")[0]))
    page.goto("/")
    part(page, "live").filter(has_text="live").wait_for()
    end = time.monotonic() + PATIENCE_MS / 1000
    while "runs" not in asked[asked.index("events") :]:
        assert time.monotonic() < end, asked
        page.wait_for_timeout(50)


def test_runs_are_found_by_name_and_state_and_the_address_says_how(page: Page, begin: Begin) -> None:
    kept, other = begin("needle"), begin("haystack")
    finish(kept)
    expect(row(page, other.id)).to_be_visible()

    page.get_by_role("searchbox", name="Search runs").fill("needl")
    expect(row(page, other.id)).to_have_count(0)
    expect(row(page, kept.id)).to_be_visible()
    page.wait_for_url("**/?q=needl")

    page.get_by_role("button", name="running", exact=True).click()
    expect(page.get_by_text("No run matches.")).to_be_visible()
    page.reload()
    expect(page.get_by_role("searchbox", name="Search runs")).to_have_value("needl")
    page.get_by_role("button", name="Show all").click()
    expect(row(page, other.id)).to_be_visible()


def test_a_filter_finds_runs_and_a_mistake_in_it_is_pointed_at(page: Page, begin: Begin) -> None:
    kept, other = begin("kept", tags=["gn"]), begin("other")
    search = page.get_by_role("searchbox", name="Search runs")
    search.fill("tag:gn state:running")
    expect(row(page, other.id)).to_have_count(0)
    expect(row(page, kept.id)).to_be_visible()

    search.fill("tag:gn stat:running")
    expect(page.get_by_role("alert")).to_contain_text("Column 8: there is no field 'stat'")
    expect(row(page, kept.id)).to_be_visible()
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("Column 8")

    page.get_by_role("searchbox", name="Search runs").fill("tag:gn")
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(row(page, kept.id)).to_be_visible()


def test_the_list_shows_how_a_run_stands_at_a_glance(page: Page, begin: Begin) -> None:
    run = begin("at a glance", tags=["seed 3"])
    train(run, epochs=60, turns_at=45)
    shown = row(page, run.id)
    expect(shown.locator(".badge[data-alert=firing]")).to_have_text("1 alert")
    expect(shown.locator("td.d .value")).to_have_text("0.450")
    expect(shown.locator("td.q svg.sparkline")).to_be_visible()
    expect(shown.locator(".tag")).to_have_text("seed 3")


def test_an_empty_service_says_how_to_start(tmp_path: Path, open_page: OpenPage) -> None:
    with run_service(tmp_path) as empty:
        page = open_page(empty)
        expect(page.get_by_role("heading", level=1)).to_have_text("Nothing has been trained yet")
        expect(page.get_by_text("make demo")).to_be_visible()
        expect(page.get_by_text("monitor.init(")).to_be_visible()


def test_runs_ticked_in_the_list_are_compared_on_the_same_charts(page: Page, begin: Begin) -> None:
    first, second = _short(begin("first")), _short(begin("second"))
    page.get_by_role("checkbox", name="Choose first for comparing").check()
    page.get_by_role("checkbox", name="Choose second for comparing").check()
    expect(part(page, "compare-bar")).to_contain_text("2 runs chosen")
    part(page, "compare-bar").get_by_role("link", name="Compare").click()

    page.wait_for_url("**/compare?*")
    losses = chart(page, "loss/g")
    expect(losses.locator(".readout li")).to_have_count(2)
    expect(losses.locator(".readout")).to_contain_text("first")
    expect(losses.locator(".readout")).to_contain_text("second")
    swatches = page.locator(".chip .swatch")
    colours = swatches.evaluate_all("(all) => all.map((one) => getComputedStyle(one).backgroundColor)")
    assert len(set(colours)) == 2

    page.get_by_role("button", name="Remove first").click()
    expect(page.locator(".chip")).to_have_count(1)
    remaining = swatches.evaluate_all("(all) => all.map((one) => getComputedStyle(one).backgroundColor)")
    assert remaining == colours[1:] if first.id in page.url else remaining[0] in colours
    assert second.id in page.url

    page.get_by_role("combobox", name="Add a run").fill("first")
    page.get_by_role("option").first.click()
    expect(page.locator(".chip")).to_have_count(2)
    again = swatches.evaluate_all("(all) => all.map((one) => getComputedStyle(one).backgroundColor)")
    assert set(again) == set(colours)


def test_a_page_without_the_token_says_what_to_do(service: Running, open_page: OpenPage) -> None:
    page = open_page(service)
    page.context.clear_cookies()
    page.goto("/")
    expect(page.get_by_text("token").first).to_be_visible()


_LAST_X = """() => {
  const drawn = document.querySelector('[data-chart="angle/epoch"] .js-plotly-plot')?.data ?? [];
  const line = drawn.find((trace) => trace.meta.part === "mean");
  return line?.x.at(-1) ?? 0;
}"""


def _last_drawn_x(page: Page) -> float:
    until(page, f"({_LAST_X})() > 0")
    return float(page.evaluate(_LAST_X))


def _short(run: Run) -> Run:
    train(run, epochs=3)
    return run


def test_runs_are_sorted_by_what_a_column_says(page: Page, begin: Begin) -> None:
    for name, level in (("sort low", 0.1), ("sort high", 0.9), ("sort none", None), ("sort mid", 0.5)):
        run = begin(name)
        if level is not None:
            run.declare("quality/mine", role="Q")
            run.log({"quality/mine": level}, step=1)
        finish(run)
    page.goto("/?q=sort")
    names = page.locator(".run-name")
    expect(names).to_have_text(["sort mid", "sort none", "sort high", "sort low"])
    head = page.get_by_role("button", name="Quality Q")
    head.click()
    expect(names).to_have_text(["sort high", "sort mid", "sort low", "sort none"])
    expect(page.locator('th[aria-sort="descending"]')).to_have_text("Quality Q")
    head.click()
    expect(names).to_have_text(["sort low", "sort mid", "sort high", "sort none"])
    page.reload()
    expect(names.first).to_have_text("sort low")
    head.click()
    expect(names.first).to_have_text("sort mid")


def test_a_run_is_renamed_tagged_noted_and_archived_on_its_page(page: Page, begin: Begin) -> None:
    run = begin("as it was called")
    finish(run)
    open_run(page, run.id)
    part(page, "edit").click()
    page.get_by_role("textbox", name="Name").fill("as it is called")
    page.get_by_label("Tags").fill("kept, baseline, kept")
    page.get_by_label("Notes").fill("batch norm was off\nrerun with seed 4")
    page.get_by_label("Archived").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("as it is called")
    expect(part(page, "notes")).to_have_text("batch norm was off\nrerun with seed 4")
    expect(page.locator(".facts .tag")).to_have_text(["kept", "baseline"])
    page.goto("/?q=called")
    expect(page.get_by_text("No run matches.")).to_be_visible()
    page.get_by_role("button", name="archived").click()
    expect(row(page, run.id)).to_contain_text("as it is called")


def test_what_somebody_else_says_of_a_run_meanwhile_is_kept_and_escape_drops_no_notes(
    page: Page, begin: Begin, service: Running
) -> None:
    run = begin("noted by two")
    finish(run)
    open_run(page, run.id)
    part(page, "edit").click()
    notes = page.get_by_label("Notes")
    notes.fill("an hour of thought")
    with service.client() as somebody:
        somebody.patch(f"/api/v1/runs/{run.id}", json={"tags": ["theirs"]}).raise_for_status()
    for _ in range(2):
        page.keyboard.press("Escape")
    expect(part(page, "editing")).to_contain_text("Not saved yet")
    expect(notes).to_have_value("an hour of thought")
    page.get_by_role("button", name="Save").click()
    expect(part(page, "notes")).to_have_text("an hour of thought")
    expect(page.locator(".facts .tag")).to_have_text(["theirs"])
    part(page, "edit").click()
    page.keyboard.press("Escape")
    expect(part(page, "editing")).to_have_count(0)
