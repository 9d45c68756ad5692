"""What the probes measure has its own pictures: boxes over training, slices at a step, layers as colours."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from monitor import Run
from tests.monitor.api.running import Running
from tests.web import trainings
from tests.web.conftest import Begin
from tests.web.probes import DELTAS, LAYERS, LEAPS_AT, MARKS, measure
from tests.web.selectors import chart, open_run, part, until, wait_until_drawn
from tests.web.trainings import finish

pytestmark = pytest.mark.browser

PLOT = "document.querySelector('[data-chart=\"NAME\"] .js-plotly-plot')"


@pytest.fixture(scope="module")
def measured(service: Running, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = trainings.begin(service, tmp_path_factory.mktemp("spool"), "measured")
    measure(run)
    finish(run)
    return run


def test_gradient_norms_are_boxes_over_training_real_generated_and_between(page: Page, measured: Run) -> None:
    open_run(page, measured.id)
    wait_until_drawn(page, "gradient_norm")
    boxes = traces(page, "gradient_norm", "boxes")
    assert [box["median"] for box in boxes] == [
        [k * float(i) for i in range(1, MARKS + 1)] for k in (1, 2, 4)
    ]
    assert (boxes[0]["q1"][0], boxes[0]["q3"][0], boxes[0]["upperfence"][0]) == (0.5, 2, 4)
    extremes = traces(page, "gradient_norm", "max")
    assert extremes[2]["y"][-1] == 16 * 4 * MARKS
    norms = chart(page, "gradient_norm")
    expect(norms.locator("figcaption")).to_contain_text("Good: boxes short and steady.")
    expect(part(norms, "readout")).to_contain_text(
        re.compile(r"real.*8\.00.*generated.*16\.0.*between.*32\.0")
    )


def test_the_slider_chooses_the_step_of_the_finite_differences(page: Page, measured: Run) -> None:
    open_run(page, measured.id)
    wait_until_drawn(page, "finite_difference")
    differences = chart(page, "finite_difference")
    expect(differences).to_contain_text("epoch 8")
    real, generated = traces(page, "finite_difference", "boxes")
    assert real["median"] == pytest.approx([1 / (1 + delta) for delta in DELTAS])
    assert generated["median"] == pytest.approx([2 / (1 + delta) for delta in DELTAS])

    slider = differences.get_by_role("slider")
    slider.focus()
    slider.press("Home")
    expect(differences).to_contain_text("epoch 1")
    expect(slider).to_have_attribute("aria-valuetext", "epoch 1")
    expect(chart(page, "lipschitz/depth")).to_contain_text("epoch 1")
    until(page, f"{plot('lipschitz/depth')}.data.find(({{meta}}) => meta.part === 'slice').y[2] === 8")
    page.reload()
    expect(chart(page, "finite_difference")).to_contain_text("epoch 1")


def test_the_arrow_keys_read_a_slice_aloud(page: Page, measured: Run) -> None:
    open_run(page, measured.id)
    wait_until_drawn(page, "finite_difference")
    differences = chart(page, "finite_difference")
    part(differences, "plot").focus()
    part(differences, "plot").press("End")
    said = differences.locator("[aria-live]")
    expect(said).to_have_text(re.compile(r"^δ = 10: real 0\.0909 \(.*, generated 0\.182"))


def test_steepness_by_depth_ends_with_the_whole_critic(page: Page, measured: Run) -> None:
    open_run(page, measured.id)
    wait_until_drawn(page, "lipschitz/depth")
    prefixes, layers, whole = traces(page, "lipschitz/depth", "slice")
    assert prefixes["y"] == [2.0**depth * MARKS for depth in range(1, len(LAYERS) + 1)]
    assert layers["y"] == [2.0] * len(LAYERS)
    assert (whole["x"], whole["y"]) == ([len(LAYERS) + 1], [0.9])


def test_the_layer_that_leaps_lights_up(page: Page, measured: Run) -> None:
    open_run(page, measured.id)
    wait_until_drawn(page, "angle/layer/d")
    (heat,) = traces(page, "angle/layer/d", "heat")
    brightest = [max(row, key=float) for row in heat["z"]]
    assert brightest[1] == heat["zmax"]
    assert heat["z"][1].index(brightest[1]) == LEAPS_AT - 1
    layers = chart(page, "angle/layer/d")
    expect(layers).to_contain_text("16.0°")
    at = part(layers, "plot")
    at.focus()
    at.press("ArrowDown")
    at.press("ArrowDown")
    for _ in range(MARKS - LEAPS_AT):
        at.press("ArrowLeft")
    expect(part(layers, "readout")).to_contain_text(f"{LAYERS[1]} 16.0°")
    expect(layers.locator("[aria-live]")).to_have_text(re.compile(rf"epoch {LEAPS_AT}: .*block2.conv 16"))


def test_the_best_and_the_worst_samples_are_shown_with_their_scores_and_follow_the_slider(
    page: Page, measured: Run
) -> None:
    open_run(page, measured.id)
    extremes = part(page, "extremes")
    best, worst = (extremes.get_by_role("list", name=name, exact=True) for name in ("Best", "Worst"))
    expect(best.get_by_role("img")).to_have_count(16)
    expect(best.get_by_role("img").first).to_have_attribute("aria-label", "Sample with score 1.0")
    expect(worst.get_by_role("img").first).to_have_attribute("aria-label", "Sample with score 0")
    expect(worst.get_by_role("listitem").nth(15)).to_have_text("0.15")
    newest = best.get_by_role("img").first.get_attribute("style")
    part(page, "samples").get_by_role("button", name="Earlier sample grid").click()
    expect(extremes).to_contain_text("epoch 7")
    assert newest is not None
    expect(best.get_by_role("img").first).not_to_have_attribute("style", newest)
    expect(part(page, "samples").get_by_role("combobox")).to_have_count(0)


def test_the_largest_modes_are_named_with_their_shares(page: Page, measured: Run) -> None:
    open_run(page, measured.id)
    modes = part(page, "leading").get_by_role("listitem")
    expect(modes).to_have_text(
        [re.compile(r"Ann.*50 %"), re.compile(r"Bob.*25 %"), re.compile(r"Eve.*1[23] %")]
    )
    expect(modes.nth(1).get_by_role("img")).to_have_attribute("aria-label", "A sample of Bob")


def test_diversity_is_told_beside_real_data_and_its_gate(page: Page, measured: Run) -> None:
    open_run(page, measured.id)
    wait_until_drawn(page, "diversity/tests")
    readout = part(chart(page, "diversity/tests"), "readout")
    expect(readout).to_have_text(re.compile(r"generated.*1\.50.*real.*2\.25.*gate.*0\.750"))


def test_evaluations_that_were_skipped_are_counted(page: Page, measured: Run) -> None:
    open_run(page, measured.id)
    expect(page.locator(".losses")).to_have_text("2 evaluations skipped, because the judges were still busy.")


def test_a_run_without_probes_has_none_of_their_panels(page: Page, begin: Begin) -> None:
    run = begin("plain")
    run.log({"other": 1.0, "lipschitz": 2.0, "finite_difference/real/nowhere": 1.0}, step=1)
    finish(run)
    open_run(page, run.id)
    expect(part(page, "rest")).to_contain_text("3 series")
    assert page.locator(".slice, .heat, .boxes").count() == 0


def test_what_has_many_series_is_compared_one_by_one_below(page: Page, measured: Run) -> None:
    page.goto(f"/compare?run={measured.id}")
    wait_until_drawn(page, "gradient_norm/real")
    expect(chart(page, "finite_difference/real/1")).to_have_count(0)
    part(page, "rest").locator("summary").click()
    part(page, "rest").get_by_role("searchbox").fill("finite_difference/real/1")
    wait_until_drawn(page, "finite_difference/real/1")


def plot(name: str) -> str:
    return PLOT.replace("NAME", name)


def traces(page: Page, name: str, what: str) -> list[Any]:
    until(page, f"({plot(name)}?.data ?? []).some((trace) => trace.meta.part === {what!r})")
    found: list[Any] = page.evaluate(
        f"""(part) => {plot(name)}.data.filter((trace) => trace.meta.part === part)
          .map(({{ x, y, z, zmax, q1, median, q3, upperfence }}) =>
            ({{ x, y, z, zmax, q1, median, q3, upperfence }}))""",
        what,
    )
    return found
