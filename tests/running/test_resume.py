"""The event log of a job is cut at every index; what resumes must find the same trials and the same best."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from hpt.executors.local import LocalExecutor
from hpt.job.state import JobState
from hpt.running.runner import TuningJobRunner
from hpt.running.session import Session
from hpt.search import events as ev
from hpt.storage.memory import MemoryStorage
from tests.faults.jobs import FaultJob, results


@pytest.mark.parametrize(
    ("parallel", "trials", "algorithms", "warm_start"),
    [
        (1, 3, (), None),
        (3, 4, (), None),
        pytest.param(1, 3, ("first", "second"), None, marks=pytest.mark.slow),
        (1, 3, (), "TransferLearning"),
        pytest.param(1, 3, (), "IdenticalDataAndAlgorithm", marks=pytest.mark.slow),
        pytest.param(3, 5, (), None, marks=pytest.mark.slow),
        pytest.param(1, 5, ("first", "second"), None, marks=pytest.mark.slow),
        pytest.param(1, 5, (), "TransferLearning", marks=pytest.mark.slow),
    ],
)
def test_event_log_cut_at_every_index_resumes(
    tmp_path: Path, parallel: int, trials: int, algorithms: tuple[str, ...], warm_start: str | None
) -> None:
    job = FaultJob(
        tmp_path / "job",
        parallel=parallel,
        trials=trials,
        pause=0.005,
        algorithms=algorithms,
        warm_start=warm_start,
    )
    assert job.run() == 0
    state, events = job.read()
    original = results(state)
    assert {trial.definition for trial in state.jobs.values()} == (set(algorithms) or {None})
    assert len(events) > 5 * trials
    runs = job.runs_by_name()
    given = sum(isinstance(event, ev.ParentResult) for event in events)  # stored with the job itself
    assert given == (0 if warm_start is None else 10)
    for cut in range(given, len(events) + 1):
        known = {event.name for event in events[:cut] if isinstance(event, ev.TrialCreated)}
        resumed = _resume(job, tmp_path / f"cut{cut}", events[:cut], state.created, known)
        assert resumed.training_counters["Completed"] == trials, f"cut at {cut}"
        assert resumed.objective_counters == state.objective_counters
        # Whatever was decided before the cut stays decided; one at a time, so does everything after it.
        before = sum(isinstance(event, ev.TrialCreated) for event in events[:cut])
        assert [config for config, _ in results(resumed)][:before] == [config for config, _ in original][
            :before
        ]
        definitions = [trial.definition for trial in resumed.jobs.values()]
        assert definitions[:before] == [trial.definition for trial in state.jobs.values()][:before]
        if parallel == 1:
            assert definitions == [trial.definition for trial in state.jobs.values()]
            assert results(resumed) == original, f"cut at {cut}"
            assert resumed.best is not None and state.best is not None
            assert (resumed.best.number, resumed.best.value) == (state.best.number, state.best.value)
        last = events[cut - 1] if cut else None
        for name in known:  # an attempt that ran is attached to, never run again
            assert job.runs_by_name()[name] == 1, (cut, last)
        job.runs.write_text("".join(f"{name}\n" for name in runs.elements()))


def _resume(
    job: FaultJob, directory: Path, events: list[ev.Event], created: float, known: set[str]
) -> JobState:
    """Resume from a prefix of the log beside the trial directories that existed by then."""
    trials = directory / "trials"
    trials.mkdir(parents=True)
    for name in known:
        shutil.copytree(job.root / job.name / "trials" / name, trials / name, symlinks=True)
    shutil.copytree(job.root / job.name / "program", directory / "program", symlinks=True)
    with closing(Session(job.root)) as session:
        config = session.config(job.name)  # as it was stored, with the snapshot of its program
    storage = MemoryStorage()
    storage.create(job.name, {}, created)
    lease = storage.acquire(job.name)
    if events:
        storage.append(lease, events, {})
    executor = LocalExecutor(trials)
    runner = TuningJobRunner(config, created, events, storage, lease, executor)
    runner.run()
    executor.close()
    assert storage.read(job.name)[1][: len(events)] == events
    return runner.state


def test_a_finished_job_is_left_alone(tmp_path: Path) -> None:
    job = FaultJob(tmp_path / "job", trials=2)
    assert job.run() == 0
    before = job.read()[1]
    session = Session(job.root)
    with session.take(job.name) as runner:
        assert runner.finished
        runner.run()
    session.close()
    assert job.read()[1] == before
