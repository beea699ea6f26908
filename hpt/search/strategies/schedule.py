"""When the hyperparameters of a model are fitted anew: a function of the number of observations alone."""

from __future__ import annotations

from functools import lru_cache

from hpt.search.core import MODEL_LIMIT, SPARE


@lru_cache(maxsize=256)
def anchor(n: int) -> int:
    """The last refit at or before n observations: at 1, 2, 3, ... while below 32, then ever n / 16 apart.

    >>> [anchor(n) for n in (5, 32, 33, 34, 1000)]
    [5, 32, 32, 34, 967]
    """
    a = min(n, 1)
    while (following := a + max(1, a // 16)) <= n:
        a = following
    return a


def base(n: int) -> int:
    """How many of n observations a model factors together and chooses from; later ones are appended to it.

    Those of the last refit, and beyond `MODEL_LIMIT` as many more as are ever `SPARE` apart.

    >>> base(34), base(1000), base(1001), base(1090), base(1160), base(10_000)
    (34, 967, 967, 1027, 1159, 9998)
    """
    a = anchor(n)
    return a if n <= MODEL_LIMIT else n - (n - a) % SPARE


@lru_cache(maxsize=8)
def milestones(n: int) -> tuple[int, ...]:
    """The fits that lead to the one for n observations: the anchors of 32, 64, 128, ... and then its own.

    All are anchors, so that a search that asks at every n has each in its cache when the next one needs it.

    >>> milestones(20), milestones(70), milestones(1000)
    ((20,), (32, 63, 70), (32, 63, 122, 245, 500, 967))
    """
    last = anchor(n)
    out = [last] if last > 0 else []
    power = 32
    while power < last:
        out.insert(-1, anchor(power))
        power *= 2
    return tuple(out)
