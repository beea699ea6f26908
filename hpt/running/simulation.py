"""Runs a tuning job on learning curves instead of training programs: the same decisions, in virtual time."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from hpt.executors.simulated import (
    FULL_PRICE,
    NO_TROUBLE,
    Curves,
    Market,
    SimulatedExecutor,
    Trouble,
    VirtualClock,
    metric_definition,
)
from hpt.job.config import JobConfig
from hpt.job.document import to_document
from hpt.running.runner import TuningJobRunner
from hpt.search.events import Event, ParentResult
from hpt.storage.memory import MemoryStorage


def simulate(
    config: JobConfig,
    curves: Curves | Mapping[str, Curves],
    *,
    trouble: Trouble = NO_TROUBLE,
    market: Market = FULL_PRICE,
    given: Sequence[ParentResult] = (),
    observe: Callable[[TuningJobRunner, Sequence[Event]], None] = lambda runner, events: None,
) -> TuningJobRunner:
    """The runner of a simulated job, run to its end; nothing is stored and no program is started.

    curves: what a training job with a given configuration would print, and when; of several definitions by
    their names. market: what Spot capacity is like, for a definition that takes it. given: what the parents
    of a warm start give. What goes wrong by chance depends on the job's seed, so that the same job simulates
    the same way again. Time starts at 0.
    """
    simulated = [
        replace(each, metric_definitions=(metric_definition(each.objective.metric),))
        for each in config.all_definitions
    ]
    config = replace(
        config, definition=simulated[0], definitions=tuple(simulated) if config.definitions else ()
    )
    if config.seed is None:
        config = replace(config, seed=secrets.randbits(31))
    limit = config.limits.max_runtime_seconds
    clock = VirtualClock()
    executor = SimulatedExecutor(
        curves,
        clock,
        trouble=trouble,
        market=market,
        seed=config.seed or 0,
        alarms=() if limit is None else (limit,),
    )
    storage = MemoryStorage()
    storage.create(config.name, to_document(config), clock(), given)
    lease = storage.acquire(config.name)
    runner = TuningJobRunner(config, clock(), given, storage, lease, executor, clock=clock)
    runner.observe = lambda events: observe(runner, events)
    runner.run(sleep=executor.sleep)
    storage.release(lease)
    return runner
