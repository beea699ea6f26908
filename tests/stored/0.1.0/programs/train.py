"""The training program of the stored jobs: a few epochs of a loss that its hyperparameters decide.

Every epoch prints `epoch E loss=L;`. `--mode` says what goes wrong, for which ordinal of the training job.
While a file `hold` lies beside this one, a run waits after its first epoch: so jobs were caught unfinished.
"""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("-x", type=float, default=0.5)
parser.add_argument("--depth", type=int, default=4)
parser.add_argument("--kind", default="a")
parser.add_argument("--rate", type=float, default=1e-3)
parser.add_argument("--momentum", type=float, default=0.9)
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--slope", type=float, default=1.0)
parser.add_argument("--mode", default="")
options, _ = parser.parse_known_args()

base = Path(os.environ["SAGEMAKER_BASE_DIR"])
ordinal = int(os.environ["TRAINING_JOB_NAME"].split("-")[-2])
first = not (mark := base / "checkpoints" / "mark").exists()
mark.write_text("1")

if options.mode == "failures":
    if ordinal == 1:
        (base / "output").mkdir(exist_ok=True)
        (base / "output" / "failure").write_bytes(b"caf\xe9: the data are bad\n")
        sys.exit(3)
    if ordinal == 2:
        print("epoch 1 loss=nan;")
        sys.exit(0)
    if ordinal == 7:
        sys.exit(0)
    if ordinal == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    if ordinal == 5:
        raise ValueError("no such kind")
    if ordinal == 6:
        print("epoch 1 loss=-inf;")
        sys.exit(0)
if options.mode == "hopeless":
    sys.exit(7)
if options.mode == "lost" and (ordinal == 2 or (ordinal == 1 and first)):
    print("epoch 1 loss=9.5;", flush=True)
    time.sleep(0.3)
    os.kill(os.getppid(), signal.SIGKILL)  # its supervisor
    time.sleep(60)

decades = abs(options.rate - 1e-3) ** 0.5
floor = (options.x - 0.3) ** 2 + 0.1 * abs(options.depth - 4) + 0.05 * (options.kind == "b") + decades
floor += 0.2 * (options.momentum - 0.95) ** 2
for epoch in range(1, options.epochs + 1):
    print(f"epoch {epoch} loss={floor + options.slope * 0.1 * (1 + options.x) / epoch!r};", flush=True)
    print(f"speed={100 + epoch}", flush=True)
    while epoch == 1 and Path(__file__).resolve().with_name("hold").exists():
        time.sleep(0.02)
    if options.mode == "slow":
        time.sleep(30)
Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps({"loss": floor}))
