"""Adversarial losses: what the discriminator and the generator minimize, as means over the batch.

``h`` is the critic the loss sees, raw or normalized, one number a sample. Formulas are those of the papers
named (tests/reference holds the slow twins):

| name | discriminator | generator | source |
| --- | --- | --- | --- |
| ns | softplus(-h(x)) + softplus(h(G(z))) | softplus(-h(G(z))) | Goodfellow et al. 2014, non-saturating |
| ls | (h(x) - 1)^2 + h(G(z))^2 | (h(G(z)) - 1)^2 | Mao et al. 2017, without its factor 1/2 |
| hinge | relu(1 - h(x)) + relu(1 + h(G(z))) | -h(G(z)) | Lim and Ye 2017, Miyato et al. 2018 |
| soft-hinge | softplus(1 - h(x)) + softplus(1 + h(G(z))) | -h(G(z)) | Bhaskara et al. 2022 (GraN), GraNC |
| wasserstein | -h(x) + h(G(z)) | -h(G(z)) | Arjovsky et al. 2017 |

Where ``|h| <= 1``, as under GN and PGN, hinge is Wasserstein plus 2. The Wasserstein loss alone bounds
nothing: its critic wants a clipped, normalized or penalized discriminator.

Healthy: both losses hover. Sick: the discriminator's falls to its floor (0; Wasserstein has none) while the
generator's climbs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from torch import Tensor
from torch.nn.functional import relu, softplus

from trainer.config import LossName


@dataclass(frozen=True)
class Loss:
    #: (h of real, h of fake) -> scalar
    discriminator: Callable[[Tensor, Tensor], Tensor]
    #: (h of fake) -> scalar
    generator: Callable[[Tensor], Tensor]


LOSSES: Final[dict[LossName, Loss]] = {
    "ns": Loss(
        discriminator=lambda real, fake: softplus(-real).mean() + softplus(fake).mean(),
        generator=lambda fake: softplus(-fake).mean(),
    ),
    "ls": Loss(
        discriminator=lambda real, fake: (real - 1).square().mean() + fake.square().mean(),
        generator=lambda fake: (fake - 1).square().mean(),
    ),
    "hinge": Loss(
        discriminator=lambda real, fake: relu(1 - real).mean() + relu(1 + fake).mean(),
        generator=lambda fake: -fake.mean(),
    ),
    "soft-hinge": Loss(
        discriminator=lambda real, fake: softplus(1 - real).mean() + softplus(1 + fake).mean(),
        generator=lambda fake: -fake.mean(),
    ),
    "wasserstein": Loss(
        discriminator=lambda real, fake: fake.mean() - real.mean(),
        generator=lambda fake: -fake.mean(),
    ),
}
