import math

import pytest

from monitor.detection.wording import quantity


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (2.2449, "nats", "2.24 nats"),
        (48.06, "°", "48.1°"),
        (0.0002, "", "0.000"),
        (-0.0555, "", "-0.0555"),
        (999.4, "", "999"),
        (999.6, "", "1,000"),
        (12345.6, "", "12,346"),
        (999_999.7, "", "1.00·10⁶"),
        (-3.672e17, "", "-3.67·10¹⁷"),
        (math.inf, "", "inf"),
        (math.nan, "", "nan"),
    ],
)
def test_a_quantity_has_three_digits_and_its_unit(value: float, unit: str, said: str) -> None:
    assert quantity(value, unit) == said
