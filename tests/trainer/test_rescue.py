"""Which remedies can be taken, in which order, and what a training begins anew that takes one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from monitor.protocol import Remedy
from tests.trainer.recording import RecordingRun
from trainer.checkpoint import Checkpoint, CheckpointDirectory, step_of
from trainer.config import Config, Critic, Network, Penalty, Rescue, from_dict, to_dict
from trainer.errors import ConfigError, ExhaustedError, RescueError
from trainer.overrides import changed
from trainer.randomness import seed_of_draws
from trainer.recipes import RECIPES
from trainer.rescue import WayBack, as_elsewhere, decide, find_way_back, gone_back
from trainer.schedule import REACH, Schedule, ring
from trainer.stopping import Stopping
from trainer.training_directory import RunRecord, TrainingDirectory


def config(**changes: Any) -> Config:
    return replace(RECIPES["digits-lsgan"](), on_turning_point="rescue", **changes)


class Part:
    def state_dict(self) -> Any:
        return {"value": torch.zeros(3)}

    def load_state_dict(self, state: Any) -> None:
        del state


def kept(directory: Path, *steps: int, settings: Config | None = None) -> CheckpointDirectory:
    checkpoints = CheckpointDirectory(directory)
    for step in steps:
        checkpoints.save(step, settings or config(), {"G": Part()}, KeepsAll())
    return checkpoints


class KeepsAll:
    def kept(self, steps: Any) -> set[int]:
        return set(steps)


def asking(onset: object, *, automatic: bool = True) -> SimpleNamespace:
    return SimpleNamespace(id="c", kind="rollback", parameters={"onset_step": onset, "automatic": automatic})


# -- settings ----------------------------------------------------------------------------------------


def test_remedies_add_up_in_their_order() -> None:
    first = config(rescue=Rescue(remedies=("gn", "lr+gp"), lr_factor=0.5, gp_weight=3.0)).rescued()
    assert (first.critic.kind, first.lr.g, first.remedies) == ("gn", 8e-3, ("lr+gp",))
    second = first.rescued()
    assert (second.critic.kind, second.lr.g, second.lr.d) == ("gn", 4e-3, 4e-3)
    assert second.penalty == Penalty(kind="gp", weight=3.0)
    assert (second.remedies, second.remedy) == ((), "lr+gp")


def test_a_plain_rollback_changes_nothing_but_the_random_numbers() -> None:
    before = replace(config(), on_turning_point="rollback")
    after = before.rescued()
    assert replace(after, rollbacks=0) == before
    assert seed_of_draws(before) == before.seed
    assert len({seed_of_draws(replace(before, rollbacks=n)) for n in range(4)}) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"critic": Critic(kind="gn")}, "critic.kind = gn normalizes the gradient already: leave gn out"),
        ({"critic": Critic(kind="pgn")}, "critic.kind = pgn normalizes"),
        (
            {"network": Network(norm_d="batch")},
            "remedies has gn, which cannot be: .*set network.norm-d to none",
        ),
        (
            {"penalty": Penalty(kind="r1"), "rescue": Rescue(remedies=("gp",))},
            "penalty.kind = r1 is one already",
        ),
        ({"rescue": Rescue(remedies=("gn", "lr", "gn"))}, "leave gn out"),
        ({"rescue": Rescue(remedies=("lr+gp", "gp"))}, "leave gp out"),
    ],
)
def test_a_remedy_that_could_not_be_taken_is_refused_before_training(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        config(**changes)
    # Who only wants to be told is not refused anything.
    assert replace(RECIPES["digits-lsgan"](), **changes).on_turning_point == "notify"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rescue(remedies=("gm",)), "'gm' is none of gn, lr, gp, rollback"),
        (lambda: Rescue(remedies=("gn+",)), "has gn\\+: '' is none of"),
        (lambda: Rescue(remedies=()), "rescue.remedies is empty"),
        (lambda: Rescue(lr_factor=1.0), "rescue.lr-factor = 1.0 must lie between 0 and 1"),
        (lambda: Rescue(gp_weight=0.0), "rescue.gp-weight = 0.0 must lie"),
    ],
)
def test_a_rescue_that_makes_no_sense_is_refused(make: Callable[[], Rescue], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_a_rescued_configuration_is_stored_and_comes_back() -> None:
    rescued = config().rescued()
    assert from_dict(to_dict(rescued)) == rescued
    assert changed(config(), {"critic.kind": "gn", "rollbacks": 1}) == rescued


# -- the ring ----------------------------------------------------------------------------------------


def held_after(epochs: int, first: Sequence[int] = ()) -> Iterator[list[int]]:
    """The ages that the ring holds after each epoch, the youngest first."""
    held = list(first)
    for _ in range(epochs):
        ages = [0, *(age + 1 for age in held)]
        held = [ages[place] for place in ring(ages)]
        yield held


def test_a_training_never_goes_back_twice_as_far_as_it_must() -> None:
    """However young it is, and however late the alert."""
    for epochs, held in enumerate(held_after(1000)):
        assert len(held) <= 12
        for age in range(1, min(epochs, REACH) + 1):
            nearest = min(there for there in held if there >= age)
            assert nearest <= 2 * age - 1


@pytest.mark.parametrize("first", [[0, 1, 2, 3, 4, 5, 6, 7, 8], [0, 40], [0, 1, 3, 7, 8, 24, 40, 104], [300]])
def test_the_ring_makes_the_best_of_what_another_left(first: list[int]) -> None:
    """A folder of an earlier version, or one that went back and lost its youngest."""
    for epochs, held in enumerate(held_after(300, first), start=1):
        assert len(held) <= 12
        ever = [*range(epochs), *(age + epochs for age in first)]
        for age in range(1, min(ever[-1], REACH) + 1):
            nearest, best = (min(there for there in ages if there >= age) for ages in (held, ever))
            assert nearest <= max(best, 2 * age - 1)


def test_the_ring_is_kept_beside_the_others_and_by_who_may_go_back_only() -> None:
    rescues, notifies = (Schedule(settings, 64) for settings in (config(), RECIPES["digits-lsgan"]()))
    held: list[int] = []
    for step in range(1, 301):
        assert rescues.saves(step)
        assert notifies.saves(step) == (step % 10 == 0)
        held = [old for old in [step, *held] if old in rescues.kept([step, *held])]
    assert held == [300, 299, 298, 296, 294, 290, 288, 280, 270, 250, 230]
    assert notifies.kept([30, 20, 10, 5]) == {30, 20, 10}


# -- the way back ------------------------------------------------------------------------------------


def test_the_way_back_is_the_last_whole_checkpoint_from_before_the_onset(tmp_path: Path) -> None:
    checkpoints = kept(tmp_path, 10, 20, 30, 40)
    assert find_way_back(asking(30), config(), checkpoints).going_back.step == 20
    (second,) = tmp_path.glob("step-000000020.*")
    second.write_bytes(b"damaged")
    way = find_way_back(asking(30), config(), checkpoints)
    assert (way.going_back.step, way.checkpoint.step, way.config) == (10, 10, config().rescued())
    assert (way.going_back.remedy, way.going_back.settings) == ("gn", {"critic.kind": "gn"})


@pytest.mark.parametrize("onset", [None, "soon", 1.5])
def test_without_an_onset_nobody_knows_where_to_go(onset: object, tmp_path: Path) -> None:
    with pytest.raises(RescueError, match="nobody knows when it turned"):
        find_way_back(asking(onset), config(), kept(tmp_path, 10))


def test_where_everything_was_tried_a_turning_point_ends_training_and_a_person_is_refused(
    tmp_path: Path,
) -> None:
    tried = config(rescue=Rescue(remedies=("gn",))).rescued()
    with pytest.raises(ExhaustedError):
        find_way_back(asking(30), tried, kept(tmp_path, 10))
    with pytest.raises(RescueError) as refused:
        find_way_back(asking(30, automatic=False), tried, kept(tmp_path, 10))
    assert not isinstance(refused.value, ExhaustedError)


def test_what_begins_anew_depends_on_the_remedy(tmp_path: Path) -> None:
    checkpoint = kept(tmp_path, 10).newest()
    assert isinstance(checkpoint, Checkpoint)
    drawn = {"latents", "objective"}
    optimizers = {"optimizer_G", "optimizer_D"}

    def anew(**rescue: Any) -> frozenset[str]:
        return gone_back(checkpoint, config(rescue=Rescue(**rescue)).rescued()).anew

    assert anew(remedies=("rollback",)) == drawn
    assert anew(remedies=("lr",), optimizers="fresh") == drawn | optimizers
    assert anew(remedies=("lr",), optimizers="kept") == drawn
    assert anew(remedies=("gn",), optimizers="kept") == drawn | {"critic"}


def test_what_is_decided_is_on_the_disk_and_what_is_given_up_out_of_the_way(tmp_path: Path) -> None:
    directory = TrainingDirectory(tmp_path)
    kept(tmp_path / "checkpoints", 10, 20, 30, 40)
    way = find_way_back(asking(30), config(), directory.checkpoints)
    decided = decide(way, directory, RunRecord("r", "p", None))
    assert directory.record() == decided
    assert decided.settings == {"critic.kind": "gn", "rollbacks": 1}
    assert [step_of(path) for path in directory.checkpoints.newest_first()] == [20, 10]
    assert [step_of(path) for path in (tmp_path / "checkpoints" / "left").iterdir()] == [40]


def test_remedies_that_were_taken_elsewhere_hold_here_too() -> None:
    gn, lr = Remedy(name="gn", settings={"critic.kind": "gn"}), Remedy(name="lr", settings={"lr.g": 1e-3})
    new = RunRecord("r", "p", None)
    assert as_elsewhere(new, ()) == new
    once, twice = as_elsewhere(new, [gn]), as_elsewhere(new, [gn, lr])
    assert once.settings == {"critic.kind": "gn", "rollbacks": 1}
    assert twice.settings == {"critic.kind": "gn", "lr.g": 1e-3, "rollbacks": 2}
    assert as_elsewhere(once, [gn, lr]) == twice
    assert as_elsewhere(twice, [gn]) == twice
    assert changed(config(), twice.settings).remedies == ()


# -- commands ----------------------------------------------------------------------------------------


def commanded(*commands: SimpleNamespace, back: Callable[[Any], Any]) -> tuple[Stopping, RecordingRun]:
    run = RecordingRun()
    run.asked = list(commands)
    stopping = Stopping(run, back=back)
    stopping.asked()
    return stopping, run


def test_a_command_to_go_back_leaves_the_loop_and_is_acknowledged_by_who_goes(tmp_path: Path) -> None:
    way = find_way_back(asking(30), config(), kept(tmp_path, 10))
    stopping, run = commanded(asking(30), back=lambda _: way)
    assert (stopping.reason, run.acknowledged) == (None, [])
    assert isinstance(stopping.take_way(), WayBack)
    assert stopping.take_way() is None
    assert stopping.asked() is None


def test_who_is_asked_to_stop_does_not_go_back(tmp_path: Path) -> None:
    way = find_way_back(asking(30), config(), kept(tmp_path, 10))
    stop = SimpleNamespace(id="s", kind="stop", parameters={})
    stopping, _ = commanded(asking(30), stop, back=lambda _: way)
    assert (stopping.reason, stopping.take_way()) == ("stopped by command", None)


def test_a_way_that_does_not_exist_fails_the_command_and_not_the_training() -> None:
    def lost(_: Any) -> Any:
        raise RescueError("no checkpoint")

    stopping, run = commanded(asking(30), back=lost)
    assert (stopping.reason, stopping.way) == (None, None)
    assert run.acknowledged == [("c", "failed")]


def test_a_turning_point_after_every_remedy_stops_training() -> None:
    def exhausted(_: Any) -> Any:
        raise ExhaustedError("every remedy was taken")

    stopping, run = commanded(asking(30), back=exhausted)
    assert stopping.reason == "stopped at a turning point, every remedy taken"
    assert run.acknowledged == [("c", "failed")]


def test_a_stop_says_whether_a_person_or_a_turning_point_asked() -> None:
    stop = SimpleNamespace(id="s", kind="stop", parameters={"alert": "a", "automatic": True})
    stopping, run = commanded(stop, back=lambda _: None)
    assert stopping.reason == "stopped at a turning point"
    assert run.acknowledged == [("s", "done")]


def test_a_command_of_another_kind_is_ignored() -> None:
    change = SimpleNamespace(id="x", kind="change", parameters={})
    stopping, run = commanded(change, back=lambda _: None)
    assert (stopping.reason, run.acknowledged) == (None, [("x", "ignored")])
