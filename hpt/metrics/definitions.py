"""Metric definitions, compiled."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from functools import cached_property

from hpt.job.config import MetricDefinition
from hpt.metrics.confirm import LineReader
from hpt.metrics.engine import Loader
from hpt.metrics.plan import Plan, plan


class CompiledDefinitions:
    """The metric definitions of one job, in order, ready to be matched by any number of scanners.

    names: of each definition. patterns: its regular expression compiled, with at least one group (a
    `MetricDefinition` without one cannot be built). loader: where the fast reader is to be had from.
    """

    def __init__(self, definitions: Sequence[MetricDefinition], loader: Loader | None = None) -> None:
        self.names = tuple(definition.name for definition in definitions)
        self.loader = loader or Loader()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of future changes of syntax; today's is what counts
            self.patterns = tuple(re.compile(definition.regex) for definition in definitions)

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def plan(self) -> Plan:
        """How each pattern is matched fast."""
        return plan(self.patterns)

    @cached_property
    def lines(self) -> LineReader:
        """What reads a single line exactly."""
        return LineReader(self.names, self.patterns, self.plan)

    def prepare(self) -> None:
        """Plan now what would else be planned when the first line is read."""
        _ = self.lines

    def possible(self, data: bytes, begin: int, stop: int) -> list[int]:
        """The definitions that may have a match in data[begin:stop], for a text they need stands in it."""
        return [
            index
            for index, one in enumerate(self.plan.patterns)
            if one.literals is None
            or any(any(l.fold) or data.find(l.text, begin, stop) >= 0 for l in one.literals)
        ]
