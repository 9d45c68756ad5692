from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from monitor.client.values import Rejected, to_fields, to_float, to_index, to_name
from monitor.protocol import DISTRIBUTION_FIELDS


@given(st.floats())
def test_every_float_is_kept_to_the_bit(value: float) -> None:
    for form in (value, np.float64(value), np.array(value), torch.tensor(value, dtype=torch.float64)):
        kept = to_float(form)
        assert type(kept) is float
        assert kept == value or (math.isnan(kept) and math.isnan(value))
        assert math.copysign(1, kept) == math.copysign(1, value)


@given(st.integers())
def test_an_integer_is_kept_exactly_or_refused(value: int) -> None:
    try:
        kept = to_float(value)
    except Rejected:
        assert abs(value) > 2**53
    else:
        assert int(kept) == value


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (True, 1.0),
        (np.bool_(False), 0.0),
        (np.int32(-7), -7.0),
        (np.uint64(2**60), 2.0**60),
        (np.float16(0.5), 0.5),
        (np.array(3), 3.0),
        (torch.tensor(2.5), 2.5),
        (torch.tensor(2, dtype=torch.int64), 2.0),
        (torch.tensor(1.5, dtype=torch.bfloat16), 1.5),
        (torch.tensor(0.25, requires_grad=True), 0.25),
        (torch.tensor(True), 1.0),
        (2**53, 2.0**53),
    ],
)
def test_numbers_of_every_make_are_numbers(value: Any, kept: float) -> None:
    assert to_float(value) == kept


@pytest.mark.parametrize(
    "value",
    [
        "1.0",
        b"1",
        None,
        1j,
        np.complex64(1),
        [1.0],
        np.zeros(1),
        np.zeros((2, 2)),
        torch.zeros(1),
        torch.tensor(1j),
        np.array("text"),
        np.datetime64("2024-01-01"),
        np.uint64(2**53 + 1),
        torch.tensor(2**53 + 1),
        10**400,
        Decimal(1),
        Fraction(1, 2),
        {},
        object(),
    ],
)
def test_what_is_no_number_is_refused_with_a_reason(value: Any) -> None:
    with pytest.raises(Rejected, match=r"is|has|holds"):
        to_float(value)


@pytest.mark.parametrize("value", [1.0, "1", None, 2**63, -(2**63) - 1])
def test_what_is_no_step_is_refused(value: Any) -> None:
    with pytest.raises(Rejected, match="step"):
        to_index(value, "step")


def test_steps_come_in_every_integer_type() -> None:
    assert [to_index(step, "step") for step in (np.int32(4), True, 2**63 - 1)] == [4, 1, 2**63 - 1]


@pytest.mark.parametrize("name", ["", 3, None, "\ud800"])
def test_what_is_no_name_is_refused(name: Any) -> None:
    with pytest.raises(Rejected):
        to_name(name)


def test_a_distribution_is_eleven_numbers_by_place_or_by_name() -> None:
    numbers = list(range(11))
    by_name = dict(zip(DISTRIBUTION_FIELDS, numbers, strict=True))
    assert to_fields(numbers) == by_name
    assert to_fields(dict(reversed(by_name.items()))) == by_name
    assert list(to_fields(torch.arange(11))) == list(DISTRIBUTION_FIELDS)
    with pytest.raises(Rejected, match="10 values"):
        to_fields(range(10))
    with pytest.raises(Rejected, match="lacks p99"):
        to_fields({field: 0 for field in DISTRIBUTION_FIELDS if field != "p99"})
