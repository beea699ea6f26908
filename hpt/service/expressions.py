"""Search expressions (behaviour 13.7). Properties are named by their path in Describe's
answer.

`Tags.<key>`, `HyperParameters.<name>`, `TunedHyperParameters.<name>` and `Metrics.<name>` (a training job's
final metrics) stand for entries of maps and lists. Times are compared as times, given as ISO 8601 strings or
seconds since the epoch; numbers as numbers. Strings support Equals, NotEquals, Contains and In only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from hpt.errors import InputError
from hpt.job.rounding import as_float32

MAX_CONDITIONS = 50
_ORDERS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThan": lambda a, b: a > b,
    "GreaterThanOrEqualTo": lambda a, b: a >= b,
    "LessThan": lambda a, b: a < b,
    "LessThanOrEqualTo": lambda a, b: a <= b,
}
_LISTS = {"Tags": ("Key", "Value"), "Metrics": ("MetricName", "Value")}
_ALIASES = {"Metrics": "FinalMetricDataList"}


def check_expression(expression: Mapping[str, Any]) -> None:
    """Raises InputError if an expression breaks a rule that does not depend on what is searched."""
    filters = [each for _, each in _filters(expression)]
    conditions = len(filters)
    if conditions > MAX_CONDITIONS:
        raise InputError(
            f"SearchExpression has {conditions} conditions, more than {MAX_CONDITIONS}; use fewer"
        )
    if sum(each.get("Operator") == "Contains" for each in filters) > 1:
        raise InputError("SearchExpression uses the operator Contains more than once; use it once")
    for path, each in _filters(expression):
        operator = each.get("Operator", "Equals")
        if operator in ("Exists", "NotExists"):
            if "Value" in each:
                raise InputError(f"{path}.Value is given with the operator {operator}; leave it out")
        elif "Value" not in each:
            raise InputError(f"{path}.Value is missing; the operator {operator} needs it")


def fits(record: Mapping[str, Any], expression: Mapping[str, Any]) -> bool:
    """Whether a record (an answer of Describe with its `Tags`) matches. No condition matches every record.

    Raises:
        InputError: the operator needs an order, and the property is a string.
    """
    results = [_holds(record, each) for each in expression.get("Filters", ())]
    results += [_one_holds(record, each) for each in expression.get("NestedFilters", ())]
    results += [fits(record, each) for each in expression.get("SubExpressions", ())]
    if not results:
        return True
    return any(results) if expression.get("Operator") == "Or" else all(results)


def look_up(record: Mapping[str, Any], name: str) -> list[Any]:
    """All values of a property: none if it is missing, more than one if it is inside a list."""
    head, _, key = name.partition(".")
    if head in _LISTS and key:
        name_member, value_member = _LISTS[head]
        entries = record.get(_ALIASES.get(head, head), ())
        return [entry[value_member] for entry in entries if entry[name_member] == key]
    if head.endswith("HyperParameters") and key:
        for place in (record, record.get("TrainingJobDefinition", {})):
            if key in place.get(head, {}):
                return [place[head][key]]
        return []
    return list(_walk(record, name.split(".")))


def _walk(value: Any, steps: list[str]) -> Iterator[Any]:
    if isinstance(value, list):
        for entry in value:
            yield from _walk(entry, steps)
    elif not steps:
        yield value
    elif isinstance(value, Mapping) and steps[0] in value:
        yield from _walk(value[steps[0]], steps[1:])


def _one_holds(record: Mapping[str, Any], nested: Mapping[str, Any]) -> bool:
    """Whether one entry of a list matches every filter; filters name members by their full path."""
    prefix = nested["NestedPropertyName"]
    entries: list[Any] = []
    for found in _lists(record, prefix.split(".")):
        entries += found
    return any(
        all(
            _holds(entry, {**each, "Name": each["Name"].removeprefix(f"{prefix}.")})
            for each in nested["Filters"]
        )
        for entry in entries
    )


def _lists(value: Any, steps: list[str]) -> Iterator[list[Any]]:
    for step in steps:
        value = value.get(step) if isinstance(value, Mapping) else None
    if isinstance(value, list):
        yield value


def _holds(record: Mapping[str, Any], condition: Mapping[str, Any]) -> bool:
    name, operator = condition["Name"], condition.get("Operator", "Equals")
    values = look_up(record, name)
    if operator in ("Exists", "NotExists"):
        return bool(values) is (operator == "Exists")
    if operator == "NotEquals":
        return not any(_equal(value, condition["Value"], name) for value in values)
    return any(_compare(value, operator, condition["Value"], name) for value in values)


def _compare(value: Any, operator: str, wanted: str, name: str) -> bool:
    match operator:
        case "Equals":
            return _equal(value, wanted, name)
        case "In":
            return any(_equal(value, each.strip(), name) for each in wanted.split(","))
        case "Contains":
            return wanted.lower() in str(value).lower()
    number = _number(value)
    if number is None:
        raise InputError(f"{name} is a string, which {operator} cannot order; use Equals, Contains or In")
    return _ORDERS[operator](number, _wanted_number(wanted, name))


def _equal(value: Any, wanted: str, name: str) -> bool:
    if isinstance(value, bool):
        return str(value).lower() == wanted.lower()
    if isinstance(value, int | float):
        number = _wanted_number(wanted, name)
        return value in (number, as_float32(number))  # 0.9 is shown as 0.8999999761581421
    return str(value) == wanted


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)  # tuned hyperparameters are strings
    except (TypeError, ValueError):
        return None


def _wanted_number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        kind = "a time in ISO 8601" if name.endswith("Time") else "a number"
        raise InputError(f"{name} cannot be compared with {text!r}; give {kind}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _filters(
    expression: Mapping[str, Any], path: str = "SearchExpression"
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for i, each in enumerate(expression.get("Filters", ())):
        yield f"{path}.Filters[{i}]", each
    for i, nested in enumerate(expression.get("NestedFilters", ())):
        for j, each in enumerate(nested["Filters"]):
            yield f"{path}.NestedFilters[{i}].Filters[{j}]", each
    for i, inner in enumerate(expression.get("SubExpressions", ())):
        yield from _filters(inner, f"{path}.SubExpressions[{i}]")
