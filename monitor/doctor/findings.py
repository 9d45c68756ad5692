"""What an examination finds: a line that says ok, or what is wrong and what helps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """``note`` is worth knowing and no fault."""

    verdict: Literal["ok", "note", "wrong"]
    subject: str
    detail: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.verdict:5} {self.subject}: {self.detail}{remedy}"


def ok(subject: str, detail: str) -> Finding:
    return Finding("ok", subject, detail)


def note(subject: str, detail: str, remedy: str = "") -> Finding:
    return Finding("note", subject, detail, remedy)


def wrong(subject: str, detail: str, remedy: str) -> Finding:
    return Finding("wrong", subject, detail, remedy)


def examine(subject: str, examination: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Its findings; one that cannot be carried through is a finding, too."""
    try:
        yield from examination()
    except Exception as error:  # noqa: BLE001 - the next examination may still tell something
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        yield wrong(subject, f"cannot be examined: {said}", "mend this first and ask again")


def size_of(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
