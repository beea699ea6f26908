"""Matches patterns for another process, which may kill it: see `hpt.metrics.safe.isolated`.

Runs as a script, with the standard library and `line.py` of the folder above. A request is a line of JSON,
[pattern, seconds of CPU time, length], and so many bytes of a log; an answer is a line of JSON, a list of
values, or null where it takes too long. `re` looks for signals as it goes, so an alarm ends a match.
"""

from __future__ import annotations

import importlib
import json
import re
import signal
import sys
import warnings
from pathlib import Path


class TooLongError(Exception):
    """The alarm went off."""


def give_up(number: int, frame: object) -> None:
    raise TooLongError


def main() -> None:
    sys.path.append(str(Path(__file__).parents[1]))
    line = importlib.import_module("line")
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGVTALRM, give_up)
    while request := sys.stdin.buffer.readline():
        pattern, limit, length = json.loads(request)
        text = line.decode(sys.stdin.buffer.read(length))
        compiled = re.compile(pattern)
        values = None
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, limit)
            try:
                values = line.values_on_line(compiled, text)
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        except TooLongError:
            values = None
        print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main()
