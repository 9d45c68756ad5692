"""ganwatch: watches GAN training as it happens.

    import monitor

    with monitor.init(project="digits", config={"lr": 2e-4}) as run:
        run.log({"loss/d": 0.7, "loss/g": 1.1}, step=1)

Importing this loads nothing but this file: the client comes with the first `init`, the service never.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitor.client.run import Run
    from monitor.client.start import init
    from monitor.client.summary import Summary
    from monitor.client.summary_writer import SummaryWriter
    from monitor.reading import read

__all__ = ["Run", "Summary", "SummaryWriter", "init", "read"]

_HOMES = {
    "Run": "monitor.client.run",
    "Summary": "monitor.client.summary",
    "SummaryWriter": "monitor.client.summary_writer",
    "init": "monitor.client.start",
    "read": "monitor.reading",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
