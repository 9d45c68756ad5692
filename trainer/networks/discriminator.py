"""What every discriminator offers."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn


class Discriminator(nn.Module, ABC):
    """Images ``[N, C, H, W]`` to scores ``[N]``.

    Every activation, pooling and resizing is a module of its own that is called once a pass and never works
    in place, so that hooks see all of what lies between two linear layers. With (leaky) ReLU and no
    batch norm the whole is piecewise linear in the image.

    ``labels`` are classes ``[N]`` of int64, for conditional discriminators; others take no notice of them.
    """

    @abstractmethod
    def features(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        """The scores ``[N]``, and the output of every convolutional block after its activation, the first
        block's first, each ``[N, C_j, H_j, W_j]``. One pass.
        """

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.features(images, labels)[0]


class StackedDiscriminator(Discriminator):
    """Blocks that end in an activation, one after the other; the last one's output is scored."""

    def __init__(self, blocks: Sequence[nn.Module], score: nn.Sequential) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.score = score

    def features(
        self,
        images: Tensor,
        labels: Tensor | None = None,  # noqa: ARG002  unconditional
    ) -> tuple[Tensor, list[Tensor]]:
        outputs = []
        x = images
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        return self.score(x).flatten(), outputs
