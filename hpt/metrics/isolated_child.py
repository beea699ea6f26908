"""Matches patterns for another process, which may kill it: see `hpt.metrics.isolated`.

Runs as a script, with the standard library and `line.py` beside it. Requests are lines of JSON, [pattern,
text]; answers are lines of JSON, a list of values. A request that takes too long ends the process, by its
own alarm.
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
    sys.path.append(str(Path(__file__).parent))
    values_on_line = importlib.import_module("line").values_on_line

    limit = float(sys.argv[1])
    warnings.simplefilter("ignore")
    print("ready", flush=True)
    for request in sys.stdin:
        pattern, text = json.loads(request)
        compiled = re.compile(pattern)
        signal.setitimer(signal.ITIMER_REAL, limit)  # its default action ends the process, even within `re`
        values = values_on_line(compiled, text)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main()
