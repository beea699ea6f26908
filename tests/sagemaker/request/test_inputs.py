"""Input forms of a request: what is read of them, echoed, and checked on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from hpt.errors import ValidationError
from hpt.job.document import from_document, to_document
from hpt.sagemaker.request.convert import to_request
from hpt.sagemaker.request.parse import parse_request, read_request
from tests.sagemaker.request.samples import JOB, edit, local

CHANNEL = f"{JOB}.InputDataConfig[0]"
SOURCE = f"{CHANNEL}.DataSource.S3DataSource"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text("print('auc=0.5')")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").write_text("1,2\n")
    return tmp_path


def manifest(folder: Path, *names: str) -> dict[str, Any]:
    (folder / "list.json").write_text(json.dumps([{"prefix": "data/"}, *names]))
    return {f"{SOURCE}.S3Uri": "list.json", f"{SOURCE}.S3DataType": "ManifestFile"}


def augmented(folder: Path, *lines: Any) -> dict[str, Any]:
    (folder / "list.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return {
        f"{SOURCE}.S3Uri": "list.jsonl",
        f"{SOURCE}.S3DataType": "AugmentedManifestFile",
        f"{SOURCE}.AttributeNames": ["image-ref", "label"],
        f"{CHANNEL}.InputMode": "Pipe",
        f"{CHANNEL}.RecordWrapperType": "RecordIO",
        f"{CHANNEL}.ShuffleConfig": {"Seed": 7},
    }


def refused(request: dict[str, Any], folder: Path) -> tuple[str, str]:
    with pytest.raises(ValidationError) as caught:
        read_request(request, base_dir=folder)
    [violation] = caught.value.violations
    return violation.path, violation.message


def test_every_form_is_read_stored_and_echoed(folder: Path) -> None:
    changes = augmented(folder, {"image-ref": "data/train.csv", "label": 1})
    changes |= {f"{SOURCE}.S3DataDistributionType": "ShardedByS3Key", f"{CHANNEL}.CompressionType": "Gzip"}
    changes |= {f"{JOB}.OutputDataConfig": {"S3OutputPath": "out", "CompressionType": "NONE"}}
    given = read_request(edit(local(), changes), base_dir=folder)
    [channel] = given.config.definition.channels
    assert asdict(channel) == {
        "name": channel.name,
        "uri": str(folder / "list.jsonl"),
        "content_type": channel.content_type,
        "compression": "Gzip",
        "input_mode": "Pipe",
        "record_wrapper": "RecordIO",
        "distribution": "ShardedByS3Key",
        "data_type": "AugmentedManifestFile",
        "attribute_names": ("image-ref", "label"),
        "shuffle_seed": 7,
        "instance_group_names": (),
    }
    assert given.config.definition.output_compression == "NONE"
    stored = json.loads(json.dumps(to_document(given.config)))
    assert from_document(stored) == given.config
    for request in (given.request, to_request(given.config)):
        assert parse_request(request, base_dir=folder) == given.config


def test_a_mounted_file_system_is_a_directory_of_this_machine(folder: Path) -> None:
    source = {
        "FileSystemId": "fs-12345678",
        "FileSystemAccessMode": "ro",
        "FileSystemType": "EFS",
        "DirectoryPath": str(folder / "data"),
    }
    request = edit(local(), {f"{CHANNEL}.DataSource": {"FileSystemDataSource": source}})
    given = read_request(request, base_dir=folder)
    assert given.config.definition.channels[0].uri == str(folder / "data")
    assert given.request[JOB]["InputDataConfig"][0]["DataSource"] == {"FileSystemDataSource": source}
    assert parse_request(given.request, base_dir=folder) == given.config
    place = f"{CHANNEL}.DataSource.FileSystemDataSource.DirectoryPath"
    path, message = refused(edit(request, {place: "/mnt/not-mounted-here"}), folder)
    assert path == place
    assert message.startswith("'/mnt/not-mounted-here': /mnt/not-mounted-here does not exist")


def test_a_manifest_whose_files_are_there_is_accepted(folder: Path) -> None:
    config = parse_request(edit(local(), manifest(folder, "train.csv")), base_dir=folder)
    assert config.definition.channels[0].data_type == "ManifestFile"


def test_what_a_manifest_lists_and_is_not_there_is_found_before_anything_runs(folder: Path) -> None:
    request = edit(local(), manifest(folder, "train.csv", "gone.csv", "too.csv"))
    assert refused(request, folder) == (
        f"{SOURCE}.S3Uri",
        f"'list.json': {folder}/data/gone.csv and 1 more, which list.json lists, cannot be read; correct the "
        "manifest",
    )
    line = {"image-ref": "data/gone.jpg", "label": 1}
    _, message = refused(edit(local(), augmented(folder, line)), folder)
    assert message == (
        f"'list.jsonl': {folder}/data/gone.jpg, which list.jsonl lists, cannot be read; correct the manifest"
    )


def test_what_is_no_manifest_is_found_before_anything_runs(folder: Path) -> None:
    changes = manifest(folder, "train.csv")
    (folder / "list.json").write_text("1,2,3\n")
    _, message = refused(edit(local(), changes), folder)
    assert f"{folder}/list.json is no JSON" in message
    _, message = refused(edit(local(), augmented(folder, {"image-ref": "data/train.csv"})), folder)
    assert f"line 1 of {folder}/list.jsonl has no attribute 'label'" in message
    (folder / "list.json").unlink()
    (folder / "list.json").mkdir()
    _, message = refused(edit(local(), changes), folder)
    assert "Is a directory" in message


def test_built_ins_read_no_records(folder: Path) -> None:
    changes = {
        f"{JOB}.AlgorithmSpecification.TrainingImage": "xgboost",
        f"{JOB}.AlgorithmSpecification.MetricDefinitions": [],
        f"{JOB}.StaticHyperParameters": {"num_round": "1"},
        "HyperParameterTuningJobConfig.HyperParameterTuningJobObjective.MetricName": "train:auc",
        "HyperParameterTuningJobConfig.ParameterRanges": {
            "ContinuousParameterRanges": [{"Name": "eta", "MinValue": "0.1", "MaxValue": "0.5"}]
        },
        f"{CHANNEL}.InputMode": "Pipe",
        f"{CHANNEL}.RecordWrapperType": "RecordIO",
    }
    assert refused(edit(local(), changes), folder) == (
        f"{CHANNEL}.RecordWrapperType",
        "'RecordIO': xgboost reads rows, not records; use None",
    )
