"""A run with every series of the probes, with numbers that a reader of the page can check."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from monitor import Run
from trainer.probes import critic_declarations as critic
from trainer.probes.recorder import Series

DELTAS = (0.01, 0.1, 1, 10)
LAYERS = ("block1.conv", "block2.conv", "linear")
MARKS = 8
STEPS_A_MARK = 10
#: The mark at which the middle layer leaps.
LEAPS_AT = 5


def measure(run: Run) -> None:
    """Everything the probes measure, at the same steps: powers of two where the page draws logarithms."""
    _declare(run)
    for index in range(1, MARKS + 1):
        step = index * STEPS_A_MARK
        for side, steepness in (("real", 1.0), ("fake", 2.0), ("interpolated", 4.0)):
            run.log_distribution(f"gradient_norm/{side}", _spread(steepness * index), step=step)
        for side, steepness in (("real", 1.0), ("fake", 2.0)):
            for delta in DELTAS:
                run.log_distribution(
                    f"finite_difference/{side}/{delta:g}", _spread(steepness / (1 + delta)), step=step
                )
        depths = range(1, len(LAYERS) + 1)
        run.log({f"lipschitz/layer/{depth}": 2.0 for depth in depths}, step=step)
        run.log({f"lipschitz/prefix/{depth}": 2.0**depth * index for depth in depths}, step=step)
        run.log({"lipschitz/whole": 0.9, "saturated/real": 0.01, "saturated/fake": 0.25}, step=step)
        mark = run.mark(step=step, epoch=index)
        leap = {"block2.conv": 16.0} if index == LEAPS_AT else {}
        angles = {layer: leap.get(layer, 0.25) for layer in LAYERS}
        run.log({f"angle/layer/d/{layer}": angle for layer, angle in angles.items()}, step=step, mark=mark)
        run.log({"recognized/tests": 0.75, "skipped_evaluations": float(index // 3)}, step=step, mark=mark)
        run.log({"quality/tests": 0.5, "diversity/tests": 1.5, "diversity_real/tests": 2.25}, step=step)
        grey = np.arange(0, 64, 4, dtype=np.uint8)[:, None, None] + np.zeros((16, 8, 8), np.uint8)
        best = [1 - i / 100 for i in range(16)]
        run.log_images("samples", grey[:4] + np.uint8(index), step=step)
        run.log_images("samples/best", grey + np.uint8(100 + index), step=step, scores=best)
        shares = [0.5, 0.25, 0.125]
        run.log_images("modes/tests", grey[:3], step=step, scores=shares, caption="Ann · Bob · Eve")
        run.log_images("samples/worst", grey, step=step, scores=[i / 100 for i in range(16)])


def _declare(run: Run) -> None:
    declared: list[Iterable[Series]] = [
        critic.gradient_norms(is_normalized=False),
        critic.finite_differences(DELTAS),
        critic.layer_lipschitz(LAYERS),
        critic.saturation(),
    ]
    for series in (series for some in declared for series in some):
        run.declare(series.name, kind=series.kind, help=series.help, lower=series.lower, role=series.role)
    for layer in LAYERS:
        run.declare(f"angle/layer/d/{layer}", unit="°", lower=0, upper=180)
    run.declare("quality/tests", role="Q", lower=0, upper=1, judge="tests")
    run.declare("diversity/tests", role="D", unit="nats", lower=0, judge="tests")


def _spread(median: float) -> tuple[float, ...]:
    return (*(median * factor for factor in (0.1, 0.2, 0.25, 0.5, 1, 2, 4, 8, 16, 1.5)), 64)
