from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from hpt.sagemaker.request.model import CREATE_TUNING_JOB, load_shapes
from hpt.sagemaker.request.relaxations import LOCAL
from hpt.sagemaker.request.shapes import STRICT, Overlay, SourceText, check_shape, members
from tests.sagemaker.request.samples import CONFIG, GONE, JOB, LIMITS, RANGES, edit, multi, single

ETA = f"{RANGES}.ContinuousParameterRanges[0]"


def found(request: Any, overlay: Overlay = STRICT) -> list[tuple[str, str]]:
    _, violations = check_shape(load_shapes(), CREATE_TUNING_JOB, request, overlay)
    assert {violation.code for violation in violations} <= {"ValidationException"}
    assert {violation.rule for violation in violations} <= {"shape"}
    return [(violation.path, violation.message) for violation in violations]


@pytest.mark.parametrize("request_", [single(), multi()])
def test_a_right_request_comes_out_as_it_went_in(request_: dict[str, Any]) -> None:
    assert check_shape(load_shapes(), CREATE_TUNING_JOB, request_) == (request_, ())


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("HyperParameterTuningJobName", GONE, "is missing and is required; add HyperParameterTuningJobName"),
        (
            "HyperParameterTuningJobName",
            "a" * 33,
            f"'{'a' * 33}' has 33 characters, more than the maximum of 32; shorten it",
        ),
        (
            "HyperParameterTuningJobName",
            "",
            "'' has 0 characters, fewer than the minimum of 1; add to it",
        ),
        (
            "HyperParameterTuningJobName",
            "my_job",
            "'my_job' does not match the required form [a-zA-Z0-9](-*[a-zA-Z0-9]){0,31}; change it to fit",
        ),
        ("HyperParameterTuningJobName", 7, "7 is a number where a string is required; put it in quotes"),
        (
            f"{CONFIG}.Strategy",
            "Bayes",
            "'Bayes' is not known; use one of Bayesian, Random, Hyperband, Grid",
        ),
        (
            f"{LIMITS}.MaxParallelTrainingJobs",
            0,
            "0 is below the minimum 1; raise it to 1 or more",
        ),
        (
            f"{LIMITS}.MaxRuntimeInSeconds",
            15_768_001,
            "15768001 is above the maximum 15768000; lower it to 15768000 or less",
        ),
        (
            f"{LIMITS}.MaxParallelTrainingJobs",
            "2",
            "'2' is a string where an integer is required; write it without quotes",
        ),
        (
            f"{LIMITS}.MaxParallelTrainingJobs",
            2.0,
            "2.0 is a number where an integer is required; give an integer",
        ),
        (
            f"{LIMITS}.MaxParallelTrainingJobs",
            True,
            "True is a boolean where an integer is required; give an integer",
        ),
        (
            f"{CONFIG}.RandomSeed",
            2**31,
            "2147483648 is above the maximum 2147483647; lower it to 2147483647 or less",
        ),
        (
            f"{CONFIG}.RandomSeed",
            None,
            "is null; leave the member out, or give it a value (a string 'null' in quotes)",
        ),
        (f"{ETA}.MinValue", 0.1, "0.1 is a number where a string is required; put it in quotes"),
        (f"{ETA}.MinValue", GONE, "is missing and is required; add MinValue"),
        (f"{ETA}.Name", "a\nb", "'a\\nb' contains a line break, which is not allowed here; take it out"),
        (
            f"{JOB}.StaticHyperParameters.a",
            "x\0",
            "'x\\x00' contains a NUL character or half a surrogate pair; take it out",
        ),
        (
            f"{ETA}.Name",
            "\ud800",
            "'\\ud800' contains a NUL character or half a surrogate pair; take it out",
        ),
        (f"{ETA}.Name", ["eta"], "['eta'] is a list; give a string"),
        (f"{JOB}.EnableManagedSpotTraining", "no", "'no' is a string; write true or false, without quotes"),
        (f"{JOB}.InputDataConfig", {}, "{} is an object; give a list"),
        (f"{JOB}.InputDataConfig", "train", "'train' is a string; give a list"),
        (f"{JOB}.InputDataConfig", [], "has 0 entries, fewer than the minimum of 1; add to it"),
        (f"{JOB}.StaticHyperParameters", [], "[] is a list; give an object of names and values"),
        (f"{JOB}.StoppingCondition", 3600, "3600 is a number; give an object with members"),
        (
            f"{JOB}.StaticHyperParameters.depth",
            "x" * 2501,
            f"'{'x' * 76}... has 2501 characters, more than the maximum of 2500; shorten it",
        ),
        (
            f"{JOB}.Environment.1x",
            "y",
            "'1x' does not match the required form [a-zA-Z_][a-zA-Z0-9_]*; change it to fit",
        ),
        (
            f"{LIMITS}.MaxParallelJobs",
            3,
            f"is not a member of {LIMITS}; did you mean 'MaxParallelTrainingJobs'?",
        ),
        (
            f"{LIMITS}.MaxRun",
            3,
            f"is not a member of {LIMITS}; did you mean 'MaxRuntimeInSeconds'?",
        ),
        (
            f"{CONFIG}.TuningJobCompletionCriteria.TargetObjectiveMetricValue",
            "0.9",
            "'0.9' is a string where a number is required; give a number",
        ),
        (
            f"{CONFIG}.TuningJobCompletionCriteria.TargetObjectiveMetricValue",
            float("nan"),
            "nan is not a finite number; give one that is",
        ),
        (
            f"{CONFIG}.TuningJobCompletionCriteria.TargetObjectiveMetricValue",
            10**400,
            f"{'1' + '0' * 76}... is not a finite number; give one that is",
        ),
        (
            f"{JOB}.ResourceConfig.InstanceType",
            "ml.m5.lage",
            "'ml.m5.lage' is not known; did you mean 'ml.m5.large'?",
        ),
    ],
)
def test_one_violation(path: str, value: Any, message: str) -> None:
    assert found(edit(single(), {path: value})) == [(path, message)]


def test_a_right_number_is_taken_as_a_float_where_one_is_wanted() -> None:
    request = edit(single(), {f"{CONFIG}.TuningJobCompletionCriteria.TargetObjectiveMetricValue": 1})
    plain, violations = check_shape(load_shapes(), CREATE_TUNING_JOB, request)
    assert violations == ()
    assert plain[CONFIG]["TuningJobCompletionCriteria"] == {"TargetObjectiveMetricValue": 1.0}


def test_all_violations_are_reported_together() -> None:
    request = edit(
        multi(),
        {
            "HyperParameterTuningJobName": "-",
            "Extra": 1,
            f"{LIMITS}.MaxParallelTrainingJobs": 0,
            "TrainingJobDefinitions[1].RoleArn": GONE,
            "TrainingJobDefinitions[1].HyperParameterRanges.IntegerParameterRanges[0].MaxValue": 10,
            "Tags": [{"Key": "a!", "Value": "b"}, {"Value": "c"}],
        },
    )
    assert {path for path, _ in found(request)} == {
        "HyperParameterTuningJobName",
        "Extra",
        f"{LIMITS}.MaxParallelTrainingJobs",
        "TrainingJobDefinitions[1].RoleArn",
        "TrainingJobDefinitions[1].HyperParameterRanges.IntegerParameterRanges[0].MaxValue",
        "Tags[0].Key",
        "Tags[1].Key",
    }


@pytest.mark.parametrize("request_", [None, [], "x", 3])
def test_something_else_than_a_request(request_: object) -> None:
    [(path, message)] = found(request_)
    assert path == ""
    assert "object with members" in message or "null" in message


def test_an_integer_of_thousands_of_digits_is_reported_not_printed() -> None:
    [(_, message)] = found(edit(single(), {f"{CONFIG}.RandomSeed": 10**5000}))
    assert message.startswith("a number of thousands of digits is above the maximum")


def test_tuples_serve_as_lists() -> None:
    request = single()
    request[JOB]["InputDataConfig"] = tuple(request[JOB]["InputDataConfig"])
    assert found(request) == []


class TestSourceText:
    """Numbers and words of a job file."""

    @pytest.mark.parametrize(
        ("source", "text"),
        [
            (SourceText("0.10", 0.1), "0.10"),
            (SourceText("1e-3", 0.001), "1e-3"),
            (SourceText("true", True), "true"),
            (SourceText("12345678901234567890", 12345678901234567890), "12345678901234567890"),
            (0.1, "0.1"),
            (7, "7"),
            (True, "true"),
            ("0.10", "0.10"),
        ],
    )
    def test_locally_its_text_stands_where_a_text_is_wanted(self, source: object, text: str) -> None:
        request = edit(single(), {f"{ETA}.MinValue": source, f"{JOB}.StaticHyperParameters.x": source})
        plain, violations = check_shape(load_shapes(), CREATE_TUNING_JOB, request, LOCAL)
        assert violations == ()
        assert plain[CONFIG]["ParameterRanges"]["ContinuousParameterRanges"][0]["MinValue"] == text
        assert plain[JOB]["StaticHyperParameters"]["x"] == text

    def test_strictly_it_is_a_number(self) -> None:
        request = edit(single(), {f"{ETA}.MinValue": SourceText("0.10", 0.1)})
        assert found(request) == [
            (f"{ETA}.MinValue", "'0.10' is a number where a string is required; put it in quotes")
        ]

    def test_elsewhere_its_value_counts(self) -> None:
        request = edit(
            single(),
            {
                f"{LIMITS}.MaxParallelTrainingJobs": SourceText("0x2", 2),
                f"{JOB}.EnableNetworkIsolation": SourceText("True", True),
            },
        )
        plain, violations = check_shape(load_shapes(), CREATE_TUNING_JOB, request)
        assert violations == ()
        assert plain[CONFIG]["ResourceLimits"]["MaxParallelTrainingJobs"] == 2
        assert plain[JOB]["EnableNetworkIsolation"] is True

    @pytest.mark.parametrize("overlay", [STRICT, LOCAL])
    def test_null_is_refused(self, overlay: Overlay) -> None:
        [(path, message)] = found(edit(single(), {f"{ETA}.MinValue": SourceText("~", None)}), overlay)
        assert path == f"{ETA}.MinValue"
        assert message.startswith("is null; leave the member out")

    def test_nan_is_no_number(self) -> None:
        path = f"{CONFIG}.TuningJobCompletionCriteria.TargetObjectiveMetricValue"
        assert found(edit(single(), {path: SourceText(".nan", float("nan"))})) == [
            (path, "'.nan' is not a finite number; give one that is")
        ]


def test_the_paths_of_members_are_those_of_violations_without_numbers() -> None:
    paths = set(members(load_shapes(), CREATE_TUNING_JOB))
    assert {
        "HyperParameterTuningJobName",
        f"{RANGES}.ContinuousParameterRanges[].MinValue",
        f"{JOB}.StaticHyperParameters",
        f"{JOB}.InputDataConfig[].DataSource.S3DataSource.S3Uri",
        "TrainingJobDefinitions[].Environment",
    } <= paths


# The validator of botocore is the slow, obvious twin of what it does check: types, required, unknown members,
# minima of numbers and lengths.

_MODEL = ServiceModel(Loader().load_service_model("sagemaker", "service-2"), "sagemaker")
_INPUT = _MODEL.operation_model("CreateHyperParameterTuningJob").input_shape

_PATHS: list[str] = []


def _collect(value: Any, path: str) -> None:
    _PATHS.append(path)
    if isinstance(value, dict):
        for key, inner in value.items():
            _collect(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            _collect(inner, f"{path}[{i}]")


_collect(single(), "")
_collect(multi(), "")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.sampled_from([path for path in _PATHS if path]),
    st.sampled_from([GONE, None, 0, -1, 1.5, True, "", "x", [], {}, ["x"], {"x": 1}, b"x"]),
)
def test_whatever_botocore_refuses_is_refused(path: str, value: object) -> None:
    base = multi() if path.startswith("TrainingJobDefinitions") else single()
    try:
        request = edit(base, {path: value})
    except (KeyError, IndexError, TypeError):
        return
    if ParamValidator().validate(request, _INPUT).has_errors():
        assert found(request) != []


def test_the_plain_data_is_json() -> None:
    plain, _ = check_shape(load_shapes(), CREATE_TUNING_JOB, multi())
    assert json.loads(json.dumps(plain)) == multi()
