"""What was never logged takes no room, and what is no number is counted."""

from __future__ import annotations

import math

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import Begin
from tests.web.selectors import chart, open_run, part, until, wait_until_drawn
from tests.web.trainings import Training, finish

pytestmark = pytest.mark.browser


def test_values_that_are_not_finite_are_counted_and_the_first_is_named(page: Page, begin: Begin) -> None:
    run = begin("not finite")
    for step in range(1, 31):
        late = math.nan if step > 20 else 1.0
        run.log({"odd/one": late, "odd/two": math.inf if step == 7 else 2.0}, step=step)
    finish(run)
    open_run(page, run.id)
    odd = wait_until_drawn(page, "odd/one")
    expect(odd.locator(".flagged")).to_have_text("11 values are not finite (NaN, ∞), the first at step 7.")


def test_a_place_of_several_values_says_by_when_the_first_was_not_finite(page: Page, begin: Begin) -> None:
    run = begin("one among many")
    for step in range(1, 1201):
        run.log({"loss": math.nan if step == 501 else 1.0}, step=step)
    finish(run)
    open_run(page, run.id)
    loss = wait_until_drawn(page, "loss")
    expect(loss.locator(".flagged")).to_contain_text("1 value is not finite")
    expect(loss.locator(".flagged")).to_contain_text(", by step 50")


def test_what_was_declared_and_never_logged_is_left_out_once_the_run_is_over(
    page: Page, begin: Begin
) -> None:
    run = begin("stopped early")
    Training(run)
    run.log({"loss/g": 1.0, "loss/d": 1.0}, step=1)
    open_run(page, run.id)
    expect(chart(page, "diversity/tests")).to_be_visible()
    expect(part(page, "samples")).to_be_visible()
    expect(part(page, "verdict")).to_contain_text("Waiting for the first evaluation mark")

    finish(run)

    expect(chart(page, "diversity/tests")).to_have_count(0)
    expect(part(page, "samples")).to_be_hidden()
    expect(chart(page, "loss")).to_be_visible()
    expect(part(page, "verdict")).to_contain_text("No evaluation mark came from this run")


def test_a_loop_that_declares_nothing_has_the_panels_and_the_alert_of_its_names(
    page: Page, begin: Begin
) -> None:
    run = begin("plain loop")
    for step in range(600):
        turned = step >= 400
        run.log({"loss/d": 0.5 + 0.01 * math.sin(step), "loss/g": 1.0 + 5.0 * turned}, step=step)
        if step % 10 == 0:
            mark = run.mark(step=step, epoch=step / 10, expects=["Q"])
            wave = 0.01 * math.sin(step / 7)
            run.log({"quality/mine": (0.4 if turned else 0.8) + wave}, step=step, mark=mark)
    finish(run)
    open_run(page, run.id)
    expect(part(page, "verdict")).to_contain_text("Turning point at epoch 40: Quality fell from 0.8")
    assert "Good: climbs and stays." in wait_until_drawn(page, "quality/mine").inner_text()
    expect(wait_until_drawn(page, "loss")).to_contain_text("discriminator")


def test_an_axis_with_a_zero_becomes_logarithmic_and_linear_again(page: Page, begin: Begin) -> None:
    """What cannot be drawn would be said in the console (see `open_page`)."""
    run = begin("from zero")
    for step in range(1, 20):
        run.log({"loss": float(step)}, step=step)
    finish(run)
    open_run(page, run.id)
    loss = wait_until_drawn(page, "loss")
    for kind in ("log", "linear", "log"):
        loss.get_by_role("button", name="Logarithmic axis").click()
        until(
            page,
            f"document.querySelector('[data-chart=\"loss\"] .js-plotly-plot').layout.yaxis.type === '{kind}'",
        )
    plot = part(loss, "plot")
    plot.press("Home")
    plot.press("+")
    expect(part(page, "toolbar").get_by_role("button", name="Show all")).to_be_visible()
