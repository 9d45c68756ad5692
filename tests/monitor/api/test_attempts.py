"""What a page is told of a run that was rescued."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from monitor.protocol import Attempt, Declare, End, Mark, Points, Record, Remedy, encode_integers
from tests.monitor.api.batches import a_run, batch, begin, send

GN = Remedy(name="gn", settings={"critic.kind": "gn"})


def judged(first: int, step: int, index: int, quality: float, diversity: float) -> list[Record]:
    """A mark, and the values that name it."""
    named = Points(
        names=["quality/test", "diversity/test"],
        sequence=encode_integers([first + 1]),
        step=[step],
        time=[1000.0 + step],
        values=[[quality], [diversity]],
        mark=[index],
    )
    return [Mark(sequence=first, time=1000.0 + step, index=index, step=step, epoch=float(index)), named]


def evaluations(first: int, index: int, values: list[tuple[float, float]]) -> list[Record]:
    records: list[Record] = []
    for i, (quality, diversity) in enumerate(values):
        records += judged(first + 2 * i, 10 * (index + i + 1), index + i, quality, diversity)
    return records


def rescued(client: httpx.Client, run: str, remedy: Remedy | None) -> list[dict[str, Any]]:
    """A run that was at (0.8, 2.2) up to step 40, left its first attempt at (0.1, 0.3), and went back to step
    40.
    """
    declared: list[Record] = [
        Declare(sequence=2, name="quality/test", role="Q"),
        Declare(sequence=3, name="diversity/test", role="D"),
    ]
    turned = evaluations(4, 0, [(0.2, 1.0), (0.8, 2.2), (0.8, 2.2), (0.8, 2.2), (0.5, 1.0), (0.1, 0.3)])
    assert send(client, run, batch([begin(), *declared, *turned])).status_code == 200
    back = Attempt(
        sequence=16, time=1100.0, number=1, parent=0, from_step=40, reason="it turned", remedy=remedy
    )
    since = evaluations(17, 4, [(0.84, 2.25), (0.82, 2.3), (0.83, 2.28)])
    assert send(client, run, batch([back, *since], first=16, attempt=1)).status_code == 200
    attempts: list[dict[str, Any]] = client.get(f"/api/v1/runs/{run}").json()["attempts"]
    return attempts


def test_an_attempt_says_its_remedy_and_what_that_brought(client: httpx.Client) -> None:
    first, second = rescued(client, "saved", GN)
    assert (first["remedy"], first["brought"], first["alert"]) == (None, None, None)
    assert {key: second[key] for key in ("number", "parent", "from_step", "reason")} == {
        "number": 1,
        "parent": 0,
        "from_step": 40,
        "reason": "it turned",
    }
    assert second["remedy"] == {"name": "gn", "settings": {"critic.kind": "gn"}}
    assert second["brought"] == {
        "Q": {"before": 0.8, "turn": 0.1, "now": 0.83},
        "D": {"before": 2.2, "turn": 0.3, "now": 2.28},
    }


def test_an_attempt_that_only_went_on_after_a_kill_brought_nothing(client: httpx.Client) -> None:
    _, second = rescued(client, "resumed", None)
    assert (second["remedy"], second["brought"]) == (None, None)


def test_what_was_not_measured_yet_is_null(client: httpx.Client) -> None:
    a_run(client, "early", [])
    quality = Declare(sequence=3, name="quality/test", role="Q")
    back = Attempt(sequence=4, time=1001.0, number=1, parent=0, from_step=0, remedy=GN)
    assert send(client, "early", batch([quality], first=3)).status_code == 200
    assert send(client, "early", batch([back], first=4, attempt=1)).status_code == 200
    attempts = client.get("/api/v1/runs/early").json()["attempts"]
    assert attempts[1]["brought"] == {"Q": {"before": None, "turn": None, "now": None}}


def test_a_run_says_what_it_wants_to_come_of_a_turning_point(client: httpx.Client) -> None:
    a_run(client, "quiet")
    a_run(client, "eager", commands=["stop", "rollback"], on_turning_point="rescue")
    wanted = [client.get(f"/api/v1/runs/{run}").json()["on_turning_point"] for run in ("quiet", "eager")]
    assert wanted == ["notify", "rescue"]


def test_a_person_may_ask_a_run_to_go_back_where_it_allows_that(client: httpx.Client) -> None:
    a_run(client, "obedient", commands=["rollback"])
    a_run(client, "deaf", commands=["stop"])

    def ask(run: str, **parameters: Any) -> httpx.Response:
        return client.post(
            f"/api/v1/runs/{run}/commands", json={"kind": "rollback", "parameters": parameters}
        )

    asked = ask("obedient", onset_step=3)
    assert (asked.status_code, asked.json()["parameters"]) == (201, {"onset_step": 3})
    for refused, status, said in (
        (ask("obedient"), 422, "The run has no open turning point: say parameters.onset_step"),
        (ask("obedient", onset_step="soon"), 422, "onset_step is a step, not 'soon'"),
        (ask("deaf", onset_step=3), 409, "does not obey 'rollback'; it allows stop"),
        (ask("nobody", onset_step=3), 404, "no run 'nobody'"),
    ):
        assert refused.status_code == status
        assert said in refused.json()["detail"]


def test_a_run_says_which_remedy_comes_next_and_why_it_cannot_be_asked_to_go_back(
    client: httpx.Client,
) -> None:
    recipe = {"rescue": {"remedies": ["gn", "lr"]}}
    a_run(client, "twice", [], commands=["rollback"], on_turning_point="rescue", config=recipe)

    def rescue(run: str = "twice") -> dict[str, Any]:
        found: dict[str, Any] = client.get(f"/api/v1/runs/{run}").json()["rescue"]
        return found

    def ask() -> httpx.Response:
        parameters = {"kind": "rollback", "parameters": {"onset_step": 3}}
        return client.post("/api/v1/runs/twice/commands", json=parameters)

    assert rescue() == {"remedy": "gn", "refused": None}
    for number, remedy in ((1, "gn"), (2, "lr")):
        back = Attempt(
            sequence=number + 2,
            time=1.0,
            number=number,
            parent=number - 1,
            from_step=0,
            remedy=Remedy(name=remedy),
        )
        send(client, "twice", batch([back], first=number + 2, attempt=number))
    taken = "The run has taken every remedy of its recipe: stop it, and resume it with more of them."
    assert rescue() == {"remedy": None, "refused": taken}
    assert (ask().status_code, ask().json()["type"], ask().json()["detail"]) == (409, "remedies-taken", taken)

    send(client, "twice", batch([End(sequence=5, time=2.0, state="finished")], first=5, attempt=2))
    assert rescue()["refused"] == "The run has finished; nobody is there to obey."
    assert ask().json()["type"] == "run-ended"


@pytest.mark.parametrize("config", [{}, {"rescue": "later"}, {"rescue": {"remedies": 3}}])
def test_a_loop_whose_remedies_are_not_known_may_always_be_asked(
    client: httpx.Client, config: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    run = f"own-{request.node.callspec.id}"
    a_run(client, run, [], commands=["rollback"], on_turning_point="rollback", config=config)
    assert client.get(f"/api/v1/runs/{run}").json()["rescue"] == {"remedy": None, "refused": None}
