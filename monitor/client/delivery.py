"""Delivering one spool: a request at a time, and what each answer means."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from http import HTTPStatus
from pathlib import Path
from time import time as now
from typing import Any

import msgspec

from monitor.client.batches import build_batch, build_heartbeat
from monitor.client.expiry import discard
from monitor.client.images import ImageStore
from monitor.client.layout import first_of, note_refusal, remove_segment, segments
from monitor.client.notices import Notices
from monitor.client.position import Position, write_position
from monitor.client.reader import Entry, Portion, Reader
from monitor.client.transport import Reply, Transport, Unreachable
from monitor.protocol import (
    MEDIA_TYPE_MSGPACK,
    Gap,
    Image,
    Receipt,
    msgpack_encoder,
    receipt_decoder,
)

BATCH_BYTES = 2**20
BATCH_RECORDS = 20_000
#: Answers after which the same request may well succeed later.
AGAIN_LATER = frozenset({408, 425, 429, 500, 502, 503, 504, 507})
UNAUTHORIZED = frozenset({401, 403})


class Outcome(Enum):
    """What came of a step."""

    DELIVERED = "delivered"
    #: Everything is delivered.
    IDLE = "idle"
    #: No answer, or one that asks for patience.
    UNREACHABLE = "unreachable"
    #: The token is wrong.
    UNAUTHORIZED = "unauthorized"
    #: The server wants something else next; the next step sends it.
    TURNED = "turned"
    #: The server has other content under these numbers, or another process writes the run.
    STOPPED = "stopped"


class Delivery:
    """The state of delivering one writer's spool; no thread and no clock of its own."""

    def __init__(
        self,
        run: str,
        writer: str,
        spool: Path,
        reader: Reader,
        transport: Transport,
        *,
        position: Position,
        replayed: bool = False,
        notices: Notices | None = None,
        dropped: Callable[[], int] = lambda: 0,
        receive: Callable[[Receipt], None] = lambda _: None,
        freed: Callable[[int], None] = lambda _: None,
        lost: Callable[[int], None] = lambda _: None,
        age: float = math.inf,
        clock: Callable[[], float] = now,
    ) -> None:
        self.position = position
        #: Whether there is likely more than the last batch held.
        self.is_behind = False
        #: Values that the server refused.
        self.rejected = 0
        #: What stands in the way, for people.
        self.obstacle = ""
        self._path = f"/runs/{run}"
        self._writer = writer
        self._spool = spool
        self._reader = reader
        self._transport = transport
        self._replayed = replayed
        self._notices = notices or Notices()
        self._dropped = dropped
        self._receive = receive
        self._freed = freed
        self._lost = lost
        self._age = age
        self._clock = clock
        self._images = ImageStore(spool)
        #: Images that are uploaded, of batches that are not.
        self._uploaded: set[str] = set()
        self._attempt = 0
        self._most = BATCH_RECORDS
        #: A batch that was sent and not answered, which is sent again as it is.
        self._unanswered: tuple[Portion, bytes] | None = None
        #: Ranges that the server was told are lost.
        self._gaps: dict[int, int] = {}
        self._has_turned = False

    @property
    def confirmed(self) -> int:
        """Up to this record the server has everything, or knows that it is lost."""
        return self.position.sequence - 1

    @property
    def lost(self) -> int:
        return sum(last - first + 1 for first, last in self._gaps.items() if last <= self.confirmed)

    def step(self) -> Outcome:
        """One batch, if there is one."""
        if self._unanswered is None:
            portion = self._reader.read(self.position, BATCH_BYTES, self._most)
            if not portion.entries:
                return Outcome.IDLE
            batch = build_batch(
                self._writer,
                portion.entries,
                self.position.chain,
                dropped=self._dropped(),
                replayed=self._replayed,
            )
            self._attempt = max(self._attempt, batch.attempt)
            self._unanswered = portion, msgpack_encoder.encode(batch)
        portion, body = self._unanswered
        try:
            reply = self._upload_images(portion.entries) or self._post(body)
        except Unreachable as unreachable:
            self.obstacle = str(unreachable)
            return Outcome.UNREACHABLE
        return self._conclude(reply, portion)

    def heartbeat(self) -> Outcome:
        """Say that the writer lives, and ask what is new."""
        batch = build_heartbeat(
            self._writer,
            self._attempt,
            self.position.sequence,
            dropped=self._dropped(),
            replayed=self._replayed,
        )
        try:
            reply = self._post(msgpack_encoder.encode(batch))
        except Unreachable as unreachable:
            self.obstacle = str(unreachable)
            return Outcome.UNREACHABLE
        return self._conclude(reply, Portion([], self.position))

    def expire(self) -> None:
        """Give up what has waited too long, the oldest first; the server is told of a gap in its place.

        The first segment stays, which says what the run is, and the one that is being delivered or written.
        """
        in_use = self._unanswered[0].after.segment if self._unanswered else self.position.segment
        for segment in segments(self._spool)[1:-1]:
            if first_of(segment) <= in_use:
                continue
            if segment.stat().st_mtime >= self._clock() - self._age:
                break
            self._reader.give_up(first_of(segment), f"it waited longer than {self._age:g} s for the server")
            discarded = discard(segment, self._images)
            self._notices.once("expired", "what has waited too long for the server is given up and counted")
            self._lost(discarded.records)
            self._freed(discarded.freed)

    def close(self) -> None:
        self._transport.close()

    def _post(self, body: bytes) -> Reply:
        return self._transport.post(f"{self._path}/batches", body, MEDIA_TYPE_MSGPACK)

    def _upload_images(self, entries: list[Entry]) -> Reply | None:
        """Send the images that a batch refers to; the answer that keeps the batch back, if there is one."""
        for digest in _digests(entries):
            data = None if digest in self._uploaded else self._images.get(digest)
            if data is None:
                continue
            reply = self._transport.put(f"{self._path}/images/{digest}", data, "image/png")
            if reply.status in AGAIN_LATER or reply.status in UNAUTHORIZED:
                return reply
            if reply.status >= HTTPStatus.BAD_REQUEST:
                self._notices.once("image", "the server refuses an image: %s", _detail(reply))
            self._uploaded.add(digest)
        return None

    def _conclude(self, reply: Reply, portion: Portion) -> Outcome:  # noqa: PLR0911 - one for each answer
        if reply.status == HTTPStatus.OK:
            return self._received(reply, portion)
        self.obstacle = _detail(reply)
        problem = _problem(reply)
        match reply.status, problem.get("type"), problem.get("expected"):
            case ((401 | 403), _, _):
                return Outcome.UNAUTHORIZED
            case 409, "gap", int(expected):
                return self._turn(expected)
            case 409, ("diverged" | "run-taken"), _:
                note_refusal(self._spool, self.obstacle)
                return Outcome.STOPPED
            case 404, "unknown-writer", _:
                self._uploaded.clear()
                return self._turn(1)
            case ((400 | 413 | 422), _, _) if portion.entries:
                return self._narrow(portion.entries)
            case _:
                return Outcome.UNREACHABLE

    def _received(self, reply: Reply, portion: Portion) -> Outcome:
        try:
            receipt = receipt_decoder.decode(reply.body)
        except msgspec.MsgspecError:
            self.obstacle = "something answers that is not the service"
            return Outcome.UNREACHABLE
        self._receive(receipt)
        self._unanswered = None
        self.rejected += len(receipt.rejected)
        for rejection in receipt.rejected:
            self._notices.once(
                f"value {rejection.key}",
                "the server does not store %s = %s: %s",
                *(rejection.key, rejection.value, rejection.reason),
            )
        # A heartbeat finds out where the server stands; after a batch it cannot be before its end.
        is_ahead = bool(portion.entries) and receipt.high_water >= portion.after.sequence
        if receipt.high_water != portion.after.sequence - 1 and not is_ahead:
            return self._turn(receipt.high_water + 1)
        self._has_turned = False
        self._acknowledge(*portion)
        return Outcome.DELIVERED

    def _acknowledge(self, entries: list[Entry], position: Position) -> None:
        self.position = position
        if not entries:
            return
        self._most = min(2 * self._most, BATCH_RECORDS)
        self.is_behind = len(entries) > 1 and sum(entry.size for entry in entries) > BATCH_BYTES // 2
        for entry in entries:
            if isinstance(entry.payload, Gap):
                self._gaps[entry.sequence] = entry.last
        write_position(self._spool, position)
        for digest in _digests(entries):
            self._freed(self._images.remove(digest))
            self._uploaded.discard(digest)
        for segment in segments(self._spool):
            # The first one says what the run is, should the server forget: it stays until all is delivered.
            if 1 < first_of(segment) < position.segment:
                self._freed(remove_segment(segment))

    def _turn(self, expected: int) -> Outcome:
        """Go on with the record that the server expects; two turns in a row lead nowhere."""
        self._unanswered = None
        self.position = self._reader.seek(expected)
        if self._has_turned:
            return Outcome.UNREACHABLE
        self._has_turned = True
        return Outcome.TURNED

    def _narrow(self, entries: list[Entry]) -> Outcome:
        """Nothing of the batch was applied: find the record that is at fault, and do without it."""
        self._unanswered = None
        if len(entries) > 1:
            self._most = len(entries) // 2
        else:
            entry = entries[0]
            self._notices.once("record", "the server refuses a record: %s", self.obstacle)
            self._reader.give_up(entry.sequence, f"refused by the server: {self.obstacle}")
        return Outcome.TURNED


def _digests(entries: list[Entry]) -> list[str]:
    return [entry.payload.digest for entry in entries if isinstance(entry.payload, Image)]


def _problem(reply: Reply) -> dict[str, Any]:
    try:
        return msgspec.json.decode(reply.body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}


def _detail(reply: Reply) -> str:
    problem = _problem(reply)
    return f"{reply.status} {problem.get('detail') or problem.get('title') or ''}".rstrip()
