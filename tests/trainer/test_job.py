import subprocess
import sys

import msgspec

from trainer.job import Order


def test_a_job_leaves_quietly_while_its_worker_still_holds_the_line() -> None:
    order = Order("no-such-recipe", {}, "r", None, (), "p", "", (), "http://127.0.0.1:9", "cpu", quiet=True)
    with subprocess.Popen(
        [sys.executable, "-m", "trainer.job"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        process.stdin.flush()
        ending = msgspec.json.decode(process.stdout.read())
        assert ending["failed"].startswith("there is no recipe 'no-such-recipe'")
        assert process.stderr.read() == b""
        assert process.wait() == 0
