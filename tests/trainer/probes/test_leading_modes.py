from __future__ import annotations

import torch

from trainer.probes.leading_modes import leading_modes


def test_the_modes_with_most_samples_come_first_with_their_shares() -> None:
    found = leading_modes(torch.tensor([3, 1, 3, -1, 1, 3, 0]), None, 2)
    assert found.modes.tolist() == [3, 1]
    assert found.shares.tolist() == [3 / 6, 2 / 6]
    assert found.samples.tolist() == [0, 1]


def test_each_mode_is_shown_by_its_best_sample() -> None:
    quality = torch.tensor([0.1, 0.2, 0.9, 0.3, float("nan")])
    found = leading_modes(torch.tensor([0, 1, 0, 1, 2]), quality, 8)
    assert found.modes.tolist() == [0, 1, 2]
    assert found.samples.tolist() == [2, 3, 4]


def test_modes_are_called_as_the_judge_calls_them_or_by_their_numbers() -> None:
    found = leading_modes(torch.tensor([0, 0, 1]), None, 2)
    assert found.names(["Ann", "Bob"]) == ["Ann", "Bob"]
    assert found.names([]) == ["mode 0", "mode 1"]


def test_samples_without_a_mode_have_no_leading_one() -> None:
    found = leading_modes(torch.tensor([-1, -1]), None, 8)
    assert found.modes.tolist() == found.samples.tolist() == found.shares.tolist() == []
