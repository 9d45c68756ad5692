"""All examinations, in the order in which their remedies are best followed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from monitor.doctor.findings import Finding, examine
from monitor.doctor.installation import examine_disk, examine_installation
from monitor.doctor.spool import examine_spools
from monitor.errors import Misuse


def examine_all(
    directory: Path, data_dir: Path | None = None, database: str | None = None
) -> Iterator[Finding]:
    """``directory`` is where trainings log. On a machine that only trains there is no service to look at."""
    yield from examine("installation", examine_installation)
    if all(find_spec(module) for module in ("pydantic_settings", "sqlalchemy", "alembic")):
        yield from _examine_service(data_dir, database)
    yield from examine("disk", partial(examine_disk, directory))
    yield from examine("spool", partial(examine_spools, directory))


def _examine_service(data_dir: Path | None, database: str | None) -> Iterator[Finding]:
    from monitor.doctor import service  # noqa: PLC0415
    from monitor.doctor.store import examine_store  # noqa: PLC0415
    from monitor.settings import load_settings  # noqa: PLC0415

    try:
        settings = load_settings(data_dir=data_dir, database=database)
        url = settings.database_url
    except Misuse as misuse:
        yield Finding("wrong", "settings", str(misuse), "correct it and ask again")
        return
    yield from examine("token", partial(service.examine_token, settings))
    yield from examine("store", partial(examine_store, url))
    yield from examine("disk", partial(examine_disk, settings.data_dir))
    yield from examine("port", partial(service.examine_port, settings))
    yield from examine("server", service.examine_server)
