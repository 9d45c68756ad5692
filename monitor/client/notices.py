"""What the client tells a person: through logging, never by raising, and each thing once."""

from __future__ import annotations

import logging

logger = logging.getLogger("ganwatch")
#: Ten thousand wrong keys are one message each up to here, then only a count.
MOST_SAID = 1000


class Notices:
    """Says each thing once."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def once(self, key: str, message: str, *arguments: object) -> None:
        if key not in self._said and len(self._said) < MOST_SAID:
            self._said.add(key)
            logger.warning(message, *arguments)
