"""Numbers on a command line, refused in words: tyro's own errors speak of Python's types and exceptions."""

from __future__ import annotations

from types import NoneType

from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

#: For ``tyro.cli(..., registry=NUMBERS)``.
NUMBERS = ConstructorRegistry()
_NAMES: dict[type[float], str] = {int: "a whole number", float: "a number"}


@NUMBERS.primitive_rule
def read_number(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[float | None] | None:
    """For ``int``, ``float``, and each of them or None."""
    kind = next((kind for kind in _NAMES if info.type in (kind, kind | None)), None)
    if kind is None:
        return None
    may_be_none = info.type != kind

    def read(words: list[str]) -> float | None:
        (word,) = words
        if may_be_none and word == "None":
            return None
        try:
            return kind(word)
        except ValueError:
            raise ValueError(f"{word!r} is not {_NAMES[kind]}{' or None' * may_be_none}") from None

    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=f"{kind.__name__.upper()}{'|None' * may_be_none}",
        instance_from_str=read,
        # A whole number is a number as well, but where one is meant the other is no match.
        is_instance=lambda value: isinstance(value, (kind, int, *[NoneType] * may_be_none)),
        str_from_instance=lambda value: [str(value)],
    )
