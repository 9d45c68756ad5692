"""A discriminator's score and its gradient by the image, both differentiable.

``ScoreGradient(D)(images, labels)`` has ``f = D(images)``, ``[N]``, and ``grad_x f``, ``[N, C, H, W]``: each
sample's own, if no layer mixes samples. Both are part of the graph of the parameters and of the images, in
one of three forms, all exact:

=================  =====================================================  ========================
form               how                                                    for
=================  =====================================================  ========================
four-pass          pattern-frozen, first order (``frozen.py``)            piecewise linear D
five-pass          the same, holding less while the loss is computed      piecewise linear D
double-backward    autograd differentiates its own backward pass          any D; the reference
=================  =====================================================  ========================

Where none is asked for, the discriminator is read: four-pass if it is piecewise linear, double-backward, with
one line in the log, if it is not (ELU, softplus) or not known to be. In a frozen form the layers are called
one by one, and not ``D.forward``: a D with hooks, or one that gets them later, has double-backward. Weights
are read at each call, and a D whose layers were exchanged is read anew.
"""

import logging
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from trainer.critics.frozen import FrozenScoreGradient, Sweeps, require_one_each
from trainer.critics.layers import beside
from trainer.critics.linearity import NonlinearError
from trainer.critics.tracing import Trace, is_hooked, trace
from trainer.errors import ConfigError

logger = logging.getLogger(__name__)

Form = Literal["four-pass", "five-pass", "double-backward"]


@dataclass(frozen=True)
class Differentiated:
    """``f`` and ``grad_x f`` at ``images``."""

    images: Tensor
    f: Tensor
    gradient: Tensor
    is_frozen: bool

    def gradient_of(self, h: Tensor) -> Tensor:
        """``grad_x h``, part of the graph, of an ``h`` ``[N]`` computed from ``f`` and ``gradient``.

        Frozen, ``gradient`` does not change with the image, so it is ``dh/df grad_x f``.
        """
        by = self.f if self.is_frozen else self.images
        (slope,) = torch.autograd.grad(h.sum(), by, create_graph=True)
        return beside(self.gradient, slope) * self.gradient if self.is_frozen else slope


class ScoreGradient:
    """``form`` asks for one of the three; a frozen one is refused if D is not piecewise linear."""

    def __init__(self, D: nn.Module, form: Form | None = None) -> None:
        self.D = D
        self.form: Form = form or "four-pass"
        self.is_asked_for = form is not None
        self.has_said_why = False
        self._read_all()

    def __call__(self, images: Tensor, labels: Tensor | None = None) -> Differentiated:
        of_labels = () if labels is None else (labels,)
        read = self.reading(has_labels=labels is not None)
        x = differentiable(images)
        if isinstance(read, str):
            self._fall_back(read)
            with torch.enable_grad():
                return doubly_differentiable(self.D(x, *of_labels), x)
        found, sweeps = read
        dtype = computing_dtype(x)
        constants = [constant.to(dtype) for constant in found.constants(*of_labels)]
        f, gradient = FrozenScoreGradient.apply(sweeps, dtype, x, *constants)  # type: ignore[no-untyped-call]
        return Differentiated(x, f, gradient, is_frozen=True)

    def with_features(
        self, images: Tensor, labels: Tensor | None = None
    ) -> tuple[Differentiated, list[Tensor]]:
        """Also what the blocks of D made of the images, by a second backward pass: of the activations
        between, no frozen form keeps a graph.
        """
        x = differentiable(images)
        with torch.enable_grad():
            f, blocks = self.D.features(x, labels)  # type: ignore[operator]
            return doubly_differentiable(f, x), blocks

    def reading(self, *, has_labels: bool) -> tuple[Trace, Sweeps] | str:
        """The layers and the sweeps over them, or why there are none."""
        # Of what is being compiled the layers stand; whoever calls it asks here before.
        if not torch.compiler.is_compiling() and self.modules != list(self.D.modules()):
            self._read_all()
        if any(is_hooked(module) for module in self.modules):
            return "it has hooks"
        return self.read[has_labels]

    def _read_all(self) -> None:
        self.modules = list(self.D.modules())
        #: Without and with labels.
        self.read = [self._read(has_labels) for has_labels in (False, True)]

    def _read(self, has_labels: bool) -> tuple[Trace, Sweeps] | str:
        if self.form == "double-backward":
            return ""
        try:
            found = trace(self.D, has_labels=has_labels)
        except NonlinearError as problem:
            return str(problem)
        return found, Sweeps(found.steps, self.form)

    def _fall_back(self, why: str) -> None:
        if self.form == "double-backward" or self.has_said_why:
            return
        if self.is_asked_for:
            raise ConfigError(
                f"gradients in the {self.form} form are exact for piecewise linear discriminators only, and "
                f"this one is not known to be: {why}; ask for double-backward, or leave the choice"
            )
        self.has_said_why = True
        logger.info(
            "gradients are taken by a second backward pass: the discriminator is not known to be piecewise "
            "linear (%s)",
            why,
        )


def differentiable(images: Tensor) -> Tensor:
    return images if images.requires_grad else images.detach().requires_grad_()


def doubly_differentiable(f: Tensor, x: Tensor) -> Differentiated:
    require_one_each(f, x)
    (gradient,) = torch.autograd.grad(f.sum(), x, create_graph=True)
    return Differentiated(x, f, gradient, is_frozen=False)


def computing_dtype(images: Tensor) -> torch.dtype:
    """What autocast, if it is on, would have layers compute in."""
    device = images.device.type
    if images.dtype == torch.float32 and torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return images.dtype
