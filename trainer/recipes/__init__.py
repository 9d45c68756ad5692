"""Recipes: named training configurations, each a function whose docstring says where its settings come from.

P: stated in the paper. C: what its authors' published code does, where that differs or the paper is silent.
O: our own choice, where nothing is published.
"""

from typing import Final

from trainer.recipes import (
    digits,
    gradient_normalization,
    gran,
    own_images,
    penalty_gradient_normalization,
    sample_differences,
    sqd,
)
from trainer.recipes.paper import Paper, Recipe

__all__ = ["PAPERS", "RECIPES", "Paper", "Recipe"]

PAPERS: Final = (
    digits.DIGITS,
    own_images.OWN_IMAGES,
    gradient_normalization.GN,
    penalty_gradient_normalization.PGN,
    gran.GRAN,
    sample_differences.SDP,
    sqd.SQD,
)

RECIPES: Final[dict[str, Recipe]] = {
    name: recipe for paper in PAPERS for name, recipe in paper.recipes.items()
}
