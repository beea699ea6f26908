"""Tuners, supervisors and whole trees are killed; the job must come out as if nothing had happened."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hpt.job.config import EarlyStopping, HyperbandConfig
from hpt.running.session import Session
from hpt.search import events as ev
from tests.faults.jobs import FaultJob, courses, results

BOUNDARIES = ("mid-ask", "before-commit", "after-commit", "before-submit", "after-submit", "mid-scan")
SAMPLE = {
    ("mid-ask", 3),
    ("before-commit", 2),
    ("after-commit", 1),
    ("before-submit", 2),
    ("after-submit", 3),
    ("mid-scan", 4),
}
KILLED = -signal.SIGKILL


def every_kill() -> list[object]:
    """(boundary, count) pairs; all but a sample are left to `make test-faults`."""
    pairs = [(boundary, count) for boundary in BOUNDARIES for count in (1, 2, 3, 4, 6)]
    return [pytest.param(*pair, marks=() if pair in SAMPLE else pytest.mark.faults) for pair in pairs]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[dict[str, object], float | None]]:
    job = FaultJob(tmp_path_factory.mktemp("undisturbed"))
    assert job.run() == 0
    return results(job.assert_complete())


@pytest.mark.parametrize(("boundary", "count"), every_kill())
def test_tuner_killed_at_a_boundary(tmp_path: Path, undisturbed: object, boundary: str, count: int) -> None:
    job = FaultJob(tmp_path / "job")
    assert job.run(boundary, count) == KILLED
    assert job.run() == 0
    assert results(job.assert_complete()) == undisturbed


@pytest.mark.parametrize(("boundary", "count"), every_kill())
def test_tuner_killed_at_a_boundary_with_three_in_parallel(tmp_path: Path, boundary: str, count: int) -> None:
    job = FaultJob(tmp_path / "job", parallel=3)
    assert job.run(boundary, count) == KILLED
    assert job.run() == 0
    job.assert_complete()


@pytest.mark.parametrize(
    ("boundary", "count"),
    [
        ("after-commit", 9),
        ("mid-scan", 12),
        pytest.param("before-commit", 14, marks=pytest.mark.faults),
        pytest.param("after-submit", 6, marks=pytest.mark.faults),
    ],
)
@pytest.mark.parametrize("kind", ["identical", pytest.param("transfer", marks=pytest.mark.faults)])
def test_tuner_killed_with_every_feature_on(tmp_path: Path, kind: str, boundary: str, count: int) -> None:
    """Early stopping, two criteria, a warm start, tags and retries."""
    job = FaultJob(tmp_path / "job", trials=16, pause=0.15, parallel=2, warm_start=kind, everything=True)
    assert job.run(boundary, count) == KILLED
    before = job.read()[1]
    assert job.run() == 0
    state = job.assert_complete()
    events = job.read()[1]
    assert events[: len(before)] == before
    assert sum(isinstance(event, ev.ParentResult) for event in events) == 10
    assert state.overall_best is not None and state.best is not None
    assert state.overall_best.value <= state.best.value
    counters = state.training_counters
    assert counters["Completed"] + counters["Stopped"] == state.launched == sum(counters.values())
    by_rule = [event for event in events if isinstance(event, ev.StopDecided)]
    assert len({(event.number, event.reason) for event in by_rule}) == len(by_rule)
    if state.launched < 16:
        assert state.criterion == "BestObjectiveNotImproving"
    stored, _, _ = Session(job.root).load(job.name)
    assert stored == job.config


def random_moments(count: int, sample: int) -> list[object]:
    return [pytest.param(i, marks=() if i < sample else pytest.mark.faults) for i in range(count)]


@pytest.mark.parametrize("moment", random_moments(50, 3))
def test_tuner_killed_at_random_moments(tmp_path: Path, undisturbed: object, moment: int) -> None:
    """Odd moments run one at a time and must equal the undisturbed job; even ones run three in parallel."""
    job = FaultJob(tmp_path / "job", parallel=1 if moment % 2 else 3)
    draw = random.Random(moment)
    for _ in range(2):
        tuner = job.start()
        job.wait_for_commit()
        try:
            tuner.wait(draw.uniform(0.0, 0.8))
        except subprocess.TimeoutExpired:
            tuner.kill()
            tuner.wait()
        if job.read()[0].status.ended:
            break
    if not job.read()[0].status.ended:
        assert job.run() == 0
    state = job.assert_complete()
    if moment % 2:
        assert results(state) == undisturbed


STOPPED_BY: dict[str, dict[str, Any]] = {
    "hyperband": {"strategy": "Hyperband", "hyperband": HyperbandConfig(9)},
    "model": {"strategy": "Hyperband", "hyperband": HyperbandConfig(9, model_based=True)},
    "median": {"early_stopping": EarlyStopping(min_trials=2, min_steps=2)},
}


@pytest.fixture(scope="module")
def undisturbed_courses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[object]]:
    found: dict[str, list[object]] = {}
    for name, options in STOPPED_BY.items():
        job = FaultJob(tmp_path_factory.mktemp(name), trials=8, epochs=9, pause=0.05, **options)
        assert job.run() == 0
        found[name] = list(courses(job.assert_complete()))
    return found


@pytest.mark.parametrize("moment", random_moments(5, 1))
@pytest.mark.parametrize("rule", STOPPED_BY)
def test_tuner_of_a_job_with_a_stopping_rule_killed(
    tmp_path: Path, undisturbed_courses: dict[str, list[object]], rule: str, moment: int
) -> None:
    """Programs print on while no tuner reads: reports after the verdict do not count."""
    job = FaultJob(tmp_path / "job", trials=8, epochs=9, pause=0.05, **STOPPED_BY[rule])
    draw = random.Random(moment)
    for _ in range(4):
        tuner = job.start()
        job.wait_for_commit()
        with suppress(subprocess.TimeoutExpired):
            tuner.wait(draw.uniform(0.2, 0.9))
        tuner.kill()
        tuner.wait()
        time.sleep(draw.uniform(0.0, 0.7))
        if job.read()[0].status.ended:
            break
    if not job.read()[0].status.ended:
        assert job.run() == 0
    assert list(courses(job.assert_complete())) == undisturbed_courses[rule]


def _loss(config: Mapping[str, Any]) -> float:
    """What `counted.py` prints last for a configuration."""
    return float(
        (config["x"] - 0.3) ** 2 + 0.1 * abs(config["depth"] - 4) + 0.05 * (config["kind"] == "b") + 0.1 / 3
    )


@pytest.mark.parametrize(("parallel", "way"), [(3, "log lost"), (3, "copy"), (1, "copy")])
def test_a_database_of_another_day_credits_no_result_to_another_configuration(
    tmp_path: Path, parallel: int, way: str
) -> None:
    """What ran in between lies there, under the names of the training jobs that come next."""
    job = FaultJob(tmp_path / "job", parallel=parallel, trials=12, pause=0.05 * parallel)
    database = tmp_path / "job/faults/job.sqlite"
    tuner = job.start()
    _until_run(job, 4)
    if way == "copy":
        tuner.kill()
        tuner.wait()
        for path in database.parent.glob("job.sqlite*"):
            shutil.copy(path, tmp_path / path.name)
        tuner = job.start()
    _until_run(job, 9)
    tuner.kill()
    tuner.wait()
    for path in database.parent.glob("job.sqlite*" if way == "copy" else "job.sqlite-*"):
        path.unlink()
    for path in tmp_path.glob("job.sqlite*"):
        shutil.copy(path, database.parent)
    assert job.run() == 0
    state = job.read()[0]
    assert state.training_counters["Completed"] == 12
    for trial in state.jobs.values():
        assert trial.value == pytest.approx(_loss(trial.config)), trial.name


def _until_run(job: FaultJob, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(job.runs_by_name()) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("moment", random_moments(6, 1))
def test_supervisor_killed(tmp_path: Path, moment: int) -> None:
    """The attempt is lost, its program dies with its supervisor, and the trial runs once more."""
    job = FaultJob(tmp_path / "job", parallel=1 + moment % 3, pause=0.4, trials=4)
    tuner = job.start()
    deadline = time.monotonic() + 30
    while not job.runs_by_name():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(random.Random(moment).uniform(0.0, 0.5))
    victims = job.supervisors()
    for victim in victims:
        victim.kill()
    assert victims
    assert tuner.wait(60) == 0
    state = job.assert_complete(ran_once=False)
    lost = [
        event for event in job.read()[1] if isinstance(event, ev.AttemptEnded) and event.outcome == "Lost"
    ]
    assert 1 <= len(lost) <= len(victims)
    again = {state.jobs[event.number].name for event in lost}
    for name, count in job.runs_by_name().items():
        assert count <= (2 if name in again else 1)
    assert {trial.lost for trial in state.jobs.values()} <= {0, 1}
    assert state.training_counters["RetryableError"] == 0


@pytest.mark.parametrize("moment", random_moments(6, 1))
def test_whole_tree_killed(tmp_path: Path, undisturbed: object, moment: int) -> None:
    job = FaultJob(tmp_path / "job", parallel=1 if moment % 2 == 0 else 3, pause=0.1)
    tuner = job.start()
    job.wait_for_commit()
    time.sleep(random.Random(moment).uniform(0.1, 1.0))
    job.kill_tree(tuner)
    assert job.run() == 0
    state = job.assert_complete(ran_once=False)
    lost = {trial.name for trial in state.jobs.values() if trial.lost}
    for name, count in job.runs_by_name().items():
        assert count == 1 or name in lost
    if moment % 2 == 0:
        assert results(state) == undisturbed


@pytest.mark.parametrize(("count", "again"), [(1, 1), pytest.param(2, 1, marks=pytest.mark.faults)])
def test_tuner_killed_while_stopping(tmp_path: Path, count: int, again: int) -> None:
    """Killed in the middle of stopping trials: the resumed tuner stops the rest and ends the job."""
    job = FaultJob(tmp_path / "job", parallel=2, pause=2.0)
    from hpt.job.notes import STOP
    from hpt.running.session import Session

    tuner = job.start("mid-stop", count)
    deadline = time.monotonic() + 30
    while len(job.runs_by_name()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    session = Session(job.root)
    session.storage.add_note(job.name, STOP)
    session.close()
    assert tuner.wait(30) == KILLED
    assert job.run() == 0
    state, _ = job.read()
    assert str(state.status) == "Stopped"
    assert state.training_counters["Stopped"] == 2
    assert set(job.runs_by_name().values()) == {again}
