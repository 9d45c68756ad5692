"""What the service does beside answering: judge runs, deliver alerts, notice lost runs, compact, tidy up.

Each is a thread that sleeps until something wakes it or its next time has come. All of them may be killed at
any moment: what they decide commits whole.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from monitor.alerts import judging
from monitor.alerts.channels.configured import channels_from
from monitor.alerts.rulebook import RuleBook
from monitor.clock import Clock
from monitor.settings import Settings
from monitor.store import alert_notes, census, compactor, images, jobs, outbox, runs
from monitor.store.database import Database
from monitor.store.retention import Policy, apply_retention

RETRY_SECONDS = 10.0
SHORTEST_WAIT = 0.1
LONGEST_WAIT = 3600.0
COMPACT_SECONDS = 5.0
#: Points between two evaluation marks are judged this often, and time that only passes.
POINTS_SECONDS = 5.0
#: Seconds more for each run that waits: with a thousand of them points are judged every half minute, so that
#: judging takes a small part of what a service can do, however many runs there are.
SECONDS_A_RUN = 0.025
TICK_SECONDS = 60.0
#: How often what is not kept is deleted, and how long images wait for what names them, at least.
TIDY_SECONDS = 3600.0

#: Tells open pages: run, version, what changed.
Publish = Callable[[str, int, frozenset[str]], None]

log = logging.getLogger("ganwatch")


class Worker(threading.Thread):
    """Runs a task again and again; the task says in how many seconds it wants to run next."""

    def __init__(self, name: str, task: Callable[[], float]) -> None:
        super().__init__(name=name, daemon=True)
        self._task = task
        self._woken = threading.Event()
        self._stopping = False

    def wake(self) -> None:
        self._woken.set()

    def stop(self) -> None:
        self._stopping = True
        self._woken.set()

    def run(self) -> None:
        while not self._stopping:
            try:
                pause = self._task()
            except Exception:
                log.exception("%s failed and is tried again", self.name)
                pause = RETRY_SECONDS
            self._woken.wait(min(pause, LONGEST_WAIT))
            self._woken.clear()


class Background:
    def __init__(self, database: Database, settings: Settings, clock: Clock, publish: Publish) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._publish = publish
        self._channels = channels_from(settings)
        self._book = RuleBook.load(settings.rules)
        #: When each run is to be judged, on the monotonic clock.
        self._noticed: dict[str, float] = {}
        self._ticked = time.monotonic()
        self._lock = threading.Lock()
        self._judge = Worker("judging", self._judge_noticed)
        self._deliver = [
            Worker(f"delivery to the {name}", partial(self._deliver_due, name)) for name in self._channels
        ]
        self._watch = Worker("watching for lost runs and workers", self._mark_lost)
        self._compact = Worker("compacting", self._compact_due)
        self._tidy = Worker("tidying", self._tidy_up)
        self._unclaimed: frozenset[images.Claim] = frozenset()
        self._workers = [self._judge, *self._deliver, self._watch, self._compact, self._tidy]

    def start(self) -> None:
        with self._database.read() as connection:
            known = census.unarchived_runs(connection)
        for run in known:
            self.notice(run)
        outbox.give_up_others(self._database, list(self._channels))
        for worker in self._workers:
            worker.start()

    def stop(self, timeout: float = 10.0) -> None:
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.join(timeout)

    def notice(self, run: str) -> None:
        """Something new is known of the run: judge it."""
        with self._lock:
            self._noticed[run] = 0.0
        self._judge.wake()

    def notice_points(self, run: str) -> None:
        """Points came, and nothing else: judge them with those of the next seconds."""
        with self._lock:
            is_new = run not in self._noticed
            pause = POINTS_SECONDS + SECONDS_A_RUN * len(self._noticed)
            self._noticed.setdefault(run, time.monotonic() + pause)
        if is_new:
            self._judge.wake()

    @property
    def waiting(self) -> int:
        """Runs that wait for being judged."""
        return len(self._noticed)

    def _judge_noticed(self) -> float:
        failed: set[str] = set()
        while run := self._next_noticed():
            try:
                self._judge_one(run)
            except Exception:
                log.exception("judging run %s failed and is tried again", run)
                failed.add(run)
        now = time.monotonic()
        with self._lock:
            self._noticed |= dict.fromkeys(failed - set(self._noticed), now + RETRY_SECONDS)
            return min(self._noticed.values(), default=now + LONGEST_WAIT) - now

    def _judge_one(self, run: str) -> None:
        channels = tuple(self._channels)
        changed = judging.judge_run(self._database, run, self._clock(), channels, self._book)
        if changed:
            self._tell(run, changed)
            self._wake_deliveries()

    def _wake_deliveries(self) -> None:
        for worker in self._deliver:
            worker.wake()

    def _next_noticed(self) -> str | None:
        with self._lock:
            now = time.monotonic()
            run = next((run for run, due in self._noticed.items() if due <= now), None)
            if run is not None:
                del self._noticed[run]
            return run

    def _deliver_due(self, channel: str) -> float:
        due = judging.deliver_due(self._database, {channel: self._channels[channel]}, self._clock())
        return LONGEST_WAIT if due is None else max(SHORTEST_WAIT, due - self._clock())

    def _mark_lost(self) -> float:
        for run in runs.mark_lost(self._database, self._clock(), self._settings.lost_after):
            self._tell(run, frozenset({"state"}))
            self.notice(run)
        jobs.release_expired(self._database, self._clock())
        for run in alert_notes.wake_due(self._database, tuple(self._channels), self._clock()):
            self._tell(run, frozenset({"alerts"}))
            self._wake_deliveries()
        self._tick()
        return min(self._settings.lost_after / 4, 15.0)

    def _tick(self) -> None:
        """Judge what still runs, in case that nothing of it came."""
        if time.monotonic() - self._ticked < TICK_SECONDS:
            return
        self._ticked = time.monotonic()
        with self._database.read() as connection:
            running = census.running_runs(connection)
        for run in running:
            self.notice_points(run)

    def _compact_due(self) -> float:
        pause = COMPACT_SECONDS
        for run in compactor.find_due(self._database, self._clock()):
            try:
                compactor.compact(self._database, run)
            except Exception:
                log.exception("compacting run %s failed and is tried again", run)
                pause = RETRY_SECONDS
        return pause

    def _tidy_up(self) -> float:
        policy = Policy.of(self._settings.keep_days, self._settings.keep_bytes)
        for gone in apply_retention(self._database, policy, self._clock()):
            log.info("run %s (%s) is deleted for its %s", gone.run, gone.name, gone.reason)
        outbox.drop_settled(self._database, self._clock())
        self._unclaimed = images.drop_unclaimed(self._database, self._unclaimed)
        return TIDY_SECONDS

    def _tell(self, run: str, changed: frozenset[str]) -> None:
        with self._database.read() as connection:
            versions = census.run_versions(connection, [run])
        if run in versions:
            self._publish(run, versions[run], changed)
