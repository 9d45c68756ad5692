"""Penalty gradient normalization: GN's systems under another critic, in two forms.

``pgn-*`` trains what the paper's tables and proof say, ``h = (1 - f) / (|grad f| + |1 - f|)``.
``pgn-code-*`` trains what its Algorithm 1 prints and its published code does,
``(1 - f) / (|1 - grad f| + |1 - f|)``: another function, and the one that made the printed figures.
"""

from typing import Final

from trainer.recipes.gradient_normalization import SYSTEMS, add_system, with_regularized
from trainer.recipes.paper import NO_FIGURE, Paper

PGN: Final = Paper("Penalty gradient normalization: PGN as its tables have it, and as its code")

#: As printed: Inception score and FID of 50 000 samples against the training set, unless said otherwise.
FIGURES: Final[dict[str, str]] = {
    "cifar10-cnn": "IS 7.83, FID 18.68 (50k v. train)",
    "cifar10-resnet": "IS 8.51, FID 11.60 (50k v. train)",
    "cifar10-resnet-cr": "IS 8.91, FID 9.08 (50k v. train)",
    "cifar10-biggan-cr": "IS 9.47, FID 5.50 (50k v. train)",
    "celebahq256": "FID 6.19 (10k v. 30k, C)",
}

for name, system in with_regularized(SYSTEMS).items():
    figure = FIGURES.get(name)
    add_system(PGN, "pgn", name, system, f"{figure}, which pgn-code made." if figure else NO_FIGURE)
for name, system in with_regularized(SYSTEMS).items():
    figure = FIGURES.get(name)
    add_system(PGN, "pgn-code", name, system, f"{figure}." if figure else NO_FIGURE)
