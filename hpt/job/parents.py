"""The parents of a tuning job: their results as the events that a warm start begins with (behaviour 9.5).

The results are copied when the job is created. Later changes of a parent have no effect on the job.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hpt.job.config import JobConfig, TrainingJobDefinition
from hpt.job.draft import draft_of
from hpt.job.plural import quantity
from hpt.job.state import JobState, TrainingJob
from hpt.job.warm_start import Projected, Projection, WarmStartType
from hpt.search.events import ParentResult
from hpt.search.trial import ObjectiveStatus


@dataclass(frozen=True, slots=True)
class Parent:
    """A parent as it was when the job was created. path: of its name in the request."""

    path: str
    config: JobConfig
    state: JobState


def inherit(config: JobConfig, parents: Sequence[Parent], time: float) -> tuple[list[ParentResult], str]:
    """The events of a warm start, and one line that says how the parents' results are used.

    Failed training jobs and what the parents had from parents of their own are left out (behaviour 9.3 W7).
    """
    assert config.warm_start is not None
    events: list[ParentResult] = []
    summaries: list[str] = []
    for parent in parents:
        results, lines = _results(config, parent, time)
        events += results
        summaries += lines
    return events, f"warm start ({config.warm_start.type}): {'; '.join(summaries)}"


def combinations_left(config: JobConfig, results: Iterable[ParentResult]) -> int | None:
    """How many combinations of a finite space its parents' results leave: one that counts as the job's own is
    not launched again. None if the space is infinite.
    """
    total = draft_of(config).combinations
    if total is None:
        return None
    tried = {
        (result.definition, tuple(sorted(result.config.items())))
        for result in results
        if result.same and result.config is not None
    }
    return total - len(tried)


def same_program(config: JobConfig, parent: JobConfig) -> str:
    """What differs between two jobs, "program" or "input data"; "" if they train the same program on them."""
    return _difference(config.definition, parent.definition)


def _difference(mine: TrainingJobDefinition, theirs: TrainingJobDefinition) -> str:
    if _unversioned(mine.training_image) != _unversioned(theirs.training_image):
        return "program"
    return "" if set(mine.channels) == set(theirs.channels) else "input data"


def _unversioned(image: str) -> str:
    """A container image without its tag, which may differ (behaviour 9.2); a path as it is."""
    return image if image.startswith("/") else image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def matching_definition(config: JobConfig, theirs: TrainingJobDefinition) -> TrainingJobDefinition | None:
    """The definition that takes the results of a parent's definition: the only one, or the one with the same
    program; of more than one, that with the same name.
    """
    if not config.definitions:
        return config.definition
    matches = [each for each in config.definitions if _difference(each, theirs) != "program"]
    return next((each for each in matches if each.name == theirs.name), matches[0] if matches else None)


def _results(config: JobConfig, parent: Parent, time: float) -> tuple[list[ParentResult], list[str]]:
    """The results of a parent, and one line for each of its definitions on how they are used."""
    identical = config.warm_start is not None and config.warm_start.type is WarmStartType.IDENTICAL
    events: list[ParentResult] = []
    summaries = []
    for theirs in parent.config.all_definitions:
        jobs = [
            job
            for job in parent.state.jobs.values()
            if job.objective_status is ObjectiveStatus.SUCCEEDED and job.definition == theirs.name
        ]
        name = parent.config.name + (f"/{theirs.name}" if parent.config.definitions else "")
        mine = matching_definition(config, theirs)
        if mine is None:
            outside = Projected(None, False)
            events += [_event(parent.config, theirs, None, job, outside, False, time) for job in jobs]
            of = quantity(len(jobs), "result")
            summaries.append(f"{name!r} gives none of {of}, because no definition trains its program")
            continue
        projection = Projection(mine.space, mine.hyperparameters, theirs.space, theirs.hyperparameters)
        differs = _difference(mine, theirs)
        results, places = [], []
        for job in jobs:
            placed = projection.project(job.config)
            same = identical and not differs and placed.exact
            results.append(_event(parent.config, theirs, mine.name, job, placed, same, time))
            places.append(placed)
        events += results
        summaries.append(_summary(name, results, places, projection, differs if identical else ""))
    return events, summaries


def _event(
    parent: JobConfig,
    theirs: TrainingJobDefinition,
    definition: str | None,
    job: TrainingJob,
    placed: Projected,
    same: bool,
    time: float,
) -> ParentResult:
    assert job.value is not None
    return ParentResult(
        time,
        parent.name,
        job.name,
        job.value,
        placed.config,
        same,
        theirs.space.format(job.config),
        job.status,
        job.created,
        job.training_start,
        job.training_end,
        definition,
    )


def _summary(
    name: str, results: list[ParentResult], places: list[Projected], projection: Projection, differs: str
) -> str:
    """`'a' gives 28 of 30 results, 3 moved into the range of 'lr', 2 left out, 'depth' being out of range`"""
    used = sum(result.config is not None for result in results)
    parts = [f"{name!r} gives {used} of {quantity(len(results), 'result')}"]
    if same := sum(result.same for result in results):
        parts.append(f"{same} of them as this job's own")
    moved = Counter(name for placed in places for name in placed.moved)
    parts += [f"{count} moved into the range of {name!r}" for name, count in sorted(moved.items())]
    outside = Counter(placed.outside for placed in places if placed.outside)
    parts += [f"{count} left out, {name!r} being out of range" for name, count in sorted(outside.items())]
    parts += [f"{value!r} stands in for the new {name!r}" for name, value in projection.new.items()]
    if projection.gone:
        verb = "is" if len(projection.gone) == 1 else "are"
        parts.append(f"{', '.join(map(repr, projection.gone))} {verb} no longer used")
    if projection.changed:
        verb = "differs" if len(projection.changed) == 1 else "differ"
        parts.append(f"the static {', '.join(map(repr, projection.changed))} {verb}")
    if differs:
        parts.append(f"the {differs} differs")
    return ", ".join(parts)
