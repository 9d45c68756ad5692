from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from monitor.errors import Problem
from monitor.protocol import Attempt, Remedy
from monitor.store import jobs
from monitor.store.database import Database
from tests.monitor.store.writing import NOW, Voice

LEASE = 60.0


def submit(db: Database, *, now: float = NOW, **fields: Any) -> dict[str, Any]:
    wanted = {"recipe": "digits-gn", "overrides": {}, "project": "p", "name": "", "priority": 0, **fields}
    return jobs.submit(db, **wanted, now=now)


def claim(db: Database, worker: str = "w", now: float = NOW) -> dict[str, Any]:
    claimed = jobs.claim(db, worker, LEASE, now)
    assert claimed is not None
    return claimed


def finish(db: Database, job: dict[str, Any], outcome: Any, message: str = "", now: float = NOW) -> Any:
    return jobs.finish(db, job["id"], job["lease"], outcome=outcome, message=message, now=now)


def get(db: Database, job: dict[str, Any]) -> dict[str, Any]:
    with db.read() as c:
        return jobs.get_job(c, job["id"])


def test_the_higher_priority_goes_first_and_the_older_of_two(database: Database) -> None:
    low, first, second, high = (
        submit(database, now=NOW + i, priority=priority)["id"] for i, priority in enumerate((-1, 0, 0, 5))
    )
    assert [claim(database)["id"] for _ in range(4)] == [high, first, second, low]
    assert jobs.claim(database, "w", LEASE, NOW) is None


def test_a_job_carries_what_was_asked_for_and_the_name_of_its_run(database: Database) -> None:
    job = submit(database, overrides={"lr.d": 4e-4, "seed": 3}, project="faces", name="try", tags=["a", "b"])
    claimed = claim(database, "gpu-7")
    assert claimed["overrides"] == {"lr.d": 4e-4, "seed": 3}
    assert (claimed["project"], claimed["name"], claimed["worker"]) == ("faces", "try", "gpu-7")
    assert claimed["tags"] == ["a", "b"]
    assert claimed["run"] == job["run"] == f"digits-gn-{job['id']}"
    assert (claimed["state"], claimed["attempt"], claimed["claims"]) == ("running", None, 1)


def test_no_two_workers_get_the_same_job(database: Database) -> None:
    count = 12
    for _ in range(count):
        submit(database)
    together = threading.Barrier(4)

    def work(name: str) -> list[str]:
        together.wait()
        taken = []
        while (job := jobs.claim(database, name, LEASE, NOW)) is not None:
            taken.append(job["id"])
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [job for worker in pool.map(work, "abcd") for job in worker]
    assert len(taken) == len(set(taken)) == count


def test_a_worker_that_is_heard_of_keeps_its_job(database: Database) -> None:
    submit(database)
    job = claim(database)
    for beat in range(1, 5):
        answer = jobs.heartbeat(database, job["id"], job["lease"], LEASE, NOW + 50 * beat)
        assert answer == {"expires": NOW + 50 * beat + LEASE, "cancel": False}
    assert jobs.release_expired(database, NOW + 200) == []
    assert get(database, job)["state"] == "running"


def test_the_job_of_a_silent_worker_waits_again_as_the_same_run(database: Database) -> None:
    run = submit(database)["run"]
    dead = claim(database, "dead")
    Voice(run=run).begin().send(database)
    heir = claim(database, "heir", NOW + LEASE + 1)
    assert (heir["id"], heir["run"], heir["worker"], heir["attempt"]) == (dead["id"], run, "heir", 0)
    assert (heir["claims"], heir["deaths"]) == (2, 1)
    for call in (
        lambda: jobs.heartbeat(database, dead["id"], dead["lease"], LEASE, NOW + LEASE + 2),
        lambda: finish(database, dead, "finished"),
    ):
        with pytest.raises(Problem, match="not this worker's any more") as refusal:
            call()
        assert (refusal.value.status, refusal.value.type) == (409, "lease-lost")
    assert get(database, heir)["state"] == "running"


def test_who_takes_a_job_hears_what_its_run_does_otherwise_since_it_turned(database: Database) -> None:
    run = submit(database)["run"]
    assert claim(database)["remedies"] == []
    voice = Voice(run=run).begin()
    voice.send(database)
    back = [
        Remedy(name="gn", settings={"critic.kind": "gn"}),
        None,
        Remedy(name="lr", settings={"lr.g": 0.1}),
    ]
    for number, remedy in enumerate(back, start=1):
        voice.attempt = number
        went_back = {"number": number, "parent": number - 1, "from_step": 0, "remedy": remedy}
        voice.say(Attempt, **went_back).send(database)
    heir = claim(database, "heir", NOW + LEASE + 1)
    assert heir["remedies"] == [
        {"name": "gn", "settings": {"critic.kind": "gn"}},
        {"name": "lr", "settings": {"lr.g": 0.1}},
    ]


def test_a_worker_that_was_only_out_of_reach_goes_on_while_nobody_else_has_its_job(
    database: Database,
) -> None:
    submit(database)
    job = claim(database)
    assert jobs.release_expired(database, NOW + 100) == [job["id"]]
    assert get(database, job)["state"] == "queued"
    jobs.heartbeat(database, job["id"], job["lease"], LEASE, NOW + 101)
    assert get(database, job)["state"] == "running"
    jobs.release_expired(database, NOW + 300)
    assert finish(database, job, "finished")["state"] == "finished"


def test_a_job_that_kills_its_workers_is_given_up_with_the_reason(database: Database) -> None:
    submit(database)
    for death in range(1, jobs.MOST_DEATHS):
        after = finish(database, claim(database), "died", "out of memory")
        assert (after["state"], after["deaths"]) == ("queued", death)
    claim(database, "the last")
    jobs.release_expired(database, NOW + LEASE + 1)
    assert jobs.claim(database, "w", LEASE, NOW + LEASE + 2) is None
    with database.read() as c:
        (job,) = jobs.list_jobs(c, state="failed")["jobs"]
    assert job["message"] == "given up after 3 deaths: its worker the last fell silent"


def test_a_job_that_is_handed_back_waits_again_and_has_killed_nobody(database: Database) -> None:
    submit(database)
    for _ in range(2 * jobs.MOST_DEATHS):
        job = claim(database)
        assert finish(database, job, "returned", "stopped by SIGTERM at step 9")["state"] == "queued"
    assert (get(database, job)["deaths"], get(database, job)["claims"]) == (0, 6)
    with pytest.raises(Problem, match="it is queued"):
        jobs.heartbeat(database, job["id"], job["lease"], LEASE, NOW)


def test_an_end_that_is_told_twice_counts_once(database: Database) -> None:
    submit(database)
    job = claim(database)
    first = finish(database, job, "failed", "no recipe 'x'", NOW + 1)
    assert finish(database, job, "finished", "", NOW + 2) == first
    assert (first["state"], first["message"], first["ended"]) == ("failed", "no recipe 'x'", NOW + 1)


def test_a_job_that_waits_is_cancelled_at_once_and_a_running_one_by_its_worker(database: Database) -> None:
    waiting = submit(database)
    assert jobs.cancel(database, waiting["id"], NOW)["state"] == "cancelled"
    submit(database)
    job = claim(database)
    assert jobs.cancel(database, job["id"], NOW)["cancelling"]
    assert jobs.heartbeat(database, job["id"], job["lease"], LEASE, NOW)["cancel"]
    assert finish(database, job, "cancelled", "at step 9")["state"] == "cancelled"
    with pytest.raises(Problem, match="has been cancelled"):
        jobs.cancel(database, job["id"], NOW)
    with pytest.raises(Problem, match="no job"):
        jobs.cancel(database, "0" * 16, NOW)


def test_no_worker_that_is_heard_of_again_brings_a_cancelled_job_back(database: Database) -> None:
    submit(database)
    job = claim(database)
    jobs.release_expired(database, NOW + LEASE + 1)
    jobs.cancel(database, job["id"], NOW + LEASE + 2)
    with pytest.raises(Problem, match="it is cancelled"):
        jobs.heartbeat(database, job["id"], job["lease"], LEASE, NOW + LEASE + 3)
    assert finish(database, job, "finished")["state"] == "cancelled"


def test_a_cancelled_job_whose_worker_dies_does_not_wait_again(database: Database) -> None:
    submit(database)
    job = claim(database)
    jobs.cancel(database, job["id"], NOW)
    assert jobs.release_expired(database, NOW + LEASE + 1) == [job["id"]]
    assert get(database, job)["state"] == "cancelled"


def test_text_that_no_database_holds_is_kept_as_far_as_it_can_be(database: Database) -> None:
    job = submit(database, project="a\0b", name="\ud800", overrides={"x\0": float("nan"), "y": [2**70]})
    assert job["overrides"] == {"x\ufffd": "NaN", "y": [2**70]}
    assert "\0" not in job["project"] + job["name"]


def test_the_newest_jobs_come_first_a_page_at_a_time(database: Database) -> None:
    submitted = [submit(database, now=NOW + i // 2)["id"] for i in range(5)]
    seen: list[str] = []
    cursor = None
    while True:
        with database.read() as c:
            page = jobs.list_jobs(c, cursor=cursor, limit=2)
        seen += [job["id"] for job in page["jobs"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == 5
    assert set(seen) == set(submitted)
    assert seen[0] == submitted[-1]
