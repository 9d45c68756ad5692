"""The first-order forms as they run: in bf16, compiled, without a graph, in little memory."""

import statistics
import weakref

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import backward

from tests.trainer.critics.discriminators import batch, discriminator
from trainer.critics import Form, GradientNormalizedCritic, ScoreGradient
from trainer.critics.layers import Rectifier


def gradients(critic: GradientNormalizedCritic, x: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    critic.D.zero_grad()
    backward(critic(x).square().sum())
    return [g for g in (x.grad, *(parameter.grad for parameter in critic.D.parameters())) if g is not None]


@pytest.mark.parametrize("form", ["four-pass", "five-pass"])
def test_in_bf16_gradients_are_as_near_to_float32_as_those_of_double_backward(form: Form) -> None:
    D = discriminator("cnn").float()
    x = batch("cnn", 16)[0].float()

    def error(form: Form) -> float:
        critic = GradientNormalizedCritic(D, form=form)
        exact = gradients(critic, x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = gradients(critic, x)
        assert all(gradient.dtype == torch.float32 for gradient in rounded)
        return statistics.fmean(
            ((a - b).norm() / b.norm()).item() for a, b in zip(rounded, exact, strict=True)
        )

    assert 1e-3 < error(form) < 1.2 * error("double-backward")


@pytest.mark.parametrize("form", ["four-pass", "five-pass", "double-backward"])
def test_in_bf16_scores_are_float32_from_the_norm_on(form: Form) -> None:
    D = discriminator("cnn").float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert GradientNormalizedCritic(D, form=form)(batch("cnn")[0].float()).dtype == torch.float32


# Of the compiler's own.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.parametrize("form", ["four-pass", "five-pass"])
def test_it_is_one_graph_for_a_compiler(form: Form) -> None:
    D = discriminator("resnet").float()
    critic = GradientNormalizedCritic(D, form=form)
    x = batch("resnet")[0].float()
    expected = gradients(critic, x)
    compiled = torch.compile(critic, fullgraph=True, backend="aot_eager")
    x.requires_grad_()
    D.zero_grad()
    backward(compiled(x).square().sum())
    found = [g for g in (x.grad, *(parameter.grad for parameter in D.parameters())) if g is not None]
    assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-6) for a, b in zip(found, expected, strict=True))


def test_without_a_graph_there_are_scores_and_nothing_is_kept() -> None:
    D = discriminator("small")
    x, _ = batch("small")
    with torch.no_grad():
        h = GradientNormalizedCritic(D)(x)
    assert not h.requires_grad
    assert torch.equal(h, GradientNormalizedCritic(D)(x))


def test_a_generators_step_keeps_no_pattern() -> None:
    D = discriminator("resnet")
    x, _ = batch("resnet")

    def patterns() -> int:
        kept: list[Tensor] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
            GradientNormalizedCritic(D)(x.clone().requires_grad_())
        return sum(tensor.dtype == torch.uint8 for tensor in kept)

    assert patterns() > 0
    D.requires_grad_(False)
    assert patterns() == 0


def test_a_graph_goes_with_its_scores() -> None:
    critic = GradientNormalizedCritic(discriminator("small"))
    x = batch("small")[0].clone().requires_grad_()
    gone = weakref.ref(x)
    h = critic(x)
    backward(h.sum())
    del h, x
    assert gone() is None


def test_rectifiers_work_in_place_only_where_nobody_else_looks() -> None:
    """In a residual network: within blocks, not on the sums that shortcuts take."""
    D = discriminator("resnet")
    read = ScoreGradient(D).read[0]
    assert not isinstance(read, str)
    steps = read[0].steps
    owning = [step.layer.owns_input for step in steps if isinstance(step.layer, Rectifier)]
    assert any(owning)
    assert not all(owning)
    x, _ = batch("resnet")
    before = x.clone()
    GradientNormalizedCritic(
        nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(768, 1), nn.Flatten(0)).double()
    )(x)
    assert torch.equal(x, before)


@pytest.mark.gpu
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("form", ["four-pass", "five-pass"])
def test_on_a_gpu_gradients_are_those_of_double_backward(layout: torch.memory_format, form: Form) -> None:
    D = discriminator("resnet").cuda().to(memory_format=layout)
    x = batch("resnet")[0].cuda().to(memory_format=layout)
    expected = gradients(GradientNormalizedCritic(D, form="double-backward"), x)
    found = gradients(GradientNormalizedCritic(D, form=form), x)
    assert all(torch.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in zip(found, expected, strict=True))


@pytest.mark.gpu
def test_on_a_gpu_it_compiles_and_runs_in_bf16() -> None:
    D = discriminator("resnet").float().cuda().to(memory_format=torch.channels_last)
    x = batch("resnet")[0].float().cuda().to(memory_format=torch.channels_last)
    critic = GradientNormalizedCritic(D)
    expected = gradients(critic, x)
    compiled = torch.compile(critic, fullgraph=True)
    with torch.autocast("cuda", dtype=torch.bfloat16):
        D.zero_grad()
        backward(compiled(x).square().sum())
    found = [parameter.grad for parameter in D.parameters() if parameter.grad is not None]
    assert all((a - b).norm() < 0.2 * b.norm() for a, b in zip(found, expected[1:], strict=True))
