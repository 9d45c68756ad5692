"""Batches as a training process would send them."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import httpx
import msgspec

from monitor import protocol
from monitor.protocol import Batch, Begin, Declare, Points, Record

MSGPACK = {"Content-Type": protocol.MEDIA_TYPE_MSGPACK}


def begin(sequence: int = 1, **fields: Any) -> Begin:
    return Begin(
        **{"sequence": sequence, "time": 1000.0, "project": "digits", "name": "first light", **fields}
    )


def points(first: int, values: Sequence[float], name: str = "loss/g", step: int = 1) -> Points:
    count = len(values)
    return Points(
        names=[name],
        sequence=protocol.encode_integers(range(first, first + count)),
        step=protocol.encode_integers(range(step, step + count)),
        time=protocol.encode_floats([1000.0 + i for i in range(count)]),
        values=[protocol.encode_floats(values)],
    )


def batch(records: Sequence[Record], first: int = 1, **fields: Any) -> Batch:
    last = max((last_of(record) for record in records), default=first - 1)
    return Batch(**{"writer": "w1", "first": first, "last": last, "records": list(records), **fields})


def last_of(record: Record) -> int:
    if isinstance(record, Points):
        assert isinstance(record.sequence, bytes)
        return int.from_bytes(record.sequence[-8:], "little")
    return record.sequence


def checksummed(sent: Batch) -> Batch:
    """With a checksum of each record's content, one a number."""
    checksums = b"".join(
        zlib.crc32(protocol.msgpack_encoder.encode((sent.records, number))).to_bytes(4, "little")
        for number in range(sent.first, sent.last + 1)
    )
    return msgspec.structs.replace(sent, checksums=checksums)


def send(client: httpx.Client, run: str, sent: Batch) -> httpx.Response:
    body = protocol.msgpack_encoder.encode(sent)
    return client.post(f"/api/v1/runs/{run}/batches", content=body, headers=MSGPACK)


def a_run(client: httpx.Client, run: str, values: Sequence[float] = (1.0, 2.0, 3.0), **fields: Any) -> None:
    """A run that has begun and logged these values."""
    records: list[Record] = [begin(**fields), Declare(sequence=2, name="loss/g", role="loss_G")]
    if values:
        records.append(points(3, values))
    answer = send(client, run, batch(records))
    assert answer.status_code == 200, answer.text
