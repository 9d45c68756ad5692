"""How a process ends, multiplies or is killed, and what is left of its runs: in processes of their own."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from monitor import protocol
from tests.monitor.client.test_run import records, values

ROOT = Path(__file__).parents[3]


def python(code: str, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=check,
        cwd=ROOT,
        timeout=60,
    )


def test_importing_monitor_loads_the_face_alone() -> None:
    done = python(
        "import sys; before = set(sys.modules); import monitor; print(*(set(sys.modules) - before))"
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert loaded <= {"monitor", *sys.stdlib_module_names}


def test_a_run_needs_neither_the_service_nor_torch(tmp_path: Path) -> None:
    done = python(
        "import sys, monitor\n"
        "run = monitor.init(server='http://127.0.0.1:9')\n"
        "run.log({'loss': 1.0}, step=1)\n"
        "run.finish(timeout=0.5)\n"
        "print(*{name.split('.')[0] for name in sys.modules})\n"
    )
    loaded = set(done.stdout.split())
    assert {"httpx", "msgspec", "numpy"} <= loaded
    assert not loaded & {"torch", "fastapi", "sqlalchemy", "pydantic", "uvicorn", "PIL"}


@pytest.mark.parametrize(
    ("ending", "state", "message"),
    [
        ("pass", "finished", ""),
        ("raise RuntimeError('boom')", "failed", "RuntimeError: boom"),
        ("raise KeyboardInterrupt", "failed", "KeyboardInterrupt"),
        ("sys.exit(0)", "finished", ""),
        ("del run", "finished", ""),
    ],
)
def test_a_run_that_nobody_finishes_ends_with_its_process(
    tmp_path: Path, ending: str, state: str, message: str
) -> None:
    done = python(
        f"import sys, monitor\nrun = monitor.init(id='run')\nrun.log({{'loss': 1.0}}, step=1)\n{ending}\n",
        check=False,
    )
    (end,) = records(tmp_path, kind=protocol.End)
    assert (end.state, end.message) == (state, message)
    # What the interpreter says of an exception is said all the same.
    assert (message.split(":", maxsplit=1)[0] in done.stderr) is True
    assert (done.returncode == 0) is (state == "finished")


def test_the_hook_for_exceptions_that_was_there_is_still_called(tmp_path: Path) -> None:
    done = python(
        "import sys, monitor\n"
        "sys.excepthook = lambda *_: print('mine')\n"
        "monitor.init(id='run')\n"
        "raise RuntimeError('boom')\n",
        check=False,
    )
    assert done.stdout == "mine\n"


FORK = """
import os, sys, warnings, logging
import monitor
logging.basicConfig(stream=sys.stdout, format="%(message)s")
warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads is what is tried here
run = monitor.init(id="run", server=sys.argv[1] or None)
run.log({"parent": 0.0}, step=0)
for child in range(4):
    pid = os.fork()
    if pid == 0:
        for step in range(100):
            run.log({"child": 1.0}, step=step)
        run.mark(step=1)
        run.rewind(1)
        assert run.commands() == []
        run.finish()
        monitor.init(id=f"child-{child}", server="").log({"own": 1.0}, step=1)
        sys.exit(0)
    run.log({"parent": 1.0 + child}, step=1 + child)
    assert os.waitpid(pid, 0)[1] == 0
run.log({"parent": 9.0}, step=9)
run.finish(timeout=0.2)
"""


@pytest.mark.parametrize("server", ["", "http://127.0.0.1:9"])
def test_a_forked_child_leaves_the_run_to_its_parent_and_may_begin_its_own(
    tmp_path: Path, server: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORK, server], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
    )
    assert values(tmp_path) == [{"parent": value} for value in (0.0, 1.0, 2.0, 3.0, 4.0, 9.0)]
    assert done.stdout.count("takes nothing more") == 4
    for child in range(4):
        _, row, end = records(tmp_path, f"child-{child}")
        assert row["values"] == {"own": 1.0}
        assert end.state == "finished"


KILLED = """
import os, signal, sys
import monitor
run = monitor.init(id="run")
out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
step = 0
while True:
    run.log({"a": step + 0.5, "b": -step}, step=step)
    os.write(out, b"%d\\n" % step)
    step += 1
"""


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_process_loses_nothing_that_log_returned_for(tmp_path: Path, seed: int) -> None:
    returned = tmp_path / "returned"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(returned)], cwd=ROOT)
    enough = random.Random(seed).randrange(2_000, 20_000)
    while not returned.exists() or returned.stat().st_size < enough:
        assert process.poll() is None
        os.sched_yield()
    process.send_signal(signal.SIGKILL)
    process.wait()
    last = int(returned.read_bytes().rpartition(b"\n")[0].rpartition(b"\n")[2])
    logged = values(tmp_path)
    # The one call that had not returned yet may be there or not, and nothing else is in doubt.
    assert len(logged) - 1 in (last, last + 1)
    assert logged == [{"a": step + 0.5, "b": -step} for step in range(len(logged))]
