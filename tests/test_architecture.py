"""What docs/architecture.md says one must touch to add something is all that one must touch.

Each test adds the thing to a copy of the package as the page says, and uses it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "hpt"

MIDDLE = '''
"""The middle of every range, then random search."""

from __future__ import annotations

from hpt.search.history import History
from hpt.search.strategies.base import Seed, Suggestion
from hpt.search.strategies.random import RandomStrategy


class MiddleStrategy:
    def suggest(self, history: History, count: int, seed: Seed) -> list[Suggestion]:
        if history.last_number:
            return RandomStrategy().suggest(history, count, seed)
        [config] = history.space.decode([[0.5] * len(history.space.parameters)])
        rest = history.with_pending([config])
        return [Suggestion(config), *RandomStrategy().suggest(rest, count - 1, seed)]
'''

SUITE = """
from hpt.search.strategies import make_strategy
from hpt.testing.strategies import StrategySuite


class TestMiddle(StrategySuite):
    finite = None

    def make(self):
        return make_strategy("Middle")
"""

JOB = {
    "HyperParameterTuningJobName": "job",
    "HyperParameterTuningJobConfig": {
        "Strategy": "Random",
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 2},
        "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]},
    },
    "TrainingJobDefinition": {
        "AlgorithmSpecification": {
            "TrainingImage": "./train.sh",
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}],
        }
    },
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package that may be changed."""
    return shutil.copytree(PACKAGE, tmp_path / "new" / "hpt", ignore=shutil.ignore_patterns("__pycache__"))


def insert(file: Path, after: str, line: str) -> None:
    """Put a line after the one that holds `after`."""
    lines = file.read_text().splitlines(keepends=True)
    [place] = [i for i, text in enumerate(lines) if after in text]
    file.write_text("".join([*lines[: place + 1], f"{line}\n", *lines[place + 1 :]]))


def run(package: Path, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Python with that package."""
    environment = os.environ | {"PYTHONPATH": str(package.parent)}
    command = [sys.executable, "-P", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_strategy_is_a_file_a_line_and_a_suite(package: Path, tmp_path: Path) -> None:
    (package / "search" / "strategies" / "middle.py").write_text(MIDDLE)
    registry = package / "search" / "strategies" / "__init__.py"
    insert(registry, "grid:GridStrategy", '    "Middle": "hpt.search.strategies.middle:MiddleStrategy",')
    (tmp_path / "test_middle.py").write_text(SUITE)
    suite = run(package, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_middle.py", folder=tmp_path)
    assert suite.returncode == 0, suite.stdout
    ask = (
        "import hpt; space = hpt.SearchSpace([hpt.ContinuousParameter('x', 0, 1)]); "
        "print(hpt.Tuner(space, strategy='middle', seed=1).ask()[0].config)"
    )
    assert run(package, "-c", ask, folder=tmp_path).stdout == "{'x': 0.5}\n"


LOGGED = '''
"""Training programs of this host, with a line for each that starts."""

from __future__ import annotations

from hpt.executors.base import Submission
from hpt.executors.local import LocalExecutor


class LoggedExecutor(LocalExecutor):
    def submit(self, submission: Submission) -> None:
        print("started", submission.name, submission.attempt)
        super().submit(submission)
'''

EXECUTOR_SUITE = """
import pytest

from hpt.executors.factory import make_executor
from hpt.testing.executors import ExecutorSuite


class TestLogged(ExecutorSuite):
    @pytest.fixture
    def make(self, tmp_path):
        return lambda: make_executor("logged", tmp_path / "root")
"""


@pytest.mark.slow
def test_an_executor_is_a_file_a_line_and_a_suite(package: Path, tmp_path: Path) -> None:
    (package / "executors" / "logged.py").write_text(LOGGED)
    factory = package / "executors" / "factory.py"
    insert(factory, "import LocalExecutor", "from hpt.executors.logged import LoggedExecutor")
    line = "lambda root, outlive, clock, say: LoggedExecutor(root, outlive=outlive, clock=clock, say=say)"
    insert(factory, "LOCAL: lambda", f'    "logged": {line},')
    (tmp_path / "test_logged.py").write_text(EXECUTOR_SUITE)
    suite = run(
        package, "-m", "pytest", "-q", "-rP", "-p", "no:cacheprovider", "test_logged.py", folder=tmp_path
    )
    assert suite.returncode == 0, suite.stdout
    assert "started job-001 1" in suite.stdout


def test_an_event_field_is_a_line(package: Path, tmp_path: Path) -> None:
    """A log without it is read by the version that has it; the other way round it is refused in a line."""
    (tmp_path / "job.json").write_text(json.dumps(JOB))
    (tmp_path / "train.sh").write_text("#!/bin/sh\necho loss=0.5\n")
    (tmp_path / "train.sh").chmod(0o755)
    events = package / "search" / "events.py"
    source = events.read_text()
    end = source.index("\n\n\n", source.index("class AttemptCreated(Event):"))
    events.write_text(f'{source[:end]}\n    host: str = "here"{source[end:]}')

    def command(with_package: Path, *words: str) -> subprocess.CompletedProcess[str]:
        return run(with_package, "-m", "hpt.cli.main", *words, "--state", "state", folder=tmp_path)

    for each, name in ((PACKAGE, "old"), (package, "new")):
        assert command(each, "tune", "job.json", "--name", name).returncode == 0
    for name in ("old", "new"):
        described = command(package, "describe", name)
        assert "2 Completed" in described.stdout, described.stderr
    refused = command(PACKAGE, "describe", "new")
    assert refused.returncode == 4
    assert refused.stderr.count("\n") == 1, refused.stderr
    assert "newer hpt" in refused.stderr
    assert "2 Completed" in command(PACKAGE, "describe", "old").stdout
