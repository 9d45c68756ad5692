"""Score and gradient of a piecewise linear discriminator, differentiable without a second backward pass.

``f`` are the scores and ``g = grad_x f``. A loss depends on each sample through ``f_i`` and ``g_i`` alone;
call its derivatives ``a_i`` (a number) and ``b_i`` (an image). With the activation pattern frozen at ``x_i``
the discriminator is affine, ``f_m(x_i + v) = f_i + <g_i, v>``, so the loss's gradient by the parameters is
that of

    sum_i  a_i f_m(x_i) + <b_i, g_i>,  which is f_m at the point  a_i x_i + b_i  of homogeneous coordinate a_i

(see ``layers.py``) with ``a`` and ``b`` held constant: one more pass through the frozen layers, and no second
derivative. It is exact also where ``a_i = 0``, as for a penalty on ``g`` alone. By the image the loss's
gradient is ``a_i g_i``: the Hessian of a piecewise linear function is 0.

Sweeps over the layers; a plain training step takes three (forward, back, weights):

===  ===================================================  =========  =========
 .   sweep                                                four-pass  five-pass
===  ===================================================  =========  =========
1    forward at x; keeps the pattern of every rectifier   x          x
2    back to the image: f and g are there                 x, keeps   x
3    frozen, at the point above                           x          x, keeps
4    back again, for what sweep 2 did not keep                       x
5    weights: what comes in times what goes back          x          x
===  ===================================================  =========  =========

Four passes keep what goes back in sweep 2 and gather the weights' gradients layer after layer in sweep 3.
Five keep only patterns, a quarter of that, while the loss is computed. A generator's step ends after sweep 2
in both, as a plain one does.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from trainer.critics.layers import At, Layout, beside
from trainer.critics.tracing import Step
from trainer.errors import ConfigError

Passes = Literal["four-pass", "five-pass"]


class Sweeps:
    """Over the layers of one discriminator."""

    def __init__(self, steps: Sequence[Step], passes: Passes) -> None:
        self.steps = steps
        self.keeps_deltas = passes == "four-pass"
        #: The step after which a value is not needed any more.
        self.last_use = {value: i for i, step in enumerate(steps) for value in step.inputs}
        self.last_with_constants = max((i for i, step in enumerate(steps) if step.constants), default=-1)
        #: The values behind which, toward the image, there are constants.
        self.depends_on_constants: set[int] = set()
        for i, step in enumerate(steps):
            if step.constants or self.depends_on_constants.intersection(step.inputs):
                self.depends_on_constants.add(i + 1)

    def forward(self, images: Tensor, constants: Sequence[Tensor]) -> tuple[Tensor, list[At]]:
        values = {0: images}
        moments = []
        for i, step in enumerate(self.steps):
            inputs = self._take(values, i)
            of_step = [constants[position] for position in step.constants]
            values[i + 1], pattern = step.layer.forward(*inputs, constants=of_step)
            moments.append(At([Layout(x.size(), x.stride()) for x in inputs], of_step, pattern))
        score = values[len(self.steps)]
        require_one_each(score, images)
        return score, moments

    def back(
        self,
        delta: Tensor,
        moments: Sequence[At],
        seen: Callable[[int, Tensor], None],
        *,
        to_image: bool,
    ) -> dict[int, Tensor]:
        """What goes back into each value that is left at the end: the image. ``seen`` is told what goes back
        into every step with constants.
        """
        deltas = {len(self.steps): delta}
        for i in reversed(range(len(self.steps))):
            if i + 1 not in deltas:
                continue
            step, delta = self.steps[i], deltas.pop(i + 1)
            if step.constants:
                seen(i, delta)
            if to_image or self.depends_on_constants.intersection(step.inputs):
                parts = step.layer.transposed(delta, moments[i])
                for value, part in zip(step.inputs, parts, strict=True):
                    deltas[value] = deltas[value] + part if value in deltas else part
        return deltas

    def frozen(
        self, point: Tensor, scale: Tensor, moments: Sequence[At], seen: Callable[[int, list[Tensor]], None]
    ) -> None:
        """Up to the last step with constants. ``seen`` is told what comes into every one of them."""
        values = {0: point}
        for i in range(self.last_with_constants + 1):
            step, inputs = self.steps[i], self._take(values, i)
            if step.constants:
                seen(i, inputs)
            if i < self.last_with_constants:
                values[i + 1] = step.layer.frozen(*inputs, at=moments[i], scale=scale)

    def by_constants(
        self, point: Tensor, scale: Tensor, moments: Sequence[At], kept: dict[int, Tensor]
    ) -> dict[int, Tensor]:
        """The gradient by each constant, by its position. What was ``kept`` of sweep 2 is used up; if nothing
        is left, it goes back once more.
        """
        gradients: dict[int, Tensor] = {}

        def gather(i: int, inputs: Sequence[Tensor], delta: Tensor) -> None:
            step = self.steps[i]
            parts = step.layer.gradients(*inputs, delta=delta, at=moments[i], scale=scale)
            for position, part in zip(step.constants, parts, strict=True):
                gradients[position] = gradients[position] + part if position in gradients else part

        if kept:
            self.frozen(point, scale, moments, lambda i, inputs: gather(i, inputs, kept.pop(i)))
            return gradients
        came: dict[int, list[Tensor]] = {}
        self.frozen(point, scale, moments, came.__setitem__)
        ones = point.new_ones(len(point))
        self.back(ones, moments, lambda i, delta: gather(i, came.pop(i), delta), to_image=False)
        return gradients

    def _take(self, values: dict[int, Tensor], i: int) -> list[Tensor]:
        inputs = [values[value] for value in self.steps[i].inputs]
        for value in self.steps[i].inputs:
            if self.last_use[value] == i:
                values.pop(value, None)
        return inputs


def require_one_each(scores: Tensor, images: Tensor) -> None:
    """``[N, 1]`` would be spread over ``[N]`` without a word, to ``[N, N]``."""
    if scores.shape != images.shape[:1]:
        raise ConfigError(
            f"the discriminator makes {list(scores.shape)} of {len(images)} images: a critic needs one "
            f"number a sample, [{len(images)}]"
        )


def forget(i: int, delta: Tensor) -> None:
    del i, delta


class FrozenScoreGradient(torch.autograd.Function):
    """``apply(sweeps, dtype, images, *constants)`` is ``(f, g)`` in the dtype of the images, computed in
    ``dtype``.

    As an ``autograd.Function`` it hands the weights' gradients to autograd, where those who wait for them see
    them (``DistributedDataParallel``).
    """

    @staticmethod
    def forward(
        ctx: Any, sweeps: Sweeps, dtype: torch.dtype, images: Tensor, *constants: Tensor
    ) -> tuple[Tensor, Tensor]:
        trains = any(ctx.needs_input_grad[3:])
        kept: dict[int, Tensor] = {}
        keep = kept.__setitem__ if trains and sweeps.keeps_deltas else forget
        with torch.autocast(images.device.type, enabled=False):
            score, moments = sweeps.forward(images.to(dtype), constants)
            deltas = sweeps.back(torch.ones_like(score), moments, keep, to_image=True)
        score, gradient = score.to(images.dtype), deltas[0].to(images.dtype)

        patterns = {i: at.pattern for i, at in enumerate(moments) if trains and at.pattern is not None}
        ctx.save_for_backward(images, gradient, *constants, *patterns.values())
        # Not among the saved tensors: those are freed all at once, at the end.
        ctx.patterned, ctx.kept = list(patterns), kept
        ctx.layouts = [at.inputs for at in moments]
        ctx.sweeps, ctx.dtype, ctx.trains = sweeps, dtype, trains
        ctx.set_materialize_grads(False)
        return score, gradient

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, a: Tensor | None, b: Tensor | None) -> tuple[Tensor | None, ...]:
        images, gradient, *rest = ctx.saved_tensors
        a = gradient.new_zeros(len(gradient)) if a is None else a
        by_images = beside(gradient, a) * gradient if ctx.needs_input_grad[2] else None
        count = len(ctx.needs_input_grad) - 3
        if not ctx.trains:
            return None, None, by_images, *[None] * count

        constants, rest = rest[:count], rest[count:]
        patterns = dict(zip(ctx.patterned, rest, strict=True))
        moments = [
            At(layouts, [constants[position] for position in step.constants], patterns.get(i))
            for i, (step, layouts) in enumerate(zip(ctx.sweeps.steps, ctx.layouts, strict=True))
        ]
        point = beside(images, a) * images
        point = point if b is None else point + b
        with torch.autocast(images.device.type, enabled=False):
            # A compiler frees memory by itself, and takes no side effects.
            kept = dict(ctx.kept) if torch.compiler.is_compiling() else ctx.kept
            found = ctx.sweeps.by_constants(point.to(ctx.dtype), a, moments, kept)
        return None, None, by_images, *(found.get(i) for i in range(count))
