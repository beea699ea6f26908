"""From a CreateTrainingJob request to the `JobConfig` of one training job by itself.

Its members are those of a training job definition, so a request is read as a tuning job's with that one
definition, no ranges and no objective: what holds for training jobs of a tuning job holds here.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from hpt.errors import ValidationError, Violation
from hpt.job.catalog import ALGORITHMS, find_algorithm
from hpt.job.complete import complete
from hpt.job.config import NO_OBJECTIVE, OBJECTIVE_METRIC_KEY
from hpt.job.config_warnings import config_warnings
from hpt.job.draft import Draft, DraftDefinition
from hpt.job.limits import Limits, find_limits
from hpt.job.naming import Naming
from hpt.sagemaker.request.convert import fill_definition, stored_only_members
from hpt.sagemaker.request.facts import CONFIG, Facts
from hpt.sagemaker.request.members import TRAINING_TABLE, unsupported
from hpt.sagemaker.request.model import load_shapes
from hpt.sagemaker.request.parse import JobRequest, Overrides
from hpt.sagemaker.request.paths import RequestNaming
from hpt.sagemaker.request.range_rules import Broken
from hpt.sagemaker.request.relaxations import LOCAL_MODE, STRICT_MODE
from hpt.sagemaker.request.resources import as_variables
from hpt.sagemaker.request.rules import RULES, Rule, check_rules
from hpt.sagemaker.request.scripts import name_local_programs
from hpt.sagemaker.request.shapes import check_shape
from hpt.sagemaker.request.surroundings import CheckS3, Surroundings, missing

CREATE_TRAINING_JOB = "CreateTrainingJobRequest"

_DEFINITION = "TrainingJobDefinition"
_STATIC = "StaticHyperParameters"
_OWN = ("TrainingJobName", "HyperParameters", "Tags")
"""Members that are no member of a definition by that name."""

_OF_A_SEARCH = (
    frozenset(
        (
            "V02",
            "V03",
            "V04",
            "V05",
            "V06",
            "V08",
            "V09",
            "V10",
            "V11",
            "V12",
            "V13",
            "V14",
            "V15",
            "V16",
            "V17",
        )
    )
    | {"V18", "V19", "V20", "V26", "V27", "V28", "V30", "V31", "V34", "added", "definitions", "end", "hints"}
    | {
        "parallel",
        "repeats",
        "strategy",
    }
)
"""Rules about searches, or that hold otherwise for a training job by itself."""


class _Facts(Facts):
    """The request as facts about a tuning job with nothing to search."""

    @cached_property
    def draft(self) -> Draft:
        draft = super().draft
        return replace(
            draft, alone=True, definitions=(_alone(draft.definitions[0], self.definitions[0].body),)
        )

    @cached_property
    def naming(self) -> Naming:
        return _TrainingNaming(self)


def _alone(definition: DraftDefinition, body: Mapping[str, Any]) -> DraftDefinition:
    """The definition with the objective that its hyperparameters name, if they do."""
    metric = definition.hyperparameters.get(OBJECTIVE_METRIC_KEY)
    known = None if definition.algorithm is None or metric is None else definition.algorithm.metric(metric)
    direction = NO_OBJECTIVE.type if known is None else known.direction
    specification = body["AlgorithmSpecification"]
    return replace(
        definition,
        objective=metric or NO_OBJECTIVE.metric,
        direction=str(direction),
        entrypoint=tuple(specification.get("ContainerEntrypoint", ())),
        arguments=tuple(specification.get("ContainerArguments", ())),
        own_checkpoints=definition.checkpoint_uri is not None,
    )


class _TrainingNaming(RequestNaming):
    def name(self, field: str) -> str:
        return "HyperParameters" if field == "hyperparameters" else super().name(field)


def _own_program(facts: Facts) -> Iterator[Broken]:
    for definition, draft in zip(facts.definitions, facts.draft.definitions, strict=True):
        if draft.algorithm is None or not (draft.entrypoint or draft.arguments):
            continue
        member = "ContainerEntrypoint" if draft.entrypoint else "ContainerArguments"
        yield (
            f"{definition.path}.AlgorithmSpecification.{member}",
            f"the built-in algorithm {draft.algorithm.name} has an entry point of its own; leave it out",
        )


RULES_OF_TRAINING = (
    Rule("entrypoint", _own_program),
    *(rule for rule in RULES if rule.id not in _OF_A_SEARCH),
)
"""The rules of a training job by itself."""


def read_training_request(
    request: Mapping[str, Any],
    *,
    base_dir: str | os.PathLike[str] | None = None,
    strict: bool = False,
    limits: Limits | str | None = None,
    check_s3: CheckS3 | None = None,
    overrides: Overrides | None = None,
) -> JobRequest:
    """The training job that a request describes, with the filled-in request and warnings.

    Parameters
    ----------
    request
        JSON data; it is not changed.
    base_dir, strict, limits, check_s3, overrides
        As `read_request` takes them.

    Returns
    -------
    JobRequest
        The job, the filled-in request and warnings.

    Raises
    ------
    ValidationError
        With all violations.
    """
    mode = STRICT_MODE if strict else LOCAL_MODE
    if overrides is not None:
        request = overrides.put_into(request)
    plain, shape_violations = check_shape(load_shapes(), CREATE_TRAINING_JOB, request, mode.overlay)
    if shape_violations:
        raise ValidationError(shape_violations, shape_violations.more)
    if "AlgorithmSpecification" not in plain:
        fix = "give the program and its metrics"
        raise ValidationError(
            [Violation("ValidationException", "AlgorithmSpecification", "image", f"is missing; {fix}")]
        )
    plain = as_variables(plain)
    base = str(Path(base_dir if base_dir is not None else ".").absolute())
    tuning = _as_tuning_job(plain)
    facts = _Facts(
        name_local_programs(tuning, base) if mode.paths else tuning,
        mode.limits if limits is None else find_limits(limits),
        mode.paths,
        find_algorithm,
        tuple(algorithm.name for algorithm in ALGORITHMS),
    )
    home = os.path.expanduser("~")  # noqa: PTH111 (Path fails for a user without a home)
    broken = check_rules(facts, RULES_OF_TRAINING)
    violations = [broken] if broken is not None else []
    violations += missing(facts.draft, facts.naming, Surroundings(), base_dir=base, home=home)
    if not violations and check_s3 is not None:
        violations += missing(facts.draft, facts.naming, Surroundings(check_s3), base_dir=base, home=home)
    violations = [replace(each, path=_path(each.path)) for each in violations]
    violations += unsupported(plain, TRAINING_TABLE)
    if violations:
        raise ValidationError(violations)
    config = complete(facts.draft, base_dir=base, home=home)
    body = copy.deepcopy(facts.request[_DEFINITION])
    fill_definition(body, config.definition)
    if OBJECTIVE_METRIC_KEY in plain.get("HyperParameters", {}):
        body[_STATIC][OBJECTIVE_METRIC_KEY] = plain["HyperParameters"][OBJECTIVE_METRIC_KEY]
    filled = {"TrainingJobName": config.name, "HyperParameters": body.pop(_STATIC), **body}
    if "Tags" in plain:
        filled["Tags"] = plain["Tags"]
    notes = (*stored_only_members(filled, TRAINING_TABLE), *map(_path, config_warnings(config, facts.naming)))
    return JobRequest(config, filled, notes)


def _as_tuning_job(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The request of a tuning job that launches this one training job."""
    body = {member: value for member, value in plain.items() if member not in _OWN}
    body[_STATIC] = dict(plain.get("HyperParameters", {}))
    return {
        "HyperParameterTuningJobName": plain["TrainingJobName"],
        CONFIG: {
            "Strategy": "Random",
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1},
        },
        _DEFINITION: body,
        **({"Tags": plain["Tags"]} if "Tags" in plain else {}),
    }


def _path(path: str) -> str:
    """The path of a member as the request has it."""
    path = path.replace(f"{_DEFINITION}.{_STATIC}", "HyperParameters")
    path = path.replace("HyperParameterTuningJobName", "TrainingJobName")
    return path.replace(f"{_DEFINITION}.", "").replace(_STATIC, "HyperParameters")


def training_body(request: Mapping[str, Any]) -> dict[str, Any]:
    """The definition that a filled-in request gives, as the replies about training jobs read it."""
    body = {member: copy.deepcopy(value) for member, value in request.items() if member not in _OWN}
    body[_STATIC] = dict(request["HyperParameters"])
    return body
