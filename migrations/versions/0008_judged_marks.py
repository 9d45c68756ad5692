"""How many marks of an attempt a detector has judged."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("detector_state", sa.Column("judged", BIG, nullable=False, server_default="0"))
    op.execute(
        """UPDATE detector_state SET judged = (
            SELECT count(*) FROM mark WHERE mark.run_id = detector_state.run_id
            AND mark.attempt = detector_state.attempt AND mark."index" < detector_state.cursor
        )"""
    )
    op.create_index("ix_detector_state_detector_judged", "detector_state", ["detector", "judged"])


def downgrade() -> None:
    op.drop_index("ix_detector_state_detector_judged", "detector_state")
    op.drop_column("detector_state", "judged")
