"""What a training is besides its configuration: where it reports to, where it lies, what it runs on."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where it reports to, where it lies, what it runs on."""

    #: Address of the service (default: GANWATCH_SERVER). Without one, everything waits for ``ganwatch sync``.
    server: str | None = None
    project: str = "default"
    #: Shown on the page (default: the recipe and the seed).
    name: str | None = None
    tags: tuple[str, ...] = ()
    #: Folder of the checkpoints (default: trainings/RUN in GANWATCH_DIR or in ./.ganwatch).
    out: Path | None = None
    #: Go on with the training in ``out``, if there is one.
    resume: bool = False
    #: cpu, cuda, cuda:1 (default: a GPU where there is one).
    device: str | None = None
    #: Measure while training. The weights are the same either way.
    probes: bool = True
    #: No progress bar.
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class SubmitOptions:
    """How a job waits in the service's queue."""

    #: Address of the service (default: GANWATCH_SERVER).
    server: str | None = None
    project: str = "default"
    #: Of the run, shown on the page (default: the recipe and the seed).
    name: str | None = None
    #: Of the run.
    tags: tuple[str, ...] = ()
    #: The higher is trained first.
    priority: int = 0


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """Trains what is queued at the service, one job at a time on each device, until it is stopped."""

    #: Address of the service (default: GANWATCH_SERVER).
    server: str | None = None
    #: cpu, cuda:1 (default: every GPU that can be seen, or the CPU).
    device: str | None = None
