from __future__ import annotations

from typing import Any

import pytest

from hpt.errors import Violation
from hpt.sagemaker.request.members import NEWER_THAN_OLDEST_BOTOCORE, TABLE, Row, stored_only, unsupported
from hpt.sagemaker.request.model import CREATE_TUNING_JOB, load_shapes
from hpt.sagemaker.request.relaxations import REPEATS
from hpt.sagemaker.request.shapes import members
from tests.sagemaker.request.samples import CONFIG, GONE, JOB, RANGES, channel, edit, multi, single

MEMBERS = set(members(load_shapes(), CREATE_TUNING_JOB))


def refused_above(path: str) -> bool:
    return any(
        path.startswith((f"{outer}.", f"{outer}[")) for outer, row in TABLE.items() if row.status == "refused"
    )


def test_every_member_of_the_request_has_a_row() -> None:
    without = {path for path in MEMBERS if path not in TABLE and not refused_above(path)}
    assert without == set(), "the service takes members that no row of the table speaks of"


def test_every_row_has_a_member() -> None:
    assert set(TABLE) - MEMBERS - {f"HyperParameterTuningJobConfig.{REPEATS}"} <= NEWER_THAN_OLDEST_BOTOCORE


def test_no_row_lies_below_a_refused_one() -> None:
    assert [path for path in TABLE if refused_above(path)] == []


def test_every_refusal_says_what_to_do() -> None:
    assert [
        path for path, row in TABLE.items() if (row.status == "refused" or row.only) and not row.fix
    ] == []


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    (
        {f"{JOB}.AlgorithmSpecification.AlgorithmName": "arn:aws:sagemaker:x:123456789012:algorithm/a"},
        f"{JOB}.AlgorithmSpecification.AlgorithmName",
        "is not supported yet; give TrainingImage: a built-in algorithm or a local program",
    ),
    (
        {f"{JOB}.InputDataConfig[0].DataSource": {"DatasetSource": {"DatasetArn": "arn:aws:x"}}},
        f"{JOB}.InputDataConfig[0].DataSource.DatasetSource",
        "is not supported yet; copy the data set and give its place as S3DataSource",
    ),
    (
        {f"{JOB}.TuningObjective": {"Type": "Maximize", "MetricName": "x"}},
        f"{JOB}.TuningObjective",
        "is not supported yet; it belongs to TrainingJobDefinitions; give it under "
        "HyperParameterTuningJobConfig",
    ),
]


@pytest.mark.parametrize(("changes", "path", "message"), REFUSED)
def test_what_is_not_built_is_refused_by_name(changes: dict[str, Any], path: str, message: str) -> None:
    assert unsupported(edit(single(), changes)) == (
        Violation("ValidationException", path, "unsupported", message),
    )


def test_the_multi_form_is_taken_and_looked_into() -> None:
    assert unsupported(multi()) == ()
    path = "TrainingJobDefinitions[1].ResourceConfig.InstancePlacementConfig"
    request = edit(multi(), {path: {"EnableMultipleJobs": True}})
    assert [violation.path for violation in unsupported(request)] == [path]


@pytest.mark.parametrize(("changes", "path", "message"), REFUSED)
def test_what_is_refused_of_a_single_definition_is_refused_of_each_of_several(
    changes: dict[str, Any], path: str, message: str
) -> None:
    if not path.startswith(f"{JOB}.") or path == f"{JOB}.TuningObjective":
        pytest.skip("not of a definition")
    second = "TrainingJobDefinitions[1]"
    request = edit(multi(), {place.replace(JOB, second, 1): value for place, value in changes.items()})
    assert [(each.path, each.message) for each in unsupported(request)] == [
        (path.replace(JOB, second, 1), message)
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {f"{CONFIG}.TrainingJobEarlyStoppingType": "Off"},
        {
            f"{CONFIG}.TuningJobCompletionCriteria": {
                "ConvergenceDetected": {"CompleteOnConvergence": "Disabled"}
            }
        },
        {f"{CONFIG}.TuningJobCompletionCriteria": {}},
        {f"{RANGES}.AutoParameters": []},
        {f"{JOB}.EnableManagedSpotTraining": False},
        {f"{JOB}.EnableManagedSpotTraining": True, f"{JOB}.StoppingCondition.MaxWaitTimeInSeconds": 7200},
        {f"{JOB}.RetryStrategy": {"MaximumRetryAttempts": 2}},
        {f"{JOB}.OutputDataConfig.CompressionType": "GZIP"},
        {f"{JOB}.InputDataConfig[0].InputMode": "File"},
        {f"{JOB}.StaticHyperParameters.EnableManagedSpotTraining": "true"},
        {f"{JOB}.Environment": {"RetryStrategy": "x"}},
    ],
)
def test_what_asks_for_nothing_is_taken(changes: dict[str, Any]) -> None:
    assert unsupported(edit(single(), changes)) == ()


def test_all_refusals_come_together() -> None:
    request = edit(
        single(),
        {
            f"{JOB}.InputDataConfig[0].DataSource.S3DataSource.HubAccessConfig": {"HubContentArn": "x"},
            f"{JOB}.ResourceConfig.InstancePlacementConfig": {"EnableMultipleJobs": True},
            "WarmStartConfig": {"Novelty": 1},
        },
    )
    assert len(unsupported(request)) == 3


def test_a_member_without_a_row_is_refused() -> None:
    [violation] = unsupported({**single(), "Novelty": {"A": 1}})
    assert violation.path == "Novelty"
    assert "must not ignore it" in violation.message


def test_a_member_that_loses_its_row_is_refused() -> None:
    table: dict[str, Row] = {path: row for path, row in TABLE.items() if path != f"{JOB}.Environment"}
    request = edit(single(), {f"{JOB}.Environment": {"A": "1"}})
    assert [violation.path for violation in unsupported(request, table)] == [f"{JOB}.Environment"]


def test_members_that_are_only_stored_are_named_once() -> None:
    request = edit(
        single(),
        {
            f"{JOB}.VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
            f"{JOB}.OutputDataConfig.KmsKeyId": "key",
            f"{JOB}.EnableNetworkIsolation": True,
            f"{JOB}.EnableInterContainerTrafficEncryption": False,
            f"{JOB}.InputDataConfig[+]": channel("test"),
        },
    )
    assert set(stored_only(request)) == {
        f"{JOB}.RoleArn",
        f"{JOB}.VpcConfig",
        f"{JOB}.OutputDataConfig.KmsKeyId",
        f"{JOB}.EnableNetworkIsolation",
        f"{JOB}.ResourceConfig.InstanceType",
        f"{JOB}.ResourceConfig.VolumeSizeInGB",
    }


def test_a_request_of_honoured_members_alone_stores_nothing_only() -> None:
    request = edit(single(), {f"{JOB}.RoleArn": GONE, f"{JOB}.ResourceConfig": GONE})
    assert stored_only(edit(request, {f"{JOB}.OutputDataConfig.KmsKeyId": ""})) == ()
