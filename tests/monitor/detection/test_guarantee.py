import json
import math
import random

import pytest

from monitor.detection.guarantee import BETS, TOLERANCE, Guarantee
from tests.monitor.detection.training import MODES, missing, training, turn

META = {"m": MODES, "n_eval": 1000}


def marks(records: list[dict[str, float]], arl: float = 1000) -> list[int]:
    guarantee = Guarantee(META, arl)
    return [i for i, record in enumerate(records) if guarantee.update(record)]


@pytest.mark.parametrize("seed", range(8))
def test_a_turn_is_marked_within_ten_records(seed: int) -> None:
    assert 80 < marks(training(110, seed, turn(80)))[0] <= 90


def test_healthy_training_is_not_marked() -> None:
    assert all(marks(training(300, seed)) == [] for seed in range(20))


def run_length(draw: random.Random, arl: float, longest: int) -> int:
    """Until a mark where the promise is hardest to keep: the mean as low as may be, losses rare and total."""
    guarantee = Guarantee({}, arl)
    least = 1 - TOLERANCE["Q"]
    for i in range(longest):
        if guarantee.update({"Q": 1.0 if draw.random() < least else 0.0}):
            return i + 1
    return longest


def test_the_average_run_length_is_at_least_what_is_promised_at_the_edge_of_the_class() -> None:
    draw = random.Random(1)
    lengths = [run_length(draw, 60, 1200) for _ in range(300)]
    assert sum(lengths) / len(lengths) >= 60


def test_each_bet_is_fair_at_the_edge_of_the_class() -> None:
    reference = 1 - TOLERANCE["Q"]
    for bet in BETS:
        won, lost = (1 + bet * (reference - x) / (1 - reference) for x in (0.0, 1.0))
        assert (1 - reference) * won + reference * lost == pytest.approx(1, abs=1e-12)
        assert min(won, lost) >= 0


def test_gaps_and_odd_values_bet_on_nothing() -> None:
    guarantee = Guarantee(META)
    for record in training(60, 1):
        guarantee.update(record)
    before = guarantee.state()
    for value in (math.nan, math.inf, -math.inf, None):
        assert not guarantee.update({"Q": value, "D": value})
    assert not guarantee.update({})
    assert guarantee.state() == before
    assert marks(training(200, 2, missing(50, 150, "Q", "D"))) == []


def test_a_restart_at_every_record_changes_nothing() -> None:
    steady, restarted = Guarantee(META), Guarantee(META)
    for record in training(110, 3, turn(80)):
        assert restarted.update(record) == steady.update(record)
        state = json.loads(json.dumps(restarted.state()))
        restarted = Guarantee(META)
        restarted.restore(state)
        assert restarted.state() == steady.state()


@pytest.mark.parametrize("arl", [0, -1, math.nan])
def test_an_impossible_run_length_is_refused(arl: float) -> None:
    with pytest.raises(ValueError, match="at least 1 record"):
        Guarantee(META, arl)
