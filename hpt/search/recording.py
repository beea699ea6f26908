"""How what a host knows of its own trials fits a search: configurations, interim values, standard errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any

from hpt.errors import InputError
from hpt.search.numbers import brief, finite_number, real_number
from hpt.search.space import SearchSpace
from hpt.search.trial import Config, Report, TrialStatus, Value, parse_enum

OUTSIDE = ("raise", "drop", "clip")
EXTRA = ("raise", "ignore")
LATE = ("raise", "ignore")

Reports = Mapping[float, float] | Sequence[Report | tuple[float, float]]
"""Interim values: `Report`s, pairs of resource and value, or values by resource."""


def check_choice(value: object, name: str, choices: Sequence[str]) -> str:
    """The value, if it is one of the choices of that argument."""
    if value not in choices:
        raise InputError(f"{name} {value!r} is not known; use one of {', '.join(map(repr, choices))}")
    return str(value)


def fitted(space: SearchSpace, config: Config, outside: str, extra: str) -> dict[str, Value] | None:
    """The configuration as one of the space; None if it has no place there and is to be dropped.

    Parameters
    ----------
    space
        The space.
    config
        What the host tried.
    outside
        What to do with a value outside its range, or a parameter without one: `raise`, `drop` the whole
        configuration, or `clip` a number to the nearest end of its range.
    extra
        What to do with a name that the space does not know: `raise`, or `ignore` it.

    Returns
    -------
    dict or None
        A configuration of the space.

    Raises
    ------
    InputError
        As `outside` and `extra` say, or one of them is not known.
    """
    check_choice(outside, "outside", OUTSIDE)
    if check_choice(extra, "extra", EXTRA) == "ignore" and isinstance(config, Mapping):
        known = {parameter.name for parameter in space.parameters}
        config = {name: value for name, value in config.items() if name in known}
    if outside == "clip" and isinstance(config, Mapping):
        config = {
            **config,
            **{each.name: each.clip(config[each.name]) for each in space.parameters if each.name in config},
        }
    if outside == "drop" and isinstance(config, Mapping) and space.lies_outside(config):
        return None
    return space.validate(config)


def listed_reports(reports: Reports) -> list[Report]:
    """Interim values in the order they were reported; those of a mapping by resource.

    Raises:
        InputError: they are no list or mapping, or one of them is no pair of numbers.
    """
    if isinstance(reports, Mapping):
        pairs: Iterable[Any] = sorted(reports.items())
    elif isinstance(reports, Iterable) and not isinstance(reports, str | bytes):
        pairs = reports
    else:
        raise InputError(f"reports {brief(reports)} is not a list; give pairs of resource and value")
    found = []
    for each in pairs:
        try:
            resource, value = (each.resource, each.value) if isinstance(each, Report) else each
        except (TypeError, ValueError):
            raise InputError(f"report {brief(each)} is not a pair of resource and value") from None
        found.append(checked_report(value, resource))
    return found


def checked_report(value: object, resource: object) -> Report:
    """One interim value; the resource must be positive and finite."""
    report = Report(real_number(resource, "resource"), real_number(value, "value"))
    if not (isfinite(report.resource) and report.resource > 0):
        raise InputError(f"resource {resource!r} is not a positive number; count units of progress from 1")
    return report


def checked_noise(noise: object) -> float | None:
    """A standard error, at least 0; None if it is not known."""
    if noise is None:
        return None
    number = finite_number(noise, "noise")
    if number < 0:
        raise InputError(f"noise {noise!r} is negative; give the standard error of the value, or None")
    return number


def ending(status: str) -> TrialStatus:
    """The status with which a trial ends."""
    end = parse_enum(TrialStatus, status, "status")
    if not end.ended:
        raise InputError(f"status {str(end)!r} does not end a trial; use Completed, Failed or Stopped")
    return end


def final_value(value: object, status: TrialStatus, reports: Sequence[Report]) -> float | None:
    """The final objective of a trial: the given value, else the last report; None if it is not usable."""
    if value is not None:
        final: float | None = real_number(value, "value")
    else:
        final = reports[-1].value if reports else None
    if status is TrialStatus.FAILED or (final is not None and not isfinite(final)):
        return None
    return final
