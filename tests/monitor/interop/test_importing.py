from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from monitor.errors import Misuse
from tests.monitor.interop.importing import Importer

DATA = Path(os.environ.get("GANWATCH_TEST_DATA") or Path(__file__).parents[4] / "shared" / "data")
LOGS = DATA / "gan_training_logs.zip"


def write_csv(path: Path, rows: int, offset: float = 0.0) -> Path:
    lines = [f"{step},{1600000000 + step},{step / 8 + offset}\n" for step in range(rows)]
    path.write_text("step,time,loss/d\n" + "".join(lines))
    return path


def test_importing_a_log_twice_changes_nothing(imports: Importer, tmp_path: Path) -> None:
    log = write_csv(tmp_path / "log.csv", 100)
    assert imports(log)
    before, version = imports.points("loss/d"), imports.run()["version"]
    assert before == [(step, step / 8) for step in range(100)]
    assert imports(log)
    assert "nothing new" in imports.said[0]
    assert (imports.points("loss/d"), imports.run()["version"]) == (before, version)


def test_a_log_that_has_grown_is_taken_up_where_it_was(imports: Importer, tmp_path: Path) -> None:
    for rows in (1, 7, 100):
        assert imports(write_csv(tmp_path / "log.csv", rows))
        assert imports.points("loss/d") == [(step, step / 8) for step in range(rows)]
    assert "93 new" in imports.said[0]


def test_a_log_that_has_grown_goes_on_whatever_project_is_named_for_it_now(
    imports: Importer, tmp_path: Path
) -> None:
    assert imports(write_csv(tmp_path / "log.csv", 5), project="old ones")
    assert imports(write_csv(tmp_path / "log.csv", 9), project="others")
    assert "4 new" in imports.said[0]
    assert imports.run()["project"] == "old ones"


def test_a_log_that_says_something_else_now_is_refused(imports: Importer, tmp_path: Path) -> None:
    log = write_csv(tmp_path / "log.csv", 100)
    assert imports(log)
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join([*lines[:50], "48,1600000048,-1\n", *lines[51:]]))
    assert not imports(log)
    assert "other content" in imports.said[0]
    log.write_text("".join(lines[:50]))
    assert not imports(log)
    assert "shorter" in imports.said[0]
    assert len(imports.points("loss/d")) == 100
    assert imports(log, run="another")


def test_a_log_without_dates_keeps_the_ones_that_it_got(imports: Importer, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("step,elapsed,loss\n1,10,0.5\n2,20,0.25\n")
    os.utime(log, (1.5e9, 1.5e9))
    assert imports(log)
    assert imports.columns("loss")["time"] == [1.5e9 - 10, 1.5e9]
    # A copy, with the date of today.
    log.write_text(log.read_text() + "3,30,0.125\n")
    assert imports(log)
    assert imports.columns("loss")["time"] == [1.5e9 - 10, 1.5e9, 1.5e9 + 10]


def test_an_imported_run_is_over_and_raises_no_alarm(imports: Importer, tmp_path: Path) -> None:
    assert imports(write_csv(tmp_path / "log.csv", 3), project="old ones")
    run = imports.run()
    assert (run["state"], run["project"], run["created"], run["ended"]) == (
        "finished",
        "old ones",
        1.6e9,
        1.6e9 + 2,
    )
    assert imports.client.get("/api/v1/alerts").json()["alerts"] == []


def test_copies_of_different_trainings_under_one_name_stay_apart(imports: Importer, tmp_path: Path) -> None:
    for seed in (1, 2):
        (tmp_path / f"seed{seed}").mkdir()
        assert imports(write_csv(tmp_path / f"seed{seed}" / "log.csv", 5, seed))
    assert len(imports.runs()) == 2


def test_what_cannot_be_imported_is_named_with_the_reason(imports: Importer, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    write_csv(logs / "log.csv", 5)
    (logs / "LICENSE").write_text("Permission is hereby granted, free of charge\nto any person")
    (logs / "empty.csv").touch()
    (logs / "model.bin").write_bytes(os.urandom(5000))
    assert imports(logs / "log.csv", logs)
    left_out = [line for line in imports.said if "left out" in line]
    assert len(left_out) == 3, imports.said
    assert any("empty.csv: left out: it is empty" in line for line in left_out)
    assert not imports(logs / "LICENSE")
    assert "known format" in imports.said[0]
    assert not imports(logs / "nothing")
    assert "no such file" in imports.said[0]
    assert not imports(logs / "LICENSE", format_name="wandb")


def test_what_lies_beside_the_logs_of_a_folder_is_told_in_one_line(imports: Importer, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    write_csv(logs / "log.csv", 5)
    for number in range(40):
        (logs / f"sample-{number}.png").write_bytes(b"\x89PNG")
    assert imports(logs)
    (left_out,) = [line for line in imports.said if "left out" in line]
    assert "sample-0.png: left out: it is no log" in left_out
    assert left_out.endswith("(as are 39 more files)")
    assert not imports(*sorted(logs.glob("*.png")))
    assert len([line for line in imports.said if "left out" in line]) == 40


def test_one_id_is_for_one_log(imports: Importer, tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", 5)
    write_csv(tmp_path / "b.csv", 5)
    with pytest.raises(Misuse, match="2 logs"):
        imports(tmp_path, run="one")


@pytest.mark.skipif(not LOGS.is_file(), reason=f"{LOGS.name} is missing")
def test_every_real_log_is_imported_or_says_why_not(imports: Importer, tmp_path: Path) -> None:
    with zipfile.ZipFile(LOGS) as archive:
        archive.extractall(tmp_path / "logs")
    assert imports(tmp_path / "logs")
    files = [entry for entry in (tmp_path / "logs").rglob("*") if entry.is_file()]
    imported = [line for line in imports.said if ": run " in line]
    left_out = [Path(line.split(":")[0]).name for line in imports.said if ": left out: " in line]
    more = [int(line.split()[-3]) for line in imports.said if line.endswith("more files)")]
    assert len(imported) + len(left_out) == len(imports.said)
    assert len(imports.said) + sum(more) == len(files)
    assert all(name == "LICENSE" or name.endswith((".command.txt", "metalog.txt")) for name in left_out)
    counts = {run["name"]: run["steps"] for run in imports.runs()}
    assert counts == {
        "afcarl": 2400,
        "ajbrock/BigGAN_ch96_bs256x8": 138000,
        "ratschlab/test.trace": 27,
        **{f"akanimax/lfw_loss_{i}": n for i, n in enumerate([31, 63, 63, 63, 63, 58])},
        **{f"akanimax/mnist_loss_{i}": n for i, n in enumerate([105, 95, 95, 95])},
        "nat-chan/result_began": 9900,
        **{
            f"nat-chan/result_{kind}": 100000
            for kind in ("dcgan32", "dcgan64", "dcgan64_selebA", "sndcgan64_selebA")
        },
    }


def test_importing_nothing_says_so(imports: Importer, tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="import what"):
        imports()
    assert not imports(tmp_path)
    assert imports.said == ["nothing to import there"]
