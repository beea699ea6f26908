"""Rules about how the ranges of a request are written (behaviour 2.9, V09 to V13).

A `SearchSpace` that breaks them cannot be built; here each violation is found with its path.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from hpt.errors import InputError
from hpt.job.rules import Find
from hpt.sagemaker.request.facts import Facts, Range

Broken = tuple[str, str]
"""The path of the offending member and what is wrong with it."""


def shared(find: Find) -> Callable[[Facts], Iterator[Broken]]:
    """A rule of all jobs, with the paths of the request."""

    def found(facts: Facts) -> Iterator[Broken]:
        for place, message in find(facts.draft, facts.naming):
            yield facts.naming.path(place), message

    return found


def _ranges(facts: Facts) -> Iterator[Range]:
    for definition in facts.definitions:
        yield from definition.ranges


def bad_bounds(facts: Facts) -> Iterator[Broken]:
    for declared in _ranges(facts):
        if declared.kind == "Categorical":
            continue
        for member in ("MinValue", "MaxValue"):
            try:
                declared.bound(member)
            except InputError as error:
                yield f"{declared.path}.{member}", f"range {declared.name!r}: {error}"
        bounds = declared.bounds
        if bounds is not None and bounds[0] > bounds[1]:
            low, high = declared.body["MinValue"], declared.body["MaxValue"]
            yield (
                f"{declared.path}.MinValue",
                f"range {declared.name!r}: MinValue {low} is above MaxValue {high}; swap them",
            )


def equal_bounds(facts: Facts) -> Iterator[Broken]:
    for declared in _ranges(facts):
        bounds = declared.bounds
        if bounds is not None and bounds[0] == bounds[1]:
            yield (
                f"{declared.path}.MinValue",
                f"range {declared.name!r}: MinValue and MaxValue are both {declared.body['MinValue']}; "
                "widen the range, or put the constant among StaticHyperParameters",
            )


def repeated_values(facts: Facts) -> Iterator[Broken]:
    for declared in _ranges(facts):
        if declared.kind == "Categorical":
            for value, times in Counter(declared.body["Values"]).items():
                if times > 1:
                    yield (
                        f"{declared.path}.Values",
                        f"range {declared.name!r}: the value {value!r} is given {times} times; keep one",
                    )


def logarithm_of_nonpositive(facts: Facts) -> Iterator[Broken]:
    for declared in _ranges(facts):
        bounds = declared.bounds
        if declared.scaling == "Logarithmic" and bounds is not None and bounds[0] <= 0:
            yield (
                f"{declared.path}.ScalingType",
                f"range {declared.name!r}: Logarithmic needs MinValue above 0, and it is "
                f"{declared.body['MinValue']}; raise it or use Linear",
            )


def reverse_logarithm(facts: Facts) -> Iterator[Broken]:
    for declared in _ranges(facts):
        bounds = declared.bounds
        if declared.scaling != "ReverseLogarithmic" or bounds is None:
            continue
        if declared.kind == "Integer":
            yield (
                f"{declared.path}.ScalingType",
                f"range {declared.name!r}: ReverseLogarithmic is for continuous ranges only; use Linear",
            )
        elif not (bounds[0] >= 0 and bounds[1] < 1):
            yield (
                f"{declared.path}.ScalingType",
                f"range {declared.name!r}: ReverseLogarithmic needs 0 <= MinValue and MaxValue < 1, and "
                f"they are {declared.body['MinValue']} and {declared.body['MaxValue']}; narrow the range "
                "or use Linear",
            )
