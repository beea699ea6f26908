"""Metric definitions, compiled."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence

from hpt.job.config import MetricDefinition
from hpt.metrics.fast.loader import Loader
from hpt.metrics.fast.plan import plan
from hpt.metrics.line import Batch
from hpt.metrics.plain import PlainReader
from hpt.metrics.safe.line_reader import LineReader
from hpt.metrics.watch import Watch


class CompiledDefinitions:
    """The metric definitions of one job, in order, ready to be matched by any number of scanners.

    names: of each definition. patterns: its regular expression compiled, with at least one group (a
    `MetricDefinition` without one cannot be built). loader: where the compiled reader comes from. warn: what
    a person should know is given to it, by default as a Python warning. lines: what reads a single line
    exactly. watch: what notices numbers that are read in part.
    """

    def __init__(
        self,
        definitions: Sequence[MetricDefinition],
        loader: Loader | None = None,
        warn: Callable[[str], None] = lambda message: warnings.warn(message, stacklevel=3),
    ) -> None:
        self.names = tuple(definition.name for definition in definitions)
        self.loader = loader or Loader()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of future changes of syntax; today's is what counts
            self.patterns = tuple(re.compile(definition.regex) for definition in definitions)
        self.lines = LineReader(self.names, self.patterns, warn)
        self.watch = Watch(self.names, self.patterns, self.lines.costs, warn)
        self._plan = plan(self.patterns)
        self._plain = PlainReader([each.literals for each in self._plan.patterns])

    def __len__(self) -> int:
        return len(self.names)

    def scan(self, data: bytes, begin: int, stop: int, base: int) -> Iterator[Batch]:
        """What data[begin:stop] says, a moment's work at a time, by the compiled reader if it is there.

        Parameters
        ----------
        data, begin, stop
            Whole lines, but for the last of a log.
        base
            What is added to places in `data` to make offsets of the log.
        """
        if self.loader.reader is not None:
            return self.loader.reader.scan(self._plan, data, begin, stop, base)
        return self._plain.scan(data, begin, stop, base)
