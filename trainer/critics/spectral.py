"""Spectral normalization (Miyato et al., ICLR 2018): every weight divided by its largest singular value.

``W / sigma`` with ``sigma = u^T W v``, where ``u`` and ``v`` approach the first singular vectors by power
iteration: with every use in training they move on, in eval mode they stay. They are constants of the graph;
``sigma`` itself is differentiated by ``W``. A kernel ``[O, I, H, W]`` counts as a matrix ``[O, I H W]``, as
in the paper, so a 3x3 convolution may be up to three times as steep as promised.

Healthy: ``sigma`` is that of an exact SVD, for weights move slowly. Sick: a high learning rate outruns one
iteration a step.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

#: Iterations before the first use.
WARM_UP = 15


def normalize_spectrally(D: nn.Module, iterations: int) -> None:
    """From now on every weight of ``D`` is ``W / sigma``: its linear layers', convolutions' and
    embeddings'."""
    for layer in D.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.Embedding):
            parametrize.register_parametrization(layer, "weight", SpectralNorm(layer.weight, iterations))


class SpectralNorm(nn.Module):
    """A parametrization of one weight."""

    u: Tensor
    v: Tensor

    def __init__(self, weight: Tensor, iterations: int) -> None:
        super().__init__()
        self.iterations = iterations
        matrix = as_matrix(weight.detach())
        # Any start will do that is not orthogonal to the first singular vector. This one takes nothing from
        # the process's generators, and all ranks have the same.
        start = torch.randn(len(matrix), generator=torch.Generator().manual_seed(0))
        self.register_buffer("u", unit(start.to(matrix)))
        self.register_buffer("v", unit(matrix.t() @ self.u))
        self._iterate(matrix, WARM_UP)

    def forward(self, weight: Tensor) -> Tensor:
        with torch.autocast(weight.device.type, enabled=False):
            matrix = as_matrix(weight)
            if self.training:
                self._iterate(matrix.detach(), self.iterations)
            # Copies, as a later use moves the buffers while this graph still needs them.
            sigma = torch.dot(self.u.clone(), matrix @ self.v.clone())
        return weight / sigma.to(weight.dtype)

    @torch.no_grad()
    def _iterate(self, matrix: Tensor, times: int) -> None:
        for _ in range(times):
            self.u.copy_(unit(matrix @ self.v))
            self.v.copy_(unit(matrix.t() @ self.u))


def as_matrix(weight: Tensor) -> Tensor:
    """One row an output, in float32 or wider."""
    return weight.flatten(1).to(torch.promote_types(weight.dtype, torch.float32))


def unit(vector: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(vector)
    return vector / length.clamp_min(torch.finfo(vector.dtype).tiny)
