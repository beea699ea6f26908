"""Every default of a tuning job, in one place: from a valid draft to the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hpt.errors import ValidationError
from hpt.job.config import (
    DEFAULT_MAX_RUNTIME,
    DEFAULT_RETRY_ATTEMPTS,
    OBJECTIVE_METRIC_KEY,
    Channel,
    HyperbandConfig,
    JobConfig,
    MetricDefinition,
    Objective,
    ResourceLimits,
    TrainingJobDefinition,
    read_grace,
)
from hpt.job.draft import Draft, DraftDefinition, draft_of
from hpt.job.instances import InstanceGroup
from hpt.job.isolation import read_containers
from hpt.job.naming import Naming, field_naming
from hpt.job.program_kind import SOURCE_KEY, ProgramKind, quoted_as
from hpt.job.resources import read_resources
from hpt.job.rules import EXTENDED_RULES, Rule, check
from hpt.job.tagged_line import tagged_pattern
from hpt.job.uris import resolve_uri
from hpt.job.warm_start import WarmStart
from hpt.search.space import SearchSpace
from hpt.search.trial import ObjectiveType


def make(
    draft: Draft, naming: Naming, *, base_dir: str, home: str, rules: Sequence[Rule] = EXTENDED_RULES
) -> JobConfig:
    """The job that a draft describes.

    Parameters
    ----------
    draft
        The description of the job.
    naming
        What the author of the draft calls the parts of a job.
    base_dir
        The absolute folder that relative paths start from.
    home
        The folder that `~` stands for.
    rules
        The rules to check.

    Returns
    -------
    JobConfig
        The configuration, with all defaults filled in.

    Raises
    ------
    ValidationError
        With the first broken rule.
    """
    broken = check(draft, naming, rules)
    if broken is not None:
        raise ValidationError([broken])
    return complete(draft, base_dir=base_dir, home=home)


def completed(config: JobConfig, *, base_dir: str = "/", home: str = "/") -> JobConfig:
    """A configuration with all defaults filled in. The folders are those of `make`."""
    return complete(draft_of(config), base_dir=base_dir, home=home)


def check_config(config: JobConfig) -> None:
    """Raises ValidationError with the first rule that the configuration breaks."""
    broken = check(draft_of(config), field_naming(bool(config.definitions)))
    if broken is not None:
        raise ValidationError([broken])


def complete(draft: Draft, *, base_dir: str, home: str) -> JobConfig:
    """The configuration of a valid draft, with all defaults filled in."""
    definitions = tuple(_definition(each, base_dir, home) for each in draft.definitions)
    return JobConfig(
        name=draft.name,
        strategy=draft.strategy,
        definition=definitions[0],
        definitions=definitions if draft.multi else (),
        limits=_limits(draft),
        seed=draft.seed,
        tags=draft.tags,
        hyperband=_hyperband(draft),
        early_stopping=draft.early_stopping,
        completion=draft.completion,
        warm_start=None if draft.warm_start is None else WarmStart(*draft.warm_start),
        autotune=draft.autotune,
        alone=draft.alone,
        repeats=draft.repeats,
    )


def _limits(draft: Draft) -> ResourceLimits:
    """A grid runs all combinations. Any other search without a number of jobs runs up to the limit."""
    jobs = draft.combinations if draft.max_jobs is None and draft.strategy == "Grid" else draft.max_jobs
    quota = jobs is None
    if quota:
        jobs = draft.limits.jobs.get(draft.strategy)
    return ResourceLimits(
        jobs, draft.max_parallel_jobs, draft.max_runtime_seconds, max_jobs_is_quota=quota and jobs is not None
    )


def _hyperband(draft: Draft) -> HyperbandConfig | None:
    """A maximum read from the epochs does not stop jobs that reach it: they still save their models."""
    if draft.strategy != "Hyperband":
        return draft.hyperband
    if draft.hyperband is not None:
        return replace(draft.hyperband, model_based=False) if draft.random_proposals else draft.hyperband
    most = draft.most_resource
    assert most is not None  # V18
    return HyperbandConfig(
        most,
        draft.min_resource or 1,
        model_based=not draft.random_proposals,
        stops_at_max=draft.max_resource is not None,
    )


def _definition(draft: DraftDefinition, base_dir: str, home: str) -> TrainingJobDefinition:
    assert draft.objective is not None and draft.direction is not None  # V03, V04

    def place(uri: str) -> str:
        return resolve_uri(uri, base_dir, home) or uri

    image, kind = draft.training_image, draft.program.kind
    if kind is ProgramKind.FILE:
        image = place(image)
    given = draft.hyperparameters
    if kind is ProgramKind.SCRIPT and SOURCE_KEY in given:
        given = {**given, SOURCE_KEY: quoted_as(given[SOURCE_KEY], place(draft.program.source))}
    retries = draft.retry_attempts
    return TrainingJobDefinition(
        training_image=image,
        space=SearchSpace(draft.parameters) if draft.parameters else SearchSpace.nothing(),
        objective=Objective(draft.objective, ObjectiveType(draft.direction)),
        name=draft.name,
        hyperparameters={
            name: value
            for name, value in given.items()
            if name != OBJECTIVE_METRIC_KEY  # every training job receives it anyway
        },
        metric_definitions=metric_definitions(draft),
        channels=tuple(
            Channel(**{**each._asdict(), "uri": place(each.uri or "")}) for each in draft.channels
        ),
        environment=draft.environment,
        output_path=None if draft.output_path is None else place(draft.output_path),
        output_compression=draft.output_compression,
        checkpoint_uri=None if draft.checkpoint_uri is None else place(draft.checkpoint_uri),
        checkpoint_local_path=draft.checkpoint_local_path,
        max_runtime_seconds=_runtime(draft),
        max_wait_seconds=draft.max_wait_seconds,
        spot=draft.spot,
        retry_attempts=DEFAULT_RETRY_ATTEMPTS if retries is None else retries,
        grace_seconds=read_grace(draft.environment) if draft.grace_seconds is None else draft.grace_seconds,
        instance_type=draft.instance_type,
        instance_count=draft.instance_count,
        resources=read_resources(draft.environment) if draft.machine is None else draft.machine,
        instance_groups=tuple(
            InstanceGroup(each.name, each.instance_type, each.count) for each in draft.instance_groups
        ),
        containers=draft.containers or read_containers(draft.environment),
        entrypoint=draft.entrypoint,
        arguments=draft.arguments,
        own_checkpoints=draft.own_checkpoints,
    )


def _runtime(draft: DraftDefinition) -> float | None:
    """The default, or the maximum waiting time if that is shorter."""
    if draft.max_runtime_seconds is not None or draft.unlimited:
        return draft.max_runtime_seconds
    wait = draft.max_wait_seconds
    return DEFAULT_MAX_RUNTIME if wait is None else min(DEFAULT_MAX_RUNTIME, wait)


def metric_definitions(draft: DraftDefinition) -> tuple[MetricDefinition, ...]:
    """The given metrics, then those of the built-in algorithm.

    A metric without a regex is read from the tagged lines that `hpt.report` prints. A metric may have several
    patterns, each of them once.
    """
    found = [
        MetricDefinition(each.name, tagged_pattern(each.name) if each.regex is None else each.regex)
        for each in draft.metrics
    ]
    names = {each.name for each in draft.metrics}
    if draft.algorithm is not None:
        found += [
            MetricDefinition(each.name, each.regex)
            for each in draft.algorithm.predefined(draft.hyperparameters, draft.objective or "")
            if each.name not in names
        ]
    return tuple(dict.fromkeys(found))
