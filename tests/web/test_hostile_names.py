from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import Begin
from tests.web.selectors import open_run, part, row, wait_until_drawn
from tests.web.trainings import Training, finish

pytestmark = pytest.mark.browser

SCRIPT = "<img src=x onerror=\"document.title='owned'\"><script>window.owned = true</script>"
LINK = '<a href="javascript:window.owned=true">press me</a>'
TURNED_AROUND = "safe\u202egnp.exe"


def test_markup_in_names_stays_text_everywhere(page: Page, begin: Begin) -> None:
    run = begin(SCRIPT, project=LINK, tags=[SCRIPT], config={SCRIPT: {"key": LINK}})
    run.declare(SCRIPT, unit=LINK, help=SCRIPT)
    run.declare("loss/g", role="loss_G", help=SCRIPT, unit=SCRIPT)
    for step in range(1, 4):
        run.log({SCRIPT: 1.0, "loss/g": 1.0, LINK: 2.0}, step=step)
    training = Training(run)
    training.step = 3
    training.epochs(2)
    run.finish(state="failed", message=SCRIPT)

    expect(row(page, run.id)).to_contain_text(SCRIPT)
    open_run(page, run.id)
    expect(page.get_by_role("heading", level=1)).to_have_text(SCRIPT)
    expect(part(page, "verdict")).to_contain_text(SCRIPT)
    wait_until_drawn(page, "loss")
    part(page, "rest").locator("summary").click()
    wait_until_drawn(page, SCRIPT.replace('"', '\\"'))
    part(page, "details").locator("summary").click()
    expect(part(page, "details")).to_contain_text(LINK)
    page.goto(f"/compare?run={run.id}")
    expect(page.locator(".chip")).to_contain_text(SCRIPT)
    wait_until_drawn(page, "loss/g")

    assert page.evaluate("window.owned") is None
    assert page.locator("img[src=x]").count() == 0
    assert page.locator("main a[href^=javascript]").count() == 0
    assert page.title() != "owned"


def test_a_name_cannot_turn_the_direction_of_the_text_around_it(page: Page, begin: Begin) -> None:
    run = begin(TURNED_AROUND)
    finish(run)
    expect(row(page, run.id)).to_contain_text("safe\ufffdgnp.exe")
    arabic = begin("مرحبا")
    finish(arabic)
    name = row(page, arabic.id).locator("a bdi")
    expect(name).to_have_text("مرحبا")
    expect(name).to_have_css("unicode-bidi", "isolate")


def test_very_long_names_break_no_layout(page: Page, begin: Begin) -> None:
    run = begin("x" * 400, project="y" * 200, tags=["z" * 200])
    run.log({"n" * 250: 1.0}, step=1)
    finish(run)
    page.set_viewport_size({"width": 390, "height": 844})
    for address in ("/", f"/runs/{run.id}", f"/compare?run={run.id}"):
        page.goto(address)
        page.get_by_text("x" * 400).first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
