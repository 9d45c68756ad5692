"""Judges a run: reads what is new, asks the rules, and moves the alerts. The background thread calls it.

    judge_run(db, run_id, now, channels=()) -> frozenset({"alerts"}) or frozenset()

Call it after each batch that says something new (``Applied.is_news``), after the run's state changed (lost,
finished, failed) and once at the start for every run that is not archived. ``channels`` are the names of the
configured channels: every transition that people are told of waits in the outbox once for each. The answer is
what changed, for the server-sent events; the run's ``version`` is raised in the same transaction.

Everything that one page of records leads to commits at once: the detector's state and cursor, the alert, its
transition, the outbox row. A kill at any point repeats work and neither loses nor doubles an alert. Reading
and thinking happen before the transaction, which then only looks whether another judge was faster. Nothing
here talks to the network; ``deliver_due(db, channels, now)``, in a thread of its own, does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from sqlalchemy import Connection

from monitor.alerts import rescue
from monitor.alerts.outbox import deliver_due
from monitor.alerts.rule_judge import RuleJudge
from monitor.alerts.rulebook import Entry, RuleBook, rules_for
from monitor.alerts.turning_points import RULE, Watch
from monitor.detection.rules.rule import Lost, Turning
from monitor.store import alerts, detectors, false_alarms, rule_states
from monitor.store.alerts import Finding
from monitor.store.database import Database
from monitor.store.detectors import RunFacts
from monitor.store.lineage import Segment, find_lineage
from monitor.store.rule_states import Open

__all__ = ["deliver_due", "judge_run"]

_DEFAULTS = RuleBook()


class _Judgement(NamedTuple):
    attempt: int
    watch: Watch
    rules: RuleJudge
    findings: list[Finding]
    is_due: bool

    @property
    def has_more(self) -> bool:
        return self.watch.has_more or self.rules.has_more


def judge_run(
    db: Database, run_id: str, now: float, channels: Sequence[str] = (), book: RuleBook = _DEFAULTS
) -> frozenset[str]:
    """Judge all that is new of a run by the rules of a book; see the module."""
    changed = False
    while True:
        with db.read() as c:
            judgement = _think(c, run_id, book, now)
        if judgement is None or not judgement.is_due:
            break
        with db.write() as c:
            moved = _commit(c, run_id, judgement, channels, now)
        changed |= bool(moved)
        if moved is not None and not judgement.has_more:
            break
    return frozenset({"alerts"}) if changed else frozenset()


def _think(c: Connection, run_id: str, book: RuleBook, now: float) -> _Judgement | None:
    facts = detectors.run_facts(c, run_id)
    if facts is None:
        return None
    segments = find_lineage(c, run_id, facts.attempt)
    entries = book.entries(c)
    held = rules_for(c, run_id, rule_states.find_extent(c, run_id).project, entries.values(), now)
    opened = rule_states.open_alerts(c, run_id)
    findings = _left_behind(opened, segments, held)
    left = {(finding.rule, finding.attempt) for finding in findings}
    findings += _rested(opened, entries, held)
    opened = [alert for alert in opened if (alert.rule, alert.attempt) not in left]
    watch = Watch.load(c, run_id, segments)
    turns = watch.read(c, is_over=facts.state in {"finished", "failed"})
    findings += _turned(turns, opened, held)
    rules = RuleJudge.load(c, run_id, segments, facts, held)
    findings += rules.read(c, opened)
    findings += _lost(facts, held, opened)
    moves = (alerts.changes_anything(c, run_id, finding, now) for finding in findings)
    is_due = watch.has_moved or rules.has_moved or any(moves)
    return _Judgement(facts.attempt, watch, rules, findings, is_due)


def _commit(
    c: Connection, run_id: str, judgement: _Judgement, channels: Sequence[str], now: float
) -> bool | None:
    """Whether an alert moved; None, and nothing stored, where another judge was faster."""
    facts = detectors.run_facts(c, run_id, lock=True)
    if facts is None or facts.attempt != judgement.attempt:
        return None
    if not judgement.rules.is_current(c) or not judgement.watch.claim(c):
        return None
    judgement.rules.save(c)
    changed = False
    for finding in judgement.findings:
        changed |= alerts.apply_finding(c, run_id, finding, channels, now)
    if judgement.watch.mark is not None:
        changed |= false_alarms.mark(
            c, run_id, attempt=judgement.attempt, rule=RULE, reason=judgement.watch.mark, now=now
        )
    changed |= rescue.answer_turning_point(c, run_id, now)
    if changed or judgement.watch.has_moved:
        # What the run says of how far it is judged is stale, too.
        alerts.raise_version(c, run_id)
    return changed


def _left_behind(opened: Sequence[Open], segments: list[Segment], held: Mapping[str, Entry]) -> list[Finding]:
    """What an earlier attempt complained of is over once the run went back to before it."""
    cuts = {segment.attempt: segment.upto for segment in segments}
    found = []
    for alert in opened:
        entry = held.get(alert.rule)
        if alert.attempt == segments[-1].attempt or (entry and isinstance(entry.rule.condition, Lost)):
            continue
        cut = cuts.get(alert.attempt, -1)
        if cut is not None and (alert.detected_step is None or alert.detected_step > cut):
            back = (
                f"the run went back to step {segments[-2].upto}"
                if len(segments) > 1
                else "a new attempt began"
            )
            found.append(Finding(alert.rule, alert.attempt, "clear", back))
    return found


def _rested(opened: Sequence[Open], entries: Mapping[str, Entry], held: Mapping[str, Entry]) -> list[Finding]:
    """An alert ends with the rule that it is of."""
    found = []
    for alert in opened:
        if alert.rule in held:
            continue
        entry = entries.get(alert.rule)
        reason = "the rule was deleted" if entry is None else "the rule rests"
        if entry is not None and entry.rule.enabled:
            reason = "the rule is not for this run any more"
        found.append(Finding(alert.rule, alert.attempt, "clear", reason))
    return found


def _turned(turns: list[Finding], opened: Sequence[Open], held: Mapping[str, Entry]) -> list[Finding]:
    """What the detector found, under the rule that asks for it; an end is one for the parents' alert, too."""
    entry = held.get(RULE)
    if entry is None or not isinstance(entry.rule.condition, Turning):
        return []
    found = []
    for turn in turns:
        if turn.observation == "clear":
            older = {alert.attempt for alert in opened if alert.rule == RULE} - {turn.attempt}
            found += [replace(turn, attempt=attempt) for attempt in sorted(older)]
        found.append(turn)
    return found


def _lost(facts: RunFacts, held: Mapping[str, Entry], opened: Sequence[Open]) -> list[Finding]:
    found: list[Finding] = []
    is_open = {alert.rule for alert in opened}
    for name, entry in held.items():
        if not isinstance(entry.rule.condition, Lost) or (facts.state != "lost" and name not in is_open):
            continue
        match facts.state:
            case "lost" if facts.was_live:
                found.append(
                    Finding(
                        name,
                        0,
                        "confirmed",
                        "no batch and no heartbeat",
                        severity=entry.rule.severity,
                        title="The run fell silent",
                        sentence=entry.rule.message
                        or "The training process sends nothing any more and did not say goodbye.",
                    )
                )
            case "running":
                found.append(Finding(name, 0, "clear", "the run is heard of again"))
            case "finished" | "failed":
                found.append(Finding(name, 0, "clear", f"the run has {facts.state}, as was heard late"))
    return found
