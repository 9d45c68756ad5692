"""Which schema a database has, and which this program wants."""

from __future__ import annotations

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from monitor.store.database import VERSION_TABLE, migrations_directory


def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(migrations_directory()).replace("%", "%%"))
    return ScriptDirectory.from_config(config)


def revision_of(c: Connection) -> str | None:
    """None for a database without tables of ours."""
    return MigrationContext.configure(c, opts={"version_table": VERSION_TABLE}).get_current_revision()


def newest_revision() -> str:
    newest = scripts().get_current_head()
    assert newest is not None
    return newest
