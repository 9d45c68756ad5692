from __future__ import annotations

import math
import zlib
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor import protocol
from monitor.protocol import Batch, Points, batch_decoder_json, batch_decoder_msgpack, msgpack_encoder

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
step = st.integers(-(2**63), 2**63 - 1)
number = st.floats(allow_nan=False, allow_infinity=False)
sequence = st.integers(1, 2**53)
maybe = st.none()

single = st.one_of(
    st.builds(
        protocol.Begin,
        sequence=sequence,
        time=number,
        project=text,
        name=text,
        config=st.dictionaries(text, st.one_of(text, st.integers(-(2**53), 2**53), st.booleans(), maybe)),
        tags=st.lists(text),
        commands=st.lists(st.sampled_from(["stop", "rollback", "change"])),
        rank=st.integers(0, 1000),
        resume=st.booleans(),
    ),
    st.builds(
        protocol.Attempt,
        sequence=sequence,
        time=number,
        number=st.integers(1, 9),
        parent=st.integers(0, 9),
        from_step=step,
        reason=text,
    ),
    st.builds(
        protocol.Declare,
        sequence=sequence,
        name=text,
        kind=st.sampled_from(["scalar", "distribution"]),
        unit=text,
        direction=st.sampled_from(["higher", "lower", "none"]),
        lower=maybe | number,
        role=maybe | text,
        m=maybe | st.integers(1, 9),
    ),
    st.builds(
        protocol.Mark,
        sequence=sequence,
        time=number,
        index=st.integers(0, 9),
        step=step,
        epoch=maybe | number,
        expects=st.lists(text),
    ),
    st.builds(
        protocol.Image,
        sequence=sequence,
        time=number,
        name=text,
        step=step,
        digest=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
        scores=st.lists(number),
    ),
    st.builds(
        protocol.End,
        sequence=sequence,
        time=number,
        state=st.sampled_from(["finished", "failed"]),
        message=text,
    ),
    st.builds(
        protocol.Acknowledgement,
        sequence=sequence,
        time=number,
        command=text,
        outcome=st.sampled_from(["done", "failed", "ignored"]),
    ),
    st.builds(protocol.Gap, sequence=sequence, last=sequence, time=number, reason=text),
)


def batch(*records: Any, **fields: Any) -> Batch:
    return Batch(**{"writer": "0-w", "first": 1, "last": 1, "records": list(records), **fields})


@given(st.lists(single, max_size=5))
def test_a_batch_says_the_same_in_either_format(records: list[Any]) -> None:
    said = batch(*records)
    assert batch_decoder_msgpack.decode(msgpack_encoder.encode(said)) == said
    assert batch_decoder_json.decode(msgspec.json.encode(said)) == said


@given(st.lists(st.floats()))
def test_columns_keep_every_bit(values: list[float]) -> None:
    column = protocol.encode_floats(values)
    points = Points(
        names=["a"],
        sequence=protocol.encode_integers(range(1, len(values) + 1)),
        step=protocol.encode_integers([-(2**63)] * len(values)),
        time=column,
        values=[column],
    )
    (read,) = batch_decoder_msgpack.decode(msgpack_encoder.encode(batch(points))).records
    assert isinstance(read, Points)
    assert isinstance(read.values[0], bytes)
    back = np.frombuffer(read.values[0], "<f8").tolist()
    assert all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(back, values, strict=True))
    assert read.step == b"\x00\x00\x00\x00\x00\x00\x00\x80" * len(values)


def test_people_may_write_columns_as_lists_with_words_for_what_json_lacks() -> None:
    body = b"""{"writer": "0-w", "first": 1, "last": 3, "records": [
        {"type": "points", "names": ["a"], "sequence": [1, 2, 3], "step": [1, 2, 3], "time": [1, 2, 3.5],
         "values": [[1.5, "NaN", "-Infinity"]]}]}"""
    (points,) = batch_decoder_json.decode(body).records
    assert isinstance(points, Points)
    assert points.values == [[1.5, "NaN", "-Infinity"]]
    assert (points.width, points.mark) == (1, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"surprise": 1},
        {"writer": ""},
        {"writer": "../up"},
        {"writer": "w" * 65},
        {"first": 0},
        {"first": 2**53 + 1},
        {"first": 1.5},
        {"attempt": -1},
        {"records": [{"type": "unheard of"}]},
        {"records": [{"type": "end", "sequence": 1, "time": 1.0, "state": "tired"}]},
        {"records": [{"type": "end", "sequence": 1, "time": 1.0, "state": "failed", "surprise": 1}]},
        {"records": [{"type": "gap", "sequence": 0, "last": 1, "time": 1.0, "reason": ""}]},
        {"records": [{"type": "mark", "sequence": 1, "time": 1.0, "index": -1, "step": 1}]},
        {
            "records": [
                {"type": "image", "sequence": 1, "time": 1, "name": "", "step": 1, "digest": "../../up"}
            ]
        },
    ],
)
def test_what_the_protocol_does_not_say_is_refused(wrong: dict[str, Any]) -> None:
    body = {"writer": "0-w", "first": 1, "last": 1} | wrong
    with pytest.raises(msgspec.ValidationError):
        batch_decoder_json.decode(msgspec.json.encode(body))
    with pytest.raises(msgspec.ValidationError):
        batch_decoder_msgpack.decode(msgspec.msgpack.encode(body))


def test_every_record_names_its_kind_and_the_kinds_are_all_there() -> None:
    kinds = {kind.__struct_config__.tag for kind in protocol.Record.__args__}
    assert kinds == {
        *(
            "begin",
            "configure",
            "attempt",
            "declare",
            "points",
            "mark",
            "image",
            "end",
            "acknowledgement",
            "gap",
        ),
    }


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1), st.data())
def test_the_chain_does_not_depend_on_how_records_are_cut_into_batches(
    checksums: list[int], choice: st.DataObject
) -> None:
    cut = choice.draw(st.integers(0, len(checksums)))
    parts = [
        b"".join(crc.to_bytes(4, "little") for crc in part) for part in (checksums[:cut], checksums[cut:])
    ]
    assert zlib.crc32(parts[1], zlib.crc32(parts[0], 0)) == zlib.crc32(b"".join(parts), 0)


def test_a_distribution_has_its_eleven_fields_in_a_fixed_order() -> None:
    assert (
        *("min", "p1", "p5", "p25", "p50", "p75", "p95", "p99", "max", "mean", "n"),
    ) == protocol.DISTRIBUTION_FIELDS
