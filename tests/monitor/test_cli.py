from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from monitor import protocol
from monitor.cli import COMMANDS
from monitor.store.database import Database
from tests.monitor.store.writing import Voice


def environment(**settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GANWATCH_")}
    return {**kept, "PYTHONPATH": str(Path(__file__).parents[2]), **settings}


def run_python(*arguments: str, cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def run(*arguments: str, cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return run_python("-m", "monitor.cli", *arguments, cwd=cwd, **settings)


@contextmanager
def serving(cwd: Path, *arguments: str, port: str = "0") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The service as a process, and the link that it printed."""
    command = [sys.executable, "-m", "monitor.cli", "serve", "--port", port, *arguments]
    with subprocess.Popen(
        command, cwd=cwd, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith("ganwatch is at http://127.0.0.1:"), line
            yield process, line.split()[-1]
        finally:
            process.terminate()


def assert_one_clear_line(refused: subprocess.CompletedProcess[str], *words: str) -> None:
    assert refused.returncode == 2, refused.stderr
    assert refused.stderr.startswith("ganwatch: ")
    assert refused.stderr.count("\n") == 1, refused.stderr
    for word in words:
        assert word in refused.stderr


def test_the_printed_link_opens_and_outlives_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, link), httpx.Client(trust_env=False) as browser:
        assert browser.get(link, follow_redirects=True).status_code == 200
        assert browser.get(f"http://{urlsplit(link).netloc}/api/v1/runs").json() == {"runs": [], "next": None}
    with serving(tmp_path) as (_, again):
        assert urlsplit(again).query == urlsplit(link).query


def test_token_prints_the_link_of_the_service_that_runs(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, link):
        assert run("token", cwd=tmp_path).stdout.strip() == link
        assert run("doctor", cwd=tmp_path).stdout.count(link.split("/?")[0]) > 0
        elsewhere = run("token", cwd=tmp_path, GANWATCH_PORT="9000").stdout
        assert elsewhere.startswith("http://127.0.0.1:9000/?token=")


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_quietly_when_asked_to(tmp_path: Path, kind: signal.Signals) -> None:
    with serving(tmp_path) as (process, link):
        page = httpx.Client(trust_env=False)
        page.get(link)
        with page.stream("GET", f"http://{urlsplit(link).netloc}/api/v1/events") as events:
            assert events.status_code == 200
            process.send_signal(kind)
            _, said = process.communicate(timeout=20)
        page.close()
    assert said == ""


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert_one_clear_line(run("serve", "--port", port, cwd=tmp_path), port, "in use", "--port")


def test_a_second_service_of_one_sqlite_database_is_one_clear_line(tmp_path: Path) -> None:
    with serving(tmp_path):
        assert_one_clear_line(run("serve", "--port", "0", cwd=tmp_path), "another", "ganwatch token")
    with serving(tmp_path):
        pass


def test_letting_others_in_without_a_token_is_one_clear_line(tmp_path: Path) -> None:
    assert_one_clear_line(run("serve", "--host", "0.0.0.0", cwd=tmp_path), "0.0.0.0", "GANWATCH_TOKEN")


def test_a_wrong_setting_is_one_clear_line(tmp_path: Path) -> None:
    assert_one_clear_line(run("serve", cwd=tmp_path, GANWATCH_PORT="many"), "GANWATCH_PORT", "many")


def test_a_wrong_option_is_one_clear_line(tmp_path: Path) -> None:
    assert_one_clear_line(run("serve", "--port", "99999", cwd=tmp_path), "--port", "99999")


def test_a_database_of_something_else_is_one_clear_line(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE recipes (id INTEGER)")
    other.close()
    refused = run("serve", "--port", "0", "--database", f"sqlite:///{tmp_path}/other.db", cwd=tmp_path)
    assert_one_clear_line(refused, "other.db")


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://x/y", "sqlite://", "postgresql://nobody@127.0.0.1:1/none"]
)
def test_a_database_that_cannot_be_used_is_one_clear_line(tmp_path: Path, url: str) -> None:
    assert_one_clear_line(run("migrate", "--database", url, cwd=tmp_path))


def test_a_password_in_a_database_s_address_is_never_repeated(tmp_path: Path) -> None:
    for url in ("postgresql//me:hidden@host/db", "postgresql://me:hidden@127.0.0.1:1/db", "my:hidden@x"):
        refused = run("migrate", "--database", url, cwd=tmp_path)
        assert_one_clear_line(refused)
        assert "hidden" not in refused.stderr + refused.stdout


def test_a_data_directory_that_cannot_be_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for command in ("serve", "token", "migrate"):
        assert_one_clear_line(run(command, "--data-dir", "file/below", cwd=tmp_path), "file/below")


def test_the_token_command_prints_the_same_link(tmp_path: Path) -> None:
    first = run("token", cwd=tmp_path)
    assert first.stdout.startswith("http://127.0.0.1:8765/?token=")
    assert run("token", cwd=tmp_path).stdout == first.stdout
    assert run("token", cwd=tmp_path, GANWATCH_TOKEN="explicit-token").stdout.endswith("=explicit-token\n")


def test_every_command_says_what_it_is_for(tmp_path: Path) -> None:
    listed = run("--help", cwd=tmp_path).stdout
    for command in COMMANDS:
        assert re.search(rf"• {command}\s+[A-Z]", listed), command
    said = run("import", "--help", cwd=tmp_path).stdout
    assert "Logs, or folders of logs." in said
    assert "--server LINK" in said
    assert "None" not in said.replace("{None,", "")


def test_a_store_is_examined_backed_up_and_copied(tmp_path: Path) -> None:
    assert run("migrate", cwd=tmp_path).returncode == 0
    for command in (["backup", "kept.db"], ["copy", "kept.db", "copied.db"], ["doctor"]):
        done = run(*command, cwd=tmp_path, GANWATCH_PORT="1")
        assert done.returncode == 0, done.stdout + done.stderr
    assert "ok    store" in done.stdout
    assert_one_clear_line(run("backup", "kept.db", cwd=tmp_path), "kept.db", "exists")
    assert_one_clear_line(run("copy", "nothing.db", "other.db", cwd=tmp_path), "nothing.db")
    (tmp_path / ".ganwatch" / "ganwatch.db").write_bytes(b"Dear diary, " * 1000)
    examined = run("doctor", cwd=tmp_path, GANWATCH_PORT="1")
    assert examined.returncode == 1
    assert "wrong store" in examined.stdout


def test_migrate_makes_the_database_and_may_run_again(tmp_path: Path) -> None:
    for _ in range(2):
        done = run("migrate", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "up to date" in done.stdout
    assert (tmp_path / ".ganwatch" / "ganwatch.db").is_file()


def test_sync_without_a_server_says_what_to_give(tmp_path: Path) -> None:
    assert_one_clear_line(run("sync", cwd=tmp_path), "--server")


def test_sync_needs_only_the_client(tmp_path: Path) -> None:
    """The server's packages are hidden, as on a machine that trains."""
    hidden = "fastapi", "sqlalchemy", "pydantic", "uvicorn", "alembic", "starlette"
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({hidden!r}));"
        "sys.argv = ['ganwatch', 'sync', '--server', 'http://127.0.0.1:1'];"
        "from monitor.cli import main; main()"
    )
    done = run_python("-c", program, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "nothing waits in .ganwatch\n"


def test_serving_without_the_server_s_packages_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['fastapi'] = None; sys.argv = ['ganwatch', 'serve'];"
        "from monitor.cli import main; main()"
    )
    refused = run_python("-c", program, cwd=tmp_path)
    assert_one_clear_line(refused, "fastapi", "ganwatch[server]")


def test_what_waited_without_a_server_is_delivered_by_sync(tmp_path: Path) -> None:
    training = (
        "import monitor\n"
        "with monitor.init(project='digits', id='offline') as run:\n"
        "    for step in range(100):\n"
        "        run.log({'loss/g': step / 2}, step=step)\n"
    )
    spooled = run_python("-c", training, cwd=tmp_path)
    assert spooled.returncode == 0, spooled.stderr
    with serving(tmp_path, "--data-dir", "service") as (_, link):
        done = run("sync", "--server", link, cwd=tmp_path)
        assert done.returncode == 0, done.stderr + done.stdout
        assert "offline" in done.stdout
        with httpx.Client(trust_env=False) as browser:
            browser.get(link)
            address = f"http://{urlsplit(link).netloc}/api/v1/runs/offline"
            assert browser.get(address).json()["state"] == "finished"
            points = browser.get(f"{address}/points", params={"name": "loss/g"}).json()["series"]["loss/g"]
            assert points["last"] == [step / 2 for step in range(100)]


def test_retention_says_what_it_would_delete_and_then_deletes_just_that(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/.ganwatch/ganwatch.db")
    database.migrate()
    for name, tags in (("old", []), ("kept", ["keep"])):
        voice = Voice(run=name).begin(tags=tags).log({"a": [1.0]}, [1]).say(protocol.End, state="finished")
        voice.send(database)
    database.close()
    assert_one_clear_line(run("retention", cwd=tmp_path), "--keep-days", "GANWATCH_KEEP_BYTES")
    told = run("retention", "--keep-days", "30", "--dry-run", cwd=tmp_path)
    assert "old (n)" in told.stdout
    assert "1 run with" in told.stdout
    assert run("retention", cwd=tmp_path, GANWATCH_KEEP_DAYS="30").stdout.replace("deleted", "") == (
        told.stdout.replace("would be deleted", "")
    )
    assert run("retention", "--keep-days", "30", cwd=tmp_path).stdout.startswith("0 runs")


@pytest.mark.parametrize("command", ["doctor", "token"])
def test_a_reader_that_has_had_enough_is_no_fault(command: str, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        ended = subprocess.run(
            [sys.executable, "-m", "monitor.cli", command],
            cwd=tmp_path,
            env=environment(),
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (141, "")
