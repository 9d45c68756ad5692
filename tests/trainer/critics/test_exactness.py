"""First-order forms against double backward, in float64: gradients by every parameter and every pixel."""

from collections.abc import Callable, Iterable, Sequence
from typing import get_args

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import backward

from tests.trainer.critics.discriminators import ARCHITECTURES, CLASSES, batch, discriminator
from trainer import config, critics
from trainer.config import Architecture, CriticName
from trainer.critics import Critic, Form, ScoreGradient
from trainer.losses import LOSSES

FROZEN: tuple[Form, Form] = ("four-pass", "five-pass")
NORMALIZED = [kind for kind in get_args(CriticName) if kind not in ("raw", "sn")]


def critic_of(kind: CriticName, D: nn.Module, form: Form | None = None) -> Critic:
    options = {"tau": 0.8, "epsilon": 1e-4} if kind == "gran" else {}
    return critics.build(config.Critic(kind=kind, **options), D, form)


def gradients(D: nn.Module, x: Tensor, loss: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """Of ``loss(x)`` by the image and by every parameter."""
    x = x.clone().requires_grad_()
    D.zero_grad()
    backward(loss(x))
    found = [x.grad, *(parameter.grad for parameter in D.parameters())]
    return [torch.zeros(()) if gradient is None else gradient for gradient in found]


def error(found: Iterable[Tensor], expected: Sequence[Tensor]) -> float:
    """The largest relative error of a tensor, in the maximum norm; of all of them where a tensor is 0."""
    largest = max(tensor.abs().max().item() for tensor in expected)
    errors = []
    for a, b in zip(found, expected, strict=True):
        scale = b.abs().max().item() or largest
        errors.append((a - b).abs().max().item() / scale)
    return max(errors)


@pytest.mark.parametrize("kind", NORMALIZED)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gradients_are_those_of_double_backward(architecture: Architecture, kind: CriticName) -> None:
    D = discriminator(architecture)
    x, labels = batch(architecture)
    n = len(x) // 2
    reference = critic_of(kind, D, "double-backward")
    for loss in LOSSES.values():

        def through(critic: Critic, loss=loss) -> list[Tensor]:  # type: ignore[no-untyped-def]
            def discriminators(x: Tensor) -> Tensor:
                h = critic(x, labels)
                return loss.discriminator(h[:n], h[n:]) + 0.3 * loss.generator(h)

            return gradients(D, x, discriminators)

        expected = through(reference)
        assert max(gradient.abs().max() for gradient in expected) > 0
        for form in FROZEN if loss is LOSSES["ls"] else FROZEN[:1]:
            assert error(through(critic_of(kind, D, form)), expected) < 1e-10


# Without gn0: its gradient has the length 1 everywhere, and what penalizes that has none.
@pytest.mark.parametrize("kind", ["raw", "gn", "gn1", "pgn", "pgn-code", "gran"])
@pytest.mark.parametrize("architecture", ["small", "biggan"])
def test_penalties_on_the_gradient_are_those_of_double_backward(
    architecture: Architecture, kind: CriticName
) -> None:
    """Alone, so that nothing depends on the score, and together with a loss."""
    D = discriminator(architecture)
    x, labels = batch(architecture)

    def penalty(critic: Critic, weight: float) -> list[Tensor]:
        def penalized(x: Tensor) -> Tensor:
            norms = critic.gradient(x, labels).flatten(1).norm(dim=1)
            return (norms - 1).square().mean() + weight * critic(x, labels).sum()

        return gradients(D, x, penalized)[1:]

    for weight in (0.0, 1.0):
        expected = penalty(critic_of(kind, D, "double-backward"), weight)
        for form in FROZEN:
            assert error(penalty(critic_of(kind, D, form), weight), expected) < 1e-10


@pytest.mark.parametrize("form", FROZEN)
def test_spectral_normalization_passes_its_gradients_on(form: Form) -> None:
    found = []
    for asked in ("double-backward", form):
        D = discriminator("cnn")
        critic = critic_of("sn", D, asked)  # type: ignore[arg-type]
        D.eval()  # power iteration would move on with each use
        x, _ = batch("cnn")
        found.append(gradients(D, x, lambda x: critic.gradient(x).square().sum() + critic(x).sum()))  # noqa: B023
    assert error(found[1], found[0]) < 1e-10


@pytest.mark.parametrize("kind", ["gn", "pgn-code", "gran"])
def test_a_generators_gradient_is_that_of_double_backward(kind: CriticName) -> None:
    D = discriminator("resnet").requires_grad_(False)
    x, _ = batch("resnet")
    expected, found = (
        gradients(D, x, lambda x, form=form: critic_of(kind, D, form)(x).sum())[0]  # type: ignore[misc]
        for form in ("double-backward", "four-pass")
    )
    assert error([found], [expected]) < 1e-12


@pytest.mark.parametrize("form", FROZEN)
def test_labels_reach_the_score_and_their_embedding_is_trained(form: Form) -> None:
    D = discriminator("biggan")
    x, labels = batch("biggan")
    assert labels is not None
    other = (labels + 1) % CLASSES["biggan"]
    score_gradient = ScoreGradient(D, form)
    for given in (labels, other, None):
        found = score_gradient(x, given)
        assert torch.allclose(found.f, D(x, given), rtol=1e-12)
    assert not torch.allclose(score_gradient(x, labels).f, score_gradient(x, other).f)
    D.zero_grad()
    backward(score_gradient(x, labels.new_zeros(len(x))).gradient.square().sum())
    embedding = D.get_parameter("projection.weight").grad
    assert embedding is not None
    assert embedding[0].abs().max() > 0
    assert embedding[1:].abs().max() == 0


@pytest.mark.parametrize("form", FROZEN)
def test_parts_of_a_batch_add_up_to_the_whole(form: Form) -> None:
    D = discriminator("resnet")
    critic = critic_of("gn", D, form)
    x, _ = batch("resnet", 6)
    whole = gradients(D, x, lambda x: critic(x).square().sum())[1:]
    D.zero_grad()
    for part in x.chunk(3):
        backward(critic(part).square().sum())
    assert (
        error([parameter.grad for parameter in D.parameters() if parameter.grad is not None], whole) < 1e-10
    )


@pytest.mark.parametrize("form", FROZEN)
def test_a_graph_that_is_kept_can_be_differentiated_again(form: Form) -> None:
    D = discriminator("small")
    x, _ = batch("small")
    h = critic_of("gn", D, form)(x)
    parameters = list(D.parameters())
    first = torch.autograd.grad(h.square().sum(), parameters, retain_graph=True)
    again = torch.autograd.grad(h.square().sum(), parameters)
    assert error(again, first) < 1e-12


def test_some_parameters_may_be_frozen() -> None:
    D = discriminator("cnn")
    frozen, *trained = D.parameters()
    frozen.requires_grad_(False)
    x, _ = batch("cnn")
    expected, found = (
        torch.autograd.grad(critic_of("gn", D, form)(x).sum(), trained)
        for form in ("double-backward", "four-pass")
    )
    assert error(found, expected) < 1e-10


def test_the_second_derivative_is_refused_and_not_wrong() -> None:
    D = discriminator("small")
    x = batch("small")[0].requires_grad_()
    (gradient,) = torch.autograd.grad(critic_of("gn", D)(x).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        backward(gradient.square().sum())
