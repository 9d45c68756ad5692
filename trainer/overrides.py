"""A recipe with some of its settings changed by name: ``{"lr.d": 4e-4, "epochs": 50}``, as jobs have it."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from trainer.config import UNTYPED, Config, from_dict, to_dict
from trainer.errors import ConfigError
from trainer.recipes import RECIPES


def recipe_called(name: str) -> Config:
    """A recipe as it stands; an error that says what may have been meant."""
    if name in RECIPES:
        return RECIPES[name]()
    near = get_close_matches(name, RECIPES, n=1)
    meant = f" Did you mean {near[0]}?" if near else ""
    raise ConfigError(f"there is no recipe {name!r}.{meant} `gantrain list` shows all.")


def overridden(recipe: str, overrides: Mapping[str, Any]) -> Config:
    """Names are those of the flags, with dots or as mappings in each other, with - or _."""
    return changed(recipe_called(recipe), overrides, fixed=UNTYPED)


def changed(config: Config, overrides: Mapping[str, Any], fixed: Sequence[str] = ()) -> Config:
    """A configuration with some settings changed by name, but none of those that are ``fixed``."""
    settings = to_dict(config)
    known = {name for name, _ in _flat(settings)} - set(fixed)
    named: set[str] = set()
    for name, value in _flat(overrides):
        if name in named:
            raise ConfigError(f"{name} is set twice: leave one of them out")
        named.add(name)
        if name not in known:
            near = get_close_matches(name, known, n=1)
            raise ConfigError(f"there is no setting {name!r}.{f' Did you mean {near[0]}?' if near else ''}")
        *path, last = name.split(".")
        part = settings
        for key in path:
            part = part[key]
        part[last] = value
    return from_dict(settings)


def changes(recipe: str, chosen: Config) -> dict[str, Any]:
    """What makes ``chosen`` of a recipe: the inverse of ``overridden``."""
    return {name: after for name, (_, after) in differences(recipe_called(recipe), chosen).items()}


def differences(before: Config, after: Config) -> dict[str, tuple[Any, Any]]:
    """Each setting that is not the same, with what it was and what it is."""
    was = dict(_flat(to_dict(before)))
    return {name: (was.get(name), now) for name, now in _flat(to_dict(after)) if now != was.get(name)}


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        name = prefix + key.replace("-", "_")
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{name}.")
        else:
            yield name, value
