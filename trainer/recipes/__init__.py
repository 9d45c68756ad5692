"""Recipes: named training configurations, each a function whose docstring says where its settings come from.

P: stated in the paper. C: what its authors' published code does, where that differs or the paper is silent.
O: our own choice, where nothing is published.
"""

from typing import Final

from trainer.recipes.digits import DIGITS
from trainer.recipes.gradient_normalization import GN
from trainer.recipes.gran import GRAN
from trainer.recipes.own_images import OWN_IMAGES
from trainer.recipes.paper import Paper, Recipe
from trainer.recipes.penalty_gradient_normalization import PGN
from trainer.recipes.sample_differences import SDP
from trainer.recipes.sqd import SQD

__all__ = ["PAPERS", "RECIPES", "Paper", "Recipe"]

PAPERS: Final = (DIGITS, OWN_IMAGES, GN, PGN, GRAN, SDP, SQD)

RECIPES: Final[dict[str, Recipe]] = {
    name: recipe for paper in PAPERS for name, recipe in paper.recipes.items()
}
