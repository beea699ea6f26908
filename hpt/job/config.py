"""The configuration of a tuning job, as plain validated data.

Every way to describe one (a CreateHyperParameterTuningJob request as JSON, YAML or TOML, `tuning_job` and
`hpt.tune` from Python) ends in a `JobConfig`; everything that runs or compares jobs reads only this.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from hpt.errors import InputError
from hpt.job.checks import check_seconds, check_string, check_strings, check_unique
from hpt.job.completion import CompletionCriteria
from hpt.job.instances import InstanceGroup, check_instances
from hpt.job.isolation import Containers, parse_containers
from hpt.job.program_kind import TrainingProgram, program_of
from hpt.job.resources import SlotResources
from hpt.job.search_parameters import check_for_jobs
from hpt.job.uris import MODULE_PREFIX
from hpt.job.warm_start import WarmStart
from hpt.search.numbers import check_count, is_finite_number
from hpt.search.space import CategoricalParameter, Parameter, SearchSpace
from hpt.search.stopping.adaptive_halving import AdaptiveHalving
from hpt.search.stopping.median import ALL, MIN_STEPS, STEP_FRACTION, SURVIVORS, MedianRule
from hpt.search.stopping.successive_halving import DEFAULT_FACTOR, SuccessiveHalving
from hpt.search.trial import ObjectiveType, parse_enum

DEFAULT_GRACE_SECONDS = 120.0
DEFAULT_MAX_RUNTIME = 86_400
"""Default of the seconds a training job may run."""

DEFAULT_CHECKPOINT_PATH = "/opt/ml/checkpoints/"
"""Where a training program finds its checkpoints, as the container contract has it."""

DEFAULT_RETRY_ATTEMPTS = 1
"""A training job whose infrastructure fails is run once more; the second time it fails."""

GRACE_VARIABLE = "HPT_GRACE_SECONDS"
"""The environment variable with the number of seconds that a stopped program may take to exit."""

OBJECTIVE_METRIC_KEY = "_tuning_objective_metric"
RESULT_METRIC = "hpt:result"
"""A metric of this name, where defined and printed, beats the last value of the objective as the final one.
"""

OUTPUT_COMPRESSIONS = ("GZIP", "NONE")

STRATEGIES = ("Bayesian", "Random", "Grid", "Hyperband")
WARM_STRATEGIES = ("Bayesian", "Random")
"""The strategies that support a warm start (behaviour 9.3 W11)."""
MAX_SEED = 2**64 - 1
MAX_DEFINITIONS = 10
_JOB_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,31}")
_TRAINING_JOB_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_CHANNEL_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """A metric's name and the regular expression whose first group reads its value from a line of the log.

    Raises:
        InputError: the name is empty, or the expression does not compile or has no group.
    """

    name: str
    regex: str

    def __post_init__(self) -> None:
        check_string("a metric's name", self.name)
        check_string(f"the regex of metric {self.name!r}", self.regex)
        try:
            groups = re.compile(self.regex).groups
        except (re.error, OverflowError, RecursionError) as error:
            raise InputError(
                f"metric {self.name!r}: {self.regex!r} is not a regular expression ({error}); fix it"
            ) from error
        if groups == 0:
            raise InputError(
                f"metric {self.name!r}: {self.regex!r} has no group; put the part that is the number in "
                "parentheses"
            )


@dataclass(frozen=True, slots=True)
class Objective:
    """The metric the search optimises and its direction (a string, upper or lower case)."""

    metric: str
    type: ObjectiveType

    def __post_init__(self) -> None:
        check_string("the objective's metric", self.metric)
        object.__setattr__(self, "type", parse_enum(ObjectiveType, self.type, "objective type"))


NO_OBJECTIVE = Objective("hpt:none", ObjectiveType.MINIMIZE)
"""That of a training job by itself which names none: no program prints such a metric."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A named input data set; `uri` is a resolved absolute local path or an `s3://` URI.

    data_type: what is at the URI: S3Prefix, ManifestFile or AugmentedManifestFile, whose attribute_names are
    streamed. shuffle_seed: the order of a stream is another in each epoch, drawn by it; None keeps the order.
    instance_group_names: the groups of instances that it is for; empty: for all.
    """

    name: str
    uri: str
    content_type: str | None = None
    compression: str = "None"
    input_mode: str = "File"
    record_wrapper: str = "None"
    distribution: str = "FullyReplicated"
    data_type: str = "S3Prefix"
    attribute_names: tuple[str, ...] = ()
    shuffle_seed: int | None = None
    instance_group_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or _CHANNEL_NAME.fullmatch(self.name) is None:
            raise InputError(
                f"channel name {self.name!r} is not 1 to 64 letters, digits, dots, _ or -; rename it"
            )
        check_string(f"the place of channel {self.name!r}", self.uri)
        object.__setattr__(self, "attribute_names", tuple(self.attribute_names))
        if self.shuffle_seed is not None and type(self.shuffle_seed) is not int:
            raise InputError(
                f"shuffle_seed {self.shuffle_seed!r} of channel {self.name!r} is not an integer; give one"
            )
        object.__setattr__(self, "instance_group_names", tuple(self.instance_group_names))


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """Bounds on the whole tuning job. max_jobs None: no bound but the strategy's own (Grid: its product).

    max_jobs_is_quota: nobody asked for `max_jobs`; it is the most that a job may have.
    """

    max_jobs: int | None
    max_parallel_jobs: int
    max_runtime_seconds: float | None = None
    max_jobs_is_quota: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        if self.max_jobs is not None:
            check_count("max_jobs", self.max_jobs)
        check_count("max_parallel_jobs", self.max_parallel_jobs)
        check_seconds("max_runtime_seconds", self.max_runtime_seconds)


@dataclass(frozen=True, slots=True)
class TrainingJobDefinition:
    """The template of every training job.

    training_image: absolute path of a local program or script, a built-in algorithm's name, or the URI of an
    image; `program` says what it is. hyperparameters: the static ones, strings. output_path: a local
    directory or `s3://` URI that receives `<training job name>/output/model.tar.gz`, or None to leave the
    model where it was written. output_compression: GZIP, or NONE for the files as they are, below
    `.../output/model/`. max_runtime_seconds: of training, over all attempts of a training job.
    retry_attempts: how often one whose infrastructure failed is started again. spot: it may run on capacity
    that can be withdrawn, and is started again whenever that happens; then max_wait_seconds bounds its time
    from creation to end, waiting included. snapshot: the digest of the copy of the program that was taken
    when the job was created; None for a program that is no file of the user's, and in jobs of earlier
    versions. instance_count: how many processes of the program run for a training job, see
    `hpt.job.instances`. instance_groups: where they are in groups, these; instance_count is then their sum,
    and instance_type that of the first. resources: what each training job gets of the machine. containers:
    which images run in containers, a word of `Containers`. entrypoint: what is run in place of the program,
    () for the program itself; arguments: what it gets in place of the hyperparameters. own_checkpoints:
    checkpoint_uri is that of this one training job; otherwise each has a folder below it.
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
    output_compression: str = "GZIP"
    checkpoint_uri: str | None = None
    checkpoint_local_path: str = DEFAULT_CHECKPOINT_PATH
    max_runtime_seconds: float | None = None
    grace_seconds: float = DEFAULT_GRACE_SECONDS
    instance_type: str = "local"
    instance_count: int = 1
    instance_groups: tuple[InstanceGroup, ...] = ()
    retry_attempts: int = DEFAULT_RETRY_ATTEMPTS
    spot: bool = False
    max_wait_seconds: float | None = None
    snapshot: str | None = field(default=None, compare=False)
    resources: SlotResources = field(default_factory=SlotResources)
    containers: str = Containers.AUTO
    entrypoint: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    own_checkpoints: bool = False

    def __post_init__(self) -> None:
        check_string("training_image", self.training_image)
        for words in ("entrypoint", "arguments"):
            object.__setattr__(self, words, tuple(getattr(self, words)))
        if not isinstance(self.space, SearchSpace):
            raise InputError(f"space {self.space!r} is not a SearchSpace; make one of the parameters")
        check_strings("hyperparameters", self.hyperparameters)
        check_strings("environment", self.environment)
        for parameter in self.space.parameters:
            check_for_jobs(parameter)
            if not self.training_image.startswith(MODULE_PREFIX):
                check_for_programs(parameter)
        tuned = {parameter.name for parameter in self.space.parameters}
        for name in self.hyperparameters:
            if name in tuned:
                raise InputError(
                    f"hyperparameter {name!r} is static and has a range as well; keep one of them"
                )
        for i, metric in enumerate(self.metric_definitions):
            if metric in self.metric_definitions[:i]:
                raise InputError(
                    f"metric {metric.name!r} has the regex {metric.regex!r} twice, and would have each value "
                    "twice; leave one out"
                )
        if self.output_compression not in OUTPUT_COMPRESSIONS:
            raise InputError(
                f"output_compression {self.output_compression!r} is not one of "
                f"{', '.join(OUTPUT_COMPRESSIONS)}; use one of them"
            )
        check_unique("channel", [channel.name for channel in self.channels])
        check_seconds("max_runtime_seconds", self.max_runtime_seconds)
        if not is_finite_number(self.grace_seconds) or self.grace_seconds < 0:
            raise InputError(
                f"grace_seconds {self.grace_seconds!r} is not a number of at least 0; give seconds"
            )
        check_instances(self.instance_count, self.instance_groups)
        object.__setattr__(self, "containers", str(parse_containers(self.containers)))
        check_count("retry_attempts", self.retry_attempts)
        check_seconds("max_wait_seconds", self.max_wait_seconds)
        if not isinstance(self.resources, SlotResources):
            raise InputError(f"resources {self.resources!r} is not a SlotResources; make one")
        if self.max_wait_seconds is not None and not self.spot:
            raise InputError("max_wait_seconds is for spot capacity only; set spot, or leave it out")

    @property
    def program(self) -> TrainingProgram:
        """What runs."""
        return program_of(self.training_image, self.hyperparameters)


@dataclass(frozen=True, slots=True)
class HyperbandConfig:
    """The arguments of `SuccessiveHalving`. The resource of a training job is the number of values of the
    objective metric that it has printed. model_based: a Gaussian process proposes the configurations, see
    `ModelHyperbandStrategy`, and gives them up; otherwise they are random, as in the service.
    stops_at_max: as `SuccessiveHalving`; not where max_resource is the number of epochs, after which models
    are saved.
    adaptive: how strictly a rung stops is learned (`AdaptiveHalving`); otherwise always all but 1/eta.
    """

    max_resource: int
    min_resource: int = 1
    eta: float = DEFAULT_FACTOR
    brackets: int = 1
    model_based: bool = True
    stops_at_max: bool = True
    adaptive: bool = True

    def __post_init__(self) -> None:
        check_count("max_resource", self.max_resource)
        check_count("min_resource", self.min_resource)
        object.__setattr__(self, "eta", self.rule(0).eta)

    def rule(self, seed: int) -> SuccessiveHalving:
        """The stopping rule of a job with that seed."""
        make = AdaptiveHalving if self.adaptive else SuccessiveHalving
        return make(
            self.max_resource,
            self.min_resource,
            eta=self.eta,
            brackets=self.brackets,
            seed=seed,
            stops_at_max=self.stops_at_max,
        )


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """The guards of `MedianRule`, and what it compares with. min_trials None: as suits the job's limits."""

    min_trials: int | None = None
    min_steps: int = MIN_STEPS
    step_fraction: float = STEP_FRACTION
    compare: str = SURVIVORS

    def __post_init__(self) -> None:
        object.__setattr__(self, "step_fraction", self.rule(None).step_fraction)

    def rule(self, max_jobs: int | None) -> MedianRule:
        """The stopping rule of a job of so many training jobs."""
        least = MedianRule.for_jobs(max_jobs).min_trials if self.min_trials is None else self.min_trials
        return MedianRule(
            min_trials=least,
            min_steps=self.min_steps,
            step_fraction=self.step_fraction,
            compare=self.compare,
        )


OFF, AUTO, AUTO_ALL = "Off", "Auto", "AutoAll"
"""The words for early stopping in a job: none, by the median of survivors, by that of all predecessors."""


def early_stopping_of(word: str) -> EarlyStopping | None:
    """What a word for early stopping stands for."""
    return {AUTO: EarlyStopping(), AUTO_ALL: EarlyStopping(compare=ALL)}.get(word)


def early_stopping_word(rule: EarlyStopping | None) -> str:
    """The word for early stopping; guards have none."""
    if rule is None:
        return OFF
    return AUTO_ALL if rule.compare == ALL else AUTO


@dataclass(frozen=True, slots=True)
class JobConfig:
    """One search: what to run, over which space, under which limits.

    seed: None lets the runner draw one and record it. `strategy` is taken in any case; hyperband is given
    exactly when it is `Hyperband`. early_stopping: the median rule, or None. completion: what ends the job
    before its limits do. warm_start: the jobs whose results it begins with. autotune: what the
    description left out was chosen automatically. repeats: whether Bayesian search may try a configuration
    again where the objective is noisy.

    definitions: of a multi-algorithm job, all of them, each with a name; `definition` is then the first.

    alone: it is one training job by itself, of that name, and searches nothing: all hyperparameters are
    static, the space is `SearchSpace.nothing()`, and the objective may be `NO_OBJECTIVE`.
    """

    name: str
    strategy: str
    definition: TrainingJobDefinition
    limits: ResourceLimits
    seed: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    hyperband: HyperbandConfig | None = None
    early_stopping: EarlyStopping | None = None
    completion: CompletionCriteria = field(default_factory=CompletionCriteria)
    definitions: tuple[TrainingJobDefinition, ...] = ()
    warm_start: WarmStart | None = None
    autotune: bool = False
    alone: bool = False
    repeats: bool = False

    @property
    def all_definitions(self) -> tuple[TrainingJobDefinition, ...]:
        """All definitions of the job."""
        return self.definitions or (self.definition,)

    @property
    def objective_type(self) -> ObjectiveType:
        """The direction, the same for all definitions."""
        return self.definition.objective.type

    @property
    def space(self) -> SearchSpace | dict[str, SearchSpace]:
        """The search space, or for a multi-algorithm job the space of each definition by name."""
        if not self.definitions:
            return self.definition.space
        return {str(each.name): each.space for each in self.definitions}

    def definition_of(self, name: str | None) -> TrainingJobDefinition:
        """The definition of a training job that names `name` as its own.

        Raises:
            KeyError: no definition has that name.
        """
        if not self.definitions:
            return self.definition
        for each in self.definitions:
            if each.name == name:
                return each
        raise KeyError(name)

    def __post_init__(self) -> None:
        _check_definitions(self.definition, self.definitions)
        if self.alone:
            check_training_job_name(self.name)
        else:
            check_job_name(self.name)
        check_string("strategy", self.strategy)
        known = {strategy.lower(): strategy for strategy in STRATEGIES}
        object.__setattr__(self, "strategy", known.get(self.strategy.lower(), self.strategy))
        check_seed(self.seed)
        check_strings("tags", self.tags)
        if (self.hyperband is not None) != (self.strategy == "Hyperband"):
            fix = "give it" if self.hyperband is None else "leave it out, or use Hyperband"
            raise InputError(f"hyperband is {self.hyperband!r} with strategy {self.strategy!r}; {fix}")
        if self.hyperband is not None and self.early_stopping is not None:
            raise InputError(
                "early_stopping does not go with Hyperband, which stops training jobs itself; leave it out"
            )
        if not isinstance(self.repeats, bool):
            raise InputError(f"repeats {self.repeats!r} is not a boolean; give True or False")
        if self.repeats and self.strategy != "Bayesian":
            raise InputError(f"repeats does not go with strategy {self.strategy!r}; use Bayesian")
        if self.warm_start is not None and self.strategy not in WARM_STRATEGIES:
            raise InputError(
                f"warm_start does not go with strategy {self.strategy!r}; use {' or '.join(WARM_STRATEGIES)}"
            )


def check_for_programs(parameter: Parameter) -> None:
    """Raises InputError where a program cannot receive every value of a parameter, as a function can."""
    if isinstance(parameter, CategoricalParameter) and None in parameter.values:
        raise InputError(
            f"CategoricalParameter {parameter.name!r}: a program receives strings and None has none; "
            "write it as a string that the program knows, such as 'none'"
        )


def check_job_name(name: object) -> None:
    """Raises InputError where it cannot be the name of a tuning job."""
    if not isinstance(name, str) or _JOB_NAME.fullmatch(name) is None:
        raise InputError(
            f"job name {name!r} is not 1 to 32 letters, digits and hyphens that starts and ends "
            "with a letter or digit; rename it"
        )


def check_training_job_name(name: object) -> None:
    """Raises InputError where it cannot be the name of a training job."""
    if not isinstance(name, str) or _TRAINING_JOB_NAME.fullmatch(name) is None:
        raise InputError(
            f"training job name {name!r} is not 1 to 63 letters, digits and hyphens that starts and ends "
            "with a letter or digit; rename it"
        )


def check_seed(seed: object) -> None:
    """Raises InputError where it is neither a seed nor None."""
    if seed is not None and (type(seed) is not int or not 0 <= seed <= MAX_SEED):
        raise InputError(f"seed {seed!r} is not an integer from 0 to 2**64 - 1; give one, or None")


def read_grace(environment: Mapping[str, str]) -> float:
    """The grace period set in an environment, in seconds, else the default.

    Raises:
        InputError: the value is not a number of at least 0.
    """
    text = environment.get(GRACE_VARIABLE)
    if text is None:
        return DEFAULT_GRACE_SECONDS
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise InputError(f"{text!r} is not a number of seconds of at least 0; give one, or leave it out")
    return seconds


def _check_definitions(first: TrainingJobDefinition, definitions: tuple[TrainingJobDefinition, ...]) -> None:
    if not definitions:
        return
    if len(definitions) > MAX_DEFINITIONS:
        raise InputError(f"{len(definitions)} definitions are more than {MAX_DEFINITIONS}; take some out")
    if definitions[0] != first:
        raise InputError("definition is not the first of definitions; give that one")
    for each in definitions:
        check_string("the name of a definition in a multi-algorithm job", each.name)
        if each.objective.type is not first.objective.type:
            raise InputError(
                f"definition {each.name!r}: {each.objective.type} differs from {first.objective.type} of the "
                "first, and objectives of both could not be ranked together; use one"
            )
    check_unique("definition", [str(each.name) for each in definitions])
