"""Requests that break nothing, and a way to break them in one place."""

from __future__ import annotations

import copy
import re
from itertools import pairwise
from typing import Any

from hpt.job.catalog import ALGORITHMS, find_algorithm
from hpt.job.limits import find_limits
from hpt.sagemaker.request.facts import Facts
from hpt.sagemaker.request.model import CREATE_TUNING_JOB, load_shapes
from hpt.sagemaker.request.relaxations import LOCAL_MODE, STRICT_MODE
from hpt.sagemaker.request.shapes import check_shape

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
CONFIG = "HyperParameterTuningJobConfig"
LIMITS = f"{CONFIG}.ResourceLimits"
RANGES = f"{CONFIG}.ParameterRanges"
JOB = "TrainingJobDefinition"
GONE = object()
"""The value that takes a member away."""


def local() -> dict[str, Any]:
    """The least that a local job must say."""
    return {
        "HyperParameterTuningJobName": "mlp",
        CONFIG: {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "auc"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 5, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "lr", "MinValue": 0.10, "MaxValue": "0.5"}]
            },
        },
        JOB: {
            "AlgorithmSpecification": {
                "TrainingImage": "train.py",
                "MetricDefinitions": [{"Name": "auc", "Regex": r"auc=(\S+)"}],
            },
            "InputDataConfig": [
                {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": "data/train.csv"}}}
            ],
        },
    }


def group(name: str, count: int = 1) -> dict[str, Any]:
    """A group of instances."""
    return {"InstanceGroupName": name, "InstanceType": "ml.m5.large", "InstanceCount": count}


def definition() -> dict[str, Any]:
    return {
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": "arn:aws:iam::123456789012:role/Tuner",
        "InputDataConfig": [channel("train"), channel("validation")],
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/output"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "StaticHyperParameters": {"num_round": "100", "eval_metric": "auc"},
    }


def channel(name: str, uri: str | None = None) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri or f"s3://bucket/{name}"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, "ContentType": "text/csv"}


def objective() -> dict[str, str]:
    return {"Type": "Maximize", "MetricName": "validation:auc"}


def ranges() -> dict[str, Any]:
    return {
        "ContinuousParameterRanges": [{"Name": "eta", "MinValue": "0.1", "MaxValue": "0.5"}],
        "IntegerParameterRanges": [{"Name": "max_depth", "MinValue": "1", "MaxValue": "10"}],
    }


def single() -> dict[str, Any]:
    """The smallest sensible request of the single form, as the service takes it."""
    return {
        "HyperParameterTuningJobName": "xgb-1",
        CONFIG: {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": objective(),
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 20, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": ranges(),
        },
        JOB: definition(),
    }


def grid() -> dict[str, Any]:
    """A search over six combinations."""
    values = [
        {"Name": "booster", "Values": ["gbtree", "dart"]},
        {"Name": "max_depth", "Values": ["3", "6", "9"]},
    ]
    return edit(
        single(),
        {
            f"{CONFIG}.Strategy": "Grid",
            RANGES: {"CategoricalParameterRanges": values},
            f"{LIMITS}.MaxNumberOfTrainingJobs": 6,
        },
    )


def multi() -> dict[str, Any]:
    """Two definitions, as the service takes them."""
    request = single()
    del request[JOB], request[CONFIG]["ParameterRanges"], request[CONFIG]["HyperParameterTuningJobObjective"]
    request["TrainingJobDefinitions"] = [
        {
            **definition(),
            "DefinitionName": name,
            "TuningObjective": objective(),
            "HyperParameterRanges": ranges(),
        }
        for name in ("first", "second")
    ]
    return request


def edit(request: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy with members set, added (`Tags[+]` appends) or taken away (`GONE`), by path."""
    request = copy.deepcopy(request)
    for path, value in changes.items():
        steps: list[Any] = [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", path)]
        place: Any = request
        for step, following in pairwise(steps):
            if isinstance(place, dict):
                place = place.setdefault(step, [] if following == "+" else {})
            else:
                place = place[step]
        if value is GONE:
            del place[steps[-1]]
            continue
        value = copy.deepcopy(value)
        if steps[-1] == "+":
            place.append(value)
        else:
            place[steps[-1]] = value
    return request


def facts(
    request: dict[str, Any], *, strict: bool = False, find: Any = find_algorithm, limits: str | None = None
) -> Facts:
    """What the rules see of a request whose shapes are right."""
    mode = STRICT_MODE if strict else LOCAL_MODE
    plain, violations = check_shape(load_shapes(), CREATE_TUNING_JOB, request, mode.overlay)
    assert violations == ()
    return Facts(
        plain,
        mode.limits if limits is None else find_limits(limits),
        mode.paths,
        find,
        tuple(algorithm.name for algorithm in ALGORITHMS),
    )
