from __future__ import annotations

from pathlib import Path

import httpx

from monitor.api.metrics import Metrics
from monitor.protocol import End, Mark
from monitor.store.census import Census
from tests.monitor.api.batches import a_run, batch, points, send
from tests.monitor.api.exposition import Family, parse
from tests.monitor.api.running import run_service


def scrape(client: httpx.Client) -> dict[str, Family]:
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return parse(answer.text)


def value(families: dict[str, Family], name: str, **labels: str) -> float:
    return families[f"ganwatch_{name}"].samples[f"ganwatch_{name}", tuple(labels.items())]


def test_what_the_service_takes_in_refuses_and_holds_back_is_counted(
    database_url: str, tmp_path: Path
) -> None:
    with run_service(tmp_path / "data", database=database_url) as service, service.client() as client:
        a_run(client, "counted", values=[1.0, 2.0, 3.0])
        marked = points(6, [4.0, 5.0], step=4)
        marked.values = [[4.0, "a word"]]
        assert send(client, "counted", batch([marked], first=6, dropped=7)).status_code == 200
        assert send(client, "counted", batch([points(99, [1.0])], first=99)).status_code == 409
        for index in range(3):
            mark = Mark(sequence=8 + index, time=0.0, index=index, step=5, expects=["Q"])
            assert send(client, "counted", batch([mark], first=8 + index)).status_code == 200
        found = scrape(client)
        assert value(found, "ingest_batches_total") == 5
        assert value(found, "ingest_points_total") == 5
        assert value(found, "ingest_rejected_total") == 1
        assert value(found, "ingest_refused_total", reason="gap") == 1
        assert found["ganwatch_ingest_seconds"].samples["ganwatch_ingest_seconds_count", ()] == 5
        assert value(found, "runs", state="running") == 1
        assert value(found, "dropped_records") == 7
        assert value(found, "tail_batches") == 2
        assert 1 <= value(found, "detector_lag_marks") <= 3
        assert value(found, "outbox_pending") == 0
        assert value(found, "event_streams") == 0
        assert value(found, "database_bytes") > 10_000
        assert value(found, "resident_memory_bytes") > 10_000_000
        send(client, "counted", batch([End(sequence=11, time=2.0, state="finished")], first=11))
        assert value(scrape(client), "detector_lag_marks") == 0


def test_every_family_says_what_it_is(tmp_path: Path) -> None:
    text = Metrics().text(Census({}, 0, 0, 0, 0, 0), judging=0, streams=0)
    families = parse(text)
    assert len(families) > 10
    assert all(family.help.endswith(".") for family in families.values())


def test_a_label_may_hold_anything() -> None:
    metrics = Metrics()
    for reason in ('a"b', "a\\b", "a\nb"):
        metrics.count_refusal(reason)
    refused = parse(metrics.text(Census({}, 0, 0, 0, 0, 0), judging=0, streams=0))[
        "ganwatch_ingest_refused_total"
    ]
    assert len(refused.samples) == 3
