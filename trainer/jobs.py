"""The service's queue of jobs, as those see it who work it off."""

from typing import Annotated, Any, Literal, NoReturn, TypeVar

import msgspec

from monitor.client.address import Address, needed_address
from monitor.client.transport import HttpTransport, Reply, Transport, Unreachable
from monitor.errors import Misuse
from monitor.protocol import Remedy
from trainer.errors import TrainingError

T = TypeVar("T")
Outcome = Literal["finished", "failed", "cancelled", "returned", "died"]

_JSON = "application/json"
#: Answers that a later try may not meet again.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 507})


class Job(msgspec.Struct, frozen=True):
    """A recipe to be trained as ``run``, ours for ``lease_seconds`` from every sign of life on."""

    id: str
    #: Names a folder here, whatever the service sends.
    run: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    recipe: str
    overrides: dict[str, Any]
    project: str
    name: str
    lease: str
    lease_seconds: float
    #: The newest attempt of the run; None where it has not begun.
    attempt: int | None = None
    tags: tuple[str, ...] = ()
    #: What the run does otherwise since it turned.
    remedies: tuple[Remedy, ...] = ()


class Kept(msgspec.Struct, frozen=True):
    """The answer to a sign of life."""

    cancel: bool


class QueueError(TrainingError):
    """The service will not have it, and asking again is of no use."""


class LeaseLostError(TrainingError):
    """The job is another's by now."""


class Queue:
    """Raises ``Unreachable`` where asking again may help."""

    def __init__(self, address: Address) -> None:
        self._transport: Transport = HttpTransport(address)

    def submit(self, wanted: dict[str, Any]) -> dict[str, Any]:
        return _read(self._post("/jobs", wanted), dict[str, Any])

    def claim(self, worker: str) -> Job | None:
        """The next job, if one waits."""
        reply = self._post("/jobs/claim", {"worker": worker})
        return None if reply.status == 204 else _read(reply, Job)

    def keep(self, job: Job) -> bool:
        """A sign of life. Whether the job is to be stopped."""
        reply = self._post(f"/jobs/{job.id}/heartbeat", {"lease": job.lease})
        return _read(reply, Kept).cancel

    def finish(self, job: Job, outcome: Outcome, message: str) -> None:
        said = {"lease": job.lease, "outcome": outcome, "message": message[:16384]}
        self._post(f"/jobs/{job.id}/finish", said)

    def close(self) -> None:
        self._transport.close()

    def _post(self, path: str, said: dict[str, Any]) -> Reply:
        reply = self._transport.post(path, msgspec.json.encode(said), _JSON)
        return reply if reply.status < 300 else _refused(reply)


def queue_address(server: str | None) -> Address:
    try:
        return needed_address(server)
    except Misuse as problem:
        raise TrainingError(str(problem)) from problem


def _read(reply: Reply, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except msgspec.ValidationError as problem:
        raise QueueError(
            f"the service answers as another version does ({problem}): let it and the worker have the same"
        ) from problem
    except msgspec.DecodeError as problem:  # a proxy's page
        raise Unreachable(f"what answers is not the service: {problem}") from problem


def _refused(reply: Reply) -> NoReturn:
    try:
        problem = msgspec.json.decode(reply.body)
        kind, detail, field = problem["type"], problem["detail"], problem["field"]
    except (msgspec.MsgspecError, KeyError, TypeError):
        kind, detail, field = "", f"it answered with status {reply.status}", None
    if reply.status in _PASSING:
        raise Unreachable(detail)
    if kind in {"lease-lost", "unknown-job"}:
        raise LeaseLostError(detail)
    raise QueueError(f"the service refuses: {f'{field}: ' if field else ''}{detail}")
