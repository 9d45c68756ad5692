"""S as training goes on: the weights of several networks, between generator steps and between marks."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final

from torch import Tensor, nn

from . import declarations
from .angles import WeightTrace, layers_of
from .recorder import Series

logger = logging.getLogger(__name__)

#: Measured between generator steps.
OF_STEPS: Final = ("angles", "layer_angles")


class Stability:
    """``networks`` by their ends of series' names: g, d, g_ema.

    every:      "angles": steps between two measurements of one generator step's turn, "layer_angles": the
                same by layer, both from one copy of the weights on their device; "epoch_angles": turns
                between marks, from one copy on the host.
    everything: over all parameters, biases and gains too.
    """

    def __init__(
        self, networks: Mapping[str, nn.Module], every: Mapping[str, object], *, everything: bool
    ) -> None:
        layers = {net: layers_of(network, everything=everything) for net, network in networks.items()}
        given = {probe: often for probe in OF_STEPS if isinstance(often := every[probe], int)}
        if not all(layers.values()) and (given or every["epoch_angles"]):
            raise ValueError(
                "G or D has no weight with two or more dimensions: pass everything=True for angles of all"
            )
        self.every = given
        self.steps = {net: WeightTrace(layers[net], "device") for net in layers if given}
        self.marks = {net: WeightTrace(layers[net], "host") for net in layers if every["epoch_angles"]}
        #: What the last step was called, and that after which weights were copied; None before the first.
        self.last: int | None = None
        self.copied: int | None = None
        #: By how much the last step's number grew; None if that is not known.
        self.stride: int | None = None
        self.has_warned = False

    def step(self, step: int) -> dict[str, Tensor]:
        """Always the turn of a single generator step, however rarely it is measured: nothing, where the copy
        is not from the step before.
        """
        values: dict[str, Tensor] = {}
        norms: dict[str, Tensor] = {}
        due = self._due(step)
        if due and not self._follows(step):
            due = set()
            self._warn(step)
        if "angles" in due:
            for net, trace in self.steps.items():
                turn = trace.turn()
                values[f"angle/iter/{net}"] = turn.angle
                values[f"weight_norm/iter/{net}"] = norms[net] = turn.norm
                values[f"relative_update/iter/{net}"] = turn.relative_update
        if "layer_angles" in due:
            for net, trace in self.steps.items():
                turns = trace.turns()
                values |= {f"angle/iter_layer/{net}/{layer}": turn.angle for layer, turn in turns.items()}
        if self.last is not None:
            self.stride = step - self.last
        self.last = step
        if self.stride is None or self._due(step + self.stride):
            self.copied = step
            for net, trace in self.steps.items():
                trace.remember(norms.get(net))
        return values

    def _follows(self, step: int) -> bool:
        """Whether the weights were copied one step before: in the call before, as far away as usual."""
        if self.last is None:
            return True
        return self.copied == self.last and self.stride in {None, step - self.last}

    def _warn(self, step: int) -> None:
        if not self.has_warned:
            self.has_warned = True
            logger.warning(
                "no angle of step %d, which came after %s: call step() after every generator step, with a "
                "step= that always grows by as much, or without",
                step,
                self.last,
            )

    def _due(self, step: int) -> set[str]:
        return {probe for probe, every in self.every.items() if step % every == 0}

    def mark(self) -> dict[str, Tensor]:
        """Turns since the mark before, whole and by layer, and how long the weights are."""
        values: dict[str, Tensor] = {}
        for net, trace in self.marks.items():
            turn = trace.turn()
            values[f"angle/epoch/{net}"] = turn.angle
            values[f"weight_norm/{net}"] = turn.norm
            values[f"relative_update/{net}"] = turn.relative_update
            values |= {f"angle/layer/{net}/{layer}": part.angle for layer, part in trace.turns().items()}
            trace.remember(turn.norm)
        return values

    def forget(self, *probes: str) -> None:
        """Measure nothing more at steps ("angles") or at marks ("epoch_angles")."""
        if "angles" in probes:
            self.every = {}
            self.steps.clear()
        if "epoch_angles" in probes:
            self.marks.clear()

    def of_steps(self) -> Iterator[Series]:
        if "angles" in self.every:
            yield from declarations.iteration_angles(self.steps)
        if "layer_angles" in self.every:
            layers = {net: trace.layers for net, trace in self.steps.items()}
            yield from declarations.iteration_layer_angles(layers)

    def of_marks(self) -> Iterator[Series]:
        return declarations.epoch_angles({net: trace.layers for net, trace in self.marks.items()})

    def state_dict(self) -> dict[str, Any]:
        traces = {
            key: {net: trace.state_dict() for net, trace in traces.items()}
            for key, traces in self._traces().items()
        }
        return {**traces, "counted": (self.last, self.copied, self.stride)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """After the networks have theirs: what the state does not have begins from them."""
        self.last, self.copied, self.stride = state.get("counted", (None, None, None))
        for key, traces in self._traces().items():
            for net, trace in traces.items():
                if net in state.get(key, {}):
                    trace.load_state_dict(state[key][net])
                else:
                    trace.remember()

    def _traces(self) -> dict[str, dict[str, WeightTrace]]:
        return {"step_traces": self.steps, "epoch_traces": self.marks}
