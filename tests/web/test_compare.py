from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from monitor import Run
from tests.web.conftest import Begin
from tests.web.selectors import chart, part, row, wait_until_drawn
from tests.web.trainings import Training, finish, train

pytestmark = pytest.mark.browser

LONG = "a-name-of-some-length"


def test_every_run_has_a_line_of_its_own_and_its_whole_name(page: Page, begin: Begin) -> None:
    runs = [begin(f"{LONG}-{i}") for i in range(3)]
    for run in runs:
        run.log({"loss": 1.0, "angle/epoch/g": 1.0}, step=1)
        values = (0.001, 0.002, 0.01, 0.1, 12.25, 13.5, 18.5, 19.0, 22.0, 12.0, 64)
        run.log_distribution("gradient_norm/real", values, step=1)
        finish(run)
    _open(page, *runs)
    gradients = wait_until_drawn(page, "gradient_norm/real")
    expect(gradients.locator(".value").first).to_have_text(re.compile(r"^[\d.]+ \([\d.]+…[\d.]+\)$"))
    labels = gradients.locator(".readout .label")
    expect(labels).to_have_text([f"{LONG}-{i}" for i in range(3)])
    assert labels.evaluate_all("(all) => all.filter((one) => one.scrollWidth > one.clientWidth).length") == 0
    boxes = [one.bounding_box() for one in gradients.locator(".readout li").all()]
    assert len({box["y"] for box in boxes if box}) == 3


def test_runs_of_one_name_are_told_apart(page: Page, begin: Begin) -> None:
    runs = [begin("twice"), begin("twice")]
    for run in runs:
        run.log({"loss": 1.0}, step=1)
        finish(run)
    expect(row(page, runs[0].id)).to_contain_text(re.compile(r"began \d"))
    _open(page, *runs)
    for chip in page.locator(".chip a").all():
        expect(chip).to_have_text(re.compile(r"^twice \(.*\d.*\)$"))


def test_a_chart_that_only_one_run_has_names_it(page: Page, begin: Begin) -> None:
    first, second = Training(begin("with angles")), begin("without")
    first.epochs(3)
    second.log({"loss/g": 1.0}, step=1)
    finish(first.run)
    finish(second)
    _open(page, first.run, second)
    wait_until_drawn(page, "angle/epoch/g")
    expect(part(chart(page, "angle/epoch/g"), "readout")).to_contain_text("with angles")


def test_a_turn_is_named_among_several_runs(page: Page, begin: Begin) -> None:
    turned, healthy = begin("turned early"), begin("went well")
    train(turned, epochs=60, turns_at=45)
    train(healthy, epochs=20)
    expect(row(page, turned.id)).to_contain_text("1 alert")
    _open(page, turned, healthy)
    diversity = wait_until_drawn(page, "diversity/tests")
    expect(diversity.locator(".annotation-text").filter(has_text="turned")).to_have_count(1)


def test_of_more_runs_than_can_be_told_apart_the_rest_is_named_and_one_can_be_hidden(
    page: Page, begin: Begin
) -> None:
    runs = [begin(f"sweep-{i:02}") for i in range(12)]
    for run in runs:
        run.log({"loss": 1.0}, step=1)
        finish(run)
    page.goto("/compare?" + "&".join(f"run={run.id}" for run in runs))
    expect(page.locator(".chip.gone")).to_have_text("2 more left out: 10 are the most")
    labels = wait_until_drawn(page, "loss").locator(".readout .label")
    expect(labels).to_have_text([f"…{i:02}" for i in range(10)])
    page.get_by_role("button", name="Draw sweep-03").click()
    expect(labels).to_have_count(9)
    page.reload()
    expect(page.get_by_role("button", name="Draw sweep-03")).to_have_attribute("aria-pressed", "false")
    expect(labels).to_have_count(9)


def _open(page: Page, *runs: Run) -> None:
    page.goto("/compare?" + "&".join(f"run={run.id}" for run in runs))
    expect(page.locator(".chip")).to_have_count(len(runs))
