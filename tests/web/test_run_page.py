from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from monitor import Run
from tests.monitor.api.running import Running
from tests.web import trainings
from tests.web.conftest import Begin
from tests.web.selectors import chart, open_run, part, until, wait_until_drawn
from tests.web.trainings import Training, finish, train

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def collapsed(service: Running, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A training of 60 epochs that turned at the 45th."""
    run = trainings.begin(service, tmp_path_factory.mktemp("spool"), "collapsed", config={"lr": {"g": 5e-3}})
    train(run, epochs=60, turns_at=45)
    return run


def test_the_alert_is_a_sentence_and_is_acknowledged(page: Page, begin: Begin) -> None:
    run = begin("to be acknowledged")
    train(run, epochs=60, turns_at=45)
    open_run(page, run.id)
    verdict = part(page, "verdict").locator('[data-state="firing"]')
    expect(verdict.locator(".sentence")).to_contain_text(
        re.compile(r"at epoch 45.*2\.\d+ nats to 0\.450 nats")
    )

    part(page, "acknowledge").click()

    expect(verdict.get_by_text(re.compile("^Acknowledged"))).to_be_visible()
    page.reload()
    expect(verdict.get_by_text(re.compile("^Acknowledged"))).to_be_visible()
    expect(part(page, "acknowledge")).to_have_count(0)


def test_a_healthy_run_is_said_to_be_healthy(page: Page, begin: Begin) -> None:
    run = begin("healthy")
    train(run, epochs=30)
    open_run(page, run.id)
    expect(part(page, "verdict")).to_contain_text("No turning point. 30 evaluations")


def test_an_alert_comes_up_on_an_open_page(page: Page, begin: Begin) -> None:
    training = Training(begin("turns while watched"), turns_at=45)
    training.epochs(40)
    open_run(page, training.run.id)
    expect(part(page, "verdict")).to_contain_text("No turning point.")
    training.epochs(12)
    expect(part(page, "verdict").locator('[data-state="firing"]')).to_contain_text("epoch 45")
    expect(page).to_have_title(re.compile("^⚠ turns while watched"))


def test_the_turn_is_marked_on_every_chart(page: Page, collapsed: Run) -> None:
    open_run(page, collapsed.id)
    names = chart_names(page)
    assert {"quality/tests", "diversity/tests", "angle/epoch", "angle/iter", "loss"} <= set(names)
    for name in names:
        wait_until_drawn(page, name)
        onsets = page.evaluate(
            """(name) => document.querySelector(`[data-chart="${name}"] .js-plotly-plot`).layout.shapes
              .filter((shape) => shape.name === "onset").map((shape) => shape.x0)""",
            name,
        )
        assert onsets == [45], name


def test_the_samples_follow_the_keyboard_and_the_address_remembers_them(page: Page, collapsed: Run) -> None:
    open_run(page, collapsed.id)
    samples = part(page, "samples")
    slider = samples.get_by_role("slider")
    expect(samples).to_contain_text("epoch 60, step 300 (newest)")
    newest = samples.locator("img.grid").first.get_attribute("src")

    slider.focus()
    slider.press("ArrowLeft")
    expect(samples).to_contain_text("epoch 59, step 295")
    expect(slider).to_have_attribute("aria-valuetext", "epoch 59, step 295")
    assert samples.locator("img.grid").first.get_attribute("src") != newest
    slider.press("Home")
    expect(samples).to_contain_text("epoch 1, step 5")
    page.reload()
    expect(part(page, "samples")).to_contain_text("epoch 1, step 5")

    part(page, "samples").get_by_role("button", name="Go to the turn").click()
    expect(part(page, "samples")).to_contain_text("epoch 45, step 225")
    loaded = part(page, "samples").locator("img.grid").first
    expect(loaded).to_have_js_property("complete", True)
    assert loaded.evaluate("(image) => image.naturalWidth") > 0


def test_what_is_zoomed_and_on_which_axis_is_in_the_address(page: Page, collapsed: Run) -> None:
    open_run(page, collapsed.id)
    wait_until_drawn(page, "loss")
    page.get_by_role("button", name="Zoom to the turn").click()
    expect(part(page, "toolbar")).to_contain_text("epoch 37 to 53")
    page.get_by_role("button", name="Step", exact=True).click()
    expect(part(page, "toolbar")).to_contain_text("step 185 to 265")

    page.reload()
    expect(part(page, "toolbar")).to_contain_text("step 185 to 265")
    wait_until_drawn(page, "loss")
    steps = page.evaluate("document.querySelector('[data-chart=\"loss\"] .js-plotly-plot').data[0].x")
    assert steps == list(range(185, 266))

    page.get_by_role("button", name="Show all").click()
    expect(part(page, "toolbar")).to_contain_text("Drag across a chart to zoom")
    page.get_by_role("button", name="Time").click()
    expect(page.get_by_role("button", name="Time")).to_have_attribute("aria-pressed", "true")


def test_dragging_across_one_chart_zooms_all(page: Page, collapsed: Run) -> None:
    open_run(page, collapsed.id)
    wait_until_drawn(page, "quality/tests")
    wait_until_drawn(page, "diversity/tests")
    box = chart(page, "diversity/tests").locator(".nsewdrag").first.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.5, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, middle, steps=6)
    page.mouse.up()
    expect(part(page, "toolbar").get_by_role("button", name="Show all")).to_be_visible()
    for name in ("quality/tests", "diversity/tests"):
        until(
            page,
            f"document.querySelector('[data-chart=\"{name}\"] .js-plotly-plot').layout.xaxis.range[0] > 25",
        )


def test_the_arrow_keys_read_a_chart_aloud(page: Page, collapsed: Run) -> None:
    open_run(page, collapsed.id)
    wait_until_drawn(page, "diversity/tests")
    plot = part(chart(page, "diversity/tests"), "plot")
    plot.focus()
    plot.press("ArrowLeft")
    said = chart(page, "diversity/tests").locator("[aria-live]")
    expect(said).to_have_text(re.compile(r"^epoch 60:.*0\.450"))
    plot.press("Home")
    expect(said).to_have_text(re.compile(r"^epoch 1:"))
    expect(part(chart(page, "loss"), "readout")).to_contain_text("generator")

    plot.press("+")
    expect(part(page, "toolbar")).to_contain_text(re.compile(r"^.*epoch 0\.\d to 3\d"))
    plot.press("-")
    expect(part(page, "toolbar")).to_contain_text("Drag across a chart to zoom")


def test_a_chart_says_its_unit_and_what_good_looks_like(page: Page, collapsed: Run) -> None:
    open_run(page, collapsed.id)
    diversity = chart(page, "diversity/tests")
    expect(diversity.locator(".unit")).to_have_text("nats")
    expect(diversity.locator("figcaption p")).to_have_text(
        ["Entropy of the classes that the judge sees.", "Good: higher."]
    )
    wait_until_drawn(page, "diversity/tests")
    expect(diversity.locator("svg").filter(has_text="ln 10").first).to_be_visible()


def test_what_has_no_place_of_its_own_is_drawn_when_it_is_asked_for(page: Page, begin: Begin) -> None:
    run = begin("with more")
    for step in range(5):
        run.log({"extra/one": step, "extra/two": 2 * step, "alone": 1.0, "loss/d": 1.0}, step=step)
    run.declare("loss/d", role="loss_D")
    finish(run)
    open_run(page, run.id)
    expect(part(page, "rest")).to_contain_text("3 series")
    expect(chart(page, "extra/one")).to_have_count(0)
    part(page, "rest").locator("summary").click()
    wait_until_drawn(page, "extra/one")
    expect(part(chart(page, "extra/one"), "readout")).to_contain_text("two")
    part(page, "rest").get_by_role("searchbox").fill("alo")
    expect(chart(page, "extra/one")).to_have_count(0)
    wait_until_drawn(page, "alone")


def test_a_run_with_nothing_but_series_of_its_own_shows_them_at_once(page: Page, begin: Begin) -> None:
    run = begin("all of it its own")
    run.log({"extra/one": 1.0}, step=1)
    finish(run)
    open_run(page, run.id)
    wait_until_drawn(page, "extra/one")


def test_smoothing_draws_an_average_and_keeps_what_was_logged(page: Page, collapsed: Run) -> None:
    open_run(page, collapsed.id, "?smooth=0.9")
    wait_until_drawn(page, "loss")
    drawn = """() => document.querySelector('[data-chart="loss"] .js-plotly-plot').data
      .filter(({ meta }) => meta.series === "loss/d")
      .map(({ meta, y }) => [meta.part, y.slice(1).reduce((sum, v, i) => sum + Math.abs(v - y[i]), 0)])"""
    ways = dict(page.evaluate(drawn))
    assert ways["smoothed"] < ways["mean"] / 3
    page.get_by_role("slider", name="Smoothing").fill("0")
    until(page, f"({drawn})().every(([part]) => part !== 'smoothed')")
    assert "smooth" not in page.url


def test_the_configuration_is_shown_as_it_was_given(page: Page, collapsed: Run) -> None:
    open_run(page, collapsed.id)
    part(page, "details").locator("summary").click()
    expect(part(page, "details")).to_contain_text("lr.g")
    expect(part(page, "details")).to_contain_text("0.005")


def test_a_run_is_stopped_only_after_asking(page: Page, begin: Begin) -> None:
    run = begin("to be stopped", commands=["stop"])
    run.log({"loss": 1.0}, step=1)
    open_run(page, run.id)
    part(page, "stop").click()
    page.get_by_role("button", name="Go on training").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert run.commands() == []

    part(page, "stop").click()
    page.get_by_role("button", name="Stop the run").click()
    expect(page.get_by_text("Asked to stop")).to_be_visible()
    expect(part(page, "stop")).to_be_hidden()


def test_a_run_that_obeys_no_command_has_no_stop_button(page: Page, begin: Begin) -> None:
    run = begin("cannot be stopped")
    run.log({"loss": 1.0}, step=1)
    open_run(page, run.id)
    expect(part(page, "stop")).to_be_hidden()


def test_attempts_are_told(page: Page, begin: Begin, tmp_path: Path) -> None:
    run = begin("went back")
    for step in range(10):
        run.log({"loss": 1.0}, step=step)
    run.rewind(5, reason="the loss ran away")
    run.log({"loss": 0.5}, step=6)
    finish(run)
    open_run(page, run.id)
    expect(page.locator(".facts")).to_contain_text("attempt 2")
    part(page, "details").locator("summary").click()
    expect(part(page, "details")).to_contain_text("the loss ran away")


def test_a_run_that_does_not_exist_is_said_not_to(page: Page) -> None:
    page.goto("/runs/nowhere")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such run")


def chart_names(page: Page) -> list[str]:
    charts = part(page, "charts").first.locator('[data-part="chart"]')
    charts.first.wait_for()
    names: list[str] = charts.evaluate_all("(all) => all.map((one) => one.dataset.chart)")
    return names
