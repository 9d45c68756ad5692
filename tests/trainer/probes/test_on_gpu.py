import copy

import pytest
import torch
from torch.nn.functional import softplus

from tests.trainer.probes.benched import Quadrants
from tests.trainer.probes.notebook import Notebook
from tests.trainer.probes.test_watch import OFTEN, REAL, Training, Z, train
from trainer.critics import GradientNormalizedCritic
from trainer.probes import Watch
from trainer.probes.probe import Batch, Subject
from trainer.probes.registry import PROBES
from trainer.probes.sample_grid import Sampler, normal_latents
from trainer.probes.saturation import Limits
from trainer.probes.undisturbed import undisturbed

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def test_what_is_found_on_a_gpu_leaves_its_generator_and_measures_in_full() -> None:
    named, found = torch.nn.Linear(4, 4), torch.nn.Dropout().cuda()
    before = torch.cuda.get_rng_state_all()
    with torch.autocast("cuda"), undisturbed(named) as visit, visit.finding():
        found(torch.rand(4, 4, device="cuda"))
        assert not torch.is_autocast_enabled("cuda")
    assert visit.found == [found]
    assert all(map(torch.equal, torch.cuda.get_rng_state_all(), before))


def test_a_gpu_measures_what_the_cpu_measures() -> None:
    training = Training(normalized=False)
    train(training, None, 3)
    G, D = copy.deepcopy(training.G).cuda(), copy.deepcopy(training.D).cuda()
    on_cpu, on_gpu = Notebook(), Notebook()
    for networks, run, device in (((training.G, training.D), on_cpu, "cpu"), ((G, D), on_gpu, "cuda")):
        generator = torch.Generator().manual_seed(0)
        watch = Watch(*networks, run, real=REAL, judge=Quadrants(), z=Z, every=OFTEN, n_eval=100, n_grid=4)
        for step in (1, 2):
            with torch.no_grad():
                for network in networks:
                    for parameter in network.parameters():
                        parameter.add_(
                            torch.randn(parameter.shape, generator=generator).to(device), alpha=1e-3
                        )
            watch.step(real=REAL[:8].to(device), fake=REAL[8:16].to(device), step=step)
        watch.epoch()
    assert [name for name, *_ in on_gpu.points] == [name for name, *_ in on_cpu.points]
    for (name, _, _, here), (_, _, _, there) in zip(on_cpu.points, on_gpu.points, strict=True):
        assert there == pytest.approx(here, rel=1e-3, abs=1e-4), name


def test_on_a_gpu_too_the_generators_are_what_they_were() -> None:
    training = Training()
    training.G.cuda()
    training.D.cuda()
    state = torch.cuda.get_rng_state()
    watch = training.watch(Notebook(), every={"gradient_norms": 1})
    watch.step(real=REAL.cuda(), fake=REAL.cuda())
    watch.epoch()
    assert torch.equal(torch.cuda.get_rng_state(), state)


def on(device: str, training: Training) -> tuple[Subject, Batch, Batch]:
    G, D = (copy.deepcopy(network).to(device).eval() for network in (training.G, training.D))
    subject = Subject(
        G,
        D,
        GradientNormalizedCritic(D),
        generator_loss=lambda h: softplus(-h).mean(),
        saturation=Limits(bound=1.0),
        sampler=Sampler(G, normal_latents((Z,)), 0),
        real=REAL,
    )
    return subject, Batch(REAL[:8].to(device)), Batch(REAL[8:16].to(device))


@pytest.mark.parametrize("name", PROBES)
def test_probes_of_the_critic_say_the_same_on_a_gpu_and_do_not_wait_for_it(name: str) -> None:
    training = Training(normalized=True)
    subject, real, fake = on("cpu", training)
    expected = PROBES[name].make(subject).measure(real, fake)
    subject, real, fake = on("cuda", training)
    probe = PROBES[name].make(subject)
    probe.measure(real, fake)  # libraries load their kernels, which waits
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        with undisturbed(subject.G, subject.D, subject.critic):
            found = probe.measure(real, fake)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert found.keys() == expected.keys()
    for series, value in found.items():
        assert value.tolist() == pytest.approx(expected[series].tolist(), rel=1e-3, abs=1e-4), series
