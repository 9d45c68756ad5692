from __future__ import annotations

import hashlib
import io
from pathlib import Path

from PIL import Image

from monitor.protocol import End
from tests.monitor.api.batches import a_run, batch, points, send
from tests.monitor.api.running import run_service
from tests.monitor.api.test_live import listening


def test_a_run_goes_the_whole_way_on_either_database(database_url: str, tmp_path: Path) -> None:
    with (
        run_service(tmp_path / "data", database=database_url) as service,
        service.client() as client,
        service.client() as page,
        listening(page) as heard,
    ):
        a_run(
            client,
            "whole",
            values=[1.0, float("nan"), 3.0],
            name="a\0b \ud800?".encode("utf-8", "replace").decode(),
        )
        assert next(heard)["data"]["run"] == "whole"
        body = io.BytesIO()
        Image.new("L", (4, 4)).save(body, "PNG")
        digest = hashlib.sha256(body.getvalue()).hexdigest()
        address = f"/api/v1/runs/whole/images/{digest}"
        assert client.put(address, content=body.getvalue()).status_code == 201
        assert client.get(address).headers["content-type"] == "image/png"
        late = send(
            client,
            "whole",
            batch([points(6, [4.0], step=9), End(sequence=7, time=2.0, state="finished")], first=6),
        )
        assert late.status_code == 200
        assert client.patch("/api/v1/runs/whole", json={"notes": "kept"}).status_code == 200
        assert client.get("/readyz").json() == {"status": "ready"}
        assert 'ganwatch_runs{state="finished"} 1' in client.get("/metrics").text
    with run_service(tmp_path / "data", database=database_url) as service, service.client() as client:
        run = client.get("/api/v1/runs/whole").json()
        assert (run["state"], run["notes"]) == ("finished", "kept")
        columns = client.get("/api/v1/runs/whole/points?name=loss/g").json()["series"]["loss/g"]
        assert columns["last"] == [1.0, "NaN", 3.0, 4.0]
        assert client.get(address).status_code == 200
