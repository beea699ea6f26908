"""A job that a service stored is run by that service or a later one, wherever the first was killed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hpt.job.state import JobStatus
from hpt.running.session import Session
from hpt.service.api import Service
from hpt.service.launcher import RUNNER, Launcher


class Killed(BaseException):
    """Nothing after it happens, as after SIGKILL."""


def request(program: Path) -> dict[str, object]:
    return {
        "HyperParameterTuningJobName": "job",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
            },
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {
                "TrainingImage": str(program),
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss: (\\S+)"}],
            }
        },
    }


@pytest.fixture
def program(tmp_path: Path) -> Path:
    program = tmp_path / "train.sh"
    program.write_text("#!/bin/sh\necho loss: 1\n")
    program.chmod(0o755)
    return program


def status(state: Path) -> JobStatus:
    return Session(state).load("job")[2].status


def wait(state: Path) -> JobStatus:
    deadline = time.monotonic() + 60
    while not status(state).ended and time.monotonic() < deadline:
        time.sleep(0.1)
    return status(state)


@pytest.mark.parametrize("by", ["start", "describe", "list"])
def test_killed_before_its_runner_was_written_down(
    tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    state = tmp_path / "state"
    with monkeypatch.context() as patch:

        def start(*_: object) -> None:
            raise Killed

        patch.setattr(Launcher, "start", start)
        service = Service(state)
        with pytest.raises(Killed):
            service.call("CreateHyperParameterTuningJob", request(program))
        service.close()
        assert not (state / "job" / RUNNER).exists()
        assert status(state) is JobStatus.IN_PROGRESS
    later = Service(state)
    if by == "describe":
        later.call("DescribeHyperParameterTuningJob", {"HyperParameterTuningJobName": "job"})
    elif by == "list":
        later.call("ListHyperParameterTuningJobs", {})
    assert wait(state) is JobStatus.COMPLETED
    later.close()


def test_a_job_of_the_command_is_left_alone(tmp_path: Path, program: Path) -> None:
    from hpt.sagemaker.request.parse import read_request

    state = tmp_path / "state"
    read = read_request(request(program))
    Session(state).create(read.config, request=read.request)
    service = Service(state)
    service.call("ListHyperParameterTuningJobs", {})
    service.call("DescribeHyperParameterTuningJob", {"HyperParameterTuningJobName": "job"})
    assert not (state / "job" / RUNNER).exists() and status(state) is JobStatus.IN_PROGRESS
    service.close()
