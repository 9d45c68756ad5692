"""The turning-point rule: feeds the detector the records of a run, mark after mark, and says what it found.

A new attempt begins with a detector that has read its lineage up to where the attempt begins: it remembers
the steady phase, and what was already told of the parent is not told again. A remedy with which the attempt
began is an intervention.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection

from monitor.alerts.mark_records import PAGE, meta_of, records_of
from monitor.detection.guarantee import ARL, Guarantee
from monitor.detection.records import EvaluationMark, Record, is_complete
from monitor.detection.turning_point import STATE_VERSION, TurningPointDetector
from monitor.store import detectors
from monitor.store.alerts import Finding
from monitor.store.detectors import RoleSeries, Standing
from monitor.store.lineage import Segment

RULE = "turning-point"
#: Records whose step and epoch are remembered, so that an onset can be named: more than evidence can be old.
REMEMBERED = 128


class Watch:
    """One attempt's detector between two transactions."""

    def __init__(self, run_id: str, segments: list[Segment], roles: dict[str, RoleSeries]) -> None:
        self.run_id = run_id
        self.segments = segments
        self.attempt = segments[-1].attempt
        self.roles = roles
        self.has_moved = False
        #: Whether there are marks behind the page just read.
        self.has_more = False
        self._expected: int | None = None
        self._cursor = self._judged = 0
        #: Marks of the attempt below this were judged by an older detector: its alerts stand.
        self._told = 0
        self._last_step: int | None = None
        self._usual: frozenset[str] = frozenset()
        #: (step, epoch) of the newest records, the newest last.
        self._recent: list[tuple[int, float | None]] = []
        self._meta = meta_of(roles)
        self._detector = TurningPointDetector(self._meta)
        self._guarantee = Guarantee(self._meta)
        #: Of the turning point that stands: its onset, and whether it has the e-detector's mark.
        self._onset: int | None = None
        self._is_marked = False
        #: The record at which the e-detector last reached its bound.
        self._crossed: int | None = None
        #: What is said of the mark, where it fell on the page just read.
        self.mark: str | None = None

    @classmethod
    def load(cls, c: Connection, run_id: str, segments: list[Segment]) -> Watch:
        """The watch as it was stored, or one that has read the parents' part."""
        watch = cls(run_id, segments, detectors.series_by_role(c, run_id))
        standing = detectors.load_standing(c, run_id, watch.attempt, RULE)
        if standing is not None:
            watch._expected = standing.cursor
            if standing.state["detector"]["version"] == STATE_VERSION:
                watch._restore(standing)
                return watch
            watch._told = standing.cursor
        changed = detectors.attempts_with_remedy(c, run_id)
        for segment, successor in pairwise(segments):
            watch._replay(c, segment)
            if successor.attempt in changed:
                watch._detector.intervene()
            # Stored at once, or all of the parents would be read again until the attempt's first mark.
            watch.has_moved = True
        watch.mark = None
        return watch

    def read(self, c: Connection, *, is_over: bool) -> list[Finding]:
        """Judge the next page of complete marks."""
        marks = detectors.marks_from(c, self.run_id, self.segments[-1], self._cursor, PAGE + 1)
        self.has_more = len(marks) > PAGE
        findings: list[Finding] = []
        for mark, arrived, record in records_of(
            c, self.run_id, self.segments, self.roles, marks, self._last_step
        ):
            successors = math.inf if is_over else marks[-1].index - mark.index
            # The next mark ends the waiting for what nobody promised.
            expected = mark.expects if successors else mark.expects | self._usual
            if not is_complete(arrived, expected, successors):
                break
            finding = self._take(mark, arrived, record)
            self._cursor = mark.index + 1
            self._judged += 1
            self.has_moved = True
            if finding is None or mark.index < self._told:
                continue
            if not findings or findings[-1].observation != finding.observation:
                findings.append(finding)
        return findings

    def claim(self, c: Connection) -> bool:
        """Store where the watch stands, unless another judge did so since it was loaded."""
        standing = detectors.load_standing(c, self.run_id, self.attempt, RULE)
        if (None if standing is None else standing.cursor) != self._expected:
            return False
        if self.has_moved:
            standing = Standing(self._cursor, self._state(), self._judged)
            detectors.save_standing(c, self.run_id, self.attempt, RULE, standing)
        return True

    def _replay(self, c: Connection, segment: Segment) -> None:
        first = 0
        while marks := detectors.marks_from(c, self.run_id, segment, first, PAGE):
            for mark, arrived, record in records_of(
                c, self.run_id, self.segments, self.roles, marks, self._last_step
            ):
                self._take(mark, arrived, record)
            first = marks[-1].index + 1

    def _take(self, mark: EvaluationMark, arrived: frozenset[str], record: Record) -> Finding | None:
        self._recent = [*self._recent[1 - REMEMBERED :], (mark.step, mark.epoch)]
        self._last_step, self._usual = mark.step, arrived
        alert = self._detector.update(record)
        self._note_mark(alert, has_crossed=self._guarantee.update(record))
        if alert is not None and alert["state"] == "resolved":
            return Finding(RULE, self.attempt, "clear", alert["sentence"])
        if alert is not None:
            return self._finding("confirmed", alert)
        if self._detector.suspected is not None:
            return self._finding("suspected", self._detector.suspected)
        if self._detector.firing or self._detector.silence:
            return None
        return Finding(RULE, self.attempt, "clear", "the signals came back")

    def _note_mark(self, alert: dict[str, Any] | None, *, has_crossed: bool) -> None:
        """The e-detector crosses before the alert or after it: it marks the turning point either way."""
        if alert is not None:
            self._onset = alert["onset"] if alert["state"] == "firing" else None
            self._is_marked = False
        if has_crossed:
            self._crossed = self._detector.index
        if self._onset is None or self._is_marked or self._crossed is None or self._crossed < self._onset:
            return
        self._is_marked = True
        step, epoch = self._place(self._crossed)
        where = f"epoch {epoch:g}" if epoch is not None else f"step {step}"
        self.mark = f"e-detector at {where}: in healthy training one such mark in {ARL} evaluations at most"

    def _finding(self, observation: Any, alert: dict[str, Any]) -> Finding:
        onset_step, onset_epoch = self._place(alert["onset"])
        detected_step, detected_epoch = self._recent[-1]
        where = f"epoch {onset_epoch:g}" if onset_epoch is not None else f"step {onset_step}"
        word = "Turning point" if observation == "confirmed" else "Possible turning point"
        return Finding(
            RULE,
            self.attempt,
            observation,
            "confirmed" if observation == "confirmed" else "suspected: it may be a dip",
            severity=alert["severity"],
            title=f"{word} at {where}",
            sentence=f"{word} at {where}: {alert['sentence']}",
            onset_step=onset_step,
            onset_epoch=onset_epoch,
            detected_step=detected_step,
            detected_epoch=detected_epoch,
            signals=tuple(
                {**detail, "series": self.roles[detail["role"]].name} for detail in alert["details"]
            ),
        )

    def _place(self, index: int) -> tuple[int | None, float | None]:
        """Step and epoch of a record, by its number."""
        back = self._detector.index - index
        return self._recent[-1 - back] if 0 <= back < len(self._recent) else (None, None)

    def _state(self) -> dict[str, Any]:
        return {
            "detector": self._detector.state(),
            "guarantee": self._guarantee.state(),
            "onset": self._onset,
            "is_marked": self._is_marked,
            "crossed": self._crossed,
            "told": self._told,
            "last_step": self._last_step,
            "usual": sorted(self._usual),
            "recent": [list(place) for place in self._recent],
        }

    def _restore(self, standing: Standing) -> None:
        state = standing.state
        self._cursor, self._judged, self._told = standing.cursor, standing.judged, state["told"]
        self._detector = TurningPointDetector.from_state(state["detector"], self._meta)
        self._guarantee.restore(state["guarantee"])
        self._onset, self._is_marked, self._crossed = state["onset"], state["is_marked"], state["crossed"]
        self._last_step, self._usual = state["last_step"], frozenset(state["usual"])
        self._recent = [(step, epoch) for step, epoch in state["recent"]]
