"""What is known about a built-in algorithm before it runs: facts only, no I/O, nothing heavy imported."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from hpt.search.trial import ObjectiveType

CSV_TYPES = ("csv", "text/csv", "application/csv")
LIBSVM_TYPES = ("libsvm", "text/libsvm", "text/x-libsvm")
UNSAID_TYPES = ("", "text/plain", "application/octet-stream", "application/x-gzip", "application/gzip")
"""Content types of channels: rows of values, rows of indexed values, and those that do not say which."""


class MetricPattern(NamedTuple):
    """A metric the program prints: published name, log pattern (group 1 is the number), direction."""

    name: str
    regex: str
    direction: ObjectiveType


def metric_patterns(
    regex: str, *, maximized: Iterable[str], minimized: Iterable[str], channel: str = ""
) -> tuple[MetricPattern, ...]:
    """Patterns of metrics that the log spells alike, those that are better when larger first.

    Parameters
    ----------
    regex
        The pattern of one metric, with `{metric}` where its name stands.
    maximized, minimized
        Names of metrics, by whether larger or smaller values are better.
    channel
        Begins the published names if it is given: `validation:auc`.
    """
    directions = {
        **dict.fromkeys(maximized, ObjectiveType.MAXIMIZE),
        **dict.fromkeys(minimized, ObjectiveType.MINIMIZE),
    }
    prefix = f"{channel}:" if channel else ""
    return tuple(
        MetricPattern(prefix + name, regex.replace("{metric}", name), direction)
        for name, direction in directions.items()
    )


def quality_pattern(
    channel: str, name: str, direction: ObjectiveType, *, spelt: str = "", epochs: bool = False
) -> MetricPattern:
    """The pattern of a metric in the lines that SageMaker's own algorithms print.

    Parameters
    ----------
    channel, name
        The published name is `channel:name`.
    direction
        A metric to maximize is marked as a score in the log, one to minimize as a loss.
    spelt
        The pattern of the metric's name in the log, if it is not `name`.
    epochs
        Whether the metric is printed after every epoch too.
    """
    kind = "score" if direction is ObjectiveType.MAXIMIZE else "loss"
    epoch = r"(?:epoch=\S+, )?" if epochs else ""
    regex = rf"#quality_metric: host=\S+, {epoch}{channel} {spelt or name} <{kind}>=(\S+)"
    return MetricPattern(f"{channel}:{name}", regex, direction)


class RecommendedRange(NamedTuple):
    """A range worth searching. `kind` is `Integer`, `Continuous` or `Categorical`.

    An integer range has integer ends; a categorical one has `values` and no ends. Where the publication names
    no scale, a range over two or more orders of magnitude is offered on a logarithmic one (behaviour 17.3).
    """

    kind: str
    name: str
    min: float = 0
    max: float = 0
    scaling: str = "Linear"
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BuiltInAlgorithm:
    """A training program that comes with `hpt`.

    name: short name, as in `TrainingImage: "xgboost"`. module: run as `python -m <module>` under the
    container contract (behaviour 16). extra: the extra of this package that installs its `library`, an
    importable name. aliases: other names, such as model ids. metric_definitions: the metrics the program can
    print, by published name; training_metrics: those on the training data; evaluated_by: the hyperparameter
    that lists the metrics it evaluates. train_channels: the names that the channel of the training data may
    have. labels: what `label_size` may be in the content type of CSV rows. reports_once: its metrics are
    known at the end only. epoch_resource: the hyperparameter that counts units of progress, or
    None. checkpoint_support: saves to and resumes from the checkpoint folder. required_hyperparameters: names
    without a default. legal_intervals: what the program takes of numbers with a recommended range that have
    ends; one that is itself not allowed is left out by a hair. requested_version: the tag of the image the
    user named, None for the short name; what is installed runs.
    """

    name: str
    module: str
    metric_definitions: tuple[MetricPattern, ...]
    epoch_resource: str | None
    checkpoint_support: bool
    recommended_ranges: tuple[RecommendedRange, ...]
    required_hyperparameters: tuple[str, ...]
    extra: str
    library: str
    aliases: tuple[str, ...] = ()
    training_metrics: tuple[MetricPattern, ...] = ()
    train_channels: tuple[str, ...] = ("train",)
    labels: tuple[str, ...] = ("1",)
    reports_once: bool = False
    evaluated_by: str = ""
    legal_intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict, hash=False)
    requested_version: str | None = None

    def cannot_read(self, content_type: str) -> str | None:
        """Why the program cannot read rows of a content type, with the fix; None if it can."""
        media, *options = (part.strip() for part in content_type.lower().split(";"))
        if media not in (*CSV_TYPES, *LIBSVM_TYPES, *UNSAID_TYPES):
            return (
                f"{content_type!r} is not supported by {self.name} here; use text/csv or text/libsvm, or "
                "leave it out"
            )
        sizes = [each.partition("=")[2].strip() for each in options if each.startswith("label_size")]
        if media in CSV_TYPES and any(size not in self.labels for size in sizes):
            return f"{content_type!r}: label_size must be {' or '.join(self.labels)} for {self.name}"
        return None

    @property
    def metrics(self) -> tuple[MetricPattern, ...]:
        """Every metric the program can print."""
        return self.metric_definitions + self.training_metrics

    def metric(self, name: str) -> MetricPattern | None:
        """The definition of the metric called `name` (`validation:auc`), or None."""
        return next((metric for metric in self.metrics if metric.name == name), None)

    def predefined(self, hyperparameters: Mapping[str, str], objective: str) -> tuple[MetricPattern, ...]:
        """The definitions of a training job: those of metrics on the training data only where the program
        evaluates them, so that there are not more than the service allows.

        Parameters
        ----------
        hyperparameters
            The static ones.
        objective
            The name of the objective metric, which is evaluated too.
        """
        evaluated = {objective.rpartition(":")[2], *_WORD.findall(hyperparameters.get(self.evaluated_by, ""))}
        return self.metric_definitions + tuple(
            each for each in self.training_metrics if each.name.rpartition(":")[2] in evaluated
        )


_WORD = re.compile(r"[\w@.-]+")
