"""The aims, on the real and synthetic traces that lie beside the test data."""

import importlib.util
import json
import math
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.detection.turning_point import TurningPointDetector

DATA = Path(os.environ.get("GANWATCH_TEST_DATA", "../shared/data")).resolve()
FOLDER = DATA.parent / "turning_points"

Trace = tuple[str, dict[str, Any], dict[str, NDArray[Any]], dict[str, Any]]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no traces in {FOLDER}; set GANWATCH_TEST_DATA"),
]


@pytest.fixture(scope="module")
def scorer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("score", FOLDER / "score.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def traces() -> list[Trace]:
    """As the scorer's own ``load``, which leaves its files open."""
    labels = json.loads((FOLDER / "traces" / "labels.json").read_text(encoding="utf-8"))
    return [_load(name, label) for name, label in sorted(labels.items())]


def _load(name: str, label: dict[str, Any]) -> Trace:
    with np.load(FOLDER / "traces" / f"{name}.npz") as stored:
        arrays = {key: stored[key] for key in stored.files}
    return name, json.loads(str(arrays.pop("meta"))), arrays, label


@pytest.fixture(scope="module")
def scores(scorer: ModuleType, traces: list[Trace]) -> dict[str, dict[str, Any]]:
    real = [trace for trace in traces if trace[1].get("source", "real") == "real"]
    return {
        "all": scorer.score(TurningPointDetector, traces),
        "real": scorer.score(TurningPointDetector, real),
    }


def test_turning_points_are_found_within_twenty_records(scores: dict[str, dict[str, Any]]) -> None:
    assert scores["all"]["det@20"] >= 0.98
    assert scores["real"]["det@20"] >= 0.93


def test_they_are_found_soon(scores: dict[str, dict[str, Any]]) -> None:
    assert scores["all"]["med"] <= 2
    assert scores["real"]["med"] <= 2


def test_false_alarms_are_rare(scores: dict[str, dict[str, Any]]) -> None:
    assert scores["all"]["FA/1000"] <= 0.05
    assert scores["real"]["FA/1000"] <= 0.15
    assert scores["all"]["tr_tr"] == 0


def test_an_episode_is_one_alert(scores: dict[str, dict[str, Any]]) -> None:
    assert scores["all"]["re-raise"] <= 0.02


def test_the_signals_named_are_those_that_moved(scores: dict[str, dict[str, Any]]) -> None:
    assert scores["all"]["attrP"] >= 0.97
    assert scores["all"]["attrR"] >= 0.92
    assert scores["real"]["attrP"] >= 0.92


def test_a_restart_at_every_record_of_a_real_trace_changes_nothing(
    scorer: ModuleType, traces: list[Trace]
) -> None:
    trace = next(t for t in traces if t[0] == "r2_b22_grid25_nsgan_dragan_02")
    meta = {"m": trace[1]["m"], "ln_m": math.log(trace[1]["m"]), "n_eval": trace[1]["n_eval"]}
    steady, restarted = TurningPointDetector(meta), TurningPointDetector(meta)
    for record in scorer.records(trace[2]):
        assert restarted.update(record) == steady.update(record)
        restarted = TurningPointDetector.from_state(restarted.state(), meta)
