"""Where a configuration of another search lies in this one's space."""

from __future__ import annotations

import pytest

from hpt.job.warm_start import Projection
from hpt.search.space import ContinuousParameter, IntegerParameter, SearchSpace
from hpt.search.trial import Value

LARGE = 2**60


def placed(mine: ContinuousParameter | IntegerParameter, value: Value) -> Value | None:
    other = SearchSpace([type(mine)(mine.name, mine.min - 100, mine.max + 100, mine.scaling)])
    config = Projection(SearchSpace([mine]), {}, other, {}).project({mine.name: value}).config
    return None if config is None else config[mine.name]


@pytest.mark.parametrize(
    ("value", "expected"), [(LARGE + 30, LARGE + 20), (LARGE - 5, LARGE), (LARGE + 7, LARGE + 7)]
)
def test_integers_that_floats_do_not_tell_apart(value: int, expected: int) -> None:
    assert placed(IntegerParameter("n", LARGE, LARGE + 20), value) == expected


@pytest.mark.parametrize(("value", "expected"), [(21, 20), (22, 20), (23, None), (-3, None), (-2, 0)])
def test_a_tenth_of_the_range_beyond_its_end_is_moved_there(value: int, expected: int | None) -> None:
    assert placed(IntegerParameter("n", 0, 20), value) == expected
    assert placed(ContinuousParameter("n", 0.0, 20.0), float(value)) == expected
