"""Matches patterns for another process, which may kill it: see `hpt.metrics.safe.isolated`.

Runs as a script, with the standard library and `line.py` of the folder above. A request is a line of JSON,
[pattern, seconds of CPU time, length], and so many bytes of a log; an answer is a line of JSON, a list of
values. A request that takes too long ends the process, by its own alarm.
"""

from __future__ import annotations

import importlib
import json
import re
import signal
import sys
import warnings
from pathlib import Path


def main() -> None:
    sys.path.append(str(Path(__file__).parents[1]))
    line = importlib.import_module("line")
    warnings.simplefilter("ignore")
    while request := sys.stdin.buffer.readline():
        pattern, limit, length = json.loads(request)
        text = line.decode(sys.stdin.buffer.read(length))
        compiled = re.compile(pattern)
        signal.setitimer(signal.ITIMER_VIRTUAL, limit)  # its default action ends the process, within `re` too
        values = line.values_on_line(compiled, text)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main()
