"""SageMaker's Python SDK, version 2, with `boto_session=hpt.client.Session()`: nothing leaves this machine.

The SDK is no dependency; the tests run where it is installed. What it reads of replies is also replayed
without it, in `test_sdk_reads`.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import pytest

from tests.client.conftest import COUNTED

sagemaker = pytest.importorskip("sagemaker", reason="the SageMaker Python SDK is not installed")
if not str(getattr(sagemaker, "__version__", "")).startswith("2."):
    pytest.skip("the SageMaker Python SDK that is installed is not version 2", allow_module_level=True)

from sagemaker.estimator import Estimator  # noqa: E402
from sagemaker.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter  # noqa: E402
from sagemaker.tuner import (  # noqa: E402
    HyperbandStrategyConfig,
    HyperparameterTuner,
    StrategyConfig,
    TuningJobCompletionCriteriaConfig,
    WarmStartConfig,
    WarmStartTypes,
)

import hpt.client  # noqa: E402

ROLE = "arn:aws:iam::123456789012:role/Tuner"
METRICS = [{"Name": "loss", "Regex": "loss=(.*?);"}]
RANGES = {
    "x": ContinuousParameter(0, 1, scaling_type="Linear"),
    "depth": IntegerParameter(1, 9),
    "kind": CategoricalParameter(["a", "b"]),
}


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HPT_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setattr(time, "sleep", _short(time.sleep))
    logging.getLogger("sagemaker").setLevel(logging.ERROR)
    return sagemaker.Session(boto_session=hpt.client.Session(), default_bucket="bucket")


def _short(sleep: Any) -> Any:
    """The SDK looks every 5 s or more."""
    return lambda seconds: sleep(min(seconds, 0.2))


def estimator(session: Any, tmp_path: Path) -> Any:
    return Estimator(
        str(COUNTED),
        ROLE,
        instance_count=1,
        instance_type="ml.m5.large",
        sagemaker_session=session,
        output_path=str(tmp_path / "models"),
        hyperparameters={"pause": "0.01", "x": "0.5", "depth": "4", "kind": "a"},
        environment={"RUNS": str(tmp_path / "runs"), "HPT_GRACE_SECONDS": "5"},
    )


def tuner(session: Any, tmp_path: Path, **options: Any) -> Any:
    options.setdefault("hyperparameter_ranges", RANGES)
    return HyperparameterTuner(
        estimator(session, tmp_path),
        "loss",
        metric_definitions=METRICS,
        objective_type="Minimize",
        base_tuning_job_name=options.pop("base", "sdk"),
        **{"max_jobs": 3, "max_parallel_jobs": 2, "strategy": "Random", **options},
    )


def name_of(each: Any) -> str:
    return str(each.latest_tuning_job.name)


def test_a_tuning_job_from_beginning_to_end(session: Any, tmp_path: Path) -> None:
    first = tuner(session, tmp_path, tags=[{"Key": "team", "Value": "blue"}])
    first.fit(wait=True)
    described = first.describe()
    assert described["HyperParameterTuningJobStatus"] == "Completed"
    best = first.best_training_job()
    assert best == described["BestTrainingJob"]["TrainingJobName"]

    frame = first.analytics().dataframe()
    assert len(frame) == 3 and frame["FinalObjectiveValue"].notna().all()
    assert set(first.analytics().tuning_ranges) == set(RANGES)
    assert len(first.analytics().training_job_summaries()) == 3

    chosen = first.best_estimator()
    assert chosen.latest_training_job.name == best
    assert chosen.model_data.endswith(f"/{best}/output/model.tar.gz")
    assert "x" in chosen.hyperparameters()

    session.wait_for_job(best)
    attached = Estimator.attach(best, sagemaker_session=session)
    assert attached.model_data == chosen.model_data
    assert attached.training_image_uri() == str(COUNTED)

    again = HyperparameterTuner.attach(name_of(first), sagemaker_session=session)
    assert set(again.hyperparameter_ranges()) >= {"ContinuousParameterRanges"}
    assert again.best_training_job() == best
    assert again.best_estimator().latest_training_job.name == best

    first.stop_tuning_job()  # it has ended, which the SDK takes for stopped
    resumed = tuner(
        session,
        tmp_path,
        base="warm",
        warm_start_config=WarmStartConfig(
            WarmStartTypes.IDENTICAL_DATA_AND_ALGORITHM, parents={name_of(first)}
        ),
        strategy="Bayesian",
    )
    resumed.fit(wait=True)
    assert resumed.describe()["OverallBestTrainingJob"]["TuningJobName"] in {name_of(first), name_of(resumed)}
    with pytest.raises(session.sagemaker_client.exceptions.ClientError) as raised:
        session.wait_for_job("sdk-none-001-00000000")
    assert raised.value.response["Error"]["Code"] == "ValidationException"


def test_stopping(session: Any, tmp_path: Path) -> None:
    long = tuner(session, tmp_path, max_jobs=200, hyperparameter_ranges={"x": RANGES["x"]})
    long.fit(wait=False)
    long.stop_tuning_job()
    long.wait()
    long.stop_tuning_job()
    assert long.describe()["HyperParameterTuningJobStatus"] == "Stopped"


def test_two_estimators(session: Any, tmp_path: Path) -> None:
    both = HyperparameterTuner.create(
        base_tuning_job_name="both",
        estimator_dict={"one": estimator(session, tmp_path), "two": estimator(session, tmp_path)},
        objective_metric_name_dict={"one": "loss", "two": "loss"},
        hyperparameter_ranges_dict={"one": {"x": RANGES["x"]}, "two": {"depth": RANGES["depth"]}},
        metric_definitions_dict={"one": METRICS, "two": METRICS},
        objective_type="Minimize",
        strategy="Random",
        max_jobs=4,
        max_parallel_jobs=2,
    )
    both.fit(include_cls_metadata={"one": False, "two": False}, wait=True)
    assert both.describe()["HyperParameterTuningJobStatus"] == "Completed"
    assert len(both.analytics().dataframe()) == 4
    assert both.best_estimator().latest_training_job.name == both.best_training_job()
    attached = HyperparameterTuner.attach(
        name_of(both), sagemaker_session=session, estimator_cls={"one": None, "two": None}
    )
    assert attached.best_estimator().latest_training_job.name == both.best_training_job()


@pytest.mark.parametrize(
    "options",
    [
        {
            "strategy": "Hyperband",
            "strategy_config": StrategyConfig(HyperbandStrategyConfig(max_resource=3, min_resource=1)),
        },
        {"strategy": "Grid", "hyperparameter_ranges": {"kind": RANGES["kind"]}, "max_jobs": 2},
        {"early_stopping_type": "Auto", "strategy": "Bayesian", "random_seed": 0},
        {
            "completion_criteria_config": TuningJobCompletionCriteriaConfig(
                max_number_of_training_jobs_not_improving=3,
                target_objective_metric_value=-1e9,
            )
        },
        {"autotune": True, "max_jobs": 2},
        {"autotune": True, "max_jobs": 2, "hyperparameter_ranges": None},
    ],
    ids=["Hyperband", "Grid", "early stopping and seed 0", "completion", "Autotune", "Autotune alone"],
)
def test_kinds_of_tuning_jobs(session: Any, tmp_path: Path, options: dict[str, Any]) -> None:
    each = tuner(session, tmp_path, base="kind", **options)
    each.fit(wait=True)
    assert each.describe()["HyperParameterTuningJobStatus"] == "Completed"
    assert each.best_estimator().latest_training_job.name == each.best_training_job()


def test_channels_from_local_paths(session: Any, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows.csv").write_text("1,2\n")
    each = tuner(session, tmp_path, base="data", max_jobs=1, max_parallel_jobs=1)
    each.fit({"train": sagemaker.inputs.TrainingInput(str(tmp_path / "data"))}, wait=True)
    assert each.describe()["TrainingJobStatusCounters"]["Completed"] == 1


def test_an_estimator_by_itself(session: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fitted = estimator(session, tmp_path)
    fitted.fit(job_name="by-itself")  # waits, with logs
    said = capsys.readouterr().out
    assert "epoch 1 loss=" in said and "epoch 3 loss=" in said
    assert "Training - Training image download completed." in said and "Billable seconds:" in said
    assert fitted.model_data.endswith("/models/by-itself/output/model.tar.gz")
    again = Estimator.attach("by-itself", sagemaker_session=session)
    assert again.hyperparameters()["kind"] == "a"
    fitted.fit(job_name="to-stop", wait=False)
    session.stop_training_job("to-stop")
    assert session.wait_for_job("to-stop")["TrainingJobStatus"] in ("Stopped", "Completed")
    failing = estimator(session, tmp_path)
    failing.set_hyperparameters(x="much")
    with pytest.raises(sagemaker.exceptions.UnexpectedStatusException, match="exit code 2"):
        failing.fit(job_name="to-fail", logs="None")
