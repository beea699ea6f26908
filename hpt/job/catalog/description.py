"""What is known about a built-in algorithm before it runs: facts only, no I/O, nothing heavy imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from hpt.search.trial import ObjectiveType


class MetricPattern(NamedTuple):
    """A metric the program prints: published name, log pattern (group 1 is the number), direction."""

    name: str
    regex: str
    direction: ObjectiveType


class RecommendedRange(NamedTuple):
    """A range worth searching. `kind` is `Integer`, `Continuous` or `Categorical`.

    An integer range has integer ends; a categorical one has `values` and no ends. Where the publication names
    no scale, a range over two or more orders of magnitude is offered on a logarithmic one (AMT 17.3).
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
    container contract (AMT 16). extra: the extra of this package that installs its `library`, an importable
    name. aliases: other names, such as model ids. metric_definitions: every metric the program can print,
    by published name. epoch_resource: the hyperparameter that counts units of progress, or None.
    checkpoint_support: saves to and resumes from the checkpoint folder. required_hyperparameters: names
    without a default. requested_version: the tag of the image the user named, None for the short name; what
    is installed runs.
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
    requested_version: str | None = None

    def metric(self, name: str) -> MetricPattern | None:
        """The definition of the metric called `name` (`validation:auc`), or None."""
        return next((metric for metric in self.metric_definitions if metric.name == name), None)
