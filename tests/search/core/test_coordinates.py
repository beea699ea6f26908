"""The core's typed coordinates agree with `SearchSpace.encode`, which draws the codes it receives."""

from __future__ import annotations

import pytest

import hpt
from hpt import _core
from hpt.search.core import _typed


@pytest.mark.parametrize(
    ("low", "high", "scaling"),
    [(1, 3, "Linear"), (-7, 250, "Linear"), (1, 1000, "Logarithmic"), (20, 4096, "Logarithmic")],
)
def test_codes_of_integers_agree(low: int, high: int, scaling: str) -> None:
    parameter = hpt.IntegerParameter("k", low, high, scaling)
    space = hpt.SearchSpace([parameter])
    [coordinate] = _typed(space.coordinates)
    for value in range(low, high + 1):
        code = parameter.encode(value)
        assert coordinate.level(code) == value - low
        assert coordinate.snap(code) == pytest.approx(code, rel=1e-13)
        assert parameter.decode(coordinate.snap(code)) == value


@pytest.mark.parametrize(
    ("low", "high", "scaling"),
    [(0, 2**52, "Linear"), (-(2**62), -(2**62) + 2**52, "Linear"), (1, 2**44, "Logarithmic")],
)
def test_wide_integers_survive_the_border(low: int, high: int, scaling: str) -> None:
    parameter = hpt.IntegerParameter("k", low, high, scaling)
    [coordinate] = _typed([parameter.coordinate])
    for value in [low, low + 1, low + 12345, (low + high) // 2, high - 1, high]:
        assert parameter.decode(coordinate.snap(parameter.encode(value))) == value


def test_snapping_is_idempotent_and_within_reach() -> None:
    coordinate = _core.Coordinate.integer(1, 1000, "logarithmic")
    for x in _core.draws("uniform", 500, 1, 1, 1).tolist():
        snapped = coordinate.snap(x)
        assert coordinate.snap(snapped) == snapped
        assert coordinate.level(snapped) == coordinate.level(x)


def test_unknown_scales_are_refused() -> None:
    with pytest.raises(ValueError, match="'cubic' is not linear"):
        _core.Coordinate.continuous("cubic")
    with pytest.raises(ValueError, match="min <= max"):
        _core.Coordinate.integer(3, 1)
