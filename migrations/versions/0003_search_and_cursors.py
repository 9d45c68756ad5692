"""What runs are searched by, where a list shows them, and from when on a cursor can be resumed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOST_LEAVES = 1000

facet = sa.table(
    "facet",
    *(sa.column(name) for name in ("run_id", "key", "place", "text", "folded", "number")),
)
run = sa.table(
    "run",
    *(sa.column(name) for name in ("id", "name", "project", "notes")),
    *(sa.column(name, sa.JSON) for name in ("tags", "config")),
)


def upgrade() -> None:
    op.add_column("run", sa.Column("born", sa.Float(precision=53), server_default="0", nullable=False))
    op.add_column("run", sa.Column("last_step", BIG, nullable=True))
    op.add_column("run", sa.Column("horizon", BIG, server_default="0", nullable=False))
    op.execute("UPDATE run SET born = created, horizon = version")
    op.execute(
        "UPDATE run SET last_step = coalesce("
        "(SELECT max(last_step) FROM total WHERE total.run_id = run.id AND total.attempt = run.attempt), "
        "(SELECT from_step FROM attempt WHERE attempt.run_id = run.id AND attempt.number = run.attempt))"
    )
    op.create_index("ix_series_run_id_role", "series", ["run_id", "role"])
    op.create_index("ix_alert_began", "alert", ["began"])
    op.create_table(
        "facet",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("place", BIG, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("folded", sa.Text(), nullable=False),
        sa.Column("number", sa.Float(precision=53), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_facet_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "key", "place", name="pk_facet"),
    )
    connection = op.get_bind()
    for row in connection.execute(sa.select(run)).all():
        connection.execute(facet.insert(), list(_facets(row)))


def _facets(row):
    texts = [("name", row.name), ("project", row.project), ("id", row.id)]
    texts += [("notes", row.notes)] if row.notes else []
    texts += [("tag", tag) for tag in dict.fromkeys(row.tags)]
    texts += list(_leaves(row.config, "config"))[:MOST_LEAVES]
    places = {}
    for path, value in texts:
        key = path[:512]
        places[key] = place = places.get(key, -1) + 1
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        text = str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)
        text = text[:1024] if key.startswith("config.") else text
        yield {
            "run_id": row.id,
            "key": key,
            "place": place,
            "text": text,
            "folded": text.casefold(),
            "number": _float_of(value) if is_number else None,
        }


def _float_of(value):
    try:
        return float(value)
    except OverflowError:
        return None


def _leaves(value, path):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}.{index}")
    else:
        yield path, value


def downgrade() -> None:
    op.drop_table("facet")
    op.drop_index("ix_alert_began", "alert")
    op.drop_index("ix_series_run_id_role", "series")
    op.drop_column("run", "horizon")
    op.drop_column("run", "last_step")
    op.drop_column("run", "born")
