"""Estimators of frameworks of SageMaker's Python SDK, version 2: their scripts run here from the archive
that the SDK uploads, in whatever image they name. S3 is a server on this machine.
"""

from __future__ import annotations

import json
import logging
import tarfile
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

sagemaker = pytest.importorskip("sagemaker", reason="the SageMaker Python SDK is not installed")
if not str(getattr(sagemaker, "__version__", "")).startswith("2."):
    pytest.skip("the SageMaker Python SDK that is installed is not version 2", allow_module_level=True)

from sagemaker.huggingface import HuggingFace  # noqa: E402
from sagemaker.parameter import CategoricalParameter, ContinuousParameter  # noqa: E402
from sagemaker.pytorch import PyTorch  # noqa: E402
from sagemaker.sklearn import SKLearn  # noqa: E402
from sagemaker.tensorflow import TensorFlow  # noqa: E402
from sagemaker.tuner import HyperparameterTuner  # noqa: E402
from sagemaker.xgboost import XGBoost  # noqa: E402

import hpt.client  # noqa: E402

SOURCE = Path(__file__).parent.parent / "programs" / "script_mode"
FRAMEWORKS: dict[str, Any] = {
    "scikit-learn": (SKLearn, {"framework_version": "1.2-1", "py_version": "py3"}),
    "PyTorch": (PyTorch, {"framework_version": "2.3", "py_version": "py311"}),
    "Hugging Face": (
        HuggingFace,
        {
            "transformers_version": "4.36.0",
            "pytorch_version": "2.1.0",
            "py_version": "py310",
            "instance_type": "ml.g5.xlarge",
        },
    ),
    "XGBoost": (XGBoost, {"framework_version": "1.7-1"}),
}


@pytest.fixture
def session(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HPT_HOME", str(tmp_path / "state"))
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(min(seconds, 0.2)))  # the SDK looks every 5 s
    logging.getLogger("sagemaker").setLevel(logging.ERROR)
    return sagemaker.Session(boto_session=hpt.client.Session(), default_bucket="bucket")


def tuner(session: Any, name: str, **options: Any) -> Any:
    kind, own = FRAMEWORKS[name]
    estimator = kind(
        entry_point="train.py",
        source_dir=str(SOURCE),
        role="arn:aws:iam::123456789012:role/Tuner",
        instance_count=1,
        sagemaker_session=session,
        hyperparameters={"epochs": 2, "pause": options.pop("pause", 0.0)},
        environment={"HPT_GRACE_SECONDS": "5"},
        **{"instance_type": "ml.m5.large", **own},
    )
    return HyperparameterTuner(
        estimator,
        "loss",
        {"lr": ContinuousParameter(0.01, 1), "kind": CategoricalParameter(["a", 1])},
        metric_definitions=[{"Name": "loss", "Regex": "loss=(.*?);"}],
        objective_type="Minimize",
        base_tuning_job_name="script",
        **{"max_jobs": 2, "max_parallel_jobs": 2, "strategy": "Random", **options},
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_script_is_tuned_to_its_end(session: Any, s3: Any, name: str) -> None:
    first = tuner(session, name)
    first.fit(wait=True)
    described = first.describe()
    assert described["HyperParameterTuningJobStatus"] == "Completed"
    assert described["TrainingJobStatusCounters"]["Completed"] == 2

    best = first.best_training_job()
    chosen = first.best_estimator()
    assert type(chosen) is FRAMEWORKS[name][0]
    assert chosen.latest_training_job.name == best
    key = f"{best}/output/model.tar.gz"
    assert chosen.model_data == f"s3://bucket/{key}"
    body = s3.get_object(Bucket="bucket", Key=key)["Body"].read()
    with tarfile.open(fileobj=BytesIO(body)) as tar:
        member = tar.extractfile("model.json")
        assert member is not None
        model = json.loads(member.read())
    assert model["epochs"] == 2
    assert model["kind"] in ("a", "1")

    session.wait_for_job(best)
    attached = HyperparameterTuner.attach(first.latest_tuning_job.name, sagemaker_session=session)
    assert type(attached.estimator) is FRAMEWORKS[name][0]
    assert attached.best_training_job() == best
    assert attached.best_estimator().entry_point == "train.py"


@pytest.mark.slow
def test_a_script_is_stopped(session: Any) -> None:
    long = tuner(session, "PyTorch", max_jobs=50, pause=5.0)
    long.fit(wait=False)
    deadline = time.monotonic() + 60
    while not long.describe()["TrainingJobStatusCounters"]["InProgress"]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    long.stop_tuning_job()
    long.wait()
    assert long.describe()["HyperParameterTuningJobStatus"] == "Stopped"


@pytest.mark.slow
def test_autotune_leaves_the_hyperparameters_of_script_mode_alone(session: Any) -> None:
    each = tuner(session, "XGBoost", autotune=True)
    each.fit(wait=True)
    assert each.describe()["TrainingJobStatusCounters"]["Completed"] == 2


@pytest.mark.slow
def test_tensorflow_gets_its_model_directory(session: Any) -> None:
    estimator = TensorFlow(
        entry_point="train.py",
        source_dir=str(SOURCE),
        role="arn:aws:iam::123456789012:role/Tuner",
        instance_count=1,
        instance_type="ml.m5.large",
        framework_version="2.14",
        py_version="py310",
        model_dir=False,
        sagemaker_session=session,
        hyperparameters={"epochs": 1, "kind": "a"},
    )
    each = HyperparameterTuner(
        estimator,
        "loss",
        {"lr": ContinuousParameter(0.01, 1)},
        metric_definitions=[{"Name": "loss", "Regex": "loss=(.*?);"}],
        objective_type="Minimize",
        max_jobs=1,
        strategy="Random",
        base_tuning_job_name="tf",
    )
    each.fit(wait=True)
    assert each.describe()["TrainingJobStatusCounters"]["Completed"] == 1
