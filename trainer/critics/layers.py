"""The layers of a piecewise linear discriminator, and what each does once its activation pattern is frozen.

With the pattern frozen at an image ``x``, a discriminator is affine in the image. It is carried on in
homogeneous coordinates: a sample is ``(v, s)``, and a layer maps it to ``(A v + s b, s)``, where ``A`` is the
layer's linear part and ``b`` its offset (a bias). With ``s = 1`` that is the layer as it stands; with
``s = 0`` only its linear part is left. A layer is asked for four things:

    forward     its output at x, and the pattern that a rectifier freezes there
    frozen      ``A v + s b``
    transposed  ``A^T delta``, one for each input
    gradients   of ``sum_i <delta_i, A v_i + s_i b>`` by each of its constants

``inputs`` depend on the image, ``constants`` (kernels, biases, the embedding of a label) do not.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

aten = torch.ops.aten


@dataclass(frozen=True)
class Layout:
    """How a tensor lies in memory."""

    size: torch.Size
    stride: tuple[int, ...]

    def empty(self, like: Tensor) -> Tensor:
        if any(step == 0 and side > 1 for step, side in zip(self.stride, self.size, strict=True)):
            return like.new_empty(self.size)  # what was expanded lies in one place, and takes one number
        return like.new_empty_strided(self.size, self.stride)


@dataclass(frozen=True)
class At:
    """What is kept of the moment in which a layer saw x."""

    inputs: Sequence[Layout]
    constants: Sequence[Tensor]
    pattern: Tensor | None


class Layer(ABC):
    #: Whether the output, or what goes back, is never the memory of what it was made of.
    makes_output: ClassVar[bool] = False
    makes_delta: ClassVar[bool] = False

    @abstractmethod
    def forward(self, *inputs: Tensor, constants: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]: ...

    @abstractmethod
    def frozen(self, *inputs: Tensor, at: At, scale: Tensor) -> Tensor:
        """``scale`` is ``s``, one number a sample, ``[N]``."""

    @abstractmethod
    def transposed(self, delta: Tensor, at: At) -> Sequence[Tensor]: ...

    @abstractmethod
    def gradients(self, *inputs: Tensor, delta: Tensor, at: At, scale: Tensor) -> Sequence[Tensor]: ...


@dataclass(frozen=True)
class Convolution(Layer):
    """Constants: the kernel, and the bias if there is one."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    makes_output = makes_delta = True

    def forward(self, *inputs: Tensor, constants: Sequence[Tensor]) -> tuple[Tensor, None]:
        return self._convolve(inputs[0], *constants), None

    def frozen(self, *inputs: Tensor, at: At, scale: Tensor) -> Tensor:
        kernel, *bias = at.constants
        output = self._convolve(inputs[0], kernel)
        return output.add_(torch.outer(scale, bias[0])[:, :, None, None]) if bias else output

    def transposed(self, delta: Tensor, at: At) -> Sequence[Tensor]:
        # Of the input only the size is read.
        x = delta.new_empty(1).expand(at.inputs[0].size)
        return [self._backward(delta, x, at.constants[0], by=0)]

    def gradients(self, *inputs: Tensor, delta: Tensor, at: At, scale: Tensor) -> Sequence[Tensor]:
        kernel, *bias = at.constants
        by_kernel = self._backward(delta, inputs[0], kernel, by=1)
        return [by_kernel, scale @ delta.sum((2, 3), dtype=scale.dtype)] if bias else [by_kernel]

    def _convolve(self, x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
        return functional.conv2d(x, kernel, bias, self.stride, self.padding, self.dilation, self.groups)

    def _backward(self, delta: Tensor, x: Tensor, kernel: Tensor, *, by: int) -> Tensor:
        geometry = (self.stride, self.padding, self.dilation, False, (0, 0), self.groups)
        mask = [by == 0, by == 1, False]
        gradient: Tensor = aten.convolution_backward(delta, x, kernel, None, *geometry, mask)[by]
        return gradient


class Dense(Layer):
    """Constants: the matrix, and the bias if there is one."""

    makes_output = makes_delta = True

    def forward(self, *inputs: Tensor, constants: Sequence[Tensor]) -> tuple[Tensor, None]:
        return functional.linear(inputs[0], *constants), None

    def frozen(self, *inputs: Tensor, at: At, scale: Tensor) -> Tensor:
        matrix, *bias = at.constants
        output = functional.linear(inputs[0], matrix)
        return output.add_(beside(output, scale) * bias[0]) if bias else output

    def transposed(self, delta: Tensor, at: At) -> Sequence[Tensor]:
        return [delta @ at.constants[0]]

    def gradients(self, *inputs: Tensor, delta: Tensor, at: At, scale: Tensor) -> Sequence[Tensor]:
        _, *bias = at.constants
        by_matrix = delta.flatten(0, -2).t() @ inputs[0].flatten(0, -2)
        return [by_matrix, (delta * beside(delta, scale)).flatten(0, -2).sum(0)] if bias else [by_matrix]


@dataclass(frozen=True)
class Rectifier(Layer):
    """(Leaky) ReLU. Its pattern is a byte a unit: 1 where it passes on what comes, 0 where it has ``slope``.
    A float of 0 and 1 would take four times the memory; a bool is made and multiplied three times as slowly
    on a CPU.
    """

    slope: float
    #: Whether nobody else needs what comes in, or what goes back.
    owns_input: bool = False
    owns_delta: bool = False
    makes_output = makes_delta = True

    def forward(self, *inputs: Tensor, constants: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        del constants
        (x,) = inputs
        if self.slope == 0:
            output = functional.relu(x, inplace=self.owns_input)
            return output, output.to(torch.bool).view(torch.uint8)
        pattern = functional.relu(x).to(torch.bool).view(torch.uint8)
        return functional.leaky_relu(x, self.slope, inplace=self.owns_input), pattern

    def frozen(self, *inputs: Tensor, at: At, scale: Tensor) -> Tensor:
        del scale
        return self._apply(inputs[0], at.pattern, in_place=self.owns_input)

    def transposed(self, delta: Tensor, at: At) -> Sequence[Tensor]:
        return [self._apply(delta, at.pattern, in_place=self.owns_delta)]

    def gradients(self, *inputs: Tensor, delta: Tensor, at: At, scale: Tensor) -> Sequence[Tensor]:
        del inputs, delta, at, scale
        return []

    def _apply(self, x: Tensor, pattern: Tensor | None, *, in_place: bool) -> Tensor:
        assert pattern is not None
        if self.slope == 0:
            return x.mul_(pattern) if in_place else x * pattern
        slanted = x if in_place else torch.empty_like(x)
        aten.leaky_relu_backward.grad_input(x, pattern.to(x.dtype), self.slope, False, grad_input=slanted)
        return slanted


@dataclass(frozen=True)
class Addition(Layer):
    """Of two branches, or the difference of them."""

    is_difference: bool = False
    makes_output = True

    def forward(self, *inputs: Tensor, constants: Sequence[Tensor]) -> tuple[Tensor, None]:
        del constants
        return self._of(*inputs), None

    def frozen(self, *inputs: Tensor, at: At, scale: Tensor) -> Tensor:
        del at, scale
        return self._of(*inputs)

    def transposed(self, delta: Tensor, at: At) -> Sequence[Tensor]:
        first, second = at.inputs
        return [
            delta.sum_to_size(first.size),
            (-delta if self.is_difference else delta).sum_to_size(second.size),
        ]

    def _of(self, x: Tensor, y: Tensor) -> Tensor:
        return x - y if self.is_difference else x + y

    def gradients(self, *inputs: Tensor, delta: Tensor, at: At, scale: Tensor) -> Sequence[Tensor]:
        del inputs, delta, at, scale
        return []


@dataclass(frozen=True)
class Offset(Layer):
    """Adds ``times`` its constant, whose shape must spread to that of the input, or ``times`` alone where it
    has none, to the input or its negative.
    """

    times: float = 1
    negates: bool = False
    makes_output = True

    def forward(self, *inputs: Tensor, constants: Sequence[Tensor]) -> tuple[Tensor, None]:
        return self._input(inputs[0]) + self._times(*(c.expand_as(inputs[0]) for c in constants)), None

    def frozen(self, *inputs: Tensor, at: At, scale: Tensor) -> Tensor:
        offset: Tensor = beside(inputs[0], scale) * self._times(*at.constants)
        return self._input(inputs[0]) + offset.to(inputs[0].dtype)

    def transposed(self, delta: Tensor, at: At) -> Sequence[Tensor]:
        del at
        return [self._input(delta)]

    def gradients(self, *inputs: Tensor, delta: Tensor, at: At, scale: Tensor) -> Sequence[Tensor]:
        del inputs
        offset = delta * beside(delta, scale)
        return [(offset * self.times).sum_to_size(constant.shape) for constant in at.constants]

    def _input(self, x: Tensor) -> Tensor:
        return -x if self.negates else x

    def _times(self, constant: Tensor | float = 1.0) -> Any:
        return constant if self.times == 1 else constant * self.times


class Factor(Layer):
    """Multiplies by its constant, whose shape must spread to that of the input."""

    makes_output = makes_delta = True

    def forward(self, *inputs: Tensor, constants: Sequence[Tensor]) -> tuple[Tensor, None]:
        return inputs[0] * constants[0].expand_as(inputs[0]), None

    def frozen(self, *inputs: Tensor, at: At, scale: Tensor) -> Tensor:
        del scale
        return inputs[0] * at.constants[0]

    def transposed(self, delta: Tensor, at: At) -> Sequence[Tensor]:
        return [delta * at.constants[0]]

    def gradients(self, *inputs: Tensor, delta: Tensor, at: At, scale: Tensor) -> Sequence[Tensor]:
        del scale
        return [(delta * inputs[0]).sum_to_size(at.constants[0].shape)]


def beside(x: Tensor, scale: Tensor) -> Tensor:
    """``scale`` ``[N]`` as ``[N, 1, ...]``, to be spread over ``x`` ``[N, ...]``."""
    return scale.view(-1, *[1] * (x.dim() - 1))
