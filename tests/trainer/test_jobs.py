"""What a worker makes of answers that are not its service's."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import msgspec
import pytest

from monitor.client.transport import Unreachable
from trainer.jobs import Queue, QueueError, queue_address
from trainer.worker import Slot

JOB: dict[str, Any] = {
    "id": "0" * 16,
    "run": "digits-gn-0123456789abcdef",
    "recipe": "digits-gn",
    "overrides": {},
    "project": "p",
    "name": "",
    "lease": "0" * 32,
    "lease_seconds": 60.0,
    "state": "running",
}


@contextmanager
def answering(body: bytes, status: int = 200) -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def claimed(body: bytes) -> Any:
    with answering(body) as url, closing(Queue(queue_address(url))) as queue:
        return queue.claim("w")


def test_a_job_is_read_as_it_was_queued() -> None:
    job = claimed(msgspec.json.encode(JOB))
    assert (job.run, job.attempt) == (JOB["run"], None)


def test_the_page_of_a_proxy_is_taken_for_no_answer() -> None:
    with pytest.raises(Unreachable, match="not the service"):
        claimed(b"<html>Log in</html>")


@pytest.mark.parametrize("run", ["../../elsewhere", "/etc", "a/b", "..", ""])
def test_no_job_names_a_folder_outside_the_trainings(run: str) -> None:
    with pytest.raises(QueueError, match="another version"):
        claimed(msgspec.json.encode(JOB | {"run": run}))


def test_a_worker_that_can_take_no_more_jobs_says_why() -> None:
    with answering(b"{}") as url:
        slot = Slot(queue_address(url), "cpu", quiet=True)
        slot.work()
    assert isinstance(slot.failure, QueueError)


def test_a_worker_is_not_held_up_by_a_signal_in_the_midst_of_another() -> None:
    slot = Slot(queue_address("http://127.0.0.1:1"), "cpu", quiet=True)
    slot.stop("stopped by SIGUSR1")
    with slot._woken._cond:  # type: ignore[attr-defined]  # where the first signal's handler was interrupted
        second = threading.Thread(target=slot.stop, args=("stopped by SIGTERM",), daemon=True)
        second.start()
        second.join(30)
        assert not second.is_alive()
    assert slot.stopping == "stopped by SIGUSR1"
