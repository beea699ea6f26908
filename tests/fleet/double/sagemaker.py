"""A double of SageMaker's training jobs and of CloudWatch Logs, which really runs the training programs.

It answers the calls that boto3 sends over HTTP, in front of moto, which is S3. A training job goes through
the statuses of the service, with delays; its program runs as a process of this machine, on a "machine" whose
disk is gone after each interruption, with checkpoints copied to S3 as it goes. It can be told to refuse
calls, to have a quota, or no capacity, and to take Spot capacity away.
"""

from __future__ import annotations

import json
import random
import shutil
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import boto3
from botocore.session import get_session
from botocore.validate import ParamValidator
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from hpt.executors.base import AttemptKey, Exit, Submission
from hpt.executors.local import LocalExecutor
from hpt.executors.s3_source import split_uri
from hpt.job.config import Channel, Objective, TrainingJobDefinition
from hpt.job.program_kind import PROGRAM_KEY, SOURCE_KEY, unquoted
from hpt.search.space import SearchSpace
from hpt.search.trial import ObjectiveType
from tests.fleet.double.service import Behaviour, Job, Refusal, Stream

ACCOUNT, REGION = "123456789012", "us-east-1"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/train:1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/train"
_ENDED = ("Completed", "Failed", "Stopped")
_OPERATIONS = {
    "SageMaker.CreateTrainingJob": "create",
    "SageMaker.DescribeTrainingJob": "describe",
    "SageMaker.ListTrainingJobs": "list_jobs",
    "SageMaker.StopTrainingJob": "stop",
    "SageMaker.ListTags": "list_tags",
    "Logs_20140328.DescribeLogStreams": "describe_streams",
    "Logs_20140328.GetLogEvents": "get_events",
}


class SageMakerDouble:
    """The service. directory: of the machines. calls: how often each operation was asked for."""

    def __init__(self, directory: Path, behaviour: Behaviour | None = None) -> None:
        self.directory = directory
        self.behaviour = behaviour or Behaviour()
        self.jobs: dict[str, Job] = {}
        self.streams: dict[str, Stream] = {}
        self.calls: Counter[str] = Counter()
        self.refusals: dict[str, list[Refusal]] = defaultdict(list)
        self.interruptions = 0
        self._lock = threading.RLock()
        self._random = random.Random(self.behaviour.seed)
        self._threads: list[threading.Thread] = []
        self._closed = False
        self.url = ""
        model = get_session().get_service_model("sagemaker")
        self._shape = model.operation_model("CreateTrainingJob").input_shape

    # -- HTTP

    @contextmanager
    def serve(self) -> Iterator[SageMakerDouble]:
        from moto.server import DomainDispatcherApplication, create_backend_app

        moto = DomainDispatcherApplication(create_backend_app)

        def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            operation = _OPERATIONS.get(environ.get("HTTP_X_AMZ_TARGET", ""))
            if operation is None:
                return moto(environ, start)
            return self._answer(operation, Request(environ))(environ, start)

        server = make_server("127.0.0.1", 0, application, threaded=True)
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.close()
            server.shutdown()

    def close(self) -> None:
        """End everything that runs."""
        self._closed = True
        for thread in self._threads:
            thread.join(20)

    def s3(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="double",
            aws_secret_access_key="double",
        )

    def refuse(self, operation: str, code: str, times: int = 1, status: int = 400, message: str = "") -> None:
        """Answer the next calls of an operation with an error."""
        self.refusals[operation] += [Refusal(code, message or f"{code} of the double", status)] * times

    def _answer(self, operation: str, request: Request) -> Response:
        body = json.loads(request.get_data() or b"{}")
        try:
            with self._lock:
                self.calls[operation] += 1
                if self.refusals[operation]:
                    raise self.refusals[operation].pop(0)
                content = getattr(self, operation)(body)
        except Refusal as refusal:
            content = {"__type": refusal.code, "message": refusal.message}
            return _response(content, refusal.status)
        return _response(content, 200)

    # -- operations

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        report = ParamValidator().validate(body, self._shape)
        if report.has_errors():
            raise Refusal("ValidationException", report.generate_report())
        name = body["TrainingJobName"]
        resources = body["ResourceConfig"]
        if len(name) > 63 or not body["RoleArn"].startswith("arn:aws:iam::"):
            raise Refusal("ValidationException", f"{name} or its RoleArn is not valid")
        if body.get("EnableManagedSpotTraining"):
            stopping = body["StoppingCondition"]
            if stopping.get("MaxWaitTimeInSeconds", 0) < stopping["MaxRuntimeInSeconds"]:
                raise Refusal("ValidationException", "MaxWaitTimeInSeconds is below MaxRuntimeInSeconds")
        if name in self.jobs:
            raise Refusal(
                "ResourceInUse", "Training job names must be unique within an AWS account and region"
            )
        running = sum(job.status not in _ENDED for job in self.jobs.values())
        if self.behaviour.quota is not None and running >= self.behaviour.quota:
            raise Refusal(
                "ResourceLimitExceeded",
                f"The account-level service limit '{resources.get('InstanceType')} for training job usage' "
                f"is {self.behaviour.quota} Instances",
            )
        job = self.jobs[name] = Job(body, time.time())
        self._enter(job, "Starting")
        thread = threading.Thread(target=self._run, args=(job,), daemon=True)
        self._threads.append(thread)
        thread.start()
        return {"TrainingJobArn": _arn(name)}

    def describe(self, body: dict[str, Any]) -> dict[str, Any]:
        job = self._job(body["TrainingJobName"])
        request = {key: value for key, value in job.request.items() if key != "Tags"}
        running = [each for each in job.transitions if each["Status"] == "Training"]
        found = {
            **request,
            "TrainingJobArn": _arn(job.name),
            "TrainingJobStatus": job.status,
            "SecondaryStatus": job.secondary,
            "CreationTime": job.created,
            "LastModifiedTime": job.modified,
            "SecondaryStatusTransitions": job.transitions,
            "ModelArtifacts": {"S3ModelArtifacts": job.model},
        }
        if running:
            found["TrainingStartTime"] = running[0]["StartTime"]
        if job.status in _ENDED:
            found |= {"TrainingEndTime": job.ended, "TrainingTimeInSeconds": round(job.trained)}
            found["BillableTimeInSeconds"] = self.charged(job.name)
        if job.reason:
            found["FailureReason"] = job.reason
        return found

    def charged(self, name: str) -> int:
        """Seconds that are charged for a training job that ended."""
        job = self._job(name)
        share = 0.3 if job.request.get("EnableManagedSpotTraining") else 1.0
        return max(1, round(share * job.trained))

    def list_jobs(self, body: dict[str, Any]) -> dict[str, Any]:
        after = body.get("LastModifiedTimeAfter", 0.0)
        found = [
            job
            for job in self.jobs.values()
            if body.get("NameContains", "") in job.name
            and job.modified > after
            and body.get("StatusEquals", job.status) == job.status
        ]
        found.sort(key=lambda job: -job.created)
        start, size = int(body.get("NextToken", 0)), body.get("MaxResults", 10)
        page = [
            {
                "TrainingJobName": job.name,
                "TrainingJobArn": _arn(job.name),
                "CreationTime": job.created,
                "LastModifiedTime": job.modified,
                "TrainingJobStatus": job.status,
            }
            for job in found[start : start + size]
        ]
        more = {"NextToken": str(start + size)} if start + size < len(found) else {}
        return {"TrainingJobSummaries": page, **more}

    def stop(self, body: dict[str, Any]) -> dict[str, Any]:
        job = self._job(body["TrainingJobName"])
        if job.status in _ENDED:
            raise Refusal(
                "ValidationException", f"The request was rejected because it is in status {job.status}."
            )
        job.wanted = "stop"
        return {}

    def list_tags(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"Tags": self._job(body["ResourceArn"].rpartition("/")[2]).request.get("Tags", [])}

    def describe_streams(self, body: dict[str, Any]) -> dict[str, Any]:
        prefix = body["logStreamNamePrefix"]
        if not self.streams:
            raise Refusal("ResourceNotFoundException", "The specified log group does not exist.")
        found = [
            {"logStreamName": name, "creationTime": int(stream.created * 1000)}
            for name, stream in sorted(self.streams.items())
            if name.startswith(prefix)
        ]
        return {"logStreams": found}

    def get_events(self, body: dict[str, Any]) -> dict[str, Any]:
        stream = self.streams.get(body["logStreamName"])
        if stream is None:
            raise Refusal("ResourceNotFoundException", "The specified log stream does not exist.")
        start = int(body.get("nextToken", "f/0").removeprefix("f/"))
        now, events, size = time.time(), [], 0
        for seconds, message in stream.events[start:]:
            size += len(message) + 26
            if seconds > now - self.behaviour.lag or len(events) == 10_000 or size > 1 << 20:
                break
            events.append(
                {"timestamp": int(seconds * 1000), "message": message, "ingestionTime": int(now * 1000)}
            )
        token = f"f/{start + len(events)}"
        return {"events": events, "nextForwardToken": token, "nextBackwardToken": f"b/{start}"}

    # -- the life of a training job

    def interrupt(self, name: str) -> None:
        """Take the Spot instance of a training job away."""
        self.jobs[name].wanted = "interrupt"

    def _job(self, name: str) -> Job:
        if name not in self.jobs:
            raise Refusal("ValidationException", f"Requested resource not found: {name}")
        return self.jobs[name]

    def _enter(self, job: Job, secondary: str, message: str = "") -> None:
        with self._lock:
            now = time.time()
            if job.transitions:
                job.transitions[-1]["EndTime"] = now
            job.transitions.append(
                {"Status": secondary, "StartTime": now, "StatusMessage": message or secondary}
            )
            job.secondary, job.modified = secondary, now

    def _end(self, job: Job, status: str, secondary: str = "", reason: str = "") -> None:
        with self._lock:
            job.reason, job.ended = reason, time.time()
            self._enter(job, secondary or status, reason)
            job.status = status

    def _pause(self, job: Job, seconds: float) -> bool:
        """Wait; False if the job is to stop."""
        until = time.time() + seconds
        while time.time() < until and job.wanted != "stop" and not self._closed:
            time.sleep(0.01)
        return job.wanted != "stop" and not self._closed

    def _run(self, job: Job) -> None:
        try:
            for number in range(1, 1000):
                if self._segment(job, number):
                    return
        except Exception as error:
            self._end(job, "Failed", reason=f"InternalServerError: the double failed: {error!r}")

    def _segment(self, job: Job, number: int) -> bool:
        """One run; whether the training job has ended."""
        spot = job.request.get("EnableManagedSpotTraining", False)
        kind = job.request["ResourceConfig"].get("InstanceType", "")
        started = time.time()
        while spot and kind in self.behaviour.no_capacity:
            if not self._pause(job, 0.02):
                break
            if time.time() - job.created > job.request["StoppingCondition"]["MaxWaitTimeInSeconds"]:
                self._enter(job, "Stopping")
                self._end(job, "Stopped", "MaxWaitTimeExceeded")
                return True
        if kind in self.behaviour.no_capacity and not spot:
            self._pause(job, self.behaviour.starting)
            self._end(
                job, "Failed", reason="CapacityError: Unable to provision requested ML compute capacity."
            )
            return True
        if not self._pause(job, self.behaviour.starting - (time.time() - started)):
            self._enter(job, "Stopping")
            self._end(job, "Stopped")
            return True
        self._enter(job, "Downloading")
        machine = self.directory / job.name / str(number)
        submission, checkpoints = self._machine(job, machine)
        self._pause(job, self.behaviour.downloading)
        self._enter(job, "Training")
        began = time.time()
        ended = self._train(job, machine, submission, checkpoints, spot)
        job.trained += time.time() - began
        shutil.rmtree(machine / "checkpoints", ignore_errors=True)
        if ended is None:
            self._enter(job, "Interrupted", "Managed spot training interrupted: no capacity")
            self.interruptions += 1
            self._enter(job, "Starting")
            return False
        self._conclude(job, ended, submission)
        return True

    def _conclude(self, job: Job, ended: Exit, submission: Submission) -> None:
        stopped = ended.stopped or ended.timed_out
        if ended.outcome != "Exited":
            return self._end(job, "Failed", reason=f"InternalServerError: {ended.reason}")
        if ended.exit_code != 0 and not stopped:
            reason = f'AlgorithmError: ExecuteUserScriptError:\nExitCode {ended.exit_code}\nErrorMessage ""'
            return self._end(job, "Failed", reason=reason)
        if stopped:
            self._enter(job, "Stopping")
        self._enter(job, "Uploading")
        if ended.model and Path(ended.model).is_file():
            output = job.request["OutputDataConfig"]["S3OutputPath"].rstrip("/")
            place = f"{output}/{job.name}/output/model.tar.gz"
            bucket, key = split_uri(place)
            self.s3().upload_file(ended.model, bucket, key)
            job.model = place
        self._pause(job, self.behaviour.uploading)
        if stopped:
            self._end(job, "Stopped", "MaxRuntimeExceeded" if ended.timed_out else "Stopped")
        else:
            self._end(job, "Completed")
        return None

    def _machine(self, job: Job, machine: Path) -> tuple[Submission, Path | None]:
        """What runs on a fresh machine, with input and checkpoints from S3."""
        request = job.request
        hyperparameters = dict(request.get("HyperParameters", {}))
        machine.mkdir(parents=True)
        if source := unquoted(hyperparameters.get(SOURCE_KEY, "")):
            bucket, key = split_uri(source)
            self.s3().download_file(bucket, key, str(machine / "sourcedir.tar.gz"))
            hyperparameters[SOURCE_KEY] = str(machine / "sourcedir.tar.gz")
        checkpoints = None
        if config := request.get("CheckpointConfig"):
            checkpoints = machine / "checkpoints"
            self._fetch(config["S3Uri"], checkpoints)
        channels = []
        for channel in request.get("InputDataConfig", ()):
            place = machine / "input" / channel["ChannelName"]
            self._fetch(channel["DataSource"]["S3DataSource"]["S3Uri"], place)
            channels.append(Channel(channel["ChannelName"], str(place)))
        definition = TrainingJobDefinition(
            request["AlgorithmSpecification"]["TrainingImage"],
            SearchSpace.nothing(),
            Objective("none", ObjectiveType.MINIMIZE),
            hyperparameters={
                PROGRAM_KEY: hyperparameters.get(PROGRAM_KEY, ""),
                SOURCE_KEY: hyperparameters[SOURCE_KEY],
            },
            channels=tuple(channels),
            environment=request.get("Environment", {}),
            output_path=str(machine / "output"),
            checkpoint_uri=None if checkpoints is None else str(checkpoints),
            checkpoint_local_path=request.get("CheckpointConfig", {}).get("LocalPath", "/opt/ml/checkpoints"),
            max_runtime_seconds=request["StoppingCondition"]["MaxRuntimeInSeconds"],
            grace_seconds=self.behaviour.grace,
            containers="never",
            own_checkpoints=checkpoints is not None,
        )
        return Submission(job.name, 1, hyperparameters, definition, spent=job.trained), checkpoints

    def _train(
        self, job: Job, machine: Path, submission: Submission, checkpoints: Path | None, spot: bool
    ) -> Exit | None:
        """Run the program to its end; None if its instance was taken away."""
        executor = LocalExecutor(machine / "trials", outlive=False)
        executor.submit(submission)
        name = f"{job.name}/algo-1-{int(time.time())}{self._random.randrange(1000):03d}"
        printer = _Printer(self, name)
        mean = self.behaviour.spot
        until = time.time() + self._random.expovariate(1 / mean) if spot and mean else None
        asked, copied = "", 0.0
        copies = (
            {}
            if checkpoints is None
            else {str(path): _state(path) for path in checkpoints.rglob("*") if path.is_file()}
        )  # what came from S3 is there
        while True:
            for update in executor.poll():
                printer.add(update.log.data)
                if update.exit is not None:
                    executor.close()
                    self._copy(job, checkpoints, copies)
                    printer.end()
                    return None if asked == "interrupt" else update.exit
            if until is not None and time.time() > until:
                job.wanted, until = job.wanted or "interrupt", None
            if (job.wanted or self._closed) and not asked:
                asked = job.wanted or "stop"
                hard = self._closed or (asked == "interrupt" and self._random.random() < 0.5)
                if asked == "interrupt":
                    job.wanted = ""
                executor.stop(AttemptKey(job.name, 1), now=hard)
            elif asked == "interrupt" and job.wanted == "stop":
                asked = "stop"
            if time.time() - copied > 0.1:
                self._copy(job, checkpoints, copies)
                copied = time.time()
            time.sleep(0.02)

    def _copy(self, job: Job, checkpoints: Path | None, copies: dict[str, tuple[int, int]]) -> None:
        """Copy changed checkpoints to S3."""
        if checkpoints is None or not checkpoints.exists():
            return
        bucket, prefix = split_uri(job.request["CheckpointConfig"]["S3Uri"])
        for path in sorted(checkpoints.rglob("*")):
            with suppress(FileNotFoundError):
                state = _state(path)
                if not path.is_file() or copies.get(str(path)) == state:
                    continue
                key = f"{prefix.rstrip('/')}/{path.relative_to(checkpoints)}"
                self.s3().put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
                copies[str(path)] = state

    def _fetch(self, uri: str, place: Path) -> None:
        """Copy what is under a prefix to a machine."""
        place.mkdir(parents=True)
        bucket, prefix = split_uri(uri)
        for entry in self.s3().list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ()):
            target = place / entry["Key"][len(prefix) :].lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            self.s3().download_file(bucket, entry["Key"], str(target))


class _Printer:
    """Makes events of lines."""

    def __init__(self, double: SageMakerDouble, name: str) -> None:
        self._double, self._name, self._rest = double, name, b""

    def add(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        while len(self._rest) > 200_000:
            lines.append(self._rest[:200_000])
            self._rest = self._rest[200_000:]
        self._write(lines)

    def end(self) -> None:
        self._write([self._rest] if self._rest else [])

    def _write(self, lines: list[bytes]) -> None:
        if not lines:
            return
        now = time.time()
        with self._double._lock:
            stream = self._double.streams.setdefault(self._name, Stream(now))
            stream.events += [(now, line.decode(errors="replace") or " ") for line in lines]


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size


def _response(content: dict[str, Any], status: int) -> Response:
    return Response(json.dumps(content), status, content_type="application/x-amz-json-1.1")


def _arn(name: str) -> str:
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{name}"
