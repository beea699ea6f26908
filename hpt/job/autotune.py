"""What Autotune chooses where a job leaves it open: ranges, limits, stopping, retries (behaviour 2.6)."""

from __future__ import annotations

import math
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


def is_reserved(name: str) -> bool:
    """Whether a hyperparameter is for the start-up layer of a framework's image, and no program's own.
    SageMaker's client library sends hints for them too."""
    return name.startswith("sagemaker_")


def split_hints(
    statics: Sequence[Mapping[str, V]], keep: Sequence[str]
) -> list[tuple[dict[str, V], dict[str, V]]]:
    """Split the static hyperparameters of each definition into those that stay static and the hints. Those of
    a framework, as script mode has them, always stay.

    Raises:
        InputError: `keep` names a hyperparameter twice, or a name is not that of a static hyperparameter.
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
            {name: value for name, value in each.items() if name in keep or is_reserved(name)},
            {name: value for name, value in each.items() if name not in keep and not is_reserved(name)},
        )
        for each in statics
    ]


def has_epochs(statics: Mapping[str, object]) -> bool:
    """Whether the static hyperparameters give a number of epochs; then Hyperband is used."""
    return any(key in statics for key in EPOCH_KEYS)


def stops_early(strategy: str, *, multi: bool) -> bool:
    """Whether training jobs are to be stopped by the median rule."""
    return strategy != "Hyperband" and not multi


def number_of_jobs(strategy: str, ranges: int, combinations: int | None, limits: Limits) -> int:
    """The number of training jobs for a search without an end.

    It grows with the number of ranges, up to the number of combinations and the limit of the strategy.

    Parameters
    ----------
    strategy
        Name of the strategy.
    ranges
        Number of ranges, over all definitions.
    combinations
        Size of the search space; None if infinite.
    limits
        The limits that apply.

    Returns
    -------
    int
        The number of training jobs, at least 1.
    """
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
    """Choose ranges around hints; where there is none to search around, those that a built-in recommends.

    Parameters
    ----------
    hints
        Names and values that are known to work.
    ranged
        Whether ranges were given.
    static
        Hyperparameters that stay as they are.
    algorithm
        The built-in algorithm, None for a program of the user.
    strategy
        Name of the strategy; a grid takes categorical ranges only.

    Returns
    -------
    ranges : list of RecommendedRange
        The ranges to search.
    static : dict
        The hints that stay static.
    """

    found: list[RecommendedRange] = []
    kept: dict[str, str] = {}

    def fits(each: RecommendedRange) -> bool:
        return strategy != "Grid" or each.kind == "Categorical"

    for name, value in hints:
        around = range_around(name, value, algorithm)
        if around is None or not fits(around):
            kept[name] = value
        else:
            found.append(around)
    if not found and not ranged and algorithm is not None:
        excluded = {algorithm.epoch_resource, *static, *kept}
        found = [each for each in algorithm.recommended_ranges if each.name not in excluded and fits(each)]
    return found, kept


def range_around(name: str, hint: str, algorithm: BuiltInAlgorithm | None) -> RecommendedRange | None:
    """The range to search around a value that is known to work; None if it should stay static.

    An integer h becomes h / 2 to 2 h, any other positive number h / 10 to 10 h, both logarithmic; a share
    of something is searched linearly. Of a built-in algorithm, only hyperparameters with a recommended range
    are searched: the range around the hint stays within that range if it holds the hint, else within what
    the algorithm takes, and its kind is the recommended one. Zero, negative numbers, strings and numbers of
    epochs, which set how long a training job runs, stay static.

    >>> proposal = range_around("layers", "4", None)
    >>> proposal.min, proposal.max
    (2, 8)

    >>> proposal = range_around("learning_rate", "0.02", None)
    >>> proposal.min, proposal.max, proposal.scaling
    (0.002, 0.2, 'Logarithmic')
    >>> range_around("optimizer", "adam", None) is None
    True
    """
    known = None
    if algorithm is not None:
        ranges = algorithm.recommended_ranges
        known = next((candidate for candidate in ranges if candidate.name == name), None)
        if known is None or name == algorithm.epoch_resource:
            return None
    if name in EPOCH_KEYS:
        return None
    if known is not None and known.kind == "Categorical":
        return known if hint in known.values else None
    proposal = _around(name, hint, known)
    if proposal is None or known is None or algorithm is None:
        return proposal
    least, most = known.min, known.max
    if not least <= float(hint) <= most:
        least, most = algorithm.legal_intervals.get(name, (-math.inf, math.inf))
    low, high = max(proposal.min, least), min(proposal.max, most)
    return proposal._replace(min=low, max=high) if low < high else None


def _around(name: str, hint: str, known: RecommendedRange | None) -> RecommendedRange | None:
    """Its kind is the known one, else the one in which the hint is written."""
    is_integer = known.kind == "Integer" if known is not None else hint.isdecimal()
    try:
        number = read_int(hint, name) if is_integer else read_float(hint, name)
    except InputError:
        return None
    if number <= 0:
        return None
    if isinstance(number, int):
        return RecommendedRange("Integer", name, max(1, number // 2), 2 * number, "Logarithmic")
    if number < 1 and any(word in name.lower() for word in FRACTIONS):
        return RecommendedRange("Continuous", name, min(SHARE[0], number), max(SHARE[1], number))
    low, high = (float(f"{number * factor:.12g}") for factor in (0.1, 10))
    return RecommendedRange("Continuous", name, low, high, "Logarithmic")
