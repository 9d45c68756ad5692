"""A training that is commanded to go back: alone, killed on the way, and by several processes at once."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.monitor.api.running import run_service
from tests.trainer.commanded import Commanded, wait_until
from trainer.checkpoint import CheckpointDirectory, step_of

#: So that it keeps what it may have to go back to.
RESCUED = ["--on-turning-point", "rescue"]


@pytest.fixture
def training(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Commanded]:
    processes = getattr(request, "param", 1)
    with run_service(tmp_path / "service") as running, running.client() as client:
        yield Commanded(running, client, tmp_path, processes)


def critic_of(training: Commanded) -> str:
    """Of the newest checkpoint."""
    checkpoint = CheckpointDirectory(training.folder / "checkpoints").newest()
    assert checkpoint is not None
    return checkpoint.config.critic.kind


def steps_reached(training: Commanded, attempt: int) -> int:
    run = training.run()
    return (run["steps"] or 0) if run and run["attempt"] == attempt else -1


@pytest.mark.parametrize(
    "training", [1, pytest.param(2, marks=pytest.mark.slow)], indirect=True, ids=["alone", "two"]
)
def test_a_training_goes_back_and_on_with_the_next_remedy_until_there_is_none(training: Commanded) -> None:
    with training.start("--no-probes", *RESCUED) as process:
        wait_until(lambda: steps_reached(training, 0) > 60, process)
        first = training.command("rollback", onset_step=40)
        wait_until(lambda: steps_reached(training, 1) > 40, process)
        # Its steps may have come from another process than the one that answers.
        wait_until(lambda: training.outcome(first)[0] == "done", process)
        second = training.command("rollback", onset_step=30)
        wait_until(lambda: steps_reached(training, 2) > 40, process)
        third = training.ask("rollback", onset_step=30)
        assert (third.status_code, third.json()["type"]) == (409, "remedies-taken")
        training.command("stop")
        output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    run = training.run()
    assert (run["state"], run["attempt"]) == ("finished", 2)
    assert [(attempt["parent"], attempt["remedy"]) for attempt in run["attempts"][1:]] == [
        (0, {"name": "gn", "settings": {"critic.kind": "gn"}}),
        (1, {"name": "lr", "settings": {"lr.g": pytest.approx(1.6e-3), "lr.d": pytest.approx(1.6e-3)}}),
    ]
    assert run["attempts"][1]["from_step"] < 40
    assert run["attempts"][2]["from_step"] < 30
    assert run["config"]["critic"]["kind"] == critic_of(training) == "gn"
    assert training.outcome(second)[0] == "done"
    record = json.loads((training.folder / "run.json").read_text())
    assert (record["going_back"], record["settings"]["rollbacks"]) == (None, 2)


def test_a_training_that_is_killed_after_it_went_back_goes_on_in_the_rescued_attempt(
    training: Commanded,
) -> None:
    with training.start("--no-probes", *RESCUED) as process:
        wait_until(lambda: steps_reached(training, 0) > 60, process)
        training.command("rollback", onset_step=50)
        wait_until(lambda: steps_reached(training, 1) >= 0, process)
        process.kill()
        process.communicate()
    with training.start("--no-probes", *RESCUED) as process:
        wait_until(lambda: steps_reached(training, 2) > 80, process)
        training.command("stop")
        output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    run = training.run()
    assert [attempt["parent"] for attempt in run["attempts"]] == [None, 0, 1]
    assert run["config"]["critic"]["kind"] == critic_of(training) == "gn"


@pytest.mark.slow
def test_what_was_decided_before_a_kill_is_done_after_it(training: Commanded) -> None:
    """The process dies between writing down where it goes back to and saying so."""
    with training.start("--no-probes", *RESCUED) as process:
        wait_until(lambda: steps_reached(training, 0) > 60, process)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    place = training.folder / "run.json"
    record = json.loads(place.read_text())
    newest = max(step_of(path) for path in (training.folder / "checkpoints").glob("step-*.pt"))
    back_to = min(step_of(path) for path in (training.folder / "checkpoints").glob("step-*.pt"))
    assert back_to < newest
    record["settings"] = {"critic.kind": "gn", "rollbacks": 1}
    record["going_back"] = {
        "step": back_to,
        "reason": "it had turned",
        "remedy": "gn",
        "settings": {"critic.kind": "gn"},
        "command": "",
    }
    place.write_text(json.dumps(record))
    with training.start("--no-probes", *RESCUED) as process:
        wait_until(lambda: steps_reached(training, 1) > newest, process)
        training.command("stop")
        output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    run = training.run()
    rescued = run["attempts"][1]
    assert (rescued["from_step"], rescued["reason"], rescued["remedy"]["name"]) == (
        back_to,
        "it had turned",
        "gn",
    )
    assert critic_of(training) == "gn"
    assert [step_of(path) for path in (training.folder / "checkpoints" / "left").iterdir()] == [newest]


def test_a_training_with_nothing_from_before_the_onset_says_so_and_goes_on(training: Commanded) -> None:
    with training.start("--no-probes", *RESCUED) as process:
        wait_until(lambda: steps_reached(training, 0) > 40, process)
        command = training.command("rollback", onset_step=3)
        wait_until(lambda: training.outcome(command)[0] is not None, process)
        outcome, detail = training.outcome(command)
        assert outcome == "failed"
        assert "no checkpoint from before step 3 is left" in detail
        reached = steps_reached(training, 0)
        wait_until(lambda: steps_reached(training, 0) > reached, process)
        training.command("stop")
        output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
