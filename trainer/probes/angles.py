"""Stability S: by what angle a network's weights turned between two moments (SQD, equations 4 and 5).

``angle(a, b) = 2 atan2(|a/|a| - b/|b||, |a/|a| + b/|b||)`` over the flattened weights of one network,
Kahan's form. The arc cosine of a float32 cosine cannot tell angles under 3e-4 rad apart, and one training
step often turns less. Weights are cast to float64 before they are scaled and subtracted, tile by tile, so
no float64 copy of a network ever exists. Right to 1e-4 relative from 1e-7 rad to pi
(tests/reference/angles_twin.py).

*Weights* are all parameters with two or more dimensions; biases and the gains of norms are left out unless
asked for.

A healthy run settles: angles shrink as training converges. Sick: a leap by an order of magnitude, in one
network or both, usually before samples get worse. Weights without length have no direction: their angle is
NaN. Under a critic that does not feel the scale of its weights (gradient normalization) ``|W|`` only grows
and angles shrink by construction: read both.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor, nn

#: Numbers in a tile: on a CPU two float64 tiles stay in its cache, elsewhere a tile is worth launching
#: kernels for.
TILE_CPU: Final = 1 << 16
TILE_DEVICE: Final = 1 << 22

#: A stretch of one weight: its place in the list, where the stretch begins, where it ends.
Piece = tuple[int, int, int]


@dataclass(frozen=True)
class Turn:
    """How weights changed between two moments: float64 tensors without dimensions, on the device of the
    later weights.
    """

    #: Degrees between before and after, 0 to 180.
    angle: Tensor
    #: ``|after|``
    norm: Tensor
    #: ``|after - before| / |before|``
    relative_update: Tensor


@torch.no_grad()
def turn(before: Sequence[Tensor], after: Sequence[Tensor], norm_before: Tensor | None = None) -> Turn:
    """Compare the same weights at two moments. ``before`` may lie on another device (the host): it crosses
    tile by tile.

    ``norm_before``, where a comparison before this one has measured it, saves a pass over ``before``.
    """
    device = after[0].device
    sizes = [weight.numel() for weight in after]
    tile_size = min(TILE_CPU if device.type == "cpu" else TILE_DEVICE, sum(sizes))
    tiles = list(_tiles(sizes, tile_size))
    # Two tensors, alike aligned: equal numbers then have equal norms, to the bit.
    old_tile = torch.empty(tile_size, dtype=torch.float64, device=device)
    new_tile = torch.empty(tile_size, dtype=torch.float64, device=device)
    old, new = _flat(before), _flat(after)

    if norm_before is None:
        norm_before, _ = _length(old, tiles, old_tile)
    norm, b = _length(new, tiles, new_tile)
    # |a/|a| - b/|b|| = |(|b|/|a|) a - b| / |b|: one scaling for two, and a zero norm is still 0/0.
    scale = norm / norm_before
    differences = torch.zeros((), dtype=torch.float64, device=device)
    sums = torch.zeros((), dtype=torch.float64, device=device)
    for tile in reversed(tiles):
        # Backwards, because the last tile of the later weights is still there: small networks are one tile.
        if tile is not tiles[-1]:
            b = _load(new, tile, new_tile)
        a = _load(old, tile, old_tile).mul_(scale).sub_(b)
        differences += torch.dot(a, a)
        a.add_(b, alpha=2)
        sums += torch.dot(a, a)
    difference, total = differences.sqrt() / norm, sums.sqrt() / norm
    # |b - a|^2 = (|b| - |a|)^2 + |a| |b| |a/|a| - b/|b||^2: exact, and no further pass.
    change = torch.hypot(norm - norm_before, (norm_before * norm).sqrt() * difference)
    return Turn(torch.rad2deg(2 * torch.atan2(difference, total)), norm, change / norm_before)


class WeightTrace:
    """A network's weights as they were at one moment, one copy, to be compared with what they are now.

    ``keep_on="device"`` for comparisons every step, ``"host"`` where the device's memory is better spent
    otherwise.
    """

    def __init__(self, layers: dict[str, list[Tensor]], keep_on: Literal["device", "host"]) -> None:
        self.layers = layers
        self.weights = [weight for layer in layers.values() for weight in layer]
        self.before = [_room_for(weight, keep_on) for weight in self.weights]
        self.norm_before: Tensor | None = None
        self.remember()

    @torch.no_grad()
    def remember(self, norm: Tensor | None = None) -> None:
        """Take the weights as they are now for what the next comparison begins from."""
        torch._foreach_copy_(self.before, self.weights, non_blocking=True)
        self.norm_before = norm

    def turn(self) -> Turn:
        """The whole network, from what was remembered to now."""
        return turn(self.before, self.weights, self.norm_before)

    def turns(self) -> dict[str, Turn]:
        """The same for every layer on its own, by name."""
        old = iter(self.before)
        return {name: turn([next(old) for _ in layer], layer) for name, layer in self.layers.items()}

    def state_dict(self) -> dict[str, list[Tensor]]:
        if self.weights[0].is_cuda:
            torch.cuda.synchronize(self.weights[0].device)
        return {"before": [old.clone() for old in self.before]}

    def load_state_dict(self, state: dict[str, list[Tensor]]) -> None:
        for old, stored in zip(self.before, state["before"], strict=True):
            old.copy_(stored)
        self.norm_before = None


def layers_of(network: nn.Module, *, everything: bool = False) -> dict[str, list[Tensor]]:
    """The weights of ``network`` by layer, in a fixed order: parameters with two or more dimensions, or all
    of them.

    A weight behind a parametrization (spectral norm) counts for the layer that carries it.
    """
    layers: dict[str, list[Tensor]] = {}
    for name, parameter in network.named_parameters():
        if parameter.is_floating_point() and (everything or parameter.dim() >= 2):
            layer = (
                name.split(".parametrizations.")[0]
                if ".parametrizations." in name
                else name.rpartition(".")[0]
            )
            layers.setdefault(layer or "weight", []).append(parameter)
    return layers


def _flat(weights: Sequence[Tensor]) -> list[Tensor]:
    return [weight.detach().reshape(-1) for weight in weights]


def _tiles(sizes: Sequence[int], tile_size: int) -> Iterator[list[Piece]]:
    """Cut the concatenation of vectors of these sizes into tiles, each a list of pieces of those vectors."""
    tile: list[Piece] = []
    room = tile_size
    for index, size in enumerate(sizes):
        start = 0
        while start < size:
            end = min(size, start + room)
            tile.append((index, start, end))
            room -= end - start
            start = end
            if room == 0:
                yield tile
                tile, room = [], tile_size
    if tile:
        yield tile


def _length(flat: list[Tensor], tiles: list[list[Piece]], into: Tensor) -> tuple[Tensor, Tensor]:
    """The norm of all, and what is loaded at the end: the last tile."""
    squares = torch.zeros((), dtype=torch.float64, device=into.device)
    for tile in tiles:
        values = _load(flat, tile, into)
        squares += torch.dot(values, values)
    return squares.sqrt(), values


def _load(flat: list[Tensor], tile: list[Piece], into: Tensor) -> Tensor:
    """The numbers of one tile in float64, in the first part of ``into``."""
    pieces = [flat[index][start:end] for index, start, end in tile]
    if len(pieces) > 1 and pieces[0].device == into.device:
        pieces = [torch.cat(pieces)]
    filled = 0
    for piece in pieces:
        into[filled : filled + len(piece)].copy_(piece, non_blocking=True)
        filled += len(piece)
    return into[:filled]


def _room_for(weight: Tensor, keep_on: Literal["device", "host"]) -> Tensor:
    if keep_on == "device" or not weight.is_cuda:
        return torch.empty_like(weight, requires_grad=False)
    return torch.empty_like(weight, device="cpu", requires_grad=False, pin_memory=True)
