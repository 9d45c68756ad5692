"""Which attempt each writer means by a number, and whether it said that it goes on with the run."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "branch",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("writer", sa.String(length=64), nullable=False),
        sa.Column("number", BIG, nullable=False),
        sa.Column("attempt", BIG, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_branch_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "writer", "number", name="pk_branch"),
    )
    op.execute(
        "INSERT INTO branch (run_id, writer, number, attempt) SELECT run_id, id, attempt, attempt FROM writer"
    )
    # Of the writers that are there nobody knows any more what they said.
    op.add_column("writer", sa.Column("resumed", sa.Boolean(), server_default=sa.true(), nullable=False))


def downgrade() -> None:
    op.drop_column("writer", "resumed")
    op.drop_table("branch")
