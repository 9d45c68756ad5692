"""How recipes are written down: paper by paper, each under a name that says its paper and row."""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Final

from trainer.config import Config

#: Its docstring: one line on what it is, where every setting comes from, what its result is held against.
Recipe = Callable[[], Config]


NO_FIGURE: Final = "no figure is at hand."


@dataclass(frozen=True)
class Paper:
    title: str
    recipes: dict[str, Recipe] = field(default_factory=dict)

    def recipe(self, make: Recipe) -> Recipe:
        """A decorator: a recipe with the name and the docstring of its function."""
        return self._put(make.__name__.replace("_", "-"), make)

    def add(self, name: str, make: Recipe, *, summary: str, sources: str, figure: str) -> Recipe:
        """One of a row of recipes that differ in few settings."""

        def recipe() -> Config:
            return make()

        told = (sources, f"Held against: {figure}")
        paragraphs = (textwrap.fill(" ".join(text.split()), 100) for text in told)
        recipe.__doc__ = "\n\n".join((summary, *paragraphs))
        return self._put(name, recipe)

    def _put(self, name: str, make: Recipe) -> Recipe:
        @wraps(make)
        def recipe() -> Config:
            return replace(make(), recipe=name)

        assert name not in self.recipes, name
        self.recipes[name] = recipe
        return recipe
