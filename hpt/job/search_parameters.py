"""What a tuning job takes of the parameters that a search may have."""

from __future__ import annotations

from hpt.errors import InputError
from hpt.search.numbers import brief
from hpt.search.space import CategoricalParameter, Constant, OrdinalParameter, Parameter
from hpt.search.trial import Value
from hpt.search.values import is_plain, value_string


def check_for_jobs(parameter: Parameter) -> None:
    """Raises InputError where a tuning job, unlike a `Tuner`, does not take a parameter: values are stored as
    JSON and shown as strings, and ranges are those of the service.
    """
    label = f"{type(parameter).__name__} {parameter.name!r}"
    if isinstance(parameter, Constant):
        raise InputError(f"{label}: a tuning job searches over ranges alone; make it a static hyperparameter")
    if isinstance(parameter, OrdinalParameter):
        raise InputError(f"{label}: a tuning job has no such ranges; use a CategoricalParameter")
    if not isinstance(parameter, CategoricalParameter):
        if parameter.min == parameter.max:
            raise InputError(
                f"{label}: min and max are both {parameter.min}; a range needs min below max: make a "
                "constant static"
            )
        if parameter.step not in (None, 1):
            raise InputError(f"{label}: a tuning job's ranges have no step; list the values, or scale them")
        return
    strings: dict[str, Value] = {}
    for value in parameter.values:
        if not is_plain(value):
            raise InputError(
                f"{label}: the value {brief(value)} is not a string, number, boolean, None or tuple of "
                "these; write it as a string"
            )
        if (twin := strings.setdefault(value_string(value), value)) is not value:
            raise InputError(
                f"{label}: the values {brief(twin)} and {brief(value)} are equal or print alike; "
                "drop or rename one"
            )
