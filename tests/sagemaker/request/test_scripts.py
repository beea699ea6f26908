"""What is certain to fail of script mode is said at the check of a request, with the fix."""

from __future__ import annotations

import io
import json
import sys
import tarfile
import venv
from pathlib import Path
from typing import Any

import pytest

from hpt.errors import ValidationError
from hpt.sagemaker.request.parse import JobRequest, read_request
from tests.sagemaker.request.broken_rules import OWN
from tests.sagemaker.request.samples import GONE, JOB, edit, single

SPECIFICATION = f"{JOB}.AlgorithmSpecification"
STATICS = f"{JOB}.StaticHyperParameters"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.3-cpu-py311"


def request(source: str | Path, entry: str = "train.py", image: str = IMAGE, **more: Any) -> dict[str, Any]:
    return edit(
        single(),
        {
            **OWN,
            f"{SPECIFICATION}.TrainingImage": image,
            f"{JOB}.InputDataConfig": GONE,
            STATICS: {
                "sagemaker_program": json.dumps(entry),
                "sagemaker_submit_directory": json.dumps(str(source)),
            },
            **{f"{JOB}.{member}": value for member, value in more.items()},
        },
    )


def read(*given: Any, base_dir: Path | None = None, **more: Any) -> JobRequest:
    return read_request(request(*given, **more), base_dir=base_dir)


def problem(*given: Any, **more: Any) -> tuple[str, str]:
    with pytest.raises(ValidationError) as raised:
        read(*given, **more)
    [violation] = raised.value.violations
    return violation.path.removeprefix(f"{JOB}."), violation.message


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "train.py").write_text("print('f1: 1')\n")
    return folder


def archive(source: Path, *, prefix: str = "") -> Path:
    path = source.with_suffix(".tar.gz")
    with tarfile.open(path, "w:gz") as tar:
        for each in source.iterdir():
            tar.add(each, f"{prefix}{each.name}")
    return path


def test_the_source_starts_at_the_job_file(source: Path, tmp_path: Path) -> None:
    definition = read("code", base_dir=tmp_path).config.definition
    assert definition.hyperparameters["sagemaker_submit_directory"] == json.dumps(str(source))
    assert definition.training_image == IMAGE


@pytest.mark.parametrize("form", ["folder", "file", "archive", "archive with dots"])
def test_forms_of_a_source(source: Path, form: str) -> None:
    given: str | Path = source
    if form == "file":
        given = f"file://{source}"
    elif form.startswith("archive"):
        given = archive(source, prefix="./" if "dots" in form else "")
    assert read(given).config.definition.program.source.startswith(str(source))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("files", "entry", "member", "said"),
    [
        ({}, "absent.py", "program", "'absent.py' is not in the source; name the script within "),
        ({}, "../train.py", "program", "'../train.py' leads out of the source"),
        ({}, "/bin/train.py", "program", "'/bin/train.py' leads out of the source"),
        ({"train.py": "def f(:\n"}, "train.py", "program", "train.py:1 is not valid Python (invalid syntax)"),
        (
            {"requirements.txt": "-r more.txt\n"},
            "train.py",
            "submit_directory",
            "what the source asks for cannot be installed: more.txt is missing",
        ),
        (
            {"environment.yml": "dependencies: [python]\n"},
            "train.py",
            "submit_directory",
            "the source has an environment.yml, and none of micromamba, mamba, conda is on the PATH",
        ),
    ],
)
def test_what_is_certain_to_fail(
    source: Path,
    packed: bool,
    files: dict[str, str],
    entry: str,
    member: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    for name, content in files.items():
        (source / name).write_text(content)
    path, message = problem(archive(source) if packed else source, entry)
    assert path == f"StaticHyperParameters.sagemaker_{member}"
    assert said in message


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    path, message = problem("code", base_dir=tmp_path)
    assert path == "StaticHyperParameters.sagemaker_submit_directory"
    assert message.startswith("'code': code does not exist; correct the path")


def test_a_source_that_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "code.tar.gz").write_text("no archive")
    assert "cannot be read (it is no whole archive); give a folder" in problem(tmp_path / "code.tar.gz")[1]


@pytest.mark.parametrize("link", [False, True])
def test_an_archive_that_climbs_out_is_refused_before_it_runs(source: Path, link: bool) -> None:
    path = archive(source)
    with tarfile.open(path, "w:gz") as tar:
        tar.add(source / "train.py", "train.py")
        entry = tarfile.TarInfo("link" if link else "../../escaped")
        if link:
            entry.type, entry.linkname = tarfile.SYMTYPE, "../../escaped"
            tar.addfile(entry)
        else:
            entry.size = 2
            tar.addfile(entry, io.BytesIO(b"hi"))
    where, message = problem(path)
    assert where == "StaticHyperParameters.sagemaker_submit_directory"
    assert ("'link'" if link else "'../../escaped'") in message


@pytest.mark.parametrize(
    ("python", "said"),
    [
        ("/no/such/python", "HPT_PYTHON '/no/such/python' does not exist"),
        ("no-such-command", "HPT_PYTHON 'no-such-command' is not on the PATH"),
        ("bin/python", "HPT_PYTHON 'bin/python' is a relative path"),
        (sys.prefix, f"is a folder; give {sys.prefix}/bin/python"),
        ("/bin/true", "/bin/true is no Python interpreter"),
        ("/bin/false", "/bin/false is no Python interpreter that works (exit code 1)"),
        ("/etc/passwd", "is not executable"),
    ],
)
def test_what_is_no_interpreter(source: Path, python: str, said: str) -> None:
    for image in (IMAGE, str(source / "train.py")):
        path, message = problem(source, image=image, Environment={"HPT_PYTHON": python})
        assert path == "Environment.HPT_PYTHON"
        assert said in message


def test_another_interpreter_judges_the_syntax(source: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", symlinks=True)
    environment = {"HPT_PYTHON": str(tmp_path / "env" / "bin" / "python")}
    read(source, Environment=environment)
    (source / "train.py").write_text("def f(:\n")
    assert "train.py:1 is not valid Python" in problem(source, Environment=environment)[1]


@pytest.mark.parametrize("image", ["code/train.py", "./code/train", "code/train", "train"])
def test_a_local_program_wins_over_what_is_left_of_script_mode(
    source: Path, tmp_path: Path, image: str
) -> None:
    for place in (source / "train", tmp_path / "train"):
        place.write_text("#!/bin/sh\necho f1: 1\n")
        place.chmod(0o755)
    definition = read("s3://bucket/sourcedir.tar.gz", image=image, base_dir=tmp_path).config.definition
    assert definition.training_image == str((tmp_path / image).resolve())


def test_an_image_without_a_tag_is_no_local_program_unless_one_is_there(source: Path, tmp_path: Path) -> None:
    definition = read(source, image="team/trainer", base_dir=tmp_path).config.definition
    assert definition.training_image == "team/trainer"
    (tmp_path / "xgboost").write_text("")
    assert read(source, image="xgboost", base_dir=tmp_path).config.definition.training_image == "xgboost"
