"""The fuzz target, for a moment; `python -m tests.metrics.fuzz` runs it for as long as one likes."""

from __future__ import annotations

import random

import pytest

from hpt.metrics.fast.loader import Loader
from tests.metrics import fuzz
from tests.metrics.test_scanner import FRAGMENTS, PATTERNS


@pytest.fixture(scope="module", params=["plain", "compiled"])
def loader(request: pytest.FixtureRequest) -> Loader:
    loader = Loader(10**18)
    loader.reader = Loader().wait() if request.param == "compiled" else None
    return loader


@pytest.mark.filterwarnings("ignore")
def test_random_patterns_on_random_logs(loader: Loader) -> None:
    fuzz.run(0.0, 150, loader)


def test_long_logs_with_forty_patterns(loader: Loader) -> None:
    """Long enough for every vectorised path, with literals at all distances from the ends."""
    rng = random.Random(7)
    patterns = [*PATTERNS, *(f"metric_{i:02d}[=:] ?([-+0-9.eE]+)" for i in range(33))]
    for size in (130, 700, 3000, 8000):
        pieces = [
            rng.choice([*FRAGMENTS, b"metric_%02d= %d " % (rng.randrange(33), rng.randrange(99)), b"x" * 40])
            for _ in range(size)
        ]
        log = b"".join(pieces)
        cuts = sorted(rng.randrange(len(log)) for _ in range(3))
        assert fuzz.check(loader, patterns, log, cuts, seconds=60.0)
