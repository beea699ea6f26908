"""What counts as a number."""

from __future__ import annotations

from fractions import Fraction
from math import inf, nan

import numpy as np
import pytest

from hpt.errors import InputError
from hpt.search.numbers import check_count, is_finite_number, is_number


@pytest.mark.parametrize(
    ("value", "number", "finite"),
    [
        (1, True, True),
        (-0.5, True, True),
        (np.float64(2), True, True),
        (np.float32(2), True, False),
        (np.int64(2), True, False),
        (Fraction(1, 2), True, False),
        (10**400, True, False),
        (nan, True, False),
        (inf, True, False),
        (True, False, False),
        (np.True_, False, False),
        ("1", False, False),
        (None, False, False),
    ],
)
def test_numbers_and_numbers_that_can_be_stored(value: object, number: bool, finite: bool) -> None:
    assert (is_number(value), is_finite_number(value)) == (number, finite)


@pytest.mark.parametrize("value", [2, 3.0, True, "3", None, np.int64(3)])
def test_counts_are_integers(value: object) -> None:
    with pytest.raises(InputError, match=r"steps .* is not an integer of at least 3; give more"):
        check_count("steps", value, 3, "give more")
    check_count("steps", 3, 3)
