"""Several server processes on one PostgreSQL database: each answers, one of them does the background work.

Every process tells the others which runs changed, so that an open page hears of it wherever it is connected,
and which have news to be judged. Judging, delivering, compacting and tidying are done by the process that
holds the lock; when it is gone, another takes over and looks at every run, so that nothing that was noticed
and not done is forgotten. What a killed process did not tell any more is found by the leader's sweep.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import msgspec
import psycopg
from sqlalchemy.exc import SQLAlchemyError

from monitor.api.broker import Broker
from monitor.background import Background
from monitor.clock import Clock
from monitor.store import census
from monitor.store.database import Database
from monitor.store.line import Line

#: How long a change waits before the others are told, in seconds; those of one run are told as one.
PACE = 0.1
RETRY_SECONDS = 2.0
SWEEP_SECONDS = 60.0

log = logging.getLogger("ganwatch")


class Message(msgspec.Struct, frozen=True):
    """``changed`` is for open pages; ``is_news`` asks the leader to judge the run."""

    run: str
    version: int = 0
    changed: frozenset[str] = frozenset()
    is_news: bool = False

    def merged(self, later: Message) -> Message:
        return Message(
            self.run,
            max(self.version, later.version),
            self.changed | later.changed,
            self.is_news or later.is_news,
        )


class Peers:
    """In the place of :class:`Background` where other processes may share the database."""

    def __init__(
        self, database: Database, broker: Broker, clock: Clock, make_background: Callable[[], Background]
    ) -> None:
        self._database = database
        self._broker = broker
        self._clock = clock
        self._make_background = make_background
        #: What to say, by run.
        self._unsaid: dict[str, Message] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._attending = threading.Event()
        #: The work, while this process leads.
        self._background: Background | None = None
        self._swept = 0.0
        self._thread = threading.Thread(target=self._run, name="peers", daemon=True)
        broker.relay = self._relay

    def start(self) -> None:
        """Listens when this returns, if the database answers: no page comes before changes are heard."""
        self._thread.start()
        self._attending.wait(RETRY_SECONDS)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(10.0)

    def notice(self, run: str) -> None:
        """Something new is known of the run: whoever leads judges it."""
        background = self._background
        if background is not None:
            background.notice(run)
        else:
            self._say(Message(run, is_news=True))

    def notice_points(self, run: str) -> None:
        """Whoever leads hears of points by the change that open pages are told of."""
        background = self._background
        if background is not None:
            background.notice_points(run)

    @property
    def waiting(self) -> int:
        """Runs that wait here for being judged."""
        background = self._background
        return background.waiting if background is not None else 0

    def _relay(self, run: str, version: int, changed: frozenset[str]) -> None:
        self._say(Message(run, version, changed))

    def _say(self, message: Message) -> None:
        with self._lock:
            before = self._unsaid.get(message.run)
            self._unsaid[message.run] = before.merged(message) if before else message

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._attend()
            except Exception as error:
                kind = (
                    logging.WARNING if isinstance(error, psycopg.Error | SQLAlchemyError) else logging.ERROR
                )
                told = None if kind == logging.WARNING else error
                log.log(
                    kind, "the line to the other servers is cut and tried again: %s", error, exc_info=told
                )
                self._stopping.wait(RETRY_SECONDS)
            finally:
                self._step_down()

    def _attend(self) -> None:
        line = Line(self._database)
        try:
            # Nobody knows what was said while this process did not listen.
            self._broker.forget()
            self._attending.set()
            while not self._stopping.is_set():
                if self._background is None and line.lead():
                    self._take_over()
                self._tell(line)
                for message in line.hear(PACE):
                    self._heard(msgspec.json.decode(message, type=Message))
                self._sweep()
            self._tell(line)
        finally:
            line.close()

    def _tell(self, line: Line) -> None:
        with self._lock:
            unsaid, self._unsaid = self._unsaid, {}
        try:
            line.tell([msgspec.json.encode(message).decode() for message in unsaid.values()])
        except psycopg.Error:
            # Nobody heard it: it is said again once the line holds.
            with self._lock:
                for run, message in unsaid.items():
                    later = self._unsaid.get(run)
                    self._unsaid[run] = message.merged(later) if later else message
            raise

    def _heard(self, message: Message) -> None:
        self._broker.hear(message.run, message.version, message.changed)
        if message.is_news and self._background is not None:
            self._background.notice(message.run)
        elif "points" in message.changed and self._background is not None:
            self._background.notice_points(message.run)

    def _take_over(self) -> None:
        background = self._make_background()
        background.start()
        self._background, self._swept = background, self._clock()

    def _step_down(self) -> None:
        background, self._background = self._background, None
        if background is not None:
            background.stop()

    def _sweep(self) -> None:
        now = self._clock()
        if self._background is None or now - self._swept < SWEEP_SECONDS:
            return
        with self._database.read() as connection:
            for run in census.runs_seen_since(connection, self._swept - SWEEP_SECONDS):
                self._background.notice(run)
        self._swept = now
