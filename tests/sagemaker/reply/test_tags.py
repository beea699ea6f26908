"""Tags: given, changed, and what a training job takes along at its launch (behaviour 14)."""

from __future__ import annotations

import pytest

from hpt.errors import InputError
from hpt.job.state import TrainingJob
from hpt.sagemaker.reply.tags import as_list, change, merged, tags_of
from hpt.storage.base import Note


def job(sequence: int, name: str = "t1") -> TrainingJob:
    return TrainingJob(1, name, {}, 0.0, sequence=sequence)


NOTES = [
    Note(0, change({"team": "a", "x": "1"}, None)),
    Note(4, {"StopTrainingJob": 1}),
    Note(5, change({"team": "b", "x": None, "none": None}, None)),
    Note(9, change({"own": "1", "stage": None}, "t1")),
]


def test_a_training_job_takes_the_tags_its_tuning_job_had_when_it_was_launched() -> None:
    given = {"stage": "dev"}
    assert tags_of(given, NOTES) == {"stage": "dev", "team": "b"}
    assert tags_of(given, NOTES, job(3, "t0")) == {"stage": "dev", "team": "a", "x": "1"}
    assert tags_of(given, NOTES, job(5, "t0")) == {"stage": "dev", "team": "a", "x": "1"}
    assert tags_of(given, NOTES, job(6, "t0")) == {"stage": "dev", "team": "b"}
    assert tags_of(given, NOTES, job(3)) == {"team": "a", "x": "1", "own": "1"}
    assert given == {"stage": "dev"}


def test_merging() -> None:
    fifty = {f"k{i}": "" for i in range(50)}
    assert merged(fifty, [{"Key": "k7", "Value": "new"}])["k7"] == "new"
    with pytest.raises(InputError, match="51"):
        merged(fifty, [{"Key": "K7", "Value": "keys are case-sensitive"}])
    with pytest.raises(InputError, match="'a' twice"):
        merged({}, [{"Key": "a", "Value": ""}, {"Key": "a", "Value": ""}])
    assert as_list({"a": "b"}) == [{"Key": "a", "Value": "b"}]
