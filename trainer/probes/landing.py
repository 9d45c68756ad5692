"""From the device to the host without waiting for it."""

from typing import Any

import torch
from torch import Tensor


def to_host(values: Tensor) -> Tensor:
    """A copy on the host, on its way: read it when a ``Landing`` made afterwards has landed."""
    if not values.is_cuda:
        return values
    host = torch.empty(values.shape, dtype=values.dtype, device="cpu", pin_memory=True)
    return host.copy_(values, non_blocking=True)


class Landing:
    """All that was sent from ``device`` before this was made."""

    def __init__(self, device: torch.device) -> None:
        self._event: Any = None
        if device.type == "cuda":
            event: Any = torch.cuda.Event  # as untyped as torch has it
            self._event = event()
            self._event.record(torch.cuda.current_stream(device))

    def has_landed(self) -> bool:
        return self._event is None or bool(self._event.query())

    def wait(self) -> None:
        if self._event:
            self._event.synchronize()
