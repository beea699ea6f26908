"""Stopping rules and completion criteria on real training programs, by the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_cli import Command

LIMITS = {"MaxNumberOfTrainingJobs": 12, "MaxParallelTrainingJobs": 2}


@pytest.fixture
def hpt(tmp_path: Path) -> Command:
    return Command(tmp_path)


def test_hyperband_stops_training_programs(hpt: Command) -> None:
    resources = {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 3}}
    job = hpt.job(Strategy="Hyperband", StrategyConfig=resources, ResourceLimits=LIMITS)
    _, err = hpt("tune", str(hpt.slow(job, 0.5)))
    assert "being stopped (EarlyStopped) by ExpectedImprovement at report " in err
    described = hpt.describe("job")
    counters = described["TrainingJobStatusCounters"]
    assert described["Strategy"] == "Hyperband"
    assert counters["Stopped"] >= 3  # type: ignore[index]
    assert counters["Stopped"] + counters["Completed"] == 12  # type: ignore[index]
    assert described["ObjectiveStatusCounters"] == {"Succeeded": 12, "Pending": 0, "Failed": 0}


SAVES_LATE = """
import os, pathlib, sys, time
for epoch in range(3):
    print(f"loss={float(os.environ['SM_HP_X']) - epoch};", flush=True)
    time.sleep(0.4)
pathlib.Path(os.environ["SM_MODEL_DIR"], "model").write_text("trained")
"""


def test_training_jobs_that_reach_their_last_epoch_keep_their_model(hpt: Command) -> None:
    job = hpt.job(
        Strategy="Hyperband", ResourceLimits={"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 1}
    )
    (hpt.root / "counted.py").write_text(SAVES_LATE)
    request = json.loads(job.read_text())
    request["TrainingJobDefinition"]["StaticHyperParameters"] = {"epochs": "3"}
    job.write_text(json.dumps(request))
    out, _ = hpt("tune", str(job))
    trials = json.loads(hpt("trials", "job", "--json")[0])
    ends = [trial["TrainingJobStatus"] for trial in trials]
    assert "Completed" in ends and {*ends} <= {"Completed", "Stopped"}
    model = next(line.split(maxsplit=1)[1] for line in out.splitlines() if line.startswith("  model "))
    assert (Path(model).expanduser() / "model").read_text() == "trained"


def test_a_target_ends_the_job_and_describe_says_how_far_it_came(hpt: Command) -> None:
    job = hpt.job(
        ResourceLimits={"MaxNumberOfTrainingJobs": 12, "MaxParallelTrainingJobs": 1},
        TuningJobCompletionCriteria={
            "TargetObjectiveMetricValue": -1.0,
            "BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3},
        },
    )
    out, err = hpt("tune", str(job))
    assert "tuning job  job  Completed (BestObjectiveNotImproving)" in out
    assert "training job 1 is the best; 3 later final objectives are no better" in out
    assert "3 final objectives in a row did not improve on the best before by 1 % or more\n" in out
    assert "stopping the tuning job (BestObjectiveNotImproving)" in err
    described = hpt.describe("job")
    assert described["CompletionCriterion"] == "BestObjectiveNotImproving"
    assert described["TuningJobCompletionDetails"] == {"NumberOfTrainingJobsObjectiveNotImproving": 3}
    assert sum(described["TrainingJobStatusCounters"].values()) < 12  # type: ignore[attr-defined]
