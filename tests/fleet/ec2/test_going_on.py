"""Tuning jobs of a fleet that go on after their end: resumed, or with a larger budget."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpt.errors import InputError
from hpt.fleet.ec2 import again, machines
from hpt.fleet.ec2.again import Again
from hpt.fleet.ec2.aws import Aws
from hpt.fleet.ec2.head_jobs import words_of
from hpt.fleet.ec2.store import Store
from tests.cli.test_cli import Command
from tests.fleet.double.control import Control
from tests.fleet.ec2.test_story import Fleet, eventually, trials_started


@pytest.fixture
def fleet(double: Control, tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(double, Command(tmp_path))
    made.up()
    yield made
    made.close()


def completed(fleet: Fleet) -> int:
    described = json.loads(fleet.hpt("describe", "job", "--fleet", "search", "--json")[0])
    return int(described["TrainingJobStatusCounters"]["Completed"])


@pytest.fixture
def files(double: Control) -> Store:
    """Of a fleet that nothing else is needed of."""
    aws = Aws("us-east-1", attempts=1)
    aws.s3.create_bucket(Bucket="words")
    return Store(aws, "words", "search/")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Again(), ["resume", "job"]),
        (Again(max_jobs=9), ["extend", "job", "--max-jobs", "9"]),
        (
            Again(9, 60.5, 3),
            ["extend", "job", "--max-jobs", "9", "--max-runtime", "60.5", "--max-parallel", "3"],
        ),
    ],
)
def test_the_word_that_is_left_is_the_command_that_the_head_gives(
    files: Store, wanted: Again, words: list[str]
) -> None:
    assert again.leave(files, "job", wanted)
    assert not again.leave(files, "job", Again())
    found = again.read(files, "job")
    assert found is not None and words_of(found, "job") == words


def test_a_word_that_cannot_be_read_is_named(files: Store) -> None:
    assert again.read(files, "job") is None
    for content in ('{"version": 2}', "[]", '{"version": 1, "much": 1}'):
        files.put("again/job.json", content)
        with pytest.raises(InputError, match=r"again/job\.json cannot be read; remove it"):
            again.read(files, "job")


@pytest.mark.slow
def test_a_job_that_has_ended_is_extended(fleet: Fleet) -> None:
    hpt = fleet.hpt
    extend = "extend", "job", "--fleet", "search"
    assert "the fleet has no tuning job 'job'" in hpt(*extend, "--max-jobs", "6", code=2)[1]
    hpt("tune", str(hpt.job()), "--fleet", "search")
    resume = "resume", "job", "--fleet", "search"
    assert "goes on with it by itself; there is nothing to resume" in hpt(*resume, code=2)[1]
    said = hpt(*extend, "--max-jobs", "6", code=2)[1]
    assert "tuning job job has not ended, and the fleet's head goes on with it by itself; stop it" in said
    fleet.start_head()
    eventually(lambda: fleet.jobs() == {"job": "Completed"})
    assert "has ended (Completed); there is nothing to resume" in hpt(*resume, code=2)[1]
    assert "is below the 4 of the job; a budget can only grow" in hpt(*extend, "--max-jobs", "2", code=2)[1]
    assert "no limit is given" in hpt(*extend, code=2)[1]
    fleet.files.put("again/other.json", "{}")  # about no job
    assert "is told to go on with tuning job job" in hpt(*extend, "--max-jobs", "6")[1]
    eventually(lambda: fleet.jobs() == {"job": "Completed"} and completed(fleet) == 6)
    eventually(lambda: list(fleet.files.keys("again/")) == [])
    assert "extended    from 4 to 6 training jobs" in hpt("describe", "job", "--fleet", "search")[0]
    for each in machines.instances(fleet.files._aws, "search"):
        machines.terminate(fleet.files._aws, [each["InstanceId"]])
    said = hpt(*extend, "--max-jobs", "8", code=2)[1]
    assert "fleet search has no head that would run it; launch one with: hpt fleet up" in said
    hpt("fleet", "down", "search")
    assert "has no fleet search" in hpt(*extend, "--max-jobs", "8", code=2)[1]


@pytest.mark.slow
def test_a_job_that_was_stopped_goes_on_with_another_head(fleet: Fleet) -> None:
    """The first one is killed before it reads the word; the second has nothing of it but the bucket."""
    hpt = fleet.hpt
    job = hpt.slow(hpt.job(ResourceLimits={"MaxNumberOfTrainingJobs": 6, "MaxParallelTrainingJobs": 2}), 3.0)
    hpt("tune", str(job), "--fleet", "search")
    first = fleet.start_head("first")
    eventually(lambda: trials_started(fleet) >= 2)
    hpt("stop", "job", "--fleet", "search")
    eventually(lambda: fleet.jobs() == {"job": "Stopped"})
    fleet.kill_tree(first)
    hpt("extend", "job", "--fleet", "search", "--max-jobs", "7")
    said = hpt("extend", "job", "--fleet", "search", "--max-jobs", "9", code=2)[1]
    assert "is about to go on; the fleet's head was asked for that before" in said
    second = fleet.start_head("second")
    eventually(lambda: trials_started(fleet) >= 4)
    fleet.kill_tree(second)  # as it goes on: neither is the word forgotten, nor is it heard twice
    fleet.start_head("third")
    eventually(lambda: fleet.jobs() == {"job": "Completed"} and not list(fleet.files.keys("again/")))
    trials = json.loads(hpt("trials", "job", "--fleet", "search", "--json")[0])
    assert len(trials) == 7


@pytest.mark.slow
def test_a_job_that_the_head_has_given_up_is_resumed(fleet: Fleet) -> None:
    hpt = fleet.hpt
    job = hpt.slow(hpt.job(), 2.0)
    hpt("tune", str(job), "--fleet", "search")
    first = fleet.start_head("first")
    eventually(lambda: fleet.copied_trials("job") >= 1)
    fleet.kill_tree(first)
    fleet.files.put_json("jobs/job/status.json", {"status": "Failed", "code": 4, "reason": "a full disk"})
    fleet.start_head("second")
    assert (
        "leave it out with --fleet"
        in hpt("resume", "job", "--fleet", "search", "--address", "10.0.0.1:6379", code=2)[1]
    )
    hpt("resume", "job", "--fleet", "search")
    eventually(lambda: fleet.jobs() == {"job": "Completed"})
    assert completed(fleet) == 4
