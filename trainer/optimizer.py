"""Adam for one network."""

from typing import Any

import torch
from torch import nn

from trainer.config import Adam


class ResumableAdam(torch.optim.Adam):
    """Its learning rate, betas and epsilon are the configuration's, also after a checkpoint was loaded.

    A checkpoint carries those it was written with; a training that is resumed with another learning rate
    means the other.
    """

    def __init__(self, network: nn.Module, lr: float, settings: Adam) -> None:
        super().__init__(network.parameters(), lr, settings.betas, settings.eps, fused=True)
        self._configured = {"lr": lr, "betas": settings.betas, "eps": settings.eps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group.update(self._configured)
