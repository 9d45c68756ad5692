"""Where measurements go. A run is anything with ``log`` and ``log_images``; what else it can do is used if
it is there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from torch import Tensor

#: What a distribution holds, in this order: quantiles, then the mean and how many samples there were.
DISTRIBUTION_FIELDS: Final = ("min", "p1", "p5", "p25", "p50", "p75", "p95", "p99", "max", "mean", "n")


@dataclass(frozen=True, kw_only=True)
class Series:
    """What a series is: all that an axis, a tooltip and a detector need to know of it."""

    name: str
    help: str
    kind: Literal["scalar", "distribution"] = "scalar"
    unit: str = ""
    direction: Literal["higher", "lower", "none"] = "none"
    lower: float | None = None
    upper: float | None = None
    role: str | None = None
    judge: str | None = None
    m: int | None = None
    n: int | None = None


class Recorder:
    """A run, whatever it can do.

    Without ``declare`` series go undeclared; without ``mark`` marks are counted here and values do not name
    them; without ``log_distribution`` each field becomes a number of its own (``gradient_norm/real/p50``).
    """

    def __init__(self, run: Any) -> None:
        missing = [name for name in ("log", "log_images") if not callable(getattr(run, name, None))]
        if missing:
            raise TypeError(
                f"run has no {' and no '.join(missing)}: pass what monitor.init() returns, or the like"
            )
        self.run = run
        self._distributions: set[str] = set()
        self._has_marks = hasattr(run, "mark")
        self._marks = 0

    def declare(self, series: Series) -> None:
        if series.kind == "distribution":
            self._distributions.add(series.name)
        if hasattr(self.run, "declare"):
            self.run.declare(**asdict(series))

    def mark(self, step: int, epoch: float | None, images_seen: int | None, expects: Sequence[str]) -> int:
        if self._has_marks:
            index: int = self.run.mark(
                step=step, epoch=epoch, images_seen=images_seen, expects=tuple(expects)
            )
            return index
        self._marks += 1
        return self._marks - 1

    def log(self, values: Mapping[str, float | Tensor], step: int, mark: int | None = None) -> None:
        """Numbers, and the fields of series that were declared as distributions."""
        numbers: dict[str, float | Tensor] = {}
        for name, value in values.items():
            if name in self._distributions and isinstance(value, Tensor):
                self._log_distribution(name, value, step, mark)
            else:
                numbers[name] = value
        if numbers:
            self.run.log(numbers, step=step, **self._naming(mark))

    def _log_distribution(self, name: str, values: Tensor, step: int, mark: int | None) -> None:
        # Numbers one by one: a run that copies them from the device without waiting can.
        fields = dict(zip(DISTRIBUTION_FIELDS, values.unbind(), strict=True))
        if hasattr(self.run, "log_distribution"):
            self.run.log_distribution(name, fields, step=step, **self._naming(mark))
        else:
            named = {f"{name}/{field}": value for field, value in fields.items()}
            self.run.log(named, step=step, **self._naming(mark))

    def log_images(
        self,
        name: str,
        pixels: Tensor,
        moment: tuple[int, int],
        caption: str,
        scores: Sequence[float],
    ) -> None:
        step, mark = moment
        said = {"mark": mark, "caption": caption, "scores": scores} if self._has_marks else {}
        self.run.log_images(name, pixels, step=step, **said)

    def before_finish(self, call: Callable[[], None]) -> None:
        """Have the run call this before it ends. One that cannot leaves it to the loop."""
        if hasattr(self.run, "before_finish"):
            self.run.before_finish(call)

    def _naming(self, mark: int | None) -> dict[str, int]:
        return {"mark": mark} if self._has_marks and mark is not None else {}
