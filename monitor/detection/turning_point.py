"""The turning point (SQD): after a steady phase, quality Q, diversity D and the weight angles S deteriorate
together.

The detector is pure and causal: one record (a dict) at a time, no clock, no database, nothing of the future;
its state is JSON, and a restart changes nothing. It works with whatever signals a run logs, sparse
evaluations and gaps.

**Channels** (``channel.py``): Q; D / ln m; and the logarithms of up to four angles, those of one iteration
and those between epoch ends, of G and of D. Q and D are watched for falling, angles for both directions: they
leap when a network is thrown, and in a dead collapse they fall to 1e-4 because the gradients vanish. S has
moved where **both** networks have left their course: one network's angles alone also rise in spikes, dips and
drifts that mean nothing.

**Fusion.** Two of {Q, D, S} must agree, so that one of them is Q or D; what is still getting better (Q rising
while D gives a little) is a trade-off, not a turning point. How long the agreement must last depends on how
strong it is:

- *quick* (2 records): Q or D has lost its level and does not come back, and with it both networks were
  thrown. The second record is what tells a turn from a spike; nothing at the first one can.
- *patient* (``PATIENT`` records' worth of evidence): any two signals. Longer than the dips of 2 to 6 epochs
  that runs recover from by themselves.
- *ruined*: Q or D alone for as long, having lost a third of a steady level, while the angles are elsewhere
  than when the fall began. That finds the turn under a learning rate that rises, which explains what S does.
- *silent* (``SILENT`` records): a run that was armed and of which every signal is gone, because it diverged.

**Suspected** is the same agreement one record old: a badge, never an alert.

The numbers below were set by reason and then left. Nine of them were varied one at a time, by a quarter to a
third (``PATIENT`` 5.5 to 7.5, the window 18 to 32, ``EXPIRY`` 30 to 60, ...): the share of the traces' turns
found within 20 records lay between .943 and .975, and there were 1 to 4 false alarms in 47,000 healthy
records.

After an alert the detector stays quiet until Q and D are back at their level for ``RECOVERED`` records, then
says "resolved" and learns anew: a second turning point after that is a second alert.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, log, sqrt
from typing import Any

from monitor.detection.channel import BEGIN, CEILING, FULL, Channel
from monitor.detection.wording import ANGLES, DISCRIMINATOR, GENERATOR, account, sentence, spokesman

#: What a person would care about: 0.08 of quality, 6 % of the possible diversity, an angle 1.6 times as
#: large.
MATERIAL = {"Q": 0.08, "D": 0.06, "S": log(1.6)}
#: Evidence (records' worth) for the two speeds, and for the suspicion.
QUICK, PATIENT, SUSPECT = 2.0, 6.5, 1.0
#: Both networks' angles at least doubled in one record: they were thrown, even if the next angle is small
#: again.
LEAP = log(2.0)
#: Records for which a leap is remembered, and records by which the onsets of S and of Q or D may lie apart.
REMEMBERED, NEAR = 3, 8
#: A loss that shrank by more than a fifth since the record before, or to less than 0.45 of its worst, is
#: coming back.
STAYS, KEEPS = 0.8, 0.45
#: Losing half of the level is critical, and more than any trade-off explains.
HALF = 0.5
#: What must remain of one of Q and D while the other gets better, for it to be a trade-off.
TRADED = 0.75
#: Less than this share of a steady level (noise within a tenth of it) is a ruin, and an angle that is 1.4
#: times what it was, or a 1.4th, has left its place.
RUIN, STEADY, PLACE = 0.7, 0.1, log(1.4)
#: Records without any signal that end in an alert, and records of health that resolve one.
SILENT, RECOVERED = 3, 30
#: Angles below this (degrees) are all the same: nothing moves.
SMALLEST_ANGLE = 1e-3
#: Values of Q and D beyond this are all the same: no judge gives them, and sums of them must stay finite.
LARGEST = 1e6

#: Raised with every change that makes old states mean something else.
STATE_VERSION = 3


class TurningPointDetector:
    """``update(record)`` answers None, an alert (``state`` "firing") or its end (``state`` "resolved").

    ``meta``: ``m`` or ``ln_m`` (modes that the judge tells apart), ``n_eval`` (samples it saw), where known.
    """

    def __init__(self, meta: Mapping[str, Any] | None = None) -> None:
        meta = meta or {}
        modes, samples = meta.get("m"), meta.get("n_eval")
        self.ln_m: float = meta.get("ln_m") or (log(modes) if modes and modes > 1 else 1.0)
        # q lies in [0, 1], so its standard error is at most 0.5 / sqrt(n).
        noise = 0.5 / sqrt(samples) if samples else 0.0
        self.channels = {"Q": Channel(MATERIAL["Q"], noise), "D": Channel(MATERIAL["D"])}
        self.channels |= {name: Channel(MATERIAL["S"], two_sided=True) for name in ANGLES}
        #: The number of the newest record, counted from 0.
        self.index = -1
        self.leapt: int | None = None
        self.silence = 0
        #: How long Q and D have lain low, in records, and the levels of the angles when one began to fall.
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
        is_armed = self.channels["Q"].is_ready or self.channels["D"].is_ready
        seen = self._read(record)
        self.silence = 0 if seen else self.silence + 1
        if self.firing:
            return self._resolve() if self._has_recovered() else None
        if not is_armed:
            return None
        evidence = self._evidence()
        pace = self._pace(evidence)
        if pace is None:
            if sorted(evidence.values())[-2] >= SUSPECT:
                self.suspected = self._describe("pending", "suspected", evidence)
            return None
        alert = self._describe("firing", pace, evidence)
        self.firing, self.healthy = True, 0
        levels = {name: self.channels[name].level for name in ("Q", "D")}
        self.before = {name: level for name, level in levels.items() if level is not None}
        return alert

    def _read(self, record: Mapping[str, Any]) -> bool:
        seen = False
        for name, channel in self.channels.items():
            value = record.get(name)
            if value is None or not isfinite(value):
                channel.miss()
                continue
            seen = True
            if name in {"Q", "D"}:
                value = min(max(value, -LARGEST), LARGEST)
                channel.measure(self.index, value / self.ln_m if name == "D" else value)
            else:
                rate = record.get("lr_g" if name in GENERATOR else "lr_d") or 0.0
                log_rate = log(rate) if isfinite(rate) and rate > 0 else 0.0
                channel.measure(self.index, log(max(value, SMALLEST_ANGLE)), log_rate)
        if self._leaps(GENERATOR) and self._leaps(DISCRIMINATOR):
            self.leapt = self.index
        for name, channel in self.channels.items():
            if channel.value is not None:
                channel.judge(is_excused=self._is_traded(name))
        self._keep_in_mind()
        return seen

    def _keep_in_mind(self) -> None:
        """What the slow judgements need: how long Q and D lie low, and where the angles were before."""
        for name in ("Q", "D"):
            if self.channels[name].value is not None:
                gain = 1.0 if self._lies_low(name) else -0.5
                self.lows[name] = min(CEILING, max(0.0, self.lows[name] + gain))
        if all(self.channels[name].sum == 0 for name in ("Q", "D")):
            self.places = {}
        elif not self.places:
            levels = {name: self.channels[name].level for name in ANGLES}
            self.places = {name: level for name, level in levels.items() if level is not None}

    def _lies_low(self, name: str) -> bool:
        channel = self.channels[name]
        line = channel.line()
        if line is None or channel.value is None:
            return False
        level, _, unit = line
        return unit <= STEADY * level and channel.value < RUIN * level

    def _is_traded(self, name: str) -> bool:
        """Whether a loss is the price of a gain: Q gives a little while D rises, or the other way round."""
        other = {"Q": "D", "D": "Q"}.get(name)
        return other is not None and self.channels[other].deviation < -BEGIN and self._share(name) > TRADED

    # -- judgement ---------------------------------------------------------------------------------

    def _evidence(self) -> dict[str, float]:
        networks = [
            max(self.channels[name].sum for name in names)
            for names in (GENERATOR, DISCRIMINATOR)
            if any(self.channels[name].is_ready for name in names)
        ]
        return {
            "Q": self.channels["Q"].sum,
            "D": self.channels["D"].sum,
            "S": min(networks) if networks else 0.0,
        }

    def _pace(self, evidence: dict[str, float]) -> str | None:
        if sorted(evidence.values())[-2] >= PATIENT:
            return "patient"
        if self._is_ruined():
            return "ruined"
        if any(self._is_lost(name) for name in ("Q", "D")):
            return "quick"
        return "silent" if self.silence >= SILENT else None

    def _is_ruined(self) -> bool:
        if not any(self.channels[name].sum >= PATIENT and self.lows[name] >= QUICK for name in ("Q", "D")):
            return False
        return all(self._left_its_place(names) for names in (GENERATOR, DISCRIMINATOR))

    def _left_its_place(self, names: tuple[str, ...]) -> bool:
        for name in names:
            value, place = self.channels[name].value, self.places.get(name)
            if value is not None and place is not None and abs(value - place) >= PLACE:
                return True
        return False

    def _is_lost(self, name: str) -> bool:
        channel = self.channels[name]
        if channel.onset is None or channel.sum < QUICK:
            return False
        if channel.deviation < max(STAYS * channel.before_last, KEEPS * channel.worst):
            return False
        if self._has_leapt():
            return True
        return all(self._moved_with(names, channel.onset) for names in (GENERATOR, DISCRIMINATOR))

    def _has_leapt(self) -> bool:
        return self.leapt is not None and self.index - self.leapt <= REMEMBERED

    def _moved_with(self, names: tuple[str, ...], onset: int) -> bool:
        channels = (self.channels[name] for name in names)
        return any(c.sum >= QUICK and c.onset is not None and abs(c.onset - onset) <= NEAR for c in channels)

    def _leaps(self, names: tuple[str, ...]) -> bool:
        for name in names:
            channel = self.channels[name]
            value, level = channel.value, channel.level
            if (
                value is not None
                and level is not None
                and channel.deviation >= FULL
                and value - level >= LEAP
            ):
                return True
        return False

    def _share(self, name: str) -> float:
        """The newest value as a share of its level."""
        channel = self.channels[name]
        return channel.value / channel.level if channel.value is not None and channel.level else 0.0

    def _has_recovered(self) -> bool:
        values = {name: self.channels[name].value for name in self.before}
        known = {name: value for name, value in values.items() if value is not None}
        if not known:
            return False
        is_well = all(value >= self.before[name] - MATERIAL[name] for name, value in known.items())
        self.healthy = self.healthy + 1 if is_well else 0
        return self.healthy >= RECOVERED

    # -- words -------------------------------------------------------------------------------------

    def _describe(self, state: str, pace: str, evidence: Mapping[str, float]) -> dict[str, Any]:
        if pace == "silent":
            names = ["Q", "D", "S"]
            onset = self.index - self.silence + 1
        else:
            names = [name for name, sum_ in evidence.items() if sum_ > 0]
            if "S" not in names and (pace == "ruined" or self._has_leapt()):
                names.append("S")
            onset = min((o for name in names if (o := self._onset(name)) is not None), default=self.index)
        given = (account(name, self.channels, self.ln_m, is_gone=pace == "silent") for name in names)
        details = [detail for detail in given if detail is not None]
        is_ruin = pace == "silent" or any(
            self.channels[name].sum > 0 and self._share(name) < HALF for name in ("Q", "D")
        )
        return {
            "state": state,
            "pace": pace,
            "signals": [detail["signal"] for detail in details],
            "onset": onset,
            "detected": self.index,
            "severity": "critical" if is_ruin else "warning",
            "details": details,
            "sentence": sentence(details),
        }

    def _onset(self, signal: str) -> int | None:
        role = spokesman(signal, self.channels)
        return None if role is None else self.channels[role].onset

    def _resolve(self) -> dict[str, Any]:
        self.firing, self.healthy, self.before, self.leapt = False, 0, {}, None
        self.lows, self.places = {"Q": 0.0, "D": 0.0}, {}
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
        return {
            "version": STATE_VERSION,
            "index": self.index,
            "leapt": self.leapt,
            "lows": dict(self.lows),
            "places": dict(self.places),
            "silence": self.silence,
            "firing": self.firing,
            "healthy": self.healthy,
            "before": dict(self.before),
            "suspected": self.suspected,
            "channels": {name: channel.state() for name, channel in self.channels.items()},
        }

    @classmethod
    def from_state(
        cls, state: Mapping[str, Any], meta: Mapping[str, Any] | None = None
    ) -> TurningPointDetector:
        """The detector whose ``state`` it was."""
        detector = cls(meta)
        detector.index, detector.leapt, detector.silence = state["index"], state["leapt"], state["silence"]
        detector.lows, detector.places = dict(state["lows"]), dict(state["places"])
        detector.firing, detector.healthy = state["firing"], state["healthy"]
        detector.before, detector.suspected = dict(state["before"]), state["suspected"]
        for name, channel in detector.channels.items():
            channel.restore(state["channels"][name])
        return detector
