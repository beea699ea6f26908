"""How long a job's logs wait to be read while its free slots are being filled.

    python benchmarks/bench_asking.py [--parallel 200] [--known 300] [--strategy Bayesian]

A job that knows `known` results from the start, so that its model chooses from the first training job on,
fills `parallel` free slots: in real time, with programs that are played back and print four times a second.
Reports how long the filling took, and the longest time between two looks at the executor, which is how long
a log can wait and a stopping rule with it. Limit: 0.25 s.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from hpt.executors.base import Update
from hpt.executors.simulated import Curve, SimulatedExecutor, VirtualClock, metric_definition
from hpt.job.config import JobConfig, Objective, ResourceLimits, TrainingJobDefinition
from hpt.job.warm_start import WarmStart
from hpt.running.runner import TuningJobRunner
from hpt.search import events as ev
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.trial import Config, ObjectiveType, TrialStatus
from hpt.storage.memory import MemoryStorage

LIMIT = 0.25
SPACE = SearchSpace([ContinuousParameter(f"x{i}", 0, 1) for i in range(6)])


class Polled:
    """An executor that notes when it was asked for news."""

    def __init__(self, executor: SimulatedExecutor) -> None:
        self._executor = executor
        self.times: list[float] = []
        self.submit, self.stop, self.close = executor.submit, executor.stop, executor.close

    def poll(self) -> list[Update]:
        self.times.append(time.monotonic())
        return self._executor.poll()


def loss(config: Config) -> float:
    return sum((float(value) - 0.3) ** 2 for value in config.values())


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parallel", type=int, default=200)
    parser.add_argument("--known", type=int, default=300)
    parser.add_argument("--strategy", default="Bayesian")
    options = parser.parse_args()
    definition = TrainingJobDefinition(
        "train.py",
        SPACE,
        Objective("loss", ObjectiveType.MINIMIZE),
        metric_definitions=(metric_definition("loss"),),
    )
    config = JobConfig(
        "asking",
        options.strategy,
        definition,
        ResourceLimits(2 * options.parallel, options.parallel),
        seed=1,
        warm_start=WarmStart("parent", "IdenticalDataAndAlgorithm"),
    )
    known: list[ev.Event] = [
        ev.ParentResult(0.0, "parent", f"parent-{i}", loss(each), each, True, {}, TrialStatus.COMPLETED, 0.0)
        for i, each in enumerate(SPACE.sample(options.known, np.random.default_rng(1)))
    ]
    clock = VirtualClock(time.time(), time.monotonic)  # real time
    executor = Polled(
        SimulatedExecutor(lambda each: Curve([loss(each) + 1 / k for k in range(1, 400)], 0.25), clock)
    )
    storage = MemoryStorage()
    storage.create(config.name, {}, clock.now, known)
    lease = storage.acquire(config.name)
    runner = TuningJobRunner(config, clock.now, known, storage, lease, executor, clock=clock)
    began, cpu = time.monotonic(), time.process_time()
    while len(runner.state.running) < options.parallel:
        runner.step()
        runner.wait(0.01)
    runner.step()  # a look after the last
    spent, cpu = time.monotonic() - began, time.process_time() - cpu
    longest = max(np.diff([began, *executor.times]))
    filled = f"{options.parallel} slots filled in {spent:.2f} s ({cpu:.2f} s of CPU)"
    print(f"{options.strategy}: {filled}, {len(executor.times)} looks")
    print(f"  logs waited {longest:.3f} s at most   limit {LIMIT} s   ratio {longest / LIMIT:.2f}")
    runner.close()
    return 0 if longest <= LIMIT else 1


if __name__ == "__main__":
    raise SystemExit(main())
