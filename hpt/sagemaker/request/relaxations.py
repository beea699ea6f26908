"""What is allowed on one's own machine beyond what the service allows: one overlay of the shapes, one of the
limits.

Strict mode drops both and reads a request as the service would.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from urllib.parse import unquote

from hpt.sagemaker.request.shapes import STRICT, Overlay
from hpt.search.space import MAX_PARAMETERS, MAX_VALUES

LOCAL = Overlay(
    "local",
    optional=frozenset(
        {
            "HyperParameterTrainingJobDefinition.RoleArn",
            "HyperParameterTrainingJobDefinition.OutputDataConfig",
            "HyperParameterTrainingJobDefinition.StoppingCondition",
            "HyperParameterAlgorithmSpecification.TrainingInputMode",
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
        "HyperParameters": (0, 1000),
        "MetricDefinitionList": (0, 200),
        "HyperParameterTuningMaxRuntimeInSeconds": (1, 15_768_000),
        "RandomSeed": (0, 2**64 - 1),
    },
    free=frozenset({"S3Uri", "RoleArn", "TrainingInstanceType"}),
    scalars_as_text=True,
)
"""Paths for URIs, defaults for what only a cloud needs, higher limits, numbers where texts stand."""

LOCAL_ROLE = "arn:aws:iam::000000000000:role/hpt-local"
DEFAULT_MAX_RUNTIME = 86_400
DEFAULT_CHECKPOINT_PATH = "/opt/ml/checkpoints/"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one job may ask for. jobs: training jobs by strategy; parallel: at once.

    parameters: ranges of one definition. hyperparameters: static, tuned and added ones together.
    training_seconds: the run time of one training job. open_jobs: tuning jobs that have not ended.
    requests_per_second: of all operations together; None admits any number. warm_start_jobs: training jobs of
    the parents of a warm start and of the job itself together.
    """

    jobs: Mapping[str, int]
    parallel: int
    parameters: int
    hyperparameters: int
    training_seconds: int
    open_jobs: int = 100
    requests_per_second: float | None = None
    warm_start_jobs: int = 750


STRICT_LIMITS = Limits(
    jobs=MappingProxyType({"Bayesian": 750, "Random": 10_000, "Grid": 750, "Hyperband": 750}),
    parallel=100,
    parameters=30,
    hyperparameters=100,
    training_seconds=28 * 86_400,
)
"""The service's quotas (AMT 15), raised as far as it raises them on request."""

DEFAULT_LIMITS = replace(STRICT_LIMITS, parallel=10)
"""The quotas as they are before anybody asks for more: what clients of the service meet."""

LOCAL_LIMITS = Limits(
    jobs=MappingProxyType(dict.fromkeys(STRICT_LIMITS.jobs, 10_000)),
    parallel=1000,
    parameters=MAX_PARAMETERS,
    hyperparameters=1100,
    training_seconds=2**31 - 1,
)


@dataclass(frozen=True, slots=True)
class Mode:
    """How a request is read: which shapes and limits apply, and whether local paths may stand for URIs."""

    overlay: Overlay
    limits: Limits
    paths: bool


STRICT_MODE = Mode(STRICT, STRICT_LIMITS, paths=False)
LOCAL_MODE = Mode(LOCAL, LOCAL_LIMITS, paths=True)

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_IMAGE = re.compile(
    r"(?:[\w-]+(?:\.[\w-]+)+|localhost)(?::\d+)?/.+|[^/]*[^/.][^/]*:[\w.-]+|.+@sha256:[0-9a-f]+"
)


def resolve_uri(uri: str, base_dir: str, home: str) -> str | None:
    """An `s3://` URI as it is, anything local as an absolute path; None for another scheme.

    Local are `file://` URIs and paths: absolute, relative to `base_dir`, or under `home` (`~/data`).
    """
    scheme = _SCHEME.match(uri)
    if scheme is None:
        return resolve_path(uri, base_dir, home)
    match scheme[1].lower():
        case "s3":
            return f"s3://{uri[scheme.end() :]}"
        case "file":
            path = unquote(uri[scheme.end() :])
            if path.startswith("localhost/"):
                path = path.removeprefix("localhost")
            return resolve_path(path, base_dir, home)
    return None


def resolve_path(path: str, base_dir: str, home: str) -> str:
    """`path` made absolute."""
    if path == "~" or path.startswith("~/"):
        path = posixpath.join(home, path[2:])
    return posixpath.normpath(posixpath.join(base_dir, path))


def is_s3(uri: str) -> bool:
    return uri.startswith("s3://")


def is_image(image: str) -> bool:
    """Whether a `TrainingImage` can only mean a container image: a registry, a tag, a digest, or another
    scheme.
    """
    if image.startswith(("/", "./", "../", "~", "file://")) or image.endswith((".py", ".sh")):
        return False
    return _IMAGE.fullmatch(image) is not None or _SCHEME.match(image) is not None
