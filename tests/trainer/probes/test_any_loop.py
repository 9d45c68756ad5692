"""What other people's loops are made of: mixed precision, compiled and distributed networks, labels."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed, nn
from torch.autograd import backward
from torch.nn.functional import softplus

from tests.trainer.probes.benched import Quadrants
from tests.trainer.probes.notebook import Notebook
from tests.trainer.probes.test_watch import OFTEN, REAL, Training, Z, plain, train
from trainer.probes import Watch
from trainer.probes.registry import PROBES


@pytest.fixture
def one_process(tmp_path: Path) -> Iterator[None]:
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'meet'}", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def compiled(network: nn.Module) -> Any:
    return torch.compile(network, backend="eager")


class Wrapped(Training):
    def __init__(self, wrap: Callable[[nn.Module], Any]) -> None:
        super().__init__()
        self.G, self.D = wrap(self.G), wrap(self.D)
        self.critic = self.D


@pytest.mark.usefixtures("one_process")
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # dynamo's own
@pytest.mark.parametrize(
    "wrap", [nn.parallel.DistributedDataParallel, pytest.param(compiled, marks=pytest.mark.slow)]
)
def test_wrapped_networks_train_the_same_to_the_bit(wrap: Callable[[nn.Module], Any]) -> None:
    run, alone = Notebook(), Wrapped(wrap)
    train(alone, None, 10)
    watched = Wrapped(wrap)
    train(watched, watched.watch(run), 10)
    assert all(torch.equal(a, b) for a, b in zip(alone.bits(), watched.bits(), strict=True))
    assert len(run.series("quality/quadrants")) == 2
    assert "angle/layer/g/0" in run.declared


class InMixedPrecision(Training):
    """bfloat16 where autocast says so, losses scaled."""

    def __init__(self) -> None:
        super().__init__()
        self.scaler = torch.amp.GradScaler("cpu")

    def step(self) -> tuple[Tensor, Tensor]:
        for_G, for_D = self.optimizers
        real = REAL[torch.randint(len(REAL), (16,))]
        for optimizer in (for_D, for_G):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                fake = self.G(torch.randn(16, Z))
                loss = softplus(self.D(fake)) + softplus(-self.D(real))
            backward(self.scaler.scale(loss.mean()))
            self.scaler.step(optimizer)
            self.scaler.update()
        return real, fake


def test_mixed_precision_is_measured_in_full_precision_and_not_disturbed() -> None:
    with torch.autocast("cpu", torch.bfloat16):  # a loop that never leaves it
        alone = InMixedPrecision()
        train(alone, None, 6)
        watched = InMixedPrecision()
        train(watched, watched.watch(Notebook(), every={**OFTEN, "gradient_norms": 1}), 6)
    assert all(torch.equal(a, b) for a, b in zip(alone.bits(), watched.bits(), strict=True))
    real, fake = watched.step()
    within, without = Notebook(), Notebook()
    for book, enabled in ((within, True), (without, False)):
        watch = watched.watch(book, every={**OFTEN, "gradient_norms": 1})
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            watch.step(real=real, fake=fake)
    assert within.series("gradient_norm/fake") == without.series("gradient_norm/fake")


class Conditional(nn.Module):
    """Takes labels beside its input."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.labels = nn.Embedding(3, into)
        self.layers = nn.Sequential(nn.Linear(into, 16), nn.LeakyReLU(0.2), nn.Linear(16, out))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        out: Tensor = self.layers(x.flatten(1) + self.labels(y))
        return out.tanh().view(len(x), 1, 4, 4) if out.shape[1] == 16 else out.squeeze(1)


def with_labels(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    return torch.randn(n, Z, generator=generator), torch.randint(3, (n,), generator=generator)


def test_conditional_networks_are_measured_with_their_labels() -> None:
    torch.manual_seed(0)
    G, D, run = Conditional(Z, 16), Conditional(16, 1), Notebook()
    every = dict.fromkeys([*PROBES, "layer_angles"], 1)
    watch = Watch(G, D, run, real=REAL, judge=Quadrants(), z=with_labels, every=every, n_eval=50)
    y = torch.arange(8) % 3
    fake = G(torch.randn(8, Z), y)
    watch.step(real=(REAL[:8], y), fake=(fake, y))
    watch.epoch()
    assert run.names() == {*run.declared}
    x = REAL[:8].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(D(x, y).sum(), x)
    norms = gradient.flatten(1).norm(dim=1)
    assert run.series("gradient_norm/real")[0][8:10] == pytest.approx(
        [norms.max().item(), norms.mean().item()]
    )


def test_batches_may_be_lists_as_loaders_give_them_and_labels_from_the_loops_generator() -> None:
    def careless(n: int, _: torch.Generator) -> tuple[Tensor, Tensor]:
        return torch.randn(n, Z), torch.randint(3, (n,))

    G, D, run = Conditional(Z, 16), Conditional(16, 1), Notebook()
    y = torch.arange(8) % 3
    fake = G(torch.randn(8, Z), y)
    state = torch.get_rng_state()
    every = {"quality": None, "gradient_norms": 1}
    watch = Watch(G, D, run, z=careless, every=every)
    watch.step(real=[REAL[:8], y], fake=[fake, y])
    watch.epoch()
    assert torch.equal(torch.get_rng_state(), state)
    assert len(run.series("gradient_norm/real")) == 1


def test_no_generator_of_a_gpu_is_seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    training, seeds = Training(), list[int]()
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeds.append)
    training.watch(Notebook())
    assert not seeds


@pytest.mark.usefixtures("one_process")
def test_a_critic_is_taken_out_of_its_wrapping_too() -> None:
    training, wrap = Training(), nn.parallel.DistributedDataParallel
    critic = nn.Sequential(training.D, nn.Tanh())
    watch = training.watch(Notebook(), critic=wrap(critic))
    assert watch.subject.critic is critic
    assert not training.watch(Notebook(), critic=wrap(training.D)).subject.is_normalized


class Headed(Training):
    """Whose critic is a function of more than D, and of D in its wrapping."""

    def __init__(self) -> None:
        super().__init__(lambda: nn.parallel.DistributedDataParallel(plain()))
        head = self.head = nn.Sequential(nn.BatchNorm1d(1), nn.Linear(1, 1))
        self.critic = lambda x: head(self.D(x)[:, None])

    def bits(self) -> list[Tensor]:
        return [*super().bits(), *(value.clone() for value in self.head.state_dict().values())]


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize("changes", [{}, {"z": None, "every": {"quality": None, "samples": None}}])
def test_what_a_critic_calls_besides_d_is_not_disturbed(changes: dict[str, Any]) -> None:
    alone = Headed()
    train(alone, None, 6)
    watched = Headed()
    every = dict.fromkeys(PROBES, 2) | changes.pop("every", {})
    watch = watched.watch(Notebook(), every=every, **changes)
    train(watched, watch, 6)
    assert all(torch.equal(a, b) for a, b in zip(alone.bits(), watched.bits(), strict=True))
    assert all(module.training for module in watched.head.modules())
    assert watch.probes.keys() == PROBES.keys()


@pytest.mark.parametrize("labels", [None, torch.arange(50) % 2])
def test_another_default_device_changes_nothing(labels: Tensor | None) -> None:
    """One without data: whatever of ours did not say where it is would fail."""
    real = REAL if labels is None else torch.utils.data.TensorDataset(REAL, labels)
    here, there = Notebook(), Notebook()
    for book, device in ((here, "cpu"), (there, "meta")):
        training = Training()
        x, fake = training.step()
        with torch.device(device):
            every = dict.fromkeys([*PROBES, "layer_angles"], 1)
            watch = training.watch(book, real=real, judge=None, every=every)
            watch.step(real=x, fake=fake)
            watch.epoch()
    assert {
        "lipschitz/constant",
        "quality/classifier" if labels is not None else "diversity/kmeans",
    } <= here.names()
    assert there.points == here.points


def test_labels_that_a_critic_needs_and_nobody_gives_are_asked_for() -> None:
    G, D = Conditional(Z, 16), Conditional(16, 1)
    with pytest.raises(ValueError, match=r"Pass z=.*\(z, y\)"):
        Watch(G, D, Notebook(), real=REAL, judge=Quadrants(), z=Z)
    unconditional = Training().G
    with pytest.raises(ValueError, match=r"step\(real=\(x, y\), fake=\(g, y\)\)"):
        Watch(unconditional, D, Notebook(), real=REAL, judge=Quadrants(), z=Z)


def test_the_three_lines_need_no_more_than_networks_a_run_and_a_loader() -> None:
    run, training = Notebook(), Training()
    dataset = torch.utils.data.TensorDataset(REAL, torch.arange(50) % 2)
    loader = torch.utils.data.DataLoader(dataset, batch_size=10, shuffle=True)
    state = torch.get_rng_state()
    watch = Watch(
        training.G,
        training.D,
        run,
        critic=training.critic,
        real=loader,
        every={"angles": 1, "gradient_norms": 100, "finite_differences": 1000, "quality": "epoch"},
    )
    assert torch.equal(torch.get_rng_state(), state)
    real, fake = training.step()
    watch.step(real=real, fake=fake)
    watch.epoch()
    assert watch.subject.sampler
    assert next(watch.subject.sampler.inputs(3))[0].shape == (3, Z)
    assert {"quality/classifier", "diversity/classifier", "angle/iter/g"} <= run.names()


@pytest.mark.parametrize(
    ("G", "shape"),
    [
        (nn.Sequential(nn.ConvTranspose2d(7, 1, 4)), (7, 1, 1)),
        (nn.Sequential(nn.Unflatten(1, (5, 1, 1)), nn.ConvTranspose2d(5, 3, 8)), (5,)),
    ],
)
def test_what_a_generator_takes_is_found_out(G: Any, shape: tuple[int, ...]) -> None:
    if len(shape) == 1:
        G.nz = 5
    watch = Watch(G, nn.Linear(2, 2), Notebook(), every=dict.fromkeys(PROBES) | {"quality": None})
    assert watch.subject.sampler
    assert next(watch.subject.sampler.inputs(2))[0].shape == (2, *shape)
