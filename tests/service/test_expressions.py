"""Search expressions (behaviour 13.7)."""

from __future__ import annotations

from typing import Any

import pytest

from hpt.errors import InputError
from hpt.service.expressions import check_expression, fits, look_up

RECORD: dict[str, Any] = {
    "TrainingJobName": "xgb-001",
    "TrainingJobStatus": "Completed",
    "CreationTime": 1_700_000_000.5,
    "EnableNetworkIsolation": False,
    "TrainingTimeInSeconds": 12,
    "HyperParameters": {"eta": "0.1", "a.b": "x"},
    "FinalMetricDataList": [
        {"MetricName": "validation:auc", "Value": 0.8999999761581421},
        {"MetricName": "train:auc", "Value": 1.0},
    ],
    "Tags": [{"Key": "team", "Value": "blue"}, {"Key": "a.b", "Value": ""}],
    "InputDataConfig": [
        {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": "s3://a/train"}}},
        {"ChannelName": "validation", "DataSource": {"S3DataSource": {"S3Uri": "s3://b/validation"}}},
    ],
    "ResourceConfig": {"InstanceType": "local"},
}


def one(name: str, operator: str | None = None, value: str | None = None) -> dict[str, Any]:
    found = {"Name": name}
    if operator is not None:
        found["Operator"] = operator
    if value is not None:
        found["Value"] = value
    return found


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (one("TrainingJobStatus", None, "Completed"), True),
        (one("TrainingJobStatus", "Equals", "completed"), False),
        (one("TrainingJobStatus", "NotEquals", "Failed"), True),
        (one("TrainingJobStatus", "In", "Failed, Completed"), True),
        (one("TrainingJobStatus", "In", "Failed,Stopped"), False),
        (one("TrainingJobName", "Contains", "GB-"), True),
        (one("FailureReason", "NotExists"), True),
        (one("FailureReason", "Exists"), False),
        (one("FailureReason", "NotEquals", "x"), True),
        (one("FailureReason", "Equals", "x"), False),
        (one("Metrics.validation:auc", "Equals", "0.9"), True),
        (one("Metrics.validation:auc", "GreaterThan", "0.9"), False),
        (one("Metrics.validation:auc", "GreaterThanOrEqualTo", "0.89"), True),
        (one("Metrics.train:auc", "LessThanOrEqualTo", "1"), True),
        (one("Metrics.none", "LessThan", "1"), False),
        (one("HyperParameters.eta", "LessThan", "0.2"), True),
        (one("HyperParameters.a.b", "Equals", "x"), True),
        (one("Tags.team", "Equals", "blue"), True),
        (one("Tags.a.b", "Exists"), True),
        (one("Tags.Team", "Exists"), False),
        (one("CreationTime", "GreaterThan", "2023-11-14T22:13:20Z"), True),
        (one("CreationTime", "GreaterThan", "2023-11-14T22:13:20"), True),
        (one("CreationTime", "LessThan", "2023-11-14T22:13:21+00:00"), True),
        (one("CreationTime", "LessThan", "1700000000"), False),
        (one("EnableNetworkIsolation", "Equals", "False"), True),
        (one("TrainingTimeInSeconds", "Equals", "12.0"), True),
        (one("ResourceConfig.InstanceType", "Equals", "local"), True),
        (one("InputDataConfig.ChannelName", "Equals", "validation"), True),
    ],
)
def test_conditions(condition: dict[str, Any], expected: bool) -> None:
    check_expression({"Filters": [condition]})
    assert fits(RECORD, {"Filters": [condition]}) is expected


YES, NO = one("TrainingJobStatus", None, "Completed"), one("TrainingJobStatus", None, "Failed")


def test_combinations() -> None:
    assert fits(RECORD, {})
    assert not fits(RECORD, {"Filters": [YES, NO]})
    assert fits(RECORD, {"Filters": [YES, NO], "Operator": "Or"})
    assert fits(RECORD, {"Filters": [YES], "SubExpressions": [{"Filters": [NO, YES], "Operator": "Or"}]})
    assert not fits(RECORD, {"Filters": [YES], "SubExpressions": [{"Filters": [NO]}]})


def test_a_nested_filter_wants_one_entry_that_fits_every_condition() -> None:
    def nested(channel: str, uri: str) -> dict[str, Any]:
        name, place = "InputDataConfig.ChannelName", "InputDataConfig.DataSource.S3DataSource.S3Uri"
        filters = [one(name, "Equals", channel), one(place, "Contains", uri)]
        return {"NestedFilters": [{"NestedPropertyName": "InputDataConfig", "Filters": filters}]}

    assert fits(RECORD, nested("train", "s3://a"))
    assert not fits(RECORD, nested("train", "s3://b"))


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ({"Filters": [one("A", "Contains", "a"), one("B", "Contains", "b")]}, "Contains more than once"),
        ({"Filters": [one("A", "Equals")]}, r"Filters\[0\].Value is missing"),
        (
            {"SubExpressions": [{"Filters": [one("A", "Exists", "x")]}]},
            r"SubExpressions\[0\].Filters\[0\].Value",
        ),
        ({"SubExpressions": [{"Filters": [one("A", None, "x")] * 17}] * 3}, "51 conditions"),
    ],
)
def test_expressions_that_break_a_rule(expression: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_expression(expression)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (one("TrainingJobStatus", "GreaterThan", "A"), "is a string"),
        (one("CreationTime", "GreaterThan", "yesterday"), "a time in ISO 8601"),
        (one("TrainingTimeInSeconds", "Equals", "long"), "a number"),
    ],
)
def test_comparisons_without_meaning(condition: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fits(RECORD, {"Filters": [condition]})


def test_values_looked_up() -> None:
    assert look_up(RECORD, "InputDataConfig.ChannelName") == ["train", "validation"]
    assert look_up(RECORD, "Tags.none") == []
    inside = {"TrainingJobDefinition": {"StaticHyperParameters": {"n": "3"}}}
    assert look_up(inside, "StaticHyperParameters.n") == ["3"]
