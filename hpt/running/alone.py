"""Training jobs that belong to no tuning job: one run of a program, kept like a tuning job of one trial.

They lie in a part of the state directory of their own, since the names of training jobs and tuning jobs have
nothing to do with each other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import count

from hpt.errors import InputError, JobNotFoundError, StorageError, ValidationError
from hpt.host.state_parts import TRAINING_JOBS
from hpt.job.config import (
    OBJECTIVE_METRIC_KEY,
    JobConfig,
    ResourceLimits,
    TrainingJobDefinition,
    check_training_job_name,
)
from hpt.job.draft import draft_of
from hpt.job.naming import field_naming
from hpt.job.notes import STOP_TRAINING_JOB
from hpt.job.rules import RULES, check
from hpt.running.session import Session
from hpt.search.parameters import CategoricalParameter, IntegerParameter, Parameter
from hpt.search.scaling import read_float, read_int
from hpt.search.space import SearchSpace, value_string

SUFFIX = "-train"
"""What the name of a training job ends with that was made of the tuning job's."""

LONGEST_NAME = 63

_PASSING = tuple(rule for rule in RULES if rule.id in ("names", "passing", "required", "grace"))
"""The rules that the values of hyperparameters can break."""

_ALIKE = 0.85
"""From which likeness on a name that a built-in algorithm may know is taken for a slip."""

STOP_IT = {STOP_TRAINING_JOB: 1}
"""The note that stops a training job by itself for good: it is the first of its own job."""


def training_session(session: Session) -> Session:
    """The part of a state directory with the training jobs by themselves, opened."""
    return Session(session.root / TRAINING_JOBS)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A hyperparameter of a training job: its value as the program receives it, and where it is from.

    source: `middle` of its range, `given` by the user, or `static`.
    """

    name: str
    value: str
    source: str


def choose(
    definition: TrainingJobDefinition, given: Mapping[str, str]
) -> tuple[tuple[Chosen, ...], tuple[str, ...]]:
    """The hyperparameters of one training job of a definition, and messages about them.

    A number that is not given is the middle of its range on the range's own scale, a categorical the first of
    its values. A given number may lie outside its range: a message says so.

    Raises:
        InputError: a given name is unknown, or a value has the wrong type.
    """
    ranges = {parameter.name: parameter for parameter in definition.space.parameters}
    known = {*ranges, *definition.hyperparameters}
    unknown = [name for name in given if name not in known]
    if OBJECTIVE_METRIC_KEY in given:
        raise InputError(f"{OBJECTIVE_METRIC_KEY!r} is reserved: it names the objective; leave it out")
    chosen: list[Chosen] = []
    notes = [_unknown(name, sorted(known), definition) for name in unknown]
    notes = [each for each in notes if each]
    for name, parameter in ranges.items():
        if name not in given:
            chosen.append(Chosen(name, middle(parameter), "middle"))
            continue
        value, note = _read(parameter, given[name])
        chosen.append(Chosen(name, value, "given"))
        notes += [note] if note else []
    for name, value in {**definition.hyperparameters, **dict.fromkeys(unknown, "")}.items():
        source = "given" if name in given else "static"
        chosen.append(Chosen(name, given.get(name, value), source))
    return tuple(chosen), tuple(notes)


def middle(parameter: Parameter) -> str:
    """The value in the middle of a range, on its scale, with three digits where that is exact enough; the
    first of the values of a categorical.
    """
    if isinstance(parameter, CategoricalParameter):
        return parameter.format(parameter.values[0])
    value = parameter.decode(0.5)
    rounded = float(f"{value:.3g}")
    if isinstance(value, float) and parameter.min <= rounded <= parameter.max:
        value = rounded
    return parameter.format(value)


def _read(parameter: Parameter, string: str) -> tuple[str, str]:
    """A value as the program receives it, and a message if it lies outside the range, else ""."""
    if isinstance(parameter, CategoricalParameter):
        return _read_categorical(parameter, string), ""
    read = read_int if isinstance(parameter, IntegerParameter) else read_float
    value = read(string, f"{parameter.name!r}:")
    if parameter.min <= value <= parameter.max:
        return value_string(value), ""
    bounds = f"{value_string(parameter.min)} to {value_string(parameter.max)}"
    note = f"{parameter.name}={string} lies outside its range, {bounds}: a tuning job does not try it"
    return value_string(value), note


def _read_categorical(parameter: CategoricalParameter, string: str) -> str:
    try:
        parameter.parse(string)
    except InputError as error:
        near = get_close_matches(string, [value_string(value) for value in parameter.values], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ", or add it to the values of its range"
        raise InputError(f"{error}{hint}") from None
    return string


def _unknown(name: str, known: list[str], definition: TrainingJobDefinition) -> str:
    """A message about a name that the job does not have, "" if its built-in algorithm is known to take it.

    Raises:
        InputError: the program is the user's own, or the name looks like one that is meant.
    """
    algorithm = definition.program.algorithm
    if algorithm is not None:
        taken = {each.name for each in algorithm.recommended_ranges} | {*algorithm.required_hyperparameters}
        if name in taken | {algorithm.evaluated_by, algorithm.epoch_resource}:
            return ""
        known = sorted({*known, *taken})
    cutoff = 0.6 if algorithm is None else _ALIKE
    near = get_close_matches(name, known, n=1, cutoff=cutoff)
    near = near or [each for each in known if each.lower() == name.lower()]
    if algorithm is not None and not near:
        return f"{name} is new to this job, and passed on to {algorithm.name}, which may not know it"
    hint = f"did you mean {near[0]!r}?" if near else "add it to the static hyperparameters"
    raise InputError(
        f"hyperparameter {name!r} has neither a range nor a static value in this job, which has "
        f"{', '.join(known) or 'none'}; {hint}"
    )


def alone(
    config: JobConfig, definition: TrainingJobDefinition, name: str, chosen: tuple[Chosen, ...]
) -> JobConfig:
    """One training job of a definition of a tuning job, by itself.

    Parameters
    ----------
    config
        The tuning job.
    definition
        Its definition.
    name
        The name of the training job.
    chosen
        All hyperparameters.

    Returns
    -------
    JobConfig
        The training job.

    Raises
    ------
    InputError
        The name cannot be one.
    ValidationError
        A hyperparameter cannot be passed to a program.
    """
    own = replace(
        definition,
        name=None,
        space=SearchSpace.nothing(),
        hyperparameters={each.name: each.value for each in chosen},
    )
    job = JobConfig(
        name=name,
        strategy="Random",
        definition=own,
        limits=ResourceLimits(1, 1),
        seed=0,
        tags=config.tags,
        alone=True,
    )
    broken = check(draft_of(job), field_naming(False), _PASSING)
    if broken is not None:
        raise ValidationError([broken])
    return job


def free_name(session: Session, base: str) -> str:
    """`<base>-train`, or with a number the first that no training job has."""
    taken = {name.lower() for name in session.storage.names()}
    for ordinal in count(1):
        suffix = SUFFIX if ordinal == 1 else f"{SUFFIX}-{ordinal}"
        name = base[: LONGEST_NAME - len(suffix)].rstrip("-") + suffix
        if name.lower() not in taken:
            return name
    raise AssertionError("unreachable")


def check_name(session: Session, name: str) -> None:
    """Raises InputError where a new training job cannot have the name."""
    check_training_job_name(name)
    if session.holds(name):
        raise InputError(
            f"a training job named {name!r} exists in {session.top}; choose another name, or none"
        )


_PARTS = re.compile(r"(?P<name>[^=]+)=(?P<value>.*)", re.DOTALL)


def read_assignments(arguments: list[str]) -> dict[str, str]:
    """`["lr=0.01", ...]` as a mapping. Raises InputError where one is none, or a name is given twice."""
    given: dict[str, str] = {}
    for argument in arguments:
        parts = _PARTS.fullmatch(argument)
        if parts is None:
            raise InputError(f"{argument!r} is not NAME=VALUE, such as lr=0.01")
        name = parts["name"].strip()
        if name in given:
            raise InputError(f"{name!r} is given twice; give it once")
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise InputError(f"the value of {name!r} is not UTF-8; give it as UTF-8") from None
        given[name] = parts["value"]
    return given


def find(session: Session, name: str) -> Session | None:
    """The session of the training jobs by themselves if one of them has the name and no tuning job has.

    Raises:
        StorageError: what has the name cannot be read.
    """
    try:
        session.storage.record(name)
        return None
    except (JobNotFoundError, InputError):
        pass
    own = training_session(session)
    try:
        own.storage.record(name)
    except (JobNotFoundError, InputError):
        own.close()
        return None
    except StorageError:
        own.close()
        raise
    return own
