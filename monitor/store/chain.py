"""Which records a batch covers, and whether what it says again is what was said before."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor import protocol
from monitor.errors import Problem
from monitor.store.columns import Table

UNKNOWN = -1
#: Records to which a repetition can be compared: the last ones, and of each batch no more than so many.
REMEMBERED, OF_A_BATCH = 64, 16
_LINK = np.dtype([("sequence", "<u8"), ("chain", "<u4")])


@dataclass(frozen=True)
class Cover:
    """The last sequence number of each record of a batch, ascending, and the records' checksums."""

    lasts: NDArray[np.int64]
    chain: int
    checksums: bytes

    def chain_after(self, sequence: int) -> int | None:
        """The chain after the record that ends with ``sequence``; None where none does or nobody knows."""
        if not self.checksums and len(self.lasts):
            return None
        index = int(np.searchsorted(self.lasts, sequence))
        if index == len(self.lasts) or self.lasts[index] != sequence:
            return None
        return zlib.crc32(self.checksums[: 4 * (index + 1)], self.chain)

    def links(self, recent: bytes) -> bytes:
        """``recent`` with the records of this batch behind it, cut to the latest."""
        if not self.checksums:
            return b""
        links = np.empty(min(len(self.lasts), OF_A_BATCH), _LINK)
        skipped = len(self.lasts) - len(links)
        links["sequence"] = self.lasts[skipped:]
        chain = zlib.crc32(self.checksums[: 4 * skipped], self.chain)
        for i in range(len(links)):
            at = 4 * (skipped + i)
            chain = zlib.crc32(self.checksums[at : at + 4], chain)
            links["chain"][i] = chain
        before = np.frombuffer(recent, _LINK)
        joined = np.concatenate([before[before["sequence"] < self.lasts[0]], links])
        return joined[-REMEMBERED:].tobytes()


def read_cover(batch: protocol.Batch, tables: list[Table]) -> Cover:
    """What the batch covers, or a 400 where that is not ``first..last`` without hole or repetition."""
    others = [record for record in batch.records if not isinstance(record, protocol.Points)]
    firsts = np.concatenate(
        [np.array([record.sequence for record in others], np.int64), *(table.sequence for table in tables)]
    )
    lasts = firsts.copy()
    for i, record in enumerate(others):
        if isinstance(record, protocol.Gap):
            lasts[i] = record.last
    order = np.argsort(firsts, kind="stable")
    firsts, lasts = firsts[order], lasts[order]
    expected = np.concatenate([[batch.first], lasts + 1])
    if not np.array_equal(np.append(firsts, batch.last + 1), expected) or (lasts < firsts).any():
        raise Problem(
            400, "malformed", f"The records are not numbered {batch.first} to {batch.last}.", field="records"
        )
    if len(batch.checksums) not in {0, 4 * len(firsts)}:
        raise Problem(
            400,
            "malformed",
            f"{len(firsts)} records need as many checksums.",
            field="checksums",
        )
    return Cover(lasts, batch.chain & 0xFFFFFFFF, batch.checksums)


def is_diverged(batch: protocol.Batch, cover: Cover, high_water: int, chain: int, recent: bytes) -> bool:
    """Whether the batch says something else than what is stored, as far as either side remembers.

    A spool may be damaged after it was delivered: that a known record comes again as a gap tells nothing.
    """
    if not cover.checksums:
        return False
    links = np.frombuffer(recent, _LINK)
    gaps = (record.sequence for record in batch.records if isinstance(record, protocol.Gap))
    compared = [batch.first - 1]
    if not any(sequence <= high_water for sequence in gaps):
        compared.append(min(batch.last, high_water))
    for sequence in compared:
        stored = chain if sequence == high_water else _find(links, sequence)
        said = cover.chain if sequence == batch.first - 1 else cover.chain_after(sequence)
        if stored is not None and stored not in {UNKNOWN, said}:
            return True
    return False


def _find(links: NDArray[np.void], sequence: int) -> int | None:
    index = int(np.searchsorted(links["sequence"], sequence))
    if index == len(links) or links["sequence"][index] != sequence:
        return None
    return int(links["chain"][index])
