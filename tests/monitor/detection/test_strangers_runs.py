"""Runs as strangers have them, healthy, then turned: odd schedules, few samples, few signals, bad numbers."""

import json
import math
import random
from collections.abc import Callable

import pytest

from monitor.detection.turning_point import TurningPointDetector
from tests.monitor.detection.training import (
    MODES,
    Change,
    between,
    losses,
    missing,
    raises,
    training,
)

Record = dict[str, float]
RECORDS, TURN = 200, 140
ANGLES = ("S_G", "S_D", "S_G_ep", "S_D_ep")
NO_NUMBERS = (math.nan, math.inf, -math.inf)
FALL = between(TURN, math.inf, Q=0.4, D=0.4, S_G=4, S_D=4, S_G_ep=4, S_D_ep=4)


def judged_by(samples: int) -> Change:
    """Q is the share of so few samples, and D their entropy."""
    random_ = random.Random(samples)

    def change(_: int, record: Record) -> None:
        counts = [0] * MODES
        spread = max(0.0, min(record["D"] / math.log(MODES), 1.0))
        for _ in range(samples):
            counts[random_.randrange(MODES) if random_.random() < spread else 0] += 1
        record["Q"] = sum(random_.random() < record["Q"] for _ in range(samples)) / samples
        record["D"] = -sum(n / samples * math.log(n / samples) for n in counts if n)

    return change


def learning_rate(factor: Callable[[int], float]) -> Change:
    """A schedule, which the angles follow."""

    def change(i: int, record: Record) -> None:
        for name in ("lr_g", "lr_d", *ANGLES):
            record[name] *= factor(i)

    return change


def only(*names: str) -> Change:
    def change(_: int, record: Record) -> None:
        for name in set(record) - {*names, "epoch"}:
            record[name] = math.nan

    return change


def perfect(_: int, record: Record) -> None:
    """A judge that sees nothing wrong, to the last bit, in a run that has learned."""
    if record["Q"] > 0.6:
        record["Q"], record["D"] = 1.0, math.log(MODES)


def slow(i: int, record: Record) -> None:
    """A rise that lasts until the turn."""
    record["Q"] *= 0.4 + 0.6 * min(1.0, i / TURN)


def every_tenth(i: int, record: Record) -> None:
    if i % 10:
        record["Q"] = record["D"] = math.nan


def wild() -> Change:
    """One number in ten is none."""
    random_ = random.Random(0)

    def change(_: int, record: Record) -> None:
        for name in record:
            if name != "epoch" and random_.random() < 0.1:
                record[name] = random_.choice(NO_NUMBERS)

    return change


def spikes(i: int, record: Record) -> None:
    """Angles and losses leap at every 23rd record, and nothing comes of it."""
    if i % 23 == 22:
        for name in (*ANGLES, "loss_G", "loss_D"):
            record[name] *= 10


#: Planned: a tenth at record 80, a hundredth at 110.
STEPS = learning_rate(lambda i: 0.1 ** ((i >= 80) + (i >= 110)))

HABITS: dict[str, tuple[Change, ...]] = {
    "slow rise": (slow,),
    "steps of the rate": (STEPS,),
    "steps of the rate, Q alone": (STEPS, only("Q", "lr_g", "lr_d")),
    "cosine": (learning_rate(lambda i: 0.5 + 0.5 * math.cos(math.pi * i / RECORDS)),),
    "warm-up": (learning_rate(lambda i: min(1.0, (i + 1) / 50)),),
    "restarts": (learning_rate(lambda i: 0.51 + 0.5 * math.cos(math.pi * (i % 50) / 50)),),
    "ten samples": (judged_by(10),),
    "sixty-four samples": (judged_by(64),),
    "perfect scores": (perfect,),
    "every tenth": (every_tenth,),
    "Q and D alone": (only("Q", "D"),),
    "Q alone": (only("Q"),),
    "D alone": (only("D"),),
    "Q and angles": (only("Q", *ANGLES),),
    "Q and losses": (only("Q", "loss_G", "loss_D"),),
    "one network": (only("Q", "S_G"),),
    "late": (missing(0, 90, "Q", "S_G", "loss_G"),),
    "gone": (missing(90, math.inf, "D", "S_D", "loss_D"),),
    "no numbers": (wild(),),
    "spikes": (spikes,),
}


def watch(habit: str, *changes: Change, seed: int) -> list[int]:
    noise = 0 if habit == "perfect scores" else 0.01
    detector = TurningPointDetector({"m": MODES, "n_eval": 10 if habit == "ten samples" else 1000})
    records = training(RECORDS, seed, losses, *changes, *HABITS[habit], noise=noise)
    return raises(detector.update(record) for record in records)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("habit", HABITS)
def test_a_healthy_run_raises_nothing_and_its_turn_is_found(habit: str, seed: int) -> None:
    assert watch(habit, seed=seed) == []
    (found,) = watch(habit, FALL, seed=seed)
    assert TURN <= found <= TURN + (20 if habit == "every tenth" else 12)


@pytest.mark.parametrize("names", [ANGLES, ("loss_G", "loss_D", "gn_real"), (*ANGLES, "loss_G", "loss_D")])
def test_without_quality_and_diversity_nothing_is_judged(names: tuple[str, ...]) -> None:
    records = training(RECORDS, 1, losses, FALL, only(*names))
    assert raises(map(TurningPointDetector({"m": MODES}).update, records)) == []


@pytest.mark.parametrize("every", [2, 5, 10])
def test_rare_evaluations_of_quality_alone_are_no_silence_until_three_are_missed(every: int) -> None:
    def rarely(i: int, record: Record) -> None:
        if i % every or i > TURN:
            record["Q"] = math.nan

    detector = TurningPointDetector({"n_eval": 1000})
    records = training(RECORDS, 1, only("Q"), rarely)
    (found,) = raises(map(detector.update, records))
    assert found == TURN // every * every + 3 * every


@pytest.mark.parametrize("role", ["Q", "D"])
@pytest.mark.parametrize("rho", [0.8, 0.9, 0.95])
def test_one_signal_that_wanders_slowly_is_not_ruined(role: str, rho: float) -> None:
    random_ = random.Random(1)
    level = 0.6 if role == "Q" else 0.8 * math.log(MODES)
    detector = TurningPointDetector({"m": MODES})
    away = 0.0
    alerts = []
    for _ in range(3000):
        away = rho * away + random_.gauss(0, 0.08 * level * math.sqrt(1 - rho * rho))
        alerts.append(detector.update({role: level + away}))
    assert raises(iter(alerts)) == []


def test_a_remedy_does_not_make_quality_beside_angles_all_that_is_logged() -> None:
    def remedy(i: int, record: Record) -> None:
        if i == TURN:
            record["intervention"] = 1.0

    dip = between(TURN, TURN + 15, Q=0.55)
    records = training(RECORDS, 1, only("Q", *ANGLES), dip, remedy)
    assert raises(map(TurningPointDetector({"m": MODES}).update, records)) == []


def test_one_gap_in_the_log_does_not_make_the_detector_wait_for_longer() -> None:
    gap = missing(5, 45, "Q", "D", *ANGLES)
    end = missing(TURN, math.inf, "Q", "D", *ANGLES)
    records = training(RECORDS, 1, gap, end)
    assert raises(map(TurningPointDetector({"m": MODES}).update, records)) == [TURN + 2]


def test_quality_alone_waits_for_diversity_where_that_is_measured_too() -> None:
    fall = between(TURN, math.inf, Q=0.4)
    assert (
        raises(map(TurningPointDetector({"m": MODES}).update, training(RECORDS, 1, fall, only("Q", "D"))))
        == []
    )


@pytest.mark.parametrize("names", [("Q",), ("Q", "loss_G"), ("Q", "loss_G", "loss_D", "gn_real")])
def test_quality_alone_is_judged_alike_beside_losses_that_say_nothing(names: tuple[str, ...]) -> None:
    fall = between(TURN, math.inf, Q=0.4)
    records = training(RECORDS, 1, losses, fall, only(*names))
    assert raises(map(TurningPointDetector({"m": MODES}).update, records)) == [TURN + 6]


def test_an_angle_that_drifted_for_long_does_not_date_the_turn() -> None:
    drift = between(TURN - 30, TURN, S_D_ep=2.5)
    records = training(RECORDS, 1, drift, FALL)
    alerts = map(TurningPointDetector({"m": MODES}).update, records)
    alert = next(alert for alert in alerts if alert is not None)
    assert (alert["onset"], alert["detected"]) == (TURN, TURN + 1)


def test_one_norm_that_is_no_number_beside_sound_losses_is_no_divergence() -> None:
    records = training(RECORDS, 1, losses, missing(TURN, math.inf, "gn_real"))
    assert raises(map(TurningPointDetector({"m": MODES}).update, records)) == []


def test_what_is_remembered_does_not_grow_with_the_run() -> None:
    detector = TurningPointDetector({"m": MODES, "n_eval": 1000})
    records = training(RECORDS, 1, losses, *HABITS["no numbers"])
    largest = [0, 0]
    for i in range(10_000):
        detector.update(records[60 + i % 140])
        if i % 100 == 0:
            half = i >= 5_000
            largest[half] = max(largest[half], len(json.dumps(detector.state())))
    assert largest[1] < 1.2 * largest[0]
