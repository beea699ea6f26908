"""Describing a tuning job in Python."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar, cast

from hpt.errors import InputError
from hpt.job.arguments import Arguments
from hpt.job.autotune import (
    RETRY_ATTEMPTS,
    choose_ranges,
    has_epochs,
    number_of_jobs,
    split_hints,
    stops_early,
)
from hpt.job.catalog import RecommendedRange
from hpt.job.checks import check_seconds, check_string
from hpt.job.complete import make
from hpt.job.completion import CompletionCriteria
from hpt.job.config import (
    AUTO,
    AUTO_ALL,
    GRACE_VARIABLE,
    OFF,
    Channel,
    EarlyStopping,
    JobConfig,
    Objective,
    check_job_name,
    check_seed,
    early_stopping_of,
)
from hpt.job.declared_parameters import in_order, parameters_of
from hpt.job.draft import (
    Draft,
    DraftChannel,
    DraftDefinition,
    DraftMetric,
    DraftWarmStart,
    ranges_of,
)
from hpt.job.isolation import CONTAINERS_VARIABLE, parse_containers
from hpt.job.naming import argument_naming
from hpt.job.program_kind import program_of
from hpt.job.resources import SlotResources, as_resources
from hpt.job.warm_start import WarmStart, as_warm_start
from hpt.search.numbers import check_count
from hpt.search.space import (
    CategoricalParameter,
    ContinuousParameter,
    IntegerParameter,
    Parameter,
    SearchSpace,
    value_string,
)
from hpt.search.strategies import canonical_name
from hpt.search.trial import Value
from hpt.search.values import plain_value

Location = str | os.PathLike[str]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One of the `algorithms` of a `tuning_job`. A field that is None takes the job's value."""

    name: str
    program: Location | None = None
    space: SearchSpace | Iterable[Parameter] | None = None
    metric: str | None = None
    regex: str | None = None
    metrics: Mapping[str, str | None] | None = None
    channels: Mapping[str, Location | Channel] | None = None
    static: Mapping[str, Value] | None = None
    max_trial_seconds: int | None = None
    retries: int | None = None
    spot: bool | None = None
    max_wait_seconds: int | None = None
    environment: Mapping[str, Value] | None = None
    output: Location | None = None
    checkpoints: Location | None = None
    resources: SlotResources | Mapping[str, Any] | None = None
    containers: str | None = None


def tuning_job(
    name: str,
    *,
    program: Location | None = None,
    space: SearchSpace | Iterable[Parameter] | None = None,
    metric: str | None = None,
    algorithms: Sequence[Algorithm] = (),
    objective: str = "Maximize",
    regex: str | None = None,
    metrics: Mapping[str, str | None] | None = None,
    channels: Mapping[str, Location | Channel] | None = None,
    static: Mapping[str, Value] | None = None,
    max_jobs: int | None = None,
    max_parallel_jobs: int = 1,
    max_runtime_seconds: int | None = None,
    max_trial_seconds: int | None = None,
    retries: int | None = None,
    spot: bool = False,
    max_wait_seconds: int | None = None,
    strategy: str | None = None,
    min_resource: int | None = None,
    max_resource: int | None = None,
    repeats: bool = False,
    early_stopping: str | None = None,
    target: float | None = None,
    max_not_improving: int | None = None,
    complete_on_convergence: bool | None = None,
    warm_start: WarmStart | str | Sequence[str] | None = None,
    autotune: bool = False,
    keep_static: Sequence[str] = (),
    seed: int | None = None,
    environment: Mapping[str, Value] | None = None,
    output: Location | None = None,
    checkpoints: Location | None = None,
    containers: str | None = None,
    tags: Mapping[str, str] | None = None,
    grace_seconds: float | None = None,
    resources: SlotResources | Mapping[str, Any] | None = None,
    base_dir: Location | None = None,
) -> JobConfig:
    r"""Describe a tuning job. The configuration equals that of the same job read from a file.

    >>> job = tuning_job(
    ...     "mlp-1",
    ...     program="train.py",
    ...     space=[ContinuousParameter("lr", 1e-4, 1, "Logarithmic"), IntegerParameter("layers", 1, 4)],
    ...     metric="accuracy",
    ...     regex=r"accuracy=(\S+)",
    ...     channels={"train": "data/train.csv"},
    ...     max_jobs=30,
    ...     max_parallel_jobs=3,
    ... )  # doctest: +SKIP

    Programs and data are checked when the job is started, not here.

    Parameters
    ----------
    name
        Name of the tuning job: 1 to 32 letters, digits and hyphens.
    program
        Path of a script or executable, or a built-in algorithm (`"xgboost"`, or its image URI), which defines
        its own metrics.
    space
        The hyperparameters to search.
    metric
        The metric to optimise.
    algorithms
        1 to 10 algorithms of a multi-algorithm job; the better ones get more training jobs. Each needs a
        program, a space and a metric, its own or the job's. Unlike the service's, such a job may stop
        training jobs early and have a warm start: each algorithm begins with the results that its own program
        had in the parents.
    objective
        `Maximize` or `Minimize`.
    regex
        Reads the metric from a line of the program's log; its first group is the number.
    metrics
        Further metrics as `{name: regex}`, or `{name: None}` for a metric that the program reports with
        `hpt.report` or in `$HPT_METRICS_FILE`.
    channels
        Input data by name, as paths or `s3://` URIs.
    static
        Hyperparameters with fixed values.
    max_jobs
        The number of training jobs.
    max_parallel_jobs
        The number of training jobs at a time.
    max_runtime_seconds
        The maximum duration of the tuning job.
    max_trial_seconds
        The maximum duration of one training job.
    retries
        How often a training job is started again after its infrastructure failed, once by default.
    spot
        Use capacity that can be withdrawn.
    max_wait_seconds
        With `spot`, the maximum time of a training job from creation to end; then required.
    strategy
        `Bayesian` (the default), `Random`, `Grid`, `Hyperband` or `RandomHyperband`.
    min_resource, max_resource
        Of Hyperband, as numbers of values of the metric. A training job that reaches `max_resource` is
        stopped. By default it is the static number of epochs, after which training jobs end by themselves.
    repeats
        Whether Bayesian search may try a configuration again, where the metric is noisy and the space finite.
    early_stopping
        `Auto` stops training jobs by the median rule, `AutoAll` by its other reading, which compares with all
        earlier training jobs, not those alone that got as far; `Off` (the default) stops none.
    target, max_not_improving, complete_on_convergence
        Complete the job early, see `CompletionCriteria`.
    warm_start
        Names of ended tuning jobs whose results this one begins with; `WarmStart` says what they have in
        common with it.
    autotune
        Choose automatically what is not given: ranges around the static hyperparameters, or the ranges that a
        built-in algorithm recommends; the number of training jobs, early stopping, retries, completion on
        convergence, and the strategy, Hyperband if a number of epochs is arguments.
    keep_static
        With `autotune`, names of hyperparameters that stay static.
    seed
        Seed of the search; drawn at random by default.
    environment
        Environment variables of the program.
    output
        Where models are collected.
    checkpoints
        Where checkpoints are stored.
    containers
        Which images run in containers: `auto` (the default: those that are nothing else), `always` (also
        those of script mode and of built-in algorithms, where this host has the image) or `never`.
    tags
        Tags of the job.
    grace_seconds
        How long a stopped program may take to exit.
    resources
        The GPUs, cores and memory of each training job, `{"gpus": 1, "cpus": 2, "memory_bytes": "8G"}`.
    base_dir
        The folder that relative paths start from, the current folder by default.

    Returns
    -------
    JobConfig
        The configuration, with all defaults filled in.

    Raises
    ------
    ValidationError
        With every invalid argument, else with the first rule that the job breaks.
    InputError
        A required argument is missing, or an argument has a type that is not allowed in any job.
    """
    if keep_static and not autotune:
        raise InputError("keep_static is given without autotune; every static hyperparameter stays as it is")
    job = Algorithm(
        name=name,
        program=program,
        space=space,
        metric=metric,
        regex=regex,
        metrics=metrics,
        channels=channels,
        static=static,
        max_trial_seconds=max_trial_seconds,
        retries=retries,
        spot=spot,
        max_wait_seconds=max_wait_seconds,
        environment=environment,
        output=output,
        checkpoints=checkpoints,
        resources=resources,
        containers=containers,
    )
    arguments = Arguments()
    arguments.check("name", check_job_name, name)
    spelt = arguments.read("strategy", lambda: canonical_name(strategy or "Bayesian"))
    direction = arguments.read("objective", lambda: str(Objective("metric", cast(Any, objective)).type))
    arguments.check_counts(
        max_jobs=max_jobs,
        max_parallel_jobs=max_parallel_jobs,
        min_resource=min_resource,
        max_resource=max_resource,
    )
    arguments.check("max_runtime_seconds", check_seconds, "max_runtime_seconds", max_runtime_seconds)
    arguments.check("seed", check_seed, seed)
    stops = arguments.read("early_stopping", lambda: _stops(early_stopping))
    completion = arguments.read(
        "target, max_not_improving or complete_on_convergence",
        lambda: CompletionCriteria(target, max_not_improving, complete_on_convergence),
    )
    warm = as_warm_start(warm_start)
    needed = ("program", "metric") if autotune else ("program", "space", "metric")
    parts = _parts(algorithms, job, grace_seconds, needed)
    definitions = tuple(_definition(part, direction or "", arguments) for part in parts)
    arguments.refuse()
    assert spelt is not None and completion is not None
    draft = Draft(
        name=name,
        strategy=spelt,
        definitions=definitions,
        multi=bool(algorithms),
        max_jobs=max_jobs,
        max_parallel_jobs=max_parallel_jobs,
        max_runtime_seconds=max_runtime_seconds,
        seed=seed,
        tags=dict(tags or {}),
        min_resource=min_resource,
        max_resource=max_resource,
        repeats=repeats,
        resources=min_resource is not None or max_resource is not None,
        early_stopping=early_stopping_of(stops or OFF),
        completion=completion,
        warm_start=None if warm is None else DraftWarmStart(warm.parents, str(warm.type)),
    )
    if autotune:
        draft = _autotuned(draft, keep_static, choose_strategy=strategy is None, choose_stops=stops is None)
    return make(
        draft,
        argument_naming(draft.multi),
        base_dir=os.path.abspath(base_dir if base_dir is not None else "."),  # noqa: PTH100 (no I/O here)
        home=os.path.expanduser("~"),  # noqa: PTH111 (Path fails for a user without a home)
    )


def _stops(text: str | None) -> str | None:
    """The word for early stopping, upper or lower case; None if it was not given."""
    known = {word.lower(): word for word in (OFF, AUTO, AUTO_ALL)}
    if text is None:
        return None
    if not isinstance(text, str) or text.lower() not in known:
        raise InputError(f"{text!r} is not known; use Off, Auto or AutoAll")
    return known[text.lower()]


def _parts(
    algorithms: Sequence[Algorithm], job: Algorithm, grace_seconds: float | None, needed: Sequence[str]
) -> list[dict[str, Any]]:
    """The arguments of each definition: those of an algorithm, completed by the job's, or only the job's.

    Raises:
        InputError: a required argument is missing in an algorithm and in the job, or metrics is not a
            mapping.
    """
    grace = {} if grace_seconds is None else {GRACE_VARIABLE: grace_seconds}
    parts = []
    for each in algorithms or (job,):
        if not isinstance(each, Algorithm):
            raise InputError(f"algorithms: {each!r} is not an Algorithm; make one with its name")
        own: dict[str, Any] = {part.name: getattr(each, part.name) for part in fields(Algorithm)}
        own = {key: getattr(job, key) if value is None else value for key, value in own.items()}
        for key in needed:
            if own[key] is None:
                raise InputError(f"{key} of {each.name!r} is missing; give it")
        if own["metrics"] is not None and not isinstance(own["metrics"], Mapping):
            raise InputError(
                f"metrics of {each.name!r} is {own['metrics']!r}; give {{name: regex}}, or {{name: None}} "
                "for a metric that the program reports with hpt.report"
            )
        if not algorithms:
            own["name"] = None
        asked = as_resources(own.pop("resources")).within(as_resources(job.resources)).variables()
        word = own["containers"]
        chosen = {} if word is None else {CONTAINERS_VARIABLE: word}
        own["environment"] = {**(own["environment"] or {}), **grace, **asked, **chosen}
        parts.append(own)
    return parts


def _definition(part: Mapping[str, Any], direction: str, arguments: Arguments) -> DraftDefinition:
    own = "" if part["name"] is None else f"{part['name']}: "
    metric = part["metric"]
    parameters = in_order(parameters_of(part["space"]))
    metrics = {**({} if part["regex"] is None else {metric: part["regex"]}), **(part["metrics"] or {})}
    channels = tuple(_channel(name, place) for name, place in (part["channels"] or {}).items())
    arguments.check(f"{own}metric", check_string, "metric", metric)
    for key, regex in metrics.items():
        arguments.check(f"{own}metrics", check_string, "a metric's name", key)
        if regex is not None:
            arguments.check(f"{own}metrics", check_string, f"the regex of metric {key!r}", regex)
    for channel in channels:
        arguments.check(f"{own}channels", _check_channel, channel)
    for what in ("max_trial_seconds", "max_wait_seconds"):
        arguments.check(f"{own}{what}", check_seconds, what, part[what])
    if part["containers"] is not None:
        arguments.read(f"{own}containers", lambda: parse_containers(part["containers"]))
    if part["retries"] is not None:
        arguments.check(f"{own}retries", check_count, "retries", part["retries"])
    program, static = _program(part["program"]), _strings("static", part["static"] or {})
    return DraftDefinition(
        training_image=program,
        objective=metric,
        direction=direction,
        ranges=ranges_of(parameters),
        parameters=parameters,
        program=program_of(program, static),
        name=part["name"],
        hyperparameters=static,
        metrics=tuple(DraftMetric(key, regex) for key, regex in metrics.items()),
        channels=channels,
        environment=_strings("environment", part["environment"]),
        output_path=None if part["output"] is None else os.fspath(part["output"]),
        checkpoint_uri=None if part["checkpoints"] is None else os.fspath(part["checkpoints"]),
        max_runtime_seconds=part["max_trial_seconds"],
        max_wait_seconds=part["max_wait_seconds"],
        spot=bool(part["spot"]),
        retry_attempts=part["retries"],
    )


def _program(program: Location) -> str:
    """A path object is always a path, even if the same string would name a built-in algorithm."""
    return program if isinstance(program, str) else f"file://{os.fspath(program).replace('%', '%25')}"


def _channel(name: str, place: Location | Channel) -> DraftChannel:
    if not isinstance(place, Channel):
        return DraftChannel(name, os.fspath(place))
    return DraftChannel(name, *(getattr(place, field) for field in DraftChannel._fields[1:]))


def _check_channel(channel: DraftChannel) -> None:
    Channel(channel.name, channel.uri or "")


def _strings(what: str, values: Mapping[str, Value]) -> dict[str, str]:
    strings = {}
    for name, value in values.items():
        plain = None if isinstance(value, list | tuple) else plain_value(value, f"{what}: {name!r}:")
        if plain is None or isinstance(plain, tuple):
            raise InputError(f"{what}: {name!r} is {value!r}; give a string, a number or a boolean")
        strings[name] = value_string(plain)
    return strings


def _autotuned(
    draft: Draft, keep_static: Sequence[str], *, choose_strategy: bool, choose_stops: bool
) -> Draft:
    """The draft with everything chosen that was not arguments."""
    statics = [each.hyperparameters for each in draft.definitions]
    split = split_hints(statics, keep_static)
    strategy = "Hyperband" if choose_strategy and any(map(has_epochs, statics)) else draft.strategy
    definitions = []
    for each, (kept, hints) in zip(draft.definitions, split, strict=True):
        found, unscaled = choose_ranges(
            list(hints.items()),
            ranged=bool(each.ranges),
            static=kept,
            algorithm=each.algorithm,
            strategy=strategy,
        )
        parameters = in_order((*each.parameters, *map(_recommended, found)))
        definitions.append(
            replace(
                each,
                parameters=parameters,
                ranges=ranges_of(parameters),
                hyperparameters={**kept, **unscaled},
                retry_attempts=RETRY_ATTEMPTS if each.retry_attempts is None else each.retry_attempts,
            )
        )
    completion = draft.completion
    if completion.complete_on_convergence is None:
        completion = replace(completion, complete_on_convergence=True)
    stops = choose_stops and stops_early(strategy, multi=draft.multi)
    draft = replace(
        draft,
        strategy=strategy,
        definitions=tuple(definitions),
        early_stopping=EarlyStopping() if stops else draft.early_stopping,
        completion=completion,
        autotune=True,
    )
    if strategy == "Grid" or draft.max_jobs is not None or draft.max_runtime_seconds is not None:
        return draft
    ranges = sum(len(each.ranges) for each in draft.definitions)
    return replace(draft, max_jobs=number_of_jobs(strategy, ranges, draft.combinations, draft.limits))


def _recommended(each: RecommendedRange) -> Parameter:
    match each.kind:
        case "Categorical":
            return CategoricalParameter(each.name, each.values)
        case "Integer":
            return IntegerParameter(each.name, int(each.min), int(each.max), each.scaling)
    return ContinuousParameter(each.name, each.min, each.max, each.scaling)
