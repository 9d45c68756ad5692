"""Lloyd's rounds, point by point."""

import math


def settle(points: list[list[float]], centres: list[list[float]]) -> list[list[float]]:
    """Where the centres come to rest: each in the middle of the points that are nearest to it."""
    while True:
        bins: list[list[list[float]]] = [[] for _ in centres]
        for point in points:
            distances = [math.dist(point, centre) for centre in centres]
            bins[distances.index(min(distances))].append(point)
        moved = [
            [sum(column) / len(inside) for column in zip(*inside, strict=True)] for inside in bins if inside
        ]
        if max(math.dist(a, b) for a, b in zip(moved, centres, strict=True)) < 1e-6:
            return moved
        centres = moved
