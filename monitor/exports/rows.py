"""Points as one long table: a row a point, whichever series it is of.

==========  =========================================================================================
series      its name
attempt     the attempt in which it was logged
step        integer
time        Unix seconds
value       of a scalar; of a distribution nothing
min ... n   of a distribution; of a scalar nothing. Only where a distribution is among the series
==========  =========================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from monitor.protocol import DISTRIBUTION_FIELDS
from monitor.store.extract import Extraction, Portion

COLUMNS = ("series", "attempt", "step", "time", "value")
#: Rows that are made at once: they bound the memory of an export.
ROWS = 2**16


def columns_of(extraction: Extraction) -> tuple[str, ...]:
    has_distributions = any(series.kind == "distribution" for series in extraction.series)
    return (*COLUMNS, *DISTRIBUTION_FIELDS) if has_distributions else COLUMNS


def in_groups(portions: Iterable[Portion]) -> Iterator[list[Portion]]:
    """Portions together that have about ``ROWS`` rows."""
    group: list[Portion] = []
    rows = 0
    for portion in portions:
        group.append(portion)
        rows += len(portion.points)
        if rows >= ROWS:
            yield group
            group, rows = [], 0
    if group:
        yield group
