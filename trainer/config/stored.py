"""A configuration as it is stored: with the run, and in every checkpoint."""

from typing import Any

import msgspec

from trainer.config.training import Config
from trainer.config.validation import require
from trainer.errors import ConfigError


def to_dict(config: Config) -> dict[str, Any]:
    """As plain numbers, strings and dictionaries: what is stored with the run and in checkpoints."""
    plain: dict[str, Any] = msgspec.to_builtins(config, enc_hook=str)
    return plain


def from_dict(stored: dict[str, Any]) -> Config:
    """The inverse of ``to_dict``. An unknown key and a value of the wrong type are errors that name it."""
    try:
        config = msgspec.convert(stored, Config, dec_hook=lambda kind, value: kind(value))
    except msgspec.ValidationError as problem:
        raise ConfigError(str(problem)) from problem
    unknown = sorted(_unknown(stored, to_dict(config)))
    require(not unknown, f"unknown setting: {', '.join(unknown)}")
    return config


def _unknown(given: dict[str, Any], known: dict[str, Any], prefix: str = "") -> list[str]:
    names = [prefix + key for key in given if key not in known]
    for key, value in known.items():
        if isinstance(value, dict) and key in given:
            names += _unknown(given[key], value, f"{prefix}{key}.")
    return names
