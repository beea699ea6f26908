"""A tuning job whose state lies on a disk that fills up."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import prerequisites
from tests.cli.test_cli import Command

FLOODS = """
for i in range(20_000):
    print("x" * 100)
print("loss=0.5;")
"""


@pytest.fixture
def hpt(tmp_path: Path) -> Iterator[Command]:
    command = Command(tmp_path)
    with prerequisites.small_disk(command.state, "size=4m"):
        yield command


def test_training_jobs_that_found_no_room_run_again_once_there_is_some(hpt: Command) -> None:
    job = hpt.job(ResourceLimits={"MaxNumberOfTrainingJobs": 6, "MaxParallelTrainingJobs": 3})
    (hpt.root / "counted.py").write_text(FLOODS)
    for words in (("tune", str(job)), ("resume", "job"), ("resume", "job")):
        _, err = hpt(*words, code=4)
        assert "hpt resume" in err.splitlines()[-1]
        counters = hpt.describe("job")["TrainingJobStatusCounters"]
        assert counters["NonRetryableError"] == counters["RetryableError"] == 0  # type: ignore[index]
    subprocess.run(["mount", "-o", "remount,size=64m", str(hpt.state)], check=True)
    hpt("resume", "job")
    trials = json.loads(hpt("trials", "job", "--json")[0])
    assert [trial["TrainingJobStatus"] for trial in trials] == ["Completed"] * 6
