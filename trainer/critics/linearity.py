"""Which modules and functions are known to be piecewise linear in the image, and what layer each one is.

The list is short on purpose. What is not on it makes a discriminator *not known to be* piecewise linear, and
its gradients are then taken by a second backward pass, which is right for anything.
"""

import operator
from collections.abc import Callable, Collection, Mapping
from enum import Enum, auto
from typing import Any, Final

import torch
from torch import nn
from torch.fx import Node
from torch.nn import functional
from torch.nn.modules.utils import _pair as pair

from trainer.critics.fixed import AveragePool, OtherLinear, Reshape, Sum
from trainer.critics.layers import Addition, Convolution, Dense, Factor, Layer, Offset, Rectifier


class NonlinearError(Exception):
    """Names a part of the discriminator that is not piecewise linear, or not known to be."""


def convolution(module: nn.Conv2d) -> Layer:
    if module.padding_mode != "zeros" or isinstance(module.padding, str):
        raise NonlinearError(f"a convolution with padding {module.padding_mode}, {module.padding}")
    return Convolution(module.stride, module.padding, module.dilation, module.groups)


def average_pool(module: nn.AvgPool2d) -> Layer:
    return AveragePool(
        pair(module.kernel_size),
        pair(module.stride),
        pair(module.padding),
        module.ceil_mode,
        module.count_include_pad,
        module.divisor_override,
    )


MODULES: Final[Mapping[type[nn.Module], Callable[[Any], Layer]]] = {
    nn.Conv2d: convolution,
    nn.Linear: lambda _: Dense(),
    nn.ReLU: lambda _: Rectifier(0.0),
    nn.LeakyReLU: lambda module: Rectifier(module.negative_slope),
    nn.AvgPool2d: average_pool,
    nn.AdaptiveAvgPool2d: OtherLinear,
    nn.Upsample: OtherLinear,  # in each of its modes
    nn.ZeroPad2d: OtherLinear,
    nn.PixelUnshuffle: OtherLinear,
    nn.Flatten: Reshape,
    nn.Unflatten: Reshape,
    nn.Identity: Reshape,
}


def module_layer(module: nn.Module) -> Layer:
    kind = next((kind for kind in MODULES if isinstance(module, kind)), None)
    if kind is None or type(module).forward is not kind.forward:
        raise NonlinearError(type(module).__name__)
    return MODULES[kind](module)


#: The layer that a call is, and the values and constants that it takes.
Reading = tuple[Layer, tuple[Node, ...]]


def addition(on_image: Collection[Node], x: Node, y: Node) -> Reading:
    for value, number in ((x, y), (y, x)):
        if isinstance(number, int | float):
            return Offset(times=number), (value,)
    return (Addition() if x in on_image and y in on_image else Offset()), (x, y)


def subtraction(on_image: Collection[Node], x: Node, y: Node) -> Reading:
    if isinstance(y, int | float):
        return Offset(times=-y), (x,)
    if isinstance(x, int | float):
        return Offset(times=x, negates=True), (y,)
    if x in on_image and y in on_image:
        return Addition(is_difference=True), (x, y)
    return (Offset(times=-1) if x in on_image else Offset(negates=True)), (x, y)


def negation(on_image: Collection[Node], x: Node) -> Reading:
    del on_image
    return scaling(-1), (x,)


def scaling(number: float) -> Layer:
    return OtherLinear(lambda value: value * number)


def multiplication(on_image: Collection[Node], x: Node, y: Node) -> Reading:
    del on_image
    for factor, number in ((x, y), (y, x)):
        if isinstance(number, int | float):
            return scaling(number), (factor,)
    return Factor(), (x, y)


def division(on_image: Collection[Node], x: Node, y: float) -> Reading:
    del on_image
    return OtherLinear(lambda value: value / y), (x,)


def rectifier(on_image: Collection[Node], x: Node, inplace: bool = False) -> Reading:
    return leaky_rectifier(on_image, x, 0.0, inplace)


def leaky_rectifier(
    on_image: Collection[Node], x: Node, negative_slope: float = 0.01, inplace: bool = False
) -> Reading:
    del on_image, inplace
    return Rectifier(negative_slope), (x,)


def total(on_image: Collection[Node], x: Node, dim: Any, keepdim: bool = False) -> Reading:
    del on_image
    return Sum((dim,) if isinstance(dim, int) else tuple(dim), keepdim, is_mean=False), (x,)


def mean(on_image: Collection[Node], x: Node, dim: Any, keepdim: bool = False) -> Reading:
    del on_image
    return Sum((dim,) if isinstance(dim, int) else tuple(dim), keepdim, is_mean=True), (x,)


def pooling(on_image: Collection[Node], x: Node, *arguments: Any, **options: Any) -> Reading:
    del on_image
    return average_pool(nn.AvgPool2d(*arguments, **options)), (x,)


class Reshaping:
    """By a method of the value. The number of samples, asked of a value, may stand among its arguments."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, on_image: Collection[Node], x: Node, *arguments: Any, **options: Any) -> Reading:
        del on_image

        def reshape(value: torch.Tensor) -> torch.Tensor:
            sized = with_samples(arguments, len(value))
            named = {name: with_samples(option, len(value)) for name, option in options.items()}
            reshaped: torch.Tensor = getattr(value, self.name)(*sized, **named)
            return reshaped

        return Reshape(reshape), (x,)


class Samples(Enum):
    """Stands for the number of samples."""

    ALL = auto()


def marked(argument: Any, samples: Collection[Node]) -> Any:
    """With the number of samples where it is asked for."""
    if isinstance(argument, tuple | list):
        return tuple(marked(part, samples) for part in argument)
    if argument not in samples:
        return argument
    if not is_number_of_samples(argument):
        raise NonlinearError(f"{argument}, a whole shape")
    return Samples.ALL


def with_samples(argument: Any, n: int) -> Any:
    if isinstance(argument, tuple):
        return tuple(with_samples(part, n) for part in argument)
    return n if argument is Samples.ALL else argument


def is_number_of_samples(node: Node) -> bool:
    """``x.size(0)``, ``x.shape[0]``, ``x.size()[0]``."""
    if node.target == "size":
        return bool(node.args[1:] == (0,) and not node.kwargs)
    return node.target is operator.getitem and bool(node.args[1] == 0) and is_shape(node.args[0])


def is_shape(node: Any) -> bool:
    """``x.shape``, ``x.size()``."""
    if node.target == "size":
        return len(node.args) == 1 and not node.kwargs
    return node.target is getattr and bool(node.args[1] == "shape")


def other_linear(function: Callable[..., torch.Tensor]) -> Callable[..., Reading]:
    def read(on_image: Collection[Node], x: Node, *arguments: Any, **options: Any) -> Reading:
        del on_image
        return OtherLinear(lambda value: function(value, *arguments, **options)), (x,)

    return read


#: Functions, and methods of tensors by their names.
FUNCTIONS: Final[Mapping[Any, Callable[..., Reading]]] = {
    operator.add: addition,
    torch.add: addition,
    "add": addition,
    operator.sub: subtraction,
    torch.sub: subtraction,
    "sub": subtraction,
    operator.neg: negation,
    operator.mul: multiplication,
    torch.mul: multiplication,
    "mul": multiplication,
    operator.truediv: division,
    functional.relu: rectifier,
    torch.relu: rectifier,
    "relu": rectifier,
    functional.leaky_relu: leaky_rectifier,
    torch.sum: total,
    "sum": total,
    torch.mean: mean,
    "mean": mean,
    functional.avg_pool2d: pooling,
    functional.adaptive_avg_pool2d: other_linear(functional.adaptive_avg_pool2d),
    functional.interpolate: other_linear(functional.interpolate),
    torch.flatten: Reshaping("flatten"),
    torch.reshape: Reshaping("reshape"),
    torch.squeeze: Reshaping("squeeze"),
    **{
        name: Reshaping(name)
        for name in ("flatten", "unflatten", "reshape", "view", "squeeze", "unsqueeze", "contiguous")
    },
}


def call_layer(node: Node, on_image: Collection[Node], samples: Collection[Node]) -> Reading:
    """``on_image``: the nodes that depend on the image; ``samples``: those that are the number of samples."""
    rule = FUNCTIONS.get(node.target)
    taken = [source for source in node.all_input_nodes if source not in samples]
    arguments: Any = node.args
    options: Any = node.kwargs
    try:
        if rule is None:
            raise NonlinearError(str(node.target))
        if len(taken) < len(node.all_input_nodes):
            if not isinstance(rule, Reshaping):
                raise NonlinearError(f"{node.format_node()}, of the number of samples")
            arguments = marked(arguments, samples)
            options = {name: marked(option, samples) for name, option in options.items()}
        layer, operands = rule(on_image, *arguments, **options)
    except TypeError as problem:  # called in a way that its rule does not foresee
        raise NonlinearError(f"{node.format_node()} ({problem})") from problem
    if set(operands) != set(taken):
        raise NonlinearError(str(node.format_node()))
    return layer, operands
