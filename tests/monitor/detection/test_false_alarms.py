import pytest

from monitor.detection.false_alarms import FalseAlarms, poisson_interval, wilson_interval


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [(0, 0.0, 3.6889), (1, 0.0253, 5.5716), (3, 0.6187, 8.7673), (10, 4.7954, 18.3904)],
)
def test_poisson_intervals_are_those_of_the_tables(count: int, low: float, high: float) -> None:
    assert poisson_interval(count) == pytest.approx((low, high), abs=2e-4)


def test_wilson_intervals_are_those_of_the_tables() -> None:
    assert wilson_interval(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-3)
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert wilson_interval(30, 32) == pytest.approx((0.7985, 0.9827), abs=1e-3)


def test_the_rate_is_told_with_its_counts() -> None:
    told = FalseAlarms(dismissed=2, confirmed=7, healthy=40_000)
    assert told.per_thousand == pytest.approx(0.05)
    assert told.sentence.startswith("2 of 7 confirmed turning points were dismissed as false, in 40,000 ")
    assert "0.05 in 1000 (95 %: 0.0061 to 0.18)" in told.sentence


def test_where_nothing_was_watched_nothing_is_claimed() -> None:
    told = FalseAlarms(0, 0, 0)
    assert told.per_thousand is None
    assert told.interval is None
    assert "nothing is known" in told.sentence
