"""Parts of a job's description, and what the author of the description calls them.

The rules of `hpt.job.rules` name a `Place`. In a request it is the path of a member, in a call of
`tuning_job` an argument, in a `JobConfig` a field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, Protocol


class Place(NamedTuple):
    """A part of a job: `field` of the job itself, or of the definition with that number, from 0.

    at, key: which entry of the field, counted from 0 and by name.
    """

    field: str
    definition: int | None = None
    at: int | None = None
    key: str | None = None


class Naming(Protocol):
    """What the author of a job calls its parts."""

    def path(self, place: Place) -> str:
        """The full path of the place."""
        ...

    def name(self, field: str) -> str:
        """The field within a sentence."""
        ...

    def metric_fix(self, definition: int, metric: str) -> str:
        """What to do about an objective metric that is not defined."""
        ...


@dataclass(frozen=True, slots=True)
class FieldNaming:
    """The parts of a job by the names of Python's arguments or fields.

    names: those that differ from the fields of the rules; "" where there is no such part. definition: what
    stands before a part of the only definition. definitions: before a part of one of many, whose number is
    `{}`.
    """

    multi: bool
    names: Mapping[str, str]
    definition: str
    definitions: str

    def path(self, place: Place) -> str:
        field = place.field
        if place.definition is not None:
            field = self.names.get(f"definition.{field}", field)
        name = self.names.get(field, field)
        if place.key is not None:
            name = f"{name}[{place.key!r}]"
        if place.definition is None:
            return name
        return (self.definitions.format(place.definition) if self.multi else self.definition) + name

    def name(self, field: str) -> str:
        return self.names.get(field, field)

    def metric_fix(self, definition: int, metric: str) -> str:
        return self.names["metric_fix"].format(metric=repr(metric))


_ARGUMENTS = MappingProxyType(
    {
        "definition_name": "name",
        "range": "space",
        "range_name": "space",
        "metric_name": "metrics",
        "metric_regex": "metrics",
        "input_data": "channels",
        "channel_name": "channels",
        "content_type": "channels",
        "compression": "channels",
        "input_mode": "channels",
        "record_wrapper": "channels",
        "distribution": "channels",
        "data_type": "channels",
        "attribute_names": "channels",
        "instance_group_names": "channels",
        "instance_group": "instance_groups",
        "instance_group_name": "instance_groups",
        "parents": "warm_start",
        "training_image": "program",
        "objective": "metric",
        "direction": "objective",
        "hyperparameters": "static",
        "metric_definitions": "metrics",
        "definition.max_runtime_seconds": "max_trial_seconds",
        "retry_attempts": "retries",
        "output_path": "output",
        "checkpoint_uri": "checkpoints",
        "hyperband": "min_resource and max_resource",
        "definition": "program",
        "definitions": "algorithms",
        "stops_early": "'Auto'",
        "stop_late": "use Off",
        "metric_fix": "give regex=, or metrics={{{metric}: None}} if the program calls hpt.report",
    }
)

_FIELDS = MappingProxyType(
    {
        "definition_name": "name",
        "range": "space",
        "range_name": "space",
        "metric_name": "metric_definitions",
        "metric_regex": "metric_definitions",
        "input_data": "channels",
        "channel_name": "channels",
        "content_type": "channels",
        "compression": "channels",
        "input_mode": "channels",
        "record_wrapper": "channels",
        "distribution": "channels",
        "data_type": "channels",
        "attribute_names": "channels",
        "instance_group_names": "channels",
        "instance_group": "instance_groups",
        "instance_group_name": "instance_groups",
        "parents": "warm_start",
        "objective": "objective.metric",
        "direction": "objective.type",
        "min_resource": "hyperband.min_resource",
        "max_resource": "hyperband.max_resource",
        "max_jobs": "limits.max_jobs",
        "max_parallel_jobs": "limits.max_parallel_jobs",
        "max_runtime_seconds": "limits.max_runtime_seconds",
        "definition.max_runtime_seconds": "max_runtime_seconds",
        "stops_early": "it",
        "stop_late": "leave it out",
        "metric_fix": "add it to metric_definitions",
    }
)

_TUNE = MappingProxyType(
    {
        "objective": "metric",
        "direction": "objective",
        "range": "space",
        "range_name": "space",
        "parents": "warm_start",
        "min_resource": "hyperband.min_resource",
        "max_resource": "hyperband=HyperbandConfig(max_resource=...)",
        "definition.max_runtime_seconds": "max_trial_seconds",
        "hyperparameters": "",
        "stops_early": "it",
        "stop_late": "leave it out",
        "metric_fix": "report it",
    }
)


def argument_naming(multi: bool) -> Naming:
    """The arguments of `tuning_job`."""
    return FieldNaming(multi, _ARGUMENTS, "", "algorithms[{}].")


def field_naming(multi: bool) -> Naming:
    """The fields of a `JobConfig`."""
    return FieldNaming(multi, _FIELDS, "definition.", "definitions[{}].")


def tune_naming() -> Naming:
    """The arguments of `hpt.tune`."""
    return FieldNaming(False, _TUNE, "", "")
