"""What a job needs of other machines is said when it is created."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hpt.fleet import portable
from hpt.job.config import Channel, JobConfig, Objective, ResourceLimits, TrainingJobDefinition
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
    assert portable.notes(job()) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"channels": (Channel("train", "/data"),)}, "every node is to have channel train at /data"),
        ({"checkpoint_uri": "/ck"}, "checkpoints in /ck outlive their node only if every node shares"),
        ({"output_path": None}, "models of up to 1 GiB come to this machine"),
        ({"training_image": "/bin/sh"}, "every node is to have the program /bin/sh"),
        ({"checkpoint_uri": None, "spot": True}, "begin anew each time their machine is taken away"),
    ],
)
def test_what_is_not_sent_is_said(changes: dict[str, object], says: str) -> None:
    [note] = portable.notes(job(**changes))
    assert says in note


def test_short_training_jobs_need_no_checkpoints() -> None:
    assert portable.notes(job(checkpoint_uri=None, spot=True, max_runtime_seconds=600)) == []


def test_local_data_is_sent_unless_there_is_too_much_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "x").write_bytes(bytes(11))
    local = Channel("train", f"file://{tmp_path}")
    assert portable.notes(job(channels=(local,))) == []
    [note] = portable.notes(job(channels=(replace(local, data_type="ManifestFile"),)))
    assert "what a manifest lists is not sent" in note
    monkeypatch.setattr(portable, "LARGEST", 10)
    [note] = portable.notes(job(channels=(local,)))
    assert "are not sent; give an s3:// URI otherwise" in note
    assert portable.notes(job(channels=(replace(local, uri="s3://bucket/data"),))) == []
