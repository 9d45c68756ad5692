"""What a process other than rank 0 says and keeps while it trains: how fast it goes, and nothing else.

That it lives and how its machine fares, its writer of the run reports by itself.
"""

from collections.abc import Mapping
from time import monotonic
from typing import Any, Final, Protocol

from trainer.checkpoint import Retention, Stateful
from trainer.config import Config

STEP_TIME: Final = "system/step_time"


class OwnRun(Protocol):
    """As much of a run as a follower needs."""

    def declare(self, name: str, *, unit: str, lower: float, help: str) -> None: ...  # noqa: A002
    def log(self, values: Mapping[str, Any], *, step: int) -> None: ...


class Follower:
    """A run that takes what rank 0 logs, and logs the time of each step in its place."""

    def __init__(self, run: OwnRun) -> None:
        self.run = run
        self._began = monotonic()
        run.declare(
            STEP_TIME,
            unit="s",
            lower=0,
            help="Seconds from one step of this process to the next. Good: level, and the same for all.",
        )

    def declare(self, name: str, **facts: Any) -> None:
        pass

    def log(self, values: Mapping[str, Any], *, step: int, mark: int | None = None) -> None:  # noqa: ARG002
        if mark is None:
            began, self._began = self._began, monotonic()
            self.run.log({STEP_TIME: self._began - began}, step=step)

    def mark(self, **_: Any) -> int:
        return 0

    def log_images(self, name: str, images: Any, *, step: int, mark: int | None = None) -> None:
        pass


class Nowhere:
    """A place where checkpoints are not kept."""

    def save(self, step: int, config: Config, parts: Mapping[str, Stateful], retention: Retention) -> None:
        pass
