"""Source code of SageMaker's Python SDK, version 3, in images of frameworks: it runs here from the archive
that the SDK uploads. S3 is a server on this machine.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sagemaker.train.tuner", reason="the SageMaker Python SDK 3 is not installed")

from sagemaker.core.helper.session_helper import Session
from sagemaker.core.parameter import CategoricalParameter, ContinuousParameter
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, SourceCode, StoppingCondition
from sagemaker.train.tuner import HyperparameterTuner

import hpt.client

SOURCE = Path(__file__).parent.parent / "programs" / "script_mode"
REGISTRY = "dkr.ecr.us-east-1.amazonaws.com"
IMAGES = {
    "scikit-learn": f"683313688378.{REGISTRY}/sagemaker-scikit-learn:1.2-1-cpu-py3",
    "PyTorch": f"763104351884.{REGISTRY}/pytorch-training:2.3-cpu-py311",
    "XGBoost": f"683313688378.{REGISTRY}/sagemaker-xgboost:1.7-1",
    "of one's own": "registry.example.com/team/trainer:1",
}


@pytest.fixture
def session(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HPT_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("SAGEMAKER_VALIDATE_ROLE", "false")
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(min(seconds, 0.2)))  # the SDK looks every 5 s
    return Session(boto_session=hpt.client.Session(), default_bucket="bucket")


def tuner(session: Any, image: str, **options: Any) -> Any:
    trainer = ModelTrainer(
        training_image=image,
        role="arn:aws:iam::123456789012:role/Tuner",
        sagemaker_session=session,
        source_code=SourceCode(source_dir=str(SOURCE), entry_script="train.py"),
        compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=5),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=3600),
        hyperparameters={"epochs": 2, "pause": options.pop("pause", 0.0), "lr": 0.1, "kind": "a"},
        environment={"HPT_GRACE_SECONDS": "5"},
    )
    return HyperparameterTuner(
        model_trainer=trainer,
        objective_metric_name="loss",
        hyperparameter_ranges={"lr": ContinuousParameter(0.01, 1), "kind": CategoricalParameter(["a", 1])},
        metric_definitions=[{"Name": "loss", "Regex": "loss=(.*?);"}],
        objective_type="Minimize",
        base_tuning_job_name="script",
        **{"max_jobs": 2, "max_parallel_jobs": 2, "strategy": "Random", **options},
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", IMAGES)
def test_source_code_is_tuned_to_its_end(session: Any, name: str) -> None:
    first = tuner(session, IMAGES[name])
    first.tune(wait=True)
    described = first.describe()
    assert described.hyper_parameter_tuning_job_status == "Completed"
    assert described.training_job_status_counters.completed == 2
    assert first.best_training_job() == described.best_training_job.training_job_name


@pytest.mark.slow
def test_source_code_is_stopped(session: Any) -> None:
    long = tuner(session, IMAGES["PyTorch"], max_jobs=50, pause=5.0)
    long.tune(wait=False)
    deadline = time.monotonic() + 60
    while not long.describe().training_job_status_counters.in_progress:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    long.stop_tuning_job()
    while long.describe().hyper_parameter_tuning_job_status != "Stopped":
        assert time.monotonic() < deadline + 60
        time.sleep(0.2)
