"""Each built-in algorithm tuned by `hpt tune`, from a job file to a best model."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import DATA, MODELS, without_labels

INTEGER, CONTINUOUS = "IntegerParameterRanges", "ContinuousParameterRanges"
JOBS: dict[str, dict[str, Any]] = {
    "lightgbm": {
        "objective": ("Minimize", "binary_logloss"),
        "ranges": {CONTINUOUS: {"learning_rate": (0.05, 0.3)}, INTEGER: {"num_leaves": (10, 100)}},
        "static": {"num_boost_round": "20"},
    },
    "catboost": {
        "objective": ("Maximize", "AUC"),
        "ranges": {INTEGER: {"depth": (4, 6), "l2_leaf_reg": (2, 10)}},
        "static": {"iterations": "20", "learning_rate": "0.1"},
    },
    "linear-learner": {
        "objective": ("Minimize", "validation:objective_loss"),
        "ranges": {
            CONTINUOUS: {"wd": (1e-7, 1.0), "learning_rate": (1e-5, 1.0)},
            "CategoricalParameterRanges": {"use_bias": ["True", "False"]},
        },
        "static": {"predictor_type": "binary_classifier", "epochs": "4"},
    },
    "knn": {
        "objective": ("Maximize", "test:accuracy"),
        "ranges": {INTEGER: {"k": (1, 64)}},
        "static": {"feature_dim": "30", "predictor_type": "classifier", "sample_size": "300"},
    },
    "kmeans": {
        "objective": ("Minimize", "test:msd"),
        "ranges": {INTEGER: {"extra_center_factor": (4, 10), "mini_batch_size": (30, 300)}},
        "static": {"feature_dim": "30", "k": "4"},
    },
}


def request_of(name: str, folder: Path) -> dict[str, Any]:
    job = JOBS[name]
    ranges: dict[str, list[dict[str, Any]]] = {}
    for kind, declared in job["ranges"].items():
        for parameter, values in declared.items():
            ends = {"MinValue": str(values[0]), "MaxValue": str(values[1])}
            ranges.setdefault(kind, []).append(
                {"Name": parameter, **({"Values": values} if isinstance(values, list) else ends)}
            )
    other = "test" if job["objective"][1].startswith("test:") else "validation"
    channels = []
    for channel, source in (("train", "train"), (other, "validation")):
        path = folder / f"{channel}.csv"
        labelled = name != "kmeans"
        path.write_text((DATA / f"{source}.csv").read_text() if labelled else without_labels(source))
        channels.append({"ChannelName": channel, "DataSource": {"S3DataSource": {"S3Uri": str(path)}}})
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": dict(
                zip(("Type", "MetricName"), job["objective"], strict=True)
            ),
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": ranges,
            "RandomSeed": 1,
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {"TrainingImage": name},
            "StaticHyperParameters": job["static"],
            "InputDataConfig": channels,
        },
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", JOBS)
def test_tuning(name: str, tmp_path: Path) -> None:
    if (
        importlib.util.find_spec({"lightgbm": "lightgbm", "catboost": "catboost"}.get(name, "sklearn"))
        is None
    ):
        pytest.skip(f"the library of {name} is not installed")
    file = tmp_path / "job.json"
    file.write_text(json.dumps(request_of(name, tmp_path)))
    command = [sys.executable, "-m", "hpt.cli.main", "tune", str(file), "--state", str(tmp_path / "state")]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["HyperParameterTuningJobStatus"] == "Completed"
    assert result["TrainingJobStatusCounters"]["Completed"] == 3
    assert result["ObjectiveStatusCounters"]["Succeeded"] == 3
    best = result["BestTrainingJob"]
    metric = best["FinalHyperParameterTuningJobObjectiveMetric"]
    assert metric["MetricName"] == JOBS[name]["objective"][1]
    trials = tmp_path / "state" / name / "trials"
    model = trials / best["TrainingJobName"] / "ml/model" / MODELS[name.replace("-", "_")]
    assert model.stat().st_size > 0
