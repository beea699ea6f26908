"""Notices numbers that a pattern reads in part while a job runs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

from hpt.host.terminal import printable
from hpt.metrics.cut_numbers import cut_number, how_to_read_whole
from hpt.metrics.line import TAB_AS_TEXT, Match, decode, number
from hpt.metrics.safe.cost import SearchCost

LATEST = 8
"""So many matches of a batch are looked at, the last ones."""

SHARE, FREE = 0.02, 0.001
"""The part of the time that this may take, and seconds that it may take in any case."""


class Watch:
    """Warns of the first number of each metric that is cut at the end, at the front or by separators.

    A log that says much is looked at now and then. names, patterns, costs: of each definition. warn: called
    with the warning.
    """

    def __init__(
        self,
        names: Sequence[str],
        patterns: Sequence[re.Pattern[str]],
        costs: Sequence[SearchCost],
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Nothing was noticed yet.

        Parameters
        ----------
        names, patterns, costs, warn
            See the class.
        clock
            Seconds from any moment on.
        """
        self._names, self._patterns, self._costs, self._warn = names, patterns, costs, warn
        self._clock = clock
        self._began = clock()
        self._took = 0.0
        self._warned: set[tuple[str, bool, bool]] = set()

    def look(self, matches: list[Match], data: bytes, base: int) -> None:
        """Look at the lines of some matches, which lie in the data; base: what makes offsets of places."""
        started = self._clock()
        if self._took > FREE + SHARE * (started - self._began):
            return
        for index, value, after in matches[-LATEST:]:
            end = after - base
            begin = max(data.rfind(b"\n", 0, end - 1), data.rfind(b"\r", 0, end - 1)) + 1
            line = data[begin:end].rstrip(b"\r\n")
            if self._costs[index].is_instant(line):
                self._examine(index, value, decode(line))
        self._took += self._clock() - started

    def _examine(self, index: int, value: float, text: str) -> None:
        for string in (text, text.replace("\t", TAB_AS_TEXT)) if "\t" in text else (text,):
            for match in self._patterns[index].finditer(string):
                cut = cut_number(string, match) if number(match[1]) == value else None
                if cut is None:
                    continue
                kind = self._names[index], cut.separated, cut.at_front
                if kind not in self._warned:
                    self._warned.add(kind)
                    line = printable(text[:200], keep="")
                    self._warn(
                        f"metric {self._names[index]!r}: the group reads {cut.read} of {cut.whole} in: "
                        f"{line}; {how_to_read_whole(cut.read, cut.whole)}"
                    )
