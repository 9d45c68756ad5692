import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import monitor
from tests.monitor.client.test_run import records
from tests.trainer.probes.benched import Doomed, Held, Quadrants, Unwilling, Wasteful, make_none, make_two
from tests.trainer.probes.notebook import Notebook
from tests.trainer.probes.test_watch import REAL, Training, train
from trainer.probes import Beside
from trainer.probes.judges import beside
from trainer.probes.judges.beside import JudgesBeside

ROOT = Path(__file__).parents[3]


def test_judges_beside_training_say_what_they_say_within_it_and_of_the_same_marks() -> None:
    here, beside = Notebook(), Notebook()
    for run, judge in ((here, Quadrants()), (beside, Beside(Quadrants()))):
        training = Training()
        watch = training.watch(run, judge=judge)
        for _ in range(3):
            train(training, watch, 5)
            assert watch.evaluator
            watch.evaluator.wait(60)
        watch.finish()
    of_judge = [point for point in here.points if point[0].endswith("/quadrants")]
    assert [point for point in beside.points if point[0].endswith("/quadrants")] == of_judge
    for mark, other in zip(beside.marks, here.marks, strict=True):
        assert mark == {**other, "expects": (*other["expects"], "late")}
    for one, other in zip(here.images, beside.images, strict=True):
        assert torch.equal(one.pop("pixels"), other.pop("pixels"))
        assert one == other
    assert beside.series("skipped_evaluations") == [0, 0, 0]
    assert beside.declared["skipped_evaluations"]["help"]


def test_training_is_the_same_to_the_bit_and_waits_for_no_judge(tmp_path: Path) -> None:
    gate, run = tmp_path / "gate", Notebook()
    watched = Training()
    watch = watched.watch(run, judge=Beside(Held(gate)))
    train(watched, watch, 25)  # nothing is judged before it is over
    assert not run.series("quality/quadrants")
    gate.touch()
    watch.finish()
    alone = Training()
    train(alone, None, 25)
    assert all(torch.equal(a, b) for a, b in zip(alone.bits(), watched.bits(), strict=True))
    # Two marks wait, the others are counted, and not expected to be judged.
    assert run.series("skipped_evaluations") == [0, 0, 1, 2, 3]
    assert [mark["expects"].count("Q") for mark in run.marks] == [1, 1, 0, 0, 0]
    judged = [(step, mark) for name, step, mark, _ in run.points if name == "quality/quadrants"]
    assert judged == [(5, 0), (10, 1)]
    # What was not judged is shown all the same.
    shown = [(image["step"], len(image["scores"])) for image in run.images if image["name"] == "samples"]
    assert sorted(shown) == [(5, 9), (10, 9), (15, 0), (20, 0), (25, 0)]


@pytest.mark.slow
def test_a_judge_that_is_done_takes_the_next_mark(tmp_path: Path) -> None:
    gate, run, training = tmp_path / "gate", Notebook(), Training()
    watch = training.watch(run, judge=Beside(Held(gate)))
    train(training, watch, 15)
    gate.touch()
    assert watch.evaluator
    watch.evaluator.wait(60)
    train(training, watch, 5)
    watch.finish()
    assert run.series("skipped_evaluations") == [0, 0, 1, 1]
    assert len(run.series("quality/quadrants")) == 3


@pytest.mark.parametrize(
    ("judge", "says"),
    [(Doomed(7), "their process ended (7)"), (Wasteful(), "RuntimeError: out of memory")],
)
def test_a_judge_that_dies_costs_quality_with_one_warning_and_nothing_else(
    judge: Quadrants, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    run, watched = Notebook(), Training()
    watch = watched.watch(run, judge=Beside(judge))
    train(watched, watch, 5)
    assert watch.evaluator
    watch.evaluator.wait(60)
    train(watched, watch, 10)
    watch.finish()
    alone = Training()
    train(alone, None, 15)
    assert all(torch.equal(a, b) for a, b in zip(alone.bits(), watched.bits(), strict=True))
    assert [record.message for record in caplog.records] == [f"quality cannot be measured any more: {says}"]
    # The mark that expected them gets a gap, the later ones expect nothing.
    assert [math.isnan(value) for value in run.series("quality/quadrants")] == [True]
    assert [math.isnan(value) for value in run.series("diversity/quadrants")] == [True]
    assert [mark["expects"].count("Q") for mark in run.marks] == [1, 0, 0]
    assert [image["step"] for image in run.images if image["name"] == "samples"] == [5, 10, 15]
    assert len(run.series("angle/epoch/g")) == 3


@pytest.mark.slow
def test_a_process_that_is_killed_is_told_with_how_it_ended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    training = Training()
    watch = training.watch(Notebook(), judge=Beside(Held(tmp_path / "gate")))
    train(training, watch, 5)
    assert watch.evaluator
    assert isinstance(watch.evaluator.panel, JudgesBeside)
    watch.evaluator.panel.process.send_signal(signal.SIGTERM)  # ends trainings, and no judge
    watch.evaluator.panel.process.kill()
    watch.evaluator.wait(60)
    watch.step(real=REAL[:4], fake=REAL[:4])
    assert "their process ended (-9)" in caplog.text
    watch.finish()


def test_the_end_of_a_run_waits_for_what_is_judged_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("trainer.probes.watch.PATIENCE", 0.05)
    run, training = Notebook(), Training()
    watch = training.watch(run, judge=Beside(Held(tmp_path / "never")))
    train(training, watch, 10)
    watch.finish()
    assert not run.series("quality/quadrants")
    assert "2 marks stay unjudged" in caplog.text


def test_the_monitors_run_waits_for_its_judges_by_itself(tmp_path: Path) -> None:
    training = Training()
    with monitor.init(directory=tmp_path, id="run", system_interval=0) as run:
        train(training, training.watch(run, judge=Beside(Quadrants())), 5)
    rows = [row for row in records(tmp_path, kind=dict) if "values" in row]
    of_quality = [(row["step"], row["mark"]) for row in rows if "quality/quadrants" in row["values"]]
    assert of_quality == [(5, 0)]
    assert run.finish().rejected == 0


@pytest.mark.slow
def test_a_function_may_make_the_judges_there() -> None:
    run, training = Notebook(), Training()
    watch = training.watch(run, judge=Beside(make_two))
    train(training, watch, 5)
    watch.finish()
    assert run.series("quality/quadrants") == run.series("quality/second")
    assert run.declared["quality/second"]["role"] is None


@pytest.mark.parametrize(
    ("judge", "says"),
    [
        (make_none, "FileNotFoundError: no weights: put them into /models"),
        (lambda: [Quadrants()], "Beside(make_judges), a function of a module"),
        (Unwilling(), "ValueError: quadrants judges images of 4x4"),
    ],
)
def test_what_does_not_work_there_is_refused_before_the_first_step(judge: Any, says: str) -> None:
    with pytest.raises((TypeError, ValueError)) as refused:
        Training().watch(Notebook(), judge=Beside(judge))
    assert says in str(refused.value)


def test_no_process_stays_of_a_watch_that_cannot_be_made() -> None:
    before = set(beside._open)
    with pytest.raises(ValueError, match="division by zero"):
        Training().watch(Notebook(), judge=Beside(Quadrants()), critic=lambda _: 1 / 0)
    (judges,) = set(beside._open) - before
    assert judges.process.poll() is not None


KILLED = """
import os, select, sys, torch
from torch import nn
from trainer.probes import Beside, Watch
from tests.trainer.probes.benched import Quadrants

class Run:
    def log(self, values, step): pass
    def log_images(self, name, images, step): pass

G = nn.Sequential(nn.Linear(4, 16), nn.Unflatten(1, (1, 4, 4)))
D = nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
watch = Watch(G, D, Run(), real=torch.rand(8, 1, 4, 4), judge=Beside(Quadrants()), z=4, n_eval=8)
worker = os.fork()  # as a loader does, with the pipe to the judges open
if not worker:
    os.close(2)
    told, *_ = select.select([0], [], [], 60)
    os.write(1, b"" if told else b"gave up")
    os._exit(0)
print("watched", flush=True)
sys.stdin.read()
"""


def test_judges_do_not_outlive_a_training_that_is_killed_though_a_worker_holds_their_pipe() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as training:
        assert training.stdout
        assert training.stderr
        assert training.stdin
        assert b"watched" in training.stdout.readline()
        training.kill()
        training.stderr.read()  # until nobody holds it any more: the judges do, and the worker does not
        training.stdin.close()  # ends the worker, if it has not given up
        assert not training.stdout.read()


def test_judges_whose_training_was_killed_before_they_could_look_end_though_their_pipe_is_held() -> None:
    nobody = "0"
    command = [sys.executable, "-m", "trainer.probes.judges.process", nobody]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE) as judges:
        assert judges.wait(120) == 1


SCRIPT = """
import sys, torch
from torch import nn
from trainer.probes import Beside, Watch
from tests.trainer.probes.benched import Quadrants

print("the script runs")

class Own(Quadrants):
    pass

class Run:
    def log(self, values, step): print(*[name for name in values if name.startswith("quality/")])
    def log_images(self, name, images, step): pass

G = nn.Sequential(nn.Linear(4, 16), nn.Unflatten(1, (1, 4, 4)))
D = nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
x = torch.rand(8, 1, 4, 4)
watch = Watch(G, D, Run(), real=x, judge=Beside(eval(sys.argv[1])), z=4, n_eval=8)
watch.step(real=x, fake=x)
watch.epoch()
if len(sys.argv) < 3:
    watch.finish()
print("over")
"""


def script(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "script.py").write_text(SCRIPT)
    return subprocess.run(
        [sys.executable, tmp_path / "script.py", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.slow
def test_a_script_without_a_guard_is_not_run_twice(tmp_path: Path) -> None:
    done = script(tmp_path, "Quadrants()")
    said = done.stdout.split("\n")
    assert said.count("the script runs") == said.count("over") == 1, done.stderr
    assert "quality/quadrants quality_se" not in done.stdout
    assert any(line.startswith("quality/quadrants") for line in said)
    assert script(tmp_path, "Quadrants()", "leaves without a word").returncode == 0


@pytest.mark.slow
def test_judges_of_the_script_itself_are_refused_with_what_to_do(tmp_path: Path) -> None:
    done = script(tmp_path, "Own()")
    assert "put them into a module that it imports" in done.stderr
