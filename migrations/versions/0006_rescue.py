"""What a run wants to come of a turning point, and what its attempts did about one."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "run",
        sa.Column("on_turning_point", sa.String(length=16), server_default="notify", nullable=False),
    )
    op.add_column("attempt", sa.Column("remedy", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("attempt", sa.Column("command", sa.String(length=32), nullable=True))


def downgrade() -> None:
    op.drop_column("attempt", "command")
    op.drop_column("attempt", "remedy")
    op.drop_column("run", "on_turning_point")
