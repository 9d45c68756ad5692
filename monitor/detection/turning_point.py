"""The turning point (SQD): after a steady phase, quality Q, diversity D and the weight angles S deteriorate
together.

The detector is pure and causal: one record (a dict) at a time, no clock, no database, nothing of the future;
its state is JSON, and a restart changes nothing. It works with whatever signals a run logs, sparse
evaluations and gaps.

**Channels** (``channel.py``, ``signals.py``): Q; D / ln m; the logarithms of up to four angles, those of one
iteration and those between epoch ends, of G and of D; losses and gradient norms. Q and D are watched for
falling, the others for both directions: angles leap when a network is thrown, and in a dead collapse they
fall to 1e-4 because the gradients vanish. S has moved where **both** networks have left their course: one
network's angles alone also rise in spikes, dips and drifts that mean nothing.

**Fusion.** Two of {Q, D, S} must agree, so that one of them is Q or D; what is still getting better (Q rising
while D gives a little) is a trade-off, not a turning point. How long the agreement must last depends on how
strong it is:

- *quick* (2 records): Q or D has lost its level and does not come back, and with it both networks were
  thrown. The second record is what tells a turn from a spike; nothing at the first one can.
- *patient* (``PATIENT`` records' worth of evidence): any two signals. Longer than the dips of 2 to 6 epochs
  that runs recover from by themselves.
- *ruined*: Q or D alone for as long, having lost a third of a steady level, while the networks are elsewhere
  than when the fall began. That finds the turn under a learning rate that rises, which explains what S does.
  Where one is all that was ever logged of the three, it may also lie that long a third below all of its
  window.
- *silent* (``SILENT`` times as long as the second longest pause): an armed run without any signal.
- *diverged* (``SILENT`` records): all losses, or gradient norms without any, are finite no more.

**Suspected** is the same agreement one record old: a badge, never an alert.

The numbers below were set by reason and then left. Nine of them were varied one at a time, by a quarter to a
third: the share of the traces' turns found within 20 records lay between .943 and .975, at 1 to 4 false
alarms in 47,000 healthy records. ``benchmarks/turning_points.py`` leaves out one configuration at a time.

An **intervention** (a remedy, other networks or another critic) makes the angles, losses and gradients new
numbers: ``intervene``, or a record that says so, resets their references and keeps those of Q and D.

After an alert the detector stays quiet until Q and D are back at their level for ``RECOVERED`` records, then
says "resolved" and learns anew: a second turning point after that is a second alert.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from math import isfinite, log
from typing import Any

from monitor.detection.channel import BEGIN, CEILING
from monitor.detection.signals import (
    ANGLES,
    LOSSES,
    MATERIAL,
    NETWORKS,
    VALUES,
    WITNESSES,
    has_leapt,
    has_left_its_place,
    lies_below_all,
    lies_low,
    log_rate,
    make_channels,
    measured,
    network_evidence,
    share_of_level,
)
from monitor.detection.wording import describe, spokesman

#: Evidence (records' worth) for the two speeds, and for the suspicion.
QUICK, PATIENT, SUSPECT = 2.0, 6.5, 1.0
#: Records for which a leap is remembered, and records by which the onsets of S and of Q or D may lie apart.
REMEMBERED, NEAR = 3, 8
#: A loss that shrank by more than a fifth since the record before, or to less than 0.45 of its worst, is
#: coming back.
STAYS, KEEPS = 0.8, 0.45
#: Losing half of the level is critical, and more than any trade-off explains.
HALF = 0.5
#: A signal with less than this share of the strongest's evidence is not named.
NAMED = 0.1
#: What must remain of one of Q and D while the other gets better, for it to be a trade-off.
TRADED = 0.75
#: Records without any signal or finite loss that end in an alert, and records of health that resolve one.
SILENT, RECOVERED = 3, 30
#: What is remembered beside the channels.
PLAIN = (
    *("index", "leapt", "silence", "pauses", "broken", "lows", "places", "logged"),
    *("firing", "healthy", "before", "suspected"),
)
#: Raised with every change that makes old states mean something else.
STATE_VERSION = 7


class TurningPointDetector:
    """``update(record)`` answers None, an alert (``state`` "firing") or its end (``state`` "resolved").

    ``meta``: ``m`` or ``ln_m`` (modes that the judge tells apart), ``n_eval`` (samples it saw), where known.
    """

    def __init__(self, meta: Mapping[str, Any] | None) -> None:
        meta = meta or {}
        modes, samples = meta.get("m"), meta.get("n_eval")
        self.ln_m: float = meta.get("ln_m") or (log(modes) if modes and modes > 1 else 1.0)
        self.channels = make_channels(samples)
        #: The number of the newest record, counted from 0.
        self.index = -1
        self.leapt: int | None = None
        #: Records without a signal, or a finite loss; the longest two silences that ended; roles ever seen.
        self.silence = self.broken = 0
        self.pauses, self.logged = [0, 0], list[str]()
        #: How long Q and D have lain low, in records, and the levels of the others when one began to fall.
        self.lows = {"Q": 0.0, "D": 0.0}
        self.places: dict[str, float] = {}
        self.firing = False
        self.healthy = 0
        #: Levels of Q and D before the turn: what recovery is measured by.
        self.before: dict[str, float] = {}
        #: The suspicion that stands after the newest record, in the form of an alert with ``state``
        #: "pending".
        self.suspected: dict[str, Any] | None = None

    # -- one record --------------------------------------------------------------------------------

    def update(self, record: Mapping[str, Any]) -> dict[str, Any] | None:
        """Take the next record; see the class for the answer."""
        self.index += 1
        self.suspected = None
        if record.get("intervention"):
            self.intervene()
        is_armed = self.channels["Q"].is_ready or self.channels["D"].is_ready
        self._read(record)
        if self.firing:
            return self._resolve() if self._has_recovered() else None
        if not is_armed:
            return None
        evidence = {name: self.channels[name].sum for name in VALUES} | {"S": network_evidence(self.channels)}
        pace = self._pace(evidence)
        if pace is None:
            if sorted(evidence.values())[-2] >= SUSPECT:
                self.suspected = self._describe("pending", "suspected", evidence)
            return None
        alert = self._describe("firing", pace, evidence)
        self.firing, self.healthy = True, 0
        self.before = {name: level for name in VALUES if (level := self.channels[name].level) is not None}
        return alert

    def intervene(self) -> None:
        """What follows was made by other networks or another way of training: learn anew how they move."""
        self.leapt, self.places = None, {}
        for name, channel in self.channels.items():
            if name not in VALUES:
                channel.reset()

    def _read(self, record: Mapping[str, Any]) -> None:
        is_seen = is_broken = is_sound = False
        for name, channel in self.channels.items():
            value = record.get(name)
            if value is None or not isfinite(value):
                is_broken |= value is not None and name in WITNESSES and channel.is_ready
                channel.miss()
                continue
            is_seen, is_sound = True, is_sound or name in LOSSES
            if name not in self.logged:
                self.logged.append(name)
            channel.measure(self.index, measured(name, value, self.ln_m), log_rate(name, record))
        if all(has_leapt(self.channels, network) for network in NETWORKS):
            self.leapt = self.index
        for name, channel in self.channels.items():
            if channel.value is not None:
                channel.judge(is_excused=self._is_traded(name))
        if is_seen and self.silence < self.index:
            self.pauses = sorted([*self.pauses, self.silence])[1:]
        self.silence = 0 if is_seen else self.silence + 1
        # NaN in one network soon is in both losses; where all is missing at once, the log has a gap.
        self.broken = self.broken + 1 if is_broken and is_seen and not is_sound else 0
        self._keep_in_mind()

    def _keep_in_mind(self) -> None:
        """What the slow judgements need: how long Q and D lie low, and where the networks were before."""
        for name in VALUES:
            if self.channels[name].value is not None:
                gain = 1.0 if lies_low(self.channels[name]) else -0.5
                self.lows[name] = min(CEILING, max(0.0, self.lows[name] + gain))
        if all(self.channels[name].sum == 0 for name in VALUES):
            self.places = {}
        elif not self.places:
            levels = {name: self.channels[name].level for network in NETWORKS for name in network}
            self.places = {name: level for name, level in levels.items() if level is not None}

    def _is_traded(self, name: str) -> bool:
        """Whether a loss is the price of a gain: Q gives a little while D rises, or the other way round."""
        other = {"Q": "D", "D": "Q"}.get(name)
        if other is None or self.channels[other].deviation >= -BEGIN:
            return False
        return share_of_level(self.channels[name]) > TRADED

    # -- judgement ---------------------------------------------------------------------------------

    def _pace(self, evidence: Mapping[str, float]) -> str | None:
        if sorted(evidence.values())[-2] >= PATIENT:
            return "patient"
        if self._is_ruined():
            return "ruined"
        if any(self._is_lost(name) for name in VALUES):
            return "quick"
        if self.broken >= SILENT:
            return "diverged"
        return "silent" if self.silence >= SILENT * (1 + self.pauses[0]) else None

    def _is_ruined(self) -> bool:
        fallen = [name for name in VALUES if self.channels[name].sum >= PATIENT and self.lows[name] >= QUICK]
        if fallen and all(has_left_its_place(self.channels, one, self.places) for one in NETWORKS):
            return True
        is_alone = sum(name in self.logged for name in VALUES + ANGLES) == 1
        return is_alone and any(
            self.lows[name] >= PATIENT and lies_below_all(self.channels[name]) for name in fallen
        )

    def _is_lost(self, name: str) -> bool:
        channel = self.channels[name]
        if channel.onset is None or channel.sum < QUICK:
            return False
        if channel.deviation < max(STAYS * channel.before_last, KEEPS * channel.worst):
            return False
        return self._was_thrown() or all(self._moved_with(network, channel.onset) for network in NETWORKS)

    def _was_thrown(self) -> bool:
        return self.leapt is not None and self.index - self.leapt <= REMEMBERED

    def _moved_with(self, network: tuple[str, ...], onset: int) -> bool:
        channels = (self.channels[name] for name in network)
        return any(c.sum >= QUICK and c.onset is not None and abs(c.onset - onset) <= NEAR for c in channels)

    def _has_recovered(self) -> bool:
        known = {name: value for name in self.before if (value := self.channels[name].value) is not None}
        if not known:
            return False
        is_well = all(value >= self.before[name] - MATERIAL[name] for name, value in known.items())
        self.healthy = self.healthy + 1 if is_well else 0
        return self.healthy >= RECOVERED

    # -- words -------------------------------------------------------------------------------------

    def _describe(self, state: str, pace: str, evidence: Mapping[str, float]) -> dict[str, Any]:
        is_end = pace in {"silent", "diverged"}
        names = list(evidence) if pace == "silent" else self._moved(pace, evidence)
        onset = self.index - max(self.silence, self.broken) + 1 if is_end else self._onset(names)
        values = [self.channels[name] for name in VALUES]
        is_ruin = is_end or any(value.sum > 0 and share_of_level(value) < HALF for value in values)
        return {
            "state": state,
            "pace": pace,
            "onset": onset,
            "detected": self.index,
            "severity": "critical" if is_ruin else "warning",
            **describe(names, pace, self.channels, self.ln_m),
        }

    def _moved(self, pace: str, evidence: Mapping[str, float]) -> list[str]:
        """The signals to name: those with evidence, but for a trifle beside the strongest's."""
        enough = NAMED * max(evidence.values())
        names = [name for name, sum_ in evidence.items() if sum_ > 0 and sum_ >= enough]
        if "S" not in names and (pace == "ruined" or (self._was_thrown() and len(names) < 2)):
            names.append("S")
        return names

    def _onset(self, names: Iterable[str]) -> int:
        """Where Q or D began to fall, or S where that is near: one angle alone may have drifted for long."""
        roles = {name: spokesman(name, self.channels) for name in names}
        begun = {name: self.channels[role].onset for name, role in roles.items() if role is not None}
        onsets = {name: onset for name, onset in begun.items() if onset is not None}
        first = min((onsets[name] for name in VALUES if name in onsets), default=self.index)
        return min(onset for onset in (first, *onsets.values()) if onset >= first - NEAR)

    def _resolve(self) -> dict[str, Any]:
        self.firing, self.healthy, self.before, self.leapt = False, 0, {}, None
        self.lows, self.places, self.pauses = dict.fromkeys(VALUES, 0.0), {}, [0, 0]
        for channel in self.channels.values():
            channel.reset()
        return {
            "state": "resolved",
            "detected": self.index,
            "signals": [],
            "sentence": f"Quality and diversity have been back at their level for {RECOVERED} records.",
        }

    # -- memory ------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All that it remembers, as JSON knows it."""
        plain = {name: copy(getattr(self, name)) for name in PLAIN}
        channels = {name: channel.state() for name, channel in self.channels.items()}
        return {"version": STATE_VERSION, **plain, "channels": channels}

    @classmethod
    def from_state(
        cls, state: Mapping[str, Any], meta: Mapping[str, Any] | None = None
    ) -> TurningPointDetector:
        """The detector whose ``state`` it was."""
        detector = cls(meta)
        for name in PLAIN:
            setattr(detector, name, copy(state[name]))
        for name, channel in detector.channels.items():
            channel.restore(state["channels"][name])
        return detector
