"""Reading a run back: every point as NumPy arrays, or as a pandas frame.

    import monitor

    points = monitor.read("20260501-101500-a1b2c3", "loss/*", "quality/digits")
    points["loss/g"].step, points["loss/g"].value
    points.frame()

Needs what the client needs; pandas only for ``frame``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor import portions
from monitor.client.address import server_address
from monitor.client.transport import CONNECT_TIMEOUT, REPLY_TIMEOUT
from monitor.protocol import DISTRIBUTION_FIELDS

if TYPE_CHECKING:
    import httpx
    import pandas as pd  # type: ignore[import-untyped]


class ReadError(Exception):
    """The service could not be asked, or said no; the message says why."""


@dataclass(frozen=True)
class Curve:
    """The points of one series, ascending by step; of equal steps the later logged is later."""

    #: "scalar" or "distribution".
    kind: str
    #: int64 [n]
    step: NDArray[np.int64]
    #: Unix seconds, float64 [n]
    time: NDArray[np.float64]
    #: float64 [n]; of a distribution [n, 11], the columns as ``protocol.DISTRIBUTION_FIELDS`` names them.
    value: NDArray[np.float64]
    #: The attempt in which each point was logged, int64 [n].
    attempt: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.step)


class Curves(Mapping[str, Curve]):
    """What was read of a run, by the names of the series."""

    def __init__(self, run: str, curves: dict[str, Curve]) -> None:
        self.run = run
        self._curves = curves

    def __getitem__(self, name: str) -> Curve:
        return self._curves[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._curves)

    def __len__(self) -> int:
        return len(self._curves)

    def __repr__(self) -> str:
        return f"<{len(self)} series of run {self.run}, {sum(map(len, self.values()))} points>"

    def frame(self) -> pd.DataFrame:
        """One long frame: series, attempt, step, time (UTC), value, and min ... n of distributions.

        ``frame.pivot_table(index="step", columns="series", values="value", aggfunc="last")`` makes it wide.
        """
        import pandas as pd  # noqa: PLC0415

        curves = list(self._curves.values())
        lengths = [len(curve) for curve in curves]
        codes = np.repeat(np.arange(len(curves)), lengths)
        columns: dict[str, Any] = {
            "series": pd.Categorical.from_codes(codes, list(self._curves)),
            "attempt": _join([curve.attempt for curve in curves], np.int64),
            "step": _join([curve.step for curve in curves], np.int64),
            "time": pd.to_datetime(_join([curve.time for curve in curves], np.float64), unit="s", utc=True),
            "value": _join([_column(curve, "scalar", 0) for curve in curves], np.float64),
        }
        if any(curve.kind == "distribution" for curve in curves):
            columns |= {
                field: _join([_column(curve, "distribution", i) for curve in curves], np.float64)
                for i, field in enumerate(DISTRIBUTION_FIELDS)
            }
        return pd.DataFrame(columns)


def read(
    run: str,
    *series: str,
    first: float | None = None,
    last: float | None = None,
    axis: Literal["step", "epoch", "time"] = "step",
    attempt: int | None = None,
    server: str | None = None,
    token: str | None = None,
) -> Curves:
    """Every point of the series of a run, exactly as logged. Raises :class:`ReadError`.

    ``series`` are names, or patterns with ``*`` and ``?``; without any, all are read. ``first`` and ``last``
    bound the view on ``axis`` and belong to it. What is read is the lineage of ``attempt``, by default the
    newest. ``server`` and ``token`` default to ``GANWATCH_SERVER`` and ``GANWATCH_TOKEN``.
    """
    if first is not None and last is not None and first > last:
        raise ReadError(f"first = {first} lies behind last = {last}: nothing is between them")
    asked: dict[str, Any] = {
        "format": "portions",
        "name": [name for name in series if not _is_pattern(name)],
        "match": [name for name in series if _is_pattern(name)],
        "from": first,
        "to": last,
        "axis": axis,
        "attempt": attempt,
    }
    given = {key: value for key, value in asked.items() if value is not None}
    return _collect(portions.decode_frames(_stream(run, given, server, token)), run)


def _is_pattern(name: str) -> bool:
    return "*" in name or "?" in name


def _stream(run: str, asked: dict[str, Any], server: str | None, token: str | None) -> Iterator[bytes]:
    import httpx  # noqa: PLC0415 - it takes longer to load than all the rest

    address = server_address(server, token)
    if address is None:
        raise ReadError("read from where? give the service's link as server, or set GANWATCH_SERVER")
    page = f"{address.base}/api/v1/runs/{quote(run, safe='')}/export"
    headers = {"Authorization": f"Bearer {address.token}"} if address.token else {}
    timeout = httpx.Timeout(REPLY_TIMEOUT, connect=CONNECT_TIMEOUT)
    try:
        with (
            httpx.Client(headers=headers, timeout=timeout, trust_env=not address.is_loopback) as client,
            client.stream("GET", page, params=asked) as answer,
        ):
            if answer.status_code != 200:
                raise ReadError(_refusal(answer))
            yield from answer.iter_bytes()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ReadError(f"{address.base} cannot be read: {error or type(error).__name__}") from error


def _refusal(answer: httpx.Response) -> str:
    try:
        detail = msgspec.json.decode(answer.read())["detail"]
    except (msgspec.DecodeError, KeyError, TypeError):
        detail = ""
    return str(detail) or f"the service answered {answer.status_code}"


def _collect(frames: Iterator[portions.Frame], run: str) -> Curves:
    try:
        head = next(frames)
        if not isinstance(head, portions.Head) or head.version != portions.VERSION:
            raise ReadError("the service speaks another version; install the same ganwatch here as there")
        parts: list[list[portions.Portion]] = [[] for _ in head.series]
        for frame in frames:
            assert isinstance(frame, portions.Portion)
            parts[frame.series].append(frame)
    except (ValueError, StopIteration, msgspec.DecodeError) as error:
        raise ReadError(f"the answer about run {run} is not whole: {error}") from error
    return Curves(
        run, {one.name: _curve(one.kind, some) for one, some in zip(head.series, parts, strict=True)}
    )


def _curve(kind: str, parts: list[portions.Portion]) -> Curve:
    step = np.frombuffer(b"".join(part.step for part in parts), "<i8")
    time = np.frombuffer(b"".join(part.time for part in parts), "<f8")
    value: NDArray[np.float64] = np.frombuffer(b"".join(part.values for part in parts), "<f8")
    attempt = np.repeat(
        np.array([part.attempt for part in parts], np.int64), [len(part.step) // 8 for part in parts]
    )
    if kind == "distribution":
        value = value.reshape(-1, len(DISTRIBUTION_FIELDS))
    order = np.argsort(step, kind="stable")
    return Curve(kind, step[order], time[order], value[order], attempt[order])


def _column(curve: Curve, kind: str, i: int) -> NDArray[np.float64]:
    if curve.kind != kind:
        return np.full(len(curve), np.nan)
    return curve.value if kind == "scalar" else curve.value[:, i]


def _join(parts: list[Any], kind: type[np.number[Any]]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, kind)
