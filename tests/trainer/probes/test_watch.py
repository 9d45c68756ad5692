import copy
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import backward
from torch.nn.functional import softplus
from torch.nn.utils.parametrizations import spectral_norm
from torch.utils.data import DataLoader, TensorDataset

import monitor
from tests.reference import angles_twin, distribution_twin, diversity_twin
from tests.trainer.probes.benched import Quadrants
from tests.trainer.probes.notebook import Bare, Notebook
from tests.trainer.probes.test_angles import Largest, Operations
from trainer.critics import GradientNormalizedCritic
from trainer.probes import Watch
from trainer.probes.critic_declarations import SIDES
from trainer.probes.judges import Scores
from trainer.probes.recorder import DISTRIBUTION_FIELDS
from trainer.probes.registry import PROBES, Every

Z = 6
LAYERS = ("g/0", "g/4", "d/0", "d/3")
REAL = torch.rand(50, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
#: Of the probes of the critic only the oldest, often.
OFTEN: Mapping[str, Every] = dict.fromkeys(PROBES) | {"angles": 1, "layer_angles": 5, "gradient_norms": 2}


def generator() -> nn.Module:
    return nn.Sequential(
        nn.Linear(Z, 32),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.Linear(32, 16),
        nn.Tanh(),
        nn.Unflatten(1, (1, 4, 4)),
    )


def plain() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(128, 1), nn.Flatten(0)
    )


def with_spectral_norm_and_dropout() -> nn.Module:
    first, last = spectral_norm(nn.Conv2d(1, 8, 3, padding=1)), spectral_norm(nn.Linear(128, 1))
    return nn.Sequential(first, nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Flatten(), last, nn.Flatten(0))


def with_batch_norm() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(128, 1),
        nn.Flatten(0),
    )


class Training:
    """A plain GAN loop that someone else would write, on torch's global generator."""

    def __init__(self, discriminator: Callable[[], nn.Module] = plain, *, normalized: bool = False) -> None:
        torch.manual_seed(1)
        self.G, self.D = generator(), discriminator()
        self.critic: Any = GradientNormalizedCritic(self.D) if normalized else self.D
        self.optimizers = [torch.optim.Adam(network.parameters(), lr=1e-3) for network in (self.G, self.D)]

    def step(self) -> tuple[Tensor, Tensor]:
        real = REAL[torch.randint(len(REAL), (16,))]
        fake = self.G(torch.randn(16, Z)).detach()
        for_G, for_D = self.optimizers
        for_D.zero_grad()
        backward((softplus(-self.critic(real)) + softplus(self.critic(fake))).mean())
        for_D.step()
        for_G.zero_grad()
        backward(softplus(-self.critic(self.G(torch.randn(16, Z)))).mean())
        for_G.step()
        return real, fake

    def watch(self, run: Any, **changes: Any) -> Watch:
        settings: dict[str, Any] = {
            "critic": self.critic,
            "real": REAL,
            "judge": Quadrants(),
            "z": Z,
            "every": OFTEN,
        }
        return Watch(self.G, self.D, run, **{**settings, "n_eval": 100, "n_grid": 9, **changes})

    def bits(self) -> list[Tensor]:
        state = [value for network in (self.G, self.D) for value in network.state_dict().values()]
        moments = [v for o in self.optimizers for s in o.state_dict()["state"].values() for v in s.values()]
        gradients = [
            p.grad for network in (self.G, self.D) for p in network.parameters() if p.grad is not None
        ]
        return [copy.deepcopy(value) for value in [*state, *moments, *gradients, torch.get_rng_state()]]


def train(training: Training, watch: Watch | None, steps: int, per_epoch: int = 5) -> None:
    for step in range(1, steps + 1):
        real, fake = training.step()
        if watch:
            watch.step(real=real, fake=fake)
            if step % per_epoch == 0:
                watch.epoch()


@pytest.mark.parametrize(
    ("discriminator", "normalized"),
    [(plain, False), (plain, True), (with_spectral_norm_and_dropout, False), (with_batch_norm, False)],
)
def test_training_is_the_same_to_the_bit_with_and_without_probes(
    discriminator: Callable[[], nn.Module], normalized: bool
) -> None:
    alone = Training(discriminator, normalized=normalized)
    train(alone, None, 25)
    expected = alone.bits()
    watched = Training(discriminator, normalized=normalized)
    every: dict[str, Every] = dict.fromkeys(PROBES, 7) | {"angles": 1, "layer_angles": 2}
    train(watched, watched.watch(Notebook(), every=every), 25)
    assert all(torch.equal(a, b) for a, b in zip(expected, watched.bits(), strict=True))
    assert all(module.training for network in (watched.G, watched.D) for module in network.modules())


def test_every_series_that_is_logged_says_what_it_is_and_none_is_declared_in_vain() -> None:
    run, training = Notebook(), Training(normalized=True)
    train(training, training.watch(run), 10)
    assert run.names() == set(run.declared)
    assert run.names() == {
        *(
            f"{name}/{net}"
            for name in ("angle/iter", "angle/epoch", "weight_norm", "relative_update")
            for net in "gd"
        ),
        *(f"{name}/iter/{net}" for name in ("weight_norm", "relative_update") for net in "gd"),
        *(f"angle/{kind}/{layer}" for kind in ("layer", "iter_layer") for layer in LAYERS),
        *(f"{name}/{side}" for name in ("gradient_norm", "gradient_norm_raw") for side in SIDES),
        *(f"quality{end}/quadrants" for end in ("", "_se")),
        "recognized/quadrants",
        *(f"diversity{end}/quadrants" for end in ("", "_se", "_share", "_real")),
        *("modes_seen/quadrants", "shrinkage/quadrants"),
    }
    roles = {facts["role"]: name for name, facts in run.declared.items() if facts["role"]}
    assert roles == {
        "S_G": "angle/iter/g",
        "S_D": "angle/iter/d",
        "S_G_ep": "angle/epoch/g",
        "S_D_ep": "angle/epoch/d",
        "wn_G": "weight_norm/g",
        "wn_D": "weight_norm/d",
        "gn_real": "gradient_norm/real",
        "gn_fake": "gradient_norm/fake",
        "Q": "quality/quadrants",
        "D": "diversity/quadrants",
    }
    for name, facts in run.declared.items():
        assert facts["help"].endswith("."), name
        assert facts["kind"] == ("distribution" if name.startswith("gradient_norm") else "scalar")
        assert (facts["judge"], facts["m"]) == (("quadrants", 4) if "quadrants" in name else (None, None))
    assert run.declared["diversity/quadrants"]["upper"] == math.log(4)
    assert run.declared["quality/quadrants"]["n"] == 100
    assert run.declared["diversity_real/quadrants"]["n"] == 50


def test_values_lie_within_the_bounds_that_were_declared() -> None:
    run, training = Notebook(), Training()
    train(training, training.watch(run), 20)
    for name, _, _, value in run.points:
        lower, upper = run.declared[name]["lower"], run.declared[name]["upper"]
        for number in value[:-1] if isinstance(value, list) else [value]:
            assert lower <= number <= (math.inf if upper is None else upper * (1 + 1e-12)), name


def test_a_mark_comes_before_what_names_it_and_expects_what_will() -> None:
    run, training = Notebook(), Training()
    train(training, training.watch(run), 10)
    assert run.marks == [
        {
            "step": 5,
            "epoch": 1,
            "images_seen": None,
            "expects": ("S_G_ep", "wn_G", "S_D_ep", "wn_D", "Q", "D"),
        },
        {
            "step": 10,
            "epoch": 2,
            "images_seen": None,
            "expects": ("S_G_ep", "wn_G", "S_D_ep", "wn_D", "Q", "D"),
        },
    ]
    named = {(step, mark) for _, step, mark, _ in run.points if mark is not None}
    assert named == {(5, 0), (10, 1)}
    of_roles = {name for name, _, mark, _ in run.points if mark == 0 and run.declared[name]["role"]}
    assert {run.declared[name]["role"] for name in of_roles} == set(run.marks[0]["expects"])
    assert run.steps("angle/iter/g") == list(range(1, 11))
    assert run.steps("gradient_norm/real") == [2, 4, 6, 8, 10]


def test_the_loop_may_count_for_itself() -> None:
    run, training = Notebook(), Training()
    watch = training.watch(run)
    real, fake = training.step()
    watch.step(real=real, fake=fake, step=101)
    evaluation = watch.epoch(epoch=7.5, images_seen=6464, step=101)
    assert run.steps("angle/iter/d") == [101]
    assert run.marks[0] | {"expects": ()} == {"step": 101, "epoch": 7.5, "images_seen": 6464, "expects": ()}
    assert evaluation.mark == 0
    assert float(evaluation.values["quality/quadrants"]) == run.series("quality/quadrants")[0]


def weights(network: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in network.parameters() if p.dim() >= 2]


def test_angles_and_lengths_are_those_of_the_slow_twin() -> None:
    run, training = Notebook(), Training()
    watch = training.watch(run)
    start = previous = weights(training.G)
    for step in range(5):
        real, fake = training.step()
        watch.step(real=real, fake=fake)
        now = weights(training.G)
        assert run.series("angle/iter/g")[step] == pytest.approx(angles_twin.angle(previous, now), rel=1e-6)
        previous = now
    watch.epoch()
    assert run.series("angle/epoch/g") == pytest.approx([angles_twin.angle(start, previous)], rel=1e-6)
    assert run.series("angle/layer/g/4") == pytest.approx(
        [angles_twin.angle(start[1:], previous[1:])], rel=1e-6
    )
    assert run.series("weight_norm/g") == pytest.approx([angles_twin.norm(previous)])
    assert run.series("relative_update/g") == pytest.approx([angles_twin.relative_update(start, previous)])


def test_however_rarely_it_is_measured_the_iteration_angle_is_that_of_one_step() -> None:
    always, rarely, training = Notebook(), Notebook(), Training()
    watches = [training.watch(always), training.watch(rarely, every={**OFTEN, "angles": 3})]
    for _ in range(9):
        real, fake = training.step()
        for watch in watches:
            watch.step(real=real, fake=fake)
    assert rarely.steps("angle/iter/d") == [3, 6, 9]
    assert rarely.series("angle/iter/d") == always.series("angle/iter/d")[2::3]


def test_gradient_norms_are_those_of_one_sample_at_a_time() -> None:
    run, training = Notebook(), Training(normalized=True)
    watch = training.watch(run, every={**OFTEN, "gradient_norms": 1})
    real, fake = training.step()
    watch.step(real=real, fake=fake)
    for name, score in {"gradient_norm": training.critic, "gradient_norm_raw": training.D}.items():
        for side, images in {"real": real, "fake": fake}.items():
            norms = []
            for image in images:
                x = image[None].clone().requires_grad_()
                (gradient,) = torch.autograd.grad(score(x).sum(), x)
                norms.append(math.hypot(*gradient.flatten().tolist()))
            measured = dict(zip(DISTRIBUTION_FIELDS, run.series(f"{name}/{side}")[0], strict=True))
            assert measured == pytest.approx(distribution_twin.distribution(norms), rel=1e-4)


def test_quality_and_diversity_are_those_of_what_the_judge_said_of_the_generator_in_eval_mode() -> None:
    run, training = Notebook(), Training()
    watch = training.watch(run)
    train(training, watch, 5)
    G = copy.deepcopy(training.G).eval()
    z_of = torch.Generator().manual_seed(0)
    images = torch.cat([G(torch.randn(n, Z, generator=z_of)) for n in (64, 36)]).detach()
    quality, mode = Quadrants().score(images)
    assert quality is not None
    assert mode is not None
    counts = torch.bincount(mode, minlength=4).tolist()
    assert run.series("quality/quadrants") == pytest.approx([quality.double().mean().item()])
    assert run.series("quality_se/quadrants") == pytest.approx(
        [quality.double().std(correction=0).item() / 10]
    )
    assert run.series("diversity/quadrants") == pytest.approx([diversity_twin.entropy(counts, 4)], abs=1e-9)
    assert run.series("diversity_se/quadrants") == pytest.approx(
        [diversity_twin.jackknife(counts, 4)], abs=1e-9
    )
    assert run.series("modes_seen/quadrants") == [sum(count > 0 for count in counts)]
    mode_of_real = Quadrants().score(REAL).mode
    assert mode_of_real is not None
    real = torch.bincount(mode_of_real, minlength=4).tolist()
    assert run.series("diversity_real/quadrants") == pytest.approx(
        [diversity_twin.entropy(real, 4)], abs=1e-9
    )
    grid = run.images[0]
    assert grid["pixels"].shape == (9, 4, 4)
    assert grid["pixels"].dtype == torch.uint8
    assert grid["scores"] == quality[:9].tolist()
    assert (grid["name"], grid["step"], grid["mark"]) == ("samples", 5, 0)


class Faces(Quadrants):
    """Says how good, and nothing of modes."""

    name = "faces"
    m = None

    def score(self, images: Tensor) -> Scores:
        return super().score(images)._replace(mode=None)


class People(Quadrants):
    """Tells modes, and nothing of quality."""

    name = "people"
    gives_quality = False

    def score(self, images: Tensor) -> Scores:
        return super().score(images)._replace(quality=None)


def test_quality_and_diversity_may_come_from_different_judges_of_the_same_samples() -> None:
    apart, together, training = Notebook(), Notebook(), Training()
    watches = [training.watch(apart, judge=[Faces(), People()]), training.watch(together)]
    training.step()
    for watch in watches:
        watch.epoch()
    for name, judge in (("quality", "faces"), ("diversity", "people"), ("diversity_real", "people")):
        assert apart.series(f"{name}/{judge}") == together.series(f"{name}/quadrants")
    judged = {name for name in apart.names() if name.endswith(("/faces", "/people"))}
    assert judged == {
        *(f"quality{end}/faces" for end in ("", "_se")),
        "recognized/faces",
        *(f"diversity{end}/people" for end in ("", "_se", "_share", "_real")),
        *("modes_seen/people", "shrinkage/people"),
    }
    assert apart.declared["quality/faces"]["role"] == "Q"
    assert apart.declared["diversity/people"]["role"] == "D"
    assert apart.images[0]["scores"] == together.images[0]["scores"]


def test_the_best_and_the_worst_of_all_that_were_judged_are_shown_with_their_quality() -> None:
    run, training = Notebook(), Training()
    training.watch(run).epoch()
    shown = {image["name"]: image for image in run.images}
    best, worst = shown["samples/best"], shown["samples/worst"]
    assert best["pixels"].shape == worst["pixels"].shape == (16, 4, 4)
    assert best["scores"] == sorted(best["scores"], reverse=True)
    assert worst["scores"] == sorted(worst["scores"])
    assert max(worst["scores"]) <= min(best["scores"])
    assert best["scores"][0] >= max(shown["samples"]["scores"])
    of_best = best["pixels"].float()[:, None] / 127.5 - 1
    quality = Quadrants().score(of_best).quality
    assert quality is not None
    assert quality.tolist() == pytest.approx(best["scores"], abs=0.01)


def test_of_several_judges_the_first_that_gives_it_has_the_role() -> None:
    run = Notebook()
    watch = Training().watch(run, judge=[Faces(), Quadrants()])
    assert run.declared["quality/faces"]["role"] == "Q"
    assert run.declared["quality/quadrants"]["role"] is None
    assert run.declared["diversity/quadrants"]["role"] == "D"
    watch.epoch()
    assert run.marks[0]["expects"].count("Q") == 1


def test_the_averaged_generator_is_the_one_that_is_judged() -> None:
    run, training = Notebook(), Training()
    G_ema = copy.deepcopy(training.G).requires_grad_(False)
    watch = training.watch(run, G_ema=G_ema)
    train(training, watch, 5)
    watch.epoch()
    assert run.series("quality/quadrants")[0] == run.series("quality/quadrants")[1]
    assert run.series("angle/epoch/g")[0] > 0
    assert not any(p.requires_grad for p in G_ema.parameters())


def test_nan_in_the_weights_is_nan_in_every_series_and_never_0() -> None:
    run, training = Notebook(), Training(normalized=True)
    watch = training.watch(run, every={**OFTEN, "gradient_norms": 1})
    real, fake = training.step()
    with torch.no_grad():
        for parameter in [*training.G.parameters(), *training.D.parameters()]:
            parameter.fill_(math.nan)
    watch.step(real=real, fake=fake)
    watch.epoch()
    known = {"diversity_real/quadrants", "modes_seen/quadrants"}
    for name, _, _, value in run.points:
        if name not in known:
            assert all(
                math.isnan(number) for number in (value[:-1] if isinstance(value, list) else [value])
            ), name
    assert run.series("modes_seen/quadrants") == [0]


def test_a_training_that_goes_on_from_a_checkpoint_logs_the_same_numbers() -> None:
    straight, training = Notebook(), Training()
    watch = training.watch(straight)
    train(training, watch, 7)
    saved = copy.deepcopy(
        [training.G.state_dict(), training.D.state_dict(), *(o.state_dict() for o in training.optimizers)]
    )
    state, rng = watch.state_dict(), torch.get_rng_state()
    before = len(straight.points)
    train(training, watch, 5)

    resumed, again = Notebook(), Training()
    parts: list[Any] = [again.G, again.D, *again.optimizers]
    for part, stored in zip(parts, saved, strict=True):
        part.load_state_dict(stored)
    watch = again.watch(resumed)
    watch.load_state_dict(state)
    torch.set_rng_state(rng)
    train(again, watch, 5)
    assert [(n, s, v) for n, s, _, v in resumed.points] == [
        (n, s, v) for n, s, _, v in straight.points[before:]
    ]
    assert resumed.marks[0]["epoch"] == 2


def test_a_probe_that_the_checkpoint_did_not_have_begins_from_the_weights_as_they_are() -> None:
    training = Training()
    state = training.watch(Notebook(), every={**OFTEN, "angles": None, "epoch_angles": None}).state_dict()
    run = Notebook()
    watch = training.watch(run)
    training.step()
    watch.load_state_dict(state)
    watch.epoch()
    assert run.series("angle/epoch/g") == [0.0]


class Silent(Notebook):
    """Reads nothing of what it is told."""

    def log(self, values: Any, *, step: int, mark: int | None = None) -> None:
        pass

    def log_distribution(self, name: str, values: Any, *, step: int, mark: int | None = None) -> None:
        pass


def test_a_measured_step_waits_for_no_number() -> None:
    training = Training()
    watch = training.watch(Silent(), every=dict.fromkeys([*PROBES, "layer_angles"], 1))
    real, fake = training.step()
    with Largest() as seen:
        watch.step(real=real, fake=fake)
    assert not seen.has_waited
    assert watch.probes.keys() == PROBES.keys()


def test_a_step_at_which_nothing_is_due_costs_nothing() -> None:
    training = Training()
    every = {**OFTEN, "angles": None, "layer_angles": None}
    watch = training.watch(Silent(), every=every)
    real, fake = (images.bfloat16() for images in training.step())
    with Operations() as seen:
        watch.step(real=real, fake=fake)
    assert {*seen.names} <= {"aten.detach.default"}


def test_a_run_needs_no_more_than_log_and_log_images() -> None:
    run, training = Bare(), Training()
    train(training, training.watch(run), 10)
    numbers = {(name, step): value for name, step, value in run.points}
    assert {"gradient_norm/real/p50", "gradient_norm/fake/n", "quality/quadrants"} <= {
        name for name, _ in numbers
    }
    assert numbers["gradient_norm/fake/n", 10] == 16
    assert [(name, step) for name, step, _ in run.images] == [
        (name, step)
        for step in (5, 10)
        for name in ("samples", "samples/best", "samples/worst", "modes/quadrants")
    ]


@pytest.mark.parametrize(
    "real",
    [
        REAL.numpy(),
        ((REAL + 1) * 127.5).round().to(torch.uint8),
        TensorDataset(REAL, torch.zeros(50)),
        DataLoader(TensorDataset(REAL, torch.zeros(50)), batch_size=4, shuffle=True),
    ],
)
def test_real_images_may_be_an_array_bytes_a_dataset_or_its_loader(real: object) -> None:
    state = torch.get_rng_state()
    watch = Training().watch(Notebook(), real=real)
    other = Training().watch(Notebook())
    assert watch.evaluator is not None
    assert other.evaluator is not None
    assert watch.evaluator.real == other.evaluator.real
    torch.set_rng_state(state)


def test_wrapped_networks_are_measured_without_their_wrapping() -> None:
    training = Training()
    training_G: Any = nn.DataParallel(training.G)
    training_D: Any = torch.compile(training.D, backend="eager")
    run = Notebook()
    watch = Watch(training_G, training_D, run, real=REAL, judge=Quadrants(), z=Z, critic=training_D)
    assert "angle/layer/g/0" in run.declared
    assert "angle/layer/d/3" in run.declared
    assert "gradient_norm_raw/real" not in run.declared
    assert watch.subject.D is training.D


class Hungry(nn.Module):
    """A generator that wants labels too."""

    def __init__(self) -> None:
        super().__init__()
        self.lift = nn.Linear(Z, 16)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        lifted: Tensor = self.lift(z) + y[:, None]
        return lifted.view(len(z), 1, 4, 4)


class Paired(nn.Module):
    """Gives features beside what is wanted of it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.network(x), x


class OfDictionaries:
    """A data set whose items are no images."""

    def __len__(self) -> int:
        return len(REAL)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"image": REAL[index]}


class Broken(Quadrants):
    """Keeps the opposite of what it promises."""

    def __init__(self, m: int | None) -> None:
        self.m = m

    def score(self, images: Tensor) -> Scores:
        return super().score(images) if self.m is None else super().score(images)._replace(mode=None)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"judge": ()}, "judge="),
        ({"judge": [Quadrants(), Quadrants()]}, "told apart by their names"),
        ({"judge": Broken(4)}, "gives no mode"),
        ({"judge": Broken(None)}, "gives [2] mode"),
        ({"real": None}, "real="),
        ({"real": OfDictionaries()}, "dict []: pass real=images"),
        ({"G": Paired(generator())}, "pass a module around it"),
        ({"critic": Paired(plain())}, "Pass critic="),
        ({"G": Hungry(), "z": None}, "z="),
        ({"z": 7}, "Pass z="),
        ({"real": iter([REAL])}, "pass real=images"),
        ({"real": REAL * 100}, "-1, 1"),
        ({"real": REAL[:0]}, "no images"),
        ({"real": REAL[:, :, :2]}, "quadrants judges images of 4x4"),
        ({"critic": lambda x: x.detach().sum()}, "differentiable"),
        ({"every": {"angle": 1}}, "'angle'"),
        ({"every": {"angles": "epoch"}}, "number of steps"),
        ({"every": {"angles": 0}}, "number of steps"),
        ({"every": {"angles": True}}, "number of steps"),
        ({"every": {"quality": 10}}, '"epoch"'),
        ({"every": {"gradient_norms": 0}}, 'from 1 up or "epoch"'),
    ],
)
def test_what_a_probe_lacks_is_refused_before_the_first_step(changes: dict[str, Any], says: str) -> None:
    training = Training()
    training.G = changes.pop("G", training.G)
    with pytest.raises((TypeError, ValueError)) as refused:
        training.watch(Notebook(), **changes)
    assert says in str(refused.value)


def test_a_run_that_cannot_log_and_a_network_without_weights_are_refused() -> None:
    with pytest.raises(TypeError, match="no log and no log_images"):
        Training().watch(object())
    training = Training()
    with pytest.raises(ValueError, match="everything=True"):
        Watch(nn.Identity(), training.D, Notebook(), every={"quality": None, "samples": None})


def test_gradient_norms_want_the_last_batches_from_the_first_step_on() -> None:
    with pytest.raises(TypeError, match="real=x, fake=g"):
        Training().watch(Notebook()).step()


def test_angles_alone_need_nothing_but_the_networks() -> None:
    run, training = Notebook(), Training()
    watch = Watch(
        training.G, training.D, run, every=dict.fromkeys(PROBES) | {"quality": None, "samples": None}
    )
    training.step()
    watch.step()
    watch.epoch()
    assert set(run.marks[0]["expects"]) == {"S_G_ep", "S_D_ep", "wn_G", "wn_D"}
    assert not run.images


def test_samples_alone_need_no_judge() -> None:
    run, training = Notebook(), Training()
    watch = Watch(
        training.G, training.D, run, z=Z, every=dict.fromkeys(PROBES) | {"quality": None}, n_grid=70
    )
    watch.epoch()
    assert run.images[0]["pixels"].shape == (70, 4, 4)
    assert run.images[0]["scores"] == []


def test_the_monitors_own_client_takes_all_of_it(tmp_path: Path) -> None:
    training = Training(normalized=True)
    with monitor.init(directory=tmp_path) as run:
        train(training, training.watch(run), 10)
        summary = run.finish(timeout=0)
    assert (summary.rejected, summary.dropped) == (0, 0)
    assert summary.pending > 30


class Forgetful(Quadrants):
    """A judge that breaks after two rehearsals, the real images and the two batches of one mark."""

    calls = 0

    def score(self, images: Tensor) -> Scores:
        self.calls += 1
        if self.calls > 5:
            raise RuntimeError("out of memory")
        return super().score(images)


def test_a_probe_that_fails_in_mid_training_is_left_out_and_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = Notebook()
    watched = Training()
    train(watched, watched.watch(run, judge=Forgetful()), 15)
    bits = watched.bits()
    alone = Training()
    train(alone, None, 15)
    assert all(torch.equal(a, b) for a, b in zip(bits, alone.bits(), strict=True))
    assert [math.isnan(value) for value in run.series("quality/quadrants")] == [False, True]
    assert len(run.series("angle/epoch/g")) == 3
    assert [mark["expects"].count("Q") for mark in run.marks] == [1, 1, 0]
    assert [record.message for record in caplog.records] == [
        "quality cannot be measured any more: RuntimeError('out of memory')"
    ]
    assert [image["step"] for image in run.images if image["name"] == "samples"] == [5, 10, 15]
