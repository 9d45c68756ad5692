"""What a process other than rank 0 says and keeps while it trains: nothing. That it lives and how its machine
fares, its own writer of the run reports by itself.
"""

from collections.abc import Mapping
from typing import Any

from trainer.checkpoint import Stateful
from trainer.config import Config


class Silent:
    """A run that takes everything and stores nothing."""

    def declare(self, name: str, **facts: Any) -> None:
        pass

    def log(self, values: Mapping[str, Any], *, step: int, mark: int | None = None) -> None:
        pass

    def mark(self, **_: Any) -> int:
        return 0

    def log_images(self, name: str, images: Any, *, step: int, mark: int | None = None) -> None:
        pass


class Nowhere:
    """A place where checkpoints are not kept."""

    def save(self, step: int, config: Config, parts: Mapping[str, Stateful]) -> None:
        pass
