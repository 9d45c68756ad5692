"""Delivering what processes left behind: without a server, with one that was away, or killed."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

from monitor.client.address import server_address
from monitor.client.delivery import Delivery, Outcome
from monitor.client.layout import (
    all_spools,
    quarantine_directory,
    refusal_of,
    remove_spool,
    segments,
    take_lock,
)
from monitor.client.position import Position, read_position
from monitor.client.reader import Reader
from monitor.client.scan import read_header
from monitor.client.transport import HttpTransport, Transport


@dataclass(frozen=True)
class SpoolReport:
    """What became of the spool of one writer."""

    run: str
    writer: str
    #: Records that the server confirmed now.
    delivered: int
    #: Records that it was told are lost.
    lost: int
    #: Why the rest is still there; empty where all is delivered and the spool is gone.
    obstacle: str = ""


def sync(directory: Path, server: str, token: str | None = None) -> list[SpoolReport]:
    """Deliver every spool under the directory that no living process writes."""
    address = server_address(server, token)
    if address is None:
        raise ValueError("there is no server to deliver to")
    transport = HttpTransport(address)
    try:
        return [report for report in deliver_orphans(directory, transport) if report is not None]
    finally:
        transport.close()


def deliver_orphans(
    directory: Path, transport: Transport, is_meant: Callable[[str], bool] = lambda _: True
) -> Generator[SpoolReport | None]:
    """Yields None between the batches of a spool, and its report in the end.

    ``is_meant`` says by the address of the server that the run was given ("" for none) whether its records
    may go to this one.
    """
    for spool in all_spools(directory):
        run, writer = spool.parent.name, spool.name
        header = next((read_header(segment) for segment in segments(spool)), None)
        if not is_meant(header.server if header else ""):
            continue
        try:
            lock = take_lock(spool)
        except OSError as error:
            yield SpoolReport(run, writer, 0, 0, str(error))
            continue
        if lock is None:
            continue
        try:
            refusal = refusal_of(spool)
            if refusal is None:
                yield from _deliver(directory, spool, transport)
            else:
                yield SpoolReport(run, writer, 0, 0, refusal)
        finally:
            os.close(lock)


def _deliver(directory: Path, spool: Path, transport: Transport) -> Generator[SpoolReport | None]:
    run, writer = spool.parent.name, spool.name
    noted = read_position(spool)
    delivery = Delivery(
        run,
        writer,
        spool,
        Reader(spool, quarantine_directory(directory, run, writer), is_dead=True),
        transport,
        position=noted or Position(),
        replayed=True,
    )
    # Without a note of how far the dead process came, the server is asked.
    outcome = delivery.heartbeat() if noted is None else Outcome.TURNED
    before = delivery.confirmed
    while outcome in (Outcome.DELIVERED, Outcome.TURNED):
        outcome = delivery.step()
        if delivery.is_behind:
            yield None
    if outcome is Outcome.IDLE:
        remove_spool(spool)
    delivered = max(delivery.confirmed - before - delivery.lost, 0)
    obstacle = "" if outcome is Outcome.IDLE else delivery.obstacle
    yield SpoolReport(run, writer, delivered, delivery.lost, obstacle)
