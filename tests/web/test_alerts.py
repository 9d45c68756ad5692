"""Alerts of all runs, one alert's page, what a person can say of it, and the rescue by hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from monitor import Run
from tests.monitor.api.running import Running, run_service
from tests.web import trainings
from tests.web.conftest import Begin, OpenPage
from tests.web.selectors import open_run, part, row, wait_until_drawn
from tests.web.trainings import Training, finish, train

pytestmark = pytest.mark.browser

#: Notifications as the page sends them, since a test's browser has no desktop to show them on.
RECORDED = """
  window.told = [];
  window.Notification = class extends EventTarget {
    static permission = "default";
    static async requestPermission() { return (Notification.permission = "granted"); }
    constructor(title, options) { super(); told.push({ title, ...options }); }
    close() {}
  };
"""


@pytest.fixture(scope="module")
def collapsed(service: Running, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = trainings.begin(service, tmp_path_factory.mktemp("spool"), "collapsed at 45")
    train(run, epochs=60, turns_at=45)
    return run


def test_an_alert_has_a_page_with_what_moved_and_when(page: Page, service: Running, collapsed: Run) -> None:
    open_alert(page, service, collapsed)
    expect(page.get_by_role("heading", level=1)).to_have_text("Turning point at epoch 45")
    quality = part(page, "signals").get_by_role("row").filter(has_text="Quality Q")
    expect(quality).to_contain_text(re.compile(r"0\.[89]\d+.*fell to.*0\.500.*÷ 1\.8"))
    evidence = part(page, "evidence")
    expect(evidence).to_contain_text("epoch 45, step 225")
    expect(evidence).to_contain_text(re.compile(r"confirmed turning points were dismissed as false"))
    expect(page.get_by_role("list", name="Samples before and after").get_by_role("listitem")).to_have_text(
        [f"epoch {epoch}" for epoch in (44, 45, 46, 47)]
    )
    diversity = wait_until_drawn(page, "diversity/tests")
    expect(diversity.locator(".annotation-text").filter(has_text="turned")).to_have_count(1)


@pytest.mark.parametrize("width", [390, 1280, 1440])
def test_what_moved_is_seen_whole_on_screens_of_any_width(
    page: Page, service: Running, collapsed: Run, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    open_alert(page, service, collapsed)
    table = part(page, "signals").get_by_role("group")
    expect(table.get_by_text("0.500")).to_be_visible()
    assert table.evaluate("element => element.scrollWidth <= element.clientWidth")


def test_the_run_leads_to_the_alert_and_the_alert_to_the_turn_in_the_run(
    page: Page, service: Running, collapsed: Run
) -> None:
    open_run(page, collapsed.id)
    page.get_by_role("link", name="Details").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Turning point at epoch 45")
    page.get_by_role("link", name="Show in the run").click()
    expect(part(page, "toolbar")).to_contain_text("epoch 25 to 60")
    expect(part(page, "samples")).to_contain_text("epoch 45")


def test_what_people_say_of_an_alert_stays(page: Page, service: Running, begin: Begin) -> None:
    run = begin("talked about")
    train(run, epochs=60, turns_at=45)
    open_alert(page, service, run)
    part(page, "acknowledge").click()
    expect(page.get_by_text(re.compile("^Acknowledged"))).to_be_visible()
    part(page, "snooze").select_option("8 hours")
    expect(page.get_by_text(re.compile("^Snoozed until"))).to_be_visible()
    page.reload()
    page.get_by_role("button", name="Wake").click()
    expect(part(page, "snooze")).to_be_visible()
    part(page, "dismiss").click()
    expect(page.get_by_text("Called a false alarm")).to_be_visible()
    page.get_by_role("link", name="Alerts").first.click()
    noted = alert_row(page, run)
    expect(noted).to_contain_text("acknowledged")
    expect(noted).to_contain_text("false alarm")


def test_alerts_are_listed_by_state_and_counted_beside_their_link(
    page: Page, service: Running, collapsed: Run, begin: Begin
) -> None:
    page.goto("/alerts")
    expect(alert_row(page, collapsed)).to_contain_text("firing")
    expect(part(page, "firing")).to_have_text(re.compile(r"^\d+$"))
    page.get_by_role("button", name="suspected").click()
    expect(page.get_by_text("No alert is in this state.")).to_be_visible()
    page.wait_for_url("**/alerts?state=pending")
    page.get_by_role("button", name="all", exact=True).click()
    alert_row(page, collapsed).get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Turning point at epoch 45")


def test_an_alert_comes_up_on_the_open_list(page: Page, begin: Begin) -> None:
    page.goto("/alerts")
    page.get_by_role("heading", level=1).wait_for()
    run = begin("turns later")
    train(run, epochs=60, turns_at=45)
    expect(alert_row(page, run)).to_be_visible()


def test_many_runs_that_turn_together_are_one_line(tmp_path: Path, open_page: OpenPage) -> None:
    with run_service(tmp_path / "server") as service:
        runs = [trainings.begin(service, tmp_path / "spool", f"sweep {i}") for i in range(5)]
        for run in runs:
            train(run, epochs=60, turns_at=45)
        page = open_page(service)
        page.goto("/alerts")
        group = page.locator(".alert-group")
        expect(group.locator("summary")).to_contain_text("5 runs")
        expect(part(page, "alert-row").first).to_be_hidden()
        group.locator("summary").click()
        expect(part(page, "alert-row")).to_have_count(5)
        expect(part(page, "alert-row").first).to_be_visible()


def test_a_suspicion_is_a_badge_and_says_that_nobody_was_told(
    page: Page, service: Running, begin: Begin
) -> None:
    training = Training(begin("only suspected"), turns_at=45)
    training.epochs(44)
    for _ in range(6):
        if alerts_of(service, training.run):
            break
        training.epochs(1)
        training.run.log({"loss/g": 0.5}, step=training.step)
        expect(row(page, training.run.id)).to_contain_text(f"epoch {training.epoch}")
    (alert,) = alerts_of(service, training.run)
    if alert["state"] != "pending":
        pytest.skip("the detector was sure at once")
    expect(row(page, training.run.id).locator('[data-alert="pending"]')).to_have_text("suspected")
    open_run(page, training.run.id)
    expect(part(page, "verdict")).to_contain_text("nobody is told until it is confirmed")


def test_a_run_that_obeys_is_rolled_back_only_after_asking(
    page: Page, service: Running, begin: Begin
) -> None:
    run = begin(
        "to be rescued",
        commands=["stop", "rollback"],
        config={"rescue": {"remedies": ["gn", "lr"]}},
    )
    Training(run, turns_at=45).epochs(60)
    open_run(page, run.id)
    part(page, "rescue").click()
    expect(page.get_by_role("dialog")).to_contain_text("epoch 45 and goes on with gradient normalization")
    page.get_by_role("button", name="Leave it").click()
    assert commands_of(service, run) == []
    part(page, "rescue").click()
    page.get_by_role("button", name="Roll back").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(part(page, "rescue")).to_have_count(0)
    (command,) = commands_of(service, run)
    assert command["kind"] == "rollback"
    assert command["parameters"]["onset_step"] == 225
    assert command["parameters"]["alert"] == alerts_of(service, run)[0]["id"]
    run.acknowledge(command["id"], "failed", "no checkpoint is left")
    expect(page.get_by_text("It could not go back: no checkpoint is left")).to_be_visible()
    expect(part(page, "rescue")).to_be_visible()


def test_a_run_that_obeys_no_rollback_has_no_rescue_button(page: Page, collapsed: Run) -> None:
    open_run(page, collapsed.id)
    part(page, "acknowledge").wait_for()
    expect(part(page, "rescue")).to_have_count(0)


def test_a_rescue_says_its_remedy_and_what_that_brought(page: Page, begin: Begin) -> None:
    run = begin("rescued")
    training = Training(run, turns_at=45)
    training.epochs(50)
    run.rewind(40 * 5, reason="it turned", remedy="gn", settings={"critic.kind": "gn"})
    training.epoch, training.step, training.turns_at = 40, 200, None
    training.epochs(15)
    finish(run)
    open_run(page, run.id)
    told = part(page, "remedies")
    expect(told).to_contain_text("Attempt 2 went back to epoch 40 and goes on with gradient normalization")
    expect(told).to_contain_text("critic.kind = gn")
    expect(told).to_contain_text(re.compile(r"D 2\.\d+ before the turn, 0\.450 at it, 2\.\d+ now recovered"))
    diversity = wait_until_drawn(page, "diversity/tests")
    expect(diversity.locator(".annotation-text").filter(has_text="gn")).to_have_count(1)


def test_the_alert_of_an_attempt_that_was_left_shows_how_that_turned(
    page: Page, service: Running, begin: Begin
) -> None:
    run = begin("left", commands=["rollback"], config={"rescue": {"remedies": ["gn"]}})
    training = Training(run, turns_at=45)
    training.epochs(50)
    expect(row(page, run.id)).to_contain_text("1 alert")
    run.rewind(40 * 5, reason="it turned", remedy="gn")
    training.epoch, training.step, training.turns_at = 40, 200, None
    training.epochs(15)
    expect(row(page, run.id)).to_contain_text("epoch 55")
    (alert,) = alerts_of(service, run)
    page.goto(f"/runs/{run.id}/alerts/{alert['id']}")
    diversity = wait_until_drawn(page, "diversity/tests")
    expect(part(diversity, "readout")).to_contain_text("0.450")
    expect(page.get_by_text("As attempt 1 went")).to_be_visible()
    expect(part(page, "acknowledge")).to_have_count(0)


def test_a_run_that_took_every_remedy_says_so_in_place_of_the_button(
    page: Page, service: Running, begin: Begin
) -> None:
    run = begin("tried it all", commands=["rollback"], config={"rescue": {"remedies": []}})
    Training(run, turns_at=45).epochs(60)
    open_alert(page, service, run)
    expect(page.get_by_text("The run has taken every remedy of its recipe")).to_be_visible()
    expect(part(page, "rescue")).to_have_count(0)


def test_new_alerts_are_notified_of_where_that_was_asked_for(
    service: Running, open_page: OpenPage, begin: Begin
) -> None:
    page = open_page(service)
    page.add_init_script(RECORDED)
    page.goto("/alerts")
    asked = part(page, "alarm")
    expect(asked).to_have_text("Notify in this browser")
    asked.click()
    expect(asked).to_have_attribute("aria-pressed", "true")
    run = begin("worth a notification")
    train(run, epochs=60, turns_at=45)
    expect(alert_row(page, run)).to_be_visible()
    page.evaluate(
        """async () => {
          const end = performance.now() + 60000;
          while (!told.some(({ title }) => title.startsWith("worth a notification"))) {
            if (performance.now() > end) throw new Error("nobody was told: " + JSON.stringify(told));
            await new Promise((then) => setTimeout(then, 50));
          }
        }"""
    )
    (told,) = page.evaluate("told.filter(({ title }) => title.startsWith('worth'))")
    assert told["title"] == "worth a notification: Turning point at epoch 45"
    assert told["tag"] == alerts_of(service, run)[0]["id"]


def test_an_alert_that_does_not_exist_is_said_not_to(page: Page, collapsed: Run) -> None:
    for key in ("0" * 32, "nowhere"):
        page.goto(f"/runs/{collapsed.id}/alerts/{key}")
        expect(page.get_by_role("heading", level=1)).to_have_text("There is no such alert")


def test_an_address_that_leads_nowhere_is_a_page(page: Page) -> None:
    page.goto("/nosuch")
    expect(page.get_by_role("link").first).to_be_visible()


def alert_row(page: Page, run: Run) -> Any:
    return part(page, "alert-row").filter(has=page.locator(f'a[href="/runs/{run.id}"]'))


def alerts_of(service: Running, run: Run) -> list[dict[str, Any]]:
    with service.client() as client:
        found: list[dict[str, Any]] = client.get(f"/api/v1/runs/{run.id}/alerts").json()["alerts"]
    return found


def commands_of(service: Running, run: Run) -> list[dict[str, Any]]:
    with service.client() as client:
        found: list[dict[str, Any]] = client.get(f"/api/v1/runs/{run.id}/commands").json()["commands"]
    return found


def open_alert(page: Page, service: Running, run: Run) -> None:
    expect(row(page, run.id)).to_contain_text("1 alert")
    (alert,) = alerts_of(service, run)
    page.goto(f"/runs/{run.id}/alerts/{alert['id']}")
    page.get_by_role("heading", level=1).wait_for()
