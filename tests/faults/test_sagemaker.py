"""A tuning job on SageMaker whose Spot capacity is taken away and whose tuner is killed."""

from __future__ import annotations

import json
import logging
import random
import time
from pathlib import Path

import pytest

from hpt.executors.simulated import Curve
from hpt.running.simulation import simulate
from hpt.sagemaker.request.parse import parse_request
from hpt.search.trial import Config
from tests.fleet import sagemaker_job
from tests.fleet.double.sagemaker import SageMakerDouble
from tests.fleet.double.service import Behaviour

pytestmark = pytest.mark.faults

EPOCHS = 8


def losses(config: Config) -> Curve:
    """What the program of the job prints."""
    weight, printed = 0.0, []
    for epoch in range(1, EPOCHS + 1):
        weight += 0.3 * (float(config["x"]) - weight)
        printed.append((weight - 0.4) ** 2 + 0.1 / epoch)
    return Curve(printed)


def test_the_result_is_that_of_an_undisturbed_run(tmp_path: Path) -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    file, state = sagemaker_job.job_file(tmp_path), tmp_path / "state"
    undisturbed = simulate(parse_request(json.loads(file.read_text()), check_paths=False), losses).view.trials
    rng = random.Random(3)
    kills = 0
    with SageMakerDouble(tmp_path / "machines", Behaviour(spot=2.0)).serve() as double:
        double.s3().create_bucket(Bucket="bucket")
        words: tuple[str | Path, ...] = ("tune", file, "--executor", "sagemaker", "--interval", "0.3")
        while kills < 6:
            process = sagemaker_job.start(double.url, tmp_path / "log", *words, "--state", state)
            words = ("resume", "spot")
            created = len(double.jobs)
            while process.poll() is None and len(double.jobs) < created + 3:
                time.sleep(0.05)
            time.sleep(rng.random())
            if process.poll() is not None:
                break
            process.kill()
            process.wait()
            kills += 1
            double.refuse("create", "ThrottlingException", 2)
        done = sagemaker_job.run(double.url, *words, "--state", state)
        said = done.stdout + done.stderr + (tmp_path / "log").read_text()
        assert done.returncode == 0 or "has ended (Completed)" in done.stderr, said  # before the last kill
        trials = sorted(sagemaker_job.trials(double.url, state), key=lambda trial: trial["Number"])
        assert [trial["TrainingJobStatus"] for trial in trials] == ["Completed"] * 20
        for trial, expected in zip(trials, undisturbed, strict=True):
            assert trial["Config"] == expected.config
            assert trial["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == expected.value
        assert sorted(double.jobs) == sorted(trial["TrainingJobName"] for trial in trials)
        printed = sum(len(stream.events) for stream in double.streams.values())
        assert kills >= 4
        assert double.interruptions >= 3
        assert printed <= 20 * EPOCHS + 3 * double.interruptions
        assert any(trial["Attempts"] > 1 for trial in trials)
        charged = {trial["TrainingJobName"]: trial["BillableTimeInSeconds"] for trial in trials}
        assert charged == {name: double.charged(name) for name in double.jobs}
        shown = sagemaker_job.run(double.url, "describe", "spot", "--state", state).stdout
        assert f"charged     {sum(charged.values())} s of " in shown
        assert "sagemaker: training jobs run on SageMaker" in shown and "this machine" not in shown
