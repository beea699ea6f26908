"""Training jobs of SageMaker, run by a double of the service that starts their programs as processes."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpt.errors import BusyError, ExecutorError, RetryableError
from hpt.executors.base import Executor, Exit, Submission
from hpt.fleet.sagemaker_executor import SageMakerExecutor
from hpt.fleet.training_jobs.calls import Calls
from hpt.fleet.training_jobs.request import Options
from hpt.job.config import Objective, TrainingJobDefinition
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.trial import ObjectiveType
from hpt.testing.executors import Attempt, ExecutorSuite, Make
from tests.fleet.double.sagemaker import IMAGE, REGION, ROLE, SageMakerDouble

pytest.importorskip("moto")

pytestmark = pytest.mark.slow

BODY: dict[str, Any] = {
    "TrainingJobDefinition": {
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/models"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
    }
}


@pytest.fixture
def double(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SageMakerDouble]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with SageMakerDouble(tmp_path / "machines").serve() as double:
        monkeypatch.setenv("AWS_ENDPOINT_URL", double.url)
        client = double.s3()
        client.create_bucket(Bucket="bucket")
        yield double
        for entry in client.list_objects_v2(Bucket="bucket").get("Contents", ()):
            client.delete_object(Bucket="bucket", Key=entry["Key"])


@pytest.fixture
def make_executor(double: SageMakerDouble, tmp_path: Path) -> Iterator[Callable[..., SageMakerExecutor]]:
    made: list[SageMakerExecutor] = []
    calls = Calls(log_pause=0.0)

    def make(**options: Any) -> SageMakerExecutor:
        options = {"interval": 0.03, "settle": 0.15, "calls": calls, **options}
        executor = SageMakerExecutor(tmp_path / f"host-{len(made)}" / "trials", BODY, Options(), **options)
        made.append(executor)
        return executor

    yield make
    for executor in made:
        executor.close()


def put_script(double: SageMakerDouble, script: str, name: str) -> str:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        data = f"#!/bin/sh\n{script}\n".encode()
        entry = tarfile.TarInfo("train.sh")
        entry.size, entry.mode = len(data), 0o755
        tar.addfile(entry, io.BytesIO(data))
    double.s3().put_object(Bucket="bucket", Key=f"code/{name}.tar.gz", Body=packed.getvalue())
    return f"s3://bucket/code/{name}.tar.gz"


class TestSageMakerExecutor(ExecutorSuite):
    """Logs are lines of text there, exit codes of stopped programs are not told, and code comes from S3."""

    patience = 30.0

    @pytest.fixture
    def make(self, double: SageMakerDouble, make_executor: Make) -> Make:
        self.double = double
        return make_executor

    def submission(self, tmp_path: Path, script: str, name: str = "job-001", **changes: Any) -> Submission:
        source = put_script(self.double, script, name)
        static = {"sagemaker_program": "train.sh", "sagemaker_submit_directory": source}
        definition = TrainingJobDefinition(
            IMAGE,
            SearchSpace([ContinuousParameter("x", 0, 1)]),
            Objective("m", ObjectiveType.MAXIMIZE),
            hyperparameters=static,
            output_path="s3://bucket/models",
            **changes,
        )
        return Submission(name, 1, {**static, "x": "0.25"}, definition)

    def test_every_offset_is_served_and_every_attempt_found(self, make: Make, tmp_path: Path) -> None:
        submissions = [
            self.submission(tmp_path, f"echo a; echo {number}", f"job-{number:03}") for number in range(3)
        ]
        executor = make()
        started = [self.start(executor, submission) for submission in submissions]
        for other, offsets in ((executor, (0, 0, 0)), (make(), (0, 1, 3)), (make(), (4, 2, 0))):
            attempts = (
                started
                if other is executor
                else [
                    self.start(other, replace(submission, log_offset=offset))
                    for submission, offset in zip(submissions, offsets, strict=True)
                ]
            )
            self.finish_all(other, attempts)
            logs = [f"a\n{number}\n".encode()[offset:] for number, offset in enumerate(offsets)]
            assert [attempt.log for attempt in attempts] == logs

    def finish_all(self, executor: Executor, attempts: list[Attempt]) -> None:
        deadline = time.monotonic() + self.patience
        while any(attempt.exit is None for attempt in attempts):
            for update in executor.poll():
                self.check(update)
                next(attempt for attempt in attempts if attempt.key == update.key).take(update)
            assert time.monotonic() < deadline
            executor.wait(0.1)  # type: ignore[attr-defined]

    def test_a_flood_arrives_whole_and_in_parts(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        attempt = self.start(executor, self.submission(tmp_path, "seq 100000 160000"))
        while attempt.exit is None:
            for update in executor.poll():
                assert len(update.log.data) <= 1 << 18
                self.check(update)
                attempt.take(update)
        assert attempt.log == b"".join(b"%d\n" % number for number in range(100000, 160001))

    test_no_poll_hands_out_all_of_a_flood = None  # a line of 20 MB: the service cuts it
    test_the_exit_waits_for_the_last_byte = None

    def test_a_stop_gives_grace(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        script = "trap 'echo saved; exit 5' TERM; echo ready; while :; do sleep 0.02; done"
        attempt = self.start(executor, self.submission(tmp_path, script))
        self.until_it_says(executor, attempt, b"ready")
        executor.stop(attempt.key)
        executor.stop(attempt.key)
        ended = self.finish(executor, attempt)
        assert (ended.stopped, ended.exit_code, attempt.log) == (True, None, b"ready\nsaved\n")
        executor.stop(attempt.key)

    def test_attempts_of_one_job_are_apart(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        first = self.submission(tmp_path, "echo $TRAINING_JOB_NAME; exit 3")
        attempts = [self.start(executor, replace(first, attempt=number)) for number in (1, 2)]
        self.finish_all(executor, attempts)
        assert [attempt.log for attempt in attempts] == [b"job-001\n", b"job-001-2\n"]

    def test_a_stopped_attempt_says_what_its_checkpoint_holds(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        wait = "trap 'exit 0' TERM; while :; do sleep 0.02; done"
        place = "$SAGEMAKER_BASE_DIR/checkpoints"
        script = f"echo one; sleep 2.2; [ -e {place}/c ] || echo 1 > {place}/c; sleep 2.5; echo two; {wait}"
        offsets = []
        for number in (1, 2):
            submission = self.submission(tmp_path, script, checkpoint_uri="s3://bucket/checkpoints")
            attempt = self.start(executor, replace(submission, attempt=number))
            self.until_it_says(executor, attempt, b"two\n")
            executor.stop(attempt.key)
            offsets.append(self.finish(executor, attempt).checkpoint)
        without = self.start(executor, self.submission(tmp_path, f"echo one; {wait}", "job-002"))
        self.until_it_says(executor, without, b"one\n")
        executor.stop(without.key)
        assert [*offsets, self.finish(executor, without).checkpoint] == [len(b"one\n"), 0, None]

    def test_a_program_that_cannot_run_ends_with_a_reason(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        given = self.submission(tmp_path, "")
        submission = replace(
            given, hyperparameters={**given.hyperparameters, "sagemaker_program": "missing.sh"}
        )
        ended = self.finish(executor, self.start(executor, submission))
        assert (ended.outcome, ended.exit_code != 0) == ("Exited", True)
        assert "AlgorithmError" in ended.reason

    def test_hyperparameters_arrive_as_strings(self, make: Make, tmp_path: Path) -> None:
        executor = make()
        script = 'cat $SAGEMAKER_BASE_DIR/input/config/hyperparameters.json; echo; echo "$SM_HP_X $*"'
        attempt = self.start(executor, self.submission(tmp_path, script))
        self.finish(executor, attempt)
        given, environment = attempt.log.splitlines()
        assert json.loads(given)["x"] == "0.25"
        assert environment.split() == [b"0.25", b"-x", b"0.25"]


BROKEN = "1 validation error detected: Value '' at 'hyperParameters' failed to satisfy constraint"
NO_ROLE = "Could not assume role arn:aws:iam::123456789012:role/none. Please ensure that the role exists."
NO_IMAGE = "Requested image 123456789012.dkr.ecr.us-east-1.amazonaws.com/train:1 not found."


class TestRefusalsOfTheService:
    """No answer, no room or no permission loses no training job."""

    @pytest.fixture
    def submit(self, double: SageMakerDouble, tmp_path: Path) -> Callable[..., Submission]:
        suite = TestSageMakerExecutor()
        suite.double = double
        return lambda script="exit 0", name="job-001", **changes: suite.submission(
            tmp_path, script, name, **changes
        )

    def finish(self, executor: SageMakerExecutor) -> Exit:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with suppress(RetryableError):
                for update in executor.poll():
                    if update.exit is not None:
                        return update.exit
            executor.wait(0.1)
        raise AssertionError("it did not end")

    @pytest.mark.parametrize(
        ("code", "status", "message", "error", "says"),
        [
            ("ThrottlingException", 400, "", RetryableError, "asked too often"),
            ("ServiceUnavailable", 503, "", RetryableError, "ServiceUnavailable"),
            ("ExpiredTokenException", 400, "", RetryableError, "renew them"),
            ("AccessDeniedException", 400, "", RetryableError, "give them the permission"),
            ("ResourceLimitExceeded", 400, "", BusyError, "Service Quotas"),
            ("ValidationException", 400, BROKEN, ExecutorError, "refuses training job job-001: 1 validation"),
            ("ValidationException", 400, NO_ROLE, RetryableError, "job-001: Could not assume.*Correct that"),
            ("ValidationException", 400, NO_IMAGE, RetryableError, "job-001: Requested image.*Correct that"),
        ],
    )
    def test_a_refused_start_says_why(
        self,
        double: SageMakerDouble,
        make_executor: Callable[..., SageMakerExecutor],
        submit: Callable[..., Submission],
        code: str,
        status: int,
        message: str,
        error: type[Exception],
        says: str,
    ) -> None:
        executor, submission = make_executor(), submit()
        double.refuse("create", code, 2, status, message)  # boto3 itself asks twice
        with pytest.raises(error, match=says) as caught:
            executor.submit(submission)
        assert isinstance(caught.value, ExecutorError) == (error is ExecutorError)
        double.refusals.clear()
        executor.submit(submission)
        assert self.finish(executor).exit_code == 0
        assert list(double.jobs) == ["job-001"]

    def test_a_service_that_does_not_answer_loses_no_attempt(
        self,
        double: SageMakerDouble,
        make_executor: Callable[..., SageMakerExecutor],
        submit: Callable[..., Submission],
    ) -> None:
        executor = make_executor()
        for operation in ("list_jobs", "describe", "get_events", "describe_streams"):
            double.refuse(operation, "ThrottlingException", 3)
        executor.submit(submit("echo one; sleep 0.2; exit 3"))
        assert self.finish(executor).exit_code == 3

    def test_a_quota_is_waited_for(
        self,
        double: SageMakerDouble,
        make_executor: Callable[..., SageMakerExecutor],
        submit: Callable[..., Submission],
    ) -> None:
        executor = make_executor()
        double.behaviour.quota = 1
        executor.submit(submit("sleep 0.3"))
        with pytest.raises(BusyError):
            executor.submit(submit(name="job-002"))
        assert self.finish(executor).exit_code == 0
        executor.submit(submit(name="job-002"))
        assert self.finish(executor).exit_code == 0

    def test_a_type_without_capacity_is_left_for_the_next(
        self, double: SageMakerDouble, tmp_path: Path, submit: Callable[..., Submission]
    ) -> None:
        definition = {
            key: value for key, value in BODY["TrainingJobDefinition"].items() if key != "ResourceConfig"
        }
        types = [{"InstanceType": f"ml.m5.{size}", "InstanceCount": 1} for size in ("large", "xlarge")]
        definition["HyperParameterTuningResourceConfig"] = {"VolumeSizeInGB": 5, "InstanceConfigs": types}
        said: list[str] = []
        executor = SageMakerExecutor(
            tmp_path / "trials",
            {"TrainingJobDefinition": definition},
            Options(),
            say=said.append,
            interval=0.03,
            settle=0.1,
        )
        double.behaviour.no_capacity.add("ml.m5.large")
        submission = submit()
        executor.submit(submission)
        assert self.finish(executor).outcome == "Preempted"
        assert "no capacity of ml.m5.large" in said[-1]
        executor.submit(replace(submission, attempt=2))
        assert self.finish(executor).exit_code == 0
        assert double.jobs["job-001-2"].request["ResourceConfig"]["InstanceType"] == "ml.m5.xlarge"
        executor.close()
        assert said[-1].startswith("SageMaker bills ")

    def test_a_name_of_another_job_is_refused(
        self,
        double: SageMakerDouble,
        make_executor: Callable[..., SageMakerExecutor],
        submit: Callable[..., Submission],
    ) -> None:
        make_executor().submit(submit("sleep 0.1"))
        other = replace(submit("sleep 0.1"), job="another")
        with pytest.raises(ExecutorError, match="job-001 of another configuration"):
            make_executor().submit(other)

    def test_a_stop_from_outside_ends_the_training_job(
        self,
        double: SageMakerDouble,
        make_executor: Callable[..., SageMakerExecutor],
        submit: Callable[..., Submission],
    ) -> None:
        executor = make_executor()
        executor.submit(submit("sleep 30"))
        double.stop({"TrainingJobName": "job-001"})
        ended = self.finish(executor)
        assert (ended.stopped, ended.by_user, ended.outcome) == (True, True, "Exited")

    def test_the_request_has_what_the_service_needs(
        self,
        double: SageMakerDouble,
        make_executor: Callable[..., SageMakerExecutor],
        submit: Callable[..., Submission],
    ) -> None:
        submission = submit(
            spot=True,
            max_runtime_seconds=100.0,
            max_wait_seconds=200.0,
            checkpoint_uri="s3://bucket/checkpoints",
            environment={"MODE": "fast", "HPT_CONTAINERS": "auto"},
        )
        executor = make_executor()
        body = {**BODY["TrainingJobDefinition"], "EnableManagedSpotTraining": True}
        vpc = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
        executor._bodies = {None: {**body, "VpcConfig": vpc}}
        executor.submit(replace(submission, spent=30.5))
        request = double.jobs["job-001"].request
        assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 70, "MaxWaitTimeInSeconds": 200}
        assert request["CheckpointConfig"]["S3Uri"] == "s3://bucket/checkpoints/job-001"
        assert request["VpcConfig"] == vpc
        assert request["RoleArn"] == ROLE
        assert request["Environment"] == {"MODE": "fast"}
        tags = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
        assert (tags["hpt:training-job"], tags["hpt:attempt"]) == ("job-001", "1")

    def test_an_interrupted_attempt_is_followed_by_the_next_run(
        self,
        double: SageMakerDouble,
        make_executor: Callable[..., SageMakerExecutor],
        submit: Callable[..., Submission],
    ) -> None:
        executor = make_executor()
        limits = {"spot": True, "max_runtime_seconds": 60.0, "max_wait_seconds": 90.0}
        submission = submit("echo ready; sleep 30", **limits)
        executor._bodies = {None: {**BODY["TrainingJobDefinition"], "EnableManagedSpotTraining": True}}
        executor.submit(submission)
        self.wait_for(executor, b"ready")
        double.interrupt("job-001")
        assert self.finish(executor).outcome == "Preempted"
        again = replace(submission, attempt=2)
        executor.submit(again)
        self.wait_for(executor, b"ready")
        other = make_executor()
        other.stop(again.key)  # by another process
        assert self.finish(executor).stopped
        assert list(double.jobs) == ["job-001"]

    def test_a_run_that_nobody_goes_on_with_is_stopped(
        self,
        double: SageMakerDouble,
        make_executor: Callable[..., SageMakerExecutor],
        submit: Callable[..., Submission],
    ) -> None:
        executor = make_executor()
        executor._bodies = {None: {**BODY["TrainingJobDefinition"], "EnableManagedSpotTraining": True}}
        executor.submit(submit("echo ready; sleep 30", spot=True, max_runtime_seconds=60.0))
        self.wait_for(executor, b"ready")
        double.behaviour.no_capacity.add("ml.m5.large")
        double.interrupt("job-001")
        assert self.finish(executor).outcome == "Preempted"
        executor.close()
        deadline = time.monotonic() + 20
        while double.jobs["job-001"].status == "InProgress":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert double.jobs["job-001"].secondary == "Stopped"

    def wait_for(self, executor: SageMakerExecutor, output: bytes) -> None:
        deadline, log = time.monotonic() + 30, b""
        while output not in log:
            assert time.monotonic() < deadline
            for update in executor.poll():
                log += update.log.data
            executor.wait(0.05)
