"""Copies what a program writes to its metrics file into its log, as tagged lines.

The path is `$HPT_METRICS_FILE`. A line is `loss=0.25 accuracy=0.9` or a JSON object `{"loss": 0.25}`, of
which numbers are taken and everything else is ignored. Once in the log, the values are dated, committed
and resumed like all others, and any executor that carries logs carries them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator

from hpt.errors import InputError
from hpt.executors import record
from hpt.host.files import open_file
from hpt.job.tagged_line import tagged_line

LONGEST = 2**20
"""Bytes of a line; a longer one is refused."""

PATIENCE = 4
"""Looks at the log for which its last line may be unfinished before a line end is put after it."""

_CHUNK = 4 * LONGEST
_MOST_AT_ONCE = 16 * LONGEST  # bytes read in one look, so that a limit or a stop is not missed
_MOST_AT_END = 256 * LONGEST
_COMPLAINTS = 10  # in the log of one attempt; further ones are ignored


class MetricsFile:
    """A metrics file and how much of it was copied. The program appends to it, or writes it anew.

    log: where lines are appended, opened to be read and appended to. wrote: called after that with the log's
    size and when the program wrote to its file.
    """

    def __init__(
        self, path: str, log: int, wrote: Callable[[int, float | None], None] = lambda size, written: None
    ) -> None:
        self._path = path
        self._wrote = wrote
        self._log = log
        self._offset = 0
        self._waited = 0
        self._number = 0  # of the last line read
        self._complaints = 0

    def carry(self, *, last: bool = False) -> None:
        """Append the lines that were ended since the last call; if `last`, one without an end too.

        While the program is in the middle of a line of its log, they wait for its end a while. What the disk
        has no room for is tried again at the next call.
        """
        before = self._offset, self._number
        try:
            with open(open_file(self._path), "rb") as file:
                state = os.fstat(file.fileno())
                size = state.st_size
                if size < self._offset:
                    self._offset = self._number = 0
                if size == self._offset or not (last or self._may_write()):
                    return
                file.seek(self._offset)
                end = self._offset + (_MOST_AT_END if last else _MOST_AT_ONCE)
                while self._offset < end and (data := file.read(_CHUNK)):
                    before = self._offset, self._number
                    self._write(list(self._lines(data, last and len(data) < _CHUNK)))
                    self._wrote(os.fstat(self._log).st_size, state.st_mtime)
                    file.seek(self._offset)
                    if before[0] == self._offset:
                        return
                if last and self._offset >= end and self._offset < size:
                    self._write([f"[hpt] metrics file: what follows byte {self._offset} is ignored"])
        except FileNotFoundError:
            return
        except OSError:
            self._offset, self._number = before

    def _write(self, lines: list[str]) -> None:
        self._waited = 0
        if lines:
            # A line of the program's that is still unfinished ends here, so that ours begins anew.
            begin = "" if _ends_line(self._log) else "\n"
            content = begin + "".join(f"{line}\n" for line in lines)
            record.write_all(self._log, content.encode("utf-8", "backslashreplace"))

    def _may_write(self) -> bool:
        self._waited += 1
        return self._waited > PATIENCE or _ends_line(self._log)

    def _lines(self, data: bytes, last: bool) -> Iterator[str]:
        """The tagged lines for what is new in the file."""
        *ended, rest = data.split(b"\n")
        if last or len(rest) > LONGEST:
            ended.append(rest)
            rest = b""
        self._offset += len(data) - len(rest)
        for raw in ended:
            self._number += 1
            try:
                if len(raw) > LONGEST:
                    raise InputError(f"it is longer than {LONGEST} bytes")
                if metrics := parse(raw.decode("utf-8", "surrogateescape").strip()):
                    yield tagged_line(metrics)
            except InputError as error:
                self._complaints += 1
                if self._complaints <= _COMPLAINTS:
                    yield f"[hpt] metrics file: line {self._number} is ignored: {error}"


def parse(line: str) -> dict[str, float]:
    """The numbers on one line of a metrics file, by name.

    Raises:
        InputError: it is neither form.
    """
    if line.startswith("{"):
        try:
            content = json.loads(line)
            return {name: float(value) for name, value in content.items() if type(value) in (int, float)}
        except (ValueError, OverflowError, RecursionError) as error:
            raise InputError(f"it is no JSON object of numbers: {error}") from None
    metrics = {}
    for word in line.split():
        name, equals, value = word.rpartition("=")
        try:
            metrics[name] = float(value)
        except ValueError:
            equals = ""
        if not equals:
            raise InputError(f"{word[:100]!r} is no name=number; write `loss=0.25` or a JSON object")
    return metrics


def _ends_line(log: int) -> bool:
    size = os.fstat(log).st_size
    return size == 0 or os.pread(log, 1, size - 1) in b"\r\n"
