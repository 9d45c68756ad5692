"""``ganwatch detect`` on traces, on logs of other trackers, and on a stored run."""

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor import cli, protocol
from monitor.commands.detect import records_of_file, records_of_run, tell
from monitor.detection.hindsight import Row, find_turning_points
from monitor.errors import Misuse
from monitor.store.database import Database
from tests.monitor.alerts.streaming import STEPS, Training
from tests.monitor.api.batches import send
from tests.monitor.api.running import TOKEN, run_service
from tests.monitor.detection.training import MODES, between, natural_collapse, training, turn
from tests.monitor.interop.importing import importer
from tests.monitor.test_background import wait_until

RECORDS = training(90, 1, natural_collapse(60))


def trace(path: Path, records: list[dict[str, float]]) -> Path:
    columns: dict[str, Any] = {name: np.array([record[name] for record in records]) for name in records[0]}
    np.savez(path, meta=json.dumps({"m": MODES, "n_eval": 1000}), **columns)
    return path


def table(path: Path, names: dict[str, str]) -> Path:
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["step", "epoch", *names])
        for i, record in enumerate(RECORDS):
            lines.writerow([10 * (i + 1), i, *(record[role] for role in names.values())])
    return path


def lines(path: Path) -> Path:
    """Losses and angles at every step, quality and diversity at every tenth."""
    with path.open("w") as file:
        for i, record in enumerate(RECORDS):
            for step in range(10):
                row = {"step": 10 * i + step, "angle/iter/g": record["S_G"], "angle/iter/d": record["S_D"]}
                if step == 9:
                    row |= {"quality/classifier": record["Q"], "diversity/classifier": record["D"]}
                file.write(json.dumps(row) + "\n")
    return path


def said(read: tuple[list[Row], dict[str, Any]], *, offline: bool = False) -> str:
    text: list[str] = []
    tell(read[0], read[1], text.append, offline=offline)
    return "\n".join(text)


def test_a_trace_is_told_with_a_table_and_a_sentence(tmp_path: Path) -> None:
    text = said(records_of_file(trace(tmp_path / "trace.npz", RECORDS), (), None))
    head, row, _, sentence = text.splitlines()
    assert head.split() == ["onset", "confirmed", "e-detector", "until", "severity", "moved"]
    assert row.startswith("epoch 60")
    assert "the end" in row
    assert sentence.startswith("Turning point at epoch 60, confirmed at epoch 61: Diversity fell from 2.")


def test_a_healthy_trace_is_told_in_a_line(tmp_path: Path) -> None:
    rows = records_of_file(trace(tmp_path / "trace.npz", training(90, 2)), (), None)
    assert said(rows) == "no turning point in 90 evaluations"


def columns(path: Path) -> Path:
    return table(path, {"quality": "Q", "Diversity": "D", "angle/epoch/g": "S_G_ep", "S_D_ep": "S_D_ep"})


@pytest.mark.parametrize(("write", "suffix"), [(lines, "jsonl"), (columns, "csv")])
def test_a_log_is_read_by_the_names_of_its_series(
    tmp_path: Path, write: Callable[[Path], Path], suffix: str
) -> None:
    rows, meta = records_of_file(write(tmp_path / f"log.{suffix}"), (), MODES)
    assert len(rows) == len(RECORDS)
    assert meta == {"m": MODES}
    (found,) = find_turning_points(rows, meta)
    assert 60 <= found.confirmed <= 66


def test_the_series_of_a_log_can_be_named(tmp_path: Path) -> None:
    path = table(tmp_path / "log.csv", {"eval score": "Q", "spread": "D", "G_loss": "S_G"})
    with pytest.raises(Misuse, match=r"--role Q=NAME or D=NAME; it has G_loss, epoch, eval score, spread"):
        records_of_file(path, (), MODES)
    rows, _ = records_of_file(path, ("Q=eval score", "D=spread"), MODES)
    assert rows[5].record.keys() >= {"Q", "D", "loss_G"}
    assert rows[5].place == "epoch 5"


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        (("Q",), "ROLE=SERIES"),
        (("quality=spread",), "'quality' is no role"),
        (("Q=fid",), "no series 'fid' for Q"),
    ],
)
def test_a_mistyped_role_is_told(tmp_path: Path, roles: tuple[str, ...], message: str) -> None:
    path = table(tmp_path / "log.csv", {"spread": "D"})
    with pytest.raises(Misuse, match=message):
        records_of_file(path, roles, MODES)


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"Q": np.zeros((3, 2))},
        {"Q": np.zeros(3), "D": np.zeros(4)},
        {"x": np.zeros(3)},
        {"Q": np.array("a")},
    ],
)
def test_an_archive_that_is_no_trace_is_told(tmp_path: Path, arrays: dict[str, Any]) -> None:
    np.savez(tmp_path / "odd.npz", **arrays)
    with pytest.raises(Misuse, match="is no trace"):
        records_of_file(tmp_path / "odd.npz", (), None)


def test_a_stored_run_is_told_as_it_was_live_and_an_unknown_one_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ganwatch.db'}"
    db = Database(url)
    db.migrate()
    Training(db).epochs(RECORDS)
    db.close()
    rows, meta = records_of_run("run", None, tmp_path, None)
    (found,) = find_turning_points(rows, meta)
    assert (rows[found.onset].step, found.onset, found.confirmed) == (61 * STEPS, 60, 61)
    with pytest.raises(Misuse, match="no such file either"):
        records_of_run("another", None, tmp_path, None)
    with pytest.raises(Misuse, match="no store in"):
        records_of_run("run", None, tmp_path / "elsewhere", None)


def test_a_run_of_a_service_elsewhere_is_told_as_the_service_itself_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    monkeypatch.setenv("GANWATCH_DATA_DIR", str(here))
    gap = between(30, 33, Q=math.nan)
    with run_service(there) as service, service.client() as client:
        training_there = Training(lambda batch, _: send(client, "run", batch).raise_for_status())
        training_there.epochs(training(90, 1, natural_collapse(60), gap))
        training_there.rewind(
            58 * STEPS, 1.0, remedy=protocol.Remedy(name="gn", settings={"critic.kind": "gn"})
        )
        training_there.epochs(training(70, 2))
        monkeypatch.setenv("GANWATCH_SERVER", f"{service.url}/?token={TOKEN}")
        asked = records_of_run("run", None, None, None)
        for run, attempt, message in (("nobody", None, "no run 'nobody'"), ("run", 0, "--attempt 0 needs")):
            with pytest.raises(Misuse, match=message):
                records_of_run(run, attempt, None, None)
        with pytest.raises(Misuse, match="no store in"):
            records_of_run("run", None, here, None)
    stored = records_of_run("run", None, there, None)
    assert repr(asked) == repr(stored)
    assert [row.step for row in asked[0] if row.is_changed] == [59 * STEPS]
    with pytest.raises(Misuse, match="does not answer"):
        records_of_run("run", None, None, None)


def places(row: Row) -> tuple[int | None, float | None, dict[str, float]]:
    # Where no epoch is known a record is counted by its mark, which a log numbers by its step.
    return row.step, row.epoch, {name: value for name, value in row.record.items() if name != "epoch"}


def apart(path: Path) -> Path:
    """A line for each number, as TensorBoard has it, and steps that go back in between."""
    told = [json.loads(line) for line in lines(path).read_text().splitlines()]
    with path.open("w") as file:
        for row in [*told[:600], *told[500:]]:
            step = row["step"]
            values = {name: value for name, value in row.items() if name != "step"}
            file.writelines(json.dumps({"step": step, name: value}) + "\n" for name, value in values.items())
    return path


@pytest.mark.parametrize(
    ("write", "suffix", "onset"),
    [(lines, "jsonl", 609), (columns, "csv", 610), (apart, "jsonl", 609)],
)
def test_an_imported_log_is_judged_as_its_file_is(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Path], Path],
    suffix: str,
    onset: int,
) -> None:
    log = write(tmp_path / f"log.{suffix}")
    whole = log.read_text().splitlines(keepends=True)
    rows, _ = records_of_file(log, (), None)
    with importer(tmp_path / "service") as imports:
        # It grows in between, in the midst of a step.
        for end in (len(whole) // 2, len(whole) // 2 + 1, len(whole)):
            log.write_text("".join(whole[:end]))
            assert imports(log, run="run")
        monkeypatch.setenv("GANWATCH_DATA_DIR", str(tmp_path / "elsewhere"))
        monkeypatch.setenv("GANWATCH_SERVER", imports.link)
        stored, _ = records_of_run("run", None, None, None)
        wait_until(lambda: imports.client.get("/api/v1/runs/run").json()["judged"] == rows[-1].step + 1)
        (alert,) = imports.client.get("/api/v1/runs/run/alerts").json()["alerts"]
    if write is not apart:  # what was logged again counts twice in a mean
        assert [places(row) for row in stored] == [places(row) for row in rows]
    assert (alert["rule"], alert["state"], alert["onset_step"]) == ("turning-point", "firing", onset)


def test_a_run_without_evaluations_is_told() -> None:
    with pytest.raises(Misuse, match="no evaluation"):
        tell([], {}, print, offline=False)


@pytest.mark.parametrize("seed", range(4))
def test_looking_ahead_dates_a_slow_turn_at_its_beginning(seed: int) -> None:
    def slow(i: int, record: dict[str, float]) -> None:
        if i >= 60:
            record["Q"] *= max(0.4, 1 - 0.04 * (i - 59))
            record["D"] *= max(0.5, 1 - 0.03 * (i - 59))

    rows = [Row(record) for record in training(120, seed, slow)]
    (live,) = find_turning_points(rows, {"m": MODES})
    (dated,) = find_turning_points(rows, {"m": MODES}, offline=True)
    assert live.confirmed == dated.confirmed
    assert abs(dated.onset - 60) <= 2


def test_an_interruption_and_an_intervention_are_told_apart() -> None:
    records = training(160, 3, between(60, 160, S_G=6, S_D=6, S_G_ep=6, S_D_ep=6), between(66, 72, Q=0.85))
    rows = [Row(record, is_changed=i == 60) for i, record in enumerate(records)]
    assert find_turning_points(rows, {"m": MODES}) == []


def test_a_recovery_ends_a_turning_point(tmp_path: Path) -> None:
    healing = between(60, 75, Q=0.5, D=0.6, S_G=4, S_D=4, S_G_ep=4, S_D_ep=4)
    path = trace(tmp_path / "trace.npz", training(240, 6, healing, turn(180)))
    first, second = find_turning_points(*records_of_file(path, (), None))
    assert first.resolved is not None
    assert first.resolved < second.onset
    assert second.resolved is None
    assert said(records_of_file(path, (), None), offline=True).count("Turning point at") == 2


def test_each_role_typed_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(tmp_path / "log.csv", {"score": "Q", "spread": "D"})
    typed = ["detect", str(path), "--role", "Q=score", "--role", "D=nowhere", "--modes", str(MODES)]
    monkeypatch.setattr("sys.argv", ["ganwatch", *typed])
    with pytest.raises(SystemExit):
        cli.main()
    assert "no series 'nowhere' for D" in capsys.readouterr().err
    typed[typed.index("D=nowhere")] = "D=spread"
    told, meta = records_of_file(path, ("Q=score", "D=spread"), MODES)
    monkeypatch.setattr("sys.argv", ["ganwatch", *typed])
    cli.main()
    assert capsys.readouterr().out.strip() == said((told, meta))
