"""What the service answers when it cannot do what was asked: one shape, whichever layer found out."""

from __future__ import annotations

from typing import Any


class Problem(Exception):  # noqa: N818 - the name of what it carries (RFC 9457), not of a failure of ours
    """An answer other than success. ``type`` is for programs, ``detail`` tells a person what to do."""

    def __init__(
        self,
        status: int,
        type: str,  # noqa: A002
        detail: str,
        *,
        title: str = "",
        field: str | None = None,
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.type = type
        self.title = title or type.replace("-", " ").capitalize()
        self.detail = detail
        self.field = field
        self.headers = headers or {}
        self.extra = extra

    def document(self) -> dict[str, Any]:
        """The body of the answer."""
        return {
            "type": self.type,
            "title": self.title,
            "detail": self.detail,
            "status": self.status,
            "field": self.field,
            **self.extra,
        }


class Misuse(Exception):  # noqa: N818 - told to whoever typed the command, as one line
    """The program cannot do what it was started for, and the message says what to change."""
