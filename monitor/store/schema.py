"""Every table, as SQLAlchemy sees it. The database itself is only ever made and changed by ``migrations/``.

Every key but a job's and a rule's begins with the run, and every query carries it, so that the same schema
can be partitioned or sharded by run. Times are Unix seconds; payloads are documented where they are encoded
(``tail.py``, ``chunks.py``, ``summaries.py``).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    true,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
RUN = String(64)
BIG = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it as a plain class attribute
        dict[str, Any]: JSON,
        list[Any]: JSON,
        float: Float(53),
        bytes: LargeBinary,
        bool: Boolean,
        int: BIG,
    }


def _of_run() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["run_id"], ["run.id"], ondelete="CASCADE")


class Run(Base):
    """One training. ``state``: running, finished, failed, lost."""

    __tablename__ = "run"
    id: Mapped[str] = mapped_column(RUN, primary_key=True)
    project: Mapped[str] = mapped_column(Text, index=True)
    name: Mapped[str] = mapped_column(Text)
    config: Mapped[dict[str, Any]]
    tags: Mapped[list[Any]]
    notes: Mapped[str] = mapped_column(Text, default="")
    commands: Mapped[list[Any]]
    #: What a confirmed turning point asks of it: notify, stop, rollback, rescue.
    on_turning_point: Mapped[str] = mapped_column(String(16), default="notify", server_default="notify")
    state: Mapped[str] = mapped_column(String(16), index=True)
    message: Mapped[str] = mapped_column(Text, default="")
    created: Mapped[float] = mapped_column(index=True)
    last_seen: Mapped[float]
    ended: Mapped[float | None]
    attempt: Mapped[int] = mapped_column(default=0)
    dropped: Mapped[int] = mapped_column(default=0)
    #: Values refused one by one, over all batches.
    rejected: Mapped[int] = mapped_column(default=0)
    archived: Mapped[bool] = mapped_column(default=False)
    #: Counts every change to the run: what a page compares to know that it is stale.
    version: Mapped[int] = mapped_column(default=0)
    #: When the server first heard of it: another run of the same id, after this one is deleted, has another.
    born: Mapped[float] = mapped_column(server_default="0")
    #: The last step of the newest attempt, as a list of runs shows it.
    last_step: Mapped[int | None]
    #: Every batch up to this version is compacted.
    horizon: Mapped[int] = mapped_column(server_default="0")


class Facet(Base):
    """What a run is searched by: its name, its tags, each leaf of its configuration (``facets.py``)."""

    __tablename__ = "facet"
    run_id: Mapped[str] = mapped_column(RUN, primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    #: Tells apart several of one key.
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str] = mapped_column(Text)
    #: The text without regard to case, for words.
    folded: Mapped[str] = mapped_column(Text)
    #: Where the value is a number.
    number: Mapped[float | None]
    __table_args__ = (_of_run(),)


class Attempt(Base):
    """Attempt 0 begins with the run; a later one begins where the run went back to ``from_step``."""

    __tablename__ = "attempt"
    run_id: Mapped[str] = mapped_column(RUN, primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    parent: Mapped[int | None]
    from_step: Mapped[int | None]
    reason: Mapped[str] = mapped_column(Text, default="")
    began: Mapped[float]
    #: {"name", "settings"}: what is done otherwise because the run had turned.
    remedy: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    #: The command that it obeys.
    command: Mapped[str | None] = mapped_column(String(32))
    __table_args__ = (_of_run(),)


class Writer(Base):
    """One process that writes the run, its high-water mark and the checksum chain up to it."""

    __tablename__ = "writer"
    run_id: Mapped[str] = mapped_column(RUN, primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    rank: Mapped[int] = mapped_column(default=0)
    host: Mapped[str] = mapped_column(Text, default="")
    process: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(String(16))
    attempt: Mapped[int] = mapped_column(default=0)
    high_water: Mapped[int] = mapped_column(default=0)
    #: -1 where a batch came without checksums, so that nobody knows it.
    chain: Mapped[int] = mapped_column(default=0)
    #: The chain after each of the latest records, to tell other content under known numbers (``chain.py``).
    recent: Mapped[bytes] = mapped_column(default=b"")
    dropped: Mapped[int] = mapped_column(default=0)
    began: Mapped[float]
    last_seen: Mapped[float]
    #: Whether it said that it goes on with a run that another process began.
    resumed: Mapped[bool] = mapped_column(default=False, server_default=true())
    __table_args__ = (_of_run(),)


class Branch(Base):
    """Which attempt a writer means by a number (``attempts.py``)."""

    __tablename__ = "branch"
    run_id: Mapped[str] = mapped_column(RUN, primary_key=True)
    writer: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    attempt: Mapped[int]
    __table_args__ = (_of_run(),)


class Series(Base):
    """One named stream of a run. ``id`` is small and local to the run."""

    __tablename__ = "series"
    run_id: Mapped[str] = mapped_column(RUN, primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(16))
    unit: Mapped[str] = mapped_column(Text, default="")
    direction: Mapped[str] = mapped_column(String(8), default="none")
    lower: Mapped[float | None]
    upper: Mapped[float | None]
    help: Mapped[str] = mapped_column(Text, default="")
    role: Mapped[str | None] = mapped_column(String(64))
    judge: Mapped[str | None] = mapped_column(Text)
    m: Mapped[int | None]
    n: Mapped[int | None]
    __table_args__ = (
        _of_run(),
        Index(None, "run_id", "name", unique=True),
        Index(None, "run_id", "role"),
    )


class Batch(Base):
    """The points of one ingested batch, as they came: the uncompacted tail of a run."""

    __tablename__ = "batch"
    run_id: Mapped[str] = mapped_column(RUN, primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    writer: Mapped[str] = mapped_column(String(64))
    attempt: Mapped[int]
    first: Mapped[int]
    last: Mapped[int]
    received: Mapped[float]
    points: Mapped[int]
    payload: Mapped[bytes]
    __table_args__ = (_of_run(),)


class DamagedBatch(Base):
    """A batch whose bytes were not what was stored, kept for whoever can make something of it."""

    __tablename__ = "damaged_batch"
    run_id: Mapped[str] = mapped_column(RUN, primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    attempt: Mapped[int]
    received: Mapped[float]
    points: Mapped[int]
    reason: Mapped[str] = mapped_column(Text)
    payload: Mapped[bytes]
    __table_args__ = (_of_run(),)


class Chunk(Base):
    """Points ``4096 * number`` and on of a series and attempt; all but the last are full."""

    __tablename__ = "chunk"
    run_id: Mapped[str] = mapped_column(RUN, primary_key=True)
    series_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    payload: Mapped[bytes]
    __table_args__ = (_of_run(),)


class Summary(Base):
    """Up to 64 entries, each the summary of a block of compacted points."""

    __tablename__ = "summary"
    run_id: Mapped[str] = mapped_column(RUN, primary_key=True)
    series_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    entries: Mapped[bytes]
    __table_args__ = (_of_run(),)


class Total(Base):
    """What a series holds in an attempt; the first ``compacted`` of its points are in chunks."""

    __tablename__ = "total"
    run_id: Mapped[str] = mapped_column(RUN, primary_key=True)
    series_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    count: Mapped[int]
    non_finite: Mapped[int]
    first_step: Mapped[int]
    last_step: Mapped[int]
    last_time: Mapped[float]
    #: The value at ``last_step`` as text, like ``MarkValue.value``; of a distribution its mean.
    last: Mapped[str] = mapped_column(String(32))
    compacted: Mapped[int] = mapped_column(default=0)
    __table_args__ = (_of_run(),)


class Mark(Base):
    """An evaluation mark: one detector record."""

    __tablename__ = "mark"
    run_id: Mapped[str] = mapped_column(RUN, primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    index: Mapped[int] = mapped_column(primary_key=True)
    step: Mapped[int]
    epoch: Mapped[float | None]
    images_seen: Mapped[int | None]
    time: Mapped[float]
    expects: Mapped[list[Any]]
    __table_args__ = (_of_run(),)


class MarkValue(Base):
    """What was measured at a mark, by series: the few numbers that the detector waits for."""

    __tablename__ = "mark_value"
    run_id: Mapped[str] = mapped_column(RUN, primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    index: Mapped[int] = mapped_column(primary_key=True)
    series_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    #: The text form of the float64 ("NaN", "Infinity" and "-Infinity" among them: SQLite stores NaN as NULL).
    value: Mapped[str] = mapped_column(String(32))
    __table_args__ = (_of_run(),)


class Gap(Base):
    """Records ``first..last`` of a writer that are lost for good."""

    __tablename__ = "gap"
    run_id: Mapped[str] = mapped_column(RUN, primary_key=True)
    writer: Mapped[str] = mapped_column(String(64), primary_key=True)
    first: Mapped[int] = mapped_column(primary_key=True)
    last: Mapped[int]
    time: Mapped[float]
    reason: Mapped[str] = mapped_column(Text)
    __table_args__ = (_of_run(),)


class Blob(Base):
    """The bytes of an image, re-encoded here, under the SHA-256 of what was uploaded."""

    __tablename__ = "blob"
    run_id: Mapped[str] = mapped_column(RUN, primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    media_type: Mapped[str] = mapped_column(String(32))
    width: Mapped[int]
    height: Mapped[int]
    data: Mapped[bytes]
    #: No foreign key: an image is uploaded before the batch that begins its run may have arrived.


class Image(Base):
    """An image grid at a step."""

    __tablename__ = "image"
    run_id: Mapped[str] = mapped_column(RUN, primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    writer: Mapped[str] = mapped_column(String(64), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    step: Mapped[int]
    mark: Mapped[int | None]
    time: Mapped[float]
    digest: Mapped[str] = mapped_column(String(64))
    caption: Mapped[str] = mapped_column(Text, default="")
    rows: Mapped[int]
    columns: Mapped[int]
    scores: Mapped[list[Any]]
    __table_args__ = (_of_run(), Index(None, "run_id", "name", "step"))


class Command(Base):
    """Something a run was asked to do. ``outcome`` is null until it is acknowledged."""

    __tablename__ = "command"
    run_id: Mapped[str] = mapped_column(RUN, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    attempt: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))
    parameters: Mapped[dict[str, Any]]
    issued: Mapped[float]
    expires: Mapped[float]
    outcome: Mapped[str | None] = mapped_column(String(16))
    detail: Mapped[str] = mapped_column(Text, default="")
    __table_args__ = (_of_run(),)


class DetectorState(Base):
    """Where a detector stands in an attempt: the next mark it reads, and all that it remembers."""

    __tablename__ = "detector_state"
    run_id: Mapped[str] = mapped_column(RUN, primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    detector: Mapped[str] = mapped_column(String(64), primary_key=True)
    cursor: Mapped[int]
    state: Mapped[dict[str, Any]]
    #: Marks of the attempt that it has judged. In the index, so that adding them up reads no state.
    judged: Mapped[int] = mapped_column(default=0, server_default="0")
    __table_args__ = (_of_run(), Index(None, "detector", "judged"))


class RuleState(Base):
    """Where the rules stand in an attempt: the newest batch they have read, and all that they remember."""

    __tablename__ = "rule_state"
    run_id: Mapped[str] = mapped_column(RUN, primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    cursor: Mapped[int]
    state: Mapped[dict[str, Any]]
    __table_args__ = (_of_run(),)


class Rule(Base):
    """Every revision of each rule that was made over HTTP; the newest counts. No run is named in it."""

    __tablename__ = "rule"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    #: As it was given; null where the rule was deleted.
    definition: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    changed: Mapped[float]


class Alert(Base):
    """One episode of trouble. ``state``: pending, firing, resolved; acknowledging is beside it."""

    __tablename__ = "alert"
    run_id: Mapped[str] = mapped_column(RUN, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    attempt: Mapped[int]
    rule: Mapped[str] = mapped_column(String(64))
    episode: Mapped[int]
    state: Mapped[str] = mapped_column(String(16), index=True)
    severity: Mapped[str] = mapped_column(String(16))
    title: Mapped[str] = mapped_column(Text)
    sentence: Mapped[str] = mapped_column(Text)
    #: The turning point's step and epoch, and each signal that moved: {"signal", "before", "after", "unit"}.
    onset_step: Mapped[int | None]
    onset_epoch: Mapped[float | None]
    detected_step: Mapped[int | None]
    detected_epoch: Mapped[float | None]
    signals: Mapped[list[Any]]
    began: Mapped[float] = mapped_column(index=True)
    updated: Mapped[float]
    resolved: Mapped[float | None]
    acknowledged: Mapped[float | None]
    acknowledged_by: Mapped[str] = mapped_column(Text, default="")
    #: Until then nobody is told of it.
    snoozed_until: Mapped[float | None] = mapped_column(index=True)
    snoozed_by: Mapped[str | None] = mapped_column(Text)
    #: When people were last told of it.
    notified: Mapped[float | None] = mapped_column(index=True)
    __table_args__ = (_of_run(), Index(None, "run_id", "attempt", "rule", "episode", unique=True))


class Transition(Base):
    """Each change of an alert's state, in order."""

    __tablename__ = "transition"
    run_id: Mapped[str] = mapped_column(RUN, primary_key=True)
    alert_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    time: Mapped[float]
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text, default="")
    __table_args__ = (_of_run(),)


class Outbox(Base):
    """A notification waiting for a channel, written in the transaction that changed the alert."""

    __tablename__ = "outbox"
    run_id: Mapped[str] = mapped_column(RUN, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    alert_id: Mapped[str] = mapped_column(String(32))
    channel: Mapped[str] = mapped_column(String(64))
    body: Mapped[dict[str, Any]]
    created: Mapped[float]
    next_try: Mapped[float] = mapped_column(index=True)
    tries: Mapped[int] = mapped_column(default=0)
    #: Null while it waits; "delivered" or "given up".
    outcome: Mapped[str | None] = mapped_column(String(16), index=True)
    error: Mapped[str] = mapped_column(Text, default="")
    #: What is told with others in one message: when that was put together, and which it is.
    group_id: Mapped[str | None] = mapped_column(String(32))
    __table_args__ = (_of_run(), Index(None, "channel", "group_id"))


class Job(Base):
    """A recipe waiting for a worker, or what became of it. It has no run before a worker begins one."""

    __tablename__ = "job"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    #: The run that it is trained as, however often it is taken up.
    run_id: Mapped[str] = mapped_column(RUN, unique=True)
    project: Mapped[str] = mapped_column(Text)
    #: Empty where the recipe names the run.
    name: Mapped[str] = mapped_column(Text)
    #: Of the run.
    tags: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    recipe: Mapped[str] = mapped_column(String(64))
    overrides: Mapped[dict[str, Any]]
    #: The higher is taken first.
    priority: Mapped[int]
    #: queued, running, finished, failed, cancelled.
    state: Mapped[str] = mapped_column(String(16))
    message: Mapped[str] = mapped_column(Text, default="")
    created: Mapped[float] = mapped_column(index=True)
    began: Mapped[float | None]
    ended: Mapped[float | None]
    #: Who has it, or had it last, and until when it is theirs unless they are heard of again.
    worker: Mapped[str] = mapped_column(Text, default="")
    lease: Mapped[str | None] = mapped_column(String(32))
    expires: Mapped[float | None]
    #: How often a worker took it, and how often it died with it.
    claims: Mapped[int] = mapped_column(default=0)
    deaths: Mapped[int] = mapped_column(default=0)
    #: Whether a running job is asked to stop.
    cancelling: Mapped[bool] = mapped_column(default=False)
    __table_args__ = (Index(None, "state", "priority", "created"),)
