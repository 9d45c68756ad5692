import signal
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from tests.trainer.recording import RecordingRun
from trainer.distributed import Alone
from trainer.errors import PeerError
from trainer.stopping import BY_COMMAND, SIGNALS, Stopping


def commanded(kind: str, name: str = "c", **parameters: object) -> SimpleNamespace:
    return SimpleNamespace(id=name, kind=kind, parameters=parameters)


def test_nothing_asked_nothing_stopped() -> None:
    assert Stopping(RecordingRun()).asked() is None


def test_a_command_is_obeyed_and_acknowledged_once() -> None:
    run = RecordingRun()
    run.asked = [commanded("stop", "a"), commanded("stop", "b")]
    stopping = Stopping(run)
    assert stopping.asked() == "stopped by command"
    assert stopping.asked() == "stopped by command"
    assert run.acknowledged == [("a", "done"), ("b", "done")]


def test_a_signal_only_leaves_a_word_and_the_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with Stopping(RecordingRun()) as stopping:
        signal.raise_signal(signal.SIGTERM)
        assert stopping.asked() == "stopped by SIGTERM"
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_signal_while_the_others_are_awaited_is_heard_at_the_next_step() -> None:
    class Interrupted(Alone):
        def agree(self, said: Any) -> Any:
            signal.raise_signal(signal.SIGUSR1)
            return said

    with Stopping(RecordingRun(), Interrupted()) as stopping:
        assert [stopping.asked(), stopping.asked()] == [None, "stopped by SIGUSR1"]


def test_a_signal_right_behind_an_obeyed_command_does_not_hand_the_training_on() -> None:
    class Interrupted(RecordingRun):
        def acknowledge(self, command: str, outcome: str, detail: str = "") -> None:
            super().acknowledge(command, outcome, detail)
            signal.raise_signal(signal.SIGTERM)

    run = Interrupted()
    run.asked = [commanded("stop")]
    with Stopping(run) as stopping:
        assert stopping.asked() == BY_COMMAND


def test_a_second_interrupt_does_not_wait_for_a_checkpoint() -> None:
    with Stopping(RecordingRun()) as stopping:
        signal.raise_signal(signal.SIGINT)
        assert stopping.asked() == "stopped by SIGINT"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_beside_the_main_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def train() -> None:
        with Stopping(RecordingRun()):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert seen == [before]


def test_what_ends_the_others_does_not_cut_short_what_a_survivor_has_to_say() -> None:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        with pytest.raises(PeerError), Stopping(RecordingRun()):
            raise PeerError("another process died")
        signal.raise_signal(signal.SIGTERM)  # it would have ended this process
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_scheduler_s_signal_and_a_worker_s_word_stop_as_well() -> None:
    with Stopping(RecordingRun()) as stopping:
        signal.raise_signal(signal.SIGUSR1)
        assert stopping.asked() == "stopped by SIGUSR1"
    words = iter([None, "cancelled"])
    stopping = Stopping(RecordingRun(), also=lambda: next(words))
    assert [stopping.asked(), stopping.asked()] == [None, "cancelled"]
