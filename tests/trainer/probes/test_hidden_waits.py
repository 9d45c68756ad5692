"""What a GPU would show, on a machine without: tensors without data refuse whatever would wait for their
numbers (`item`, `tolist`, `bool`, a mask as an index, a copy to the host), and whatever mixes devices.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from tests.trainer.probes.benched import Quadrants
from tests.trainer.probes.test_watch import REAL, Z, generator, plain
from trainer.probes.judges import Judge
from trainer.probes.judges.classifier import ClassifierJudge, classifier
from trainer.probes.judges.kmeans import KMeansJudge
from trainer.probes.judging import Here, Moment
from trainer.probes.preparation import batch_of
from trainer.probes.probe import Batch, Subject
from trainer.probes.registry import PROBES
from trainer.probes.sample_grid import Sampler, normal_latents
from trainer.probes.saturation import Limits
from trainer.probes.stability import Stability
from trainer.probes.undisturbed import undisturbed

ELSEWHERE = torch.device("meta")


def subject() -> Subject:
    G, D = generator().to(ELSEWHERE), plain().to(ELSEWHERE)
    return Subject(
        G,
        D,
        nn.Sequential(D, nn.Tanh()),
        generator_loss=lambda h: softplus(-h).mean(),
        saturation=Limits(bound=1.0, margin=2.0),
        sampler=Sampler(G, normal_latents((Z,)), 0),
        real=REAL,
    )


def batch(n: int) -> Batch:
    return batch_of(torch.rand(n, 1, 4, 4, device=ELSEWHERE, dtype=torch.bfloat16)).widened()


@pytest.mark.parametrize("name", PROBES)
def test_probes_of_the_critic_wait_for_no_number_and_stay_on_their_device(name: str) -> None:
    probed = subject()
    probe = PROBES[name].make(probed)
    with undisturbed(*probed.called):
        for _ in range(2):
            found = probe.measure(batch(8), batch(6))
    assert found.keys() == {series.name for series in probe.series()}
    assert {value.device for value in found.values()} == {ELSEWHERE}


def test_turns_of_the_weights_wait_for_no_number() -> None:
    networks = {"g": subject().G, "d": subject().D}
    every = {"angles": 2, "layer_angles": 3, "epoch_angles": "epoch"}
    stability = Stability(networks, every, everything=True)
    found: dict[str, Tensor] = {}
    for step in range(1, 7):
        found |= stability.step(step)
    found |= stability.mark()
    assert {"angle/iter/g", "angle/iter_layer/d/0", "angle/epoch/d", "angle/layer/g/0"} <= found.keys()
    assert {value.device for value in found.values()} == {ELSEWHERE}


@pytest.mark.parametrize(
    "judge",
    [
        Quadrants,
        lambda: KMeansJudge(torch.rand(5, 16)),
        lambda: ClassifierJudge(
            "classes",
            "",
            classifier(REAL.shape[1:], 3, (4,)).to(ELSEWHERE),
            REAL.shape[1:],
            ("a", "b", "c"),
            1.0,
        ),
    ],
)
def test_samples_are_drawn_and_judged_without_waiting(judge: Callable[[], Judge]) -> None:
    sampler = subject().sampler
    assert sampler
    panel = Here([judge()])
    with undisturbed(sampler.G):
        panel.ask(Moment(1, 0), sampler.batches(100))
    (answer,) = panel.answers()
    assert not answer.problem
    assert answer.pixels.shape == (100, 4, 4)
