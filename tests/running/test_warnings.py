"""What a running job warns of: programs that report too often, and patterns that read numbers in part."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from hpt.executors.local import LocalExecutor
from hpt.job.config import (
    HyperbandConfig,
    JobConfig,
    MetricDefinition,
    Objective,
    ResourceLimits,
    TrainingJobDefinition,
)
from hpt.running.runner import TuningJobRunner
from hpt.running.warn import silent
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.trial import ObjectiveType
from hpt.storage.memory import MemoryStorage


def job(program: Path, source: str, *regexes: str, jobs: int = 1) -> JobConfig:
    """A Hyperband job of 9 epochs whose program is that source."""
    program.write_text(source)
    definition = TrainingJobDefinition(
        str(program),
        SearchSpace([ContinuousParameter("x", 0, 1)]),
        Objective("loss", ObjectiveType.MINIMIZE),
        hyperparameters={"epochs": "9"},
        metric_definitions=tuple(MetricDefinition("loss", regex) for regex in regexes),
    )
    hyperband = HyperbandConfig(9, stops_at_max=False)
    return JobConfig("w", "Hyperband", definition, ResourceLimits(jobs, 1), seed=1, hyperband=hyperband)


def run(tmp_path: Path, config: JobConfig, said: list[str] | None) -> TuningJobRunner:
    storage = MemoryStorage()
    storage.create(config.name, {}, time.time())
    runner = TuningJobRunner(
        config,
        time.time(),
        [],
        storage,
        storage.acquire(config.name),
        LocalExecutor(tmp_path / "trials"),
        say=silent if said is None else said.append,
    )
    runner.run()
    return runner


def reports(runner: TuningJobRunner) -> list[int]:
    return [job.reports for job in runner.state.jobs.values()]


BAR = r"""
for epoch in range(9):
    for step in range(30):
        print(f"\r{step}/30 [=>..] - loss: {1 / (step + 1):.4f}", end="", flush=True)
    print(f"\r30/30 [===] - loss: {0.5 / (epoch + 1):.4f}")
"""


def test_a_progress_bar_reports_once_an_epoch(tmp_path: Path) -> None:
    said: list[str] = []
    runner = run(tmp_path, job(tmp_path / "bar.py", BAR, r"loss: ([0-9\.]+)"), said)
    assert reports(runner) == [9]
    [trial] = runner.state.jobs.values()
    assert (str(trial.status), trial.value) == ("Completed", 0.0556)
    assert said == []


def test_a_program_that_only_rewrites_its_line_reports_at_its_end(tmp_path: Path) -> None:
    source = "for step in range(9): print(f'loss: {step}', end=chr(13), flush=True)"
    runner = run(tmp_path, job(tmp_path / "bar.py", source, r"loss: ([0-9\.]+)"), [])
    [trial] = runner.state.jobs.values()
    assert (reports(runner), trial.value) == ([1], 8.0)


STEPS = "for step in range(90): print(f'loss: {1 / (step + 1):.4f}', flush=True)"


def test_reports_of_steps_end_no_job_at_its_epochs_and_are_warned_of(tmp_path: Path) -> None:
    said: list[str] = []
    runner = run(tmp_path, job(tmp_path / "steps.py", STEPS, r"loss: ([0-9\.]+)"), said)
    assert reports(runner) == [90]
    assert [str(trial.status) for trial in runner.state.jobs.values()] == ["Completed"]
    [message] = said
    assert message.startswith("metric 'loss' was reported 15 times by w-001-")
    assert "which has 9 epochs" in message


def test_nobody_who_listens_gets_python_warnings(tmp_path: Path) -> None:
    config = job(tmp_path / "steps.py", STEPS, r"loss: ([0-9\.]+)")
    with pytest.warns(UserWarning, match="metric 'loss' was reported 15 times"):
        run(tmp_path, config, None)


def test_twice_as_many_reports_without_a_stopping_rule_are_no_matter(tmp_path: Path) -> None:
    said: list[str] = []
    config = job(tmp_path / "steps.py", STEPS, r"loss: ([0-9\.]+)")
    assert reports(run(tmp_path, replace(config, strategy="Random", hyperband=None), said)) == [90]
    assert said == []


def test_a_number_read_in_part_is_warned_of_once_a_metric_and_kind(tmp_path: Path) -> None:
    source = "for x in ('0.5', '3.2e-05', '4.1e-06', '1,234.5', '0.1'): print('loss:', x, chr(27))"
    said: list[str] = []
    run(tmp_path, job(tmp_path / "cut.py", source, r"loss: ([0-9\.]+)", jobs=2), said)
    short, separated = said
    assert short.startswith("metric 'loss': the group reads 3.2 of 3.2e-05 in: loss: 3.2e-05 \\x1b; let it")
    assert separated.startswith("metric 'loss': the group reads 1 of 1,234.5 in: loss: 1,234.5")


def test_two_patterns_of_a_metric_feed_one_series(tmp_path: Path) -> None:
    source = "for line in ('loss 3', 'loss=2', 'loss 1'): print(line)"
    runner = run(tmp_path, job(tmp_path / "two.py", source, r"loss (\d)", r"loss=(\d)"), [])
    [trial] = runner.state.jobs.values()
    assert (reports(runner), trial.value) == ([3], 1.0)
