"""Rules about what one training job is: its program, metrics, hyperparameters, data and times."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hpt.errors import InputError
from hpt.job.catalog import ALGORITHMS
from hpt.job.config import GRACE_VARIABLE, OBJECTIVE_METRIC_KEY, read_grace
from hpt.job.draft import Draft, DraftDefinition, DraftMetric
from hpt.job.isolation import CONTAINERS_VARIABLE, Containers, parse_containers, read_containers, unusable
from hpt.job.naming import Naming, Place
from hpt.job.program_kind import PROGRAM_KEY, SOURCE_KEY, ProgramKind
from hpt.job.resources import VariableError, read_resources
from hpt.job.search_rules import Broken
from hpt.job.tagged_line import tagged_pattern
from hpt.job.uris import is_image, resolve_uri

MAX_WAIT_WITHOUT_CHECKPOINTS = 3600


def repeated_definitions(draft: Draft, naming: Naming) -> Iterator[Broken]:
    seen: set[str] = set()
    for number, definition in enumerate(draft.definitions):
        name = definition.name
        if name in seen:
            yield Broken(Place("definition_name", number), f"{name!r} names two definitions; rename one")
        if name is not None:
            seen.add(name)


def image(draft: Draft, naming: Naming) -> Iterator[Broken]:
    for number, definition in enumerate(draft.definitions):
        given, kind = definition.training_image, definition.program.kind
        module = kind in (ProgramKind.FUNCTION, ProgramKind.MODULE) and not draft.modules
        if given and (module or (kind is ProgramKind.IMAGE and ("://" in given or not is_image(given)))):
            yield Broken(
                Place("training_image", number),
                f"{given!r} is not an image that runs here; {programs(draft)}",
            )
        elif given and kind is ProgramKind.IMAGE and _containers(definition) is Containers.NEVER:
            yield Broken(
                Place("training_image", number),
                f"{given!r} is an image, and containers are {Containers.NEVER!s}; let images run in "
                f"containers ({Containers.AUTO!s}), or {programs(draft)}",
            )


def containers(draft: Draft, naming: Naming) -> Iterator[Broken]:
    for number, definition in enumerate(draft.definitions):
        try:
            read_containers(definition.environment)
        except InputError as error:
            yield Broken(Place("environment", number, key=CONTAINERS_VARIABLE), str(error))


def _containers(definition: DraftDefinition) -> Containers:
    """What a definition says; AUTO where it says what nothing can be."""
    try:
        return parse_containers(definition.containers or read_containers(definition.environment))
    except InputError:  # a broken rule of its own
        return Containers.AUTO


def checkpoints(draft: Draft, naming: Naming) -> Iterator[Broken]:
    for number, definition in enumerate(draft.definitions):
        if definition.checkpoint_uri is not None:
            reason = unusable(definition.checkpoint_local_path)
            if reason is not None:
                yield Broken(Place("checkpoint_local_path", number), reason)


def script_mode(draft: Draft, naming: Naming) -> Iterator[Broken]:
    for number, definition in enumerate(draft.definitions):
        program = definition.program
        if program.kind is not ProgramKind.SCRIPT:
            continue
        if not program.entry:
            yield Broken(
                Place("hyperparameters", number, key=PROGRAM_KEY),
                "'' names no program; name the script within the source",
            )
        elif not program.source:
            yield Broken(
                Place("hyperparameters", number, key=SOURCE_KEY),
                f"is missing, and {PROGRAM_KEY} {program.entry!r} needs it; give the folder or .tar.gz that "
                "holds the script",
            )


def programs(draft: Draft) -> str:
    """The fix that lists what can be run."""
    own = "the path of a program or " if draft.paths else ""
    return f"give {own}a built-in algorithm: {', '.join(each.name for each in ALGORITHMS)}"


def metrics(draft: Draft, naming: Naming) -> Iterator[Broken]:
    for number, definition in enumerate(draft.definitions):
        for i, metric in enumerate(definition.metrics):
            name = Place("metric_name", number, i, metric.name)
            if metric.regex is None:  # reported, not printed
                try:
                    tagged_pattern(metric.name)
                except InputError as error:
                    yield Broken(name, f"{error}, or add the {naming.name('metric_regex')} that reads it")
            else:
                yield from _regex(metric, metric.regex, name._replace(field="metric_regex"))


def _regex(metric: DraftMetric, pattern: str, place: Place) -> Iterator[Broken]:
    try:
        groups = re.compile(pattern).groups
    except (re.error, OverflowError, RecursionError) as error:
        yield Broken(place, f"{pattern!r} is not a regular expression ({error}); fix it")
        return
    if groups == 0:
        yield Broken(place, f"{pattern!r} has no group; put the part that is the number in parentheses")


def objective_metric(draft: Draft, naming: Naming) -> Iterator[Broken]:
    for number, definition in enumerate(draft.definitions):
        metric, algorithm = definition.objective, definition.algorithm
        if metric is None:
            continue
        place = Place("objective", number)
        if algorithm is None:
            known = [each.name for each in definition.metrics]
            if metric not in known:
                has = f"only {', '.join(map(repr, known))} are" if known else "no metric is"
                yield Broken(
                    place,
                    f"a metric is needed for the objective {metric!r}, and {has} defined; "
                    f"{naming.metric_fix(number, metric)}",
                )
        elif algorithm.metric(metric) is None:
            names = ", ".join(each.name for each in algorithm.metric_definitions)
            also = "; train: in place of validation: is on the training data"
            yield Broken(
                place,
                f"{metric!r} is not a metric of {algorithm.name}; use one of {names}"
                f"{also if algorithm.training_metrics else ''}",
            )


def added_hyperparameter(draft: Draft, naming: Naming) -> Iterator[Broken]:
    for number, definition in enumerate(draft.definitions):
        metric = definition.objective
        given = definition.hyperparameters.get(OBJECTIVE_METRIC_KEY, metric)
        if given != metric:
            yield Broken(
                Place("hyperparameters", number, key=OBJECTIVE_METRIC_KEY),
                f"{given!r} differs from the objective metric {metric!r}, which is added automatically; "
                "leave it out",
            )
        for i, each in enumerate(definition.ranges):
            if each.name == OBJECTIVE_METRIC_KEY:
                yield Broken(
                    Place("range_name", number, i, each.name),
                    f"{OBJECTIVE_METRIC_KEY!r} is reserved; rename the range",
                )


def wait_without_spot(draft: Draft, naming: Naming) -> Iterator[Broken]:
    for number, definition in enumerate(draft.definitions):
        wait = definition.max_wait_seconds
        if wait is not None and not definition.spot:
            yield Broken(
                Place("max_wait_seconds", number),
                f"{wait} is only allowed when {naming.name('spot')} is true; leave it out",
            )


def spot_without_wait(draft: Draft, naming: Naming) -> Iterator[Broken]:
    for number, definition in enumerate(draft.definitions):
        if definition.max_wait_seconds is None and definition.spot:
            yield Broken(
                Place("max_wait_seconds", number),
                f"is missing, and {naming.name('spot')} needs it; give waiting and running time together",
            )


def wait_below_run(draft: Draft, naming: Naming) -> Iterator[Broken]:
    for number, definition in enumerate(draft.definitions):
        wait, run = definition.max_wait_seconds, definition.max_runtime_seconds
        if wait is not None and run is not None and wait < run:
            yield Broken(
                Place("max_wait_seconds", number),
                f"{wait} is below {naming.name('definition.max_runtime_seconds')} {run}, which it includes; "
                "raise it",
            )


def wait_without_checkpoints(draft: Draft, naming: Naming) -> Iterator[Broken]:
    for number, definition in enumerate(draft.definitions):
        wait, algorithm = definition.max_wait_seconds, definition.algorithm
        if algorithm is None or algorithm.checkpoint_support or not definition.spot:
            continue
        if wait is not None and wait > MAX_WAIT_WITHOUT_CHECKPOINTS:
            yield Broken(
                Place("max_wait_seconds", number),
                f"{wait} is above {MAX_WAIT_WITHOUT_CHECKPOINTS}, the maximum for {algorithm.name}, which "
                "saves no checkpoints; lower it",
            )


def uris(draft: Draft, naming: Naming) -> Iterator[Broken]:
    for number, definition in enumerate(draft.definitions):
        for place, uri in definition.uris(number):
            resolved = resolve_uri(uri, "/", "/")
            if resolved is None or resolved.startswith("s3:///") or resolved == "s3://":
                local = ", file:// or a path" if draft.paths else ""
                yield Broken(place, f"{uri!r} is not a place that can be read; use s3://bucket/prefix{local}")


def required_hyperparameters(draft: Draft, naming: Naming) -> Iterator[Broken]:
    for number, definition in enumerate(draft.definitions):
        algorithm = definition.algorithm
        if algorithm is None:
            continue
        given = {*definition.hyperparameters, *(each.name for each in definition.ranges)}
        for name in algorithm.required_hyperparameters:
            if name not in given:
                yield Broken(
                    Place("hyperparameters", number, key=name),
                    f"is missing, and {algorithm.name} requires {name}; add it, or give it a range",
                )


def grace(draft: Draft, naming: Naming) -> Iterator[Broken]:
    for number, definition in enumerate(draft.definitions):
        try:
            read_grace(definition.environment)
        except InputError as error:
            yield Broken(Place("environment", number, key=GRACE_VARIABLE), str(error))


def resources(draft: Draft, naming: Naming) -> Iterator[Broken]:
    for number, definition in enumerate(draft.definitions):
        try:
            read_resources(definition.environment)
        except VariableError as error:
            yield Broken(Place("environment", number, key=error.variable), str(error))


def training_time(draft: Draft, naming: Naming) -> Iterator[Broken]:
    most = draft.limits.training_seconds
    for number, definition in enumerate(draft.definitions):
        run = definition.max_runtime_seconds
        if run is not None and run > most:
            yield Broken(
                Place("max_runtime_seconds", number),
                f"{run} is above the maximum {most} ({most // 86_400} days); lower it",
            )
