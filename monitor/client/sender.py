"""The thread that delivers a run while it is being written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from random import Random
from time import monotonic

from monitor.client.delivery import Delivery, Outcome
from monitor.client.notices import Notices, logger

#: Seconds between batches, and between signs of life when there is nothing to send.
INTERVAL = 0.5
HEARTBEAT_INTERVAL = 10.0
#: Seconds between attempts: doubling from the first to the last, and the last for a wrong token.
SHORTEST_DELAY, LONGEST_DELAY = 0.5, 30.0
#: While `finish` waits nobody is served by patience.
LONGEST_DELAY_AT_END = 1.0


class Sender:
    """Sends what is new, is silent about a server that is away, and never stops the run."""

    def __init__(
        self,
        delivery: Delivery,
        notices: Notices,
        *,
        orphans: Generator[object],
        jitter: Callable[[], float] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.delivery = delivery
        self._notices = notices
        self._orphans = orphans
        # A generator of its own: a watched run draws the same random numbers as one that is not.
        self._jitter = jitter or Random().random  # noqa: S311
        self._clock = clock
        self._heard = clock()
        self._failures = 0
        self._target: int | None = None
        self._is_hopeless = False
        self._is_stopping = False
        self._wake = threading.Event()
        self._stepped = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="ganwatch-sender", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self, sequence: int, timeout: float) -> bool:
        """Wait until all up to the record is delivered; False where that takes too long or cannot be."""
        self._target = sequence
        self._is_hopeless = self._is_stopping
        self._wake.set()
        with self._stepped:
            self._stepped.wait_for(lambda: self._is_done() or self._is_hopeless, max(timeout, 0))
        return self._is_done()

    def stop(self, timeout: float) -> bool:
        """Whether the thread has ended; a request under way may take longer."""
        self._is_stopping = True
        self._wake.set()
        self._thread.join(max(timeout, 0))
        return not self._thread.is_alive()

    def _is_done(self) -> bool:
        return self._target is not None and self.delivery.confirmed >= self._target

    def _run(self) -> None:
        while not self._is_stopping:
            delay = self.advance()
            with self._stepped:
                self._stepped.notify_all()
            self._wake.wait(delay)
            self._wake.clear()
        self._orphans.close()
        self.delivery.close()

    def advance(self) -> float:
        """One request at most; the seconds until the next."""
        try:
            outcome = self.delivery.step()
            if outcome is Outcome.IDLE and self._clock() - self._heard >= HEARTBEAT_INTERVAL:
                outcome = self.delivery.heartbeat()
        except Exception:  # noqa: BLE001 - a fault of the client must not end delivery, nor be hidden
            logger.exception("delivering failed; it is tried again")
            outcome = Outcome.UNREACHABLE
        return self._delay_after(outcome)

    def _delay_after(self, outcome: Outcome) -> float:
        match outcome:
            case Outcome.DELIVERED:
                self._heard = self._clock()
                self._failures = 0
                return 0 if self.delivery.is_behind or self._target is not None else INTERVAL
            case Outcome.TURNED:
                return 0
            case Outcome.IDLE:
                return 0 if self._help_orphans() else INTERVAL
            case Outcome.STOPPED:
                self._tell("the server takes nothing more of this run: %s; the spool is kept")
                self._is_hopeless = self._is_stopping = True
                return 0
            case Outcome.UNAUTHORIZED:
                self.delivery.expire()
                self._tell("the server does not accept the token (%s); the run goes on, its records are kept")
                self._is_hopeless = True
                return LONGEST_DELAY
            case Outcome.UNREACHABLE:
                self.delivery.expire()
                if self._failures > 0:
                    self._tell("the server cannot be reached (%s); the run goes on, its records are kept")
                longest = LONGEST_DELAY if self._target is None else LONGEST_DELAY_AT_END
                delay = min(SHORTEST_DELAY * 2.0**self._failures, longest)
                self._failures = min(self._failures + 1, 16)
                return delay * (0.5 + 0.5 * self._jitter())

    def _tell(self, message: str) -> None:
        self._notices.once(message, message, self.delivery.obstacle)

    def _help_orphans(self) -> bool:
        """Deliver a batch for a process that died on this disk; False where there is none."""
        if self._target is not None or self._is_stopping:
            return False
        try:
            next(self._orphans)
        except StopIteration:
            return False
        except Exception:  # noqa: BLE001 - a spool of another run is no reason to stop delivering this one
            logger.exception("a spool that was left behind cannot be delivered")
            return False
        return True
