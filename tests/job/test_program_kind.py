"""What a training image is together with the static hyperparameters."""

from __future__ import annotations

import pytest

from hpt.job.program_kind import (
    PROGRAM_KEY,
    SOURCE_KEY,
    ProgramKind,
    TrainingProgram,
    program_of,
    quoted_as,
    unquoted,
)

XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
PYTORCH = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.3-cpu-py311"
SCRIPT = {PROGRAM_KEY: '"train.py"', SOURCE_KEY: '"s3://bucket/sourcedir.tar.gz"'}


@pytest.mark.parametrize(
    ("image", "hyperparameters", "kind"),
    [
        ("module:hpt.functions.worker", {}, ProgramKind.FUNCTION),
        ("module:package.train?x", {}, ProgramKind.MODULE),
        ("module:package.train", SCRIPT, ProgramKind.MODULE),
        ("/srv/train", {}, ProgramKind.FILE),
        ("file:///srv/train", SCRIPT, ProgramKind.FILE),
        ("code/train.py", SCRIPT, ProgramKind.FILE),
        ("./bin/train", SCRIPT, ProgramKind.FILE),
        ("bin/train", {}, ProgramKind.FILE),
        ("~/xgboost", {}, ProgramKind.FILE),
        ("xgboost", {}, ProgramKind.BUILT_IN),
        (XGBOOST, {}, ProgramKind.BUILT_IN),
        (XGBOOST, SCRIPT, ProgramKind.SCRIPT),
        ("xgboost", SCRIPT, ProgramKind.SCRIPT),
        (PYTORCH, SCRIPT, ProgramKind.SCRIPT),
        ("my-image", SCRIPT, ProgramKind.SCRIPT),
        ("registry.example.com/team/trainer@sha256:00ff", SCRIPT, ProgramKind.SCRIPT),
        (PYTORCH, {}, ProgramKind.IMAGE),
        ("trainer:1", {"lr": "1"}, ProgramKind.IMAGE),
    ],
)
def test_kind(image: str, hyperparameters: dict[str, str], kind: ProgramKind) -> None:
    assert program_of(image, hyperparameters).kind is kind


@pytest.mark.parametrize("image", ["xgboost", "train.py", "bin/train", "trainer:1"])
def test_the_service_knows_images_by_their_uri(image: str) -> None:
    assert program_of(image, {}, paths=False).kind is ProgramKind.IMAGE
    assert program_of(XGBOOST, {}, paths=False).kind is ProgramKind.BUILT_IN


def test_script_mode_under_the_image_of_a_built_in_is_no_built_in() -> None:
    program = program_of(XGBOOST, SCRIPT)
    assert program.algorithm is None
    assert (program.entry, program.source) == ("train.py", "s3://bucket/sourcedir.tar.gz")
    built_in = program_of(XGBOOST, {}).algorithm
    assert built_in is not None
    assert built_in.name == "xgboost"


def test_leftover_script_mode_of_a_local_program_is_named() -> None:
    assert program_of("train.py", SCRIPT) == TrainingProgram(ProgramKind.FILE, ignored_entry="train.py")


@pytest.mark.parametrize(
    ("given", "plain"),
    [('"a b"', "a b"), ("a", "a"), ("1", "1"), ('["a"]', '["a"]'), ('"', '"'), ("[" * 9999, "[" * 9999)],
)
def test_only_a_json_string_loses_its_quotes(given: str, plain: str) -> None:
    assert unquoted(given) == plain
    assert unquoted(quoted_as(given, "/x")) == "/x"
    assert (quoted_as(given, "/x") == "/x") == (given == plain)
