"""How a setting is refused: with its name as it is typed, its value, and what to do."""

from trainer.errors import ConfigError


def require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)
