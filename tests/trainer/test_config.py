import json
from pathlib import Path
from typing import Any

import pytest

from trainer.config import Adam, Config, from_dict, to_dict
from trainer.errors import ConfigError
from trainer.recipes import RECIPES


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_survives_the_way_through_json(name: str) -> None:
    config = RECIPES[name]()
    assert config.recipe == name
    assert from_dict(json.loads(json.dumps(to_dict(config)))) == config


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_in_one_line_what_it_is_and_then_where_its_settings_come_from(name: str) -> None:
    summary, *rest = (RECIPES[name].__doc__ or "").split("\n")
    assert summary.endswith(".")
    assert any(mark in "".join(rest) for mark in ("P)", "C)", "O"))


def test_a_path_is_stored_as_text() -> None:
    config = Config(recipe="faces", dataset="images", data=Path("faces"), size=64, channels=3, epochs=1)
    assert to_dict(config)["data"] == "faces"
    assert from_dict(to_dict(config)) == config


def test_betas_are_floats_though_written_as_integers() -> None:
    betas: Any = (0, 0.9)
    assert [type(beta) for beta in Adam(betas=betas).betas] == [float, float]
    stored = to_dict(RECIPES["digits-gn"]())
    stored["adam"]["betas"] = [0, 0.9]
    assert [type(beta) for beta in from_dict(stored).adam.betas] == [float, float]


@pytest.mark.parametrize(
    ("change", "name"), [({"learning_rate": 1}, "learning_rate"), ({"lr": {"x": 1.0}}, "lr.x")]
)
def test_an_unknown_setting_is_an_error_that_names_it(change: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown setting: {name}"):
        from_dict(to_dict(RECIPES["digits-gn"]()) | change)


@pytest.mark.parametrize(
    ("change", "place"),
    [({"lr": {"g": "fast"}}, r"\$\.lr\.g"), ({"n_dis": 1.5}, "n_dis"), ({"loss": "l1"}, "loss")],
)
def test_a_value_of_the_wrong_type_is_an_error_that_names_its_place(
    change: dict[str, Any], place: str
) -> None:
    with pytest.raises(ConfigError, match=place):
        from_dict(to_dict(RECIPES["digits-gn"]()) | change)


def test_a_stored_value_out_of_bounds_is_refused_like_a_typed_one() -> None:
    with pytest.raises(ConfigError, match=r"lr\.g = -1\.0"):
        from_dict(to_dict(RECIPES["digits-gn"]()) | {"lr": {"g": -1.0, "d": 1.0}})


def test_settings_cannot_be_changed_behind_a_runs_back() -> None:
    with pytest.raises(AttributeError):
        RECIPES["digits-gn"]().seed = 3  # type: ignore[misc]
