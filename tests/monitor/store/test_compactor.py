from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Connection, event, func, select, update

from monitor import protocol
from monitor.store.chunks import FULL, decode_chunk
from monitor.store.compactor import IDLE_SECONDS, MAX_BATCHES, MAX_VALUES, compact, find_due
from monitor.store.database import Database
from monitor.store.runs import delete_run
from monitor.store.schema import Batch, Chunk, DamagedBatch, Run, Summary
from monitor.store.summaries import BLOCK, count_entries, decode_entries, top_level
from tests.monitor.store.writing import NOW, Voice, points_of


def count_batches(db: Database) -> int:
    with db.read() as c:
        return c.execute(select(func.count()).select_from(Batch)).scalar_one()


def compact_due(db: Database, now: float) -> int:
    return sum(compact(db, run) for run in find_due(db, now))


def chunk_sizes(db: Database) -> list[int]:
    with db.read() as c:
        payloads = c.execute(select(Chunk.payload).order_by(Chunk.attempt, Chunk.number)).scalars()
        return [len(decode_chunk(payload)) for payload in payloads]


def write(voice: Voice, db: Database, rows: int, now: float = NOW) -> None:
    steps = list(range(voice.next, voice.next + rows))
    voice.log({"a": [float(step) for step in steps]}, steps).send(db, now=now)


def test_a_short_tail_of_a_living_run_is_left_alone(database: Database) -> None:
    voice = Voice().begin()
    write(voice, database, 10)
    assert compact_due(database, NOW + IDLE_SECONDS - 1) == 0
    assert count_batches(database) == 1


def test_the_tail_of_a_silent_run_is_compacted(database: Database) -> None:
    write(Voice().begin(), database, 10)
    assert compact_due(database, NOW + IDLE_SECONDS) == 1
    assert (count_batches(database), chunk_sizes(database)) == (0, [10])


def test_the_tail_of_an_ended_run_is_compacted(database: Database) -> None:
    voice = Voice().begin()
    write(voice, database, 10)
    voice.say(protocol.End, state="finished").send(database)
    assert compact_due(database, NOW) == 1


def test_many_batches_or_many_values_are_compacted_at_once(database: Database) -> None:
    voice = Voice().begin()
    for _ in range(MAX_BATCHES):
        write(voice, database, 1)
    assert compact_due(database, NOW) == MAX_BATCHES
    write(voice, database, MAX_VALUES)
    assert compact_due(database, NOW) == 1
    assert count_batches(database) == 0


def test_a_damaged_batch_is_set_aside_and_the_rest_goes_on(database: Database) -> None:
    voice = Voice().begin()
    for _ in range(4):
        write(voice, database, 5)
    before = points_of(database, "a")
    with database.write() as c:
        second = c.execute(select(Batch.id).order_by(Batch.id).offset(1).limit(1)).scalar_one()
        payload = c.execute(select(Batch.payload).where(Batch.id == second)).scalar_one()
        c.execute(update(Batch).where(Batch.id == second).values(payload=payload[:-1] + b"!"))
    assert compact(database, "r") == 3
    assert points_of(database, "a") == before[:5] + before[10:]
    with database.read() as c:
        (kept,) = c.execute(select(DamagedBatch)).all()
        assert c.execute(select(Run.dropped)).scalar() == 5
    assert (kept.id, kept.points, kept.payload) == (second, 5, payload[:-1] + b"!")
    assert "checksum" in kept.reason
    write(voice, database, 5)
    assert compact(database, "r") == 1
    assert len(points_of(database, "a")) == 20
    delete_run(database, "r")
    with database.read() as c:
        assert c.execute(select(DamagedBatch)).first() is None


def test_every_chunk_but_the_last_is_full(database: Database) -> None:
    voice = Voice().begin()
    total = 0
    for rows in (10, FULL - 11, 1, 1, 2 * FULL + 5, 64, 63):
        write(voice, database, rows)
        compact(database, "r")
        total += rows
        full, rest = divmod(total, FULL)
        assert chunk_sizes(database) == [FULL] * full + ([rest] if rest else [])
    assert points_of(database, "a") == [(step, float(step)) for step in range(2, total + 2)]


def test_the_tree_grows_a_level_whenever_one_row_is_not_enough(database: Database) -> None:
    voice = Voice().begin()
    total = 0
    for rows in (FULL, 1, 8 * FULL - 2, 1, 1, 56 * FULL - 1, 1, 3 * FULL):
        write(voice, database, rows)
        compact(database, "r")
        total += rows
        with database.read() as c:
            rows_of = c.execute(select(Summary).order_by(Summary.level, Summary.number)).all()
        levels: dict[int, list[int]] = {}
        for row in rows_of:
            entries = decode_entries([row.entries], 1)
            levels.setdefault(row.level, []).append(len(entries))
        assert max(levels) == top_level(total)
        for level, sizes in levels.items():
            assert sum(sizes) == count_entries(total, level)
            assert sizes[:-1] == [BLOCK] * (len(sizes) - 1)
        top = decode_entries([rows_of[-1].entries], 1)
        assert int(top["count"].sum()) == total
        assert (top["min"].min(), top["max"].max()) == (2.0, total + 1.0)


def test_attempts_and_series_have_chunks_of_their_own(database: Database) -> None:
    voice = Voice().begin().log({"a": [1.0], "b": [2.0]}, [0])
    voice.send(database)
    voice.attempt = 1
    voice.say(protocol.Attempt, number=1, parent=0, from_step=0).log({"a": [3.0]}, [1]).send(database)
    assert compact(database, "r") == 2
    assert chunk_sizes(database) == [1, 1, 1]
    assert points_of(database, "a") == [(0, 1.0), (1, 3.0)]


def test_compactors_that_meet_do_the_work_once(database: Database) -> None:
    voice = Voice().begin()
    for _ in range(40):
        write(voice, database, 100)
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda _: compact(database, "r"), range(4)))
    assert sum(done) == 40
    assert points_of(database, "a") == [(step, float(step)) for step in range(2, 4002)]


def test_ingest_queries_and_compaction_do_not_disturb_each_other(database: Database) -> None:
    voice = Voice().begin()
    write(voice, database, 1)
    seen: list[int] = []

    def ingest() -> None:
        for _ in range(60):
            write(voice, database, 50)

    def watch() -> None:
        while not seen or seen[-1] < 3001:
            seen.append(len(points_of(database, "a")))

    with ThreadPoolExecutor() as pool:
        writing, watching = pool.submit(ingest), pool.submit(watch)
        while not writing.done():
            compact(database, "r")
        writing.result()
        watching.result(timeout=60)
    assert seen == sorted(seen)
    assert all(count % 50 == 1 for count in seen)


def test_a_run_that_is_deleted_meanwhile_is_left_deleted(database: Database) -> None:
    voice = Voice().begin()
    for _ in range(20):
        write(voice, database, 500)
    with ThreadPoolExecutor() as pool:
        compacting = pool.submit(compact, database, "r")
        delete_run(database, "r")
        compacting.result()
    assert chunk_sizes(database) == []


def test_a_compaction_that_ends_at_any_statement_has_changed_nothing(database: Database) -> None:
    voice = Voice().begin()
    write(voice, database, FULL + 100)
    compact(database, "r")
    for _ in range(3):
        write(voice, database, 700)
    before = points_of(database, "a")
    left = [0]

    def end(*_: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    event.listen(database.engine, "before_cursor_execute", end)
    statements = 0
    while count_batches(database):
        statements += 1
        left[0] = statements
        with contextlib.suppress(KeyboardInterrupt):
            compact(database, "r")
        left[0] = 0
        assert count_batches(database) in {0, 3}
        assert points_of(database, "a") == before
    assert statements > 5


def test_a_run_begun_anew_meanwhile_is_not_given_the_points_of_the_old_one(database: Database) -> None:
    """The batch of the new one has the number of the old one's."""
    write(Voice().begin(), database, 10)

    has_begun = []

    def begin_anew(_: Connection) -> None:
        if not has_begun:
            has_begun.append(True)
            delete_run(database, "r")
            Voice().begin().log({"a": [-1.0]}, [1]).send(database, now=NOW + 1)

    # What the compactor reads ends with a rollback; then it writes.
    event.listen(database.engine, "rollback", begin_anew)
    assert compact(database, "r") == 0
    assert points_of(database, "a") == [(1, -1.0)]
