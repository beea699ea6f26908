r"""Which values count on a line that is written over and over, as progress bars are.

The parts of such a line end with `\r`, and the line with `\n`. Of each metric the values of the last part
that gives any are what the line says; a program that only ever rewrites one line says something at its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from operator import itemgetter

from hpt.metrics.line import Match

_RETURN = 13


class RewrittenLine:
    """The line that is being written.

    metrics: for each definition the number of its metric; a metric may have several patterns. longest: bytes
    from the first value on after which the line is taken for ended with the next value, so that nobody has to
    read more of it again.
    """

    def __init__(self, metrics: Sequence[int], longest: int) -> None:
        self._metrics, self._longest = metrics, longest
        self._kept: dict[int, list[Match]] = {}  # the values that count so far, by metric
        self._end: float = inf  # the offset after the line's `\n`, once that is known
        self._last = -1  # the offset after the last part with a value
        self.begin = -1
        """Where the first part with a value begins: a reader that takes over begins here while the line is
        open."""

    @property
    def is_open(self) -> bool:
        """Whether there are values that may still be replaced."""
        return bool(self._kept)

    def look(self, data: bytes, begin: int, stop: int, base: int) -> None:
        r"""Look for the line's `\n` in the next bytes of the log; `base`: as of `take`."""
        if self._kept and self._end == inf and (place := data.find(b"\n", begin, stop)) >= 0:
            self._end = base + place + 1

    def take(self, matches: list[Match], data: bytes, stop: int, base: int) -> list[Match]:
        """The values of lines that these end.

        Parameters
        ----------
        matches
            The next ones, in order.
        data, stop
            What is read, whole parts of lines, up to `stop`. `look` was called with it.
        base
            What is added to places in `data` to make offsets of the log.
        """
        given: list[Match] = []
        for match in matches:
            after = match[2]
            if self._kept and (after > self._end or after - self.begin > self._longest):
                given += self.close()
            place = after - base - 1  # of the byte that ends the part
            if not self._kept:
                if data[place] != _RETURN or data[place + 1 : place + 2] == b"\n":
                    given.append(match)  # the line ends here as well
                    continue
                before = max(data.rfind(b"\n", 0, place), data.rfind(b"\r", 0, place))
                self.begin = base + before + 1
                end = data.find(b"\n", place, stop)
                self._end = inf if end < 0 else base + end + 1
            metric = self._metrics[match[0]]
            values = self._kept.get(metric)
            if values is not None and values[0][2] == after:
                values.append(match)
            else:
                self._kept[metric] = [match]
            self._last = after
            if data[place] not in b"\r\n":  # it ends without an end, at the end of the log or being too long
                self._end = after
        return given

    def reached(self, offset: int) -> list[Match]:
        """The values of the line if it ends before that offset, up to which all was taken."""
        return self.close() if self._kept and self._end <= offset else []

    def close(self) -> list[Match]:
        """The values of the line, which has ended, in the order of definitions and places."""
        kept = sorted((match for values in self._kept.values() for match in values), key=itemgetter(0))
        self._kept, self._end = {}, inf
        return [(index, value, self._last) for index, value, _ in kept]
