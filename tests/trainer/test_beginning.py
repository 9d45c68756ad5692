"""Where a training begins that was trained on another machine meanwhile."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from monitor.protocol import Remedy
from tests.trainer.test_rescue import config, kept
from trainer.beginning import Assignment, Beginning, find_beginning
from trainer.checkpoint import step_of
from trainer.options import Options
from trainer.overrides import changed
from trainer.training_directory import GoingBack, RunRecord, TrainingDirectory

GN = Remedy(name="gn", settings={"critic.kind": "gn"})
LR = Remedy(name="lr", settings={"lr.g": 1e-3})
TAKEN = {"critic.kind": "gn", "rollbacks": 1}
BACK = GoingBack(10, "it had turned", "gn", {"critic.kind": "gn"}, "c")


def left(path: Path, **record: Any) -> TrainingDirectory:
    """What a machine has of a training that it died with at step 20."""
    directory = TrainingDirectory(path)
    path.mkdir()
    directory.write_record(RunRecord("r", "p", None, **record))
    kept(path / "checkpoints", 10, 20, settings=changed(config(), record.get("settings", {})))
    return directory


def beginning(directory: TrainingDirectory, *remedies: Remedy) -> Beginning:
    with ExitStack() as held:
        assignment = Assignment("r", attempt=2, remedies=remedies)
        return find_beginning(config(), Options(out=directory.path, resume=True), assignment, held)


@pytest.mark.parametrize(
    ("record", "remedies"),
    [
        ({}, [GN]),
        ({"settings": TAKEN}, [GN, LR]),
        ({"settings": TAKEN, "going_back": BACK}, [GN, LR]),
    ],
    ids=["the first", "a second", "instead of one that was decided here"],
)
def test_where_it_turned_elsewhere_a_remedy_is_not_put_on_weights_that_may_have_turned(
    record: dict[str, Any], remedies: list[Remedy], tmp_path: Path
) -> None:
    directory = left(tmp_path / "r", **record)
    for _ in range(2):  # as after a kill before the first step
        found = beginning(directory, *remedies)
        assert (found.checkpoint, found.step, found.is_behind, found.attempt) == (None, 0, True, 2)
        assert (found.config.critic.kind, found.config.rollbacks) == ("gn", len(remedies))
        assert found.record.going_back is None
        assert [step_of(path) for path in (directory.path / "checkpoints" / "left").iterdir()] == [20]


def test_where_the_remedies_were_taken_here_it_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    found = beginning(left(tmp_path / "r", settings=TAKEN), GN)
    assert (found.step, found.config.critic.kind, found.is_behind) == (20, "gn", True)


def test_who_died_on_the_way_back_goes_it_on(tmp_path: Path) -> None:
    found = beginning(left(tmp_path / "r", settings=TAKEN, going_back=BACK))
    assert (found.step, found.record.going_back) == (10, BACK)
