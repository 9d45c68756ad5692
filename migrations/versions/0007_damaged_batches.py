"""What was damaged and set aside, and the tags of a job's run."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "damaged_batch",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("attempt", BIG, nullable=False),
        sa.Column("received", sa.Float(precision=53), nullable=False),
        sa.Column("points", BIG, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_damaged_batch_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "id", name="pk_damaged_batch"),
    )
    op.add_column("job", sa.Column("tags", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("job", "tags")
    op.drop_table("damaged_batch")
