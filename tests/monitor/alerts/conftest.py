import pytest

from monitor.store.database import Database


@pytest.fixture
def db(database: Database) -> Database:
    """On SQLite, and on PostgreSQL."""
    return database
