"""The stopping rules as one would write them on paper: everything counted again at every decision."""

from __future__ import annotations

from fractions import Fraction
from math import inf, isfinite
from statistics import median

from hpt.search.history import History
from hpt.search.trial import Decision, ObjectiveType, Report, Trial


def _minimised(value: float, history: History) -> float:
    if not isfinite(value):
        return inf
    return -value if history.objective is ObjectiveType.MAXIMIZE else value


def _average(values: list[float]) -> float:
    return inf if inf in values else float(sum(map(Fraction, values), Fraction(0)) / len(values))


def _median(values: list[float]) -> float:
    return float(median([Fraction(value) if isfinite(value) else inf for value in values]))


def course(trial: Trial) -> list[Report]:
    """The reports that no later one takes the place of: those with less resource than all that follow."""
    return [
        report
        for i, report in enumerate(trial.reports)
        if all(later.resource > report.resource for later in trial.reports[i + 1 :])
    ]


def median_rule(
    history: History,
    number: int,
    min_trials: int,
    min_steps: int,
    step_fraction: float,
    compare: str = "survivors",
) -> Decision:
    trial = history.trial(number)
    ended = [
        other
        for other in history
        if other.status.ended and other.value is not None and other.definition == trial.definition
    ]
    e = len(course(trial))
    if e == 0 or len(ended) < min_trials:
        return Decision.CONTINUE
    if e < max(min_steps, step_fraction * median(len(course(other)) for other in ended)):
        return Decision.CONTINUE
    averages = [
        _average([_minimised(report.value, history) for report in course(other)[:e]])
        for other in ended
        if len(course(other)) >= (e if compare == "survivors" else 1)
    ]
    y = _minimised(trial.reports[-1].value, history)
    return Decision.STOP if averages and y > _median(averages) else Decision.CONTINUE


def rung_entries(
    trial: Trial, history: History, rungs: tuple[float, ...], bracket: int
) -> list[tuple[int, int, float]]:
    """(index of the report, rung, value) of each report that counts for a rung."""
    entries, furthest = [], 0.0
    reports = trial.reports if trial.stopped_after is None else trial.reports[: trial.stopped_after]
    for i, report in enumerate(reports):
        passed = [k for k, level in enumerate(rungs) if furthest < level <= report.resource]
        furthest = max(furthest, report.resource)
        if passed and passed[-1] >= bracket:
            entries.append((i, passed[-1], _minimised(report.value, history)))
    return entries


def successive_halving(
    history: History,
    number: int,
    rungs: tuple[float, ...],
    top: float,
    eta: int,
    brackets: dict[int, int],
    stops_at_max: bool = True,
) -> Decision:
    trial = history.trial(number)
    if not trial.reports:
        return Decision.CONTINUE
    if trial.reports[-1].resource >= top:
        return Decision.STOP if stops_at_max else Decision.CONTINUE
    own = rung_entries(trial, history, rungs, brackets[number])
    if not own or own[-1][0] != len(trial.reports) - 1:
        return Decision.CONTINUE
    _, k, y = own[-1]
    values = sorted(
        value
        for other in history
        if other.definition == trial.definition
        for _, rung, value in rung_entries(other, history, rungs, brackets[other.number])
        if rung == k
    )
    if len(values) < eta:
        return Decision.CONTINUE
    if y == inf:
        return Decision.STOP
    place = Fraction(len(values) - 1, eta)
    low = values[int(place)]
    high = values[min(int(place) + 1, len(values) - 1)]
    part = place - int(place)
    if part and high == inf:
        return Decision.CONTINUE  # some number lies below, and y is one of the numbers
    threshold = Fraction(low) + part * (Fraction(high) - Fraction(low)) if part else Fraction(low)
    return Decision.CONTINUE if Fraction(y) <= threshold else Decision.STOP
