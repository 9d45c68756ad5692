from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from monitor.detection.rules.parsing import KEYS, parse_rule
from monitor.detection.rules.reader import RuleError, parse_span
from monitor.detection.rules.sources import DEFAULTS, RulesError, read_rules
from tests.monitor.detection.rules.feeding import default_rules

SOUND: dict[str, Any] = {"series": "a", "above": 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[rules.x]\nseries = "a"\nabove = "1"', "line 3: rules.x.above: a finite number is needed, not '1'"),
        ('[rules.x]\n\n\nseries = "a"', "line 1: rules.x: a rule has one condition"),
        ("x = 1", "line 1: x: rules are tables"),
        ('[rules.x]\nseries = "a"\nabov = 1', "line 3: rules.x.abov: there is no such key"),
        ('[rules.y]\nseries="a"\nabove=1\n[rules.x]\nabove = 1', "line 4: rules.x.series: what is watched?"),
        ("rules = 3", "line 1: rules: tables"),
        ("[rules.x", "not TOML"),
        ('[rules.x]\nseries="a"\nabove=1\nfor="3 parsecs"', "line 4: rules.x.for: a length such as"),
        ('[rules.X]\nseries="a"\nabove=1', "line 1: rules.X: 'X' is no name"),
    ],
)
def test_a_mistake_is_told_with_its_line_its_key_and_the_remedy(text: str, said: str) -> None:
    with pytest.raises(RulesError) as caught:
        read_rules(text)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"below": 2}, "below"),
        ({"clear": 2}, "clear"),
        ({"below": 0, "clear": 0.5}, "clear"),
        ({"is": "nan"}, "is"),
        ({"statistic": "mean"}, "over"),
        ({"over": "3 steps"}, "statistic"),
        ({"statistic": "median", "over": "3 steps"}, "statistic"),
        ({"relative": True}, "change"),
        ({"ratio": "b*"}, "ratio"),
        ({"severity": "dire"}, "severity"),
        ({"quantile": "p42"}, "quantile"),
        ({"above": float("nan")}, "above"),
        ({"above": True}, "above"),
        ({"above": 10**400}, "above"),
        ({"enabled": 1}, "enabled"),
        ({"series": []}, "series"),
        ({"series": [3]}, "series"),
        ({"series": "x" * 2000}, "series"),
        ({"for": "0 steps"}, "for"),
        ({"for": 3}, "for"),
        ({"above": None, "lost": True}, "series"),
        ({"above": None, "silent": "3 s", "for": "3 s"}, "for"),
        ({"above": None, "stuck": "3 s", "clear": 1}, "clear"),
        ({"above": None, "series": None, "lost": False}, "lost"),
        ({"above": None, "is": "nan", "finite": True}, "finite"),
        ({"above": None, "silent": "3 s", "finite": True}, "finite"),
        ({"finite": 1}, "finite"),
    ],
)
def test_what_makes_no_sense_is_refused_by_the_name_of_its_key(change: dict[str, Any], key: str) -> None:
    given = {name: value for name, value in (SOUND | change).items() if value is not None}
    with pytest.raises(RuleError) as caught:
        parse_rule("r", given)
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("200 steps", 200, "steps"),
        ("1 epoch", 1, "epochs"),
        ("0.5epochs", 0.5, "epochs"),
        ("90 s", 90, "seconds"),
        ("10 min", 600, "seconds"),
        ("2 h", 7200, "seconds"),
        ("1 day", 86400, "seconds"),
    ],
)
def test_a_length_is_in_steps_epochs_or_time(text: str, amount: float, unit: str) -> None:
    span = parse_span(text)
    assert span is not None
    assert (span.amount, span.unit) == (amount, unit)
    assert parse_span(str(span)) == span


@pytest.mark.parametrize("text", ["", "steps", "-3 steps", "3", "1e99 steps", "nan s", "3 furlongs"])
def test_what_is_no_length_is_none(text: str) -> None:
    assert parse_span(text) is None


def test_the_defaults_are_rules_and_each_has_its_reason() -> None:
    assert {rule.name for rule in default_rules()} >= {"turning-point", "lost-run", "non-finite"}
    blocks = DEFAULTS.read_text(encoding="utf-8").split("\n\n")[1:]
    assert len(blocks) == len(default_rules())
    assert all(block.startswith("# ") for block in blocks)


def test_every_key_is_explained() -> None:
    assert all(KEYS.values())
    assert "for" in KEYS


def test_the_rules_in_the_readme_are_sound() -> None:
    readme = (Path(__file__).parents[4] / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", readme, re.DOTALL)
    assert set(read_rules(example)) == {"critic-too-sure", "cliff", "loss-stands-still"}
