"""A few of the random spaces of `fuzz_spaces`; the module itself searches as many as asked."""

from __future__ import annotations

from tests.search.strategies import fuzz_spaces


def test_every_suggestion_is_legal() -> None:
    assert fuzz_spaces.run(12, seed=2000) > 100
