"""The parameters of a job that is described in Python, as a request declares them."""

from __future__ import annotations

from collections.abc import Iterable

from hpt.errors import InputError
from hpt.job.config import check_for_programs
from hpt.job.draft import KINDS, kind_of
from hpt.job.search_parameters import check_for_jobs
from hpt.search.space import (
    CategoricalParameter,
    ContinuousParameter,
    IntegerParameter,
    Parameter,
    SearchSpace,
    value_string,
)


def parameters_of(space: SearchSpace | Iterable[Parameter] | None) -> tuple[Parameter, ...]:
    """Those of a tuning job. Raises InputError for one that it does not take."""
    parameters = space.parameters if isinstance(space, SearchSpace) else tuple(space or ())
    for parameter in parameters:
        if not isinstance(parameter, ContinuousParameter | IntegerParameter | CategoricalParameter):
            raise InputError(
                f"space: {parameter!r} is not a parameter; use ContinuousParameter, IntegerParameter or "
                "CategoricalParameter"
            )
        check_for_jobs(parameter)
    return parameters


def in_order(parameters: Iterable[Parameter]) -> tuple[Parameter, ...]:
    """Parameters as a request declares them: by kind, and the values of a categorical as the strings that a
    program receives, so that a job described in Python searches exactly as one that was read from a file.
    """
    parameters = tuple(parameters)
    for each in parameters:
        check_for_programs(each)
    declared = [
        CategoricalParameter(each.name, [value_string(value) for value in each.values])
        if isinstance(each, CategoricalParameter)
        else each
        for each in parameters
    ]
    return tuple(sorted(declared, key=lambda each: KINDS.index(kind_of(each))))
