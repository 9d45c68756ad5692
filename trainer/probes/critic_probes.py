"""The probes of the critic: what each measures of a batch, in the terms of its own module."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor

from . import critic_declarations
from .finite_differences import DELTAS, finite_differences
from .gradient_norms import distribution, interpolated, loss_gradient_norms, slope
from .layer_lipschitz import ITERATIONS, layer_lipschitz, measured_layers
from .lipschitz_constant import highest, lipschitz_constant
from .probe import Batch, Probe, Subject
from .recorder import Series
from .sample_grid import BATCH, Sampler
from .saturation import saturated

#: How many real images, and how many samples, the Lipschitz constant is estimated from.
LIPSCHITZ_SAMPLES: Final = 256
#: How many real images, and how many generated ones, layers are measured at.
LAYER_SAMPLES: Final = 4


class GradientNorms(Probe):
    """Of the critic, and where it is normalized also of the bare discriminator, at real and generated images
    and between them. From the same pass, if it is known what they are of: the gradient of the generator's
    loss, and the share of saturated scores.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.scores = {"gradient_norm": subject.critic}
        if subject.is_normalized:
            self.scores["gradient_norm_raw"] = subject.D

    def series(self) -> Iterator[Series]:
        yield from critic_declarations.gradient_norms(is_normalized=self.subject.is_normalized)
        if self.subject.generator_loss:
            yield critic_declarations.generator_gradient()
        if self.subject.saturation:
            yield from critic_declarations.saturation()

    def measure(self, real: Batch, fake: Batch) -> dict[str, Tensor]:
        batch, sizes = with_interpolated(real, fake)
        found: dict[str, Tensor] = {}
        for name, score in self.scores.items():
            at = slope(batch.scored_by(score), batch.images)
            for side, norms in zip(critic_declarations.SIDES, torch.split(at.norm, sizes), strict=True):
                found[f"{name}/{side}"] = distribution(norms)
            if score is not self.subject.critic:
                continue
            of_real, of_fake, _ = torch.split(at.score, sizes)
            if loss := self.subject.generator_loss:
                _, norms, _ = torch.split(at.norm, sizes)
                found["gradient_norm_loss/fake"] = distribution(loss_gradient_norms(loss, of_fake, norms))
            if limits := self.subject.saturation:
                found["saturated/real"] = saturated(of_real, limits, is_real=True)
                found["saturated/fake"] = saturated(of_fake, limits, is_real=False)
        return found


class GradientRms(Probe):
    """Of the discriminator without its normalization."""

    def __init__(self, subject: Subject) -> None:
        self.D = subject.D

    def series(self) -> Iterable[Series]:
        return critic_declarations.gradient_rms()

    def measure(self, real: Batch, fake: Batch) -> dict[str, Tensor]:
        return {
            f"gradient_rms/{side}": distribution(
                slope(batch.scored_by(self.D), batch.images).root_mean_square
            )
            for side, batch in (("real", real), ("fake", fake))
        }


class FiniteDifferences(Probe):
    """Of the critic, at real and generated images."""

    def __init__(self, subject: Subject, deltas: Sequence[float] = DELTAS) -> None:
        self.critic = subject.critic
        self.deltas = deltas

    def series(self) -> Iterable[Series]:
        return critic_declarations.finite_differences(self.deltas)

    def measure(self, real: Batch, fake: Batch) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for side, batch in (("real", real), ("fake", fake)):
            # The same directions every time, where there is no gradient: nothing to remember of a generator.
            generator = torch.Generator().manual_seed(0)
            at = finite_differences(batch.scored_by(self.critic), batch.images, self.deltas, generator)
            for delta, values in zip(self.deltas, at.values, strict=True):
                found[f"finite_difference/{side}/{delta:g}"] = distribution(values)
            found[f"finite_difference_floor/{side}"] = at.floor.quantile(0.5)
            found[f"finite_difference_flat/{side}"] = at.is_flat.sum()
        return found


class LayerLipschitz(Probe):
    """Of the discriminator without its normalization, and last the whole critic at the same images."""

    def __init__(self, subject: Subject) -> None:
        self.D, self.critic = subject.D, subject.critic
        self.layers = list(measured_layers(subject.D))

    def series(self) -> Iterable[Series]:
        return critic_declarations.layer_lipschitz(self.layers)

    def measure(self, real: Batch, fake: Batch) -> dict[str, Tensor]:
        return self._measured(real.first(LAYER_SAMPLES).followed_by(fake.first(LAYER_SAMPLES)), ITERATIONS)

    def rehearse(self, real: Batch, fake: Batch) -> None:
        self._measured(real.followed_by(fake), iterations=1)

    def _measured(self, batch: Batch, iterations: int) -> dict[str, Tensor]:
        found = {"lipschitz/whole": slope(batch.scored_by(self.critic), batch.images).norm.max()}
        if self.layers:
            at = layer_lipschitz(self.D, batch.images, batch.scored_by(self.D), iterations)
            for number, (layer, prefix) in enumerate(zip(at.layers, at.prefixes, strict=True), start=1):
                found[f"lipschitz/layer/{number}"] = layer
                found[f"lipschitz/prefix/{number}"] = prefix
            found["lipschitz/product"] = at.layers.prod()
        return found


class LipschitzConstant(Probe):
    """Of the critic, from real images and latents that never change; from the last batches, where there are
    none or the critic asks for labels as well.
    """

    def __init__(self, subject: Subject) -> None:
        self.critic = subject.critic
        self.real = None if subject.real is None else subject.real[:LIPSCHITZ_SAMPLES]
        self.sampler: Sampler | None = None
        if subject.sampler:
            self.sampler = Sampler(subject.G, subject.sampler.latents, subject.sampler.seed)
        self.highest: Tensor | None = None

    def series(self) -> Iterable[Series]:
        return critic_declarations.lipschitz_constant(
            len(self.real) if self.real is not None and self.sampler else None
        )

    def measure(self, real: Batch, fake: Batch) -> dict[str, Tensor]:
        if self.real is None or self.sampler is None or real.conditions:
            batches: Iterator[Batch] = iter((real, fake))
        else:
            batches = map(Batch, self._images(self.real, self.sampler, fake.images.device))
        now = torch.stack([lipschitz_constant(b.scored_by(self.critic), [b.images]) for b in batches]).max()
        # A checkpoint may have it on the host.
        self.highest = now if self.highest is None else highest(self.highest.to(now.device), now)
        return {"lipschitz/constant": now, "lipschitz/constant_max": self.highest}

    def rehearse(self, real: Batch, fake: Batch) -> None:
        for batch in (real, fake):
            lipschitz_constant(batch.scored_by(self.critic), [batch.images])

    def state_dict(self) -> dict[str, Any]:
        return {"highest": self.highest}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.highest = state["highest"]

    @staticmethod
    def _images(real: Tensor, sampler: Sampler, device: torch.device) -> Iterator[Tensor]:
        for images in torch.split(real, BATCH):
            yield images.to(device, non_blocking=True)
        yield from sampler.batches(len(real))


def with_interpolated(real: Batch, fake: Batch) -> tuple[Batch, list[int]]:
    """Real images, generated ones and those between them as one batch, and how many there are of each. What
    lies between has what the real image has beside it.
    """
    n = min(len(real.images), len(fake.images))
    # The same places every time: nothing to remember of a generator.
    generator = torch.Generator().manual_seed(0)
    between = Batch(interpolated(real.images, fake.images, generator), real.first(n).conditions)
    return real.followed_by(fake).followed_by(between), [len(real.images), len(fake.images), n]
