from __future__ import annotations

import math
import random
from itertools import pairwise
from math import inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.detection.rules.watching import MOST_SERIES, RuleWatch
from tests.monitor.detection.rules.feeding import default_rules, feed, here, points, restored, rule, told


def test_a_value_above_the_bound_fires_at_its_step_and_ends_at_the_first_that_is_not() -> None:
    assert feed(rule(above=5), [1, 5, 6, 7, 5, 9]) == [("confirmed", 3), ("clear", 5), ("confirmed", 6)]


def test_a_value_on_either_side_of_a_band_fires() -> None:
    assert feed(rule(above=5, below=-5), [0, 6, 0, -6]) == [("confirmed", 2), ("clear", 3), ("confirmed", 4)]


def test_hysteresis_makes_one_alert_of_what_flaps_around_the_bound() -> None:
    flapping = [6, 4, 6, 4, 6, 4, 2]
    assert len(feed(rule(above=5), flapping)) == 6
    assert feed(rule(above=5, clear=3), flapping) == [("confirmed", 1), ("clear", 7)]
    assert feed(rule(below=-5, clear=-3), [-x for x in flapping]) == [("confirmed", 1), ("clear", 7)]


@pytest.mark.parametrize(("hold", "step"), [("3 steps", 5), ("1 epoch", 10), ("4 s", 6)])
def test_it_must_hold_as_long_as_the_rule_wants(hold: str, step: int) -> None:
    assert feed(rule(above=5, hold=hold), [0] + [6] * 15) == [("suspected", 2), ("confirmed", step)]


def test_what_does_not_hold_for_long_is_suspected_and_over() -> None:
    assert feed(rule(above=5, hold="3 steps"), [6, 6, 1, 6]) == [
        ("suspected", 1),
        ("clear", 3),
        ("suspected", 4),
    ]


def test_an_alert_is_kept_until_the_condition_was_gone_for_long_enough() -> None:
    watch = rule(above=5, keep="3 steps")
    assert feed(watch, [6, 1, 1, 6, 1, 1, 1]) == [("confirmed", 1)]
    assert feed(watch, [1], first=8) == [("clear", 8)]


def test_nan_is_no_quantity_and_neither_begins_nor_ends_anything() -> None:
    watch = rule(above=5, hold="1 step")
    assert feed(watch, [nan] * 10) == []
    assert feed(watch, [6, 6, nan, nan, nan], first=11) == [("suspected", 11), ("confirmed", 12)]
    assert watch.status == "confirmed"


def test_infinity_is_above_everything() -> None:
    assert feed(rule(above=1e300), [1, inf]) == [("confirmed", 2)]


def test_a_rule_about_finite_values_leaves_infinity_and_nan_to_others() -> None:
    watch = rule(above=5, finite=True)
    assert feed(watch, [1, inf, 6, inf, nan, 1]) == [("confirmed", 3), ("clear", 6)]
    assert feed(rule(stuck="3 steps", finite=True), [nan] * 9 + [inf] * 9) == []


@pytest.mark.parametrize("role", ["loss_G", "loss_D"])
def test_a_loss_that_is_not_finite_any_more_is_one_alert_by_the_defaults(role: str) -> None:
    diverged = points([2.0] + [inf] * 500 + [nan] * 2000, role=role)
    watches = [RuleWatch(one) for one in default_rules() if one.reads_points]
    told_by = [watch.rule.name for watch in watches if watch.wants("a", role) and watch.take([diverged])]
    assert told_by == ["non-finite"]


@pytest.mark.parametrize(
    ("losses", "alerts"),
    [
        ([2.0, *(10.0**size for size in range(1, 39)), inf, *[nan] * 500], ["non-finite"]),
        ([2.0, *[1e13] * 500], ["loss-explodes"]),
        ([2.0, *[1e13] * 50, 3.0], []),
    ],
)
def test_a_loss_that_explodes_is_told_once_as_the_worst_that_became_of_it(
    losses: list[float], alerts: list[str]
) -> None:
    watches = [RuleWatch(one) for one in default_rules() if one.reads_points]
    diverged = points(losses, role="loss_D")
    confirmed = [
        watch.rule.name
        for watch in watches
        for event in watch.take([diverged])
        if watch.wants("a", "loss_D") and event.observation == "confirmed"
    ]
    assert confirmed == alerts


@pytest.mark.parametrize(("oddity", "steps"), [("nan", [2]), ("infinite", [3]), ("non-finite", [2])], ids=str)
def test_odd_values_are_conditions_of_their_own(oddity: str, steps: list[int]) -> None:
    happened = feed(rule(**{"is": oddity}), [1, nan, -inf, 1])
    assert [step for what, step in happened if what == "confirmed"] == steps


def test_an_odd_value_that_comes_late_is_seen_all_the_same() -> None:
    watch = rule(**{"is": "nan"})
    feed(watch, [1.0] * 10)
    assert feed(watch, [nan], first=3) == [("confirmed", 10)]
    assert feed(rule(above=0), [1.0], first=3) == [("confirmed", 3)]


def test_two_points_of_one_step_are_both_read() -> None:
    batch = points([1.0, nan, 1.0])
    batch.steps[:] = 7
    assert told(rule(**{"is": "nan"}).take([batch])) == [("confirmed", 7), ("clear", 7)]


@pytest.mark.parametrize(
    ("statistic", "bound", "fires"),
    [("mean", 3.4, True), ("mean", 3.6, False), ("max", 5.5, True), ("max", 6, False), ("min", 0.9, True)],
)
def test_a_statistic_is_of_the_window_behind_each_point(statistic: str, bound: float, fires: bool) -> None:
    values = [1, 2, 3, 4, 5, 6]
    watch = rule(statistic=statistic, over="10 steps", above=bound)
    assert (feed(watch, values) != []) is fires


def test_a_window_forgets_what_is_older() -> None:
    watch = rule(statistic="max", over="5 steps", above=5)
    assert feed(watch, [9, *[0] * 10]) == [("confirmed", 1), ("clear", 6)]


def test_counts_are_of_points_and_of_odd_ones() -> None:
    assert feed(rule(statistic="count", over="10 steps", above=2), [nan, 1, 2]) == [("confirmed", 3)]
    assert feed(rule(statistic="non-finite", over="10 steps", above=1), [nan, 1, inf]) == [("confirmed", 3)]


def test_a_window_of_nothing_but_nan_says_nothing() -> None:
    for statistic in ("min", "max", "mean"):
        assert feed(rule(statistic=statistic, over="10 steps", above=-1, hold="1 step"), [nan] * 20) == []


def test_a_change_is_against_what_was_so_long_ago() -> None:
    rising = [1.0] * 20 + [3.0] * 40
    happened = feed(rule(change="10 steps", above=1.5), rising)
    assert happened == [("confirmed", 21), ("clear", 31)]
    assert feed(rule(change="10 steps", relative=True, above=1.5), rising) == happened
    assert feed(rule(change="10 steps", relative=True, above=2.5), rising) == []
    assert feed(rule(change="10 steps", below=-1.5), [-x for x in rising]) == happened


def test_before_there_is_a_past_nothing_changed() -> None:
    assert feed(rule(change="10 steps", above=0), list(range(10))) == []


def test_a_ratio_is_of_two_series_at_the_same_step() -> None:
    watch = rule(ratio="b", above=2)
    together = [points([1, 4, 6]), points([1, 2, 2], "b")]
    assert told(watch.take(together)) == [("confirmed", 3)]
    assert told(watch.take([points([4.0], first=4)])) == [("clear", 4)]
    watch.take([points([1.0], "b", first=5)])
    assert told(watch.take([points([4.0], first=6)])) == [("confirmed", 6)]


def test_something_by_nothing_is_infinite_and_nothing_by_nothing_is_unknown() -> None:
    assert told(rule(ratio="b", above=2).take([points([0, 1]), points([0, 0], "b")])) == [("confirmed", 2)]


def test_a_value_that_does_not_move_is_stuck_until_it_does() -> None:
    assert feed(rule(stuck="5 steps"), [1, 2, 2, 2, 2, 2, 2, 2, 3]) == [("confirmed", 7), ("clear", 9)]
    assert feed(rule(stuck="5 steps"), [1, nan, nan, nan, nan, nan, nan]) == [("confirmed", 7)]


def test_silence_is_counted_while_the_run_goes_on() -> None:
    watch = rule(silent="10 steps")
    feed(watch, [1.0, 1.0])
    assert told(watch.pass_by(here(11))) == []
    assert told(watch.pass_by(here(12))) == [("confirmed", 12)]
    assert told(watch.pass_by(here(500))) == []
    assert feed(watch, [1.0], first=501) == [("clear", 501)]


def test_silence_in_seconds_is_the_time_for_which_the_run_was_heard() -> None:
    watch = rule(silent="1 min")
    feed(watch, [1.0])
    assert told(watch.pass_by(here(-1), 59)) == []
    assert told(watch.pass_by(here(-1), 1)) == [("confirmed", -1)]
    assert feed(watch, [1.0], first=2) == [("clear", 2)]
    assert told(watch.pass_by(here(-1), 59)) == []


def test_a_series_that_never_began_is_not_silent() -> None:
    assert rule(silent="1 step").pass_by(here(1000), 1e6) == []


def test_many_series_make_one_alert_that_ends_when_all_are_well() -> None:
    watch = rule(series=["loss/*"], above=5)
    first = watch.take([points([6, 6, 1, 1], "loss/a"), points([1, 6, 6, 1], "loss/b"), points([9], "other")])
    assert told(first) == [("confirmed", 1), ("clear", 4)]
    assert [reading.name for reading in first[0].readings] == ["loss/a"]


def test_a_rule_finds_series_by_what_they_declare_to_be() -> None:
    watch = RuleWatch(rule(role="loss_*", above=5).rule)
    assert watch.wants("x", "loss_G")
    assert not RuleWatch(rule(series="y", above=5).rule).wants("x", "loss_G")


@pytest.mark.parametrize(("quantile", "fires"), [("mean", False), ("p99", True), ("max", True), ("n", True)])
def test_of_a_distribution_the_quantile_is_read(quantile: str, fires: bool) -> None:
    record = [0, 1, 1, 1, 1, 1, 1, 9, 10, 1, 64]
    batch = points(record)
    one = type(batch)(**{**batch.__dict__, "values": batch.values.reshape(1, 11)} | {
        key: getattr(batch, key)[:1] for key in ("steps", "times", "epochs")
    })  # fmt: skip
    assert (told(rule(quantile=quantile, above=5).take([one])) != []) is fires


def test_a_clock_that_jumps_back_a_day_neither_loses_nor_doubles() -> None:
    times = [float(i) if i < 6 else i - 86400.0 for i in range(20)]
    watch = rule(above=5, hold="3 s")
    assert feed(watch, [0, 0, *[6] * 18], times=times) == [("suspected", 3), ("confirmed", 6)]
    window = rule(statistic="max", over="5 s", above=5)
    assert feed(window, [0, 6, *[0] * 18], times=times)[0] == ("confirmed", 2)


def test_a_rule_watches_a_bounded_number_of_series() -> None:
    watch = rule(series="*", above=5)
    watch.take([points([6.0], f"s{number:05}") for number in range(MOST_SERIES + 50)])
    assert len(watch.state()["series"]) <= MOST_SERIES


RULES: list[dict[str, Any]] = [
    {"above": 1},
    {"above": 1, "clear": 0, "hold": "3 steps", "keep": "2 steps"},
    {"statistic": "mean", "over": "7 steps", "above": 0.5, "hold": "1 epoch"},
    {"statistic": "max", "over": "100 s", "change": "20 steps", "relative": True, "above": 0.5},
    {"ratio": "b", "above": 2, "hold": "2 s"},
    {"is": "non-finite", "keep": "5 steps"},
    {"stuck": "3 steps"},
    {"silent": "4 steps"},
]


@pytest.mark.parametrize("keys", RULES, ids="-".join)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 59), max_size=8))
@settings(max_examples=15, deadline=None)
def test_however_points_are_batched_and_the_service_restarted_it_says_the_same(
    keys: dict[str, Any], seed: int, cuts: list[int]
) -> None:
    chance = random.Random(seed)
    values = [chance.choice([0.0, 0.0, 0.2, 1.5, 3.0, nan, inf, -inf]) for _ in range(60)]
    divisors = [chance.choice([0.0, 0.5, 1.0]) for _ in range(60)]
    every = rule(**keys)
    one_by_one = [
        event
        for i in range(60)
        for event in told(
            every.take([points(values[i : i + 1], first=i), points(divisors[i : i + 1], "b", i)])
        )
    ]
    watch = rule(**keys)
    happened = []
    edges = [0, *sorted(set(cuts)), 60]
    for begin, end in pairwise(edges):
        batch = [points(values[begin:end], first=begin), points(divisors[begin:end], "b", begin)]
        happened += told(watch.take(batch))
        watch = restored(watch)
    assert happened == one_by_one
    assert watch.state() == every.state()


@given(st.lists(st.sampled_from([0.0, 0.7, 1.5, nan, inf]), max_size=40), st.sampled_from(RULES[:7]))
@settings(max_examples=60, deadline=None)
def test_what_is_said_of_a_point_does_not_depend_on_later_ones(
    values: list[float], keys: dict[str, Any]
) -> None:
    whole = feed(rule(**keys), values)
    for end in range(len(values)):
        assert feed(rule(**keys), values[:end]) == [event for event in whole if event[1] <= end]


@given(st.lists(st.sampled_from([0.0, 1.5, nan]), max_size=60))
@settings(max_examples=40, deadline=None)
def test_suspected_confirmed_and_clear_come_in_an_order_that_makes_sense(values: list[float]) -> None:
    state = "clear"
    for what, _ in feed(rule(above=1, hold="2 steps", keep="2 steps"), values):
        assert (state, what) in {
            ("clear", "suspected"),
            ("suspected", "confirmed"),
            ("suspected", "clear"),
            ("confirmed", "clear"),
        }
        state = what


def test_the_state_stays_small_however_much_is_read() -> None:
    watch = rule(statistic="mean", over="10000 steps", change="50000 steps", above=5)
    sizes = []
    for at in range(0, 60_000, 20_000):
        watch.take([points(np.sin(np.arange(at, at + 20_000)), first=at)])
        sizes.append(len(str(watch.state())))
    assert sizes[-1] < 8000
    assert not math.isnan(sizes[-1])
