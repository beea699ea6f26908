"""Randomness by counter: every draw is a function of (seed, trial, use); there is no state to save."""

from __future__ import annotations

import numpy as np

from hpt.errors import InputError

SAMPLE = 0
"""Use: drawing a configuration from the space."""
BRACKET = 1
"""Use: drawing the bracket of a trial."""
CONVERGENCE = 2
"""Use: placing points at which the lower bound of the objective is looked for."""
CANDIDATES = 3
"""Use: drawing configurations among which a strategy chooses."""
DEFINITION = 4
"""Use: drawing the seed of a definition."""


def generator(seed: int, number: int, use: int) -> np.random.Generator:
    """The stream of trial `number` for one `use` (a small integer): Philox, keyed by seed and trial.

    Streams of different trials or uses are independent of each other (Salmon et al., "Parallel random
    numbers: as easy as 1, 2, 3", SC 2011).
    """
    key = np.array([seed, number], dtype=np.uint64)
    counter = np.array(
        [0, 0, 0, use], dtype=np.uint64
    )  # a stream would have to draw 2**192 numbers to meet the next
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def seed_of(seed: int, place: int) -> int:
    """The seed of the definition at `place` of a multi-algorithm job: independent of the others'."""
    return int(generator(seed, place, DEFINITION).integers(2**64, dtype=np.uint64))


def check_seed(seed: object) -> int:
    """The seed as an int from 0 to 2**64 - 1; InputError if it is not one."""
    if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool) and 0 <= seed < 2**64:
        return int(seed)
    raise InputError(
        f"seed {seed!r} is not an integer from 0 to 2**64 - 1; give one, or None to have one drawn"
    )
