"""Whatever happens to an alert in whatever order, its story makes sense."""

from __future__ import annotations

from typing import get_args

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from monitor.alerts.lifecycle import (
    INACTIVE,
    Observation,
    Transition,
    acknowledge,
    is_snoozed,
    observe,
    snooze,
    unsnooze,
    wake,
)

#: What a clock does from one moment to the next, jumps of a day among it.
JUMPS = st.sampled_from([0.0, 1.0, 30.0, 600.0, -1.0, -86400.0, 86400.0])


class Life(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1e6
        self.episode = INACTIVE
        self.stories: dict[int, list[Transition]] = {}

    def happened(self, transitions: list[Transition]) -> None:
        if transitions:
            self.stories.setdefault(self.episode.number, []).extend(transitions)

    @rule(observation=st.sampled_from(get_args(Observation)), jump=JUMPS)
    def see(self, observation: Observation, jump: float) -> None:
        self.now += jump
        before, was_snoozed = self.episode, is_snoozed(self.episode, self.now)
        self.episode, transitions = observe(before, observation, self.now)
        if observation == "missing":
            assert self.episode == before
        assert len(transitions) <= 1
        if was_snoozed and self.episode.number == before.number:
            assert not any(transition.notifies for transition in transitions)
        self.happened(transitions)

    @rule(jump=JUMPS)
    def acknowledge(self, jump: float) -> None:
        self.now += jump
        if self.episode.number:
            before = self.episode
            self.episode, transitions = acknowledge(before, "ada", self.now)
            assert self.episode.state == before.state
            self.happened(transitions)

    @rule(seconds=st.sampled_from([-5.0, 10.0, 3600.0]), jump=JUMPS)
    def snooze(self, seconds: float, jump: float) -> None:
        self.now += jump
        self.episode, transitions = snooze(self.episode, self.now + seconds, "ada", self.now)
        assert bool(transitions) <= is_snoozed(self.episode, self.now)
        self.happened(transitions)

    @rule(jump=JUMPS)
    def unsnooze(self, jump: float) -> None:
        self.now += jump
        self.episode, transitions = unsnooze(self.episode, "ada", self.now)
        assert not is_snoozed(self.episode, self.now)
        assert not any(transition.notifies for transition in transitions)
        self.happened(transitions)

    @rule(jump=JUMPS)
    def wake(self, jump: float) -> None:
        self.now += jump
        before = self.episode
        self.episode, transitions = wake(before, self.now)
        is_over = before.snoozed_until is not None and not is_snoozed(before, self.now)
        assert bool(transitions) is is_over
        assert any(t.notifies for t in transitions) is (is_over and before.state == "firing")
        self.happened(transitions)

    @invariant()
    def numbers_have_no_holes_and_time_does_not_run_backwards(self) -> None:
        for number, story in self.stories.items():
            assert [transition.number for transition in story] == list(range(len(story)))
            times = [transition.time for transition in story]
            assert times == sorted(times)
            if number == self.episode.number:
                assert self.episode.transitions == len(story)

    @invariant()
    def an_episode_ends_once_and_nothing_ended_is_snoozed(self) -> None:
        for number, story in self.stories.items():
            resolved = [transition.state for transition in story].count("resolved")
            assert resolved == (number != self.episode.number or self.episode.state == "resolved")
        if self.episode.state == "resolved":
            assert self.episode.snoozed_until is None

    @invariant()
    def people_hear_of_an_alert_at_its_beginning_when_it_wakes_and_at_its_end(self) -> None:
        for story in self.stories.values():
            told = [transition.state for transition in story if transition.notifies]
            woken = [t for t in story if t.state == "firing" and t.reason == "the snooze is over"]
            assert set(told) <= {"firing", "resolved"}
            assert told.count("firing") <= 1 + len(woken)
            assert told.count("resolved") <= 1


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
