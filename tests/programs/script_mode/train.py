"""A training script as it is written for the images of frameworks."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import helper


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--kind", required=True)
    parser.add_argument("--pause", type=float, default=0.0)
    given = parser.parse_args()
    assert given.kind in ("a", "1"), f"kind is {given.kind!r}: it did not arrive decoded"
    for epoch in range(given.epochs):
        print(f"loss={helper.loss(given.lr, epoch)};", flush=True)
        time.sleep(given.pause)
    Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps(vars(given)))


if __name__ == "__main__":
    main()
