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

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from monitor.alerts.outbox import deliver_due
from monitor.alerts.turning_points import Watch
from monitor.store import alerts, detectors
from monitor.store.alerts import Finding
from monitor.store.database import Database
from monitor.store.detectors import RunFacts
from monitor.store.lineage import Segment, find_lineage

__all__ = ["deliver_due", "judge_run"]

#: Where a NaN or an infinity is the end of the training rather than a gap in a chart.
MUST_BE_FINITE = ("loss_G", "loss_D", "Q", "D")


class _Judgement(NamedTuple):
    attempt: int
    watch: Watch
    findings: list[Finding]
    is_due: bool


def judge_run(db: Database, run_id: str, now: float, channels: Sequence[str] = ()) -> frozenset[str]:
    """Judge all that is new of a run; see the module."""
    changed = False
    while True:
        with db.read() as c:
            judgement = _think(c, run_id, now)
        if judgement is None or not judgement.is_due:
            break
        with db.write() as c:
            moved = _commit(c, run_id, judgement, channels, now)
        changed |= bool(moved)
        if moved is not None and not judgement.watch.has_more:
            break
    return frozenset({"alerts"}) if changed else frozenset()


def _think(c: Connection, run_id: str, now: float) -> _Judgement | None:
    facts = detectors.run_facts(c, run_id)
    if facts is None:
        return None
    segments = find_lineage(c, run_id, facts.attempt)
    watch = Watch.load(c, run_id, segments)
    findings = watch.read(c, is_over=facts.state in {"finished", "failed"})
    findings += _left_behind(c, run_id, segments)
    findings += _lost(facts)
    findings += _non_finite(c, run_id, segments)
    moves = (alerts.changes_anything(c, run_id, finding, now) for finding in findings)
    return _Judgement(facts.attempt, watch, findings, watch.has_moved or any(moves))


def _commit(
    c: Connection, run_id: str, judgement: _Judgement, channels: Sequence[str], now: float
) -> bool | None:
    """Whether an alert moved; None, and nothing stored, where another judge was faster."""
    facts = detectors.run_facts(c, run_id, lock=True)
    if facts is None or facts.attempt != judgement.attempt or not judgement.watch.claim(c):
        return None
    changed = False
    for finding in judgement.findings:
        changed |= alerts.apply_finding(c, run_id, finding, channels, now)
    if changed or judgement.watch.has_moved:
        # What the run says of how far it is judged is stale, too.
        alerts.raise_version(c, run_id)
    return changed


def _left_behind(c: Connection, run_id: str, segments: list[Segment]) -> list[Finding]:
    """What an earlier attempt complained of is over once the run went back to before it."""
    cuts = {segment.attempt: segment.upto for segment in segments}
    found = []
    for rule, attempt, detected in alerts.unresolved(c, run_id, segments[-1].attempt):
        cut = cuts.get(attempt, -1)
        if rule != "lost-run" and cut is not None and (detected is None or detected > cut):
            back = (
                f"the run went back to step {segments[-2].upto}"
                if len(segments) > 1
                else "a new attempt began"
            )
            found.append(Finding(rule, attempt, "clear", back))
    return found


def _lost(facts: RunFacts) -> list[Finding]:
    match facts.state:
        case "lost" if facts.was_live:
            return [
                Finding(
                    "lost-run",
                    0,
                    "confirmed",
                    "no batch and no heartbeat",
                    severity="critical",
                    title="The run fell silent",
                    sentence="The training process sends nothing any more and did not say goodbye.",
                )
            ]
        case "running":
            return [Finding("lost-run", 0, "clear", "the run is heard of again")]
        case "finished" | "failed":
            return [Finding("lost-run", 0, "clear", f"the run has {facts.state}, as was heard late")]
    return []


def _non_finite(c: Connection, run_id: str, segments: list[Segment]) -> list[Finding]:
    attempt = segments[-1].attempt
    series = detectors.non_finite_series(c, run_id, attempt, MUST_BE_FINITE)
    if not series or alerts.load_episode(c, run_id, attempt, "non-finite").state == "firing":
        return []
    step = detectors.first_non_finite(c, run_id, attempt, [entry.id for entry in series])
    epoch = None if step is None else detectors.epoch_at(c, run_id, segments, step)
    names = " and ".join(entry.name for entry in series)
    return [
        Finding(
            "non-finite",
            attempt,
            "confirmed",
            f"{names} became NaN or infinite",
            severity="critical",
            title=f"NaN or infinity in {names}",
            sentence=f"{names} became NaN or infinite at step {step}.",
            onset_step=step,
            onset_epoch=epoch,
            detected_step=step,
            detected_epoch=epoch,
        )
    ]
