"""What holds of the page's files as they lie on disk."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "web"
MODULES = sorted(WEB.glob("js/**/*.js"))
#: WCAG AA: text, and what is not text but carries meaning.
TEXT, GRAPHICS = 4.5, 3.0


def test_only_one_module_touches_plotly() -> None:
    touching = [path.name for path in MODULES if re.search(r"\bPlotly\.\w+\(", path.read_text())]
    assert touching == ["plot.js"]


def test_no_text_becomes_markup_or_code() -> None:
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc"
    )
    assert [path.name for path in MODULES if forbidden.search(path.read_text())] == []


def test_the_page_carries_no_code_of_its_own() -> None:
    page = (WEB / "index.html").read_text()
    assert re.search(r"<script(?![^>]*\bsrc=)", page) is None
    assert re.search(r"\son\w+=|javascript:", page) is None
    assert re.search(r"https?://", page) is None


def test_every_import_names_a_file_that_is_there() -> None:
    missing = [
        f"{path.name}: {target}"
        for path in MODULES
        for target in re.findall(r'(?:from|import)\s*\(?"(\.[^"]+)"', path.read_text())
        if not (path.parent / target).is_file()
    ]
    assert missing == []


def test_modules_are_small() -> None:
    assert [path.name for path in MODULES if len(path.read_text().splitlines()) > 300] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_readable_on_everything_it_stands_on(theme: str) -> None:
    colours = tokens(theme)
    grounds = ["paper", "surface", "sunken"]
    pairs = [(ink, ground, TEXT) for ink in ("ink", "ink-2", "ink-3", "accent") for ground in grounds]
    pairs += [("danger", "danger-soft", TEXT), ("warn", "warn-soft", TEXT), ("good", "surface", TEXT)]
    pairs += [("ink", "danger-soft", TEXT), ("ink-2", "danger-soft", TEXT), ("ink-2", "warn-soft", TEXT)]
    pairs += [("danger", "surface", TEXT), ("warn", "paper", TEXT), ("on-accent", "accent", TEXT)]
    pairs += [("accent", "accent-soft", TEXT), ("paper", "ink", TEXT), ("line-strong", "surface", GRAPHICS)]
    lines = [name for name in colours if re.match(r"chart-(?!grid)|run-", name)]
    assert len(lines) > 15
    pairs += [(line, "surface", GRAPHICS) for line in lines]
    weak = {
        (front, ground): round(contrast(colours[front], colours[ground]), 2)
        for front, ground, least in pairs
        if contrast(colours[front], colours[ground]) < least
    }
    assert weak == {}


def tokens(theme: str) -> dict[str, str]:
    light, dark = (WEB / "css/tokens.css").read_text().split(':root[data-theme="dark"]')
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light))
    return found if theme == "light" else found | dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", dark))


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
