"""Run by ``Database.migrate()``, inside a transaction that is already open."""

from alembic import context

from monitor.store.database import VERSION_TABLE
from monitor.store.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
