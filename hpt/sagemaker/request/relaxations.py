"""What local jobs may do beyond the service: an overlay of the shapes, and `hpt.job.limits.LOCAL_LIMITS`.

Strict mode uses neither and reads a request as the service does.
"""

from __future__ import annotations

from dataclasses import dataclass

from hpt.job.draft import RANDOM_HYPERBAND
from hpt.job.limits import LOCAL_LIMITS, STRICT_LIMITS, Limits
from hpt.job.resources import MEMBERS
from hpt.sagemaker.request.shapes import STRICT, Overlay
from hpt.search.scaling import find_scaling
from hpt.search.space import MAX_PARAMETERS, MAX_VALUES


def _early_stopping(word: str) -> str | None:
    return {"auto": "Auto", "autoall": "AutoAll", "off": "Off"}.get(word.lower())


def _strategy(word: str) -> str | None:
    return RANDOM_HYPERBAND if word.lower() == RANDOM_HYPERBAND.lower() else None


def _scaling(word: str) -> str | None:
    found = find_scaling(word)
    return None if found is None else found.value


RESOURCES = dict.fromkeys(MEMBERS.values(), "ResourceOfJob")
"""Members of a `ResourceConfig` that only job files have, see `hpt.job.resources`; strings or numbers."""

REPEATS = "RepeatConfigurations"
"""Whether Bayesian search may try a configuration again."""

LOCAL = Overlay(
    "local",
    optional=frozenset(
        {
            "HyperParameterTrainingJobDefinition.RoleArn",
            "HyperParameterTrainingJobDefinition.OutputDataConfig",
            "HyperParameterTrainingJobDefinition.StoppingCondition",
            "HyperParameterAlgorithmSpecification.TrainingInputMode",
            "CreateTrainingJobRequest.RoleArn",
            "CreateTrainingJobRequest.OutputDataConfig",
            "AlgorithmSpecification.TrainingInputMode",
            "MetricDefinition.Regex",
            "OutputDataConfig.S3OutputPath",
            "S3DataSource.S3DataType",
        }
    ),
    bounds={
        "AlgorithmImage": (1, 4096),  # also a path
        "S3Uri": (1, 4096),
        "RoleArn": (1, 2048),
        "ContinuousParameterRanges": (0, MAX_PARAMETERS),
        "IntegerParameterRanges": (0, MAX_PARAMETERS),
        "CategoricalParameterRanges": (0, MAX_PARAMETERS),
        "ParameterValues": (1, MAX_VALUES),
        "HyperParameters": (0, 2000),
        "MetricDefinitionList": (0, 200),
        "HyperParameterTuningMaxRuntimeInSeconds": (1, 15_768_000),
        "RandomSeed": (0, 2**64 - 1),
    },
    free=frozenset({"S3Uri", "RoleArn", "TrainingInstanceType"}),
    scalars_as_strings=True,
    words={
        "HyperParameterTuningJobStrategyType": _strategy,
        "HyperParameterScalingType": _scaling,
        "TrainingJobEarlyStoppingType": _early_stopping,
    },
    further={
        "HyperParameterTuningJobStrategyType": (RANDOM_HYPERBAND,),
        "TrainingJobEarlyStoppingType": ("AutoAll",),
    },
    members={
        **dict.fromkeys(("ResourceConfig", "HyperParameterTuningResourceConfig"), RESOURCES),
        "HyperParameterTuningJobConfig": {REPEATS: "Repeats"},
    },
    shapes={"ResourceOfJob": {"type": "string", "min": 1, "max": 64}, "Repeats": {"type": "boolean"}},
)
"""Paths for URIs, defaults for what only a cloud needs, higher limits, numbers in place of strings."""

LOCAL_ROLE = "arn:aws:iam::000000000000:role/hpt-local"
"""The role of a request without one."""


@dataclass(frozen=True, slots=True)
class Mode:
    """How a request is read: which shapes and limits apply, and whether local paths may stand for URIs."""

    overlay: Overlay
    limits: Limits
    paths: bool


STRICT_MODE = Mode(STRICT, STRICT_LIMITS, paths=False)
LOCAL_MODE = Mode(LOCAL, LOCAL_LIMITS, paths=True)
