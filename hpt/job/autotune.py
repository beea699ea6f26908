"""What Autotune chooses of what a job leaves open: ranges, limits, stopping, retries (behaviour 2.6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeVar

from hpt.errors import InputError
from hpt.job.catalog import BuiltInAlgorithm, RecommendedRange
from hpt.job.draft import EPOCH_KEYS
from hpt.job.limits import Limits
from hpt.search.scaling import read_float, read_int

RETRY_ATTEMPTS = 3
LEAST_JOBS, JOBS_PER_RANGE = 20, 10
FRACTIONS = ("dropout", "subsample", "colsample", "fraction", "ratio", "momentum", "beta")
"""A number between 0 and 1 whose name holds one of these is a share of something, and searched linearly."""
SHARE = 0.05, 0.95

V = TypeVar("V")


def split_hints(
    statics: Sequence[Mapping[str, V]], keep: Sequence[str]
) -> list[tuple[dict[str, V], dict[str, V]]]:
    """What stays static and what is a hint, of the static hyperparameters of each definition.

    Raises:
        InputError: `keep` names one twice, or one that is not a static hyperparameter.
    """
    known = {name for each in statics for name in each}
    for name, times in Counter(keep).items():
        if times > 1:
            raise InputError(f"keep_static names {name!r} {times} times; name it once")
        if name not in known:
            raise InputError(
                f"keep_static names {name!r}, which is not a static hyperparameter; "
                f"they are {', '.join(sorted(known)) or 'none'}"
            )
    return [
        (
            {name: value for name, value in each.items() if name in keep},
            {name: value for name, value in each.items() if name not in keep},
        )
        for each in statics
    ]


def has_epochs(statics: Mapping[str, object]) -> bool:
    """Whether a number of epochs is among static hyperparameters, which calls for Hyperband."""
    return any(key in statics for key in EPOCH_KEYS)


def stops_early(strategy: str, *, multi: bool) -> bool:
    """Whether training jobs are to be stopped by the median rule."""
    return strategy != "Hyperband" and not multi


def number_of_jobs(strategy: str, ranges: int, combinations: int | None, limits: Limits) -> int:
    """How many training jobs a search is given that has no end: by the number of its ranges, within what the
    space holds and the limits allow."""
    counts = [max(LEAST_JOBS, JOBS_PER_RANGE * ranges), limits.jobs.get(strategy), combinations]
    return min(count for count in counts if count)


def choose_ranges(
    hints: Sequence[tuple[str, str]],
    *,
    ranged: bool,
    static: Mapping[str, str],
    algorithm: BuiltInAlgorithm | None,
    strategy: str,
) -> tuple[list[RecommendedRange], dict[str, str]]:
    """Ranges around hints, or without any those that a built-in recommends; and hints that stay static.

    Parameters
    ----------
    hints: names and values that are known to work.
    ranged: whether ranges were given.
    static: hyperparameters that stay as they are.
    algorithm: the built-in algorithm, if it is one.
    strategy: what searches them; a grid takes categories only.
    """

    def fits(each: RecommendedRange) -> bool:
        return strategy != "Grid" or each.kind == "Categorical"

    found: list[RecommendedRange] = []
    kept: dict[str, str] = {}
    for name, value in hints:
        around = range_around(name, value, algorithm)
        if around is None or not fits(around):
            kept[name] = value
        else:
            found.append(around)
    if not hints and not ranged and algorithm is not None:
        excluded = {algorithm.epoch_resource, *static}
        found = [each for each in algorithm.recommended_ranges if each.name not in excluded and fits(each)]
    return found, kept


def range_around(name: str, hint: str, algorithm: BuiltInAlgorithm | None) -> RecommendedRange | None:
    """The range to search around a value that is known to work; None where it is better kept.

    A whole number h becomes h / 4 to 4 h, any other positive number h / 10 to 10 h, both logarithmic; a share
    of something is searched linearly. Where the algorithm recommends a range that holds the hint, the range
    stays within it, and its kind is the recommended one. Zero, negative numbers, texts and numbers of epochs,
    which tell how far a training job goes, are kept.

    >>> found = range_around("learning_rate", "0.02", None)
    >>> found.min, found.max, found.scaling
    (0.002, 0.2, 'Logarithmic')
    >>> range_around("optimizer", "adam", None) is None
    True
    """
    known = None
    if algorithm is not None:
        known = next((one for one in algorithm.recommended_ranges if one.name == name), None)
        if name == algorithm.epoch_resource:
            return None
    if name in EPOCH_KEYS:
        return None
    if known is not None and known.kind == "Categorical":
        return known if hint in known.values else None
    found = _around(name, hint, known)
    if found is None or known is None or not known.min <= float(hint) <= known.max:
        return found
    low, high = max(found.min, known.min), min(found.max, known.max)
    return found._replace(min=low, max=high) if low < high else None


def _around(name: str, hint: str, known: RecommendedRange | None) -> RecommendedRange | None:
    """Its kind is the known one, else the one in which the hint is written."""
    whole = known.kind == "Integer" if known is not None else hint.isdecimal()
    try:
        number = read_int(hint, name) if whole else read_float(hint, name)
    except InputError:
        return None
    if number <= 0:
        return None
    if isinstance(number, int):
        return RecommendedRange("Integer", name, max(1, number // 4), 4 * number, "Logarithmic")
    if number < 1 and any(word in name.lower() for word in FRACTIONS):
        return RecommendedRange("Continuous", name, min(SHARE[0], number), max(SHARE[1], number))
    low, high = (float(f"{number * factor:.12g}") for factor in (0.1, 10))
    return RecommendedRange("Continuous", name, low, high, "Logarithmic")
