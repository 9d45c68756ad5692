from threading import Event, get_ident

import pytest

from trainer.data.ahead import Ahead


def test_what_was_announced_is_prepared_while_the_one_before_is_used() -> None:
    prepared: list[int] = []
    ten_is_ready = Event()

    def prepare(position: int) -> int:
        prepared.append(position)
        if position == 10:
            ten_is_ready.set()
        return position * position

    ahead = Ahead(prepare)
    assert ahead.take(5, then=10) == 25
    assert ten_is_ready.wait(30)
    assert ahead.take(10, then=15) == 100
    assert prepared[:2] == [5, 10]


def test_another_position_than_announced_is_prepared_in_its_place() -> None:
    ahead = Ahead(lambda position: position)
    assert [ahead.take(0, then=1), ahead.take(7, then=8), ahead.take(8, then=9)] == [0, 7, 8]


def test_it_is_prepared_in_another_thread_and_what_fails_there_is_raised_here() -> None:
    assert Ahead(lambda _: get_ident()).take(0, then=0) != get_ident()

    def fails(position: int) -> int:
        raise OSError(f"no image {position}")

    with pytest.raises(OSError, match="no image 3"):
        Ahead(fails).take(3, then=4)
