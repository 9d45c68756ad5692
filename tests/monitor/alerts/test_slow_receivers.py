"""Who is slow to hear holds up nobody: neither another channel nor a training."""

from __future__ import annotations

import json
import shlex
import sys
import threading
import time
from pathlib import Path

from tests.monitor.alerts.receiver import dripping
from tests.monitor.api.batches import send
from tests.monitor.api.running import run_service
from tests.monitor.store.writing import Voice

KEEP = "import os, sys; p = sys.argv[1]; open(p + '~', 'w').write(sys.stdin.read()); os.replace(p + '~', p)"


def test_a_receiver_that_never_ends_its_answer_holds_up_neither_ingest_nor_another_channel(
    tmp_path: Path,
) -> None:
    told = tmp_path / "told"
    command = shlex.join([sys.executable, "-c", KEEP, str(told)])
    with (
        dripping(threading.Event()) as port,
        run_service(
            tmp_path / "service",
            webhook_url=f"http://127.0.0.1:{port}/",
            webhook_allow_private=True,
            alert_command=command,
        ) as service,
        service.client() as client,
    ):
        voice = Voice(run="r").begin().log({"a": [1.0]}, [1])
        client.put("/api/v1/rules/high", json={"definition": {"series": "a", "above": 5}})
        assert send(client, "r", voice.batch()).status_code == 200
        voice.log({"a": [9.0]}, [2], marks=[0])
        assert send(client, "r", voice.batch()).status_code == 200
        deadline = time.monotonic() + 60
        while not told.exists():
            assert time.monotonic() < deadline
            voice.log({"a": [9.0]}, [voice.next])
            assert send(client, "r", voice.batch()).status_code == 200
            time.sleep(0.02)  # a training logs now and then; nothing tells it when alerts are told
    assert json.loads(told.read_text())["alert"]["rule"] == "high"
