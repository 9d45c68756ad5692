"""Time is an argument: what depends on it is handed one of these."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Unix seconds.
Clock = Callable[[], float]

wall_clock: Clock = time.time
