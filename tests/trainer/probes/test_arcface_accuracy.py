"""How well the judge tells the people of LFW apart."""

import math
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from tests.trainer.conftest import sets_folder
from tests.trainer.probes.faces import FACES, LFW, MODEL, bank_of, images_of, known_people, needed
from trainer.probes.diversity import james_stein_entropy
from trainer.probes.judges.recognition import Recognizer

pytest.importorskip("insightface")
pytestmark = pytest.mark.slow


class Judged(NamedTuple):
    """Held-out faces, and who the judge takes them for."""

    person: Tensor
    mode: Tensor
    m: int

    def diversities(self, drawn: Tensor) -> tuple[float, float]:
        """Of a draw, by what the judge says and by the truth."""
        by_judge, by_truth = (
            james_stein_entropy(torch.bincount(of[drawn], minlength=self.m).numpy(), self.m).entropy
            for of in (self.mode, self.person)
        )
        return by_judge, by_truth


@pytest.fixture(scope="module")
def judged() -> Judged:
    """Of the 158 people with at least 10 images every other image makes the bank."""
    sets = sets_folder()
    needed(sets, FACES, MODEL)
    chosen, of_each = known_people(sets / FACES, at_least=10)
    person = torch.tensor(of_each)
    recognizer = Recognizer(sets / MODEL, LFW)
    embeddings = recognizer.embeddings(images_of(sets / FACES, chosen))
    place = torch.cat([torch.arange(n) for n in torch.bincount(person).tolist()])
    order = person.argsort(stable=True)
    in_bank = torch.empty(len(person), dtype=torch.bool)
    in_bank[order] = place % 2 == 0
    bank = bank_of(recognizer, embeddings[in_bank], person[in_bank])
    return Judged(person[~in_bank], bank.nearest(embeddings[~in_bank]), len(bank.names))


def test_held_out_faces_are_taken_for_those_they_show(judged: Judged) -> None:
    assert (judged.mode == judged.person).double().mean() >= 0.98


def test_d_of_real_draws_is_that_of_their_true_people(judged: Judged) -> None:
    for seed in range(20):
        drawn = torch.randperm(len(judged.person), generator=torch.Generator().manual_seed(seed))[:500]
        by_judge, by_truth = judged.diversities(drawn)
        assert by_judge == pytest.approx(by_truth, rel=0.02)


def test_one_person_has_no_diversity_and_all_alike_have_the_most(judged: Judged) -> None:
    generator = torch.Generator().manual_seed(0)
    most_pictured = int(torch.bincount(judged.person).argmax())
    of_one = (judged.person == most_pictured).nonzero()[:, 0]
    one = of_one[torch.randint(len(of_one), (500,), generator=generator)]
    assert judged.diversities(one)[0] < 0.05
    people = torch.randint(judged.m, (500,), generator=generator).tolist()
    of_each = [(judged.person == j).nonzero()[:, 0] for j in range(judged.m)]
    alike = torch.stack([of_each[j][torch.randint(len(of_each[j]), (), generator=generator)] for j in people])
    assert judged.diversities(alike)[0] > 0.99 * math.log(judged.m)
