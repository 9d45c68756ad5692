"""``ganwatch rules`` and ``ganwatch alerts`` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monitor import cli, protocol
from monitor.commands.rules import points_of_file
from monitor.errors import Misuse
from tests.monitor.alerts.receiver import receiver
from tests.monitor.api.batches import send
from tests.monitor.api.running import TOKEN, run_service
from tests.monitor.store.writing import Voice

STATES = ("pending", "firing", "resolved")
RULES = """
[rules.high]
series = "a"
above = 5
for = "1 epoch"

[rules.odd]
role = "Q"
is = "nan"

[rules.nothing]
series = "nowhere/*"
stuck = "3 steps"
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    return path


def typed(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["ganwatch", *map(str, arguments)])
    try:
        cli.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_a_rule_is_replayed_on_a_run_of_the_service(
    rules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with run_service(tmp_path / "service") as service, service.client() as client:
        voice = Voice(run="r").begin().say(protocol.Declare, name="q", role="Q")
        for epoch in range(4):
            voice.log(
                {"a": [9.0] * 10, "q": [0.5] * 9 + [float("nan")]}, list(range(10 * epoch, 10 * epoch + 10))
            )
            voice.say(protocol.Mark, index=epoch, step=10 * epoch + 9, epoch=epoch + 1.0)
        voice.log({"a": [1.0]}, [40])
        assert send(client, "r", voice.batch()).status_code == 200
        monkeypatch.setenv("GANWATCH_SERVER", f"{service.url}/?token={TOKEN}")
        assert typed(monkeypatch, "rules", "test", rules, "r") == 0
        told = capsys.readouterr().out.splitlines()
        assert typed(monkeypatch, "rules", "test", rules, "nobody") == 2
        assert "There is no run 'nobody'." in capsys.readouterr().err
    high = [line for line in told if " high " in line]
    happened = [(line.split()[1], state) for line in high for state in STATES if f" {state} " in line]
    assert happened == [("0", "pending"), ("19", "firing"), ("40", "resolved")]
    assert sum("odd" in line and "firing" in line for line in told) == 4
    assert "high: 1 alert" in told
    assert "odd: 4 alerts" in told
    assert "nothing: no series of the run is watched by it" in told


def test_a_rule_is_replayed_on_a_log_of_another_tracker(
    rules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join(json.dumps({"step": step, "a": 9.0 if step < 8 else 1.0}) for step in range(10)))
    sharp = tmp_path / "sharp.toml"
    sharp.write_text('[rules.high]\nseries = "a"\nabove = 5\nfor = "3 steps"\n')
    assert len(points_of_file(log)) >= 1
    assert typed(monkeypatch, "rules", "test", sharp, log) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[:4] for line in told[:3]] == [
        ["step", "0", "high", "pending"],
        ["step", "3", "high", "firing"],
        ["step", "8", "high", "resolved"],
    ]


def test_rules_on_roles_and_epochs_read_a_log_as_the_run_that_it_is_imported_as(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sharp = tmp_path / "sharp.toml"
    sharp.write_text('[rules.high]\nrole = "loss_D"\nabove = 5\nfor = "3 epochs"\n')
    log, steps = tmp_path / "log.jsonl", range(20)
    lines = [{"step": step, "loss/d": 9.0 if step >= 4 else 1.0} for step in steps]
    lines += [{"step": step, "epoch": step / 2, "quality/mine": 0.9} for step in steps[::2]]
    log.write_text("\n".join(json.dumps(line) for line in sorted(lines, key=lambda line: line["step"])))
    assert typed(monkeypatch, "rules", "test", sharp, log) == 0
    on_file = capsys.readouterr().out
    with run_service(tmp_path / "service") as service:
        monkeypatch.setenv("GANWATCH_SERVER", f"{service.url}/?token={TOKEN}")
        assert typed(monkeypatch, "import", log) == 0
        capsys.readouterr()
        with service.client() as client:
            (run,) = client.get("/api/v1/runs").json()["runs"]
        assert typed(monkeypatch, "rules", "test", sharp, run["id"]) == 0
    assert capsys.readouterr().out == on_file
    firing = [line.split()[:4] for line in on_file.splitlines() if " firing " in line]
    assert firing == [["step", "10", "(epoch", "5)"]]


def test_what_is_wrong_with_a_file_is_told_with_its_line(
    tmp_path: Path, rules: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, "rules", "check", rules) == 0
    assert "3 rules" in capsys.readouterr().out
    (tmp_path / "wrong.toml").write_text('[rules.x]\nseries = "a"\nabove = "high"\n')
    assert typed(monkeypatch, "rules", "check", tmp_path / "wrong.toml") == 2
    assert "line 3: rules.x.above: a finite number is needed, not 'high'" in capsys.readouterr().err
    assert typed(monkeypatch, "rules", "check", tmp_path / "none.toml") == 2
    assert typed(monkeypatch, "rules", "test", rules) == 2
    monkeypatch.delenv("GANWATCH_SERVER", raising=False)
    assert typed(monkeypatch, "rules", "test", rules, "log.cvs") == 2
    assert "there is no file log.cvs here" in capsys.readouterr().err


def test_all_that_is_wrong_with_a_file_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(
        '[rules.a]\nsereis = "a"\nabove = "high"\nfor = "3 parsecs"\n'
        "[rules.loss-explode]\nenabled = false\n"
        '[rules.b]\nrole = "Q"\nis = "nan"\nfilter = "state:gone"\nseverity = "dire"\n'
        '[rules.c]\nseries = "a"\nabove = 1\nfilter = 5\n'
        '[rules.d]\nrole = ["D*", "loss?D", "mine", "loss_d"]\nabove = 1\n'
    )
    assert typed(monkeypatch, "rules", "check", wrong) == 2
    told = capsys.readouterr().err.splitlines()
    assert "8 mistakes" in told[0]
    assert [line.strip().split(": ")[:2] for line in told[1:]] == [
        ["line 2", "rules.a.sereis"],
        ["line 3", "rules.a.above"],
        ["line 4", "rules.a.for"],
        ["line 5", "rules.loss-explode"],
        ["line 10", "rules.b.filter"],
        ["line 11", "rules.b.severity"],
        ["line 15", "rules.c.filter"],
        ["line 17", "rules.d.role"],
    ]
    assert told[1].endswith("there is no such key; did you mean 'series'?")
    assert told[8].endswith("there is no role 'loss_d'; did you mean 'loss_D'?")
    assert told[4].endswith("none is given; did you mean 'loss-explodes'?")


def test_what_is_no_log_is_told_with_what_would_be(tmp_path: Path, rules: Path) -> None:
    (tmp_path / "empty").mkdir()
    for file in (rules, tmp_path / "empty"):
        with pytest.raises(Misuse, match=r"rules are tested on a log of tensorboard, .*csv, or on the id"):
            points_of_file(file)


def test_a_channel_is_tried_by_the_settings_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with receiver() as there:
        monkeypatch.setenv("GANWATCH_WEBHOOK_URL", there.url)
        assert typed(monkeypatch, "alerts", "test", "webhook") == 2
        assert "not on the public internet" in capsys.readouterr().err
        monkeypatch.setenv("GANWATCH_WEBHOOK_ALLOW_PRIVATE", "1")
        assert typed(monkeypatch, "alerts", "test", "webhook") == 0
        assert "the channel webhook took the message" in capsys.readouterr().out
        there.answers = [403]
        assert typed(monkeypatch, "alerts", "test", "webhook") == 2
        failed = capsys.readouterr().err
        assert "the channel webhook did not take the message: the receiver answered 403" in failed


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        ("webhook", "set GANWATCH_WEBHOOK_URL"),
        ("slack", "set GANWATCH_SLACK_URL"),
        ("email", "set GANWATCH_EMAIL_TO and GANWATCH_SMTP_HOST"),
        ("command", "set GANWATCH_ALERT_COMMAND"),
        ("pigeon", "there is no channel 'pigeon'; there are webhook, slack, email, command"),
    ],
)
def test_a_channel_that_is_not_set_says_which_variable_it_needs(
    channel: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, "alerts", "test", channel) == 2
    assert said in capsys.readouterr().err
