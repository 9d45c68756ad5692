"""The configuration of a run: whatever a script keeps its settings in, as plain values."""

from __future__ import annotations

from typing import Any

import msgspec


def plain_config(config: Any) -> dict[str, Any]:
    """A mapping or dataclass as MessagePack and any database can hold it. Raises TypeError."""
    if config is None:
        return {}
    plain = _within_int64(msgspec.to_builtins(config, str_keys=True, enc_hook=_plain))
    if not isinstance(plain, dict):
        raise TypeError(f"config is {type(config).__name__}, not a mapping or a dataclass")
    return plain


def _plain(value: Any) -> Any:
    """What stands for a value that MessagePack has no form for."""
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else str(value)


def _within_int64(value: Any) -> Any:
    """With integers that neither MessagePack nor a database can hold as their digits."""
    match value:
        case dict():
            return {key: _within_int64(entry) for key, entry in value.items()}
        case list() | tuple():
            return [_within_int64(entry) for entry in value]
        case int() if not -(2**63) <= value < 2**63:
            return str(value)
    return value
