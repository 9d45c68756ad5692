import numpy as np
import pytest
import torch
from torch import Tensor

from trainer.data import ImageSet, Shuffled
from trainer.errors import DataError

CPU = torch.device("cpu")


def numbered(n: int) -> torch.Tensor:
    """Images that say which they are."""
    return torch.arange(n, dtype=torch.uint8).reshape(n, 1, 1, 1)


def drawn(stream: Shuffled, batches: int) -> list[int]:
    return [
        number
        for _ in range(batches)
        for number in stream.draw_labelled()[0].add(1).mul(127.5).round().flatten().int().tolist()
    ]


@pytest.mark.parametrize(("images", "batch"), [(12, 4), (10, 4), (3, 8)])
def test_every_pass_shows_every_image_once_in_an_order_of_its_own(images: int, batch: int) -> None:
    numbers = drawn(Shuffled(numbered(images), batch, seed=0, device=CPU), batches=30)
    passes = [numbers[i : i + images] for i in range(0, len(numbers) - images, images)]
    assert all(sorted(one) == list(range(images)) for one in passes)
    assert len({tuple(one) for one in passes}) > 1


def test_the_order_follows_from_the_seed_and_nothing_else() -> None:
    first = drawn(Shuffled(numbered(50), 7, seed=4, device=CPU), 20)
    torch.manual_seed(99)
    np.random.seed(99)
    assert drawn(Shuffled(numbered(50), 7, seed=4, device=CPU), 20) == first
    assert drawn(Shuffled(numbered(50), 7, seed=5, device=CPU), 20) != first


@pytest.mark.parametrize("before", range(9))
def test_a_stream_goes_on_exactly_where_another_was(before: int) -> None:
    whole = Shuffled(numbered(10), 4, seed=1, device=CPU)
    drawn(whole, before)
    other = Shuffled(numbered(10), 4, seed=1, device=CPU)
    other.load_state_dict(whole.state_dict())
    assert drawn(other, 6) == drawn(whole, 6)


def test_a_stream_does_not_go_on_over_other_data() -> None:
    state = Shuffled(numbered(10), 4, seed=1, device=CPU).state_dict()
    with pytest.raises(DataError, match="was trained on 10 images and the data now has 11"):
        Shuffled(numbered(11), 4, seed=1, device=CPU).load_state_dict(state)


def test_batches_are_floats_from_minus_one_to_one() -> None:
    batch = Shuffled(
        torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1, 1), 2, seed=0, device=CPU
    ).draw_labelled()[0]
    assert batch.dtype == torch.float32
    assert sorted(batch.flatten().tolist()) == [-1.0, 1.0]


def test_an_image_set_shows_images_as_networks_see_them() -> None:
    images = ImageSet(torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 1, 2), None)
    assert images[0].tolist() == [[[-1.0, 1.0]]]


@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize("mirror", [False, True])
def test_ranks_see_together_what_one_process_with_their_whole_batch_sees(ranks: int, mirror: bool) -> None:
    images = torch.arange(20, dtype=torch.uint8).reshape(10, 1, 1, 2)  # every mirrored image is another
    labels = torch.arange(10)
    whole = Shuffled(images, 3 * ranks, 6, CPU, labels=labels, mirror=mirror)
    parts = [
        Shuffled(images, 3, 6, CPU, labels=labels, mirror=mirror, rank=rank, ranks=ranks)
        for rank in range(ranks)
    ]
    for _ in range(9):  # over the ends of several passes
        together = [part.draw_labelled() for part in parts]
        seen, named = whole.draw_labelled()
        assert torch.equal(torch.cat([pixels for pixels, _ in together]), seen)
        assert named is not None
        assert torch.equal(torch.cat([some for _, some in together if some is not None]), named)
    assert [part.state_dict() for part in parts] == [whole.state_dict()] * ranks


def test_a_stream_goes_on_with_another_number_of_ranks() -> None:
    two = Shuffled(numbered(30), 4, 1, CPU, rank=1, ranks=2)
    drawn(two, 5)
    one = Shuffled(numbered(30), 8, 1, CPU)
    one.load_state_dict(two.state_dict())
    other = Shuffled(numbered(30), 8, 1, CPU)
    drawn(other, 5)
    assert drawn(one, 5) == drawn(other, 5)


def test_labels_stay_with_their_images() -> None:
    stream = Shuffled(numbered(50), 7, 3, CPU, labels=torch.arange(50) * 2)
    for _ in range(20):
        pixels, labels = stream.draw_labelled()
        assert labels is not None
        assert labels.dtype == torch.int64
        assert torch.equal(pixels.add(1).mul(127.5).round().flatten().long() * 2, labels)


def test_half_of_the_images_are_mirrored_and_all_else_is_as_without() -> None:
    images = torch.arange(200, dtype=torch.uint8).reshape(100, 1, 1, 2)
    plain = Shuffled(images, 50, 2, CPU)
    mirrored = Shuffled(images, 50, 2, CPU, mirror=True)
    turned: list[Tensor] = []
    for _ in range(40):
        before, after = plain.draw_labelled()[0], mirrored.draw_labelled()[0]
        is_turned = (after == before.flip(3)).all(dim=(1, 2, 3))
        assert bool((is_turned | (after == before).all(dim=(1, 2, 3))).all())
        turned.append(is_turned)
    share = torch.cat(turned).float().mean().item()
    assert abs(share - 0.5) < 4 * 0.5 / 2000**0.5  # four standard errors


def test_mirroring_follows_from_the_position_so_that_a_checkpoint_holds_it() -> None:
    images = torch.arange(200, dtype=torch.uint8).reshape(100, 1, 1, 2)
    whole = Shuffled(images, 8, 2, CPU, mirror=True)
    for _ in range(5):
        whole.draw_labelled()
    other = Shuffled(images, 8, 2, CPU, mirror=True)
    other.load_state_dict(whole.state_dict())
    assert torch.equal(other.draw_labelled()[0], whole.draw_labelled()[0])
