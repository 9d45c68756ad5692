"""The processes that are killed: a training that logs, and a service that takes in."""

from __future__ import annotations

import itertools
import os
import threading
from pathlib import Path

import monitor
from monitor.app import create_app
from monitor.server import Server, listen
from monitor.settings import Settings

TOKEN = "a-token-that-only-the-tests-know"
RUN = "torture"
#: Between two calls of `log`: enough of them for every moment, few enough to compare them all.
PAUSE = 0.001


def settings_of(directory: Path, database: str, port: int) -> Settings:
    return Settings(data_dir=directory, database=database, port=port, token=TOKEN)


def serve(directory: Path, database: str, port: int) -> None:
    settings = settings_of(directory, database, port)
    app = create_app(settings)
    app.state.service.database.migrate()
    with listen(settings) as listener:
        Server(app, settings).run(sockets=[listener])


def train(link: str, directory: Path, returned: Path, first: int, last: int | None) -> None:
    """Log step after step, and note each whose `log` returned; finish after the last, if there is one."""
    run = monitor.init(id=RUN, resume=True, server=link, token=TOKEN, directory=directory)
    out = os.open(returned, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    pause = threading.Event()
    for step in itertools.count(first) if last is None else range(first, last):
        run.log(values_at(step), step=step)
        os.write(out, step.to_bytes(8, "little"))
        pause.wait(PAUSE)
    run.finish(timeout=60)


def values_at(step: int) -> dict[str, float]:
    """Of two kinds of call, as loops make them."""
    return {"loss/d": step / 8, "loss/g": -float(step)} if step % 3 else {"angle": step / 4}
