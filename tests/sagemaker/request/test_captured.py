"""Requests as SageMaker's Python SDK sent them, versions 2.257 and 3.27: every kind is valid here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hpt.cli.checked import checked
from hpt.job.config import JobConfig
from hpt.job.program_kind import ProgramKind
from hpt.sagemaker.request.parse import JobRequest, read_request, to_request

CAPTURED = sorted((Path(__file__).parent / "captured").glob("*.json"))
BUILT_IN = {"xgboost_built_in": "xgboost", "linear_learner": "linear-learner"}


def read(name: str, **options: Any) -> JobRequest:
    request = json.loads((Path(__file__).parent / "captured" / f"{name}.json").read_text())
    return read_request(request, check_s3=lambda uri: None, **options)


def kinds(config: JobConfig) -> list[ProgramKind]:
    return [each.program.kind for each in config.all_definitions]


@pytest.mark.parametrize("name", [path.stem for path in CAPTURED])
def test_a_captured_request_is_valid(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = read(name)
    if name == "several_definitions":
        assert kinds(found.config) == [ProgramKind.SCRIPT, ProgramKind.BUILT_IN]
    else:
        assert kinds(found.config) == [ProgramKind.BUILT_IN if name in BUILT_IN else ProgramKind.SCRIPT]
    checked(found, tmp_path, as_json=False)
    said = capsys.readouterr().out
    assert "is a valid tuning job" in said
    for definition in found.config.all_definitions:
        if definition.program.kind is ProgramKind.SCRIPT:
            assert f"the script train.py of {definition.program.source}" in said
            assert f"in place of the image {definition.training_image}" in said
    checked(found, tmp_path, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert [each["kind"] for each in document["programs"]] == list(map(str, kinds(found.config)))


@pytest.mark.parametrize("name", [path.stem for path in CAPTURED])
def test_the_service_would_take_it_too(name: str) -> None:
    assert kinds(read(name, strict=True).config) == kinds(read(name).config)


@pytest.mark.parametrize("name", [path.stem for path in CAPTURED])
def test_it_is_the_same_job_when_it_is_sent_again(name: str) -> None:
    config = read(name).config
    assert read_request(to_request(config), check_s3=lambda uri: None).config == config


def test_the_hints_for_the_start_up_layer_stay_static() -> None:
    definition = read("autotune").config.definition
    assert definition.hyperparameters["sagemaker_container_log_level"] == "20"
    assert {each.name for each in definition.space.parameters} == {"lr", "kind", "depth"}


def test_what_a_launcher_was_asked_for_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checked(read("tensorflow_mpi"), tmp_path, as_json=False)
    assert "sagemaker_mpi_enabled asks for MPI, without effect here" in capsys.readouterr().out
    checked(read("pytorch_torchrun"), tmp_path, as_json=False)
    assert "asks for torchrun, without effect here" in capsys.readouterr().out
