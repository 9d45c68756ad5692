"""Points as an Arrow stream or a Parquet file. pyarrow is loaded by the first export: it takes 50 MB."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.exports.rows import COLUMNS, columns_of, in_groups
from monitor.protocol import DISTRIBUTION_FIELDS
from monitor.store.extract import Extraction, Portion

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped]


class _Writer(Protocol):
    def write_batch(self, batch: Any) -> None: ...

    def close(self) -> None: ...


class _Pipe(io.RawIOBase):
    """A file that is read while it is written: it keeps only what nobody has taken yet."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, part: Any) -> int:
        copy = bytes(part)
        self._parts.append(copy)
        self._written += len(copy)
        return len(copy)

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def write_arrow(extraction: Extraction) -> Iterator[bytes]:
    """An IPC stream of record batches; ``series`` is dictionary-encoded."""
    import pyarrow as pa  # noqa: PLC0415

    pipe, schema = _Pipe(), _schema(extraction)
    return _write(extraction, pipe, schema, pa.ipc.new_stream(pipe, schema))


def write_parquet(extraction: Extraction) -> Iterator[bytes]:
    """Row groups of about 65 536 rows, compressed with Zstandard."""
    from pyarrow import parquet  # noqa: PLC0415

    pipe, schema = _Pipe(), _schema(extraction)
    floats = [column for column in columns_of(extraction) if column not in {"series", "attempt", "step"}]
    writer = parquet.ParquetWriter(
        pipe,
        schema,
        compression="zstd",
        use_dictionary=["series", "attempt"],
        column_encoding={"step": "DELTA_BINARY_PACKED"} | dict.fromkeys(floats, "BYTE_STREAM_SPLIT"),
    )
    return _write(extraction, pipe, schema, writer)


def _write(extraction: Extraction, pipe: _Pipe, schema: pyarrow.Schema, writer: _Writer) -> Iterator[bytes]:
    import pyarrow as pa  # noqa: PLC0415

    names = pa.array([series.name for series in extraction.series], pa.string())
    index = {series: i for i, series in enumerate(extraction.series)}
    for group in in_groups(extraction.portions()):
        columns = _columns(group, [index[portion.series] for portion in group])
        series = pa.DictionaryArray.from_arrays(pa.array(columns["series"], pa.int32()), names)
        arrays = [series, *(_array(columns[name], schema.field(name).type) for name in schema.names[1:])]
        writer.write_batch(pa.record_batch(arrays, schema=schema))
        yield pipe.take()
    writer.close()
    yield pipe.take()


def _schema(extraction: Extraction) -> pyarrow.Schema:
    import pyarrow as pa  # noqa: PLC0415

    types = {"series": pa.dictionary(pa.int32(), pa.string()), "attempt": pa.int64(), "step": pa.int64()}
    return pa.schema([(name, types.get(name, pa.float64())) for name in columns_of(extraction)])


def _array(column: Any, kind: Any) -> Any:
    """Masked is null: a NaN is a value."""
    import pyarrow as pa  # noqa: PLC0415

    values, missing = column if isinstance(column, tuple) else (column, None)
    return pa.array(values, kind, mask=missing)


def _columns(group: list[Portion], indices: list[int]) -> dict[str, Any]:
    lengths = [len(portion.points) for portion in group]
    is_scalar = np.repeat([portion.series.kind == "scalar" for portion in group], lengths)
    columns: dict[str, Any] = {
        "series": np.repeat(np.array(indices, np.int32), lengths),
        "attempt": np.repeat(np.array([portion.attempt for portion in group], np.int64), lengths),
        "step": np.concatenate([portion.points.steps for portion in group]),
        "time": np.concatenate([portion.points.times for portion in group]),
    }
    columns[COLUMNS[-1]] = (_field(group, "scalar", 0), ~is_scalar)
    for i, name in enumerate(DISTRIBUTION_FIELDS):
        columns[name] = (_field(group, "distribution", i), is_scalar)
    return columns


def _field(group: list[Portion], kind: str, i: int) -> NDArray[np.float64]:
    return np.concatenate(
        [
            portion.points.values[:, i] if portion.series.kind == kind else np.zeros(len(portion.points))
            for portion in group
        ]
    )
