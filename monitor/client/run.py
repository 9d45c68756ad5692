"""A run, as the training script sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from time import time as now
from types import TracebackType
from typing import Any, Literal, Self, SupportsIndex, Unpack, get_args

from monitor import protocol
from monitor.client import process
from monitor.client.commands import Inbox
from monitor.client.configuration import plain_config
from monitor.client.declarations import Facts, Turned, declaration, next_attempt
from monitor.client.keeper import Keeper
from monitor.client.layout import remove_spool
from monitor.client.marks import NO_MARK, Mark, MarkIndex
from monitor.client.notices import Notices, logger
from monitor.client.numbers import Numbers
from monitor.client.pictures import Pictures
from monitor.client.progress import Progress, write_progress
from monitor.client.sender import Sender
from monitor.client.spool import Spool
from monitor.client.summary import Summary, summarize
from monitor.client.system import System
from monitor.client.values import Rejected, to_float, to_index, to_name

#: How long the end waits for a thread that is about to stop, in seconds.
GRACE = 1.0
#: What is said once is said once whatever the numbers in it.
_WITHOUT_DIGITS = str.maketrans("", "", "0123456789")
Outcome = Literal["done", "failed", "ignored"]


class Run:
    """One training. Nothing called here while it trains waits for the service or raises into the loop."""

    def __init__(
        self,
        spool: Spool,
        begin: protocol.Begin,
        *,
        inbox: Inbox,
        notices: Notices,
        progress: Progress,
        progress_file: Path,
        sender: Sender | None = None,
        url: str | None = None,
        system_interval: float = 0.0,
    ) -> None:
        self.id = spool.run
        #: The page of the run; None without a server.
        self.url = url
        self._spool = spool
        self._progress = progress
        self._progress_file = progress_file
        self._notices = notices
        self._inbox = inbox
        self._sender = sender
        self._keeper = Keeper(spool.synchronize, notices)
        self._numbers = Numbers(spool, self._keeper, notices)
        self._pictures = Pictures(spool, self._keeper)
        self._system = System(spool, self._numbers, notices, system_interval)
        self._before_finish: list[Callable[[], None]] = []
        #: Why nothing can be logged any more.
        self._closed: str | None = None
        self._summary = Summary(0, 0, 0, 0)
        spool.append(begin)
        self._keeper.start()
        self._system.start()
        if sender is not None:
            sender.start()
        process.watch(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None or process.is_success(error):
            self.finish()
        else:
            self.finish("failed", process.describe(error))

    @property
    def attempt(self) -> int:
        """0, and one more after each `rewind`."""
        return self._progress.attempt

    def log(
        self,
        values: Mapping[str, Any],
        *,
        step: SupportsIndex,
        mark: Mark = None,
        time: float | None = None,
    ) -> None:
        """Log numbers at a step: Python's, NumPy's, 0-d arrays and tensors. NaN and infinity are numbers.

        When this returns, the numbers survive the process. Those on a GPU do once their copy has landed,
        which is not waited for. A wrong value is left out and told once; the others are kept.
        """
        if self._is_closed():
            return
        try:
            self._numbers.log(values, step, mark, time)
        except Exception as error:  # noqa: BLE001 - nothing reaches the loop
            self._refuse("a call of log", error)

    def log_distribution(self, name: str, values: Any, *, step: SupportsIndex, mark: Mark = None) -> None:
        """Log eleven numbers: in the order of `protocol.DISTRIBUTION_FIELDS`, or a mapping of them."""
        if self._is_closed():
            return
        with self._quietly(f"the distribution {name!r}"):
            self._numbers.log_distribution(name, values, step, mark)

    def declare(self, name: str, kind: protocol.SeriesKind = "scalar", **facts: Unpack[Facts]) -> None:
        """Say what a series is. Raises ValueError or TypeError where a word is not one of the protocol's.

        ``unit``, ``direction`` ("higher", "lower": which is better), ``lower`` and ``upper`` bounds and
        ``help`` are shown; ``role`` is what the detector takes it for; ``judge``, ``m`` and ``n`` say who
        scored the samples, how many modes it tells apart, and how many samples it saw.
        """
        record = declaration(name, kind, facts)
        if self._is_closed():
            return
        with self._quietly(f"the declaration of {name!r}"):
            self._spool.append(record)

    def configure(self, config: Any) -> None:
        """Add to the run's configuration what is known only now; a key that was there gets a new value."""
        if self._is_closed():
            return
        with self._quietly("a configuration"):
            self._spool.append(protocol.Configure(sequence=1, time=now(), config=plain_config(config)))

    def mark(
        self,
        *,
        step: SupportsIndex,
        epoch: float | None = None,
        images_seen: SupportsIndex | None = None,
        expects: Iterable[str] = ("Q", "D"),
    ) -> int:
        """Set an evaluation mark; the values measured there are logged with what this returns, now or later.

        That is the mark's index; it also knows the mark's attempt, so that an evaluation that ends after the
        run went back is kept with what it judged. -1 where the run has ended.
        """
        if self._is_closed():
            return NO_MARK
        with self._quietly("a mark"):
            record = protocol.Mark(
                sequence=1,
                time=now(),
                index=0,
                step=to_index(step, "step"),
                epoch=None if epoch is None else to_float(epoch),
                images_seen=None if images_seen is None else to_index(images_seen, "images_seen"),
                expects=[to_name(role) for role in expects],
            )
            index = MarkIndex(self._progress.next_mark(record.step), self.attempt)
            record.index = int(index)
            # What was logged before the mark is what the mark is about: it goes first.
            self._keeper.in_order(lambda: self._spool.append(record, index.attempt))
            write_progress(self._progress_file, self._progress)
            return index
        return NO_MARK

    def log_images(
        self,
        name: str,
        images: Any,
        *,
        step: SupportsIndex,
        mark: Mark = None,
        caption: str = "",
        scores: Iterable[float] = (),
    ) -> None:
        """Log uint8 images as one grid: ``[N, H, W]``, ``[N, H, W, C]`` or ``[N, C, H, W]``. Never waits."""
        if self._is_closed():
            return
        with self._quietly(f"the images {name!r}"):
            self._pictures.log(name, images, step=step, mark=mark, caption=caption, scores=scores)

    def commands(self) -> list[protocol.Command]:
        """What the service asks of this run and attempt; each command is handed out once. Never waits."""
        return [] if self._closed is not None else self._inbox.take(self.attempt)

    def acknowledge(self, command: str, outcome: Outcome, detail: str = "") -> None:
        """Say what became of a command."""
        if self._is_closed():
            return
        with self._quietly(f"the acknowledgement of {command!r}"):
            if outcome not in get_args(Outcome):
                raise Rejected(f"has the outcome {outcome!r}; it is done, failed or ignored")
            self._spool.append(
                protocol.Acknowledgement(
                    sequence=1, time=now(), command=command, outcome=outcome, detail=str(detail)
                )
            )

    def rewind(self, step: SupportsIndex, reason: str = "", **turned: Unpack[Turned]) -> int:
        """Go back to a step: begin the next attempt, and return its number.

        What was logged before stays under the attempt it was logged in, also where it lands or is measured
        later. Where the run had turned, ``remedy`` names what is done about it, ``settings`` what that
        changed, and ``command`` the id of the command that asked for it: the page then shows what it brought.
        """
        if self._is_closed():
            return self.attempt
        with self._quietly("going back"):
            record = next_attempt(self.attempt, step, reason, turned)
            self._spool.append(record)
            self._progress.rewind(record.from_step)
            write_progress(self._progress_file, self._progress)
        return self.attempt

    def before_finish(self, call: Callable[[], None]) -> None:
        """Have this called when the run ends, before it does: there it may still log what it was waiting for.

        Not where the process is killed, and never in the process of somebody else.
        """
        self._before_finish.append(call)

    def finish(
        self, state: protocol.EndState = "finished", message: str = "", timeout: float = 10.0
    ) -> Summary:
        """End the run and wait, up to the timeout, until all of it is delivered."""
        if self._closed is not None:
            return self._summary
        while self._before_finish:
            with self._quietly("what is measured at the end"):
                self._before_finish.pop(0)()
        deadline = monotonic() + timeout
        self._system.stop(GRACE)
        with self._quietly("the end"):
            self._keeper.drain(timeout)
            self._spool.append(protocol.End(sequence=1, time=now(), state=state, message=message))
        self._closed = "the run has finished"
        process.unwatch(self)
        is_delivered = False
        if self._sender is not None:
            is_delivered = self._sender.finish(self._spool.sequence, deadline - monotonic())
            self._sender.stop(GRACE)
        self._keeper.stop(GRACE)
        if is_delivered:
            remove_spool(self._spool.directory)
        else:
            self._spool.lose_held(self._sender.delivery.confirmed if self._sender else 0)
        self._spool.close()
        self._summary = self._summarize()
        if self._summary.pending:
            logger.warning(
                "run %s: %d records wait in %s; `ganwatch sync` delivers them",
                *(self.id, self._summary.pending, self._spool.directory),
            )
        return self._summary

    def forsake(self) -> None:
        """In a forked child: the run belongs to the parent."""
        self._closed = "it belongs to the process that this one was forked from"
        self._spool.forsake()

    def end_with_process(self, error: str | None) -> None:
        """The process ends without `finish`."""
        if error is None:
            self.finish()
        else:
            self.finish("failed", error)

    def _summarize(self) -> Summary:
        delivery = None if self._sender is None else self._sender.delivery
        return summarize(
            logged=self._spool.sequence,
            dropped=self._spool.dropped,
            unnumbered=self._keeper.lost,
            confirmed=delivery.confirmed if delivery else 0,
            told_lost=delivery.lost if delivery else 0,
            rejected=self._numbers.rejected + (delivery.rejected if delivery else 0),
        )

    @contextmanager
    def _quietly(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - nothing reaches the loop
            self._refuse(what, error)

    def _is_closed(self) -> bool:
        if self._closed is not None:
            self._notices.once("closed", "run %s takes nothing more: %s", self.id, self._closed)
        return self._closed is not None

    def _refuse(self, what: str, error: Exception) -> None:
        self._numbers.rejected += 1
        reason = process.describe(error)
        kind = reason.translate(_WITHOUT_DIGITS)
        self._notices.once(f"{what} {kind}", "%s is not stored: %s", what, reason)
