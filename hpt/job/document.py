"""A `JobConfig` as plain JSON data and back, exactly: what a stored job is rebuilt from.

The request is not parsed again on a resume: files that moved and rules that changed since must not stop a job
that was accepted. Documents of earlier versions stay readable, see `hpt.search.stored`: every new field
has a default, unknown fields are refused, and `_STEPS` convert from format to format.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from hpt.errors import InputError
from hpt.job.completion import CompletionCriteria
from hpt.job.config import (
    Channel,
    EarlyStopping,
    HyperbandConfig,
    JobConfig,
    MetricDefinition,
    Objective,
    ResourceLimits,
    TrainingJobDefinition,
)
from hpt.job.instances import InstanceGroup
from hpt.job.moved import present_name
from hpt.job.resources import SlotResources
from hpt.job.warm_start import WarmStart
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace
from hpt.search.stored import Step, build, damaged, newer, upgraded

_STEPS: Sequence[Step] = ()
"""The steps from format to format of the whole document."""

FORMAT = 1 + len(_STEPS)


def to_document(
    config: JobConfig, request: Mapping[str, Any] | None = None, *, of_service: bool = False
) -> dict[str, Any]:
    """JSON data from which `from_document` rebuilds an equal configuration.

    request: the one that the configuration was read from, kept for Describe to echo. of_service: a service
    creates the job and is to have it run.
    """
    document = _plain(config, skip=("definition", "definitions", "limits", "repeats", *_OPTIONAL))
    document["format"] = FORMAT
    if request:
        document["request"] = dict(request)
    if of_service:
        document["of_service"] = True
    if config.repeats:
        document["repeats"] = True
    document["limits"] = _plain(config.limits)
    if config.definitions:
        document["definitions"] = [_definition_document(each) for each in config.definitions]
    else:
        document["definition"] = _definition_document(config.definition)
    for name in _OPTIONAL:
        part = getattr(config, name)
        if part is not None:
            document[name] = _plain(part)
    return document


def from_document(document: Mapping[str, Any]) -> JobConfig:
    """The configuration that `to_document` wrote, in this version or an earlier one.

    Raises:
        StorageError: the document was written by a newer version, or is damaged.
    """
    what = "the stored tuning job"
    data = {key: value for key, value in document.items() if key not in _BESIDE}
    data = upgraded(data, data.pop("format", None), _STEPS, what)
    try:
        definitions = tuple(map(_definition, data.pop("definitions", ())))
        data |= {
            "limits": build(ResourceLimits, data["limits"], f"the limits of {what}"),
            "definition": definitions[0] if definitions else _definition(data["definition"]),
            "definitions": definitions,
        }
    except (KeyError, TypeError) as error:
        raise damaged(f"{what} cannot be read ({error!r})") from error
    for name, kind in _OPTIONAL.items():
        if name in data:
            body = {**_BEFORE.get(name, {}), **data[name]}
            data[name] = build(kind, body, f"the {name} of {what}")
    return build(JobConfig, data, what)


def request_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The request that is stored with a job; empty if there was none."""
    request = document.get("request", {})
    return request if isinstance(request, Mapping) else {}


def is_of_service(document: Mapping[str, Any]) -> bool:
    """Whether a service created the job and has it run. Earlier versions did not record that."""
    return document.get("of_service") is True


def _definition_document(definition: TrainingJobDefinition) -> dict[str, Any]:
    skipped = ("space", "objective", "metric_definitions", "channels", "instance_groups", "resources")
    resources = {"resources": _plain(definition.resources)} if definition.resources else {}
    return (
        _plain(definition, skip=skipped)
        | resources
        | {
            "space": [_parameter(parameter) for parameter in definition.space.parameters],
            "objective": {"metric": definition.objective.metric, "type": str(definition.objective.type)},
            "metric_definitions": [_plain(metric) for metric in definition.metric_definitions],
            "channels": [_plain(channel) for channel in definition.channels],
            "instance_groups": [_plain(group) for group in definition.instance_groups],
        }
    )


def _definition(document: Mapping[str, Any]) -> TrainingJobDefinition:
    what = "a stored training job definition"
    parts = {
        "training_image": _present_image(document["training_image"]),
        "space": _space(document["space"]),
        "objective": build(Objective, document["objective"], f"the objective of {what}"),
        "metric_definitions": tuple(
            build(MetricDefinition, metric, f"a metric definition of {what}")
            for metric in document["metric_definitions"]
        ),
        "channels": tuple(
            build(Channel, channel, f"a channel of {what}") for channel in document["channels"]
        ),
        "instance_groups": tuple(
            build(InstanceGroup, group, f"an instance group of {what}")
            for group in document.get("instance_groups", ())
        ),
    }
    if "resources" in document:
        parts["resources"] = build(SlotResources, document["resources"], f"the resources of {what}")
    return build(TrainingJobDefinition, {**document, **parts}, what)


def _present_image(image: str) -> str:
    """The training image; a module of `hpt` by its present name."""
    prefix, colon, rest = image.partition(":")
    if prefix != "module":
        return image
    module, mark, argument = rest.partition("?")
    return f"{prefix}{colon}{present_name(module)}{mark}{argument}"


def _space(document: Iterable[tuple[str, Sequence[Any]]]) -> SearchSpace:
    parameters = []
    for kind, arguments in document:
        if kind not in _KINDS:
            raise newer(f"the stored search space has a parameter of the unknown kind {kind!r}")
        try:
            parameters.append(_KINDS[kind](*arguments))
        except (TypeError, InputError) as error:  # arguments or values of a newer version
            raise newer(f"the stored search space has a {kind} of {arguments!r}") from error
    return SearchSpace(parameters) if parameters else SearchSpace.nothing()


_BESIDE = ("request", "warnings", "of_service")
"""Members of a document that do not belong to the configuration. Version 0.1.0 wrote warnings too."""

_OPTIONAL = {
    "hyperband": HyperbandConfig,
    "early_stopping": EarlyStopping,
    "completion": CompletionCriteria,
    "warm_start": WarmStart,
}
"""Parts that may be missing in a document; then their defaults apply."""

_BEFORE = {"hyperband": {"adaptive": False}}
"""What earlier versions did where a later one added a choice: their jobs go on so."""

_KINDS = {kind.__name__: kind for kind in (ContinuousParameter, IntegerParameter, CategoricalParameter)}


def _parameter(parameter: ContinuousParameter | IntegerParameter | CategoricalParameter) -> list[Any]:
    if isinstance(parameter, CategoricalParameter):
        return [type(parameter).__name__, [parameter.name, list(parameter.values)]]
    return [type(parameter).__name__, [parameter.name, parameter.min, parameter.max, str(parameter.scaling)]]


def _plain(record: Any, skip: tuple[str, ...] = ()) -> dict[str, Any]:
    """A dataclass's fields with mappings and tuples as plain dicts and lists."""
    data = {}
    for field in fields(record):
        if field.name not in skip:
            value = getattr(record, field.name)
            data[field.name] = (
                dict(value)
                if isinstance(value, Mapping)
                else list(value)
                if isinstance(value, tuple)
                else value
            )
    return data
