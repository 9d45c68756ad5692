"""The collapse of the demo, from the training process through PostgreSQL to whoever is to be told of it."""

from __future__ import annotations

import hmac
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.monitor.alerts.receiver import receiver
from tests.monitor.api.running import TOKEN, run_service
from tests.trainer.processes import environment

#: A busy machine takes many times what a quiet one does.
PATIENCE = 1500


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(PATIENCE)
def test_the_collapse_of_a_training_reaches_a_webhook_by_way_of_postgresql(
    tmp_path: Path, postgres_url: str
) -> None:
    with receiver() as hook:
        hook.answers = [503, 200]
        options: dict[str, Any] = {"webhook_url": hook.url, "webhook_secret": "key"}
        options |= {"webhook_allow_private": True, "public_url": "https://gans.example"}
        with run_service(tmp_path / "service", database=postgres_url, **options) as service:
            training = subprocess.Popen(
                [sys.executable, "-m", "trainer", "digits-lsgan", "--device", "cpu"],
                cwd=tmp_path,
                env=environment(tmp_path) | {"GANWATCH_SERVER": f"{service.url}/?token={TOKEN}"},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                assert hook.has_received.wait(PATIENCE)
                hook.has_received.clear()
                assert hook.has_received.wait(60), "what was refused is sent again"
            finally:
                training.kill()
                training.wait()
            with service.client() as client:
                (alert,) = client.get("/api/v1/alerts?rule=turning-point").json()["alerts"]
                (run,) = client.get("/api/v1/runs").json()["runs"]
                image = alert["images"][0]
                shown = client.get(f"/api/v1/runs/{run['id']}/images/{image['digest']}")
    refused, taken, *_ = hook.received
    assert refused[1] == taken[1], "the same to the byte"
    told = json.loads(taken[1])
    signature = hmac.new(b"key", taken[1], "sha256").hexdigest()
    assert taken[0]["Ganwatch-Signature"] == f"sha256={signature}"
    assert told["id"] == taken[0]["Ganwatch-Event-Id"] == refused[0]["Ganwatch-Event-Id"]
    assert (told["type"], told["alert"]["rule"]) == ("alert.firing", "turning-point")
    assert told["link"] == f"https://gans.example/runs/{run['id']}/alerts/{told['alert']['id']}"
    assert told["alert"]["id"] == alert["id"]
    assert {signal["role"] for signal in told["alert"]["signals"]} & {"Q", "D"}
    assert "fell" in told["alert"]["sentence"]
    steps = sorted({image["step"] for image in alert["images"]})
    assert steps[0] < alert["onset_step"] <= alert["detected_step"]
    assert shown.status_code == 200
