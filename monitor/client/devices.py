"""Numbers on another device: copied when they are logged, read when they have landed, never waited for."""

from __future__ import annotations

import sys
from typing import Any

from monitor.client.values import Rejected, to_float


def is_elsewhere(value: Any) -> bool:
    """Whether reading the value would stop the thread until a GPU, or whatever holds it, has caught up."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor) and value.device.type != "cpu"


class Landing:
    """Scalars on their way to the host.

    On CUDA one kernel, one copy into pinned memory and one event for each device and data type, all on the
    stream that is current where they are logged: what the stream computes later cannot change them. On other
    devices one copy on the device, which the thread that reads it waits for.
    """

    def __init__(self, tensors: dict[str, Any]) -> None:
        torch: Any = sys.modules["torch"]
        self.rejected: dict[str, str] = {}
        #: Names, where their numbers land, and the event of their landing.
        self._copies: list[tuple[list[str], Any, Any]] = []
        groups: dict[tuple[Any, Any], dict[str, Any]] = {}
        for name, tensor in tensors.items():
            if tensor.ndim != 0:
                self.rejected[name] = f"has shape {tuple(tensor.shape)}; a scalar is wanted"
            elif tensor.is_complex():
                self.rejected[name] = "is complex, not a number"
            elif tensor.is_meta:
                self.rejected[name] = "is on the meta device, which holds no numbers"
            else:
                groups.setdefault((tensor.device, tensor.dtype), {})[name] = tensor.detach()
        for (device, dtype), group in groups.items():
            if device.type == "cuda":
                self._copies.append((list(group), *_take_off(torch, device, dtype, group)))
            else:
                self._copies.append((list(group), torch.stack(list(group.values())), None))

    def has_landed(self) -> bool:
        return all(event is None or event.query() for _, _, event in self._copies)

    def values(self) -> dict[str, float]:
        """What has landed; an integer that is too large joins the rejected."""
        values: dict[str, float] = {}
        for names, numbers, _ in self._copies:
            for name, number in zip(names, numbers.tolist(), strict=True):
                try:
                    values[name] = to_float(number)
                except Rejected as reason:
                    self.rejected[name] = str(reason)
        return values


def _take_off(torch: Any, device: Any, dtype: Any, group: dict[str, Any]) -> tuple[Any, Any]:
    wide = torch.float64 if dtype.is_floating_point or dtype is torch.bool else torch.int64
    with torch.no_grad(), torch.cuda.device(device):
        stacked = torch.stack(list(group.values())).to(wide)
        pinned = torch.empty(len(group), dtype=wide, device="cpu", pin_memory=True)
        pinned.copy_(stacked, non_blocking=True)
        event = torch.cuda.Event()
        event.record()
    return pinned, event
