"""A deterministic training program that counts its own runs outside hpt.

Appends one line, its training job's name, to $RUNS when it starts and prints values of its loss, three unless
told otherwise.
"""

import argparse
import os
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("-x", type=float, required=True)  # one letter: one dash, as SageMaker passes it
parser.add_argument("--depth", type=int, required=True)
parser.add_argument("--kind", required=True)
parser.add_argument("--pause", type=float, default=0.02)
parser.add_argument("--epochs", type=int, default=3)
options, _ = parser.parse_known_args()

with Path(os.environ["RUNS"]).open("a") as runs:
    runs.write(os.environ["TRAINING_JOB_NAME"] + "\n")
    runs.flush()
    os.fsync(runs.fileno())

for epoch in range(1, options.epochs + 1):
    time.sleep(options.pause)
    loss = (options.x - 0.3) ** 2 + 0.1 * abs(options.depth - 4) + 0.05 * (options.kind == "b") + 0.1 / epoch
    print(f"epoch {epoch} loss={loss!r};", flush=True)
