"""Layers that are linear as they stand: of one input, without constants, the same with any pattern."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from trainer.critics.layers import At, Layer, Layout, aten
from trainer.errors import ConfigError


class Fixed(Layer):
    """Linear, of one input, and without constants."""

    @abstractmethod
    def of(self, x: Tensor) -> Tensor: ...

    def adjoint(self, delta: Tensor, layout: Layout) -> Tensor:
        """By differentiation. Those that every network has know better."""
        with torch.enable_grad():
            x = layout.empty(delta).zero_().requires_grad_()
            return torch.autograd.grad(self.of(x), x, delta)[0]

    def forward(self, *inputs: Tensor, constants: Sequence[Tensor]) -> tuple[Tensor, None]:
        del constants
        return self.of(inputs[0]), None

    def frozen(self, *inputs: Tensor, at: At, scale: Tensor) -> Tensor:
        del at, scale
        return self.of(inputs[0])

    def transposed(self, delta: Tensor, at: At) -> Sequence[Tensor]:
        return [self.adjoint(delta, at.inputs[0])]

    def gradients(self, *inputs: Tensor, delta: Tensor, at: At, scale: Tensor) -> Sequence[Tensor]:
        del inputs, delta, at, scale
        return []


@dataclass(frozen=True)
class AveragePool(Fixed):
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    ceil_mode: bool
    count_include_pad: bool
    divisor: int | None
    makes_output = makes_delta = True

    def of(self, x: Tensor) -> Tensor:
        if self._is_tiling(x.shape) and is_slow(x):
            down, right = self.kernel
            rows = sum(x[:, :, i::down] for i in range(1, down)) + x[:, :, ::down]
            tiles = sum(rows[..., j::right] for j in range(1, right)) + rows[..., ::right]
            return tiles / (down * right)
        return functional.avg_pool2d(x, *self._geometry())

    def adjoint(self, delta: Tensor, layout: Layout) -> Tensor:
        if not self._is_tiling(layout.size):
            result: Tensor = aten.avg_pool2d_backward(delta, layout.empty(delta), *self._geometry())
            return result
        down, right = self.kernel
        share = delta / (down * right)
        if not is_slow(delta):
            return functional.interpolate(share, layout.size[2:])
        spread = layout.empty(delta)
        for i, j in product(range(down), range(right)):
            spread[:, :, i::down, j::right] = share
        return spread

    def _is_tiling(self, size: torch.Size) -> bool:
        """Whether each pixel belongs to exactly one mean."""
        fits = all(side % length == 0 for side, length in zip(size[2:], self.kernel, strict=True))
        return fits and self.kernel == self.stride and self.padding == (0, 0) and self.divisor is None

    def _geometry(self) -> tuple[Any, ...]:
        return (
            self.kernel,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor,
        )


@dataclass(frozen=True)
class Sum(Fixed):
    """Over ``dims`` of every sample, or their mean."""

    dims: tuple[int, ...]
    keepdim: bool
    is_mean: bool

    def of(self, x: Tensor) -> Tensor:
        refuse_mixing(0 in self._summed(x.dim()), f"sums {list(x.shape)} over {list(self.dims)}")
        return x.mean(self.dims, self.keepdim) if self.is_mean else x.sum(self.dims, self.keepdim)

    def adjoint(self, delta: Tensor, layout: Layout) -> Tensor:
        size, summed = layout.size, self._summed(len(layout.size))
        delta = delta.reshape([1 if dim in summed else n for dim, n in enumerate(size)])
        return (delta / (size.numel() / delta.numel()) if self.is_mean else delta).expand(size)

    def _summed(self, dimensions: int) -> set[int]:
        return {dim % dimensions for dim in self.dims}


@dataclass(frozen=True)
class Reshape(Fixed):
    reshape: Callable[[Tensor], Tensor]

    def of(self, x: Tensor) -> Tensor:
        output = self.reshape(x)
        refuse_mixing(output.shape[:1] != x.shape[:1], f"reshapes {list(x.shape)} to {list(output.shape)}")
        return output

    def adjoint(self, delta: Tensor, layout: Layout) -> Tensor:
        return delta.reshape(layout.size)


@dataclass(frozen=True)
class OtherLinear(Fixed):
    """Resizing, multiplication by a number: anything linear, by its function."""

    function: Callable[[Tensor], Tensor]

    def of(self, x: Tensor) -> Tensor:
        return self.function(x)


def is_slow(x: Tensor) -> bool:
    """Whether torch's own pooling and resizing of it take longer than slices: of channels-first images on a
    CPU they take three times as long, half a convolution.
    """
    return x.is_cpu and not x.is_contiguous(memory_format=torch.channels_last)


def refuse_mixing(mixes: bool, what: str) -> None:
    if mixes:
        raise ConfigError(
            f"the discriminator {what}, which mixes samples, and a normalized critic takes the gradient of "
            "every sample: leave the first dimension as it is"
        )
