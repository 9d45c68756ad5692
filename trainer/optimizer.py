"""Adam for one network."""

from typing import Any

import torch
from torch import nn

from trainer.config import Adam


class ResumableAdam(torch.optim.Adam):
    """Its learning rate, betas and epsilon are the configuration's, also after a checkpoint was loaded.

    A checkpoint carries those it was written with; a training that is resumed with another learning rate
    means the other.

    With ``clip``, every parameter is cut to [-clip, clip] after each step (Arjovsky et al. 2017).
    """

    def __init__(self, network: nn.Module, lr: float, settings: Adam, *, clip: float = 0.0) -> None:
        self._configured = {"lr": lr, "betas": settings.betas, "eps": settings.eps}
        self._lr = lr
        self._clip = clip
        super().__init__(network.parameters(), lr, settings.betas, settings.eps, fused=True)

    def set_rate(self, factor: float) -> float:
        """The learning rate becomes the configured one times ``factor``, and is returned."""
        rate = self._lr * factor
        for group in self.param_groups:
            group["lr"] = rate
        return rate

    def step(self, closure: Any = None) -> Any:
        result = super().step(closure)
        if self._clip:
            with torch.no_grad():
                for group in self.param_groups:
                    for parameter in group["params"]:
                        parameter.clamp_(-self._clip, self._clip)
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group.update(self._configured)
