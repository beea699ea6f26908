"""`hpt tune --check`: prints what a job file means, with all defaults and automatic choices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hpt.cli import snapshots
from hpt.cli.json_output import print_json
from hpt.executors import instances_told
from hpt.job.config import Channel, JobConfig, TrainingJobDefinition
from hpt.job.plural import quantity
from hpt.running.choices import choices, choices_document
from hpt.running.isolation import isolation
from hpt.running.progress import duration, number
from hpt.running.resources import described
from hpt.search.parameters import CategoricalParameter, IntegerParameter, Parameter
from hpt.search.stopping.median import ALL
from hpt.search.trial import ObjectiveType

if TYPE_CHECKING:
    from hpt.sagemaker.request.parse import JobRequest

Line = tuple[str, str]
"""The label of a line and its value."""


def checked(read: JobRequest, root: Path, *, as_json: bool, here: bool = True) -> None:
    """Print the meaning of a job file that passed every check. root: the state directory. here: its programs
    run on this host, or as they do here.

    Raises:
        InputError: no snapshot of a program could be taken.
    """
    from hpt.job.document import to_document

    config = read.config
    if as_json:
        document = {**to_document(config, read.request), "warnings": list(read.warnings)}
        print_json(
            {
                **document,
                "programs": [
                    choices_document(each, root, snapshots.look(each, root))
                    for each in config.all_definitions
                ],
                "snapshots": snapshots.planned_documents(config, root),
            }
        )
        return
    lines = (*_search(config), *_ends(config), *_definitions(config, root, here))
    print(f"{config.name} is a valid tuning job")
    for label, value in lines:
        print(f"  {label:<11} {value}")
    for warning in read.warnings:
        print(f"  note        {warning}")


def _search(config: JobConfig) -> Iterator[Line]:
    """The strategy and its options."""
    limits = config.limits
    jobs = quantity(limits.max_jobs, "job") if limits.max_jobs is not None else "no limit on jobs"
    seed = "drawn at the start" if config.seed is None else str(config.seed)
    yield "strategy", f"{config.strategy}, {jobs}, {limits.max_parallel_jobs} at a time, seed {seed}"
    if config.autotune:
        yield "autotune", "what the file leaves out is chosen: ranges, number of jobs, early stopping, ends"
    if config.warm_start is not None:
        parents = ", ".join(config.warm_start.parents)
        yield "warm start", f"{config.warm_start.type}, from {parents}"
    if (hyperband := config.hyperband) is not None:
        how = "by a model of configuration and epoch" if hyperband.model_based else "at random"
        yield (
            "hyperband",
            f"configurations proposed {how}; {hyperband.min_resource} to "
            f"{quantity(hyperband.max_resource, 'report')} a job, "
            + (
                "as far as early ones tell the last"
                if hyperband.adaptive
                else f"the best 1/{hyperband.eta:g} at each rung"
            ),
        )
    if config.early_stopping is not None:
        others = " of all before" if config.early_stopping.compare == ALL else ""
        first = config.early_stopping.rule(config.limits.max_jobs).min_trials
        yield (
            "stops early",
            f"jobs worse than the median{others}, once {first} {'has' if first == 1 else 'have'} ended",
        )


def _ends(config: JobConfig) -> Iterator[Line]:
    """The criteria that end the job, apart from the number of training jobs."""
    completion = config.completion
    if config.limits.max_runtime_seconds is not None:
        yield "ends", f"after {duration(config.limits.max_runtime_seconds)}"
    if completion.target is not None:
        bound = "most" if config.objective_type is ObjectiveType.MINIMIZE else "least"
        yield "ends", f"at an objective of at {bound} {number(completion.target)}"
    if completion.max_not_improving is not None:
        yield "ends", f"when {completion.max_not_improving} jobs in a row do not improve the best"
    if completion.complete_on_convergence:
        yield "ends", "when the search has converged"


def _definitions(config: JobConfig, root: Path, here: bool) -> Iterator[Line]:
    for definition in config.all_definitions:
        if config.definitions:
            yield "definition", str(definition.name)
        manifest = snapshots.look(definition, root)
        if here:
            yield from choices(definition, root, manifest)
            yield from isolation(definition, root)
        else:
            yield "image", definition.training_image
        yield from snapshots.labelled("snapshot", snapshots.planned(definition, root, manifest))
        yield "objective", f"{definition.objective.type} {definition.objective.metric}"
        yield from _metrics(definition)
        for channel in definition.channels:
            forms = [channel.content_type, *_forms(channel)]
            kind = ", ".join(form for form in forms if form is not None)
            yield "channel", f"{channel.name}: {channel.uri}{f' ({kind})' if kind else ''}"
        for name, value in definition.hyperparameters.items():
            yield "static", f"{name}: {value}"
        for parameter in definition.space.parameters:
            yield "tunes", _range(parameter)
        if here:
            for line in instances_told.told(definition, config.limits.max_parallel_jobs):
                yield "instances", line
        yield from _run(definition)


def _forms(channel: Channel) -> Iterator[str]:
    """How the data of a channel reaches the program, where that is not as files."""
    if channel.input_mode != "File":
        yield f"{channel.input_mode} mode"
    if channel.data_type != "S3Prefix":
        yield f"a {channel.data_type}"
    if channel.compression != "None":
        yield f"decompressed from {channel.compression.lower()}"
    if channel.record_wrapper != "None":
        yield f"wrapped as {channel.record_wrapper}"
    if channel.distribution != "FullyReplicated":
        yield "shared out to the instances by key"
    if channel.shuffle_seed is not None:
        yield f"shuffled with seed {channel.shuffle_seed}"


def _metrics(definition: TrainingJobDefinition) -> Iterator[Line]:
    """The patterns; for a built-in algorithm only that of the objective."""
    built_in = definition.program.algorithm is not None
    for metric in definition.metric_definitions:
        if metric.name == definition.objective.metric or not built_in:
            yield "metric", f"{metric.name}: {metric.regex}"


def _run(definition: TrainingJobDefinition) -> Iterator[Line]:
    """How each training job runs."""
    limit = definition.max_runtime_seconds
    most = "without a time limit" if limit is None else f"for {duration(limit)} at most"
    retries = definition.retry_attempts
    times = f"up to {quantity(retries, 'time')}"
    yield "each job", f"runs {most}, again {times} if its machine is lost"
    if found := described(definition):
        yield "", f"has {found}"
    yield "", f"has {definition.grace_seconds:g} s to end by itself when it is stopped"
    if definition.spot:
        wait = definition.max_wait_seconds
        yield (
            "spot",
            "capacity that may be withdrawn" + ("" if wait is None else f", {duration(wait)} in all"),
        )
    if definition.output_path is not None:
        yield "output", definition.output_path
    if definition.checkpoint_uri is not None:
        yield "checkpoints", definition.checkpoint_uri


def _range(parameter: Parameter) -> str:
    """`eta: 0.001 to 1, Logarithmic`, `kind: one of a, b`."""
    if isinstance(parameter, CategoricalParameter):
        return f"{parameter.name}: one of {', '.join(parameter.format(value) for value in parameter.values)}"
    ends = f"{parameter.format(parameter.min)} to {parameter.format(parameter.max)}"
    kind = "integers " if isinstance(parameter, IntegerParameter) else ""
    return f"{parameter.name}: {kind}{ends}, {parameter.scaling}"
