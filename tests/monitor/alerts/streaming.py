"""A training process as the service meets it: batches of records of the wire, one an epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from math import isnan, log
from typing import Any

from monitor import protocol
from monitor.store.database import Database
from monitor.store.ingest import apply_batch

STEPS = 4
AT_MARKS = {
    "quality/test": "Q",
    "diversity/test": "D",
    "angle/epoch/g": "S_G_ep",
    "angle/epoch/d": "S_D_ep",
    "learning_rate/g": "lr_G",
    "learning_rate/d": "lr_D",
}
EACH_STEP = {"angle/iter/g": "S_G", "angle/iter/d": "S_D", "loss/g": "loss_G", "loss/d": "loss_D"}
RECORD_KEY = {"lr_G": "lr_g", "lr_D": "lr_d"}
NUMBER_OF_MODES = 10


Deliver = Callable[[protocol.Batch, float], object]


def _apply(db: Database, run: str, batch: protocol.Batch, now: float) -> None:
    apply_batch(db, run, batch, now)


class Training:
    """Sends what a detector's record would be made of: four steps an epoch, then a mark and its values."""

    def __init__(
        self, deliver: Deliver | Database, run: str = "run", writer: str = "writer", **begins: Any
    ) -> None:
        self.run, self.writer = run, writer
        self._deliver: Deliver = deliver if callable(deliver) else partial(_apply, deliver, run)
        self.sequence = 0
        self.attempt = 0
        self.mark = 0
        self.step = 0
        begin = protocol.Begin(sequence=self._next(), time=0.0, project="test", name="A training", **begins)
        declare = [
            protocol.Declare(
                sequence=self._next(),
                name=name,
                role=role,
                judge="test" if role in {"Q", "D"} else None,
                m=NUMBER_OF_MODES if role == "D" else None,
                n=1000 if role in {"Q", "D"} else None,
                upper=log(NUMBER_OF_MODES) if role == "D" else None,
            )
            for name, role in (AT_MARKS | EACH_STEP).items()
        ]
        self._send([begin, *declare], first=1, now=0.0)

    def epoch(self, record: Mapping[str, float], now: float) -> None:
        self.epochs([record], now)

    def epochs(self, records: Iterable[Mapping[str, float]], now: float = 0.0) -> None:
        """One batch; of each epoch four steps, the mark, and the values that name it."""
        first = self.sequence + 1
        batch: list[protocol.Record] = []
        for record in records:
            batch += self._epoch(record, now)
        self._send(batch, first, now)

    def _epoch(self, record: Mapping[str, float], now: float) -> list[protocol.Record]:
        steps = [self.step + i + 1 for i in range(STEPS)]
        self.step = steps[-1]
        on_the_way = {name: record.get(role, 1.0) for name, role in EACH_STEP.items()}
        points = protocol.Points(
            names=list(on_the_way),
            sequence=[self._next() for _ in steps],
            step=steps,
            time=[now] * STEPS,
            values=[[_wire(value)] * STEPS for value in on_the_way.values()],
        )
        mark = protocol.Mark(
            sequence=self._next(),
            time=now,
            index=self.mark,
            step=self.step,
            epoch=float(self.mark),
            expects=["Q", "D"],
        )
        at_mark = {name: record.get(RECORD_KEY.get(role, role), 1e-4) for name, role in AT_MARKS.items()}
        values = protocol.Points(
            names=list(at_mark),
            sequence=[self._next()],
            step=[self.step],
            time=[now],
            values=[[_wire(value)] for value in at_mark.values()],
            mark=[self.mark],
        )
        self.mark += 1
        return [points, mark, values]

    def rewind(self, from_step: int, now: float, **told: Any) -> None:
        """Go back and begin the next attempt."""
        self.attempt += 1
        self.step = from_step
        first = self.sequence + 1
        record = protocol.Attempt(
            sequence=self._next(),
            time=now,
            number=self.attempt,
            parent=self.attempt - 1,
            from_step=from_step,
            **told,
        )
        self._send([record], first, now)

    def end(self, state: protocol.EndState, now: float) -> None:
        first = self.sequence + 1
        self._send([protocol.End(sequence=self._next(), time=now, state=state)], first, now)

    def heartbeat(self, now: float) -> None:
        self._send([], self.sequence + 1, now)

    def send(self, records: list[protocol.Record], now: float = 0.0) -> None:
        """Records that carry the next sequence numbers, and a mark that the next epoch goes on from."""
        first = self.sequence + 1
        self.sequence += len(records)
        for record in records:
            if isinstance(record, protocol.Mark):
                self.mark, self.step = record.index + 1, record.step
        self._send(records, first, now)

    def _next(self) -> int:
        self.sequence += 1
        return self.sequence

    def _send(self, records: list[protocol.Record], first: int, now: float) -> None:
        batch = protocol.Batch(
            writer=self.writer,
            attempt=self.attempt,
            first=first,
            last=self.sequence,
            records=records,
        )
        self._deliver(batch, now)


def _wire(value: float) -> float | str:
    return "NaN" if isnan(value) else value
