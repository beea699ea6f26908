"""From a CreateHyperParameterTuningJob request to a `JobConfig`: loads the model and checks
paths.

The order is: shapes (all violations at once); the first broken cross-field rule, together with all
unsupported members and all unusable local paths; last, because they take time, the `s3://` URIs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, Unpack

from hpt.errors import ValidationError
from hpt.job.catalog import ALGORITHMS, find_algorithm
from hpt.job.config import JobConfig
from hpt.job.config_warnings import config_warnings
from hpt.job.isolation import CONTAINERS_VARIABLE
from hpt.job.limits import Limits, find_limits
from hpt.job.resources import NOTHING, SlotResources
from hpt.job.warm_start import WarmStart
from hpt.sagemaker.request.autotune import autotune, enable_autotune, fill_required
from hpt.sagemaker.request.bodies import with_bodies, with_variables
from hpt.sagemaker.request.convert import (
    fill_in,
    stored_only_note,
    to_config,
    to_request,
    warm_start_request,
)
from hpt.sagemaker.request.facts import CONFIG, Facts
from hpt.sagemaker.request.manifest import refuse_manifest
from hpt.sagemaker.request.members import unsupported
from hpt.sagemaker.request.model import CREATE_TUNING_JOB, load_shapes
from hpt.sagemaker.request.relaxations import LOCAL_MODE, STRICT_MODE
from hpt.sagemaker.request.resources import as_variables, with_resources
from hpt.sagemaker.request.rules import EXTENDED_RULES, RULES, check_rules
from hpt.sagemaker.request.scripts import name_local_programs
from hpt.sagemaker.request.shapes import check_shape
from hpt.sagemaker.request.surroundings import CheckS3, Surroundings, missing

__all__ = ["JobRequest", "Overrides", "parse_request", "read_request", "to_request"]


class JobRequest(NamedTuple):
    """A request that was read.

    config: the job it describes. request: the request with all defaults filled in, only for Describe to echo.
    warnings: for its author.
    """

    config: JobConfig
    request: dict[str, Any]
    warnings: tuple[str, ...]


class Overrides(NamedTuple):
    """Values that replace those of a request; None keeps the request's.

    autotune: enables Autotune; the names of static hyperparameters that stay static. All others become hints.
    resources: those of every training job.
    containers: which images run in containers, a word of `Containers`.
    """

    name: str | None = None
    strategy: str | None = None
    warm_start: WarmStart | None = None
    autotune: Sequence[str] | None = None
    resources: SlotResources = NOTHING
    containers: str | None = None

    def put_into(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """A copy of the request with these values.

        Raises:
            InputError: a name in `autotune` is not that of a static hyperparameter.
        """
        changed = dict(request)
        if self.name is not None:
            changed["HyperParameterTuningJobName"] = self.name
        if self.strategy is not None and isinstance(changed.get(CONFIG), Mapping):
            changed[CONFIG] = {**changed[CONFIG], "Strategy": self.strategy}
        if self.warm_start is not None:
            changed["WarmStartConfig"] = warm_start_request(self.warm_start)
        if self.resources:
            changed = with_resources(changed, self.resources)
        if self.containers is not None:
            variable = {CONTAINERS_VARIABLE: self.containers}
            changed = with_bodies(changed, lambda path, body: with_variables(body, variable))
        return changed if self.autotune is None else enable_autotune(changed, self.autotune)


class ReadOptions(TypedDict, total=False):
    """The options of `read_request`."""

    base_dir: str | os.PathLike[str] | None
    strict: bool
    limits: Limits | str | None
    check_s3: CheckS3 | None
    check_paths: bool
    extended: bool
    overrides: Overrides


def parse_request(request: Mapping[str, Any], **options: Unpack[ReadOptions]) -> JobConfig:
    """The tuning job that a request describes; `options` and exceptions are those of `read_request`."""
    return read_request(request, **options).config


def read_request(
    request: Mapping[str, Any],
    *,
    base_dir: str | os.PathLike[str] | None = None,
    strict: bool = False,
    limits: Limits | str | None = None,
    check_s3: CheckS3 | None = None,
    check_paths: bool = True,
    extended: bool = False,
    overrides: Overrides | None = None,
) -> JobRequest:
    """The tuning job that a request describes, with the filled-in request and warnings.

    Parameters
    ----------
    request
        JSON data; it is not changed.
    base_dir
        The folder that relative paths start from, the current folder by default.
    strict
        Read it as the service does, without local paths, defaults and limits.
    limits
        The limits, by default those of the mode; "amt" for the service's default quotas.
    check_s3
        Checks each `s3://` URI; None: they are not checked.
    check_paths
        Whether local programs and data must exist.
    extended
        Allow what the service does not: early stopping and a warm start in a multi-algorithm job.
    overrides
        Values that replace those of the request.

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
    limits = mode.limits if limits is None else find_limits(limits)
    if overrides is not None:
        request = overrides.put_into(request)
    if not strict and isinstance(request, Mapping):
        request = fill_required(request)
    refuse_manifest(request)
    plain, shape_violations = check_shape(load_shapes(), CREATE_TUNING_JOB, request, mode.overlay)
    if shape_violations:
        raise ValidationError(shape_violations, shape_violations.more)
    plain = as_variables(plain)
    home = os.path.expanduser("~")  # noqa: PTH111 (Path fails for a user without a home, who need not name it)
    base = str(Path(base_dir if base_dir is not None else ".").absolute())
    if mode.paths:
        plain = name_local_programs(plain, base)
    names = tuple(algorithm.name for algorithm in ALGORITHMS)
    facts = Facts(plain, limits, mode.paths, find_algorithm, names)
    if facts.is_auto:
        plain = autotune(facts)
        facts = replace(facts, request=plain)
    broken = check_rules(facts, EXTENDED_RULES if extended else RULES)
    violations = [broken] if broken is not None else []
    violations += unsupported(plain)
    if check_paths:
        violations += missing(facts.draft, facts.naming, Surroundings(), base_dir=base, home=home)
    if not violations and check_s3 is not None:
        violations += missing(facts.draft, facts.naming, Surroundings(check_s3), base_dir=base, home=home)
    if violations:
        raise ValidationError(violations)
    config = to_config(facts, base, home)
    filled = fill_in(facts, config)
    return JobRequest(config, filled, (*stored_only_note(filled), *config_warnings(config, facts.naming)))
