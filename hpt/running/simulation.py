"""Runs a tuning job on learning curves instead of training programs: the same decisions, in virtual time."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from hpt.executors.simulated import (
    FULL_PRICE,
    NO_FAULTS,
    Curve,
    Curves,
    Faults,
    Market,
    SimulatedExecutor,
    VirtualClock,
    metric_definition,
)
from hpt.executors.simulated_fleet import Fleet, Machines
from hpt.job.config import JobConfig
from hpt.job.document import to_document
from hpt.job.state import JobState
from hpt.job.view import JobView
from hpt.running.jobs import SIMULATED
from hpt.running.result import TuningResult, make_result
from hpt.running.runner import TuningJobRunner
from hpt.search.events import Event, ParentResult
from hpt.search.history import History
from hpt.search.trial import Config
from hpt.storage.base import Storage
from hpt.storage.memory import MemoryStorage


@dataclass(frozen=True, slots=True)
class Simulation:
    """A simulated job that has ended. thinking: seconds of CPU time that the tuner took for it, which are
    part of its virtual time only where they were charged. events: what was recorded, in order. machines:
    those of the fleet, if it ran on one, with what they cost.
    """

    runner: TuningJobRunner
    thinking: float
    events: Sequence[Event] = ()
    machines: Machines | None = None

    @property
    def config(self) -> JobConfig:
        return self.runner.config

    @property
    def state(self) -> JobState:
        return self.runner.state

    @property
    def history(self) -> History:
        return self.runner.history

    @property
    def view(self) -> JobView:
        """The read model of the job at its end."""
        return JobView(self.config, self.state)

    @property
    def result(self) -> TuningResult:
        """Its result, as that of a job whose programs ran."""
        return make_result(self.view, self.events)

    def keep(self, storage: Storage, origin: str) -> None:
        """Store it as a job that has ended, with the times of the virtual clock.

        origin: names the curves.

        Raises:
            JobExistsError: its name is taken.
        """
        config = replace(self.config, tags={**self.config.tags, SIMULATED: origin})
        storage.create(config.name, to_document(config), self.state.created, self.events)
        lease = storage.acquire(config.name)
        try:
            storage.append(lease, (), self.state.summary())
        finally:
            storage.release(lease)

    @property
    def busy(self) -> float:
        """The share of the slots' time in which programs trained, see `JobView.busy`."""
        return self.view.busy(self.state.created)


class _Thinking:
    """CPU time that passes, but for what the curves take, which stand for training programs."""

    def __init__(self, cpu: Callable[[], float]) -> None:
        self._cpu = cpu
        self._own = time.thread_time if cpu is time.process_time else cpu  # another thread thinks meanwhile
        self._began = cpu()
        self._playing = 0.0

    @property
    def seconds(self) -> float:
        return self._cpu() - self._began - self._playing

    def without(self, curves: Curves) -> Curves:
        """The same curves, whose time does not count."""

        def curve(config: Config) -> Curve:
            before = self._own()
            try:
                return curves(config)
            finally:
                self._playing += self._own() - before

        return curve


def simulate(
    config: JobConfig,
    curves: Curves | Mapping[str, Curves],
    *,
    faults: Faults = NO_FAULTS,
    market: Market = FULL_PRICE,
    fleet: Fleet | None = None,
    given: Sequence[ParentResult] = (),
    observe: Callable[[TuningJobRunner, Sequence[Event]], None] = lambda runner, events: None,
    charge: bool = False,
    cpu: Callable[[], float] = time.process_time,
) -> Simulation:
    """A simulated job, run to its end; nothing is stored and no program is started. Time starts at 0.

    What goes wrong by chance depends on the job's seed, so that the same job simulates the same way again.
    With `charge` it does not: the time that the tuner thinks differs from run to run. Without it, programs
    never wait for the tuner, and how busy the slots are says nothing of how fast it decides.

    Parameters
    ----------
    config
        The job. Its metric definitions are replaced by those of simulated training jobs.
    curves
        What a training job with a given configuration would print, and when. In a multi-algorithm job: by the
        names of the definitions.
    faults
        What goes wrong.
    market
        What Spot capacity is like, for a definition that takes it.
    fleet
        The machines there are; None: as many as are asked for.
    given
        The results of the parents of a warm start.
    observe
        Called with the runner and the events of every committed step.
    charge
        Whether the virtual clock runs while the tuner decides, by the CPU time that it takes, so
        that its decisions are delayed as in a real job.
    cpu
        Seconds of CPU time that were used so far.

    Returns
    -------
    Simulation
        The job at its end.

    Raises
    ------
    InputError
        A curve, `faults` or `market` breaks its rule.
    """
    simulated = [
        replace(definition, metric_definitions=(metric_definition(definition.objective.metric),))
        for definition in config.all_definitions
    ]
    config = replace(
        config, definition=simulated[0], definitions=tuple(simulated) if config.definitions else ()
    )
    if config.seed is None:
        config = replace(config, seed=secrets.randbits(31))
    limit = config.limits.max_runtime_seconds
    thinking = _Thinking(cpu)
    clock = VirtualClock(0.0, (lambda: thinking.seconds) if charge else None)
    executor = SimulatedExecutor(
        thinking.without(curves)
        if callable(curves)
        else {name: thinking.without(own) for name, own in curves.items()},
        clock,
        faults=faults,
        market=market,
        seed=config.seed or 0,
        alarms=() if limit is None else (limit,),
        fleet=fleet,
    )
    storage = MemoryStorage()
    storage.create(config.name, to_document(config), 0.0, given)
    lease = storage.acquire(config.name)
    runner = TuningJobRunner(config, 0.0, given, storage, lease, executor, clock=clock)
    runner.observe = lambda events: observe(runner, events)

    def sleep(seconds: float) -> None:
        if not runner.wait_for_suggestion(seconds):  # whose making moves the clock, where it is charged
            executor.sleep(seconds)

    runner.run(sleep=sleep)
    runner.close()
    storage.release(lease)
    if executor.machines is not None:
        executor.machines.close(clock.now)
    return Simulation(runner, thinking.seconds, storage.read(config.name)[1], executor.machines)
