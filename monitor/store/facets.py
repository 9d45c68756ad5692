"""What runs are searched by, as one table of (key, text, number): name, tags, configuration ...

JSON is asked differently by every database, and case is folded differently, so that a search over the run's
own row would not answer alike on SQLite and PostgreSQL. These rows are derived from it and rewritten with it.
The leaf ``{"critic": {"kind": "gn"}}`` of a configuration has the key ``config.critic.kind``; an entry of a
list has its index as a part.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from typing import Any

from sqlalchemy import Connection, delete, select

from monitor.store.database import insert_into
from monitor.store.plain import INDEXED, SHORT, plain_text
from monitor.store.schema import Facet, Run

#: Leaves of a configuration that can be searched.
MOST_LEAVES = 1000
CONFIG = "config."
#: The keys that a word alone is looked for in.
SPOKEN = ("name", "project", "id", "tag", "notes")


def fold(text: str) -> str:
    """The text as it is compared without regard to case."""
    return text.casefold()


def index_run(c: Connection, run_id: str) -> None:
    """Rewrite what the run is searched by. To be called whenever one of it was written."""
    run = c.execute(
        select(Run.id, Run.name, Run.project, Run.notes, Run.tags, Run.config).where(Run.id == run_id)
    ).one()
    c.execute(delete(Facet).where(Facet.run_id == run_id))
    spoken: dict[str, list[Any]] = {
        "name": [run.name],
        "project": [run.project],
        "id": [run.id],
        "notes": [run.notes] if run.notes else [],
        "tag": list(dict.fromkeys(run.tags)),
    }
    rows = [
        _row(run_id, key, place, text) for key, texts in spoken.items() for place, text in enumerate(texts)
    ]
    seen: dict[str, count[int]] = {}
    for path, value in islice(_leaves(run.config, "config"), MOST_LEAVES):
        key = plain_text(path, INDEXED)
        rows.append(_row(run_id, key, next(seen.setdefault(key, count())), value))
    c.execute(insert_into(c, Facet), rows)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    match value:
        case dict():
            for key, item in value.items():
                yield from _leaves(item, f"{path}.{key}")
        case list():
            for index, item in enumerate(value):
                yield from _leaves(item, f"{path}.{index}")
        case _:
            yield path, value


def _row(run_id: str, key: str, place: int, value: Any) -> dict[str, Any]:
    text = plain_text(_text_of(value), SHORT) if key.startswith(CONFIG) else value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return {
        "run_id": run_id,
        "key": key,
        "place": place,
        "text": text,
        "folded": fold(text),
        "number": _float_of(value) if is_number else None,
    }


def _text_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def _float_of(value: float) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None
