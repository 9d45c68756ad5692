from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor import protocol
from monitor.errors import Problem
from monitor.store.compactor import compact
from monitor.store.database import Database
from monitor.store.picture import query_points
from monitor.store.series import list_series
from tests.monitor.store.writing import NOW, Voice, points_of

_runs = itertools.count()
anything = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def draw(db: Database, buckets: int, run: str = "r", name: str = "a", **view: Any) -> dict[str, Any]:
    with db.read() as c:
        columns: dict[str, Any] = query_points(c, run, [name], buckets, **view)["series"][name]
    return columns


def write(
    db: Database, steps: Sequence[int], values: Sequence[float], cuts: Sequence[int] = (), compacted: int = 0
) -> str:
    """A new run with the points in one batch between each two cuts, the first batches compacted."""
    run = f"run{next(_runs)}"
    voice = Voice(run=run).begin()
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(steps)}), len(steps)]
    for i, (start, end) in enumerate(itertools.pairwise(edges)):
        voice.log({"a": values[start:end]}, steps[start:end], times=[NOW + t for t in range(start, end)])
        voice.send(db)
        if i < compacted:
            compact(db, run)
    return run


def extent(values: Sequence[float]) -> tuple[float | None, float | None]:
    finite = [value for value in values if math.isfinite(value)]
    return (min(finite), max(finite)) if finite else (None, None)


def spread(columns: dict[str, Any]) -> tuple[float | None, float | None]:
    return extent([v for v in columns["min"] + columns["max"] if v is not None])


@anything
@given(data=st.data())
def test_no_spike_is_lost_at_any_zoom(database: Database, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 400))
    values = data.draw(st.lists(st.floats(), min_size=count, max_size=count))
    steps = data.draw(
        st.one_of(
            st.just(list(range(count))),
            st.lists(st.integers(-50, 50), min_size=count, max_size=count),
            st.lists(st.integers(-(2**62), 2**62), min_size=count, max_size=count),
        )
    )
    cuts = data.draw(st.lists(st.integers(1, count), max_size=4))
    run = write(database, steps, values, cuts, data.draw(st.integers(0, 5)))
    buckets = data.draw(st.integers(1, 500))
    axis = data.draw(st.sampled_from(["step", "time"]))
    places = steps if axis == "step" else [NOW + i for i in range(count)]
    edge = st.one_of(st.none(), st.sampled_from(places))
    first, last = data.draw(edge), data.draw(edge)
    columns = draw(database, buckets, run, first=first, last=last, axis=axis)

    inside = [
        i
        for i, place in enumerate(places)
        if (first is None or place >= first) and (last is None or place <= last)
    ]
    assert len(columns["step"]) <= buckets
    assert sum(columns["count"]) == len(inside)
    assert spread(columns) == extent([values[i] for i in inside])
    assert sum(columns["non_finite"]) == sum(not math.isfinite(values[i]) for i in inside)
    assert columns["exact"] == all(count == 1 for count in columns["count"])
    assert columns["exact"] or len(inside) > buckets
    if inside:
        newest = max(inside, key=lambda i: (places[i], i))
        assert columns[axis][-1] == places[newest]
        if axis == "step":
            assert columns["time"][-1] == NOW + newest
            assert columns["last"][-1] == pytest.approx(shown(values[newest]), nan_ok=True)
    if columns["exact"]:
        ordered = sorted(inside, key=lambda i: (places[i], i))
        assert columns["last"] == [shown(values[i]) for i in ordered]


def shown(value: float) -> float | str:
    return (
        value if math.isfinite(value) else {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[repr(value)]
    )


@pytest.mark.parametrize("buckets", [1, 7, 100, 1000, 5000])
def test_a_single_spike_in_many_levels_of_summaries_is_drawn(database: Database, buckets: int) -> None:
    count = 70_000
    values = np.sin(np.arange(count) / 1000)
    values[[12_345, 65_536]] = 50.0, math.nan
    values[4096 * 7] = -50.0
    steps = np.arange(count)
    voice = Voice().begin()
    for start in (0, 30_000, 69_000):
        end = {0: 30_000, 30_000: 69_000, 69_000: count}[start]
        voice.log({"a": values[start:end]}, steps[start:end].tolist()).send(database)
        if end < count:
            compact(database, "r")
    columns = draw(database, buckets)
    assert buckets / 3 <= len(columns["step"]) <= buckets
    assert (min(columns["min"]), max(columns["max"]), sum(columns["non_finite"])) == (-50.0, 50.0, 1)
    assert sum(columns["count"]) == count
    at = columns["max"].index(50.0)
    assert abs(columns["step"][at] - 12_345) <= count / buckets + 4096
    zoomed = draw(database, buckets, first=12_000, last=12_999)
    assert sum(zoomed["count"]) == 1000
    assert max(zoomed["max"]) == 50.0


def test_compaction_changes_no_answer(database: Database) -> None:
    chance = np.random.default_rng(1)
    voice = Voice().begin()
    expected = []
    for _ in range(30):
        steps = chance.integers(0, 20_000, 700)
        values = chance.normal(size=700)
        voice.log({"a": values.tolist()}, steps.tolist()).send(database)
        expected += zip(steps.tolist(), values.tolist(), strict=True)
        if chance.random() < 0.4:
            before = points_of(database, "a")
            assert compact(database, "r") > 0
            assert points_of(database, "a") == before
    assert points_of(database, "a") == sorted(expected, key=lambda point: point[0])
    assert compact(database, "r") >= 0
    assert compact(database, "r") == 0


def test_the_mean_of_a_bucket_is_the_mean_of_its_finite_values(database: Database) -> None:
    run = write(database, list(range(200)), [1e308, 1.5e308] * 99 + [math.inf, math.nan], [130], 1)
    columns = draw(database, 1, run)
    assert columns["mean"] == pytest.approx([1.25e308])
    assert columns["last"] == ["NaN"]
    alone = write(database, [0, 1], [math.nan, math.inf])
    columns = draw(database, 1, alone)
    assert (columns["min"], columns["max"], columns["mean"]) == ([None], [None], [None])


def test_a_rewind_shows_the_parent_up_to_the_step_and_then_its_own(database: Database) -> None:
    voice = Voice().begin().log({"a": [float(s) for s in range(100)]}, list(range(100)))
    voice.say(protocol.Mark, index=0, step=50).say(protocol.Mark, index=1, step=99).send(database)
    compact(database, "r")
    voice.attempt = 1
    voice.say(protocol.Attempt, number=1, parent=0, from_step=59, reason="collapsed")
    voice.log({"a": [-1.0] * 10}, list(range(60, 70))).send(database)
    expected = [(step, float(step)) for step in range(60)] + [(step, -1.0) for step in range(60, 70)]
    assert points_of(database, "a") == expected
    assert points_of(database, "a", attempt=0) == [(step, float(step)) for step in range(100)]
    assert max(draw(database, 3)["max"]) == 59.0

    # A late point of the abandoned future stays under its own attempt.
    voice.attempt = 0
    voice.log({"a": [7.0]}, [100]).send(database)
    assert points_of(database, "a") == expected
    assert points_of(database, "a", attempt=0)[-1] == (100, 7.0)

    # Going back further than the second attempt began cuts the first one too.
    voice.attempt = 2
    voice.say(protocol.Attempt, number=2, parent=1, from_step=29).send(database)
    assert points_of(database, "a") == [(step, float(step)) for step in range(30)]
    with database.read() as c:
        series = list_series(c, "r")[0]
    assert (series["last_step"], series["last"]) == (29, 29.0)


def test_an_attempt_that_never_was_is_not_found(database: Database) -> None:
    run = write(database, [0], [1.0])
    with pytest.raises(Problem) as refusal:
        draw(database, 10, run, attempt=3)
    assert (refusal.value.status, refusal.value.type) == (404, "unknown-attempt")
    with pytest.raises(Problem, match="no run"):
        draw(database, 10, "nobody")


def test_unknown_series_are_named_and_the_others_drawn(database: Database) -> None:
    run = write(database, [0], [1.0])
    with database.read() as c:
        answer = query_points(c, run, ["b", "a", "b\0", "a"], 10)
    assert list(answer["series"]) == ["a"]
    assert answer["unknown"] == ["b", "b\0"]


def test_a_view_without_points_is_empty(database: Database) -> None:
    run = write(database, list(range(100)), [1.0] * 100, [50], 1)
    columns = draw(database, 10, run, first=1000.0, last=2000.0)
    assert columns["step"] == columns["min"] == columns["last"] == []
    assert columns["exact"] is True


def test_distributions_show_the_last_of_a_bucket_and_its_whole_extent(database: Database) -> None:
    vectors = [[-i, 1, 2, 3, 4, 5, 6, 7, i, 4.5, 10] for i in range(100)]
    voice = Voice().begin().log_distributions("a", vectors, list(range(100)))
    voice.send(database)
    for _ in range(2):
        exact = draw(database, 1000)
        assert exact["quantiles"]["min"] == [float(-i) for i in range(100)]
        assert exact["quantiles"]["n"] == [10.0] * 100
        merged = draw(database, 1)
        assert merged["kind"] == "distribution"
        assert {key: values[0] for key, values in merged["quantiles"].items()} == dict(
            zip(protocol.DISTRIBUTION_FIELDS, [-99.0, 1, 2, 3, 4, 5, 6, 7, 99.0, 4.5, 1000.0], strict=True)
        )
        compact(database, "r")
    with database.read() as c:
        assert list_series(c, "r")[0]["last"] == 4.5


def test_a_listing_says_how_much_a_series_holds(database: Database) -> None:
    voice = Voice().begin().log({"a": [1.0, math.nan, 3.0], "b": [0.0] * 3}, [5, 2, 9])
    voice.log({"a": [4.0]}, [7]).send(database)
    for _ in range(2):
        with database.read() as c:
            a, b = list_series(c, "r")
        assert (a["count"], a["first_step"], a["last_step"], a["last"], a["non_finite"]) == (4, 2, 9, 3.0, 1)
        assert (b["count"], b["last_step"]) == (3, 9)
        compact(database, "r")


def test_a_declared_series_without_points_is_listed(database: Database) -> None:
    Voice().begin().say(protocol.Declare, name="a", unit="°").send(database)
    with database.read() as c:
        (series,) = list_series(c, "r")
    assert (series["count"], series["last"], series["last_step"], series["unit"]) == (0, None, None, "°")
    assert draw(database, 10)["step"] == []
