from __future__ import annotations

import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from monitor.errors import Misuse
from monitor.server import listen
from monitor.settings import Settings, base_url, link, load_settings
from monitor.store.copying import store_at
from monitor.store.database import Database

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _without_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the environment nor the working directory of whoever runs the tests."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"GANWATCH_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)


def test_a_random_token_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    token = load_settings(data_dir=tmp_path / "a" / "b").access_token()
    assert len(token) >= 32
    assert load_settings(data_dir=tmp_path / "a" / "b").access_token() == token
    assert load_settings(data_dir=tmp_path / "c").access_token() != token
    assert stat.S_IMODE((tmp_path / "a" / "b" / "token").stat().st_mode) == 0o600


def test_the_token_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("  a-token-from-a-file\n")
    assert load_settings(token_file=tmp_path / "secret").access_token() == "a-token-from-a-file"
    with pytest.raises(Misuse, match="cannot read token_file"):
        load_settings(token_file=tmp_path / "nothing").access_token()


@pytest.mark.parametrize(
    "token", ["short", "with a space in it", "x" * 513, "tökentökentöken", "tab\tin the token"]
)
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    with pytest.raises(Misuse, match="printable ASCII"):
        load_settings(token=token).access_token()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "gan.example", ""])
def test_letting_others_in_needs_an_explicit_token(host: str, tmp_path: Path) -> None:
    (tmp_path / ".ganwatch").mkdir()
    (tmp_path / ".ganwatch" / "token").write_text("a-token-kept-from-before")
    with pytest.raises(Misuse, match="GANWATCH_TOKEN"):
        Settings(host=host).access_token()
    assert Settings(host=host, token="an-explicit-token").access_token() == "an-explicit-token"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.5", "::1", "localhost"])
def test_this_machine_alone_needs_none(host: str) -> None:
    assert Settings(host=host).access_token()


def test_the_default_listens_to_this_machine_alone() -> None:
    with listen(load_settings(port=0)) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PORT": "9000", "ALLOWED_HOSTS": "a.example, b.example", "LOST_AFTER": "5"}.items():
        monkeypatch.setenv(f"GANWATCH_{name}", value)
    settings = load_settings(port=None)
    assert (settings.port, settings.lost_after) == (9000, 5.0)
    assert settings.allowed_hosts == ["a.example", "b.example"]
    assert load_settings(port=9001).port == 9001


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "many"), ("PORT", "70000"), ("LOST_AFTER", "0"), ("WEBHOOK_ALLOW_PRIVATE", "perhaps")],
)
def test_a_wrong_setting_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"GANWATCH_{name}", value)
    with pytest.raises(Misuse) as misuse:
        load_settings()
    assert str(misuse.value).startswith(f"GANWATCH_{name}: ")
    assert "\n" not in str(misuse.value)


def test_a_wrong_option_is_named_as_it_was_typed() -> None:
    with pytest.raises(Misuse, match=r"^--lost-after: "):
        load_settings(lost_after=0)


def test_whoever_comes_second_takes_the_token_that_is_there(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        settings = load_settings(data_dir=tmp_path / "new")
        tokens = set(pool.map(lambda _: settings.access_token(), range(32)))
    assert len(tokens) == 1
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["token"]


def test_a_process_killed_while_it_writes_the_token_leaves_none(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from monitor.settings import load_settings;"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL);"
        "load_settings(data_dir=Path(sys.argv[1])).access_token()"
    )
    killed = subprocess.run([sys.executable, "-c", program, tmp_path], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "token").exists()
    assert load_settings(data_dir=tmp_path).access_token()


def test_an_empty_token_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "token").touch()
    with pytest.raises(Misuse, match="delete the file"):
        load_settings(data_dir=tmp_path).access_token()


def test_the_password_of_the_database_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("p@ss/word\n")
    settings = load_settings(
        database="postgresql+psycopg://ganwatch@database/ganwatch",
        database_password_file=tmp_path / "password",
    )
    assert settings.database_url == "postgresql+psycopg://ganwatch:p%40ss%2Fword@database/ganwatch"


def test_the_database_lies_in_the_data_directory(tmp_path: Path) -> None:
    assert load_settings(data_dir=tmp_path).database_url == f"sqlite:///{tmp_path}/ganwatch.db"


@pytest.mark.parametrize("name", ["a?mode=ro", "50%41 #1"])
def test_the_data_directory_may_be_called_anything(name: str, tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path / name)
    with closing(Database(settings.database_url)) as stored:
        stored.migrate()
    assert (tmp_path / name / "ganwatch.db").exists()
    with closing(store_at(str(tmp_path / name / "copy.db"))) as stored:
        stored.migrate()
    assert (tmp_path / name / "copy.db").exists()


def test_the_link_is_one_that_others_can_open() -> None:
    assert base_url(Settings(host="0.0.0.0", port=1234)) == "http://127.0.0.1:1234"
    assert base_url(Settings(host="::1", port=1234)) == "http://[::1]:1234"
    assert base_url(Settings(public_url="https://gan.example/", port=1234)) == "https://gan.example"
    assert link(Settings(token="a+b/c=d&e#f"), 99) == "http://127.0.0.1:99/?token=a%2Bb%2Fc%3Dd%26e%23f"


def test_every_setting_says_what_it_is_for() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
