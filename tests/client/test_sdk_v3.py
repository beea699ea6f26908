"""SageMaker's Python SDK, version 3, with `boto_session=hpt.client.Session()`: nothing leaves this machine.

The SDK is no dependency; the tests run where it is installed.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.client.conftest import COUNTED

pytest.importorskip("sagemaker.train.tuner", reason="the SageMaker Python SDK 3 is not installed")

from sagemaker.core.helper.session_helper import Session
from sagemaker.core.parameter import (
    CategoricalParameter,
    ContinuousParameter,
    IntegerParameter,
)
from sagemaker.core.resources import HyperParameterTuningJob, TrainingJob
from sagemaker.core.shapes import (
    HyperParameterTuningJobWarmStartConfig,
    ParentHyperParameterTuningJob,
)
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import (
    Compute,
    InputData,
    OutputDataConfig,
    StoppingCondition,
)
from sagemaker.train.tuner import HyperparameterTuner

import hpt.client

METRICS = [{"Name": "loss", "Regex": "loss=(.*?);"}]
RANGES = {
    "x": ContinuousParameter(0, 1),
    "depth": IntegerParameter(1, 9),
    "kind": CategoricalParameter(["a", "b"]),
}


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HPT_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("SAGEMAKER_VALIDATE_ROLE", "false")
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(min(seconds, 0.2)))  # the SDK looks every 5 s
    return Session(boto_session=hpt.client.Session(), default_bucket="bucket")


def tuner(session: Any, tmp_path: Path, base: str = "v3", **options: Any) -> Any:
    trainer = ModelTrainer(
        training_image=str(COUNTED),
        role="arn:aws:iam::123456789012:role/Tuner",
        sagemaker_session=session,
        compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=5),
        output_data_config=OutputDataConfig(s3_output_path=str(tmp_path / "models")),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=3600),
        hyperparameters={"pause": "0.01", "x": "0.5", "depth": "4", "kind": "a"},
        environment={"RUNS": str(tmp_path / "runs"), "HPT_GRACE_SECONDS": "5"},
    )
    return HyperparameterTuner(
        model_trainer=trainer,
        objective_metric_name="loss",
        hyperparameter_ranges=options.pop("hyperparameter_ranges", RANGES),
        metric_definitions=METRICS,
        objective_type="Minimize",
        base_tuning_job_name=base,
        **{"max_jobs": 3, "max_parallel_jobs": 2, "strategy": "Random", **options},
    )


def name_of(each: Any) -> str:
    return str(each.latest_tuning_job.hyper_parameter_tuning_job_name)


def test_a_tuning_job_from_beginning_to_end(session: Any, tmp_path: Path) -> None:
    first = tuner(session, tmp_path)
    first.tune(wait=True)
    described = first.describe()
    assert described.hyper_parameter_tuning_job_status == "Completed"
    best = first.best_training_job()
    assert best == described.best_training_job.training_job_name
    assert set(first.hyperparameter_ranges()) >= {"ContinuousParameterRanges"}
    assert len(first.analytics().dataframe()) == 3

    boto_session = session.boto_session
    resource = HyperParameterTuningJob.get(name_of(first), session=boto_session)
    assert resource.hyper_parameter_tuning_job_status == "Completed"
    listed = HyperParameterTuningJob.get_all(session=boto_session)
    assert name_of(first) in [each.hyper_parameter_tuning_job_name for each in listed]
    assert len(list(resource.get_all_training_jobs(session=boto_session))) == 3
    training = TrainingJob.get(best, session=boto_session)
    training.wait(logs=False)
    assert training.model_artifacts.s3_model_artifacts.endswith(f"/{best}/output/model.tar.gz")
    assert [each.status for each in training.secondary_status_transitions] == [
        "Starting",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]

    warm = tuner(
        session,
        tmp_path,
        "warm",
        strategy="Bayesian",
        warm_start_config=HyperParameterTuningJobWarmStartConfig(
            parent_hyper_parameter_tuning_jobs=[
                ParentHyperParameterTuningJob(hyper_parameter_tuning_job_name=name_of(first))
            ],
            warm_start_type="IdenticalDataAndAlgorithm",
        ),
    )
    warm.tune(wait=True)
    assert warm.describe().overall_best_training_job.tuning_job_name in (name_of(first), name_of(warm))
    resource.delete()
    with pytest.raises(Exception, match="ResourceNotFound"):
        HyperParameterTuningJob.get(name_of(first), session=boto_session)


def test_stopping(session: Any, tmp_path: Path) -> None:
    long = tuner(session, tmp_path, max_jobs=200)
    long.tune(wait=False)
    long.stop_tuning_job()
    long.wait()
    assert long.describe().hyper_parameter_tuning_job_status == "Stopped"


@pytest.mark.parametrize(
    "options",
    [{"autotune": True}, {"early_stopping_type": "Auto"}, {"strategy": "Grid", "max_jobs": 2}],
    ids=["Autotune", "early stopping", "Grid"],
)
def test_kinds_of_tuning_jobs(session: Any, tmp_path: Path, options: dict[str, Any]) -> None:
    grid = {"hyperparameter_ranges": {"kind": RANGES["kind"]}} if "strategy" in options else {}
    each = tuner(session, tmp_path, "kind", **options, **grid)
    each.tune(wait=True)
    assert each.describe().hyper_parameter_tuning_job_status == "Completed"


def test_channels_from_local_paths(session: Any, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows.csv").write_text("1,2\n")
    each = tuner(session, tmp_path, "data", max_jobs=1, max_parallel_jobs=1)
    each.tune([InputData(channel_name="train", data_source=f"file://{tmp_path}/data")], wait=True)
    assert each.describe().training_job_status_counters.completed == 1
