from dataclasses import replace

import pytest

from trainer.config import LearningRate
from trainer.errors import ConfigError
from trainer.overrides import changes, overridden
from trainer.recipes import RECIPES


@pytest.mark.parametrize(
    "overrides",
    [
        {"lr.d": 4e-4, "n_dis": 2, "adam.betas": [0, 0.9]},
        {"lr": {"d": 4e-4}, "n-dis": 2, "adam": {"betas": [0.0, 0.9]}},
    ],
)
def test_settings_are_changed_by_their_names_however_they_are_nested(overrides: dict[str, object]) -> None:
    config = overridden("digits-lsgan", overrides)
    recipe = RECIPES["digits-lsgan"]()
    assert config == replace(
        recipe, lr=LearningRate(g=recipe.lr.g, d=4e-4), n_dis=2, adam=replace(recipe.adam, betas=(0.0, 0.9))
    )


def test_what_was_changed_makes_the_same_of_the_recipe_again() -> None:
    recipe = RECIPES["digits-gn"]()
    chosen = replace(recipe, seed=7, epochs=None, steps=3, lr=LearningRate(g=1e-3, d=recipe.lr.d))
    changed = changes("digits-gn", chosen)
    assert changed == {"seed": 7, "epochs": None, "steps": 3, "lr.g": 1e-3}
    assert overridden("digits-gn", changed) == chosen
    assert changes("digits-gn", recipe) == {}


@pytest.mark.parametrize(
    ("recipe", "overrides", "message"),
    [
        ("digits-gm", {}, "there is no recipe 'digits-gm'. Did you mean digits-gn"),
        ("digits-gn", {"lr.dd": 1}, r"there is no setting 'lr.dd'. Did you mean lr.d\?"),
        ("digits-gn", {"zzz": {"y": 1}}, "there is no setting 'zzz.y'"),
        ("digits-gn", {"lr": 1}, "there is no setting 'lr'"),
        ("digits-gn", {"lr.d": 1e-4, "lr": {"d": 2e-4}}, "lr.d is set twice"),
        ("digits-gn", {"lr": {}}, "there is no setting 'lr'"),
        ("digits-gn", {"lr.d": {}}, r"float.*lr\.d"),
        ("digits-gn", {"recipe": "mine"}, "there is no setting 'recipe'"),
        ("digits-gn", {"lr.d": "fast"}, r"float.*lr\.d"),
        ("digits-gn", {"lr.d": 40}, "lr.d = 40.0 must lie between 0 and 10"),
        ("digits-gn", {"seed": 0.5}, "seed"),
    ],
)
def test_what_cannot_be_changed_is_named(recipe: str, overrides: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        overridden(recipe, overrides)
