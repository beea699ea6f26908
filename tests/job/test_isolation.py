"""What runs in a container, and where checkpoints may be seen."""

from __future__ import annotations

import pytest

from hpt.errors import InputError
from hpt.job.isolation import elsewhere, read_containers, runs_as_image, unusable
from hpt.job.program_kind import ProgramKind

SCIKIT = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"


@pytest.mark.parametrize(
    ("kind", "image", "auto", "always"),
    [
        (ProgramKind.IMAGE, "me/train:1", True, True),
        (ProgramKind.SCRIPT, SCIKIT, False, None),
        (ProgramKind.SCRIPT, "sklearn", False, False),  # the image of no registry
        (ProgramKind.BUILT_IN, "xgboost", False, False),
        (ProgramKind.BUILT_IN, SCIKIT, False, None),
        (ProgramKind.FILE, "/home/me/train.py", False, False),
        (ProgramKind.MODULE, "module:json.tool", False, False),
        (ProgramKind.FUNCTION, "module:hpt.functions.worker", False, False),
    ],
)
def test_which_images_run_in_containers(
    kind: ProgramKind, image: str, auto: bool | None, always: bool | None
) -> None:
    assert runs_as_image(kind, image, "auto") is auto
    assert runs_as_image(kind, image, "always") is always
    assert runs_as_image(kind, image, "never") is False


def test_the_environment_of_a_definition_says_which() -> None:
    assert read_containers({}) == "auto"
    assert read_containers({"HPT_CONTAINERS": "Never"}) == "never"
    with pytest.raises(InputError, match="'on' does not say which images run in containers; use one of auto"):
        read_containers({"HPT_CONTAINERS": "on"})


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/opt/ml/checkpoints/", None),
        ("/opt/ml/model", None),
        ("/opt/ml/inputs", None),
        ("/checkpoints", None),
        ("/home/me/checkpoints", None),
        ("checkpoints", "is not an absolute path"),
        ("", "is not an absolute path"),
        ("/opt/ml", "is where the training job finds its input or program"),
        ("/opt/ml/", "is where the training job finds its input or program"),
        ("/opt/ml/input", "is where the training job finds its input or program"),
        ("/opt/ml/input/data/train", "is where the training job finds its input or program"),
        ("/opt/ml/model/../code", "is where the training job finds its input or program"),
        ("/", "is a folder of the system"),
        ("//", "is a folder of the system"),
        ("/opt/ml/../..", "is a folder of the system"),
        ("/usr/", "is a folder of the system"),
        ("/proc/self", "is a folder of the system"),
    ],
)
def test_where_checkpoints_may_be_seen(path: str, reason: str | None) -> None:
    said = unusable(path)
    assert (said is None) if reason is None else (said is not None and reason in said)


def test_paths_below_opt_ml_need_no_mount() -> None:
    assert elsewhere("/opt/ml/checkpoints/") is None
    assert elsewhere("/opt/ml/a/../b") is None
    assert elsewhere("/opt/ml/../other/") == "/opt/other"
    assert elsewhere("/checkpoints/") == "/checkpoints"
