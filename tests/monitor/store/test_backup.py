from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.errors import Misuse
from monitor.store.backup import back_up
from monitor.store.database import Database
from monitor.store.ingest import apply_batch
from monitor.store.series import list_series
from tests.monitor.store.ingesting import ROWS, batches_from, next_batch
from tests.monitor.store.writing import NOW, Voice, points_of


def test_a_backup_taken_during_ingest_restores_to_a_consistent_prefix(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ganwatch.db"
    command = [sys.executable, "-m", "tests.monitor.store.ingesting", url, "0"]
    taken: list[tuple[int, Path]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for number, line in enumerate(process.stdout):
            if number % 15 == 14:
                taken.append((int(line), tmp_path / f"backup-{number}.db"))
                back_up(Database(url), taken[-1][1])
            if len(taken) == 4:
                break
        process.kill()
    for acknowledged, path in taken:
        restored = Database(f"sqlite:///{path}")
        restored.migrate()
        stored = points_of(restored, "a")
        assert stored == [(step, float(step)) for step in range(len(stored))]
        assert points_of(restored, "b") == [(step, -float(step)) for step in range(len(stored))]
        assert len(stored) % ROWS == 0
        assert len(stored) >= (acknowledged + 1) * ROWS
        with restored.read() as c:
            assert {entry["count"] for entry in list_series(c, "r")} == {len(stored)}
        # The training sends again what the backup does not have.
        following = len(stored) // ROWS
        apply_batch(restored, "r", next_batch(batches_from(following), following), NOW)
        assert len(points_of(restored, "a")) == len(stored) + ROWS
        restored.close()


def test_a_backup_is_one_file_for_its_owner_alone(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path}/ganwatch.db")
    db.migrate()
    Voice().begin().log({"a": [1.0]}, [1]).send(db)
    size = back_up(db, tmp_path / "backup.db")
    db.close()
    assert [path.name for path in tmp_path.glob("backup*")] == ["backup.db"]
    assert (tmp_path / "backup.db").stat().st_size == size
    assert stat.S_IMODE((tmp_path / "backup.db").stat().st_mode) == 0o600
    restored = Database(f"sqlite:///{tmp_path}/backup.db")
    assert points_of(restored, "a") == [(1, 1.0)]
    restored.close()


def test_a_backup_replaces_nothing_and_a_failed_one_leaves_nothing(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path}/ganwatch.db")
    with pytest.raises(Misuse, match="there is no store"):
        back_up(db, tmp_path / "backup.db")
    (tmp_path / "ganwatch.db").write_bytes(b"Dear diary, " * 1000)
    with pytest.raises(Misuse, match="not a database"):
        back_up(db, tmp_path / "backup.db")
    with pytest.raises(Misuse, match=r"nowhere/backup\.db: No such file or directory$"):
        back_up(db, tmp_path / "nowhere" / "backup.db")
    assert [path.name for path in tmp_path.iterdir()] == ["ganwatch.db"]
    (tmp_path / "backup.db").touch()
    with pytest.raises(Misuse, match="never replaces"):
        back_up(db, tmp_path / "backup.db")
    db.close()


def test_postgresql_s_own_program_is_named_without_the_password() -> None:
    db = Database("postgresql://me:secret@host/ganwatch")
    with pytest.raises(Misuse, match="pg_dump --format=custom") as refusal:
        back_up(db, Path("backup.dump"))
    assert "secret" not in str(refusal.value)
