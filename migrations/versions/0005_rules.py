"""Rules and where they stand, alerts that are snoozed, and notifications that are told together."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "rule",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("revision", BIG, nullable=False),
        sa.Column("definition", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("changed", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("name", "revision", name="pk_rule"),
    )
    op.create_table(
        "rule_state",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("attempt", BIG, nullable=False),
        sa.Column("cursor", BIG, nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_rule_state_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "attempt", name="pk_rule_state"),
    )
    # What is stored by now was logged before there were rules: nobody is to be alarmed about it.
    op.execute(
        "INSERT INTO rule_state (run_id, attempt, cursor, state) SELECT id, attempt, version, '{}' FROM run"
    )
    op.add_column("alert", sa.Column("snoozed_until", sa.Float(precision=53), nullable=True))
    op.add_column("alert", sa.Column("snoozed_by", sa.Text(), nullable=True))
    op.add_column("alert", sa.Column("notified", sa.Float(precision=53), nullable=True))
    op.create_index("ix_alert_snoozed_until", "alert", ["snoozed_until"])
    op.create_index("ix_alert_notified", "alert", ["notified"])
    op.add_column("outbox", sa.Column("group_id", sa.String(length=32), nullable=True))
    op.create_index("ix_outbox_channel_group_id", "outbox", ["channel", "group_id"])


def downgrade() -> None:
    op.drop_index("ix_outbox_channel_group_id", "outbox")
    op.drop_column("outbox", "group_id")
    op.drop_index("ix_alert_notified", "alert")
    op.drop_index("ix_alert_snoozed_until", "alert")
    op.drop_column("alert", "notified")
    op.drop_column("alert", "snoozed_by")
    op.drop_column("alert", "snoozed_until")
    op.drop_table("rule_state")
    op.drop_table("rule")
