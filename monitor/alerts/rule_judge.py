"""The rules of one run between two transactions: reads what they have not read, and says what they found.

A rule has a cursor of its own: the run's version up to which it has read the batches. Batches that the
compactor took first are read from the chunks, from the newest step that the rule knows of each series on.

A rule that is new to an attempt (the attempt began, or the rule was made or edited) first reads what is
stored of the lineage, ``MOST_REPLAYED`` points of a series at most, and is silent about it; then it is asked
how things stand. Where its condition holds, an alert that was there goes on as the same one, and otherwise
one begins; where it does not hold, an alert that was there ends. A run that has ended is left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from monitor.alerts.rule_points import behind, newest_place, points_of, points_of_batch
from monitor.alerts.rulebook import Entry
from monitor.detection.rules.rule import Place
from monitor.detection.rules.series_watch import Points
from monitor.detection.rules.watching import STATE_VERSION, Event, RuleWatch
from monitor.detection.rules.wording import reason_of, sentence_of, signals_of, title_of
from monitor.store import detectors, rule_states
from monitor.store.alerts import Finding
from monitor.store.chunks import Columns
from monitor.store.detectors import RunFacts
from monitor.store.lineage import Segment
from monitor.store.rule_states import NO_EPOCHS, Epochs, Extent, Named, Open

#: Batches read in one transaction, and points of a series that a rule looks back at.
PAGE = 256
MOST_REPLAYED = 2**16
#: Seconds of a run's life that may pass between two judgements: more is a clock that jumped, or a service
#: that was not there to hear anything.
MOST_SECONDS = 120.0


class RuleJudge:
    """One attempt's rules."""

    def __init__(self, run_id: str, segments: list[Segment], facts: RunFacts) -> None:
        self.run_id, self.segments, self.attempt = run_id, segments, segments[-1].attempt
        self._facts = facts
        self.has_moved = False
        self.has_more = False
        self._expected: tuple[int, dict[str, Any]] | None = None
        self._cursor = 0
        self._entries: dict[str, Entry] = {}
        self._watches: dict[str, RuleWatch] = {}
        self._cursors: dict[str, int] = {}
        #: In which attempt the alert of a rule began.
        self._homes: dict[str, int] = {}
        self._new: list[str] = []
        self._findings: list[Finding] = []

    @classmethod
    def load(
        cls,
        c: Connection,
        run_id: str,
        segments: list[Segment],
        facts: RunFacts,
        entries: Mapping[str, Entry],
    ) -> RuleJudge:
        """As they were stored; ``entries`` are the rules that hold for the run."""
        judge = cls(run_id, segments, facts)
        judge._entries = {name: entry for name, entry in entries.items() if entry.rule.reads_points}
        judge._expected = rule_states.load_rule_state(c, run_id, judge.attempt)
        kept: dict[str, Any] = {}
        if judge._expected is not None:
            judge._cursor, state = judge._expected
            kept = state.get("rules", {})
        for name, entry in judge._entries.items():
            known = kept.get(name)
            if (
                known is None
                or known["fingerprint"] != entry.fingerprint
                or known["version"] != STATE_VERSION
            ):
                judge._watches[name] = RuleWatch(entry.rule)
                judge._cursors[name] = judge._cursor
                judge._new.append(name)
            else:
                judge._watches[name] = RuleWatch.from_state(entry.rule, known["state"])
                judge._cursors[name] = known["cursor"]
            if known is not None and known["home"] is not None:
                judge._homes[name] = known["home"]
        judge.has_moved = set(kept) != set(judge._entries)
        return judge

    def read(self, c: Connection, opened: Sequence[Open]) -> list[Finding]:
        """Judge what is new; ``opened`` are the run's alerts that have not ended and count still."""
        extent = rule_states.find_extent(c, self.run_id)
        if self._expected is None:
            self._inherit(c, opened)
            current = list(self._watches)
        else:
            self._look_back(c, extent, opened)
            current = [name for name in self._watches if name not in self._new]
        behind = [name for name in current if self._cursors[name] < extent.horizon]
        for name in behind:
            self._catch_up(c, name, extent.version)
        self._read_batches(c, [name for name in current if name not in behind], extent.version)
        self._pass_by(c)
        self._settle_differences(opened)
        return self._findings

    def is_current(self, c: Connection) -> bool:
        """Whether no other judge stored where the rules stand since they were loaded."""
        return rule_states.load_rule_state(c, self.run_id, self.attempt) == self._expected

    def save(self, c: Connection) -> None:
        if self.has_moved:
            rule_states.save_rule_state(c, self.run_id, self.attempt, self._cursor, self._state())

    def _inherit(self, c: Connection, opened: Sequence[Open]) -> None:
        """A new attempt goes on from what its parents logged; what it logs itself is news."""
        if len(self.segments) > 1:
            for name in self._watches:
                place = self._feed_stored(c, self._watches[name], self.segments[:-1], known=False)[1]
                self._resume(c, name, place, opened)
            self.has_moved = True

    def _look_back(self, c: Connection, extent: Extent, opened: Sequence[Open]) -> None:
        """A rule that was made or edited looks at what is stored, unless that is over and done with."""
        troubled = {alert.rule for alert in opened}
        for name in self._new:
            is_over = self._facts.state != "running" and not rule_states.has_unread(
                c, self.run_id, self.attempt, extent, self._cursors[name]
            )
            if not is_over or name in troubled:
                place = self._feed_stored(c, self._watches[name], self.segments, known=False)[1]
                self._resume(c, name, place, opened)
                if name in troubled and self._watches[name].status == "quiet":
                    home = self._homes.pop(name)
                    self._findings.append(Finding(name, home, "clear", "the rule was changed"))
            self._cursors[name] = extent.version
            self.has_moved = True

    def _resume(self, c: Connection, name: str, place: Place | None, opened: Sequence[Open]) -> None:
        """Go on with the alert that there is, or begin one where trouble is found."""
        watch = self._watches[name]
        before = next((alert for alert in reversed(opened) if alert.rule == name), None)
        if before is not None:
            self._homes[name] = before.attempt
            if before.state == "firing":
                watch.confirm()
                return
        event = None if place is None else watch.describe(place)
        if event is not None and (before is None or event.observation == "confirmed"):
            self._find(c, name, event)

    def _catch_up(self, c: Connection, name: str, version: int) -> None:
        """What was compacted before the rule could read it."""
        for event in self._feed_stored(c, self._watches[name], self.segments[-1:], known=True)[0]:
            self._find(c, name, event)
        self._cursors[name] = version
        self._cursor = max(self._cursor, version)
        self.has_moved = True

    def _feed_stored(
        self, c: Connection, watch: RuleWatch, segments: Sequence[Segment], *, known: bool
    ) -> tuple[list[Event], Place | None]:
        """Points as they lie in the store, behind what is known if something is; and the last place."""
        wanted = {
            named.id: named for named in self._series(c, [watch]) if watch.wants(named.name, named.role)
        }
        found: dict[int, Columns] = {}
        for series, columns in rule_states.stored_points(
            c, self.run_id, segments, list(wanted), MOST_REPLAYED
        ):
            last = watch.last_read(series) if known else None
            fresh = columns if last is None else behind(columns, *last)
            if len(fresh):
                found[series] = fresh
        if not found:
            return [], None
        epochs = self._epochs(c, [watch], min(int(columns.steps[0]) for columns in found.values()))
        batch = [points_of(wanted[series], columns, epochs) for series, columns in found.items()]
        newest = max(batch, key=lambda points: int(points.steps[-1]))
        return watch.take(batch), newest.place(len(newest) - 1)

    def _read_batches(self, c: Connection, names: list[str], version: int) -> None:
        if not names:
            self._cursor = max(self._cursor, version)
            return
        first = min(self._cursors[name] for name in names)
        batches = rule_states.batches_after(c, self.run_id, self.attempt, first, PAGE)
        self.has_more = len(batches) == PAGE
        read_upto = batches[-1][0] if self.has_more else version
        if batches:
            steps = [int(group.steps.min()) for _, groups in batches for group in groups if len(group.steps)]
            watches = {name: self._watches[name] for name in names}
            epochs = self._epochs(c, list(watches.values()), min(steps, default=0))
            series = self._series(c, list(watches.values()))
            wanted = {
                name: {named.id: named for named in series if watch.wants(named.name, named.role)}
                for name, watch in watches.items()
            }
            by_any = {number: named for found in wanted.values() for number, named in found.items()}
            for number, groups in batches:
                points = points_of_batch(groups, by_any, epochs)
                place = newest_place(groups, epochs)
                for name in names:
                    if self._cursors[name] < number:
                        self._feed(c, name, [p for p in points if p.id in wanted[name]], place)
            self.has_moved = True
        for name in names:
            self._cursors[name] = max(self._cursors[name], read_upto)
        self._cursor = max(self._cursor, read_upto)

    def _feed(self, c: Connection, name: str, wanted: Sequence[Points], place: Place | None) -> None:
        """A batch that leads to a place, and of which the rule wants some points or none."""
        watch = self._watches[name]
        events = watch.take(wanted) if wanted else []
        if place is not None:
            events += watch.pass_by(place)
        for event in events:
            self._find(c, name, event)

    def _pass_by(self, c: Connection) -> None:
        """Time goes on for a run that is heard of, whether it logs anything or not."""
        heard = self._facts.last_seen
        before = None if self._expected is None else self._expected[1].get("heard")
        if before is None or self._facts.state != "running":
            return
        seconds = min(max(heard - before, 0.0), MOST_SECONDS)
        for name, watch in self._watches.items():
            events = watch.pass_by(Place(-1, None, heard), seconds) if watch.is_waiting else []
            self.has_moved |= watch.is_waiting and seconds > 0
            for event in events:
                self._find(c, name, event)

    def _settle_differences(self, opened: Sequence[Open]) -> None:
        """An alert whose rule sees no trouble is over, whatever became of the word that said so."""
        told = {finding.rule for finding in self._findings}
        for alert in opened:
            watch = self._watches.get(alert.rule)
            if watch is not None and alert.rule not in told and watch.status == "quiet" and watch.has_read:
                self._findings.append(
                    Finding(alert.rule, alert.attempt, "clear", "the condition does not hold")
                )

    def _find(self, c: Connection, name: str, event: Event) -> None:
        rule = self._entries[name].rule
        if event.observation == "clear":
            home = self._homes.get(name, self.attempt)
            self._findings.append(Finding(name, home, "clear", reason_of(rule, event)))
            self._homes.pop(name, None)
            return
        home = self._homes.setdefault(name, self.attempt)
        onset, detected = event.onset, event.place
        self._findings.append(
            Finding(
                name,
                home,
                event.observation,
                "it holds" if event.observation == "confirmed" else "it holds, and not yet for long",
                severity=rule.severity,
                title=title_of(rule, event),
                sentence=sentence_of(rule, event),
                onset_step=onset.step,
                onset_epoch=detectors.epoch_at(c, self.run_id, self.segments, onset.step),
                detected_step=max(detected.step, onset.step),
                detected_epoch=detectors.epoch_at(c, self.run_id, self.segments, detected.step),
                signals=signals_of(rule, event),
            )
        )

    def _epochs(self, c: Connection, watches: Sequence[RuleWatch], first: int) -> Epochs:
        if any(watch.rule.counts_epochs for watch in watches):
            return rule_states.epochs_from(c, self.run_id, self.segments, first)
        return NO_EPOCHS

    def _series(self, c: Connection, watches: Sequence[RuleWatch]) -> list[Named]:
        """The series that the rules may want: rules that go by roles leave alone what plays none."""
        only_roles = all(watch.rule.goes_by_roles for watch in watches)
        return rule_states.name_series(c, self.run_id, only_roles=only_roles)

    def _state(self) -> dict[str, Any]:
        return {
            "heard": self._facts.last_seen,
            "rules": {
                name: {
                    "fingerprint": self._entries[name].fingerprint,
                    "version": STATE_VERSION,
                    "cursor": self._cursors[name],
                    "home": self._homes.get(name),
                    "state": watch.state(),
                }
                for name, watch in self._watches.items()
            },
        }
