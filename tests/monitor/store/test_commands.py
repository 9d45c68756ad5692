from __future__ import annotations

import pytest

from monitor import protocol
from monitor.errors import Problem
from monitor.store.commands import issue_command, list_commands
from monitor.store.database import Database
from tests.monitor.store.writing import NOW, Voice


@pytest.fixture
def voice(database: Database) -> Voice:
    voice = Voice().begin(commands=["stop", "rollback"])
    voice.send(database)
    return voice


def test_a_command_is_repeated_until_it_is_acknowledged(database: Database, voice: Voice) -> None:
    command = issue_command(database, "r", "rollback", {"step": 100}, now=NOW)
    for _ in range(2):
        (received,) = voice.send(database).receipt.commands
        assert (received.id, received.kind, received.parameters) == (command["id"], "rollback", {"step": 100})
    voice.say(protocol.Acknowledgement, command=command["id"], outcome="done", detail="at step 7")
    assert voice.send(database).receipt.commands == []
    with database.read() as c:
        (listed,) = list_commands(c, "r")
    assert (listed["outcome"], listed["detail"]) == ("done", "at step 7")


def test_the_first_acknowledgement_counts(database: Database, voice: Voice) -> None:
    command = issue_command(database, "r", "stop", {}, now=NOW)
    voice.say(protocol.Acknowledgement, command=command["id"], outcome="done")
    voice.say(protocol.Acknowledgement, command=command["id"], outcome="failed")
    voice.say(protocol.Acknowledgement, command="\0nonsense", outcome="failed").send(database)
    with database.read() as c:
        assert [listed["outcome"] for listed in list_commands(c, "r")] == ["done"]


def test_a_kind_that_the_run_did_not_allow_is_refused(database: Database, voice: Voice) -> None:
    with pytest.raises(Problem) as refusal:
        issue_command(database, "r", "change", {}, now=NOW)
    assert (refusal.value.status, refusal.value.type) == (409, "not-allowed")
    with pytest.raises(Problem, match="no run"):
        issue_command(database, "nobody", "stop", {}, now=NOW)


def test_what_could_not_be_sent_to_the_run_is_refused(database: Database, voice: Voice) -> None:
    with pytest.raises(Problem) as refusal:
        issue_command(database, "r", "stop", {"step": 2**70}, now=NOW)
    assert (refusal.value.status, refusal.value.field) == (422, "parameters")
    assert voice.send(database).receipt.commands == []


def test_nobody_obeys_in_a_run_that_ended(database: Database, voice: Voice) -> None:
    issue_command(database, "r", "stop", {}, now=NOW)
    assert voice.say(protocol.End, state="finished").send(database).receipt.commands == []
    with pytest.raises(Problem) as refusal:
        issue_command(database, "r", "stop", {}, now=NOW)
    assert refusal.value.type == "run-ended"


def test_a_command_expires(database: Database, voice: Voice) -> None:
    issue_command(database, "r", "stop", {}, now=NOW, lifetime=10.0)
    assert voice.send(database, now=NOW + 11).receipt.commands == []
    assert len(voice.send(database, now=NOW + 9).receipt.commands) == 1


def test_only_the_living_main_process_is_commanded(database: Database, voice: Voice) -> None:
    issue_command(database, "r", "stop", {}, now=NOW)
    assert voice.send(database, replayed=True).receipt.commands == []
    assert Voice("helper").begin(rank=1).send(database).receipt.commands == []
    heir = Voice("heir").begin(resume=True, commands=["stop"])
    assert len(heir.send(database).receipt.commands) == 1
    assert voice.send(database).receipt.commands == []
