"""How much each layer of the discriminator stretches, and how steep it is up to each (GN, theorem 5 and
figure 3c).

For every linear layer and convolution:

- **layer**: its spectral norm *as an operator*, the most by which it can lengthen an input of the size that
  it really gets. The norm of the kernel reshaped into a matrix is another number, up to three times smaller
  for a 3x3 convolution (Miyato et al. 2018 divide by that one). Biases do not count.
- **prefix**: the largest singular value of the Jacobian of everything from the image up to the layer's
  output, the greatest over a few samples.

Both from ``v <- J^T J v``, as power iteration does. With the graph of one forward pass, ``J^T u`` is a
backward pass, and ``J v`` the derivative of that backward pass by ``u`` (it is linear in ``u``): an iteration
is two passes and no forward one. Power iteration keeps the last vector only. The best combination of all of
them (Rayleigh and Ritz) costs next to nothing more and is closer: a lower bound, after ``ITERATIONS`` 0.2 %
short for layers and 0.4 % for prefixes on a fresh ResNet 32, whose singular values lie dense (where power
iteration is 3.5 % short), and within rounding where one stands out.

Healthy: steady. Under spectral normalization by operator norm, without residual branches, prefixes can only
fall with depth: capacity is lost. Under gradient normalization prefixes are free, and the whole critic stays
near 1 at any depth. Sick: one layer grows on and on, or the prefixes grow by orders of magnitude with depth.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from .gradient_norms import widened
from .undisturbed import full_float32

ITERATIONS: Final = 20
#: Squarings of a matrix until all but its first eigenvector is gone: 2^16 power iterations.
SQUARINGS: Final = 16


class Call(NamedTuple):
    """What went into a layer and came out of it."""

    input: Tensor
    output: Tensor


@dataclass(frozen=True)
class Stretches:
    """By layer, in the order of ``measured_layers``: ``[layers]``. NaN for a layer that is not called."""

    layers: Tensor
    prefixes: Tensor


def measured_layers(D: nn.Module) -> dict[str, nn.Module]:
    """The linear layers and convolutions of ``D`` by name, in the order in which it holds them."""
    return {name or "D": layer for name, layer in D.named_modules() if isinstance(layer, nn.Linear | _ConvNd)}


def layer_lipschitz(
    D: nn.Module,
    images: Tensor,
    score: Callable[[Tensor], Tensor] | None = None,
    iterations: int = ITERATIONS,
) -> Stretches:
    """Of ``D`` in eval mode at ``images`` ``[N, ...]``; ``score`` calls it, if images alone are not enough.

    A layer that does not see the image has prefix 0; of one that is called several times the first call
    counts.
    """
    x = widened(images).requires_grad_()
    layers = measured_layers(D)
    with torch.inference_mode(False), torch.enable_grad(), full_float32(x.device):
        calls = first_calls(layers, score or D, x)
        missing = torch.full((), torch.nan, dtype=x.dtype, device=x.device)
        norms, prefixes = [], []
        for name, layer in layers.items():
            if call := calls.get(name):
                norms.append(operator_norm(layer, call.input, iterations))
                prefixes.append(singular_values(x, call.output, iterations).max())
            else:
                norms.append(missing)
                prefixes.append(missing)
    return Stretches(torch.stack(norms), torch.stack(prefixes))


def operator_norm(layer: nn.Module, like: Tensor, iterations: int = ITERATIONS) -> Tensor:
    """The spectral norm of a linear layer or convolution as an operator on inputs as ``like``
    ``[N, ...]``: a tensor without dimensions.
    """
    shape = like.shape[-1:] if isinstance(layer, nn.Linear) else like.shape[1:]
    x = torch.zeros(1, *shape, dtype=like.dtype, device=like.device, requires_grad=True)
    with torch.enable_grad():
        return singular_values(x, layer(x), iterations)[0]


def singular_values(x: Tensor, y: Tensor, iterations: int) -> Tensor:
    """The largest singular value of ``dy/dx`` of every sample ``[N]``, where ``y`` ``[N, ...]`` has a graph
    down to ``x`` ``[N, ...]`` and no sample touches another.
    """
    u = torch.zeros_like(y, requires_grad=True)
    pulled = (
        torch.autograd.grad(y, x, u, create_graph=True, allow_unused=True)[0] if y.requires_grad else None
    )
    if pulled is None:
        return torch.zeros(len(x), dtype=x.dtype, device=x.device)
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(x.shape, generator=generator, device="cpu").to(x, non_blocking=True).flatten(1)
    n, d = v.shape
    basis = v.new_zeros(n, 0, d)
    rows = []
    for _ in range(min(iterations, d)):
        v = unit_across(v, basis)
        basis = torch.cat([basis, v[:, None]], dim=1)
        (pushed,) = torch.autograd.grad(pulled, u, v.view_as(x), retain_graph=True)
        v = torch.autograd.grad(y, x, pushed, retain_graph=True)[0].flatten(1)
        rows.append(v)
    # J^T J as the basis sees it, [N, iterations, iterations].
    seen = torch.einsum("nid,njd->nij", basis.double(), torch.stack(rows, dim=1).double())
    return largest_eigenvalue((seen + seen.mT) / 2).sqrt().to(x.dtype)


def unit_across(v: Tensor, basis: Tensor) -> Tensor:
    """What of ``v`` ``[N, d]`` is orthogonal to ``basis`` ``[N, k, d]``, with length 1; 0 where nothing but
    rounding is left.
    """
    before = torch.linalg.vector_norm(v, dim=1, keepdim=True)
    for _ in range(2):
        v = v - torch.einsum("nkd,nk->nd", basis, torch.einsum("nkd,nd->nk", basis, v))
    length = torch.linalg.vector_norm(v, dim=1, keepdim=True)
    is_rounding = length <= 100 * torch.finfo(v.dtype).eps * before
    return torch.where(is_rounding, torch.zeros_like(v), v / length)


def largest_eigenvalue(matrices: Tensor) -> Tensor:
    """Of symmetric ``[N, k, k]`` without negative eigenvalues: ``[N]``. By squaring, since a decomposition
    would wait for the device.
    """
    tiny = torch.finfo(matrices.dtype).tiny
    power = matrices
    for _ in range(SQUARINGS):
        power = power / torch.linalg.matrix_norm(power, keepdim=True).clamp_min(tiny)
        power = power @ power
    traces = power.diagonal(dim1=1, dim2=2).sum(1).clamp_min(tiny)
    return ((power @ matrices).diagonal(dim1=1, dim2=2).sum(1) / traces).clamp_min(0)


def first_calls(
    layers: dict[str, nn.Module], score: Callable[[Tensor], Tensor], x: Tensor
) -> dict[str, Call]:
    """What each layer got and gave when ``score(x)`` first called it."""
    calls: dict[str, Call] = {}

    def remembers(name: str) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor]:
        def remember(_: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
            calls.setdefault(name, Call(inputs[0], output))
            # Further goes a copy: an activation in place would turn what is remembered into its own output.
            return output.clone()

        return remember

    hooks = [layer.register_forward_hook(remembers(name)) for name, layer in layers.items()]
    try:
        score(x)
    finally:
        for hook in hooks:
            hook.remove()
    return calls
