"""Rules made over HTTP: every revision is kept, the newest counts, one without a definition deletes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, func, select

from monitor.errors import Problem
from monitor.store.database import Database, insert_into
from monitor.store.plain import plain_text
from monitor.store.schema import Rule

#: Rules that can be made; each is judged on every run that it applies to.
MOST_RULES = 500


class StoredRule(NamedTuple):
    name: str
    revision: int
    definition: dict[str, Any] | None
    changed: float


_COUNT = select(func.count()).select_from(Rule)


def count_revisions(c: Connection) -> int:
    """Of all rules. None is ever taken away, so that the same count means the same rules."""
    return c.execute(_COUNT).scalar_one()


def current_rules(c: Connection) -> list[StoredRule]:
    """The newest revision of each that was not deleted."""
    newest = select(Rule.name, func.max(Rule.revision).label("revision")).group_by(Rule.name).subquery()
    rows = c.execute(
        select(Rule.name, Rule.revision, Rule.definition, Rule.changed)
        .join(newest, and_(newest.c.name == Rule.name, newest.c.revision == Rule.revision))
        .order_by(Rule.name)
    )
    found = (StoredRule(*row) for row in rows)
    return [rule for rule in found if rule.definition is not None]


def list_revisions(c: Connection, name: str) -> list[StoredRule]:
    """All revisions of a rule, the newest first."""
    rows = c.execute(
        select(Rule.name, Rule.revision, Rule.definition, Rule.changed)
        .where(Rule.name == plain_text(name))
        .order_by(Rule.revision.desc())
    )
    return [StoredRule(*row) for row in rows]


def write_rule(
    db: Database, name: str, definition: Mapping[str, Any] | None, expected: int | None, now: float
) -> StoredRule:
    """Make the next revision; None deletes. ``expected`` is the revision to be replaced, 0 for none."""
    with db.write() as c:
        if not db.is_sqlite:
            c.exec_driver_sql("LOCK TABLE rule IN SHARE ROW EXCLUSIVE MODE")
        revisions = list_revisions(c, name)
        newest = revisions[0] if revisions else None
        current = newest.revision if newest is not None and newest.definition is not None else 0
        if expected is not None and expected != current:
            raise Problem(
                409,
                "changed-meanwhile",
                f"The rule {name!r} has revision {current}, not {expected}; read it again and decide anew.",
                field="revision",
                revision=current,
            )
        if definition is None and not current:
            raise Problem(404, "unknown-rule", f"No rule {name!r} was made over HTTP.", field="name")
        if not current and len(current_rules(c)) >= MOST_RULES:
            raise Problem(422, "too-many-rules", f"There are {MOST_RULES} rules; delete some.", field="name")
        made = StoredRule(
            name,
            1 if newest is None else newest.revision + 1,
            None if definition is None else dict(definition),
            now,
        )
        c.execute(insert_into(c, Rule).values(**made._asdict()))
        return made
