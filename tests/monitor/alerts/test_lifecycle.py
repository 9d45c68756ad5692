import random
from typing import get_args

import pytest

from monitor.alerts.lifecycle import INACTIVE, Episode, Observation, Transition, acknowledge, observe

OBSERVATIONS: tuple[Observation, ...] = get_args(Observation)


def replay(*timeline: tuple[float, Observation]) -> tuple[Episode, list[Transition]]:
    episode, happened = INACTIVE, []
    for now, observation in timeline:
        episode, transitions = observe(episode, observation, now)
        happened += transitions
    return episode, happened


def test_a_suspicion_that_is_confirmed_fires_once() -> None:
    episode, happened = replay((1, "suspected"), (2, "confirmed"), (3, "confirmed"), (4, "suspected"))
    assert (episode.number, episode.state, episode.began) == (1, "firing", 1)
    assert [(t.time, t.state, t.notifies) for t in happened] == [(1, "pending", False), (2, "firing", True)]


def test_a_suspicion_that_does_not_last_is_told_to_nobody() -> None:
    episode, happened = replay((1, "suspected"), (2, "clear"))
    assert episode.state == "resolved"
    assert not any(transition.notifies for transition in happened)


def test_the_end_of_what_people_were_told_is_told_too() -> None:
    episode, happened = replay((1, "confirmed"), (2, "clear"))
    assert (episode.state, episode.resolved) == ("resolved", 2)
    assert [t.notifies for t in happened] == [True, True]


@pytest.mark.parametrize("begin", ["suspected", "confirmed"])
def test_missing_data_never_resolves(begin: Observation) -> None:
    before, _ = replay((1, begin))
    assert replay((1, begin), *((t, "missing") for t in range(2, 50)))[0] == before


def test_flapping_makes_one_alert_an_episode_each_with_its_own_number() -> None:
    episode, happened = replay(*((float(t), ("confirmed", "clear")[t % 2]) for t in range(10)))
    assert episode.number == 5
    assert [t.state for t in happened] == ["firing", "resolved"] * 5


def test_time_never_runs_backwards_within_an_alert() -> None:
    episode, happened = replay((100.0, "suspected"), (100.0 - 86400, "confirmed"), (100.0 + 86400, "clear"))
    assert [t.time for t in happened] == [100.0, 100.0, 100.0 + 86400]
    assert episode.updated == 100.0 + 86400


def test_acknowledging_changes_no_state_and_the_first_stays() -> None:
    episode, _ = replay((1, "confirmed"))
    seen, first = acknowledge(episode, "ada", 2)
    again, second = acknowledge(seen, "bob", 3)
    assert (seen.state, seen.acknowledged, seen.acknowledged_by) == ("firing", 2, "ada")
    assert [(t.state, t.reason, t.notifies) for t in first] == [("acknowledged", "ada", False)]
    assert again == seen
    assert second == []


def test_a_new_episode_is_not_acknowledged_yet() -> None:
    episode, _ = replay((1, "confirmed"))
    episode, _ = acknowledge(episode, "ada", 2)
    for observation in ("clear", "confirmed"):
        episode, _ = observe(episode, observation, 3)
    assert episode.acknowledged is None


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_numbers_have_no_holes_and_firing_is_announced(seed: int) -> None:
    random_ = random.Random(seed)
    episode = INACTIVE
    by_episode: dict[int, list[Transition]] = {}
    for now in range(200):
        if random_.random() < 0.1 and episode.number:
            episode, happened = acknowledge(episode, "ada", now)
        else:
            episode, happened = observe(episode, random_.choice(OBSERVATIONS), now)
        by_episode.setdefault(episode.number, []).extend(happened)
        assert episode.transitions == len(by_episode[episode.number])
    for happened in by_episode.values():
        assert [t.number for t in happened] == list(range(len(happened)))
        assert sum(t.state == "firing" for t in happened) <= 1
        assert all(t.notifies for t in happened if t.state == "firing")
