"""The description of a tuning job, as plain validated data.

Every way to describe one (a CreateHyperParameterTuningJob request as JSON, YAML or TOML, or this Python API)
ends in a `TuningJobConfig`; the runner, the executors and the responses read nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hpt.space import SearchSpace
from hpt.trial import ObjectiveType

DEFAULT_GRACE_SECONDS = 120.0
OBJECTIVE_METRIC_KEY = "_tuning_objective_metric"
RESULT_METRIC = "hpt:result"
"""A metric of this name, where defined and printed, beats the last value of the objective as the final one."""


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """A metric's name and the regular expression whose first group reads its value from a line of the log."""

    name: str
    regex: str


@dataclass(frozen=True, slots=True)
class Objective:
    """The metric the search optimises and its direction."""

    metric: str
    type: ObjectiveType


@dataclass(frozen=True, slots=True)
class Channel:
    """A named input data set; `uri` is a resolved absolute local path or an `s3://` URI."""

    name: str
    uri: str
    content_type: str | None = None
    compression: str = "None"
    input_mode: str = "File"
    record_wrapper: str = "None"
    distribution: str = "FullyReplicated"


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """Bounds on the whole tuning job. `max_jobs` None: no bound but the strategy's own (Grid: its product)."""

    max_jobs: int | None
    max_parallel_jobs: int
    max_runtime_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class TrainingJobDefinition:
    """The template of every training job.

    training_image: absolute path of a local program or script, a built-in algorithm's name, or an image URI of
    one. hyperparameters: the static ones, texts. output_path: a local directory or `s3://` URI that receives
    `<training job name>/output/model.tar.gz`, or None to leave the model where it was written.
    """

    training_image: str
    space: SearchSpace
    objective: Objective
    name: str | None = None
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    metric_definitions: tuple[MetricDefinition, ...] = ()
    channels: tuple[Channel, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    output_path: str | None = None
    checkpoint_uri: str | None = None
    checkpoint_local_path: str = "/opt/ml/checkpoints/"
    max_runtime_seconds: float | None = None
    grace_seconds: float = DEFAULT_GRACE_SECONDS
    instance_type: str = "local"
    instance_count: int = 1


@dataclass(frozen=True, slots=True)
class TuningJobConfig:
    """One search: what to run, over which space, under which limits.

    seed: None lets the runner draw one and record it. request: the CreateHyperParameterTuningJob request this
    configuration was read from, defaults filled in, for Describe to echo. warnings: said once when the job is made.
    """

    name: str
    strategy: str
    definition: TrainingJobDefinition
    limits: ResourceLimits
    seed: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
