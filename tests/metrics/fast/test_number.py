"""Numbers are read in place as `float()` reads them, to the last bit."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hpt.metrics.fast import decimal_number as number

POWERS = number.powers_of_ten().tolist()

TEXTS = st.one_of(
    st.floats().map(repr),
    st.tuples(st.integers(-(10**22), 10**22), st.integers(-330, 330)).map(
        lambda pair: f"{pair[0]}e{pair[1]}"
    ),
    st.decimals(allow_nan=True).map(str),
    st.text("0123456789.eE+-_ infaINFtyT\t\x1c", max_size=12),
    # Halfway between two numbers, where the rounding is to the even one.
    st.integers(2**52, 2**53).map(lambda m: str(2 * m + 1)),
    st.tuples(st.integers(2**52, 2**53), st.integers(1, 4)).map(
        lambda pair: f"{(2 * pair[0] + 1) * 5 ** pair[1]}e-{pair[1]}"
    ),
)


def expected(text: str) -> float | None:
    try:
        return None if "_" in text else float(text.strip())
    except ValueError:
        return None


@given(TEXTS)
@settings(max_examples=1500, deadline=None)
@example("9007199254740993")
@example("1e23")
@example("2.2250738585072011e-308")
@example("-0")
@example("00000000000000000000000001")
@example("0.000000000000000000000000000001")
@example(".")
@example("+.e1")
@example("1e99999999999999999999")
def test_a_number_is_what_float_reads(text: str) -> None:
    values = [0.0]
    raw = text.encode()
    if number.read_number(raw, 0, len(raw), POWERS, values, 0):
        value = expected(text)
        assert value is not None
        assert struct.pack("<d", value) == struct.pack("<d", values[0])


@pytest.mark.parametrize(
    "text",
    [
        "0.5", "-1.25e-3", "0.6931471805599453", "1234567890123456", "1e22", " 7\t", "0.30000000000000004",
        "123456789012345678",
    ],
)  # fmt: skip
def test_common_numbers_are_read_without_help(text: str) -> None:
    assert number.read_number(text.encode(), 0, len(text), POWERS, [0.0], 0)
