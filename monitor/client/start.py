"""How a run begins: what was not said is taken from the environment."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterable
from pathlib import Path
from time import gmtime, strftime
from time import time as now
from typing import Any

import msgspec

from monitor import protocol
from monitor.client.address import Address, server_address
from monitor.client.commands import Inbox
from monitor.client.configuration import plain_config
from monitor.client.delivery import Delivery
from monitor.client.expiry import SPOOL_SECONDS
from monitor.client.layout import quarantine_directory
from monitor.client.notices import Notices
from monitor.client.position import Position
from monitor.client.progress import Progress, progress_path, read_progress
from monitor.client.reader import Reader
from monitor.client.run import Run
from monitor.client.sender import Sender
from monitor.client.spool import SPOOL_BYTES, Spool
from monitor.client.sync import deliver_orphans
from monitor.client.transport import HttpTransport

#: Between two samples of the machine.
SYSTEM_SECONDS = 10.0
#: What the first record of a run may take: it travels as one.
MAX_CONFIG = 512 * 1024


def init(
    project: str = "default",
    name: str | None = None,
    *,
    config: Any = None,
    tags: Iterable[str] = (),
    server: str | None = None,
    token: str | None = None,
    id: str | None = None,  # noqa: A002 - as the run shows it
    resume: bool = False,
    rank: int = 0,
    commands: Iterable[protocol.CommandKind] = (),
    on_turning_point: protocol.OnTurningPoint = "notify",
    directory: str | Path | None = None,
    attempt: int | None = None,
    spool_limit: int = SPOOL_BYTES,
    spool_age: float = SPOOL_SECONDS,
    system_interval: float = SYSTEM_SECONDS,
) -> Run:
    """Begin a run, or with ``resume`` go on with the run ``id``. Raises ValueError or TypeError on misuse.

    ``server`` and ``token`` default to ``GANWATCH_SERVER`` and ``GANWATCH_TOKEN``; without a server
    everything stays in the spool under ``directory`` (``GANWATCH_DIR``, else ``./.ganwatch``) until `ganwatch
    sync`. ``config`` is a mapping or a dataclass, ``commands`` the kinds of command this run obeys. A resumed
    run takes its attempt from the disk it ran on, or from ``attempt``; say `rewind` where it goes on from.
    ``on_turning_point`` is what a confirmed turning point asks of it: nothing ("notify"), a command to
    "stop", or one to go back before it ("rollback", "rescue"); ``commands`` must allow the kind, stop or
    rollback.

    What waits for a server that is away is kept up to ``spool_limit`` bytes, beyond which new numbers are
    lost, and for ``spool_age`` seconds, after which the oldest are; what is lost is counted and shown.
    Every ``system_interval`` seconds the load of processors, memory and GPUs is logged as ``system/...``; 0
    for none.
    """
    if resume and id is None:
        raise ValueError("resume needs the id of the run to go on with")
    for field, words in (("tags", tags), ("commands", commands)):
        if isinstance(words, str):
            raise TypeError(f"{field} is {words!r}; it is a list of words: {field}=[{words!r}]")
    run_id = id or f"{strftime('%Y%m%d-%H%M%S', gmtime())}-{secrets.token_hex(3)}"
    if not protocol.RUN_ID.fullmatch(run_id):
        raise ValueError(f"{run_id!r} is no run id: letters, digits, '.', '_' and '-', 64 at most")
    begin = msgspec.convert(
        {
            "sequence": 1,
            "time": now(),
            "project": project,
            "name": run_id if name is None else name,
            "config": plain_config(config),
            "tags": list(tags),
            "commands": list(commands),
            "on_turning_point": on_turning_point,
            "rank": rank,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "resume": resume,
        },
        protocol.Begin,
    )
    asked = protocol.ASKED_BY[begin.on_turning_point]
    if asked is not None and asked not in begin.commands:
        raise ValueError(
            f"on_turning_point={on_turning_point!r} asks the run to {asked}: add {asked!r} to commands"
        )
    if len(protocol.msgpack_encoder.encode(begin)) > MAX_CONFIG:
        raise ValueError(f"config, name and tags are more than {MAX_CONFIG} bytes together")
    place = Path(directory or os.environ.get("GANWATCH_DIR") or ".ganwatch").absolute()
    progress_file = progress_path(place, run_id, rank)
    progress = read_progress(progress_file) if resume else Progress()
    if attempt is not None:
        progress.attempt = attempt
    address = server_address(server, token)
    spool = Spool(
        place,
        run_id,
        f"{rank}-{secrets.token_hex(8)}",
        server=address.base if address else "",
        attempt=progress.attempt,
        limit=spool_limit,
    )
    notices = Notices()
    inbox = Inbox(begin.commands)
    return Run(
        spool,
        begin,
        inbox=inbox,
        notices=notices,
        progress=progress,
        progress_file=progress_file,
        sender=_sender(address, place, spool, inbox, notices, age=spool_age) if address else None,
        url=address.page(run_id) if address else None,
        system_interval=system_interval,
    )


def _sender(
    address: Address, place: Path, spool: Spool, inbox: Inbox, notices: Notices, *, age: float
) -> Sender:
    transport = HttpTransport(address)
    delivery = Delivery(
        spool.run,
        spool.writer,
        spool.directory,
        Reader(spool.directory, quarantine_directory(place, spool.run, spool.writer), held=spool.held),
        transport,
        position=Position(),
        notices=notices,
        dropped=lambda: spool.dropped,
        receive=lambda receipt: inbox.receive(receipt.commands),
        freed=lambda size: spool.grew(-size),
        lost=spool.count_lost,
        age=age,
    )
    # What was meant for another server is not ours to send.
    orphans = deliver_orphans(place, transport, lambda meant: meant in ("", address.base))
    return Sender(delivery, notices, orphans=orphans)
