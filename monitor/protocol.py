"""The wire between a training process and the service: one definition for JSON and MessagePack.

A *writer* is one process that logs into a run (DDP ranks are writers of one run). Everything it says is a
**record** with a sequence number of its own, counted from 1 without holes. Records travel in **batches**
``[first..last]``, and the server keeps, for each writer, the highest number it has stored (its *high-water
mark*): what overlaps is skipped, a hole is answered with 409 and the number expected. A range that can never
arrive (a full disk, a damaged frame) is itself a record, ``Gap``.

Every record has a CRC-32 (of its frame in the spool). The chain over a writer's records is the running CRC-32
of those checksums as little-endian uint32, so ``chain_after = zlib.crc32(batch.checksums, batch.chain)``: a
writer that says something else under numbers already stored is found out and answered with 409.

A gap that was found when the spool was read has no frame; its checksum is the CRC-32 of its first and last
number, both as little-endian uint64.

A batch without records is a heartbeat; its answer, like any other, carries the writer's high-water mark and
the commands that wait for the run.

Columns are float64 or int64, as lists in JSON (non-finite numbers as "NaN", "Infinity", "-Infinity") and as
little-endian bytes in MessagePack (lists are accepted there too).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct

PROTOCOL_VERSION = 1
MEDIA_TYPE_MSGPACK = "application/msgpack"

#: What a distribution holds at one step, in this order.
DISTRIBUTION_FIELDS = ("min", "p1", "p5", "p25", "p50", "p75", "p95", "p99", "max", "mean", "n")

Integers = bytes | list[int]
#: int64 little-endian bytes, or a list.
Floats = bytes | list[float | int | str | bool | None]
#: float64 little-endian bytes, or a list; a wrong value in a list is rejected by its key, others are kept.

#: What a run may be called: it is part of paths and addresses.
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
RunId = Annotated[str, Meta(pattern=f"^{RUN_ID.pattern}$")]
WriterId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Sequence = Annotated[int, Meta(ge=1, le=2**53)]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]

SeriesKind = Literal["scalar", "distribution"]
Direction = Literal["higher", "lower", "none"]
#: Angles S of a step and between epoch ends, Q and D, losses, scores, gradient norms, learning rates, weight
#: norms.
ROLES = (
    *("S_G", "S_D", "S_G_ep", "S_D_ep", "Q", "D", "loss_G", "loss_D", "d_real", "d_fake"),
    *("gn_real", "gn_fake", "lr_G", "lr_D", "wn_G", "wn_D"),
)


def role_meant(role: str) -> str | None:
    """The role that a word of the same letters means (``loss_d``); else None."""
    same = (known for known in ROLES if _letters(known) == _letters(role))
    return None if role in ROLES else next(same, None)


def _letters(role: str) -> str:
    return "".join(filter(str.isalnum, role)).casefold()


CommandKind = Literal["stop", "rollback", "change"]
EndState = Literal["finished", "failed"]
#: What a run wants to come of a confirmed turning point. All but the first are commands to it: ``stop``, or
#: ``rollback``, after which the run goes on as it is (rollback) or otherwise (rescue).
OnTurningPoint = Literal["notify", "stop", "rollback", "rescue"]
ASKED_BY: Final[dict[str, CommandKind | None]] = {
    "notify": None,
    "stop": "stop",
    "rollback": "rollback",
    "rescue": "rollback",
}


class Begin(Struct, tag="begin", kw_only=True, forbid_unknown_fields=True):
    """The first record of every writer: which run it writes, and what a stranger must know to read it."""

    sequence: Sequence
    time: float
    project: str
    name: str
    config: dict[str, Any] = {}
    tags: list[str] = []
    #: The kinds of command this run obeys; no other is ever sent to it.
    commands: list[CommandKind] = []
    on_turning_point: OnTurningPoint = "notify"
    rank: int = 0
    host: str = ""
    process: int = 0
    #: True where this writer goes on with a run that another process began.
    resume: bool = False


class Configure(Struct, tag="configure", kw_only=True, forbid_unknown_fields=True):
    """More of the run's configuration, known only now: each key takes the place of what stood under it."""

    sequence: Sequence
    time: float
    config: dict[str, Any]


class Remedy(Struct, kw_only=True, forbid_unknown_fields=True):
    """What a run does otherwise since it went back, because it had turned."""

    name: str
    #: Settings by their names, with what they are now; none where the run goes on as it was.
    settings: dict[str, Any] = {}


class Attempt(Struct, tag="attempt", kw_only=True, forbid_unknown_fields=True):
    """The run went back to ``from_step`` and begins attempt ``number``.

    Its lineage is the parent's points up to that step, then its own. A ``remedy`` is an intervention: what
    the detector learned of weights and gradients holds no longer.
    """

    sequence: Sequence
    time: float
    number: Annotated[int, Meta(ge=1)]
    parent: Annotated[int, Meta(ge=0)]
    from_step: int
    reason: str = ""
    #: None where it was killed and resumed.
    remedy: Remedy | None = None
    #: The id of the command that this obeys; empty where none asked for it.
    command: str = ""


class Declare(Struct, tag="declare", kw_only=True, forbid_unknown_fields=True):
    """What a series is: all that an axis, a tooltip and the detector need to know of it."""

    sequence: Sequence
    name: str
    kind: SeriesKind = "scalar"
    unit: str = ""
    direction: Direction = "none"
    lower: float | None = None
    upper: float | None = None
    help: str = ""
    #: What the turning-point detector takes it for, one of ``ROLES``; rules may ask for others.
    role: str | None = None
    #: Which judge scored the samples ("digits-classifier", "mtcnn", ...), how many modes it tells apart, and
    #: how many samples it saw.
    judge: str | None = None
    m: int | None = None
    n: int | None = None


class Points(Struct, tag="points", kw_only=True, forbid_unknown_fields=True):
    """Calls of ``log`` that named the same series: one row a call, one column a series.

    The rows of a group need not follow each other: a loop that logs by two calls a step makes two groups a
    batch. What logs a series by different calls is kept in order by the order of the groups.

    A column holds ``len(sequence) * width`` values, row after row; ``width`` is 1 for scalars and
    ``len(DISTRIBUTION_FIELDS)`` for distributions.
    """

    names: list[str]
    width: Literal[1, 11] = 1
    sequence: Integers
    step: Integers
    #: Unix seconds.
    time: Floats
    values: list[Floats]
    #: The evaluation mark each row belongs to, -1 for none.
    mark: Integers | None = None


class Mark(Struct, tag="mark", kw_only=True, forbid_unknown_fields=True):
    """An evaluation mark: one detector record. Its values may arrive later and name its index."""

    sequence: Sequence
    time: float
    index: Annotated[int, Meta(ge=0)]
    step: int
    epoch: float | None = None
    images_seen: int | None = None
    #: The roles whose values will name this mark; "late" among them says that the rest may come after later
    #: marks, and surely comes, as NaN where it cannot be measured.
    expects: list[str] = []


class Image(Struct, tag="image", kw_only=True, forbid_unknown_fields=True):
    """A reference to an image grid; its bytes are uploaded beforehand under their SHA-256."""

    sequence: Sequence
    time: float
    name: str
    step: int
    digest: Digest
    mark: int | None = None
    caption: str = ""
    #: Grid layout: rows, columns, and one score a cell where a judge gave one.
    rows: int = 1
    columns: int = 1
    scores: list[float] = []


class End(Struct, tag="end", kw_only=True, forbid_unknown_fields=True):
    """The writer is done: ``finished``, or ``failed`` with the reason."""

    sequence: Sequence
    time: float
    state: EndState
    message: str = ""


class Acknowledgement(Struct, tag="acknowledgement", kw_only=True, forbid_unknown_fields=True):
    """What became of a command."""

    sequence: Sequence
    time: float
    command: str
    outcome: Literal["done", "failed", "ignored"]
    detail: str = ""


class Gap(Struct, tag="gap", kw_only=True, forbid_unknown_fields=True):
    """Records ``sequence..last`` are lost for good, and why. Stored, counted and shown."""

    sequence: Sequence
    last: Sequence
    time: float
    reason: str


Record = Begin | Configure | Attempt | Declare | Points | Mark | Image | End | Acknowledgement | Gap


class Batch(Struct, kw_only=True, forbid_unknown_fields=True):
    """Records ``first..last`` of one writer and attempt. Without records (last == first - 1) a heartbeat."""

    version: int = PROTOCOL_VERSION
    writer: WriterId
    #: The attempt the records belong to; an ``Attempt`` record is the first of the attempt it begins.
    attempt: Annotated[int, Meta(ge=0)] = 0
    first: Sequence
    last: Annotated[int, Meta(ge=0)]
    #: The chain before ``first``; 0 at the start.
    chain: int = 0
    #: One little-endian uint32 CRC a record, in order of sequence (a Gap is one record). Empty: the chain is
    #: not checked, and not known from then on.
    checksums: bytes = b""
    records: list[Record] = []
    #: Frames dropped so far because nothing could keep them (a full disk).
    dropped: int = 0
    #: True where ``ganwatch sync`` delivers for a dead writer: commands are never given to it.
    replayed: bool = False


class Rejection(Struct, kw_only=True):
    """One value that was not stored, and why; everything else of the batch was."""

    key: str
    value: str
    reason: str


class Command(Struct, kw_only=True):
    """Something the run is asked to do. Repeated in every answer until acknowledged, executed once per id."""

    id: str
    attempt: int
    kind: CommandKind
    parameters: dict[str, Any] = {}
    #: Unix seconds after which it must not be executed.
    expires: float


class Receipt(Struct, kw_only=True):
    """The answer to a batch: everything up to ``high_water`` is stored for good."""

    high_water: int
    rejected: list[Rejection] = []
    commands: list[Command] = []


def encode_integers(values: Any) -> bytes:
    """int64 little-endian bytes of a sequence or array."""
    return np.ascontiguousarray(values, dtype="<i8").tobytes()


def encode_floats(values: Any) -> bytes:
    """float64 little-endian bytes of a sequence or array."""
    return np.ascontiguousarray(values, dtype="<f8").tobytes()


msgpack_encoder = msgspec.msgpack.Encoder()
batch_decoder_msgpack = msgspec.msgpack.Decoder(Batch)
batch_decoder_json = msgspec.json.Decoder(Batch)
receipt_decoder = msgspec.msgpack.Decoder(Receipt)
