from dataclasses import replace

import pytest

from trainer.config import Batch, LearningRate
from trainer.recipes import RECIPES
from trainer.schedule import Schedule


def schedule(
    images: int, batch: int, n_dis: int = 1, epochs: int | None = None, steps: int | None = None
) -> Schedule:
    config = replace(RECIPES["digits-gn"](), batch=Batch(d=batch), n_dis=n_dis, epochs=epochs, steps=steps)
    return Schedule(config, images)


@pytest.mark.parametrize(
    ("images", "batch", "n_dis"), [(1797, 64, 1), (1797, 64, 5), (128, 64, 1), (7, 3, 2)]
)
def test_an_epoch_ends_at_the_first_step_by_which_every_image_was_seen_once_more(
    images: int, batch: int, n_dis: int
) -> None:
    plan = schedule(images, batch, n_dis, epochs=20)
    ends = [step for step in range(1, plan.last_step + 1) if plan.ends_epoch(step)]
    assert len(ends) == 20
    assert ends[-1] == plan.last_step
    for epoch, step in enumerate(ends, start=1):
        assert plan.epoch(step) == epoch
        assert plan.images_seen(step) >= epoch * images > plan.images_seen(step - 1)


def test_a_step_that_sees_more_than_the_whole_set_ends_several_epochs_at_one_mark() -> None:
    plan = schedule(images=10, batch=32, epochs=9)
    assert plan.last_step == 3
    assert [plan.epoch(step) for step in (1, 2, 3)] == [3, 6, 9]
    assert all(plan.ends_epoch(step) for step in (1, 2, 3))


def test_what_is_due_every_so_many_epochs_is_due_also_where_a_step_leaps_over_that_epoch() -> None:
    plan = schedule(images=10, batch=32, epochs=30)
    assert [plan.epoch(step) for step in range(1, 11) if plan.ends_epoch(step, every=10)] == [12, 22, 32]


def test_training_ends_by_steps_or_by_epochs_whichever_comes_first() -> None:
    assert schedule(100, 10, steps=7).last_step == 7
    assert schedule(100, 10, epochs=2).last_step == 20
    assert schedule(100, 10, epochs=2, steps=7).last_step == 7
    assert schedule(100, 10, epochs=2, steps=70).last_step == 20


def test_learning_rates_fall_linearly_from_the_first_step_to_zero_after_the_last() -> None:
    config = replace(RECIPES["digits-gn"](), epochs=None, steps=4, lr=LearningRate(decay="linear"))
    assert [Schedule(config, 100).rate(step) for step in range(5)] == [1, 0.75, 0.5, 0.25, 0]
    assert [schedule(100, 10, steps=4).rate(step) for step in range(4)] == [1, 1, 1, 1]
