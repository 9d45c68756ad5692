from typing import Any

import pytest
import torch

from tests.reference import consistency_twin as twin
from trainer.batches import Labelled
from trainer.config import Consistency
from trainer.consistency import ConsistencyRegularization, moved
from trainer.randomness import Draws

CPU = torch.device("cpu")


def images(n: int, height: int = 10, width: int = 10) -> Labelled:
    generator = torch.Generator().manual_seed(0)
    return Labelled(torch.rand(n, 2, height, width, generator=generator) * 2 - 1, torch.arange(n))


def consistency(seed: int = 0, **settings: Any) -> ConsistencyRegularization:
    return ConsistencyRegularization(Consistency(weight=5.0, **settings), Draws(seed, CPU))


def test_images_are_moved_as_the_slow_twin_moves_them() -> None:
    moves = [
        (mirrored, down, right)
        for mirrored in (False, True)
        for down in (-7, -2, 0, 1, 6)
        for right in (-5, -1, 0, 3, 4)
    ]
    x = images(len(moves), height=7, width=5).x
    mirrored, down, right = (torch.tensor(column) for column in zip(*moves, strict=True))
    found = moved(x, mirrored=mirrored, down=down, right=right)
    expected = torch.stack([twin.moved(image, *move) for image, move in zip(x, moves, strict=True)])
    assert torch.equal(found, expected)


def test_half_of_the_images_are_mirrored_and_all_are_shifted_by_at_most_a_fifth() -> None:
    """One white pixel in the middle column's left neighbour tells where an image went."""
    x = torch.full((4000, 1, 10, 11), -1.0)
    x[:, :, 5, 4] = 1
    found = consistency().augmented(Labelled(x)).x
    where = found[:, 0].flatten(1).argmax(1)
    down, column = where // 11 - 5, where % 11
    assert found.amax((1, 2, 3)).eq(1).all()
    assert set(down.tolist()) == {-2, -1, 0, 1, 2}
    # From column 4, or mirrored from column 6, by up to 0.2 * 11 = 2.2 pixels.
    assert set(column.tolist()) == set(range(2, 9))
    left, right = ((column < 4).sum().item() / 4000, (column > 6).sum().item() / 4000)
    assert left == pytest.approx(right, abs=0.04)
    counts = torch.bincount(down + 2).float() / 4000
    # Rounded from uniform in [-2, 2): the outermost have half the share.
    assert torch.allclose(counts, torch.tensor([1, 2, 2, 2, 1]) / 8, atol=0.03)


def test_without_shift_a_flipped_image_is_its_mirror_image() -> None:
    real = images(6)
    found = consistency(shift=0.0, flip=1.0).augmented(real)
    assert torch.equal(found.x, real.x.flip(3))
    assert found.y is real.y


def test_the_images_themselves_are_left_as_they_are() -> None:
    real = images(6)
    before = real.x.clone()
    consistency().augmented(real)
    assert torch.equal(real.x, before)


def test_the_term_is_the_weighted_mean_square_with_gradient_through_both_branches() -> None:
    h, moved_h = (torch.tensor(v, requires_grad=True) for v in ([1.0, 2.0], [0.5, 4.0]))
    value = consistency().term(h, moved_h)
    assert value.item() == pytest.approx(5 * (0.25 + 4) / 2)
    by_h, by_moved = torch.autograd.grad(value, [h, moved_h])
    assert by_h.tolist() == pytest.approx([2.5, -10])
    assert torch.equal(by_moved, -by_h)


def test_augmentation_follows_from_the_seed_and_goes_on_from_a_state() -> None:
    real = images(8)
    first, second, other = (consistency(seed) for seed in (3, 3, 4))
    assert torch.equal(first.augmented(real).x, second.augmented(real).x)
    assert not torch.equal(first.augmented(real).x, other.augmented(real).x)
    other.draws.load_state_dict(first.draws.state_dict())
    assert torch.equal(first.augmented(real).x, other.augmented(real).x)
