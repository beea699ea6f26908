"""Simulated jobs whose runner, executor and clock a test holds in its hands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hpt.executors.base import Executor
from hpt.executors.simulated import (
    FULL_PRICE,
    Curve,
    Curves,
    Faults,
    Market,
    SimulatedExecutor,
    VirtualClock,
    metric_definition,
)
from hpt.job.config import JobConfig, Objective, ResourceLimits, TrainingJobDefinition
from hpt.running.runner import TuningJobRunner
from hpt.search import events as ev
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.trial import Config, ObjectiveType
from hpt.storage.memory import MemoryStorage

SPACE = SearchSpace([ContinuousParameter("x", 0, 1), ContinuousParameter("y", 0, 1)])


def curves(config: Config) -> Curve:
    """27 values that fall towards (x - 0.3)^2 + (y - 0.6)^2."""
    x, y = float(config["x"]), float(config["y"])
    floor = (x - 0.3) ** 2 + (y - 0.6) ** 2
    return Curve([floor + 0.5 / (step + 10 * x) for step in range(1, 28)], 10.0 + 5 * y)


def job(
    strategy: str = "Random",
    *,
    jobs: int = 40,
    parallel: int = 5,
    definition: dict[str, Any] | None = None,
    **changes: Any,
) -> JobConfig:
    template = TrainingJobDefinition(
        "train.py",
        SPACE,
        Objective("loss", ObjectiveType.MINIMIZE),
        metric_definitions=(metric_definition("loss"),),
    )
    return JobConfig(
        "sim",
        strategy,
        replace(template, **definition or {}),
        ResourceLimits(jobs, parallel),
        seed=5,
        **changes,
    )


@dataclass
class Simulated:
    """A job under a simulated executor, which `wrap` may wrap. Every event is kept."""

    config: JobConfig
    curves: Curves = curves
    faults: Faults = field(default_factory=Faults)
    market: Market = FULL_PRICE
    wrap: Callable[[Executor], Executor] = lambda executor: executor
    events: list[ev.Event] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = VirtualClock()
        self.simulated = SimulatedExecutor(
            self.curves, self.clock, faults=self.faults, market=self.market, seed=self.config.seed or 0
        )
        self.executor = self.wrap(self.simulated)
        self.storage = MemoryStorage()
        self.storage.create(self.config.name, {}, 0.0)
        self.runner = self.take()

    def take(self, **options: Any) -> TuningJobRunner:
        """A runner that goes on with what is stored, as another process would."""
        _, stored = self.storage.read(self.config.name)
        self.events = list(stored)
        lease = self.storage.acquire(self.config.name)
        self.runner = TuningJobRunner(
            self.config,
            0.0,
            stored,
            self.storage,
            lease,
            self.executor,
            clock=self.clock,
            observe=self._observe,
            say=self.said.append,
            **options,
        )
        return self.runner

    def release(self) -> None:
        self.storage.release(self.runner._lease)

    def run(self) -> TuningJobRunner:
        self.runner.run(sleep=self.simulated.sleep)
        return self.runner

    def _observe(self, events: Sequence[ev.Event]) -> None:
        self.events.extend(events)
