"""A request as the cross-field rules need it: its definitions, ranges and objectives, with their paths."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from hpt.errors import InputError
from hpt.job.catalog import BuiltInAlgorithm
from hpt.job.draft import KINDS, RANDOM_HYPERBAND, Draft
from hpt.job.limits import Limits
from hpt.job.naming import Naming
from hpt.job.program_kind import TrainingProgram, program_of
from hpt.sagemaker.request.drafts import draft_of_request
from hpt.sagemaker.request.paths import RequestNaming
from hpt.search.scaling import read_float, read_int

CONFIG = "HyperParameterTuningJobConfig"

FindAlgorithm = Callable[[str], BuiltInAlgorithm | None]


class Range(NamedTuple):
    """One declared range: its kind, its path in the request and its members."""

    kind: str
    path: str
    body: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.body["Name"])

    @property
    def scaling(self) -> str:
        return str(self.body.get("ScalingType", "Auto"))

    def bound(self, member: str) -> float | int:
        """`MinValue` or `MaxValue` as a number. Raises InputError if it is not a number."""
        text = self.body[member]
        return read_int(text, member) if self.kind == "Integer" else read_float(text, member)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The bounds of a numeric range; None if they are not numbers."""
        if self.kind == "Categorical":
            return None
        try:
            return self.bound("MinValue"), self.bound("MaxValue")
        except InputError:
            return None

    @property
    def size(self) -> int | None:
        """How many values it has; None if infinite or if its bounds are invalid."""
        if self.kind == "Categorical":
            return len(set(self.body["Values"]))
        bounds = self.bounds
        if self.kind == "Continuous" or bounds is None or bounds[0] > bounds[1]:
            return None
        return int(bounds[1]) - int(bounds[0]) + 1


class Definition(NamedTuple):
    """A training job definition with the objective and the ranges that apply to it, in either form of a
    request.
    """

    path: str
    body: Mapping[str, Any]
    ranges_path: str
    ranges_body: Mapping[str, Any]
    objective_path: str
    objective: Mapping[str, Any]

    @property
    def ranges(self) -> list[Range]:
        return [
            Range(kind, f"{self.ranges_path}.{kind}ParameterRanges[{i}]", body)
            for kind in KINDS
            for i, body in enumerate(self.ranges_body.get(f"{kind}ParameterRanges", ()))
        ]

    @property
    def statics(self) -> Mapping[str, str]:
        statics: Mapping[str, str] = self.body.get("StaticHyperParameters", {})
        return statics

    @property
    def image(self) -> str:
        return str(self.body["AlgorithmSpecification"].get("TrainingImage", ""))

    @property
    def metrics(self) -> list[Mapping[str, str]]:
        return list(self.body["AlgorithmSpecification"].get("MetricDefinitions", ()))


@dataclass(frozen=True)
class Facts:
    """A request with valid shapes, and what else the rules need.

    paths: whether local paths may stand for images and URIs. find_algorithm: the built-in that an image
    names, or None. algorithms: the names of all built-ins.
    """

    request: Mapping[str, Any]
    limits: Limits
    paths: bool
    find_algorithm: FindAlgorithm
    algorithms: tuple[str, ...]

    @property
    def config(self) -> Mapping[str, Any]:
        config: Mapping[str, Any] = self.request[CONFIG]
        return config

    @property
    def strategy(self) -> str:
        """That of the job; `RandomHyperband` is one of Hyperband's kinds."""
        given = str(self.config["Strategy"])
        return "Hyperband" if given == RANDOM_HYPERBAND else given

    @property
    def random_proposals(self) -> bool:
        """Whether Hyperband draws its configurations at random: as the service does, or where asked to."""
        return not self.paths or self.config["Strategy"] == RANDOM_HYPERBAND

    @property
    def hyperband(self) -> Mapping[str, int]:
        """`HyperbandStrategyConfig` as given."""
        config: Mapping[str, int] = self.config.get("StrategyConfig", {}).get("HyperbandStrategyConfig", {})
        return config

    @property
    def resource_limits(self) -> Mapping[str, Any]:
        limits: Mapping[str, Any] = self.config["ResourceLimits"]
        return limits

    @property
    def is_multi(self) -> bool:
        return "TrainingJobDefinitions" in self.request

    @property
    def is_auto(self) -> bool:
        return "Autotune" in self.request

    @property
    def definitions(self) -> list[Definition]:
        definitions = []
        if "TrainingJobDefinition" in self.request:
            definitions.append(
                Definition(
                    "TrainingJobDefinition",
                    self.request["TrainingJobDefinition"],
                    f"{CONFIG}.ParameterRanges",
                    self.config.get("ParameterRanges", {}),
                    f"{CONFIG}.HyperParameterTuningJobObjective",
                    self.config.get("HyperParameterTuningJobObjective", {}),
                )
            )
        for i, body in enumerate(self.request.get("TrainingJobDefinitions", ())):
            path = f"TrainingJobDefinitions[{i}]"
            definitions.append(
                Definition(
                    path,
                    body,
                    f"{path}.HyperParameterRanges",
                    body.get("HyperParameterRanges", {}),
                    f"{path}.TuningObjective",
                    body.get("TuningObjective", {}),
                )
            )
        return definitions

    def program(self, definition: Definition) -> TrainingProgram:
        """What the image of a definition is."""
        return program_of(definition.image, definition.statics, paths=self.paths, find=self.find_algorithm)

    @cached_property
    def draft(self) -> Draft:
        """The job that the request describes, for the rules of all jobs."""
        return draft_of_request(self)

    @cached_property
    def naming(self) -> Naming:
        """What the request calls the parts of a job."""
        return RequestNaming(self)
