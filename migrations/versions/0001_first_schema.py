"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "blob",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("media_type", sa.String(length=32), nullable=False),
        sa.Column("width", BIG, nullable=False),
        sa.Column("height", BIG, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "digest", name="pk_blob"),
    )
    op.create_table(
        "run",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("commands", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("created", sa.Float(precision=53), nullable=False),
        sa.Column("last_seen", sa.Float(precision=53), nullable=False),
        sa.Column("ended", sa.Float(precision=53), nullable=True),
        sa.Column("attempt", BIG, nullable=False),
        sa.Column("dropped", BIG, nullable=False),
        sa.Column("rejected", BIG, nullable=False),
        sa.Column("archived", sa.Boolean(), nullable=False),
        sa.Column("version", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
    )
    op.create_index("ix_run_created", "run", ["created"])
    op.create_index("ix_run_project", "run", ["project"])
    op.create_index("ix_run_state", "run", ["state"])
    op.create_table(
        "alert",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("attempt", BIG, nullable=False),
        sa.Column("rule", sa.String(length=64), nullable=False),
        sa.Column("episode", BIG, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("onset_step", BIG, nullable=True),
        sa.Column("onset_epoch", sa.Float(precision=53), nullable=True),
        sa.Column("detected_step", BIG, nullable=True),
        sa.Column("detected_epoch", sa.Float(precision=53), nullable=True),
        sa.Column("signals", sa.JSON(), nullable=False),
        sa.Column("began", sa.Float(precision=53), nullable=False),
        sa.Column("updated", sa.Float(precision=53), nullable=False),
        sa.Column("resolved", sa.Float(precision=53), nullable=True),
        sa.Column("acknowledged", sa.Float(precision=53), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_alert_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "id", name="pk_alert"),
    )
    op.create_index(
        "ix_alert_run_id_attempt_rule_episode", "alert", ["run_id", "attempt", "rule", "episode"], unique=True
    )
    op.create_index("ix_alert_state", "alert", ["state"])
    op.create_table(
        "attempt",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("number", BIG, nullable=False),
        sa.Column("parent", BIG, nullable=True),
        sa.Column("from_step", BIG, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("began", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_attempt_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "number", name="pk_attempt"),
    )
    op.create_table(
        "batch",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("writer", sa.String(length=64), nullable=False),
        sa.Column("attempt", BIG, nullable=False),
        sa.Column("first", BIG, nullable=False),
        sa.Column("last", BIG, nullable=False),
        sa.Column("received", sa.Float(precision=53), nullable=False),
        sa.Column("points", BIG, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_batch_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "id", name="pk_batch"),
    )
    op.create_table(
        "chunk",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("series_id", BIG, autoincrement=False, nullable=False),
        sa.Column("attempt", BIG, autoincrement=False, nullable=False),
        sa.Column("number", BIG, autoincrement=False, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_chunk_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "series_id", "attempt", "number", name="pk_chunk"),
    )
    op.create_table(
        "command",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("attempt", BIG, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("issued", sa.Float(precision=53), nullable=False),
        sa.Column("expires", sa.Float(precision=53), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_command_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "id", name="pk_command"),
    )
    op.create_table(
        "detector_state",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("attempt", BIG, nullable=False),
        sa.Column("detector", sa.String(length=64), nullable=False),
        sa.Column("cursor", BIG, nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_detector_state_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "attempt", "detector", name="pk_detector_state"),
    )
    op.create_table(
        "gap",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("writer", sa.String(length=64), nullable=False),
        sa.Column("first", BIG, nullable=False),
        sa.Column("last", BIG, nullable=False),
        sa.Column("time", sa.Float(precision=53), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_gap_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "writer", "first", name="pk_gap"),
    )
    op.create_table(
        "image",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("attempt", BIG, nullable=False),
        sa.Column("writer", sa.String(length=64), nullable=False),
        sa.Column("sequence", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("step", BIG, nullable=False),
        sa.Column("mark", BIG, nullable=True),
        sa.Column("time", sa.Float(precision=53), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("caption", sa.Text(), nullable=False),
        sa.Column("rows", BIG, nullable=False),
        sa.Column("columns", BIG, nullable=False),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_image_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "attempt", "writer", "sequence", name="pk_image"),
    )
    op.create_index("ix_image_run_id_name_step", "image", ["run_id", "name", "step"])
    op.create_table(
        "mark",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("attempt", BIG, nullable=False),
        sa.Column("index", BIG, nullable=False),
        sa.Column("step", BIG, nullable=False),
        sa.Column("epoch", sa.Float(precision=53), nullable=True),
        sa.Column("images_seen", BIG, nullable=True),
        sa.Column("time", sa.Float(precision=53), nullable=False),
        sa.Column("expects", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_mark_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "attempt", "index", name="pk_mark"),
    )
    op.create_table(
        "mark_value",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("attempt", BIG, nullable=False),
        sa.Column("index", BIG, nullable=False),
        sa.Column("series_id", BIG, autoincrement=False, nullable=False),
        sa.Column("value", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_mark_value_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "attempt", "index", "series_id", name="pk_mark_value"),
    )
    op.create_table(
        "outbox",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("alert_id", sa.String(length=32), nullable=False),
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("created", sa.Float(precision=53), nullable=False),
        sa.Column("next_try", sa.Float(precision=53), nullable=False),
        sa.Column("tries", BIG, nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_outbox_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_next_try", "outbox", ["next_try"])
    op.create_index("ix_outbox_outcome", "outbox", ["outcome"])
    op.create_table(
        "series",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("direction", sa.String(length=8), nullable=False),
        sa.Column("lower", sa.Float(precision=53), nullable=True),
        sa.Column("upper", sa.Float(precision=53), nullable=True),
        sa.Column("help", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=64), nullable=True),
        sa.Column("judge", sa.Text(), nullable=True),
        sa.Column("m", BIG, nullable=True),
        sa.Column("n", BIG, nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_series_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "id", name="pk_series"),
    )
    op.create_index("ix_series_run_id_name", "series", ["run_id", "name"], unique=True)
    op.create_table(
        "summary",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("series_id", BIG, autoincrement=False, nullable=False),
        sa.Column("attempt", BIG, autoincrement=False, nullable=False),
        sa.Column("level", BIG, autoincrement=False, nullable=False),
        sa.Column("number", BIG, autoincrement=False, nullable=False),
        sa.Column("entries", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_summary_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "series_id", "attempt", "level", "number", name="pk_summary"),
    )
    op.create_table(
        "total",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("series_id", BIG, autoincrement=False, nullable=False),
        sa.Column("attempt", BIG, autoincrement=False, nullable=False),
        sa.Column("count", BIG, nullable=False),
        sa.Column("non_finite", BIG, nullable=False),
        sa.Column("first_step", BIG, nullable=False),
        sa.Column("last_step", BIG, nullable=False),
        sa.Column("last_time", sa.Float(precision=53), nullable=False),
        sa.Column("last", sa.String(length=32), nullable=False),
        sa.Column("compacted", BIG, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_total_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "series_id", "attempt", name="pk_total"),
    )
    op.create_table(
        "transition",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("alert_id", sa.String(length=32), nullable=False),
        sa.Column("number", BIG, nullable=False),
        sa.Column("time", sa.Float(precision=53), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_transition_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "alert_id", "number", name="pk_transition"),
    )
    op.create_table(
        "writer",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("rank", BIG, nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("process", BIG, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempt", BIG, nullable=False),
        sa.Column("high_water", BIG, nullable=False),
        sa.Column("chain", BIG, nullable=False),
        sa.Column("recent", sa.LargeBinary(), nullable=False),
        sa.Column("dropped", BIG, nullable=False),
        sa.Column("began", sa.Float(precision=53), nullable=False),
        sa.Column("last_seen", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_writer_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "id", name="pk_writer"),
    )


def downgrade() -> None:
    op.drop_table("writer")
    op.drop_table("transition")
    op.drop_table("total")
    op.drop_table("summary")
    op.drop_table("series")
    op.drop_table("outbox")
    op.drop_table("mark_value")
    op.drop_table("mark")
    op.drop_table("image")
    op.drop_table("gap")
    op.drop_table("detector_state")
    op.drop_table("command")
    op.drop_table("chunk")
    op.drop_table("batch")
    op.drop_table("attempt")
    op.drop_table("alert")
    op.drop_table("run")
    op.drop_table("blob")
