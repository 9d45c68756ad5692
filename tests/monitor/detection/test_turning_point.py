import json
import math
import random
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from monitor.detection.turning_point import TurningPointDetector
from tests.monitor.detection.training import (
    MODES,
    between,
    losses,
    missing,
    natural_collapse,
    raises,
    training,
    turn,
)

META = {"m": MODES, "n_eval": 1000}
ALL = ("Q", "D", "S_G", "S_D", "S_G_ep", "S_D_ep")


def watch(records: Iterable[Mapping[str, float]]) -> list[dict[str, Any] | None]:
    detector = TurningPointDetector(META)
    return [detector.update(record) for record in records]


@pytest.mark.parametrize("seed", range(8))
def test_a_turn_is_found_within_two_records_and_told_once(seed: int) -> None:
    alerts = watch(training(140, seed, turn(80)))
    (found,) = raises(iter(alerts))
    assert 80 <= found <= 82
    alert = alerts[found]
    assert alert is not None
    assert set(alert["signals"]) == {"Q", "D", "S"}
    assert abs(alert["onset"] - 80) <= 1


@pytest.mark.parametrize("seed", range(8))
def test_a_natural_collapse_is_found_one_record_after_the_leap(seed: int) -> None:
    assert raises(iter(watch(training(120, seed, natural_collapse(60))))) == [61]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    "change",
    [
        between(0, 0),
        between(70, 71, Q=0.1, D=0.3, S_G=5, S_D=5, S_G_ep=5, S_D_ep=5),
        between(70, 75, Q=0.75, D=0.85, S_G=3, S_G_ep=3),
        between(70, math.inf, S_G=3, S_D=3, S_G_ep=3, S_D_ep=3),
        between(70, math.inf, lr_g=0.1, lr_d=0.1, S_G=0.1, S_D=0.1, S_G_ep=0.1, S_D_ep=0.1),
        missing(70, 90, *ALL[:2]),
    ],
    ids=["nothing", "glitch", "dip", "angles alone", "planned step", "gap"],
)
def test_what_is_no_turning_point_raises_nothing(change: Any, seed: int) -> None:
    assert raises(iter(watch(training(140, seed, change)))) == []


def test_a_run_that_never_learned_anything_raises_nothing() -> None:
    flat = training(140, 1, between(0, math.inf, Q=0.01, D=0.01))
    assert raises(iter(watch(flat))) == []


@pytest.mark.parametrize(
    "names", [("Q", "D"), ("Q", "S_G_ep", "S_D_ep"), ("D", "S_G", "S_D"), ("Q", "D", "S_G"), ALL]
)
def test_any_two_kinds_of_signal_are_enough(names: tuple[str, ...]) -> None:
    records = [{name: record[name] for name in names} for record in training(140, 3, turn(80))]
    (found,) = raises(iter(watch(records)))
    assert 80 <= found <= 88


def test_angles_alone_are_never_enough() -> None:
    records = [
        {name: value for name, value in record.items() if name not in {"Q", "D"}}
        for record in training(140, 3, turn(80))
    ]
    assert raises(iter(watch(records))) == []


def test_an_armed_run_whose_signals_all_vanish_is_an_alert() -> None:
    alerts = watch(training(90, 4, missing(60, math.inf, *ALL)))
    assert raises(iter(alerts)) == [62]
    alert = alerts[62]
    assert alert is not None
    assert alert["onset"] == 60
    assert alert["sentence"].startswith("Every signal fell silent")


def test_evaluations_at_every_fifth_record_are_enough() -> None:
    def sparse(i: int, record: dict[str, float]) -> None:
        if i % 5:
            record["Q"] = record["D"] = math.nan

    (found,) = raises(iter(watch(training(140, 5, turn(80), sparse))))
    assert 80 <= found <= 95


def test_a_recovered_run_is_resolved_and_its_second_turn_is_a_second_alert() -> None:
    healing = between(60, 75, Q=0.5, D=0.6, S_G=4, S_D=4, S_G_ep=4, S_D_ep=4)
    alerts = watch(training(240, 6, healing, turn(180)))
    states = [(i, alert["state"]) for i, alert in enumerate(alerts) if alert is not None]
    assert [state for _, state in states] == ["firing", "resolved", "firing"]
    assert 100 <= states[1][0] <= 110


def test_a_suspicion_is_shown_and_never_returned() -> None:
    detector = TurningPointDetector(META)
    records = training(140, 7, between(70, 71, Q=0.1, D=0.3, S_G=5, S_D=5, S_G_ep=5, S_D_ep=5))
    suspected = []
    for i, record in enumerate(records):
        assert detector.update(record) is None
        if detector.suspected is not None:
            suspected.append(i)
    assert suspected == [70]


def test_the_alert_says_what_moved_from_what_to_what() -> None:
    alert = next(alert for alert in watch(training(120, 8, natural_collapse(60))) if alert is not None)
    by_signal = {detail["signal"]: detail for detail in alert["details"]}
    assert by_signal["D"]["before"] == pytest.approx(0.95 * math.log(MODES), rel=0.05)
    assert by_signal["D"]["after"] == pytest.approx(0.19 * math.log(MODES), rel=0.2)
    assert by_signal["D"]["direction"] == "down"
    assert by_signal["S"]["role"] in {"S_G_ep", "S_D_ep"}
    assert by_signal["S"]["direction"] == "up"
    assert by_signal["S"]["after"] > 40
    assert alert["severity"] == "critical"
    assert alert["sentence"].startswith("Diversity fell from 2.")


def test_the_past_does_not_depend_on_the_future() -> None:
    records = training(120, 9, losses, turn(80))
    whole = watch(records)
    for length in range(121):
        assert watch(records[:length]) == whole[:length]


@pytest.mark.parametrize(
    "change", [turn(60), natural_collapse(60), missing(60, 200, *ALL), missing(60, 200, "loss_G", "loss_D")]
)
def test_a_restart_at_every_record_changes_nothing(change: Any) -> None:
    records = training(120, 10, between(0, 20, lr_g=0.5), losses, change)
    steady, restarted = TurningPointDetector(META), TurningPointDetector(META)
    for record in records:
        expected = steady.update(record)
        assert restarted.update(record) == expected
        restarted = TurningPointDetector.from_state(json.loads(json.dumps(restarted.state())), META)
        assert restarted.state() == steady.state()
        assert restarted.suspected == steady.suspected


def test_infinity_zero_and_none_are_no_measurements_that_break_it() -> None:
    detector = TurningPointDetector(META)
    for record in training(60, 11):
        detector.update(record)
    for wild in (math.inf, -math.inf, math.nan, 0.0, -1.0, 1e308, 5e-324):
        detector.update(dict.fromkeys((*ALL, "lr_g", "lr_d"), wild))
        json.dumps(detector.state(), allow_nan=False)
    detector.update({})
    detector.update(dict.fromkeys(ALL))


def test_a_small_set_is_scored_as_the_aims_ask() -> None:
    found = missed = false = healthy = 0
    for seed in range(20):
        for change in (turn(70), natural_collapse(70)):
            at = raises(iter(watch(training(120, 100 + seed, change, noise=0.02))))
            hit = [i for i in at if 70 <= i <= 90]
            found, missed, false = found + bool(hit), missed + (not hit), false + len(at) - len(hit)
        at = raises(iter(watch(training(200, 200 + seed, noise=0.02))))
        false, healthy = false + len(at), healthy + 200
    assert missed == 0
    assert false == 0


def test_an_early_turn_is_found_too() -> None:
    settled = training(120, 12, turn(40))[26:]
    (found,) = raises(iter(watch(settled)))
    assert 14 <= found <= 18


def test_losses_and_gradients_stand_in_for_angles() -> None:
    thrown = between(80, math.inf, loss_G=40, loss_D=40, gn_real=40, D=0.6)
    records = [
        {name: record[name] for name in ("D", "loss_G", "loss_D", "gn_real")}
        for record in training(140, 3, losses, thrown)
    ]
    alerts = watch(records)
    assert raises(iter(alerts)) == [81]
    alert = alerts[81]
    assert alert is not None
    assert alert["signals"] == ["D"]
    assert {detail["role"] for detail in alert["details"]} >= {"D", "gn_real"}
    assert "loss rose from 1.30 to " in alert["sentence"]


def test_losses_and_gradients_alone_are_never_enough() -> None:
    thrown = between(80, math.inf, loss_G=40, loss_D=40, gn_real=40)
    assert raises(iter(watch(training(140, 3, losses, thrown)))) == []


def test_losses_that_are_no_numbers_any_more_are_an_alert() -> None:
    alerts = watch(training(100, 13, losses, missing(60, math.inf, "loss_G", "loss_D")))
    assert raises(iter(alerts)) == [62]
    alert = alerts[62]
    assert alert is not None
    assert (alert["onset"], alert["severity"]) == (60, "critical")
    assert alert["sentence"].startswith("Losses or gradients are no finite numbers")


def test_a_gap_in_everything_is_no_divergence() -> None:
    gap = missing(60, 62, *ALL, "loss_G", "loss_D", "gn_real")
    assert raises(iter(watch(training(100, 13, losses, gap)))) == []


def test_an_intervention_makes_the_angles_new_numbers_and_keeps_quality_and_diversity() -> None:
    def remedy(i: int, record: dict[str, float]) -> None:
        if i == 60:
            record["intervention"] = 1.0

    changed = between(60, math.inf, S_G=6, S_D=6, S_G_ep=6, S_D_ep=6)
    dip = between(66, 72, Q=0.85)
    told = training(160, 14, changed, dip, remedy)
    assert raises(iter(watch(told))) == []
    untold = training(160, 14, changed, dip)
    assert raises(iter(watch(untold))) != []
    (found,) = raises(iter(watch(training(160, 14, changed, remedy, turn(90)))))
    assert 90 <= found <= 92


@pytest.mark.parametrize("ramp", [10, 15, 20, 30])
@pytest.mark.parametrize("seed", range(8))
def test_a_rise_that_ends_is_no_fall_and_a_fall_after_it_is_found(ramp: int, seed: int) -> None:
    noise = random.Random(seed)
    detector = TurningPointDetector({"m": 10})
    firing = []
    for i in range(90):
        learned = min(1.0, i / ramp)
        Q = (0.3 if i >= 60 else 0.1 + 0.7 * learned) + noise.gauss(0, 0.02)
        D = (1.0 if i >= 60 else 0.8 + 1.4 * learned) + noise.gauss(0, 0.03)
        alert = detector.update({"epoch": i, "Q": Q, "D": D})
        if alert is not None and alert["state"] == "firing":
            firing.append(i)
    assert len(firing) == 1
    assert 60 <= firing[0] < 70
