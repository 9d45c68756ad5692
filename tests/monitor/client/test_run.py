"""What a training script sees, without a service: everything is in the spool."""

from __future__ import annotations

import dataclasses
import io
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import monitor
from monitor import protocol
from monitor.client.batches import build_batch
from monitor.client.keeper import Keeper
from monitor.client.layout import spool_directory
from monitor.client.notices import Notices
from monitor.client.pictures import MOST_WAITING, Pictures
from monitor.client.run import Run
from monitor.client.spool import Spool
from tests.monitor.client.loopback import expand
from tests.monitor.client.spooling import read_all


@pytest.fixture
def run() -> Iterator[Run]:
    run = monitor.init(project="digits", id="run")
    yield run
    run.finish()


def records(directory: Path, run: str = "run", kind: type | None = None) -> list[Any]:
    """What all writers of the run left in their spools."""
    found = []
    for spool in sorted((directory / "spool" / run).iterdir()):
        entries = read_all(spool, is_dead=True)
        for attempt in sorted({entry.attempt for entry in entries}):
            part = [entry for entry in entries if entry.attempt == attempt]
            batch = build_batch("w", part, 0, dropped=0, replayed=False)
            found += [record for _, record in expand(batch)]
    return [record for record in found if kind is None or isinstance(record, kind)]


def values(directory: Path) -> list[dict[str, Any]]:
    return [row["values"] for row in records(directory, kind=dict)]


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_run_without_a_server_keeps_everything(tmp_path: Path) -> None:
    with monitor.init(project="digits", name="first", config={"lr": 2e-4}, tags=["a"]) as run:
        run.log({"loss/d": 0.5, "loss/g": 1.0}, step=1)
        run.log({"loss/d": 0.25, "loss/g": 2.0}, step=2, time=7.0)
    assert run.url is None
    begin, first, second, end = records(tmp_path, run.id)
    assert (begin.project, begin.name, begin.config, begin.tags) == ("digits", "first", {"lr": 2e-4}, ["a"])
    assert first["values"] == {"loss/d": 0.5, "loss/g": 1.0}
    assert (second["step"], second["values"]) == (2, {"loss/d": 0.25, "loss/g": 2.0})
    assert end.state == "finished"
    assert run.finish() == monitor.Summary(delivered=0, pending=4, dropped=0, rejected=0)


def test_a_wrong_value_is_left_out_told_once_and_counted(
    tmp_path: Path, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    for step in range(3):
        wrong: dict[Any, Any] = {"bad": "text", 3: 1.0, "big": 2**53 + 1, "many": np.zeros(2)}
        run.log({"good": 1.0, **wrong}, step=step)
    assert run.finish().rejected == 12
    assert values(tmp_path) == [{"good": 1.0}] * 3
    told = [message for message in warnings_of(caplog) if "not stored" in message]
    assert len(told) == 4


def test_another_reason_under_the_same_name_is_told_too(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    for step in range(3):
        run.log({"bad": "text"}, step=step)
        run.log({"bad": np.zeros(step + 2)}, step=step)
    told = [message for message in warnings_of(caplog) if "not stored" in message]
    assert [("str" in message, "shape (2,)" in message) for message in told] == [(True, False), (False, True)]


def test_another_reason_why_a_call_is_not_stored_is_told_too(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    for size in range(2, 5):
        run.log({"loss": 1.0}, step=2**70)
        run.log({"loss": 1.0}, step="3")  # type: ignore[arg-type]
        run.log_images("samples", np.zeros((1, 8, 8)), step=1)
        run.log_images("samples", np.zeros((size, 5, 8, 8), np.uint8), step=1)
    assert run.finish().rejected == 12
    told = [message for message in warnings_of(caplog) if "not stored" in message]
    assert [
        next(word for word in ("64 bits", "is str", "float64", "(2, 5") if word in text) for text in told
    ] == [
        "64 bits",
        "is str",
        "float64",
        "(2, 5",
    ]


@pytest.mark.parametrize("wrong", [[("loss", 1.0)], ["loss"], 0.5, None])
def test_what_is_no_mapping_is_told_as_such(
    tmp_path: Path, run: Run, wrong: Any, caplog: pytest.LogCaptureFixture
) -> None:
    run.log({"loss": 1.0}, step=0)
    run.log(wrong, step=1)
    assert run.finish().rejected == 1
    assert values(tmp_path) == [{"loss": 1.0}]
    (told,) = (message for message in warnings_of(caplog) if "not stored" in message)
    assert f"is {type(wrong).__name__}; a mapping of names to numbers is wanted" in told


def test_a_row_of_a_data_frame_is_logged_as_a_mapping(tmp_path: Path, run: Run) -> None:
    run.log(pd.DataFrame({"loss": [1.0], "rate": [2.0]}).iloc[0], step=1)
    assert run.finish().rejected == 0
    assert values(tmp_path) == [{"loss": 1.0, "rate": 2.0}]


@pytest.mark.parametrize(("role", "meant"), [("loss_d", "loss_D"), ("q", "Q"), ("s-g-ep", "S_G_ep")])
def test_a_misspelled_role_is_refused_with_the_one_that_was_meant(run: Run, role: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"role of 'loss' is '{role}'; did you mean '{meant}'?"):
        run.declare("loss", role=role)


def test_a_role_for_rules_of_ones_own_is_kept(tmp_path: Path, run: Run) -> None:
    run.declare("memory", role="memory_of_gpu")
    run.finish()
    assert [declared.role for declared in records(tmp_path, kind=protocol.Declare)] == ["memory_of_gpu"]


def test_a_wrong_direction_is_refused_with_the_right_ones(run: Run) -> None:
    with pytest.raises(ValueError, match="'up'; it is one of 'higher', 'lower', 'none'"):
        run.declare("loss", direction="up")  # type: ignore[arg-type]


def test_not_a_number_and_infinity_are_numbers(tmp_path: Path, run: Run) -> None:
    for _ in range(2):  # the second call takes the short way
        run.log({"a": math.nan, "b": math.inf, "c": -math.inf, "d": 5e-324, "e": -0.0}, step=0)
    run.finish()
    for logged in values(tmp_path):
        assert math.isnan(logged["a"])
        assert (logged["b"], logged["c"], logged["d"]) == (math.inf, -math.inf, 5e-324)
        assert math.copysign(1, logged["e"]) == -1


def test_numbers_of_other_libraries_are_numbers(tmp_path: Path, run: Run) -> None:
    for _ in range(2):
        run.log({"a": np.float32(0.5), "b": torch.tensor(2.5), "c": np.array(7), "d": True}, step=np.int64(3))
        run.log({"a": np.float32(0.5), "b": np.float64(2.5), "d": True}, step=3)
    run.finish()
    assert (
        values(tmp_path)
        == [
            {"a": 0.5, "b": 2.5, "c": 7.0, "d": 1.0},
            {"a": 0.5, "b": 2.5, "d": 1.0},
        ]
        * 2
    )


class Hostile:
    ndim = 0

    def item(self) -> float:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "call",
    [
        lambda run: run.log(None, step=1),
        lambda run: run.log([1, 2], step=1),
        lambda run: run.log({"a": 1.0}, step="one"),
        lambda run: run.log({"a": 1.0}, step=2**70),
        lambda run: run.log({"a": 1.0}, step=1, mark="x"),
        lambda run: run.log({"a": 1.0}, step=1, time="now"),
        lambda run: run.log({"\ud800": 1.0, "": 2.0}, step=1),
        lambda run: run.log({"a": Hostile()}, step=1),
        lambda run: run.log_distribution("a", [1, 2, 3], step=1),
        lambda run: run.log_distribution(None, range(11), step=1),
        lambda run: run.log_distribution("a", ["x"] * 11, step=1),
        lambda run: run.log_images("a", np.zeros((2, 3), np.uint8), step=1),
        lambda run: run.log_images("a", np.zeros((2, 3, 3)), step=1),
        lambda run: run.log_images("a", "no image", step=1),
        lambda run: run.acknowledge("id", "maybe"),
        lambda run: run.rewind("back"),
        lambda run: run.mark(step="one"),
    ],
)
def test_nothing_raises_into_the_loop(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture, call: Any
) -> None:
    call(run)
    assert len(warnings_of(caplog)) >= 1
    assert run.finish().rejected >= 1
    assert [type(record) for record in records(tmp_path)] == [protocol.Begin, protocol.End]


def test_misuse_at_the_beginning_is_told_at_once(run: Run) -> None:
    with pytest.raises(ValueError, match="kind"):
        run.declare("loss", kind="histogram")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unit"):
        run.declare("loss", unit=3)  # type: ignore[arg-type]
    for wrong in (
        {"id": "../up"},
        {"resume": True},
        {"commands": ["explode"]},
        {"server": "ftp://there"},
        {"config": {"x": "y" * 2**20}},
        {"project": 3},
    ):
        with pytest.raises(ValueError):
            monitor.init(**wrong)
    with pytest.raises(TypeError):
        monitor.init(config=[1, 2])


def test_a_configuration_may_hold_anything(tmp_path: Path) -> None:
    @dataclasses.dataclass
    class Config:
        path: Path
        rate: Any
        betas: tuple[float, float]

    monitor.init(id="run", config=Config(Path("/data"), np.float32(0.5), (0.5, 0.999))).finish()
    assert records(tmp_path)[0].config == {"path": "/data", "rate": 0.5, "betas": [0.5, 0.999]}


def test_an_integer_too_large_for_any_store_is_kept_as_its_digits(tmp_path: Path) -> None:
    monitor.init(id="run", config={"n": 2**80, "deep": [{"m": -(2**63)}, True]}).finish()
    assert records(tmp_path)[0].config == {"n": str(2**80), "deep": [{"m": -(2**63)}, True]}


def test_marks_are_counted_and_a_rewind_takes_back_those_behind_it(tmp_path: Path, run: Run) -> None:
    assert [run.mark(step=100 * epoch, epoch=epoch, images_seen=6400 * epoch) for epoch in range(4)] == [
        *range(4)
    ]
    assert run.rewind(150, "diverged") == run.attempt == 1
    assert run.mark(step=200, expects=("Q",)) == 2
    run.finish()
    marks = records(tmp_path, kind=protocol.Mark)
    assert [mark.index for mark in marks] == [0, 1, 2, 3, 2]
    assert (marks[1].step, marks[1].epoch, marks[1].images_seen, marks[1].expects) == (
        100,
        1,
        6400,
        ["Q", "D"],
    )
    assert marks[4].expects == ["Q"]
    (attempt,) = records(tmp_path, kind=protocol.Attempt)
    assert (attempt.number, attempt.parent, attempt.from_step, attempt.reason) == (1, 0, 150, "diverged")


def test_a_rewind_says_what_is_done_about_a_turning_point(tmp_path: Path, run: Run) -> None:
    run.rewind(150, "it turned", remedy="lower rate", settings={"lr": np.float32(0.5)}, command="c1")
    run.rewind(100)
    run.finish()
    first, second = records(tmp_path, kind=protocol.Attempt)
    assert (first.remedy, first.command) == (protocol.Remedy(name="lower rate", settings={"lr": 0.5}), "c1")
    assert (second.remedy, second.command) == (None, "")


def test_what_a_turning_point_may_ask_must_be_allowed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="asks the run to rollback: add 'rollback' to commands"):
        monitor.init(on_turning_point="rescue", commands=["stop"])
    with pytest.raises(ValueError, match="on_turning_point"):
        monitor.init(on_turning_point="panic")  # type: ignore[arg-type]
    monitor.init(id="run", on_turning_point="rescue", commands=["rollback"]).finish()
    assert records(tmp_path)[0].on_turning_point == "rescue"


def test_a_resumed_run_goes_on_counting_attempts_and_marks(tmp_path: Path) -> None:
    with monitor.init(id="run") as run:
        run.mark(step=100)
        run.rewind(50)
        run.mark(step=100)
        run.mark(step=200)
    with monitor.init(id="run", resume=True) as run:
        assert run.attempt == 1
        run.log({"loss": 1.0}, step=201)
        assert run.mark(step=300) == 2
        assert run.rewind(250) == 2
        assert run.mark(step=300) == 2
    with monitor.init(id="run", resume=True, attempt=7) as run:
        assert run.attempt == 7
    attempts = {record["attempt"] for record in records(tmp_path, kind=dict)}
    assert attempts == {1}


def test_images_become_one_grid(tmp_path: Path, run: Run) -> None:
    images = np.arange(5 * 2 * 3 * 3, dtype=np.uint8).reshape(5, 2, 3, 3)
    mark = run.mark(step=9)
    run.log_images("samples", images, step=9, mark=mark, caption="five", scores=[0.1] * 5)
    run.log_images("gray", torch.zeros(4, 8, 8, dtype=torch.uint8), step=9)
    run.finish()
    color, gray = records(tmp_path, kind=protocol.Image)
    assert (color.rows, color.columns, color.mark, color.caption) == (2, 3, 0, "five")
    (spool,) = (tmp_path / "spool" / "run").iterdir()
    with Image.open(spool / "images" / f"{color.digest}.png") as opened:
        grid = np.asarray(opened)
    assert grid.shape == (2 + 1 + 2, 3 + 1 + 3 + 1 + 3, 3)
    for n in range(5):
        top, left = 3 * (n // 3), 4 * (n % 3)
        assert (grid[top : top + 2, left : left + 3] == images[n]).all()
    for gap in (grid[2], grid[:, 3], grid[:, 7], grid[3:, 8:]):
        assert (gap == 96).all()
    with Image.open(io.BytesIO((spool / "images" / f"{gray.digest}.png").read_bytes())) as opened:
        assert (opened.mode, opened.size) == ("L", (17, 17))


def test_images_have_one_score_each_or_none(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    run.log_images("samples", np.zeros((4, 8, 8), np.uint8), step=1, scores=[0.1] * 3)
    (told,) = (message for message in warnings_of(caplog) if "not stored" in message)
    assert "has 3 scores for 4 images" in told


@pytest.mark.parametrize("field", ["tags", "commands"])
def test_a_word_alone_is_no_list_of_words(tmp_path: Path, field: str) -> None:
    with pytest.raises(TypeError, match=rf"{field}=\['stop'\]"):
        monitor.init(directory=tmp_path, **{field: "stop"})  # type: ignore[arg-type]


def test_images_may_come_with_channels_first_as_torch_has_them(tmp_path: Path, run: Run) -> None:
    images = np.arange(3 * 5 * 6, dtype=np.uint8).reshape(1, 3, 5, 6)
    run.log_images("samples", images, step=1)
    run.finish()
    (record,) = records(tmp_path, kind=protocol.Image)
    (spool,) = (tmp_path / "spool" / "run").iterdir()
    with Image.open(spool / "images" / f"{record.digest}.png") as opened:
        assert (np.asarray(opened) == np.moveaxis(images[0], 0, -1)).all()


def test_images_are_copied_before_they_are_encoded(tmp_path: Path, run: Run) -> None:
    images = np.full((1, 64, 64), 200, dtype=np.uint8)
    run.log_images("samples", images, step=1)
    images[:] = 0
    run.finish()
    (record,) = records(tmp_path, kind=protocol.Image)
    (spool,) = (tmp_path / "spool" / "run").iterdir()
    with Image.open(spool / "images" / f"{record.digest}.png") as opened:
        assert np.asarray(opened).min() == 200


def test_more_images_than_can_be_encoded_are_refused_and_not_piled_up(tmp_path: Path, run: Run) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 64, 64, 3), np.uint8)
    for step in range(200):
        run.log_images("samples", noise, step=step)
    summary = run.finish(timeout=60)
    assert summary.rejected > 0
    assert len(records(tmp_path, kind=protocol.Image)) == 200 - summary.rejected


def test_numbers_on_their_way_from_a_gpu_do_not_keep_images_out(tmp_path: Path) -> None:
    keeper, spool, landed = Keeper(lambda: None, Notices()), Spool(tmp_path, "run", "0-a"), threading.Event()
    for _ in range(10 * MOST_WAITING):
        keeper.defer(lambda: None, landed.is_set)
    pictures = Pictures(spool, keeper)
    pictures.log("samples", np.zeros((4, 8, 8), np.uint8), step=1, mark=None, caption="", scores=())
    landed.set()
    keeper.start()
    assert keeper.drain(30)
    keeper.stop(1)
    assert spool.sequence == 1
    spool.close()


def test_images_that_the_spool_has_no_room_for_are_counted(tmp_path: Path) -> None:
    run = monitor.init(id="run", spool_limit=1000)
    run.log_images("samples", np.random.default_rng(0).integers(0, 256, (9, 16, 16), np.uint8), step=1)
    assert run.finish().dropped == 1
    assert records(tmp_path, kind=protocol.Image) == []


def test_distributions_and_declarations_are_kept(tmp_path: Path, run: Run) -> None:
    run.declare("gn", "distribution", unit="", role="gn_real", lower=0, judge="digits", m=10, n=1000)
    run.log_distribution("gn", torch.arange(11.0), step=50, mark=0)
    run.log_distribution("gn", dict.fromkeys(protocol.DISTRIBUTION_FIELDS, 2), step=100)
    run.finish()
    (declared,) = records(tmp_path, kind=protocol.Declare)
    assert (declared.kind, declared.role, declared.lower, declared.m) == ("distribution", "gn_real", 0.0, 10)
    rows = records(tmp_path, kind=dict)
    assert [row["values"]["gn"] for row in rows] == [list(range(11)), [2] * 11]
    assert rows[0]["mark"] == 0


def test_an_exception_that_leaves_the_block_fails_the_run_and_goes_on(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="boom"), monitor.init(id="run"):
        raise RuntimeError("boom")
    (end,) = records(tmp_path, kind=protocol.End)
    assert (end.state, end.message) == ("failed", "RuntimeError: boom")


def test_leaving_on_purpose_is_no_failure(tmp_path: Path) -> None:
    with pytest.raises(SystemExit), monitor.init(id="run"):
        raise SystemExit(0)
    (end,) = records(tmp_path, kind=protocol.End)
    assert end.state == "finished"


def test_what_is_logged_after_the_end_is_ignored_and_told_once(
    tmp_path: Path, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    first = run.finish()
    for step in range(3):
        run.log({"loss": 1.0}, step=step)
        run.log_images("s", np.zeros((1, 2, 2), np.uint8), step=step)
        assert run.mark(step=step) == -1
        assert run.commands() == []
    assert run.finish("failed") == first
    assert len(records(tmp_path)) == 2
    assert sum("takes nothing more" in message for message in warnings_of(caplog)) == 1


def test_threads_may_log_into_one_run(tmp_path: Path, run: Run) -> None:
    def log(thread: int) -> None:
        for step in range(200):
            run.log({f"series/{thread}": float(step)}, step=step)

    threads = [threading.Thread(target=log, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run.finish()
    for n in range(4):
        logged = [row[f"series/{n}"] for row in values(tmp_path) if f"series/{n}" in row]
        assert logged == list(range(200))


def test_names_that_are_always_new_do_not_fill_the_memory(tmp_path: Path, run: Run) -> None:
    for step in range(1500):
        run.log({f"series/{step}": 1.0}, step=step)
    run.finish()
    assert len(values(tmp_path)) == 1500
    assert len(run._numbers._columns) <= 1024


def test_a_directory_that_cannot_be_written_does_not_stop_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a directory should be")
    with monitor.init(id="run", directory=blocked) as run:
        run.log({"loss": 1.0}, step=1)
        run.log_images("s", np.zeros((1, 2, 2), np.uint8), step=1)
        run.mark(step=1)
    # Beside the number and the images, what describes the run and its mark: nothing of it is anywhere.
    assert run.finish() == monitor.Summary(delivered=0, pending=0, dropped=5, rejected=0)
    assert any("cannot be written" in message for message in warnings_of(caplog))
    assert not any("records wait" in message for message in warnings_of(caplog))


def test_spools_lie_where_they_were_asked_to(tmp_path: Path) -> None:
    monitor.init(id="run", rank=3, directory=tmp_path / "there").finish()
    (writer,) = (tmp_path / "there" / "spool" / "run").iterdir()
    assert writer == spool_directory(tmp_path / "there", "run", writer.name)
    assert writer.name.startswith("3-")


def test_what_is_measured_late_is_kept_with_the_attempt_it_judges(tmp_path: Path, run: Run) -> None:
    old = run.mark(step=500)
    kept = run.mark(step=100)
    run.rewind(300)
    new = run.mark(step=400)
    run.log({"q": 0.5}, step=500, mark=old)
    run.log_distribution("gn", range(11), step=500, mark=old)
    run.log_images("samples", np.zeros((1, 2, 2), np.uint8), step=500, mark=old)
    run.log({"q": 0.75}, step=100, mark=kept)
    run.log({"q": 1.0}, step=400, mark=new)
    run.log({"q": 1.25}, step=401, mark=int(new))
    run.finish()
    rows = records(tmp_path, kind=dict)
    assert [(row["attempt"], row["mark"]) for row in rows if "q" in row["values"]] == [
        (0, old),
        (0, kept),
        (1, new),
        (1, new),
    ]
    assert [row["attempt"] for row in rows if "gn" in row["values"]] == [0]
    (spool,) = (tmp_path / "spool" / "run").iterdir()
    (image,) = [entry for entry in read_all(spool) if isinstance(entry.payload, protocol.Image)]
    assert image.attempt == 0


def test_going_back_waits_for_nothing_and_what_lands_later_stays_where_it_was_logged(tmp_path: Path) -> None:
    run, landed = monitor.init(id="run"), threading.Event()
    run._keeper.defer(lambda: None, landed.is_set)
    mark = run.mark(step=1)
    assert run.rewind(0) == 1
    run.log({"a": 1.0}, step=1)
    landed.set()
    run.finish()
    (spool,) = (tmp_path / "spool" / "run").iterdir()
    found = {type(entry.payload).__name__: entry.attempt for entry in read_all(spool)}
    assert found == {"Begin": 0, "Attempt": 1, "Row": 1, "Mark": 0, "End": 1}
    assert mark == 0


def test_a_configuration_may_grow_while_the_run_goes_on(tmp_path: Path, run: Run) -> None:
    run.configure({"seed": np.int64(3), "huge": 2**80})
    run.configure("no mapping")
    assert run.finish().rejected == 1
    (configured,) = records(tmp_path, kind=protocol.Configure)
    assert configured.config == {"seed": 3, "huge": str(2**80)}


def test_a_tensor_on_another_device_than_a_gpu_is_read_beside_the_loop(
    tmp_path: Path, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    run.log({"nowhere": torch.zeros((), device="meta"), "here": 1.0}, step=1)
    assert run.finish().rejected == 1
    assert values(tmp_path) == [{"here": 1.0}]
    assert any("meta device" in message for message in warnings_of(caplog))
