"""gantrain: train a recipe, list and show recipes, go on with a training that was stopped."""

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tyro

from monitor.client.transport import Unreachable
from monitor.client.typed_numbers import NUMBERS
from trainer.config import UNTYPED, Config, to_dict
from trainer.errors import TrainingError
from trainer.jobs import Queue, queue_address
from trainer.options import Options, SubmitOptions, WorkerOptions
from trainer.overrides import changes, recipe_called
from trainer.recipes import PAPERS, RECIPES, Paper
from trainer.spokesman import end_with, held_back
from trainer.worker import run_worker

T = TypeVar("T")

USAGE = """\
usage: gantrain RECIPE [OPTIONS]      train; gantrain RECIPE --help lists every option
       gantrain list                  the recipes
       gantrain show RECIPE           where a recipe comes from, and all its settings
       gantrain resume RUN [OPTIONS]  go on with a training: its folder, or its run's id
       gantrain fidelity RUN [...]    FID and the like of its newest checkpoint, or of one checkpoint file
       gantrain fetch DATASET [...]   download a data set that torchvision can download
       gantrain identities build ...  the people of a set of faces, whom samples are compared with
       gantrain submit RECIPE [...]   queue it at the service, for the next free worker
       gantrain worker [OPTIONS]      train what is queued at the service"""
#: The options of these depend on what is named.
TAKE_A_NAME = ("show", "resume", "fidelity", "fetch", "submit")


@dataclass(frozen=True)
class Arguments:
    """Settings of the recipe, and options of this training."""

    config: Annotated[Config, tyro.conf.arg(name="")]
    options: Annotated[Options, tyro.conf.arg(name="")]


@dataclass(frozen=True)
class Submission:
    """Settings of the recipe, and of its place in the queue."""

    config: Annotated[Config, tyro.conf.arg(name="")]
    options: Annotated[SubmitOptions, tyro.conf.arg(name="")]


@dataclass(frozen=True)
class FetchOptions:
    #: The folder it is put into, and that --data names when it is trained on.
    data: Path


def main(arguments: Sequence[str] | None = None) -> None:
    logging.basicConfig(format="%(message)s")
    logging.getLogger("trainer").setLevel(logging.INFO)
    logging.captureWarnings(True)
    try:
        obey(sys.argv[1:] if arguments is None else arguments)
    except TrainingError as problem:
        end_with(problem)
    except BrokenPipeError:  # who read has had enough, as `head` has
        # Or Python complains at its end of what is still held.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)  # what a shell makes of SIGPIPE


def obey(arguments: Sequence[str]) -> None:
    match list(arguments):
        case [] | ["-h" | "--help"]:
            print(USAGE)
        case [verb] | [verb, "-h" | "--help"] if verb in TAKE_A_NAME:
            print(
                "usage: " + next(line for line in USAGE.splitlines() if f"gantrain {verb} " in line).strip()
            )
        case ["list"]:
            print("\n\n".join(listing(paper) for paper in PAPERS))
        case ["show", name]:
            recipe_called(name)
            show(name)
        case ["resume", where, *options]:
            resume(where, options)
        case ["fidelity", where, *options]:
            print("\n".join(fidelity(where, options)))
        case ["identities", *options]:
            print("\n".join(identities(options)))
        case ["fetch", dataset, *options]:
            fetch(dataset, options)
        case ["submit", name, *options]:
            submit(name, options)
        case ["worker", *options]:
            work(options)
        case [name, *options]:
            start(name, options)


def parsed(kind: type[T], **options: Any) -> T:
    with held_back():
        read: T = tyro.cli(kind, registry=NUMBERS, **options)
    return read


def listing(paper: Paper) -> str:
    width = max(map(len, paper.recipes))
    return "\n".join([paper.title, *(f"  {name:<{width}}  {summary(name)}" for name in paper.recipes)])


def summary(name: str) -> str:
    return described(name).split("\n")[0]


def described(name: str) -> str:
    """As it is read on a terminal, where nothing tells code from words."""
    return (RECIPES[name].__doc__ or "").replace("``", "")


def show(name: str) -> None:
    print("\n".join(line.strip() for line in described(name).splitlines()))
    for flag, value in flags(to_dict(RECIPES[name]())):
        print(f"{flag} {value}".rstrip())


def flags(settings: dict[str, Any], prefix: str = "--") -> Iterator[tuple[str, str]]:
    """Every setting as it is typed."""
    for key, value in settings.items():
        flag = prefix + key.replace("_", "-")
        if isinstance(value, dict):
            yield from flags(value, f"{flag}.")
        elif isinstance(value, bool):
            yield flag if value else f"{prefix}no-{key.replace('_', '-')}", ""
        elif key not in UNTYPED:
            yield flag, " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def start(name: str, arguments: Sequence[str]) -> None:
    chosen = parsed(
        Arguments,
        default=Arguments(recipe_called(name), Options()),
        args=arguments,
        prog=f"gantrain {name}",
        description=summary(name),
    )
    load_torch()
    from trainer.session import run_training  # noqa: PLC0415  torch is slow to import, and --help needs none

    run_training(chosen.config, chosen.options)


def submit(name: str, arguments: Sequence[str]) -> None:
    chosen = parsed(
        Submission,
        default=Submission(recipe_called(name), SubmitOptions()),
        args=arguments,
        prog=f"gantrain submit {name}",
        description=f"Queue: {summary(name)}",
    )
    options = chosen.options
    wanted = {
        "recipe": name,
        "overrides": changes(name, found_from_anywhere(chosen.config)),
        "project": options.project,
        "name": options.name or "",
        "tags": options.tags,
        "priority": options.priority,
    }
    with closing(Queue(queue_address(options.server))) as queue:
        try:
            job = queue.submit(wanted)
        except Unreachable as problem:
            raise TrainingError(f"the service cannot be reached: {problem}") from problem
    print(f"job {job['id']} will be run {job['run']}")


def found_from_anywhere(config: Config) -> Config:
    """A worker trains in another folder than this one: its files are named from the root."""

    def absolute(path: Path | None) -> Path | None:
        return path and path.absolute()

    measured = config.fidelity
    measured = replace(measured, reference=absolute(measured.reference), weights=absolute(measured.weights))
    judges = replace(config.judges, identities=absolute(config.judges.identities))
    return replace(config, data=absolute(config.data), fidelity=measured, judges=judges)


def work(arguments: Sequence[str]) -> None:
    options = parsed(WorkerOptions, args=arguments, prog="gantrain worker")
    if find_spec("torch") is None:
        raise TrainingError("training needs torch: pip install '.[trainer]'")
    run_worker(queue_address(options.server), options.device)


def fidelity(where: str, arguments: Sequence[str]) -> Iterator[str]:
    load_torch()
    from trainer.beginning import trainings  # noqa: PLC0415  as above
    from trainer.fidelity.command import measured_lines  # noqa: PLC0415

    place = Path(where) if Path(where).exists() else trainings() / where
    return measured_lines(place, arguments)


def identities(arguments: Sequence[str]) -> Iterator[str]:
    if list(arguments[:1]) != ["build"]:
        return iter(["usage: gantrain identities build --images PATH [OPTIONS]"])
    load_torch()
    from trainer.identities.command import IdentityOptions, built_lines  # noqa: PLC0415  as above

    return built_lines(parsed(IdentityOptions, args=arguments[1:], prog="gantrain identities build"))


def fetch(dataset: str, arguments: Sequence[str]) -> None:
    options = parsed(FetchOptions, args=arguments, prog=f"gantrain fetch {dataset}")
    load_torch()
    from trainer.data import fetch as download  # noqa: PLC0415  as above

    download(dataset, options.data)


def load_torch() -> None:
    """The client installs without it, and ``gantrain`` with the client."""
    # Read when torch is loaded: on busy cores, threads that wait spinning make small networks tenfold slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        import torch  # noqa: F401, PLC0415
    except ModuleNotFoundError as problem:
        raise TrainingError(f"training needs {problem.name}: pip install '.[trainer]'") from problem


def resume(where: str, arguments: Sequence[str]) -> None:
    load_torch()
    from trainer.beginning import trainings  # noqa: PLC0415  as above
    from trainer.session import run_training  # noqa: PLC0415
    from trainer.training_directory import TrainingDirectory  # noqa: PLC0415

    folder = Path(where) if Path(where).is_dir() else trainings() / where
    directory = TrainingDirectory(folder)
    # Of several processes the first one looks after the others. Nobody may write while they read.
    leads = os.environ.get("RANK", "0") == "0"
    with directory.locked() if leads and folder.is_dir() else nullcontext():
        checkpoint = directory.checkpoints.newest()
    if checkpoint is None:
        raise TrainingError(
            f"no checkpoint in {folder.absolute()}: pass the folder of a training, or a run's id"
        )
    chosen = parsed(
        Arguments,
        default=Arguments(checkpoint.config, Options(out=folder, resume=True)),
        args=arguments,
        prog=f"gantrain resume {where}",
        description=f"Go on from step {checkpoint.step}.",
    )
    run_training(chosen.config, replace(chosen.options, out=folder, resume=True))
