import pytest
import torch
from torch import Tensor

from trainer.critics.scoring import Critic


def assert_gradients_are_slopes(critic: Critic, x: Tensor) -> None:
    """Autograd's gradients of a sum of squared scores, by every weight and pixel, are central differences."""
    inputs = [*critic.D.parameters(), x]
    gradients = torch.autograd.grad(critic(x).square().sum(), inputs)
    for tensor, gradient in zip(inputs, gradients, strict=True):
        numbers = tensor.data.view(-1)
        for i, slope in enumerate(gradient.flatten().tolist()):
            middle = numbers[i].item()
            numbers[i] = middle + 1e-6
            above = critic(x).square().sum().item()
            numbers[i] = middle - 1e-6
            below = critic(x).square().sum().item()
            numbers[i] = middle
            assert slope == pytest.approx((above - below) / 2e-6, rel=1e-5, abs=1e-8)
