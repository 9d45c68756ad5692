"""The line between the server processes of one PostgreSQL database: LISTEN, NOTIFY, and an advisory lock.

A process holds one connection for it. What is said is heard by every other process that listens at that
moment, and by nobody later. The lock belongs to the connection, so it is free again when its process is gone.
Both are of the database's session: a pooler between that hands sessions around (PgBouncer in transaction
mode) does not carry them.
"""

from __future__ import annotations

from typing import cast

import psycopg
from psycopg import sql

from monitor.store.database import Database

#: The first of the two numbers of the lock; the second tells apart the stores of one database.
LEADERSHIP = 0x67616E77


class Line:
    """Raises ``psycopg.Error`` where it is cut."""

    def __init__(self, database: Database) -> None:
        pooled = database.engine.raw_connection()
        self._connection = cast("psycopg.Connection", pooled.driver_connection)
        pooled.detach()
        self._connection.autocommit = True
        row = self._connection.execute("SELECT 'run'::regclass::oid::bigint").fetchone()
        assert row is not None
        self._store = int(row[0])
        self._channel = f"ganwatch_{self._store}"
        self._connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))

    def tell(self, messages: list[str]) -> None:
        """All or none of them; each less than 8000 bytes, equal ones are heard once."""
        if messages:
            said = "SELECT pg_notify(%s, message) FROM unnest(%s::text[]) AS message"
            self._connection.execute(said, (self._channel, messages))

    def hear(self, seconds: float) -> list[str]:
        """What the others said, at once where they did and after so many seconds where not."""
        own = self._connection.info.backend_pid
        said = self._connection.notifies(timeout=seconds, stop_after=1)
        return [notify.payload for notify in said if notify.pid != own]

    def lead(self) -> bool:
        """Whether this process is the one that leads, from now on for as long as the line holds."""
        key = self._store - 2**32 if self._store >= 2**31 else self._store
        row = self._connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (LEADERSHIP, key)).fetchone()
        return row is not None and bool(row[0])

    def close(self) -> None:
        self._connection.close()
