from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import Begin
from tests.web.selectors import chart, open_run, until, wait_until_drawn
from tests.web.trainings import Training, finish

pytestmark = pytest.mark.browser

STEPS = 20_000
SPIKES = (37, 7_891, 12_345, 19_999)


def test_every_spike_of_a_long_series_is_drawn_at_full_zoom(page: Page, begin: Begin) -> None:
    run = begin("spikes")
    run.declare("loss/g", role="loss_G")
    for step in range(1, STEPS + 1):
        run.log({"loss/g": 1000.0 + step if step in SPIKES else step % 7 / 10}, step=step)
    finish(run)

    open_run(page, run.id, "?axis=step")
    wait_until_drawn(page, "loss")
    highest = line(page, "loss", "max")
    assert len(highest["x"]) < 2000
    assert sorted(y for y in highest["y"] if y > 100) == [1000.0 + step for step in SPIKES]
    assert page.evaluate(f"({PLOT}).layout.yaxis.range[1]".replace("NAME", "loss")) > 1000 + max(SPIKES)

    open_run(page, run.id, "?axis=step&range=12300..12400")
    wait_until_drawn(page, "loss")
    close = line(page, "loss", "mean")
    assert close["x"] == list(range(12_300, 12_401))
    assert close["y"][45] == 1000.0 + 12_345


def test_nan_and_infinity_are_marked_on_the_axis_and_told(page: Page, begin: Begin) -> None:
    training = Training(begin("not finite"))
    training.epochs(4)
    training.run.log({"loss/g": float("nan"), "loss/d": float("inf")}, step=training.step + 1)
    training.step += 1
    training.epochs(4)
    finish(training.run)

    open_run(page, training.run.id, "?axis=step")
    wait_until_drawn(page, "loss")
    flags = page.evaluate(
        f"({PLOT}).data.filter((trace) => trace.meta.part === 'not finite')[0]".replace("NAME", "loss")
    )
    assert flags["x"] == [21, 21]
    expect(chart(page, "loss").locator(".flagged")).to_have_text(
        "2 values are not finite (NaN, ∞), the first at step 21."
    )
    assert line(page, "loss", "mean")["y"][20] is None
    told = page.locator('[data-state="firing"] .sentence')
    expect(told.filter(has_text="loss/g and loss/d became")).to_have_count(1)


def test_a_point_between_two_gaps_is_a_dot(page: Page, begin: Begin) -> None:
    run = begin("a lone point")
    run.declare("loss/g", role="loss_G")
    for step in range(1, 201):
        run.log({"loss/g": 1.0 if step == 100 or step < 50 else float("nan")}, step=step)
    finish(run)
    open_run(page, run.id, "?axis=step")
    wait_until_drawn(page, "loss")
    assert line(page, "loss", "mean dots")["x"] == [100]


def test_new_points_of_a_zoomed_out_chart_keep_its_old_spikes(page: Page, begin: Begin) -> None:
    training = Training(begin("live spikes"))
    training.run.log({"loss/g": 500.0}, step=1)
    training.step = 1
    training.epochs(3)
    open_run(page, training.run.id, "?axis=step")
    wait_until_drawn(page, "loss")
    training.epochs(3)
    until(page, f"({PLOT}).data.some((trace) => trace.x.at(-1) === 31)".replace("NAME", "loss"))
    assert max(y for y in line(page, "loss", "mean")["y"] if y is not None) == 500.0


def test_a_loss_that_explodes_does_not_flatten_what_was_before(page: Page, begin: Begin) -> None:
    run = begin("explodes")
    run.declare("loss/g", role="loss_G")
    for step in range(1, 101):
        run.log({"loss/g": 1e6 if step > 95 else 0.5}, step=step)
    finish(run)
    open_run(page, run.id)
    logarithmic = wait_until_drawn(page, "loss").get_by_role("button", name="Logarithmic axis")
    expect(logarithmic).to_have_attribute("aria-pressed", "true")
    logarithmic.click()
    expect(logarithmic).to_have_attribute("aria-pressed", "false")
    page.reload()
    wait_until_drawn(page, "loss")
    expect(logarithmic).to_have_attribute("aria-pressed", "false")


PLOT = "document.querySelector('[data-chart=\"NAME\"] .js-plotly-plot')"


def line(page: Page, name: str, what: str) -> Any:
    # A chart is drawn anew when its axis turns logarithmic: for a moment there is none.
    drawn = PLOT.replace("NAME", name)
    until(page, f"({drawn}?.data ?? []).some((trace) => trace.meta.part === {what!r})")
    return page.evaluate(
        f"""([name, part]) => {{
          const drawn = ({PLOT.replace('"NAME"', '"loss"')}).data;
          const {{ x, y }} = drawn.find((trace) => trace.meta.part === part);
          return {{ x, y }};
        }}""",
        [name, what],
    )
