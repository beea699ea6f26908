"""What a training job of SageMaker says, as attempts; its log as it is kept; what a job may not ask for."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hpt.errors import InputError, ValidationError
from hpt.executors.base import AttemptKey
from hpt.fleet.training_jobs.check import check, options_of
from hpt.fleet.training_jobs.log import CURSOR, KeptLog
from hpt.fleet.training_jobs.request import first_attempt, remote_name
from hpt.fleet.training_jobs.status import charged, exit_of, has_ended, segments, waits_for_capacity
from hpt.job.program_kind import FUNCTION_WORKER
from hpt.sagemaker.request.parse import read_request
from tests.fleet.sagemaker_job import job_file

# -- statuses


def described(*statuses: str, status: str = "InProgress", **more: Any) -> dict[str, Any]:
    """A description with a transition every ten seconds."""
    transitions = [
        {"Status": each, "StartTime": datetime.fromtimestamp(1000 + 10 * i, UTC), "StatusMessage": f"{each}!"}
        for i, each in enumerate(statuses)
    ]
    return {
        "TrainingJobName": "t",
        "TrainingJobStatus": status,
        "SecondaryStatus": statuses[-1],
        "CreationTime": datetime.fromtimestamp(999, UTC),
        "LastModifiedTime": transitions[-1]["StartTime"],
        "SecondaryStatusTransitions": transitions,
        **more,
    }


def test_a_training_job_without_interruption_is_one_attempt() -> None:
    description = described(
        *("Starting", "Downloading", "Training", "Uploading", "Completed"),
        status="Completed",
        ModelArtifacts={"S3ModelArtifacts": "s3://b/model.tar.gz"},
    )
    (run,) = segments(description)
    assert run.times == {"Downloading": 1010.0, "Training": 1020.0, "Uploading": 1030.0}
    ended = exit_of(description, 0)
    assert (ended.outcome, ended.exit_code, ended.model) == ("Exited", 0, "s3://b/model.tar.gz")
    assert (ended.started, ended.ended) == (1020.0, 1040.0)


def test_what_is_charged_comes_with_the_last_run() -> None:
    description = described(
        *("Starting", "Training", "Interrupted", "Starting", "Training", "Uploading", "Completed"),
        status="Completed",
        BillableTimeInSeconds=12,
    )
    assert [charged(description, number) for number in range(2)] == [None, 12]
    assert charged(described("Starting", "Training"), 0) is None


def test_each_run_after_an_interruption_is_the_next_attempt() -> None:
    description = described("Starting", "Training", "Interrupted", "Starting", "Downloading", "Training")
    assert [run.start for run in segments(description)] == [999.0, 1030.0]
    assert [has_ended(description, number) for number in range(3)] == [True, False, False]
    ended = exit_of(description, 0)
    assert (ended.outcome, ended.reason, ended.ended) == ("Preempted", "Interrupted!", 1020.0)


def test_one_that_waits_too_long_ends_its_last_attempt() -> None:
    description = described(
        *("Starting", "Training", "Interrupted", "Starting", "Stopping", "MaxWaitTimeExceeded"),
        status="Stopped",
    )
    ended = exit_of(description, 1)
    assert (ended.stopped, ended.by_user, ended.started, ended.ended) == (True, False, None, 1050.0)


@pytest.mark.parametrize(
    ("reason", "outcome", "code"),
    [
        ("AlgorithmError: ExecuteUserScriptError:\nExitCode 3\nErrorMessage", "Exited", 3),
        ("AlgorithmError: See job logs, exit code: 137", "Exited", 137),
        ("AlgorithmError: something else", "Exited", 1),
        ("ClientError: Data download failed", "Exited", 1),
        ("InternalServerError: We encountered an internal error. Please try again.", "Lost", None),
        ("CapacityError: Unable to provision requested ML compute capacity.", "Preempted", None),
    ],
)
def test_who_is_to_blame_decides_how_a_failure_counts(reason: str, outcome: str, code: int | None) -> None:
    description = described("Starting", "Training", "Failed", status="Failed", FailureReason=reason)
    ended = exit_of(description, 0)
    assert (ended.outcome, ended.exit_code, ended.reason) == (outcome, code, reason)
    assert waits_for_capacity(description) == (outcome == "Preempted")


def test_limits_of_time_and_stops_are_told_apart() -> None:
    timed_out = described("Starting", "Training", "Stopping", "MaxRuntimeExceeded", status="Stopped")
    stopped = described("Starting", "Training", "Stopping", "Stopped", status="Stopped")
    assert (exit_of(timed_out, 0).timed_out, exit_of(timed_out, 0).stopped) == (True, False)
    assert (exit_of(stopped, 0).timed_out, exit_of(stopped, 0).by_user) == (False, True)


@pytest.mark.parametrize("name", ["job-001-abcdef01", "j" * 63])
@pytest.mark.parametrize("attempt", [1, 2, 17])
def test_a_name_says_which_attempt_it_begins(name: str, attempt: int) -> None:
    remote = remote_name(AttemptKey(name, attempt))
    assert len(remote) <= 63
    assert first_attempt(name, remote) == attempt
    assert first_attempt("other-001-abcdef01", remote) is None


# -- logs


def events(*lines: str, start: float = 100.0) -> list[dict[str, Any]]:
    return [{"timestamp": int(1000 * (start + i)), "message": line} for i, line in enumerate(lines)]


def test_a_log_is_dated_and_goes_on_where_it_was(tmp_path: Path) -> None:
    log = KeptLog(tmp_path / "a")
    log.add(events("one", "two"), "stream", "f/2")
    again = KeptLog(tmp_path / "a")
    assert (again.stream, again.token, again.size) == ("stream", "f/2", 8)
    again.add(events("three", start=102.0), "stream", "f/3")
    chunk = again.read(4, 100)
    assert (chunk.data, chunk.times) == (b"two\nthree\n", [(8, 101.0), (14, 102.0)])
    assert again.length_at(101.5) == 8
    assert again.read(14, 100).data == b""


def test_what_was_written_without_its_cursor_is_written_again(tmp_path: Path) -> None:
    log = KeptLog(tmp_path / "a")
    log.add(events("one"), "stream", "f/1")
    cursor = (tmp_path / "a" / CURSOR).read_text()
    log.add(events("two", start=101.0), "stream", "f/2")
    (tmp_path / "a" / CURSOR).write_text(cursor)  # as if killed before it was replaced
    again = KeptLog(tmp_path / "a")
    again.add(events("TWO", start=101.0), "stream", "f/2")
    assert again.read(0, 100).data == b"one\nTWO\n"


@pytest.mark.parametrize(
    "damage", ["", "{", json.dumps({"size": 99, "dates": 1, "stream": "s", "token": "t"})]
)
def test_a_damaged_cursor_begins_afresh(tmp_path: Path, damage: str) -> None:
    log = KeptLog(tmp_path / "a")
    log.add(events("one"), "stream", "f/1")
    (tmp_path / "a" / CURSOR).write_text(damage)
    assert (KeptLog(tmp_path / "a").size, KeptLog(tmp_path / "a").token) == (0, None)


def test_clocks_that_differ_are_reckoned_with(tmp_path: Path) -> None:
    log = KeptLog(tmp_path / "a")
    log.add(events("one"), "stream", "f/1", lead=300.0)
    assert log.read(0, 10).times == [(4, 400.0)]


# -- what a job may ask for


def problems(tmp_path: Path, environment: dict[str, str] | None = None, **changes: Any) -> str:
    request = json.loads(job_file(tmp_path, Environment=environment, **changes).read_text())
    read = read_request(request, base_dir=tmp_path, check_paths=False)
    with pytest.raises(ValidationError) as caught:
        check(read.config, read.request, {})
    return str(caught.value)


def test_a_job_for_the_service_passes(tmp_path: Path) -> None:
    request = json.loads(job_file(tmp_path).read_text())
    read = read_request(request, base_dir=tmp_path, check_paths=False)
    assert check(read.config, read.request, {}) == [
        "training jobs run in SageMaker, which bills their instances"
    ]
    without = replace(
        read.config, definition=replace(read.config.definition, checkpoint_uri=None, max_runtime_seconds=None)
    )
    assert "begin anew" in check(without, read.request, {})[1]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"RoleArn": None}, "RoleArn: is missing, and SageMaker acts with it; give the ARN"),
        ({"OutputDataConfig": {"S3OutputPath": "out"}}, "is on this host; give an s3:// URI"),
        ({"CheckpointConfig": {"S3Uri": "checkpoints"}}, "CheckpointConfig.S3Uri"),
        ({"ResourceConfig": None}, "ResourceConfig"),
        (
            {"ResourceConfig": {"InstanceType": "local", "InstanceCount": 1, "VolumeSizeInGB": 1}},
            "'local' is no type of SageMaker; use one such as ml.m5.large",
        ),
        ({"environment": {"HPT_GRACE_SECONDS": "5"}}, "SageMaker gives a stopped program 120 s, not 5"),
        ({"environment": {"HPT_CONTAINERS": "never"}}, "every image runs in a container there; leave it out"),
        ({"environment": {"HPT_PYTHON": "python3"}}, "the interpreter is that of the image"),
        ({"environment": {"HPT_GPUS_PER_JOB": "1"}}, "choose an InstanceType"),
        (
            {
                "InputDataConfig": [
                    {
                        "ChannelName": "train",
                        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "data"}},
                    }
                ]
            },
            "copy it to S3",
        ),
        (
            {
                "AlgorithmSpecification": {
                    "TrainingImage": "./train.py",
                    "TrainingInputMode": "File",
                    "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}],
                }
            },
            "is a program of this host; name an image of a registry",
        ),
    ],
)
def test_what_has_no_meaning_there_is_refused_with_the_fix(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    assert says in problems(tmp_path, **changes)


def test_functions_are_refused(tmp_path: Path) -> None:
    read = read_request(json.loads(job_file(tmp_path).read_text()), base_dir=tmp_path, check_paths=False)
    function = replace(read.config.definition, training_image=FUNCTION_WORKER, hyperparameters={})
    with pytest.raises(ValidationError, match="is a Python function, whose workers stay warm on this host"):
        check(replace(read.config, definition=function), read.request, {})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"keep_alive": "0"}, "keep_alive '0' is not an integer from 1 to 3600"),
        ({"role": "admin"}, "role 'admin' is no ARN"),
        ({"interval": "soon"}, "interval 'soon' is not a number above 0"),
    ],
)
def test_options_are_checked(given: dict[str, str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        options_of(given)
