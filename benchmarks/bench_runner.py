"""The tuner's own cost of a trial: everything but the training program and the strategy.

    python benchmarks/bench_runner.py [--trials 1000] [--parallel 4] [--files 200]

Runs a job of no-op training programs (each prints its objective and ends) under random search with the real
runner, storage and local executor. Reports CPU milliseconds of the tuner per trial, over all trials and for
the first and last quarter (flat: the ratio stays near 1), and, as a second figure, of the supervisors with
the programs they ran. Limit: 5 ms of the tuner's CPU a trial.

The same with 200 small files in folders beside the program: what taking the snapshot costs once, and what
copying it and clearing it away costs more in each supervisor. Limit: 20 ms of CPU a trial.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

from hpt.job.config import JobConfig, MetricDefinition, Objective, ResourceLimits, TrainingJobDefinition
from hpt.running.session import Session
from hpt.search import events as ev
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.trial import ObjectiveType

LIMIT_MS = 5.0
SNAPSHOT_LIMIT_MS = 20.0
FOLDERS = 8


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--parallel", type=int, default=4)
    parser.add_argument("--files", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        cpu, supervisors, _ = _measured(Path(directory) / "alone", 0, options)
        _, among_files, taking = _measured(Path(directory) / "among", options.files, options)
    quarter = max(1, len(cpu) // 4)
    first, last, mean = cpu[quarter] / quarter, (cpu[-1] - cpu[-1 - quarter]) / quarter, cpu[-1] / len(cpu)
    print(f"trials {options.trials}, {options.parallel} in parallel")
    print(f"tuner        {mean:6.2f} ms CPU a trial   limit {LIMIT_MS} ms   ratio {mean / LIMIT_MS:.2f}")
    print(f"             first quarter {first:.2f} ms, last quarter {last:.2f} ms, ratio {last / first:.2f}")
    print(f"supervisor   {supervisors:6.2f} ms CPU a trial, the no-op program included")
    more = among_files - supervisors
    print(
        f"snapshot     {more:6.2f} ms CPU a trial more with {options.files} files beside the program   limit "
        f"{SNAPSHOT_LIMIT_MS} ms   ratio {more / SNAPSHOT_LIMIT_MS:.2f}"
    )
    print(f"             taking it once, and storing the job: {taking:.1f} ms CPU")
    return 0 if mean <= LIMIT_MS and more <= SNAPSHOT_LIMIT_MS else 1


def _measured(place: Path, files: int, options: argparse.Namespace) -> tuple[list[float], float, float]:
    """Run a job whose program lies among so many files: what `_run` returns, and CPU milliseconds of the
    supervisors a trial between.
    """
    project = place / "project"
    for number in range(files):
        folder = project / f"package{number % FOLDERS}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"module{number}.py").write_text("x = 1\n" * 200)
    project.mkdir(parents=True, exist_ok=True)
    program = project / "noop"
    program.write_text("#!/bin/sh\necho 'loss=1.5;'\n")
    program.chmod(0o755)
    before = _children()
    cpu, taking = _run(place / "state", program, options.trials, options.parallel)
    return cpu, (_children() - before) / options.trials, taking


def _children() -> float:
    """CPU milliseconds of processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (used.ru_utime + used.ru_stime)


def _run(state: Path, program: Path, trials: int, parallel: int) -> tuple[list[float], float]:
    """CPU milliseconds of this process since the start, at the end of each trial, and of creating the job."""
    config = JobConfig(
        name="noop",
        strategy="Random",
        seed=1,
        limits=ResourceLimits(trials, parallel),
        definition=TrainingJobDefinition(
            training_image=str(program),
            space=SearchSpace([ContinuousParameter("x", 0, 1)]),
            objective=Objective("loss", ObjectiveType.MINIMIZE),
            metric_definitions=(MetricDefinition("loss", r"loss=(.*?);"),),
        ),
    )
    session = Session(state)
    start = time.process_time()
    session.create(config)
    creating = 1000 * (time.process_time() - start)
    cpu: list[float] = []
    with session.take(config.name) as runner:
        start = time.process_time()

        def observe(events: object) -> None:
            now = 1000 * (time.process_time() - start)
            cpu.extend(now for event in events if isinstance(event, ev.TrialEnded))  # type: ignore[attr-defined]

        runner.observe = observe
        runner.run()
        assert runner.state.training_counters["Completed"] == trials, runner.state.training_counters
    session.close()
    return cpu, creating


if __name__ == "__main__":
    raise SystemExit(main())
