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


@dataclass(frozen=True)
class Box:
    """`/opt/ml` of one training job below a temporary folder."""

    base: Path

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
            (folder / file).symlink_to(DATA / f"{name}.csv")
        else:
            self.write(f"input/data/{name}/{file}", content)

    def write(self, path: str, content: str | bytes) -> Path:
        target = self.base / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
        return target

    def environment(self, **extra: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SM_")}
        base = {"SAGEMAKER_BASE_DIR": str(self.base), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        return {**kept, **base, **extra}

    def start(self, **extra: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "hpt.algorithms.xgboost"]
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
        return self.base / "model/xgboost-model"

    def checkpoints(self) -> list[int]:
        folder = self.base / "checkpoints"
        return (
            sorted(int(path.suffix[1:]) for path in folder.glob("xgboost-checkpoint.*"))
            if folder.exists()
            else []
        )


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
