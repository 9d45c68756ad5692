"""S as training goes on: the weights of several networks, between generator steps and between marks."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from . import declarations
from .angles import WeightTrace, layers_of
from .recorder import Series


class Stability:
    """``networks`` by their ends of series' names: g, d, g_ema.

    every:      "angles": steps between two measurements of one generator step's turn, from one copy of the
                weights on their device; "epoch_angles": turns between marks, from one copy on the host.
    everything: over all parameters, biases and gains too.
    """

    def __init__(
        self, networks: Mapping[str, nn.Module], every: Mapping[str, object], *, everything: bool
    ) -> None:
        layers = {net: layers_of(network, everything=everything) for net, network in networks.items()}
        at_steps, at_marks = every["angles"], every["epoch_angles"]
        if not all(layers.values()) and (at_steps or at_marks):
            raise ValueError(
                "G or D has no weight with two or more dimensions: pass everything=True for angles of all"
            )
        self.every = at_steps if isinstance(at_steps, int) else None
        self.steps = {net: WeightTrace(layers[net], "device") for net in layers if at_steps}
        self.marks = {net: WeightTrace(layers[net], "host") for net in layers if at_marks}

    def step(self, step: int) -> dict[str, Tensor]:
        """Always the turn of a single generator step, however rarely it is measured."""
        if not self.every:
            return {}
        turns = {net: trace.turn() for net, trace in self.steps.items()} if step % self.every == 0 else {}
        if (step + 1) % self.every == 0:
            for net, trace in self.steps.items():
                trace.remember(turns[net].norm if net in turns else None)
        return {f"angle/iter/{net}": turn.angle for net, turn in turns.items()}

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
        for probe, traces in (("angles", self.steps), ("epoch_angles", self.marks)):
            if probe in probes:
                traces.clear()

    def of_steps(self) -> Iterator[Series]:
        return declarations.iteration_angles(self.steps)

    def of_marks(self) -> Iterator[Series]:
        return declarations.epoch_angles({net: trace.layers for net, trace in self.marks.items()})

    def state_dict(self) -> dict[str, Any]:
        return {
            key: {net: trace.state_dict() for net, trace in traces.items()}
            for key, traces in self._traces().items()
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """After the networks have theirs: what the state does not have begins from them."""
        for key, traces in self._traces().items():
            for net, trace in traces.items():
                if net in state.get(key, {}):
                    trace.load_state_dict(state[key][net])
                else:
                    trace.remember()

    def _traces(self) -> dict[str, dict[str, WeightTrace]]:
        return {"step_traces": self.steps, "epoch_traces": self.marks}
