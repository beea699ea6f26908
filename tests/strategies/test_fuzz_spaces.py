"""A few of the random spaces of `fuzz_spaces`; the module itself searches as many as asked."""

from __future__ import annotations

import pytest

from tests.strategies import fuzz_spaces


@pytest.mark.parametrize("seed", range(2000, 2012))
def test_every_suggestion_is_legal(seed: int) -> None:
    assert fuzz_spaces.run(1, seed) > 0
