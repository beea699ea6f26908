"""Describing a tuning job in Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar, cast

from hpt.errors import InputError, ValidationError, Violation
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
    GRACE_VARIABLE,
    Channel,
    EarlyStopping,
    JobConfig,
    Objective,
    check_job_name,
    check_seed,
)
from hpt.job.draft import (
    KINDS,
    Draft,
    DraftChannel,
    DraftDefinition,
    DraftMetric,
    DraftWarmStart,
    built_in,
    kind_of,
    ranges_of,
)
from hpt.job.naming import argument_naming
from hpt.job.rules import INVALID
from hpt.job.warm_start import WarmStart, as_warm_start
from hpt.search.numbers import check_count
from hpt.search.space import (
    CategoricalParameter,
    ContinuousParameter,
    IntegerParameter,
    Parameter,
    SearchSpace,
    value_text,
)
from hpt.search.strategies import canonical_name
from hpt.search.trial import Value

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
    tags: Mapping[str, str] | None = None,
    grace_seconds: float | None = None,
    base_dir: Location | None = None,
) -> JobConfig:
    r"""Describe a tuning job; equal to what the same job gives when it is read from a file.

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

    program: path of a script or executable, or a built-in algorithm (`"xgboost"`, or its image URI), which
    brings its metrics along. metric, objective: what is optimised, and whether to `Maximize` or `Minimize`
    it. regex: reads the metric from a line of the program's log, its first group being the number; metrics:
    further `{name: regex}`, or `{name: None}` for one that the program tells by `hpt.report` or in
    `$HPT_METRICS_FILE`. channels: input data by name, as paths or `s3://` URIs. static: hyperparameters
    that stay the same. min_resource, max_resource: for Hyperband, counted in values printed of the metric. A
    job that reaches max_resource is stopped; left out, it is the static epochs, where jobs end by themselves.
    strategy: Bayesian by default. early_stopping: `Auto` stops training jobs by the median rule. target,
    max_not_improving and complete_on_convergence end the job early, see `CompletionCriteria`. warm_start:
    names of tuning jobs that have ended, whose results this one begins with; `WarmStart` says what they have
    in common with it.
    max_runtime_seconds bounds the whole job, max_trial_seconds one training job. retries: how often a
    training job whose infrastructure failed is started again, once by default. spot: take capacity that can
    be withdrawn; max_wait_seconds then bounds a training job's time from creation to end, and must be given.
    output: where models are collected; checkpoints: where they are kept. grace_seconds: how long a stopped
    program may take. Relative paths start at `base_dir`, the current folder by default.
    autotune: have everything chosen that is left out: ranges around the static hyperparameters (but those in
    `keep_static`), or those a built-in algorithm recommends, the number of training jobs, early stopping,
    retries, an end at convergence, and the strategy, Hyperband where a number of epochs is given.
    algorithms: from 1 to 10, searched together, the better ones more; each needs a program, a space and a
    metric, its own or the job's. Unlike the service's, such a job may stop its training jobs early and have a
    warm start: each algorithm begins with what its own program gave the parents.

    Programs and data are looked for when the job is started, not here.

    Raises:
        ValidationError: with every argument that has no meaning, else the first rule the job breaks.
        InputError: a part that is needed is missing, or an argument has a type that no job could hold.
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
    )
    given = _Arguments()
    given.check("name", check_job_name, name)
    spelt = given.read("strategy", lambda: canonical_name(strategy or "Bayesian"))
    direction = given.read("objective", lambda: str(Objective("metric", cast(Any, objective)).type))
    for what, count in (
        *(("max_jobs", max_jobs), ("max_parallel_jobs", max_parallel_jobs)),
        *(("min_resource", min_resource), ("max_resource", max_resource)),
    ):
        if count is not None:
            given.check(what, check_count, what, count)
    given.check("max_runtime_seconds", check_seconds, "max_runtime_seconds", max_runtime_seconds)
    given.check("seed", check_seed, seed)
    stops = given.read("early_stopping", lambda: _stops(early_stopping))
    completion = given.read(
        "target, max_not_improving or complete_on_convergence",
        lambda: CompletionCriteria(target, max_not_improving, complete_on_convergence),
    )
    warm = as_warm_start(warm_start)
    needed = ("program", "metric") if autotune else ("program", "space", "metric")
    parts = _parts(algorithms, job, grace_seconds, needed)
    definitions = tuple(_definition(part, direction or "", given) for part in parts)
    given.refuse()
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
        resources=min_resource is not None or max_resource is not None,
        early_stopping=EarlyStopping() if stops else None,
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


class _Arguments:
    """Reads arguments one by one, and collects their errors until all are read."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []

    def read(self, path: str, make: Callable[[], T]) -> T | None:
        """The value that `make` reads; None if it raises InputError."""
        try:
            return make()
        except InputError as error:
            self.violations.append(Violation(INVALID, path, "argument", str(error)))
            return None

    def check(self, path: str, check: Callable[..., None], *arguments: object) -> None:
        """Record the error that a check of an argument raises."""
        self.read(path, lambda: check(*arguments))

    def refuse(self) -> None:
        """Raises ValidationError with all recorded errors."""
        if self.violations:
            raise ValidationError(self.violations)


def _stops(text: str | None) -> bool | None:
    """Whether `early_stopping` asks for it, upper or lower case; None if it was not given."""
    known = {"off": False, "auto": True}
    if text is None:
        return None
    if not isinstance(text, str) or text.lower() not in known:
        raise InputError(f"{text!r} is not known; use Off or Auto")
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
        own = {part.name: getattr(each, part.name) for part in fields(Algorithm)}
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
        parts.append(own | {"environment": {**(own["environment"] or {}), **grace}})
    return parts


def _definition(part: Mapping[str, Any], direction: str, given: _Arguments) -> DraftDefinition:
    own = "" if part["name"] is None else f"{part['name']}: "
    metric = part["metric"]
    parameters = in_order(_parameters(part["space"]))
    metrics = {**({} if part["regex"] is None else {metric: part["regex"]}), **(part["metrics"] or {})}
    channels = tuple(_channel(name, place) for name, place in (part["channels"] or {}).items())
    given.check(f"{own}metric", check_string, "metric", metric)
    for key, regex in metrics.items():
        given.check(f"{own}metrics", check_string, "a metric's name", key)
        if regex is not None:
            given.check(f"{own}metrics", check_string, f"the regex of metric {key!r}", regex)
    for channel in channels:
        given.check(f"{own}channels", _check_channel, channel)
    for what in ("max_trial_seconds", "max_wait_seconds"):
        given.check(f"{own}{what}", check_seconds, what, part[what])
    if part["retries"] is not None:
        given.check(f"{own}retries", check_count, "retries", part["retries"])
    program = _program(part["program"])
    return DraftDefinition(
        training_image=program,
        objective=metric,
        direction=direction,
        ranges=ranges_of(parameters),
        parameters=parameters,
        algorithm=built_in(program),
        name=part["name"],
        hyperparameters=_strings("static", part["static"] or {}),
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


def _parameters(space: SearchSpace | Iterable[Parameter] | None) -> tuple[Parameter, ...]:
    parameters = space.parameters if isinstance(space, SearchSpace) else tuple(space or ())
    for parameter in parameters:
        if not isinstance(parameter, ContinuousParameter | IntegerParameter | CategoricalParameter):
            raise InputError(
                f"space: {parameter!r} is not a parameter; use ContinuousParameter, IntegerParameter or "
                "CategoricalParameter"
            )
    return parameters


def in_order(parameters: Iterable[Parameter]) -> tuple[Parameter, ...]:
    """Parameters as a request declares them: by kind, and the values of a categorical as the strings that a
    program receives, so that a job described in Python searches exactly as one that was read from a file.
    """
    declared = [
        CategoricalParameter(each.name, [value_text(value) for value in each.values])
        if isinstance(each, CategoricalParameter)
        else each
        for each in parameters
    ]
    return tuple(sorted(declared, key=lambda each: KINDS.index(kind_of(each))))


def _program(program: Location) -> str:
    """A path object is always a path, even if the same string would name a built-in algorithm."""
    return program if isinstance(program, str) else f"file://{os.fspath(program).replace('%', '%25')}"


def _channel(name: str, place: Location | Channel) -> DraftChannel:
    if not isinstance(place, Channel):
        return DraftChannel(name, os.fspath(place))
    return DraftChannel(
        name,
        place.uri,
        place.content_type,
        place.compression,
        place.input_mode,
        place.record_wrapper,
        place.distribution,
    )


def _check_channel(channel: DraftChannel) -> None:
    Channel(channel.name, channel.uri or "")


def _strings(what: str, values: Mapping[str, Value]) -> dict[str, str]:
    strings = {}
    for name, value in values.items():
        plain = value.item() if hasattr(value, "item") else value  # NumPy numbers have another string form
        if not isinstance(plain, str | int | float):
            raise InputError(f"{what}: {name!r} is {value!r}; give a string, a number or a boolean")
        strings[name] = value_text(plain)
    return strings


def _autotuned(
    draft: Draft, keep_static: Sequence[str], *, choose_strategy: bool, choose_stops: bool
) -> Draft:
    """The draft with everything chosen that was not given."""
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
