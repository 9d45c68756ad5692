"""The queue of the workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.monitor.api.running import Running, run_service
from tests.web.conftest import OpenPage
from tests.web.selectors import part

pytestmark = pytest.mark.browser


def test_jobs_are_listed_with_what_became_of_them(service: Running, page: Page) -> None:
    waiting = submit(service, "digits-gn", overrides={"lr.d": 4e-4, "seed": 1}, priority=-5)
    failed = submit(service, "digits-lsgan", priority=5)
    with service.client() as client:
        taken = client.post("/api/v1/jobs/claim", json={"worker": "box/0"}).json()
        assert taken["id"] == failed
        end = {"lease": taken["lease"], "outcome": "failed", "message": "out of memory"}
        assert client.post(f"/api/v1/jobs/{failed}/finish", json=end).status_code == 200

    page.get_by_role("link", name="Jobs").click()

    expect(job_row(page, waiting)).to_contain_text("queued")
    expect(job_row(page, waiting)).to_contain_text("lr.d=0.0004 seed=1")
    expect(job_row(page, failed)).to_contain_text("out of memory")
    expect(job_row(page, failed)).to_contain_text("box/0")
    page.get_by_role("button", name="failed").click()
    expect(job_row(page, waiting)).to_have_count(0)
    expect(job_row(page, failed)).to_be_visible()


def test_a_job_is_cancelled_only_after_asking(service: Running, page: Page) -> None:
    job = submit(service, "digits-gn", name="to be cancelled", priority=-5)
    page.goto("/jobs")
    job_row(page, job).get_by_role("button", name="Cancel…").click()
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(job_row(page, job)).to_contain_text("queued")
    job_row(page, job).get_by_role("button", name="Cancel…").click()
    page.get_by_role("button", name="Cancel the job").click()
    expect(job_row(page, job)).to_contain_text("cancelled")


def test_a_job_that_is_queued_appears_by_itself(service: Running, page: Page) -> None:
    page.goto("/jobs")
    page.get_by_role("heading", level=1).wait_for()
    job = submit(service, "digits-gn", name="came later", priority=-5)
    expect(job_row(page, job)).to_contain_text("came later")


def test_an_empty_queue_says_how_to_fill_it(tmp_path: Path, open_page: OpenPage) -> None:
    with run_service(tmp_path) as empty:
        page = open_page(empty)
        page.goto("/jobs")
        expect(page.get_by_role("heading", level=1)).to_have_text("Nothing is queued")
        expect(page.get_by_text("gantrain submit")).to_be_visible()


def job_row(page: Page, job: str) -> Locator:
    return part(page, "job-row").and_(page.locator(f'[data-job="{job}"]'))


def submit(service: Running, recipe: str, **settings: Any) -> str:
    with service.client() as client:
        answer = client.post("/api/v1/jobs", json={"recipe": recipe, **settings})
    assert answer.status_code == 201, answer.text
    job: str = answer.json()["id"]
    return job
