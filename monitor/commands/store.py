"""What is done to a whole store: ``ganwatch migrate``, ``copy``, ``backup`` and ``retention``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from monitor.clock import wall_clock
from monitor.errors import Misuse
from monitor.settings import Settings
from monitor.store.backup import back_up
from monitor.store.copying import copy_store, store_at
from monitor.store.database import Database
from monitor.store.retention import Policy, apply_retention, find_expired

Say = Callable[[str], None]


def migrate(settings: Settings, say: Say) -> None:
    settings.prepare_data_dir()
    with closing(Database(settings.database_url)) as stored:
        stored.migrate()
        say(f"{stored.name} is up to date")


def copy(source: str, target: str, say: Say) -> None:
    with closing(store_at(source)) as original, closing(store_at(target)) as duplicate:
        copied = copy_store(original, duplicate)
    rows = sum(copied.values())
    say(f"{original.name} is copied to {duplicate.name}: {copied['run']:,} runs, {rows:,} rows")


def backup(settings: Settings, file: Path, say: Say) -> None:
    with closing(Database(settings.database_url)) as stored:
        size = back_up(stored, file)
    say(f"{stored.name} is backed up in {file}: {size:,} bytes")


def retention(settings: Settings, say: Say, *, dry_run: bool) -> None:
    policy = Policy.of(settings.keep_days, settings.keep_bytes)
    if policy == Policy():
        raise Misuse(
            "keep how much? set --keep-days, --keep-bytes or GANWATCH_KEEP_DAYS, GANWATCH_KEEP_BYTES"
        )
    with closing(Database(settings.database_url)) as stored:
        stored.migrate()
        if dry_run:
            with stored.read() as connection:
                gone = find_expired(connection, policy, wall_clock())
        else:
            gone = apply_retention(stored, policy, wall_clock())
    for run in gone:
        say(f"{run.run} ({run.name}): {run.size} bytes, for its {run.reason}")
    verb = "would be deleted" if dry_run else "deleted"
    noun = "run" if len(gone) == 1 else "runs"
    say(f"{len(gone)} {noun} with {sum(run.size for run in gone)} bytes {verb}")
