"""Metric definitions, compiled."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence

from hpt.job import MetricDefinition


class CompiledDefinitions:
    """The metric definitions of one job, in order, ready to be matched.

    names: of each definition. patterns: its regular expression compiled, with at least one group (a
    `MetricDefinition` without one cannot be built).
    """

    def __init__(self, definitions: Sequence[MetricDefinition]) -> None:
        self.names = tuple(definition.name for definition in definitions)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of future changes of syntax; today's is what counts
            self.patterns = tuple(re.compile(definition.regex) for definition in definitions)

    def __len__(self) -> int:
        return len(self.names)
