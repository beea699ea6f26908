"""No refusal names a place of the machine or something to type there, whatever it is about."""

from __future__ import annotations

import copy
import re
import resource
import signal
import sqlite3
import sys
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import hpt
from hpt.errors import DependencyError, JobExistsError
from hpt.job.limits import DEFAULT_LIMITS
from hpt.job.notes import STOP
from hpt.job.state import JobState
from hpt.running.session import Session
from hpt.sagemaker.request import model, surroundings
from hpt.sagemaker.request.parse import parse_request
from hpt.search import events as ev
from hpt.search.trial import ObjectiveType, TrialStatus
from hpt.service import errors
from hpt.service.api import OPERATIONS, Service
from hpt.service.errors import ServiceError
from tests.client.conftest import Desk

COMMANDS = re.compile(
    r"\bhpt (tune|resume|list|describe|trials|stop|check-metric|simulate)\b|--[a-z]|\$HPT_HOME|\bpip\b|chmod|"
    r"aws configure"
)
PROGRAM = Path(__file__).parent.parent / "programs" / "counted.py"


class Walk:
    """Asks a service, and looks at every refusal."""

    def __init__(self, root: Path) -> None:
        self.root, self.state = root, root / "home" / "state"
        self.session = Session(self.state)
        self.service = Service(self.state, limits=replace(DEFAULT_LIMITS, open_jobs=3))
        self.secrets = [
            *(str(self.state), str(root / "home"), str(root / "cwd"), str(root)),
            *(sys.executable, sysconfig.get_path("purelib"), str(Path(hpt.__file__).parent)),
        ]
        self.codes: list[str] = []

    def refused(self, operation: str, *, service: Service | None = None, **request: Any) -> str:
        with pytest.raises(ServiceError) as raised:
            (service or self.service).call(operation, request)
        said = str(raised.value)
        assert said
        told = [secret for secret in self.secrets if secret in said]
        assert not told and not COMMANDS.search(said), said
        self.codes.append(raised.value.code)
        return said

    def create(self, **changes: Any) -> str:
        return self.refused("CreateHyperParameterTuningJob", **self.request(**changes))

    def request(self, name: str = "job", **changes: Any) -> dict[str, Any]:
        """A request that is good but for the changes, by path; it names no place of this machine's."""
        request = copy.deepcopy(Desk.request(self, name))  # type: ignore[arg-type]
        definition = request["TrainingJobDefinition"]
        del definition["OutputDataConfig"], definition["Environment"]
        definition["AlgorithmSpecification"]["TrainingImage"] = "./train.py"
        for path, value in changes.items():
            target = request
            *steps, last = path.split("__")
            for step in steps:
                target = target.setdefault(step, {})
            target[last] = value
        return request

    def store(self, name: str, *events: ev.Event) -> None:
        self.session.create(parse_request(self.request(name)))
        if events:
            summary = JobState.fold(ObjectiveType.MINIMIZE, 1.0, events).summary()
            lease = self.session.storage.acquire(name)
            self.session.storage.append(lease, events, summary)
            self.session.storage.release(lease)

    def tamper(self, name: str, statement: str) -> None:
        connection = sqlite3.connect(self.state / name / "job.sqlite")
        with connection:
            connection.execute(statement)
        connection.close()


@pytest.fixture
def walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Walk]:
    for folder in ("home", "cwd"):
        (tmp_path / folder).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "cwd")
    (tmp_path / "cwd" / "train.py").write_text(PROGRAM.read_text())
    walk = Walk(tmp_path)
    yield walk
    walk.service.close()
    walk.session.close()


ENDED = (
    ev.TrialCreated(1.0, 1, {"x": 0.5, "depth": 3, "kind": "b"}, "ended-001-00000001"),
    ev.AttemptCreated(1.0, 1, 1),
    ev.TrialEnded(2.0, 1, TrialStatus.COMPLETED, 0.5, "Completed"),
    ev.JobEnded(2.0, "Completed", "MaxNumberOfTrainingJobs", ""),
)
NAMED = {
    "DescribeHyperParameterTuningJob": "HyperParameterTuningJobName",
    "StopHyperParameterTuningJob": "HyperParameterTuningJobName",
    "DeleteHyperParameterTuningJob": "HyperParameterTuningJobName",
    "ListTrainingJobsForHyperParameterTuningJob": "HyperParameterTuningJobName",
    "DescribeTrainingJob": "TrainingJobName",
    "StopTrainingJob": "TrainingJobName",
}
LISTS = ("ListHyperParameterTuningJobs", "ListTrainingJobs")


def test_requests_of_no_shape(walk: Walk) -> None:
    walk.refused("ListModels")
    for operation in OPERATIONS:
        walk.refused(operation, Extra=1)
        for member in ("HyperParameterTuningJobName", "ResourceArn", "MaxResults", "Resource"):
            walk.refused(operation, **{member: [walk]})
    for operation in LISTS:
        for request in ({"MaxResults": 101}, {"SortBy": "Age"}, {"NextToken": "made up"}):
            walk.refused(operation, **request)
    slow = Service(walk.state, limits=replace(DEFAULT_LIMITS, requests_per_second=1.0), clock=lambda: 0.0)
    slow.call("ListTrainingJobs", {})
    walk.refused("ListTrainingJobs", service=slow)
    assert set(walk.codes) == {"UnknownOperationException", "ValidationException", "ThrottlingException"}


def test_what_does_not_exist(walk: Walk) -> None:
    for operation, member in NAMED.items():
        for name in ("none", "none-001-00000000"):
            walk.refused(operation, **{member: name})
    for arn in ("../etc/passwd", "hyper-parameter-tuning-job/none", "training-job/a-001-00000000", "a\0b"):
        resource = arn if "/" not in arn or ".." in arn else f"arn:aws:sagemaker:local:000000000000:{arn}"
        walk.refused("ListTags", ResourceArn=resource)
        walk.refused("AddTags", ResourceArn=resource, Tags=[{"Key": "a", "Value": "b"}])
        walk.refused("DeleteTags", ResourceArn=resource, TagKeys=["a"])
    assert "ResourceNotFound" in walk.codes


def test_requests_that_break_rules(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    image = "TrainingJobDefinition__AlgorithmSpecification__TrainingImage"
    output = "TrainingJobDefinition__OutputDataConfig"
    cwd = walk.root / "cwd"
    (cwd / "plain").write_text("#!/bin/sh")
    (cwd / "folder").mkdir()
    for program in ("./gone.py", "~/gone.py", "./plain", "./folder", "./" + "x" * 300, "xgbost", "image:1"):
        walk.create(**{image: program})
    for place in ("./plain", "./plain/below", "~/../cwd/plain/x", "ftp://x/y", "s3://"):
        walk.create(**{output: {"S3OutputPath": place}})
    for uri in ("./gone", "~/gone", "file://gone", "./plain/x", "s3:///x"):
        channel = {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": uri}}}
        walk.create(TrainingJobDefinition__InputDataConfig=[channel])
    walk.create(TrainingJobDefinition__CheckpointConfig={"S3Uri": "./plain"})
    walk.create(HyperParameterTuningJobConfig__ParameterRanges={}, Autotune={"Mode": "Enabled"})
    walk.create(HyperParameterTuningJobConfig__Strategy="Grid")
    walk.create(HyperParameterTuningJobConfig__ResourceLimits={"MaxParallelTrainingJobs": 11})
    walk.create(TrainingJobDefinition__InputDataConfig=[{"ChannelName": "a", "ShuffleConfig": {"Seed": 1}}])
    walk.create(Tags=[{"Key": "a", "Value": ""}] * 2)
    monkeypatch.setattr(surroundings, "find_spec", lambda name: None)
    said = walk.create(**{image: "xgboost"})
    assert "not installed" in said
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    config = walk.root / "home" / "broken"
    for content in ("[default]\nregion = eu-west-1\n", "no section\n[", None):
        config.write_text(content) if content is not None else config.unlink()
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        walk.create(**{output: {"S3OutputPath": "s3://bucket/models"}})
    assert set(walk.codes) <= {"ValidationException", "ResourceLimitExceeded"}


def test_stored_jobs_in_the_way(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    walk.store("ended", *ENDED)
    for name in ("one", "two", "three"):
        walk.store(name)
    walk.create(name="ONE")
    walk.create(name="four")
    assert walk.codes == ["ResourceInUse", "ResourceLimitExceeded"]
    for parent in ("none", "one", "ended"):
        start = {
            "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": parent}],
            "WarmStartType": "IdenticalDataAndAlgorithm",
        }
        walk.create(
            WarmStartConfig=start,
            TrainingJobDefinition__InputDataConfig=[],
            TrainingJobDefinition__RoleArn="x",
        )
    walk.refused("DeleteHyperParameterTuningJob", HyperParameterTuningJobName="one")
    walk.refused("StopHyperParameterTuningJob", HyperParameterTuningJobName="ended")
    walk.refused("StopTrainingJob", TrainingJobName="ended-001-00000001")
    monkeypatch.setattr("hpt.service.kept.DELETE_SECONDS", 0.1)
    lease = walk.session.storage.acquire("ended")
    said = walk.refused("DeleteHyperParameterTuningJob", HyperParameterTuningJobName="ended")
    assert walk.codes[-1] == "ResourceInUse" and "in use" in said
    walk.session.storage.release(lease)
    arn = "arn:aws:sagemaker:local:000000000000:hyper-parameter-tuning-job/ended"
    walk.refused("AddTags", ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}])
    for path in ("CreationTime", "HyperParameterTuningJobName"):
        for operator in ("GreaterThan", "Exists", "Contains", "In"):
            filters = [{"Name": path, "Operator": operator, "Value": "yesterday"}] * 2
            request = {"Resource": "HyperParameterTuningJob", "SearchExpression": {"Filters": filters}}
            if operator in ("Exists", "Contains") or (path == "CreationTime" and operator != "In"):
                walk.refused("Search", **request)
    walk.refused("Search", Resource="Endpoint")

    def taken(*_: object, **__: object) -> None:  # by another service, between the look and the storing
        raise JobExistsError("taken", name="late", root=str(walk.state))

    walk.session.storage.add_note("one", STOP)
    walk.service._context.session.create = taken  # type: ignore[method-assign, assignment]
    roomy = Service(walk.state)
    roomy._context.session.create = taken  # type: ignore[method-assign, assignment]
    assert "'late' exists" in walk.refused(
        "CreateHyperParameterTuningJob", service=roomy, **walk.request(name="late")
    )


DAMAGES: dict[str, Callable[[Walk], object]] = {
    "no database": lambda walk: (walk.state / "ended" / "job.sqlite").write_bytes(b"no database " * 500),
    "cut short": lambda walk: (walk.state / "ended" / "job.sqlite").write_bytes(
        (walk.state / "ended" / "job.sqlite").read_bytes()[:5000]
    ),
    "newer schema": lambda walk: walk.tamper("ended", "PRAGMA user_version = 99"),
    "newer event": lambda walk: walk.tamper("ended", "INSERT INTO event VALUES (9, 1.0, 'Teleported', '{}')"),
    "newer document": lambda walk: walk.tamper("ended", "UPDATE job SET document = '{\"format\": 99}'"),
    "wrong event": lambda walk: walk.tamper(
        "ended", "INSERT INTO event SELECT 9, time, kind, body FROM event WHERE seq = 1"
    ),
    "a folder": lambda walk: (
        (walk.state / "ended" / "job.sqlite").unlink(),
        (walk.state / "ended" / "job.sqlite").mkdir(),
    ),
    "no table": lambda walk: walk.tamper("ended", "DROP TABLE event"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_state_that_cannot_be_read(walk: Walk, damage: str) -> None:
    walk.store("ended", *ENDED)
    walk.store("good")
    DAMAGES[damage](walk)
    for operation in ("DescribeHyperParameterTuningJob", "ListTrainingJobsForHyperParameterTuningJob"):
        walk.refused(operation, HyperParameterTuningJobName="ended")
    walk.refused("DescribeTrainingJob", TrainingJobName="ended-001-00000001")
    assert set(walk.codes) == {"InternalFailure"}
    parent = [{"HyperParameterTuningJobName": "ended"}]
    walk.create(
        WarmStartConfig={"ParentHyperParameterTuningJobs": parent, "WarmStartType": "TransferLearning"}
    )
    listed = walk.service.call("ListTrainingJobs", {})
    assert listed == {"TrainingJobSummaries": []}
    names = {
        each["HyperParameterTuningJobName"]
        for each in walk.service.call("ListHyperParameterTuningJobs", {})["HyperParameterTuningJobSummaries"]
    }
    assert names >= {"good"}


@pytest.mark.slow
def test_a_disk_that_takes_nothing(walk: Walk) -> None:
    walk.store("ended", *ENDED)
    walk.store("open")
    arn = "arn:aws:sagemaker:local:000000000000:hyper-parameter-tuning-job/open"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        walk.create(name="more")
        walk.refused("StopHyperParameterTuningJob", HyperParameterTuningJobName="open")
        walk.refused("DeleteHyperParameterTuningJob", HyperParameterTuningJobName="ended")
        walk.refused("AddTags", ResourceArn=arn, Tags=[{"Key": "a", "Value": "b" * 250}])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, former)
    assert set(walk.codes) == {"InternalFailure"}
    assert walk.service.call("ListTags", {"ResourceArn": arn}) == {"Tags": []}


def test_a_runner_that_cannot_be_started(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("sys.executable", str(walk.root / "no python"))
        assert "no process could be started" in walk.create(name="never")
        walk.store("open")
        walk.refused("StopHyperParameterTuningJob", HyperParameterTuningJobName="open")
    (walk.state / "open" / "runner.log").unlink(missing_ok=True)
    (walk.state / "open" / "runner.log").mkdir()
    walk.refused("StopHyperParameterTuningJob", HyperParameterTuningJobName="open")
    assert set(walk.codes) == {"InternalFailure"}


def test_a_state_directory_that_is_none(walk: Walk) -> None:
    walk.service.close()
    (walk.state).parent.mkdir(exist_ok=True)
    walk.state.write_text("")
    walk.create(name="nowhere")
    assert walk.service.call("ListTrainingJobs", {}) == {"TrainingJobSummaries": []}


def test_a_library_that_is_missing(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    model.load_shapes.cache_clear()
    try:
        monkeypatch.setattr(model, "find_spec", lambda name: None)
        walk.refused("ListTrainingJobs")
        monkeypatch.undo()
        monkeypatch.setattr(model, "VERSION", "1999-01-01")
        walk.refused("ListTrainingJobs")
        with pytest.raises(DependencyError) as raised:
            model.load_shapes()
        assert raised.value.path.endswith("1999-01-01")
    finally:
        monkeypatch.undo()
        model.load_shapes.cache_clear()


def test_every_error_has_an_answer() -> None:
    """Also those that no request is known to provoke."""
    for error in (
        errors.StateDirectoryError("/secret", "is a file"),
        errors.ExecutorError("no process could be started"),
        errors.HptError("/secret"),
    ):
        answer = errors.as_refusal(error)
        assert answer.code == "InternalFailure" and answer.status == 500 and "/secret" not in str(answer)
