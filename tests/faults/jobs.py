"""Jobs for the fault tests: made, driven in processes of their own, killed, and read again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from hpt.job.completion import CompletionCriteria
from hpt.job.config import (
    EarlyStopping,
    HyperbandConfig,
    JobConfig,
    MetricDefinition,
    Objective,
    ResourceLimits,
    TrainingJobDefinition,
)
from hpt.job.decisions import make_search
from hpt.job.state import JobState, JobStatus
from hpt.job.warm_start import WarmStart
from hpt.running.session import Session
from hpt.search import events as ev
from hpt.search.space import CategoricalParameter, ContinuousParameter, IntegerParameter, SearchSpace
from hpt.search.trial import ObjectiveType, TrialStatus
from hpt.search.tuner import Tuner

HERE = Path(__file__).parent
COUNTED = HERE.parent / "programs" / "counted.py"
SPACE = SearchSpace(
    [
        ContinuousParameter("x", 0, 1),
        IntegerParameter("depth", 1, 9),
        CategoricalParameter("kind", ["a", "b"]),
    ]
)


class FaultJob:
    """One tuning job in a state directory of its own."""

    def __init__(
        self,
        root: Path,
        *,
        parallel: int = 1,
        trials: int = 6,
        strategy: str = "Bayesian",
        pause: float = 0.02,
        algorithms: tuple[str, ...] = (),
        warm_start: str | None = None,
        everything: bool = False,
        epochs: int = 3,
        hyperband: HyperbandConfig | None = None,
        early_stopping: EarlyStopping | None = None,
        instances: int = 1,
        changes: Mapping[str, Any] | None = None,
    ) -> None:
        """everything: early stopping, two criteria, tags and retries as well.

        epochs: values of each trial. instances: processes of each attempt. changes: of the definition's
        fields.
        """
        self.root, self.name, self.runs = root, "faults", root / "runs"
        self.instances = instances
        root.mkdir(parents=True, exist_ok=True)
        definition = TrainingJobDefinition(
            training_image=str(COUNTED),
            space=SPACE,
            objective=Objective("loss", ObjectiveType.MINIMIZE),
            hyperparameters={"pause": repr(pause), "epochs": str(epochs)},
            metric_definitions=(MetricDefinition("loss", r"loss=(.*?);"),),
            environment={"RUNS": str(self.runs)},
            grace_seconds=5.0,
            retry_attempts=2 if everything else 1,
            instance_count=instances,
        )
        definition = replace(definition, **(changes or {}))
        several = tuple(replace(definition, name=name) for name in algorithms)
        self.config = JobConfig(
            name=self.name,
            strategy=strategy,
            seed=7,
            limits=ResourceLimits(trials, parallel),
            definition=several[0] if several else definition,
            definitions=several,
            warm_start=None if warm_start is None else WarmStart("parent", warm_start),
            early_stopping=EarlyStopping() if everything else early_stopping,
            hyperband=hyperband,
            completion=CompletionCriteria(target=1e-6, max_not_improving=5)
            if everything
            else CompletionCriteria(),
            tags={"team": "a"} if everything else {},
        )
        session = Session(root)
        if warm_start is not None:
            _store_parent(session, replace(self.config, name="parent", warm_start=None))
        session.create(self.config)
        session.close()

    def start(self, *where: object) -> subprocess.Popen[bytes]:
        """Drive the job in a new process, which may kill itself at (boundary, count)."""
        command = [sys.executable, str(HERE / "driver.py"), str(self.root), self.name, *map(str, where)]
        return subprocess.Popen(command)

    def run(self, *where: object, timeout: float = 120) -> int:
        return self.start(*where).wait(timeout)

    def read(self) -> tuple[JobState, list[ev.Event]]:
        session = Session(self.root)
        record, events = session.storage.read(self.name)
        session.close()
        return JobState.fold(ObjectiveType.MINIMIZE, record.created, events), events

    def wait_for_commit(self, timeout: float = 30) -> None:
        deadline = time.monotonic() + timeout
        while not self.read()[1]:
            assert time.monotonic() < deadline, "the job never committed anything"
            time.sleep(0.01)

    def runs_by_name(self) -> Counter[str]:
        return Counter(self.runs.read_text().split()) if self.runs.exists() else Counter()

    def supervisors(self) -> list[psutil.Process]:
        """Every living supervisor of this job's attempts."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if any(word.endswith("executors/start.py") for word in words) and any(
                str(self.root) in word for word in words
            ):
                found.append(process)
        return found

    def kill_tree(self, tuner: subprocess.Popen[bytes], *, programs: bool = True) -> None:
        """SIGKILL for the tuner, the supervisors and whatever they run, as when a machine goes down.

        programs: False: the kernel is left to end what runs.
        """
        victims = [tuner.pid]
        for supervisor in self.supervisors():
            try:
                below = supervisor.children(recursive=True) if programs else ()
                victims += [supervisor.pid, *(child.pid for child in below)]
            except psutil.NoSuchProcess:
                continue
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        tuner.wait()

    def assert_complete(self, *, ran_once: bool = True) -> JobState:
        """Nothing lost, nothing run twice, and the recorded order gives the recorded suggestions."""
        state, events = self.read()
        assert state.status is JobStatus.COMPLETED
        if self.config.early_stopping is None and self.config.hyperband is None:
            assert state.launched == self.config.limits.max_jobs
            assert state.training_counters["Completed"] == state.launched, state.training_counters
        assert [job.number for job in state.jobs.values()] == list(range(1, state.launched + 1))
        runs = self.runs_by_name()
        names = {job.name: job.status for job in state.jobs.values()}
        assert runs.keys() <= names.keys()
        assert {names[name] for name in names.keys() - runs.keys()} <= {TrialStatus.STOPPED}  # before it ran
        if ran_once:
            assert set(runs.values()) == {self.instances}, runs
        self.assert_replays(events)
        return state

    def assert_replays(self, events: Sequence[ev.Event]) -> None:
        """Each suggestion is what a new search makes of the events before it; of several training jobs at a
        time, of some of them and the trials before: more may have come in as it was made.
        """
        created = [place for place, event in enumerate(events) if isinstance(event, ev.TrialCreated)]
        several = self.config.limits.max_parallel_jobs
        for k, place in enumerate(created):
            earliest = place if several == 1 else created[max(0, k - several)]
            known = range(place, earliest - 1, -1)
            assert any(_same(events[place], self._proposal(events, count, place)) for count in known)

    def _proposal(self, events: Sequence[ev.Event], count: int, place: int) -> ev.TrialCreated:
        """The next trial after so many events, where later ones up to `place` only create trials."""
        strategy, rule = make_search(self.config)
        tuner = Tuner(self.config.space, "Minimize", strategy, seed=self.config.seed, stopping_rule=rule)
        for event in events[:count]:
            tuner.apply(event)
        for event in events[count:place]:
            if isinstance(event, ev.TrialCreated):
                tuner.apply(event)
        [proposal] = tuner.propose(1)
        return proposal


def _same(event: ev.Event, proposal: ev.TrialCreated) -> bool:
    assert isinstance(event, ev.TrialCreated)
    return (event.number, dict(event.config), event.definition) == (
        proposal.number,
        dict(proposal.config),
        proposal.definition,
    )


def _store_parent(session: Session, config: JobConfig) -> None:
    """A job that ended with ten results, though nothing ran."""
    session.create(config)
    lease = session.storage.acquire(config.name)
    events: list[ev.Event] = []
    for number in range(1, 11):
        values = {"x": (number * 0.37) % 1, "depth": 1 + number * 5 % 9, "kind": "ab"[number % 2]}
        loss = (values["x"] - 0.3) ** 2 + 0.1 * abs(values["depth"] - 4)
        events += [
            ev.TrialCreated(0.0, number, values, f"parent-{number}"),
            ev.AttemptCreated(0.0, number, 1),
            ev.TrialEnded(0.0, number, TrialStatus.COMPLETED, loss),
        ]
    session.storage.append(lease, [*events, ev.JobEnded(1.0, "Completed", "MaxNumberOfTrainingJobs")], {})
    session.storage.release(lease)


def courses(state: JobState) -> list[tuple[dict[str, object], float | None, int]]:
    """Configuration, value and number of reports of each trial, as far as the search saw them."""
    return [(dict(job.config), job.value, job.reports) for job in state.jobs.values()]


def results(state: JobState) -> list[tuple[dict[str, object], float | None]]:
    return [(dict(job.config), job.value) for job in state.jobs.values()]
