"""What a job needs of other machines is said when it is created."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hpt.errors import InputError
from hpt.fleet import portable
from hpt.job.config import Channel, JobConfig, Objective, ResourceLimits, TrainingJobDefinition
from hpt.job.program_kind import FUNCTION_WORKER
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.trial import ObjectiveType

PLAIN = TrainingJobDefinition(
    "/home/me/train.py",
    SearchSpace([ContinuousParameter("x", 0, 1)]),
    Objective("loss", ObjectiveType.MINIMIZE),
    checkpoint_uri="s3://bucket/ck",
    output_path="s3://bucket/out",
)


def job(**changes: object) -> JobConfig:
    definition = replace(PLAIN, **changes)  # type: ignore[arg-type]
    return JobConfig("job", "Random", definition, ResourceLimits(max_jobs=1, max_parallel_jobs=1))


def test_a_job_that_is_all_on_s3_needs_nothing() -> None:
    portable.check(job())
    assert portable.notes(job()) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"channels": (Channel("train", "/data"),)}, "every node is to have channel train at /data"),
        ({"checkpoint_uri": "/ck"}, "checkpoints in /ck outlive their node only if every node shares"),
        ({"output_path": None}, "models stay on the nodes that trained them"),
        ({"training_image": "/bin/sh"}, "every node is to have the program /bin/sh"),
        ({"checkpoint_uri": None, "spot": True}, "begin anew each time their machine is taken away"),
    ],
)
def test_what_is_not_sent_is_said(changes: dict[str, object], says: str) -> None:
    [note] = portable.notes(job(**changes))
    assert says in note


def test_short_training_jobs_need_no_checkpoints() -> None:
    assert portable.notes(job(checkpoint_uri=None, spot=True, max_runtime_seconds=600)) == []


def test_functions_are_refused() -> None:
    with pytest.raises(InputError, match="functions run on this host alone"):
        portable.check(job(training_image=FUNCTION_WORKER))
