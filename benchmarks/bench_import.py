"""What `import hpt` costs beside `import numpy`: CPU time of fresh interpreters, less that of an empty one.

Each statement runs in turn, so that drift of the machine falls on all alike; medians are compared. `using it`
is the import and the first suggestion of a random search. Fails if `import hpt` costs more than 1.3 times
numpy.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIMIT = 1.3
STATEMENTS = {
    "nothing": "pass",
    "import numpy": "import numpy",
    "import hpt": "import hpt",
    "import hpt and the names of the library": "import hpt; hpt.Tuner, hpt.SearchSpace, hpt.tune",
    "using it": (
        'import hpt; space = hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 1)]); '
        'hpt.Tuner(space, strategy="Random").ask()'
    ),
}


def cpu_seconds(statement: str) -> float:
    """CPU time, user and system, of a fresh interpreter that runs the statement."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", statement], check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=21)
    rounds = parser.parse_args().rounds
    samples: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for turn in range(rounds + 1):
        for name, statement in STATEMENTS.items():
            seconds = cpu_seconds(statement)
            if turn:  # the first round warms the disk cache and writes the byte code
                samples[name].append(seconds)
    medians = {name: statistics.median(values) for name, values in samples.items()}
    empty = medians["nothing"]
    numpy = medians["import numpy"] - empty
    print(f"CPU time of a fresh interpreter, medians of {rounds}; an empty one takes {empty * 1e3:.1f} ms")
    for name, median in medians.items():
        if name != "nothing":
            cost = median - empty
            print(f"  {name:<42} {cost * 1e3:7.1f} ms   {cost / numpy:5.2f} x import numpy")
    ratio = (medians["import hpt"] - empty) / numpy
    print(f"import hpt costs {ratio:.2f} x import numpy; the limit is {LIMIT}")
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
