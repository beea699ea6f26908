from __future__ import annotations

import os
from pathlib import Path

import pytest

from hpt.job.uris import is_image, resolve_uri
from hpt.sagemaker.request.model import CREATE_TUNING_JOB, load_shapes
from hpt.sagemaker.request.relaxations import LOCAL
from hpt.sagemaker.request.shapes import check_shape
from hpt.sagemaker.request.surroundings import Surroundings
from tests.sagemaker.request.samples import CONFIG, GONE, JOB, LIMITS, edit, single


def test_the_overlay_speaks_only_of_shapes_that_exist() -> None:
    shapes = load_shapes()
    assert set(LOCAL.bounds) <= set(shapes)
    assert set(LOCAL.free) <= set(shapes)
    for optional in LOCAL.optional:
        shape, member = optional.split(".")
        assert member in shapes[shape]["required"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{JOB}.RoleArn", GONE),
        (f"{JOB}.RoleArn", "me"),
        (f"{JOB}.OutputDataConfig", GONE),
        (f"{JOB}.OutputDataConfig", {}),
        (f"{JOB}.StoppingCondition", GONE),
        (f"{JOB}.AlgorithmSpecification.TrainingInputMode", GONE),
        (f"{JOB}.AlgorithmSpecification.TrainingImage", "/" + "x" * 300),
        (f"{JOB}.InputDataConfig[0].DataSource.S3DataSource.S3DataType", GONE),
        (f"{JOB}.InputDataConfig[0].DataSource.S3DataSource.S3Uri", "data/train.csv"),
        (f"{JOB}.ResourceConfig.InstanceType", "local"),
        (f"{LIMITS}.MaxRuntimeInSeconds", 5),
        (f"{CONFIG}.RandomSeed", 2**64 - 1),
        (f"{JOB}.StaticHyperParameters.depth", 3),
    ],
)
def test_each_relaxation_is_the_overlays_and_strict_mode_drops_it(path: str, value: object) -> None:
    request = edit(single(), {path: value})
    assert check_shape(load_shapes(), CREATE_TUNING_JOB, request, LOCAL)[1] == ()
    _, [violation] = check_shape(load_shapes(), CREATE_TUNING_JOB, request)
    assert violation.path.startswith(path)


@pytest.mark.parametrize("name", ["a" * 33, "my_job"])
def test_names_stay_as_the_service_wants_them(name: str) -> None:
    request = edit(single(), {"HyperParameterTuningJobName": name})
    assert len(check_shape(load_shapes(), CREATE_TUNING_JOB, request, LOCAL)[1]) == 1


@pytest.mark.parametrize(
    ("uri", "resolved"),
    [
        ("data", "/jobs/data"),
        ("./data/../more", "/jobs/more"),
        ("/srv/data/", "/srv/data"),
        ("~/data", "/home/me/data"),
        ("~", "/home/me"),
        ("~other/data", "/jobs/~other/data"),
        ("file:///srv/data", "/srv/data"),
        ("FILE:///srv/data", "/srv/data"),
        ("file://localhost/srv/data", "/srv/data"),
        ("file:///srv/with%20blank", "/srv/with blank"),
        ("file://data/train", "/jobs/data/train"),
        ("file://~/data", "/home/me/data"),
        ("s3://bucket/key with blank", "s3://bucket/key with blank"),
        ("S3://Bucket/Key", "s3://Bucket/Key"),
        ("C:\\data", "/jobs/C:\\data"),
        ("https://host/data", None),
        ("gs://bucket", None),
        ("hdfs+x://bucket", None),
    ],
)
def test_uris_and_paths(uri: str, resolved: str | None) -> None:
    assert resolve_uri(uri, "/jobs", "/home/me") == resolved


@pytest.mark.parametrize(
    ("image", "answer"),
    [
        ("683313688378.dkr.ecr.us-east-1.amazonaws.com/blazingtext:1", True),
        ("registry.example.com:5000/team/trainer", True),
        ("localhost:5000/trainer", True),
        ("ubuntu:24.04", True),
        ("team/trainer:1", True),
        ("team/trainer@sha256:0123", True),
        ("https://example.com/train.py3", True),
        ("train.py", False),
        ("my.folder/train.py", False),
        ("bin/train", False),
        ("train", False),
        ("/opt/registry.example.com/train", False),
        ("./ubuntu:24.04", False),
        ("./team/trainer:1", False),
        ("file:///srv/train", False),
    ],
)
def test_what_can_only_be_an_image(image: str, answer: bool) -> None:
    assert is_image(image) is answer


class TestSurroundings:
    """This machine's answers."""

    @pytest.fixture
    def here(self) -> Surroundings:
        return Surroundings()

    def test_a_script_needs_no_permission_to_execute(self, here: Surroundings, tmp_path: Path) -> None:
        script = tmp_path / "train.py"
        script.write_text("pass")
        assert here.program(str(script)) is None

    def test_a_program_does(self, here: Surroundings, tmp_path: Path) -> None:
        program = tmp_path / "train"
        program.write_text("#!/bin/sh\n")
        assert here.program(str(program)) == (
            f"{program} is neither executable nor a .py file; make it executable"
        )
        program.chmod(0o755)
        assert here.program(str(program)) is None

    def test_a_program_must_be_there_and_be_a_file(self, here: Surroundings, tmp_path: Path) -> None:
        gone = tmp_path / "gone"
        assert here.program(str(gone)) == (
            f"{gone} does not exist; correct the path (relative ones start at the job file)"
        )
        assert here.program(str(tmp_path)) == f"{tmp_path} is a folder; name the program in it"

    def test_data_may_be_a_file_or_a_folder(self, here: Surroundings, tmp_path: Path) -> None:
        (tmp_path / "train.csv").write_text("1,2")
        assert here.data(str(tmp_path)) is None
        assert here.data(str(tmp_path / "train.csv")) is None
        assert "does not exist" in str(here.data(str(tmp_path / "gone")))

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_data_must_be_readable(self, here: Surroundings, tmp_path: Path) -> None:
        (tmp_path / "train.csv").write_text("1,2")
        (tmp_path / "train.csv").chmod(0)
        assert "may not be read" in str(here.data(str(tmp_path / "train.csv")))

    def test_an_output_folder_is_made_later(self, here: Surroundings, tmp_path: Path) -> None:
        assert here.destination(str(tmp_path / "new" / "folder")) is None
        (tmp_path / "file").write_text("")
        assert here.destination(str(tmp_path / "file")) == f"{tmp_path / 'file'} is a file; name a folder"
        assert "cannot be created" in str(here.destination(str(tmp_path / "file" / "below")))

    def test_s3_is_asked_only_where_there_is_someone_to_ask(self, tmp_path: Path) -> None:
        asked: list[str] = []

        def check(uri: str) -> str | None:
            asked.append(uri)
            return "no"

        assert Surroundings().data("s3://bucket/a") is None
        assert Surroundings(check).data("s3://bucket/a") == "no"
        assert Surroundings(check).destination("s3://bucket/models/here") == "no"
        assert asked == ["s3://bucket/a", "s3://bucket"]
