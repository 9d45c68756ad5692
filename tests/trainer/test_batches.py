import torch

from trainer.batches import Labelled, joined

BATCH = Labelled(torch.arange(12.0).reshape(6, 2), torch.arange(6))


def test_parts_are_equal_and_in_order_with_their_labels() -> None:
    parts = BATCH.parts(3)
    assert [part.x.shape for part in parts] == [(2, 2)] * 3
    assert torch.equal(joined(parts).x, BATCH.x)
    assert [part.y.tolist() for part in parts if part.y is not None] == [[0, 1], [2, 3], [4, 5]]


def test_one_part_is_the_batch_itself() -> None:
    assert BATCH.parts(1)[0] is BATCH


def test_without_labels_parts_and_choices_have_none() -> None:
    unlabelled = Labelled(BATCH.x)
    assert [part.y for part in unlabelled.parts(2)] == [None, None]
    assert joined([unlabelled, unlabelled]).y is None
    assert unlabelled.chosen(torch.tensor([1])).y is None


def test_samples_are_chosen_with_their_labels() -> None:
    chosen = BATCH.chosen(torch.tensor([4, 0]))
    assert chosen.x.tolist() == [[8, 9], [0, 1]]
    assert chosen.y is not None
    assert chosen.y.tolist() == [4, 0]
