"""What a discriminator computes, layer by layer: found once, by tracing its ``forward`` (torch.fx).

Each of its steps that depends on the image must be a layer of ``linearity.py``. What does not depend on the
image, such as the embedding of a label, may be anything: it is a constant of the step that takes it, and
autograd differentiates it.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, fx, nn

from trainer.critics.layers import Addition, Layer, Rectifier
from trainer.critics.linearity import NonlinearError, call_layer, is_number_of_samples, is_shape, module_layer


@dataclass(frozen=True)
class Step:
    layer: Layer
    #: Which values it takes (0 is the image; step i makes value i + 1).
    inputs: tuple[int, ...]
    #: Where its constants stand among all of them.
    constants: tuple[int, ...]


@dataclass(frozen=True)
class Trace:
    #: The last one makes the score.
    steps: Sequence[Step]
    parameters: Sequence[tuple[nn.Module, str]]
    #: Makes the constants that are computed, of labels perhaps; they come after the parameters.
    computed: nn.Module | None

    def constants(self, *labels: Tensor) -> list[Tensor]:
        """As of now (parameters as a parametrization gives them), each a part of its graph."""
        parameters = [getattr(module, name) for module, name in self.parameters]
        return parameters if self.computed is None else [*parameters, *self.computed(*labels)]


def trace(D: nn.Module, *, has_labels: bool) -> Trace:
    """Of ``D(images)``, or of ``D(images, labels)``. Raises ``NonlinearError``."""
    for name, module in D.named_modules():
        if is_hooked(module):
            raise NonlinearError(f"{name or type(D).__name__}, which has hooks")
    call = CallWithLabels(D) if has_labels else Call(D)
    try:
        graph = fx.Tracer().trace(call)
        with in_other_mode(D):
            other = fx.Tracer().trace(call)
    except Exception as problem:  # whatever the discriminator's own code raises
        raise NonlinearError(f"a forward that cannot be traced ({problem})") from problem
    if str(graph) != str(other):
        raise NonlinearError("a forward that is another one in eval mode, or at the next call")
    drop_unused(graph)
    return _Reader(call, graph).read()


@contextmanager
def in_other_mode(D: nn.Module) -> Iterator[None]:
    """Each module in eval mode if it trains, and the other way round."""
    modules = list(D.modules())
    for module in modules:
        module.training = not module.training
    try:
        yield
    finally:
        for module in modules:
            module.training = not module.training


def is_hooked(module: nn.Module) -> bool:
    """Whether a call of the module does more than its ``forward``."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )


def drop_unused(graph: fx.Graph) -> None:
    for node in reversed(graph.nodes):
        if not node.users and node.op not in ("placeholder", "output"):
            graph.erase_node(node)


def reusing_memory(steps: Sequence[Step]) -> list[Step]:
    """With rectifiers that work in place where nobody else needs the memory."""
    takers: defaultdict[int, list[Step]] = defaultdict(list)
    for step in steps:
        for value in step.inputs:
            takers[value].append(step)

    def reusing(i: int, step: Step) -> Step:
        if not isinstance(step.layer, Rectifier):
            return step
        (value,) = step.inputs
        owns_input = value > 0 and len(takers[value]) == 1 and steps[value - 1].layer.makes_output
        # What goes back by several ways is their sum, and new.
        after = takers[i + 1]
        owns_delta = len(after) > 1 or (len(after) == 1 and after[0].layer.makes_delta)
        return replace(step, layer=replace(step.layer, owns_input=owns_input, owns_delta=owns_delta))

    return [reusing(i, step) for i, step in enumerate(steps)]


class Call(nn.Module):
    def __init__(self, D: nn.Module) -> None:
        super().__init__()
        self.D = D

    def forward(self, images: Tensor) -> Any:
        return self.D(images)


class CallWithLabels(Call):
    def forward(self, images: Tensor, labels: Tensor) -> Any:  # type: ignore[override]
        return self.D(images, labels)


class _Reader:
    def __init__(self, call: nn.Module, graph: fx.Graph) -> None:
        self.call = call
        self.graph = graph
        self.modules = dict(call.named_modules())
        self.image, *self.nodes, self.result = graph.nodes
        #: What depends on the image, by the number of its value.
        self.values: dict[fx.Node, int] = {self.image: 0}
        #: What is the number of samples whatever the image, and the shapes that it is read from.
        self.samples: set[fx.Node] = set()
        self.steps: list[tuple[Layer, list[fx.Node], list[fx.Node | tuple[nn.Module, str]]]] = []

    def read(self) -> Trace:
        for node in self.nodes:
            if str(node.target).startswith("_tensor_constant"):
                raise NonlinearError(f"{node.target}, a tensor made while it was traced")
            sources = node.all_input_nodes
            if not any(source in self.values or source in self.samples for source in sources):
                continue
            if is_shape(node) or is_number_of_samples(node):
                self.samples.add(node)
            else:
                self.steps.append(self.step(node))
                self.values[node] = len(self.steps)
        (score,) = self.result.args
        if not self.steps or self.values.get(score) != len(self.steps):
            raise NonlinearError("a forward that does not end in the score")

        taken = list(dict.fromkeys(constant for *_, constants in self.steps for constant in constants))
        parameters = [constant for constant in taken if isinstance(constant, tuple)]
        computed = [constant for constant in taken if isinstance(constant, fx.Node)]
        position = {constant: i for i, constant in enumerate([*parameters, *computed])}
        steps = [
            Step(layer, tuple(self.values[node] for node in inputs), tuple(position[c] for c in constants))
            for layer, inputs, constants in self.steps
        ]
        return Trace(reusing_memory(steps), parameters, self.computing(computed) if computed else None)

    def step(self, node: fx.Node) -> tuple[Layer, list[fx.Node], list[Any]]:
        if node.op == "call_module":
            module = self.modules[str(node.target)]
            self.refuse_in_place(node, bool(getattr(module, "inplace", False)))
            # The weight itself is left alone: looking at it may be an iteration of its spectral norm.
            names = ["weight"] if isinstance(module, nn.Conv2d | nn.Linear) else []
            names += ["bias"] if names and module.bias is not None else []
            return module_layer(module), list(node.all_input_nodes), [(module, name) for name in names]
        self.refuse_in_place(node, bool(node.kwargs.get("inplace")))
        layer, operands = call_layer(node, self.values, self.samples)
        inputs = [operand for operand in operands if operand in self.values]
        if len(inputs) != (2 if isinstance(layer, Addition) else 1):
            raise NonlinearError(f"{node.format_node()}, a product of two values")
        return layer, inputs, [operand for operand in operands if operand not in self.values]

    def refuse_in_place(self, node: fx.Node, is_in_place: bool) -> None:
        """Where others look at what it changes."""
        if not is_in_place:
            return
        (source,) = node.all_input_nodes
        made_by = self.values[source] - 1
        if len(source.users) > 1 or made_by < 0 or not self.steps[made_by][0].makes_output:
            raise NonlinearError(f"{node.target}, which works in place on what others may see")

    def computing(self, wanted: Sequence[fx.Node]) -> nn.Module:
        graph = fx.Graph()
        copies: dict[fx.Node, fx.Node] = {}
        for node in self.nodes:
            if node not in self.values:
                copies[node] = graph.node_copy(node, copies.__getitem__)
        graph.output(tuple(copies[node] for node in wanted))
        drop_unused(graph)
        return fx.GraphModule(self.call, graph)
