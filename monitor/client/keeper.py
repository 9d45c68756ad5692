"""The thread that does what training must not wait for: fsync, copies from a GPU, encoding of images."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from time import monotonic

from monitor.client.notices import Notices

#: What a power cut can cost, in seconds.
FSYNC_INTERVAL = 1.0
#: How soon a landed copy is noticed, in seconds: at once while copies come, less often while one hangs.
SHORTEST_PAUSE, LONGEST_PAUSE = 0.001, 0.02

Ready = Callable[[], bool]
Work = Callable[[], None]


class Keeper:
    """Does deferred work in order, each piece once it is ready."""

    def __init__(self, synchronize: Work, notices: Notices, interval: float = FSYNC_INTERVAL) -> None:
        self._synchronize = synchronize
        self._notices = notices
        self._interval = interval
        self._queue: deque[tuple[Ready, Work]] = deque()
        self._wake = threading.Event()
        self._settled = threading.Condition()
        self._stopping = False
        #: Pieces that failed.
        self.lost = 0
        self._thread = threading.Thread(target=self._run, name="ganwatch-keeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def defer(self, work: Work, ready: Ready = lambda: True) -> None:
        """Do the work soon, after all that was deferred before it."""
        self._queue.append((ready, work))
        self._wake.set()

    def in_order(self, work: Work) -> None:
        """Do the work now, unless something deferred must come before it."""
        if self._queue:
            self.defer(work)
        else:
            work()

    def drain(self, timeout: float) -> bool:
        """Wait until nothing is deferred any more; False where that takes too long."""
        self._wake.set()
        with self._settled:
            return self._settled.wait_for(lambda: not self._queue, timeout)

    def stop(self, timeout: float) -> None:
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        due = monotonic() + self._interval
        pause = SHORTEST_PAUSE
        while not self._stopping:
            pause = SHORTEST_PAUSE if self._settle() else min(2 * pause, LONGEST_PAUSE)
            left = max(due - monotonic(), 0)
            self._wake.wait(min(pause, left) if self._queue else left)
            self._wake.clear()
            if monotonic() >= due:
                self._synchronize()
                due = monotonic() + self._interval

    def _settle(self) -> bool:
        """Do what is ready; whether there was any."""
        done = False
        while self._queue:
            ready, work = self._queue[0]
            try:
                if not ready():
                    break
                work()
            except Exception as error:  # noqa: BLE001 - a piece that fails must not hold up those behind it
                self.lost += 1
                self._notices.once(f"keeper {error}", "something that was logged is lost: %s", error)
            self._queue.popleft()
            done = True
        if done:
            with self._settled:
                self._settled.notify_all()
        return done
