"""Numbers that lie on a GPU: copied when they are logged, read when the copy has landed, never waited for."""

from __future__ import annotations

import sys
from typing import Any

from monitor.client.values import Rejected, to_float


def is_on_gpu(value: Any) -> bool:
    """Whether reading the value would stop the thread until the GPU has caught up."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor) and value.is_cuda


class Landing:
    """Scalars on their way to the host.

    One kernel, one copy into pinned memory and one event for each device and data type, all on the stream
    that is current where they are logged: what the stream computes later cannot change them.
    """

    def __init__(self, tensors: dict[str, Any]) -> None:
        torch: Any = sys.modules["torch"]
        self.rejected: dict[str, str] = {}
        self._copies: list[tuple[list[str], Any, Any]] = []
        groups: dict[tuple[Any, Any], dict[str, Any]] = {}
        for name, tensor in tensors.items():
            if tensor.ndim != 0:
                self.rejected[name] = f"has shape {tuple(tensor.shape)}; a scalar is wanted"
            elif tensor.is_complex():
                self.rejected[name] = "is complex, not a number"
            else:
                groups.setdefault((tensor.device, tensor.dtype), {})[name] = tensor.detach()
        for (device, dtype), group in groups.items():
            wide = torch.float64 if dtype.is_floating_point or dtype is torch.bool else torch.int64
            with torch.no_grad(), torch.cuda.device(device):
                stacked = torch.stack(list(group.values())).to(wide)
                pinned = torch.empty(len(group), dtype=wide, device="cpu", pin_memory=True)
                pinned.copy_(stacked, non_blocking=True)
                event = torch.cuda.Event()
                event.record()
            self._copies.append((list(group), pinned, event))

    def has_landed(self) -> bool:
        return all(event.query() for _, _, event in self._copies)

    def values(self) -> dict[str, float]:
        """What has landed; an integer that is too large joins the rejected."""
        values: dict[str, float] = {}
        for names, pinned, _ in self._copies:
            for name, number in zip(names, pinned.tolist(), strict=True):
                try:
                    values[name] = to_float(number)
                except Rejected as reason:
                    self.rejected[name] = str(reason)
        return values
