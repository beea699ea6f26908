"""The description of a job before validation: it may be incomplete or invalid.

An invalid `JobConfig` cannot be built, so rules are checked on a `Draft`. Requests, `tuning_job`,
`hpt.tune` and finished configurations are converted to this form; `hpt.job.rules` checks it, and
`hpt.job.complete` fills in the defaults and makes the configuration.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import NamedTuple

from hpt.errors import InputError
from hpt.job.catalog import BuiltInAlgorithm
from hpt.job.completion import CompletionCriteria
from hpt.job.config import (
    DEFAULT_CHECKPOINT_PATH,
    EarlyStopping,
    HyperbandConfig,
    JobConfig,
    TrainingJobDefinition,
)
from hpt.job.limits import LOCAL_LIMITS, Limits
from hpt.job.naming import Place
from hpt.job.program_kind import SOURCE_KEY, TrainingProgram
from hpt.job.resources import SlotResources
from hpt.search.parameters import CategoricalParameter, IntegerParameter, Parameter
from hpt.search.scaling import read_int

KINDS = ("Continuous", "Integer", "Categorical")
"""The kinds of ranges, in the order in which a request's space lists its parameters."""

EPOCH_KEYS = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")
"""Static hyperparameters with the number of reports of a training job; the first one given counts."""


class DraftRange(NamedTuple):
    """A hyperparameter that is searched. size: how many values it has, None for infinitely many."""

    kind: str
    name: str
    size: int | None


class DraftMetric(NamedTuple):
    """A metric; without a regex, the program reports it by itself."""

    name: str
    regex: str | None


class DraftChannel(NamedTuple):
    """An input channel as `Channel` has it. uri: as written, None if not given."""

    name: str
    uri: str | None
    content_type: str | None = None
    compression: str = "None"
    input_mode: str = "File"
    record_wrapper: str = "None"
    distribution: str = "FullyReplicated"
    data_type: str = "S3Prefix"
    attribute_names: tuple[str, ...] = ()
    shuffle_seed: int | None = None
    instance_group_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DraftGroup:
    """An instance group as `InstanceGroup` has it."""

    name: str
    instance_type: str
    count: int


class DraftWarmStart(NamedTuple):
    """A warm start as `WarmStart` has it."""

    parents: tuple[str, ...]
    type: str


@dataclass(frozen=True, slots=True)
class DraftDefinition:
    """A training job definition; None where a field was left out.

    training_image, output_path, checkpoint_uri: as written. program: what the image is. unlimited: a missing
    max_runtime_seconds means no limit, and not the default. machine: the `resources`.
    """

    training_image: str
    objective: str | None
    direction: str | None
    ranges: tuple[DraftRange, ...]
    parameters: tuple[Parameter, ...] = ()
    program: TrainingProgram = field(kw_only=True)
    name: str | None = None
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[DraftMetric, ...] = ()
    channels: tuple[DraftChannel, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    output_path: str | None = None
    output_compression: str = "GZIP"
    checkpoint_uri: str | None = None
    checkpoint_local_path: str = DEFAULT_CHECKPOINT_PATH
    max_runtime_seconds: float | None = None
    unlimited: bool = False
    max_wait_seconds: float | None = None
    spot: bool = False
    retry_attempts: int | None = None
    grace_seconds: float | None = None
    machine: SlotResources | None = None
    instance_type: str = "local"
    instance_count: int = 1
    instance_groups: tuple[DraftGroup, ...] = ()
    containers: str | None = None
    entrypoint: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    own_checkpoints: bool = False

    @property
    def algorithm(self) -> BuiltInAlgorithm | None:
        """The built-in algorithm that runs; None for a program of the user's own."""
        return self.program.algorithm

    @property
    def combinations(self) -> int | None:
        """The size of its space, None if infinite."""
        counts = [each.size for each in self.ranges]
        return None if None in counts else prod(count for count in counts if count is not None)

    @property
    def epochs(self) -> tuple[str, str] | None:
        """Name and value of the static hyperparameter with the number of epochs."""
        statics = self.hyperparameters
        return next(((key, statics[key]) for key in EPOCH_KEYS if key in statics), None)

    def uris(self, number: int) -> Iterator[tuple[Place, str]]:
        """Every channel's place, that of the output, of the checkpoints and of the source of script mode, of
        the definition `number`.
        """
        for i, channel in enumerate(self.channels):
            if channel.uri is not None:
                yield Place("channels", number, i, channel.name), channel.uri
        if self.output_path is not None:
            yield Place("output_path", number), self.output_path
        if self.checkpoint_uri is not None:
            yield Place("checkpoint_uri", number), self.checkpoint_uri
        if self.program.source:
            yield Place("hyperparameters", number, key=SOURCE_KEY), self.program.source


RANDOM_HYPERBAND = "RandomHyperband"
"""The name of Hyperband whose configurations are drawn at random, as the service draws them; a strategy by
itself in requests and arguments, and Hyperband in a job's configuration."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A tuning job; None where a field was left out.

    multi: it is a multi-algorithm job. min_resource, max_resource: of Hyperband; hyperband: the whole
    configuration, if known. random_proposals: of Hyperband, see `RANDOM_HYPERBAND`. resources: whether
    min_resource or max_resource was given. limits: the limits that apply. paths: whether local paths may
    stand for images and URIs. modules: whether the program may be a module, which runs a Python function.
    alone: it is one training job by itself, as `JobConfig` has it. repeats: as `JobConfig` has it.
    """

    name: str
    strategy: str
    definitions: tuple[DraftDefinition, ...]
    multi: bool = False
    max_jobs: int | None = None
    max_parallel_jobs: int = 1
    max_runtime_seconds: float | None = None
    seed: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    min_resource: int | None = None
    max_resource: int | None = None
    hyperband: HyperbandConfig | None = None
    resources: bool = False
    early_stopping: EarlyStopping | None = None
    completion: CompletionCriteria = field(default_factory=CompletionCriteria)
    warm_start: DraftWarmStart | None = None
    autotune: bool = False
    limits: Limits = LOCAL_LIMITS
    paths: bool = True
    modules: bool = False
    alone: bool = False
    repeats: bool = False
    random_proposals: bool = False

    def __post_init__(self) -> None:
        if self.strategy == RANDOM_HYPERBAND:
            object.__setattr__(self, "strategy", "Hyperband")
            object.__setattr__(self, "random_proposals", True)

    @property
    def combinations(self) -> int | None:
        """The size of the whole search: the sum over the definitions; None if infinite."""
        counts = [definition.combinations for definition in self.definitions]
        return None if None in counts else sum(count for count in counts if count is not None)

    @property
    def most_resource(self) -> int | None:
        """The most reports of a training job under Hyperband: as given, else the largest number of epochs of
        the definitions; None if neither is valid.
        """
        if self.max_resource is not None:
            return self.max_resource
        try:
            epochs = [read_int(each.epochs[1], each.epochs[0]) for each in self.definitions if each.epochs]
        except InputError:
            return None
        return max(epochs) if epochs and min(epochs) >= 1 else None


def ranges_of(parameters: Iterable[Parameter]) -> tuple[DraftRange, ...]:
    """The facts about parameters that the rules need."""
    return tuple(DraftRange(kind_of(each), each.name, each.count) for each in parameters)


def kind_of(parameter: Parameter) -> str:
    """The kind of range that a parameter has, as `KINDS` has it."""
    if isinstance(parameter, CategoricalParameter):
        return "Categorical"
    return "Integer" if isinstance(parameter, IntegerParameter) else "Continuous"


def draft_of(config: JobConfig, limits: Limits = LOCAL_LIMITS) -> Draft:
    """The draft that gives a configuration."""
    hyperband, warm = config.hyperband, config.warm_start
    return Draft(
        name=config.name,
        strategy=config.strategy,
        definitions=tuple(map(_definition, config.all_definitions)),
        multi=bool(config.definitions),
        max_jobs=None if config.limits.max_jobs_is_quota else config.limits.max_jobs,
        max_parallel_jobs=config.limits.max_parallel_jobs,
        max_runtime_seconds=config.limits.max_runtime_seconds,
        seed=config.seed,
        tags=config.tags,
        min_resource=None if hyperband is None else hyperband.min_resource,
        max_resource=None if hyperband is None else hyperband.max_resource,
        hyperband=hyperband,
        resources=hyperband is not None,
        early_stopping=config.early_stopping,
        completion=config.completion,
        warm_start=None if warm is None else DraftWarmStart(warm.parents, str(warm.type)),
        autotune=config.autotune,
        limits=limits,
        modules=True,
        alone=config.alone,
        repeats=config.repeats,
    )


def _definition(definition: TrainingJobDefinition) -> DraftDefinition:
    return DraftDefinition(
        training_image=definition.training_image,
        objective=definition.objective.metric,
        direction=str(definition.objective.type),
        ranges=ranges_of(definition.space.parameters),
        parameters=definition.space.parameters,
        program=definition.program,
        name=definition.name,
        hyperparameters=definition.hyperparameters,
        metrics=tuple(DraftMetric(each.name, each.regex) for each in definition.metric_definitions),
        channels=tuple(
            DraftChannel(*(getattr(each, field) for field in DraftChannel._fields))
            for each in definition.channels
        ),
        environment=definition.environment,
        output_path=definition.output_path,
        output_compression=definition.output_compression,
        checkpoint_uri=definition.checkpoint_uri,
        checkpoint_local_path=definition.checkpoint_local_path,
        max_runtime_seconds=definition.max_runtime_seconds,
        unlimited=definition.max_runtime_seconds is None,
        max_wait_seconds=definition.max_wait_seconds,
        spot=definition.spot,
        retry_attempts=definition.retry_attempts,
        grace_seconds=definition.grace_seconds,
        machine=definition.resources,
        instance_type=definition.instance_type,
        instance_count=definition.instance_count,
        instance_groups=tuple(
            DraftGroup(each.name, each.instance_type, each.count) for each in definition.instance_groups
        ),
        containers=definition.containers,
        entrypoint=definition.entrypoint,
        arguments=definition.arguments,
        own_checkpoints=definition.own_checkpoints,
    )
