"""Whatever is written into a request, the answer is a job or a ValidationError, never another exception."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hpt.errors import ValidationError
from hpt.sagemaker.request.parse import parse_request, read_request, to_request
from tests.sagemaker.request.samples import CONFIG, GONE, JOB, LIMITS, RANGES, edit, local

WHERE = [
    "HyperParameterTuningJobName",
    CONFIG,
    f"{CONFIG}.Strategy",
    f"{CONFIG}.HyperParameterTuningJobObjective",
    f"{CONFIG}.HyperParameterTuningJobObjective.MetricName",
    f"{CONFIG}.RandomSeed",
    f"{CONFIG}.TuningJobCompletionCriteria",
    LIMITS,
    f"{LIMITS}.MaxNumberOfTrainingJobs",
    f"{LIMITS}.MaxRuntimeInSeconds",
    RANGES,
    f"{RANGES}.ContinuousParameterRanges",
    f"{RANGES}.ContinuousParameterRanges[0]",
    f"{RANGES}.ContinuousParameterRanges[0].MinValue",
    f"{RANGES}.ContinuousParameterRanges[0].MaxValue",
    f"{RANGES}.ContinuousParameterRanges[0].ScalingType",
    f"{RANGES}.IntegerParameterRanges",
    f"{RANGES}.CategoricalParameterRanges",
    JOB,
    f"{JOB}.StaticHyperParameters",
    f"{JOB}.AlgorithmSpecification",
    f"{JOB}.AlgorithmSpecification.TrainingImage",
    f"{JOB}.AlgorithmSpecification.MetricDefinitions",
    f"{JOB}.AlgorithmSpecification.MetricDefinitions[0].Regex",
    f"{JOB}.InputDataConfig",
    f"{JOB}.InputDataConfig[0].DataSource",
    f"{JOB}.InputDataConfig[0].DataSource.S3DataSource.S3Uri",
    f"{JOB}.OutputDataConfig",
    f"{JOB}.CheckpointConfig",
    f"{JOB}.Environment",
    f"{JOB}.ResourceConfig",
    f"{JOB}.HyperParameterTuningResourceConfig",
    f"{JOB}.StoppingCondition",
    "TrainingJobDefinitions",
    "WarmStartConfig",
    "Autotune",
    "Tags",
]
VALUES: list[Any] = [
    GONE,
    None,
    "",
    "0",
    "x",
    "1e999999999",
    "Grid",
    "Hyperband",
    "Logarithmic",
    "ReverseLogarithmic",
    "(" * 3000,
    "(a+)+$",
    "\0",
    "\ud800",
    "s3://",
    "https://[",
    "file://",
    "file://%00",
    "~nobody",
    "a" * 5000,
    -1,
    0,
    10**30,
    10**5000,
    -0.0,
    float("inf"),
    True,
    [],
    [[]],
    ["a", "a"],
    {},
    {"": ""},
    {"Name": "lr"},
    [{"Name": "lr", "MinValue": "1", "MaxValue": "9"}],
    [{"Name": "", "Values": [""]}],
    [{"Key": "a", "Value": "b"}] * 2,
    {"Mode": "Enabled"},
    {"HPT_GRACE_SECONDS": "1e400"},
    {"HyperbandStrategyConfig": {}},
    {"InstanceConfigs": []},
    {"S3Uri": "x", "LocalPath": ""},
    b"bytes",
    object(),
]


@settings(max_examples=600, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.sampled_from(WHERE), st.sampled_from(VALUES)), min_size=1, max_size=3),
    st.booleans(),
)
def test_any_request_gives_a_job_or_a_validation_error(changes: list[tuple[str, Any]], strict: bool) -> None:
    request = local()
    for path, value in changes:
        try:
            request = edit(request, {path: value})
        except (KeyError, IndexError, TypeError):
            return
    try:
        config, echo, _ = read_request(request, base_dir="/", strict=strict, check_paths=len(changes) == 1)
    except ValidationError as error:
        violations = error.violations
    else:
        assert parse_request(to_request(config), check_paths=False) == config
        assert "\\u" not in json.dumps(echo, ensure_ascii=True)
        return
    assert violations
    assert all(each.code and each.rule and len(str(each)) < 4000 for each in violations)
