"""A training container's folders, and the training program run in them as a real process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "examples" / "breast_cancer" / "data"
MODELS = {
    "xgboost": "xgboost-model",
    "lightgbm": "lightgbm-model.txt",
    "catboost": "catboost-model.cbm",
    "linear_learner": "linear-learner-model.npz",
    "knn": "knn-model.npz",
    "kmeans": "kmeans-model.npz",
}


@dataclass(frozen=True)
class Box:
    """`/opt/ml` of one training job below a temporary folder, and the program that runs in it."""

    base: Path
    program: str = "xgboost"

    def hyperparameters(self, **texts: str) -> None:
        self.write("input/config/hyperparameters.json", json.dumps(texts))

    def channel(
        self, name: str, content: str | bytes | None = None, kind: str = "text/csv", file: str = "part.csv"
    ) -> None:
        """Adds a file to a channel (without content: the breast-cancer data, linked) and configures it."""
        config = self.base / "input/config/inputdataconfig.json"
        channels = json.loads(config.read_text()) if config.exists() else {}
        channels[name] = {"TrainingInputMode": "File", **({"ContentType": kind} if kind else {})}
        self.write("input/config/inputdataconfig.json", json.dumps(channels))
        if content is None:
            folder = self.base / "input/data" / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / file).unlink(missing_ok=True)
            (folder / file).symlink_to(DATA / f"{name}.csv")
        else:
            self.write(f"input/data/{name}/{file}", content)

    def write(self, path: str, content: str | bytes) -> Path:
        target = self.base / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # never write through a link to the data of the examples
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
        return target

    def environment(self, **extra: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SM_", "HPT_"))}
        base = {"SAGEMAKER_BASE_DIR": str(self.base), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        return {**kept, **base, **extra}

    def start(self, **extra: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", f"hpt.algorithms.{self.program}"]
        return subprocess.Popen(
            command,
            env=self.environment(**extra),
            cwd=self.base,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, **extra: str) -> tuple[int, str]:
        """(exit code, everything printed)."""
        process = self.start(**extra)
        printed, _ = process.communicate(timeout=120)
        return process.returncode, printed

    @property
    def failure(self) -> str:
        path = self.base / "output/failure"
        return path.read_text() if path.exists() else ""

    @property
    def model(self) -> Path:
        return self.base / "model" / MODELS[self.program]

    def checkpoints(self) -> list[int]:
        folder = self.base / "checkpoints"
        files = folder.glob(f"{self.program.replace('_', '-')}-checkpoint.*") if folder.exists() else ()
        return sorted(int(path.suffix[1:]) for path in files)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    base = tmp_path / "ml"
    base.mkdir()
    return Box(base)


@pytest.fixture
def trained(box: Box) -> Box:
    """A box ready to train on the breast-cancer data."""
    box.channel("train")
    box.channel("validation")
    box.hyperparameters(num_round="20", objective="binary:logistic", max_depth="3", eval_metric="logloss,auc")
    return box


def rows(name: str = "train") -> list[list[str]]:
    """The breast-cancer rows as texts: the label, then 30 features."""
    return [line.split(",") for line in (DATA / f"{name}.csv").read_text().splitlines()]


def text(rows: list[list[str]]) -> str:
    return "\n".join(",".join(row) for row in rows)


def without_labels(name: str) -> str:
    return text([row[1:] for row in rows(name)])
