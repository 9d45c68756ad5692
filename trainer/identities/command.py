"""``gantrain identities build``, for the command line."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from trainer.config.validation import require
from trainer.distributed import choose_device
from trainer.errors import DataError, TrainingError
from trainer.identities.building import build
from trainer.identities.people import people_of
from trainer.probes.judges.packages import MissingJudgeError
from trainer.probes.judges.recognition import model_file


@dataclass(frozen=True, kw_only=True)
class IdentityOptions:
    """Make an identity bank, which ``--judges.identities`` names when faces are trained on."""

    #: A folder with a folder of images for each person, or with those that --labels lists; or a packed .npz
    #: with labels.
    images: Path
    #: A file's name and a person a line, as CelebA's identity_CelebA.txt.
    labels: Path | None = None
    #: The file that is written.
    out: Path = Path("identities.npz")
    #: An ArcFace model: a .onnx file, or the name of a pack in insightface's folder.
    model: str = "buffalo_l"
    #: Fetch the pack where it is not there: its weights are for non-commercial research only.
    download: bool = False
    #: Pixels a side: those of the samples that are compared with it.
    size: int = 64
    #: Leave out people with fewer images.
    at_least: int = 1
    #: Means of embeddings as they come, as equation 7 of SQD prints it, without making their length 1.
    raw: bool = False
    #: cpu, cuda, cuda:1 (default: a GPU where there is one).
    device: str | None = None


def built_lines(options: IdentityOptions) -> Iterator[str]:
    """What is told of the bank. All that can be known at once to be missing is told at once, and nothing is
    fetched before the rest is there.
    """
    problems: list[str] = []

    @contextmanager
    def told() -> Iterator[None]:
        try:
            yield
        except (TrainingError, MissingJudgeError) as problem:
            problems.append(str(problem))

    with told():
        require(options.size >= 1, f"--size is {options.size}: pass the pixels a side of samples, such as 64")
        device = choose_device(options.device)
    with told():
        people = people_of(options.images, options.labels).with_at_least(options.at_least)
    with told():
        check_place(options.out)
    with told():
        if not (problems and options.download):
            model = model_file(options.model, downloads=options.download)
    if problems:
        raise DataError("\n".join(problems))
    try:
        bank = build(
            people, model, options.out, size=options.size, device=device, is_normalized=not options.raw
        )
    except MissingJudgeError as problem:
        raise DataError(str(problem)) from problem
    yield f"{options.out}: {len(bank.names)} people from {int(bank.counts.sum())} images, by {model}"


def check_place(out: Path) -> None:
    if out.is_dir():
        raise DataError(f"--out {out.absolute()} is a folder: name a file")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=out.parent):
            pass
    except OSError as problem:
        raise DataError(f"--out {out.absolute()} cannot be written: {problem.strerror}") from problem
