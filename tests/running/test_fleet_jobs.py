"""What of a job is packed for a fleet, what is refused, and what is read back."""

from __future__ import annotations

import json
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from hpt.errors import InputError, JobExistsError, JobNotFoundError
from hpt.fleet.ec2.aws import Aws
from hpt.fleet.ec2.store import Store
from hpt.running.fleet_jobs import hand_over, leave_stop, read_copy
from hpt.sagemaker.request.parse import read_request
from tests.s3_server import endpoint, s3

__all__ = ["endpoint", "s3"]


@pytest.fixture
def files(s3: Any) -> Store:
    return Store(Aws("us-east-1", attempts=1), "bucket", "search/")


def job(folder: Path, **definition: Any) -> dict[str, Any]:
    (folder / "train.py").write_text("print('loss=1;')\n")
    algorithm = {"TrainingImage": "train.py", "TrainingInputMode": "File"}
    algorithm["MetricDefinitions"] = [{"Name": "loss", "Regex": "loss=(.*?);"}]  # type: ignore[assignment]
    return {
        "HyperParameterTuningJobName": "job",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
            },
        },
        "TrainingJobDefinition": {"AlgorithmSpecification": algorithm, **definition},
    }


def hand(files: Store, folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    read = read_request(request, base_dir=folder)
    hand_over(files, read.config, read.request, folder / "state", version="0.1.0")
    document = files.get_json(f"jobs/{read.config.name}/request.json")
    assert document["hpt"] == "0.1.0"
    return document  # type: ignore[no-any-return]


def channel(uri: str) -> dict[str, Any]:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}
    return {"ChannelName": "train", "DataSource": source}


def test_program_and_data_are_packed_and_the_request_reads_where_they_are_unpacked(
    files: Store, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("1\n")
    laptop = tmp_path / "laptop"
    laptop.mkdir()
    (laptop / "helper.py").write_text("x = 1\n")
    request = job(
        laptop,
        InputDataConfig=[channel(str(tmp_path / "data"))],
        CheckpointConfig={"S3Uri": str(tmp_path / "checkpoints")},
    )
    document = hand(files, laptop, request)
    [archive] = document["archives"]
    content = files.get(f"code/{archive['sha256']}.tar.gz")
    assert content is not None
    head = tmp_path / "head"
    with tarfile.open(fileobj=BytesIO(content)) as packed:
        packed.extractall(head / archive["folder"], filter="data")
    assert {path.name for path in (head / archive["folder"]).iterdir()} == {"train.py", "helper.py"}
    config = read_request(document["request"], base_dir=head).config
    definition = config.definition
    assert definition.training_image == str(head / archive["folder"] / "train.py")
    [data] = definition.channels
    assert data.uri.startswith("s3://bucket/search/data/")
    assert files.get(f"{data.uri.removeprefix(files.uri).rstrip('/')}/a.csv") == b"1\n"
    assert definition.output_path == "s3://bucket/search/output/job"
    assert definition.checkpoint_uri == "s3://bucket/search/checkpoints/job"
    assert str(tmp_path / "laptop") not in json.dumps(document["request"])


def test_what_is_there_already_is_not_uploaded_again(files: Store, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1\n")
    request = job(tmp_path, InputDataConfig=[channel("a.csv")])
    read = read_request(request, base_dir=tmp_path)
    assert hand_over(files, read.config, read.request, tmp_path / "state", version="1").uploaded == 2
    again = read_request({**request, "HyperParameterTuningJobName": "other"}, base_dir=tmp_path)
    assert hand_over(files, again.config, again.request, tmp_path / "state", version="1").uploaded == 0
    taken = read_request({**request, "HyperParameterTuningJobName": "JOB"}, base_dir=tmp_path)
    with pytest.raises(JobExistsError, match="has a tuning job 'job'"):
        hand_over(files, taken.config, taken.request, tmp_path / "state", version="1")


def test_script_mode_and_built_in_algorithms_travel(files: Store, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    request = job(tmp_path / "src")
    request["TrainingJobDefinition"]["AlgorithmSpecification"]["TrainingImage"] = "image"
    request["TrainingJobDefinition"]["StaticHyperParameters"] = {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": str(tmp_path / "src"),
    }
    document = hand(files, tmp_path, request)
    [archive] = document["archives"]
    found = document["request"]["TrainingJobDefinition"]["StaticHyperParameters"]
    assert found["sagemaker_submit_directory"].rstrip("/") == archive["folder"]


def test_what_is_on_this_host_alone_is_refused(files: Store, tmp_path: Path) -> None:
    request = job(tmp_path)
    request["TrainingJobDefinition"]["AlgorithmSpecification"]["TrainingImage"] = "/bin/true"
    with pytest.raises(InputError, match="is part of this host's system"):
        hand(files, tmp_path, request)
    assert files.folders("jobs/") == []


def test_data_above_the_size_is_refused(files: Store, tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate((2 << 30) + 1)
    with pytest.raises(InputError, match=r"channel train: .* has 2048 MiB, above 2048; put it on S3"):
        hand(files, tmp_path, job(tmp_path, InputDataConfig=[channel("large")]))


def test_a_job_that_is_not_there_or_never_began_says_so(files: Store, tmp_path: Path) -> None:
    with pytest.raises(JobNotFoundError, match="has no tuning job 'job'"):
        read_copy(files, "job", tmp_path)
    with pytest.raises(JobNotFoundError):
        leave_stop(files, "job")
    hand(files, tmp_path, job(tmp_path))
    with pytest.raises(InputError, match="waits for the fleet's head"):
        read_copy(files, "JOB", tmp_path)
    assert leave_stop(files, "JOB") == "job" and files.has("jobs/job/stop")
    files.put_json("jobs/job/status.json", {"status": "Failed", "code": 2, "reason": "no such image"})
    with pytest.raises(InputError, match="is Failed and never began: no such image"):
        read_copy(files, "job", tmp_path)
    with pytest.raises(InputError, match="has ended"):
        leave_stop(files, "job")
