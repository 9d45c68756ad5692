from __future__ import annotations

import hashlib
import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import insert, text, update

import monitor
from monitor.doctor.examining import examine_all
from monitor.doctor.findings import Finding
from monitor.doctor.store import examine_store
from monitor.settings import Settings
from monitor.store.compactor import compact
from monitor.store.database import VERSION_TABLE, Database
from monitor.store.schema import Chunk, DamagedBatch, Run
from tests.monitor.api.running import TOKEN, run_service
from tests.monitor.store.writing import NOW, Voice


@pytest.fixture(autouse=True)
def _without_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [*Settings.model_fields, "server", "dir"]:
        monkeypatch.delenv(f"GANWATCH_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        monkeypatch.setenv("GANWATCH_PORT", str(free.getsockname()[1]))


def examine(tmp_path: Path, **options: str) -> list[Finding]:
    return list(examine_all(tmp_path / "spools", tmp_path / "data", **options))


def wrongs(tmp_path: Path, **options: str) -> list[str]:
    return [str(finding) for finding in examine(tmp_path, **options) if finding.verdict == "wrong"]


def a_store(tmp_path: Path) -> Database:
    (tmp_path / "data").mkdir(mode=0o700, exist_ok=True)
    db = Database(f"sqlite:///{tmp_path}/data/ganwatch.db")
    db.migrate()
    Voice().begin().log({"a": [float(step) for step in range(5000)]}, range(5000)).send(db)
    compact(db, "r")
    return db


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_new_place_is_well_and_stays_untouched(tmp_path: Path) -> None:
    assert wrongs(tmp_path) == []
    assert contents(tmp_path) == {}


def test_a_sound_store_is_well_and_stays_as_it_is(tmp_path: Path) -> None:
    a_store(tmp_path).close()
    (tmp_path / "data" / "token").write_text("a-token-of-some-length")
    (tmp_path / "data" / "token").chmod(0o600)
    before = contents(tmp_path)
    found = examine(tmp_path)
    assert [str(finding) for finding in found if finding.verdict == "wrong"] == []
    said = {finding.subject: finding.detail for finding in found}
    assert "1 runs" in said["store"]
    assert said["chunks"] == "2, all sound"
    assert contents(tmp_path) == before


def test_a_store_that_is_compacted_while_it_is_looked_at_is_well(tmp_path: Path) -> None:
    db = a_store(tmp_path)
    Voice("later").begin(resume=True).log({"a": [0.0] * 9000}, range(9000)).send(db)
    examination = examine_store(f"sqlite:///{db.name}")
    found = [next(examination)]
    compact(db, "r")
    found += examination
    assert {finding.verdict for finding in found} == {"ok"}
    # As it was when the examination began, throughout.
    assert found[-1].detail == "2, all sound"
    db.close()


def test_a_damaged_chunk_is_named_by_its_series_and_run(tmp_path: Path) -> None:
    db = a_store(tmp_path)
    with db.write() as c:
        c.execute(update(Chunk).where(Chunk.number == 0).values(payload=b"no chunk"))
    db.close()
    (line,) = wrongs(tmp_path)
    assert "'a' of run r" in line


def test_a_batch_that_was_set_aside_is_told_with_what_it_held(tmp_path: Path) -> None:
    db = a_store(tmp_path)
    torn = {"attempt": 0, "received": 0.0, "points": 7, "reason": "it ends early", "payload": b"?"}
    with db.write() as c:
        c.execute(insert(DamagedBatch).values(run_id="r", id=99, **torn))
    db.close()
    (line,) = wrongs(tmp_path)
    assert "1 of run r with 7 points were damaged and are set aside: it ends early" in line


def test_a_missing_chunk_is_noticed(tmp_path: Path) -> None:
    db = a_store(tmp_path)
    with db.write() as c:
        c.execute(text("DELETE FROM chunk WHERE number = 1"))
    db.close()
    (line,) = wrongs(tmp_path)
    assert "4096 points in place of 5000" in line


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    a_store(tmp_path).close()
    path = tmp_path / "data" / "ganwatch.db"
    data = bytearray(path.read_bytes())
    data[4096 * 3 : 4096 * 5] = os.urandom(8192)
    path.write_bytes(data)
    assert any("store" in line for line in wrongs(tmp_path))
    path.write_bytes(b"Dear diary, " * 1000)
    (line,) = wrongs(tmp_path)
    assert "not a database" in line


def test_another_schema_says_how_to_change_it(tmp_path: Path) -> None:
    db = a_store(tmp_path)
    with db.write() as c:
        c.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '0000'"))
    db.close()
    (line,) = wrongs(tmp_path)
    assert "0000" in line
    assert "ganwatch migrate" in line


def test_a_clock_that_was_wrong_is_told(tmp_path: Path) -> None:
    db = a_store(tmp_path)
    with db.write() as c:
        c.execute(update(Run).values(last_seen=time.time() + 86400))
    db.close()
    (line,) = wrongs(tmp_path)
    assert "86" in line
    assert "in the future" in line


@pytest.mark.parametrize(
    ("content", "mode", "words"), [("", 0o600, "delete the file"), ("x" * 20, 0o644, "chmod 600")]
)
def test_a_token_that_cannot_protect_is_told(tmp_path: Path, content: str, mode: int, words: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "token").write_text(content)
    (tmp_path / "data" / "token").chmod(mode)
    (line,) = wrongs(tmp_path)
    assert words in line


def test_a_wrong_setting_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANWATCH_PORT", "many")
    (line,) = wrongs(tmp_path)
    assert "GANWATCH_PORT" in line


def test_a_running_service_is_asked_for_its_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with run_service(tmp_path / "data") as service:
        monkeypatch.setenv("GANWATCH_PORT", str(service.port))
        monkeypatch.setenv("GANWATCH_TOKEN", TOKEN)
        found = {finding.subject: finding for finding in examine(tmp_path)}
        assert (found["port"].verdict, found["store"].verdict) == ("ok", "ok")
        monkeypatch.setenv("GANWATCH_TOKEN", "another-token")
        monkeypatch.setenv("GANWATCH_SERVER", f"{service.url}/?token={TOKEN}")
        found = {finding.subject: finding for finding in examine(tmp_path)}
        assert "refuses the token" in found["port"].detail
        assert found["server"].verdict == "ok"


def test_something_else_on_the_port_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as other:
        thread = threading.Thread(target=other.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("GANWATCH_PORT", str(other.server_port))
        (line,) = wrongs(tmp_path)
        other.shutdown()
        thread.join()
    assert "something else answers" in line


LEAVE_A_SPOOL = """
import os, signal, sys, monitor
run = monitor.init(id="left", directory=sys.argv[1], server="")
for step in range(100):
    run.log({"a": 1.0}, step=step)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_training_left_is_found_and_one_that_lives_is_well(tmp_path: Path) -> None:
    directory = tmp_path / "spools"
    killed = subprocess.run(
        [sys.executable, "-c", LEAVE_A_SPOOL, directory], cwd=Path(__file__).parents[3], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    with monitor.init(id="living", directory=directory, server="") as run:
        run.log({"a": 1.0}, step=1)
        before = contents(tmp_path)
        found = {finding.subject.split("/")[0]: finding for finding in examine(tmp_path)}
        assert contents(tmp_path) == before
    assert found["spool living"].verdict == "ok"
    assert found["spool left"].verdict == "wrong"
    assert found["spool left"].detail.startswith("101 records wait")
    assert found["spool left"].remedy == "`ganwatch sync` delivers them"
    (segment,) = directory.glob("spool/left/*/*.segment")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    found = {finding.subject.split("/")[0]: finding for finding in examine(tmp_path)}
    assert "100 records wait" in found["spool left"].detail
    assert "damaged in 1 place" in found["spool left"].detail


def test_a_refused_spool_gives_the_reason(tmp_path: Path) -> None:
    with monitor.init(id="refused", directory=tmp_path / "spools", server="") as run:
        run.log({"a": 1.0}, step=1)
    (spool,) = (tmp_path / "spools").glob("spool/refused/*")
    (spool / "refused").write_text("409 another process writes it")
    (line,) = wrongs(tmp_path)
    assert "409 another process" in line


@pytest.mark.postgres
def test_a_postgresql_store_is_examined_too(tmp_path: Path, postgres_url: str) -> None:
    db = Database(postgres_url)
    db.migrate()
    Voice().begin().log({"a": [1.0]}, [1]).send(db, NOW)
    compact(db, "r")
    assert wrongs(tmp_path, database=postgres_url) == []
    with db.write() as c:
        c.execute(update(Chunk).values(payload=b"no chunk"))
    db.close()
    (line,) = wrongs(tmp_path, database=postgres_url)
    assert "'a' of run r" in line
    (line,) = wrongs(tmp_path, database="postgresql://me:hidden@127.0.0.1:1/none?connect_timeout=2")
    assert "cannot be read" in line
    assert "hidden" not in line
