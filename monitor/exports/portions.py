"""For ``monitor.read``: the bytes of the arrays as they are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from monitor import portions
from monitor.store.extract import Extraction


def write_portions(run: str, extraction: Extraction) -> Iterator[bytes]:
    series = [portions.SeriesHead(name=series.name, kind=series.kind) for series in extraction.series]
    index = {wanted: i for i, wanted in enumerate(extraction.series)}
    yield portions.encode_frame(portions.Head(run=run, series=series))
    for part in extraction.portions():
        yield portions.encode_frame(
            portions.Portion(
                series=index[part.series],
                attempt=part.attempt,
                step=np.ascontiguousarray(part.points.steps, "<i8").tobytes(),
                time=np.ascontiguousarray(part.points.times, "<f8").tobytes(),
                values=np.ascontiguousarray(part.points.values, "<f8").tobytes(),
            )
        )
    yield portions.encode_frame(None)
