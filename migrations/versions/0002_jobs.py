"""Jobs: recipes that wait for a worker."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("recipe", sa.String(length=64), nullable=False),
        sa.Column("overrides", sa.JSON(), nullable=False),
        sa.Column("priority", BIG, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("created", sa.Float(precision=53), nullable=False),
        sa.Column("began", sa.Float(precision=53), nullable=True),
        sa.Column("ended", sa.Float(precision=53), nullable=True),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("lease", sa.String(length=32), nullable=True),
        sa.Column("expires", sa.Float(precision=53), nullable=True),
        sa.Column("claims", BIG, nullable=False),
        sa.Column("deaths", BIG, nullable=False),
        sa.Column("cancelling", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
        sa.UniqueConstraint("run_id", name="uq_job_run_id"),
    )
    op.create_index("ix_job_created", "job", ["created"])
    op.create_index("ix_job_state_priority_created", "job", ["state", "priority", "created"])


def downgrade() -> None:
    op.drop_table("job")
