"""An executor that trains nothing: learning curves are played back on a virtual clock.

The runner, the storage, the strategies and the stopping rules run on it unchanged. An hour of simulated
training costs as much real time as the tuner needs to decide.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from math import inf, isfinite
from operator import attrgetter

import numpy as np

from hpt.errors import InputError
from hpt.executors.base import AttemptKey, Exit, LogChunk, Submission, Update
from hpt.executors.simulated_fleet import Fleet, Machine, Machines
from hpt.job.config import MetricDefinition
from hpt.search.trial import Config


@dataclass(frozen=True, slots=True)
class Curve:
    """What one training job would do.

    values: of the objective metric, in the order in which they are printed. seconds: the duration of each,
    one number for all or a sequence.

    Raises:
        InputError: the lengths differ, or a duration is negative.
    """

    values: Sequence[float]
    seconds: float | Sequence[float] = 1.0

    def __post_init__(self) -> None:
        if isinstance(self.seconds, Sequence) and len(self.seconds) != len(self.values):
            raise InputError(
                f"a curve has {len(self.values)} values and {len(self.seconds)} durations; give one for "
                "each, or one for all"
            )
        for duration in self.durations:
            if not (isfinite(duration) and duration >= 0):
                raise InputError(f"a curve has a duration of {duration!r}; give seconds of 0 or more")

    @property
    def durations(self) -> Sequence[float]:
        """Seconds for each value."""
        if isinstance(self.seconds, Sequence):
            return self.seconds
        return [float(self.seconds)] * len(self.values)


Curves = Callable[[Config], Curve]
"""The course of training with a configuration."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong, each by chance and independently in every attempt.

    failures: share of attempts whose program fails on the way. losses: share whose machine is lost on the
    way. stragglers: share that runs `slowdown` times slower. startup: seconds before training begins.
    shutdown: seconds that a program takes to end once it is asked to, its grace period at most.

    Raises:
        InputError: a share is not from 0 to 1, or another number is too small.
    """

    failures: float = 0.0
    losses: float = 0.0
    stragglers: float = 0.0
    slowdown: float = 5.0
    startup: float = 0.0
    shutdown: float = 0.0

    def __post_init__(self) -> None:
        for what in ("failures", "losses", "stragglers"):
            if not 0 <= getattr(self, what) <= 1:
                raise InputError(f"{what} {getattr(self, what)!r} is not a share from 0 to 1; give one")
        for what, least in (("slowdown", 1), ("startup", 0), ("shutdown", 0)):
            if not least <= getattr(self, what) < inf:
                raise InputError(
                    f"{what} {getattr(self, what)!r} is not a number of {least} or more; give one"
                )


NO_FAULTS = Faults()


@dataclass(frozen=True, slots=True)
class Market:
    """Spot capacity, for definitions that take it (behaviour 11.4). price: of a second, as a share of the
    full one.

    interruptions: how often in an hour of running capacity is withdrawn. delay: seconds until there is
    capacity for an attempt. Both are averages; the times between are exponential, independent of each other.

    Raises:
        InputError: the price is not in (0, 1], or another number is negative.
    """

    price: float = 1.0
    interruptions: float = 0.0
    delay: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.price <= 1:
            raise InputError(f"price {self.price!r} is not a share above 0 and up to 1; give one")
        for what in ("interruptions", "delay"):
            if not 0 <= getattr(self, what) < inf:
                raise InputError(f"{what} {getattr(self, what)!r} is not a number of 0 or more; give one")


FULL_PRICE = Market()


def metric_definition(metric: str) -> MetricDefinition:
    """How a simulated training job prints the objective metric: what its log must be read with."""
    return MetricDefinition(metric, r"^simulated: (\S+)$")


class VirtualClock:
    """A clock that stands still until it is moved. Calling it gives the time, in seconds since the epoch.

    passing: seconds that pass by themselves, such as the CPU time that is used; None: there are none, and
    whoever decides may take any time to do so.
    """

    def __init__(self, start: float = 0.0, passing: Callable[[], float] | None = None) -> None:
        self.stands_still = passing is None
        self._passing = passing or (lambda: 0.0)
        self._moved = start - self._passing()

    @property
    def now(self) -> float:
        return self._moved + self._passing()

    @now.setter
    def now(self, time: float) -> None:
        self._moved = time - self._passing()

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class _Run:
    """An attempt whose whole course is known: `times[i]` is when a line is printed, `ends[i]` its end in the
    log. start: when training begins; end and exit: when and how it is over if nobody stops it. capacity: when
    there is a machine for it, on Spot capacity. place: in the order of submission.

    offset and phases: how much of the log, and how many phases, were handed out. machine: of a fleet, what it
    runs on.
    """

    key: AttemptKey
    place: int
    capacity: float | None
    start: float
    times: list[float]
    log: bytes
    ends: list[int]
    end: float
    exit: Exit
    grace: float
    keeps: bool
    offset: int = 0
    phases: int = 0
    machine: Machine | None = None

    def printed(self, now: float) -> int:
        """How many lines were printed by now."""
        return bisect_right(self.times, min(now, self.end))

    def next_event(self, now: float) -> float:
        """When it next begins, prints or ends; infinity if it has ended."""
        if now >= self.end:
            return inf
        count = bisect_right(self.times, now)
        coming = self.times[count] if count < len(self.times) else inf
        return min(self.end, coming, self.start if self.start > now else inf)


class SimulatedExecutor:
    """Plays the learning curves of the configurations it is given; in a multi-algorithm job, those of each
    definition by name.

    clock: shared with the runner. seed: what goes wrong depends on it and on the attempt alone. alarms: times
    at which `sleep` must not pass by, such as the limit on the run time of the job. A program that keeps
    checkpoints goes on where its last attempt ended, another one begins anew. What is to come is kept in a
    heap, so that polling and sleeping cost what happens, however many run.

        clock = VirtualClock()
        executor = SimulatedExecutor(curves, clock)
        runner = TuningJobRunner(..., executor, clock=clock)
        runner.run(sleep=executor.sleep)
    """

    def __init__(
        self,
        curves: Curves | Mapping[str, Curves],
        clock: VirtualClock,
        *,
        faults: Faults = NO_FAULTS,
        market: Market = FULL_PRICE,
        seed: int = 0,
        alarms: Sequence[float] = (),
        fleet: Fleet | None = None,
    ) -> None:
        """Make an executor under which nothing runs.

        Parameters
        ----------
        curves
            What a training job with a given configuration would do.
        clock
            The clock that the runner reads and `sleep` moves.
        faults, market
            What goes wrong, and what Spot capacity is like.
        seed
            Of what goes wrong by chance.
        alarms
            Times at which the clock must stop.
        fleet
            The machines there are; None: each training job has one of its own at once, as `market` gives it.
        """
        self.machines = None if fleet is None else Machines(fleet, seed)
        """The machines of the fleet."""
        self._waiting: deque[tuple[Submission, _Run]] = deque()  # for a machine
        self._curves, self._clock, self._faults, self._seed = curves, clock, faults, seed
        self._market = market
        self._alarms = sorted(alarms)
        self._known: set[str] = set()
        self._kept: dict[str, int] = {}
        self._runs: dict[AttemptKey, _Run] = {}
        self._over: dict[AttemptKey, _Run] = {}
        self._submitted = 0
        self._coming: list[tuple[float, int, AttemptKey]] = []  # a heap of what the clock stops at
        self._quiet: list[tuple[float, int, AttemptKey]] = []  # and of what it does not stop at
        self._news: set[AttemptKey] = set()
        self._unseen = False  # whether something happened that the clock waits for a poll to see

    def submit(self, submission: Submission) -> None:
        key = submission.key
        if key in self._runs:
            return
        run = self._over.pop(key, None)
        if run is None:
            wait = submission.definition.max_wait_seconds
            if wait is not None and submission.name not in self._known:
                insort(self._alarms, self._clock.now + wait)
            self._known.add(submission.name)
            self._submitted += 1
            run = self._place(submission)
        run.offset, run.phases = submission.log_offset, 0
        self._runs[key] = run
        if run.capacity is not None:
            heappush(self._quiet, (run.capacity, run.place, key))
        self._schedule(run)
        self._news.add(key)

    def _place(self, submission: Submission) -> _Run:
        """The course of an attempt, on a machine of the fleet if there is one; it may wait for that."""
        now = self._clock.now
        if self.machines is None:
            return self._plan(submission)
        machine = self.machines.place(now, interruptible=submission.definition.spot)
        if machine is not None:
            return self._plan(submission, max(now, machine.ready), machine)
        run = self._plan(submission, inf)
        self._waiting.append((submission, run))
        return run

    def _leave(self, run: _Run) -> None:
        """Give the slot of an attempt that has ended to one that waits."""
        if self.machines is None or run.machine is None:
            return
        self.machines.release(run.machine, run.end)
        for _ in range(len(self._waiting)):
            submission, waiting = self._waiting.popleft()
            if waiting.key not in self._runs:
                continue  # it was stopped
            machine = self.machines.place(run.end, interruptible=submission.definition.spot)
            if machine is None:
                self._waiting.append((submission, waiting))
                continue
            planned = self._plan(submission, max(run.end, machine.ready), machine)
            planned.place, planned.offset = waiting.place, waiting.offset
            self._runs[waiting.key] = planned
            if planned.capacity is not None:
                heappush(self._quiet, (planned.capacity, planned.place, planned.key))
            self._schedule(planned)
            return

    def poll(self) -> list[Update]:
        now = self._clock.now
        self._collect(now)
        self._unseen = False
        runs = sorted((self._runs[key] for key in self._news if key in self._runs), key=attrgetter("place"))
        self._news.clear()
        return [update for run in runs if (update := self._look(run, now)) is not None]

    def stop(self, key: AttemptKey, *, now: bool = False) -> None:
        run = self._runs.get(AttemptKey(*key))
        if run is None:
            return
        end = self._clock.now + (0.0 if now else min(self._faults.shutdown, run.grace))
        if end < run.end:
            run.end = end
            run.exit = Exit("Exited", None, stopped=True, started=min(run.start, end), ended=end)
            self._schedule(run)

    def close(self) -> None:
        """Nothing to release."""

    def sleep(self, seconds: float) -> None:
        """Move the clock to the next thing that happens; by `seconds` if nothing is to come.

        What has happened already is waited for once: the clock stands still until the next call.
        """
        now = self._clock.now
        self._collect(now)
        if self._unseen:
            self._unseen = False
            return
        following = self._next_time(now)
        coming = bisect_right(self._alarms, now)
        following = min([following, *self._alarms[coming : coming + 1]])
        following = following if isfinite(following) else now + seconds
        self._clock.now = max(following, self._clock.now)

    def _schedule(self, run: _Run) -> None:
        """Have the clock stop at what happens next to a run; at what has happened, if that is its end."""
        now = self._clock.now
        if run.end == inf:
            return  # it waits for a machine
        if now >= run.end:
            self._news.add(run.key)
            self._unseen = True
        else:
            heappush(self._coming, (run.next_event(now), run.place, run.key))

    def _next_time(self, now: float) -> float:
        """When something next happens to any run; what was to happen before a stop is dropped."""
        while self._coming:
            time, _, key = self._coming[0]
            run = self._runs.get(key)
            if run is not None and run.next_event(now) == time:
                return time
            heappop(self._coming)
        return inf

    def _collect(self, now: float) -> None:
        """Note which runs have news, and when there will be more of them."""
        for heap in (self._quiet, self._coming):
            while heap and heap[0][0] <= now:
                _, _, key = heappop(heap)
                run = self._runs.get(key)
                if run is None:
                    continue  # its end was handed out
                self._news.add(key)
                if heap is self._coming:
                    self._unseen = True
                    following = run.next_event(now)
                    if isfinite(following):
                        heappush(heap, (following, run.place, key))

    def _plan(
        self, submission: Submission, capacity: float | None = None, machine: Machine | None = None
    ) -> _Run:
        """The course of an attempt that has a machine from `capacity` on, or as the market gives it one."""
        definition, now, faults = submission.definition, self._clock.now, self._faults
        names = {parameter.name for parameter in definition.space.parameters}
        strings = {name: value for name, value in submission.hyperparameters.items() if name in names}
        curves = self._curves if callable(self._curves) else self._curves[definition.name or ""]
        curve = curves(definition.space.parse(strings))
        rng = self._generator(submission)
        fails, lost, slow, share = rng.random(4)
        pace = faults.slowdown if slow < faults.stragglers else 1.0
        if definition.spot and capacity is None:
            capacity = now + self._market.delay * rng.exponential()
        start = (now if capacity is None else capacity) + faults.startup
        done = self._kept.get(submission.name, 0)
        durations = np.asarray(curve.durations[done:], dtype=np.float64)
        times = (start + pace * np.cumsum(durations)).tolist()
        end = times[-1] if times else start
        outcome = Exit("Exited", 0, started=start, ended=end)
        if lost < faults.losses:
            end = start + share * (end - start)
            outcome = Exit("Lost", None, "the simulated machine was lost", started=start, ended=end)
        elif fails < faults.failures:
            end = start + share * (end - start)
            outcome = Exit("Exited", 1, "the simulated program failed", started=start, ended=end)
        if definition.spot and self._market.interruptions:
            until = start + rng.exponential(3600.0 / self._market.interruptions)
            if until < end:
                end = until
                reason = "the simulated capacity was withdrawn"
                outcome = Exit("Preempted", None, reason, started=start, ended=end)
        if machine is not None and machine.lost < end:
            end, reason = machine.lost, f"machine {machine.number} of {machine.pool.name} was taken away"
            outcome = Exit("Preempted", None, reason, started=min(start, end), ended=end)
        limit = definition.max_runtime_seconds
        if limit is not None and end > start + limit - submission.spent:
            end = start + limit - submission.spent
            outcome = Exit("Exited", None, stopped=True, timed_out=True, started=start, ended=end)
        lines = [f"simulated: {float(value)!r}\n".encode() for value in curve.values[done:]]
        return _Run(
            key=submission.key,
            place=self._submitted,
            capacity=capacity,
            start=start,
            times=times,
            log=b"".join(lines),
            ends=np.cumsum([len(line) for line in lines], dtype=np.int64).tolist(),
            end=end,
            exit=outcome,
            grace=definition.grace_seconds,
            keeps=definition.checkpoint_uri is not None,
            machine=machine,
        )

    def _generator(self, submission: Submission) -> np.random.Generator:
        key = f"{self._seed}/{submission.name}/{submission.attempt}"
        digest = hashlib.blake2s(key.encode(), digest_size=16).digest()
        return np.random.Generator(np.random.Philox(key=np.frombuffer(digest, dtype=np.uint64)))

    def _look(self, run: _Run, now: float) -> Update | None:
        """What changed of a run since the last poll; None if nothing did, as when a stop came first."""
        count = run.printed(now)
        until = max(run.offset, run.ends[count - 1] if count else 0)
        first = bisect_right(run.ends, run.offset)
        stamps = list(zip(run.ends[first:count], run.times[first:count], strict=True))
        log = LogChunk(run.offset, run.log[run.offset : until], stamps)
        phases = _phases(run, now)
        if now >= run.end:
            del self._runs[run.key]
            self._over[run.key] = run
            self._leave(run)
            return Update(run.key, "Ended", log, self._end(run, count, until), phases)
        if not log.data and len(phases) == run.phases:
            return None
        run.offset, run.phases = until, len(phases)
        return Update(run.key, "Training" if "Training" in phases else "Starting", log, None, phases)

    def _end(self, run: _Run, count: int, until: int) -> Exit:
        """How a run ended. One that keeps checkpoints has one of every value that it printed."""
        if run.exit.checkpoint is None and run.keeps:
            self._kept[run.key.name] = self._kept.get(run.key.name, 0) + count
            run.exit = replace(run.exit, checkpoint=until)
        return run.exit


def _phases(run: _Run, now: float) -> dict[str, float]:
    """When each phase was entered. On Spot capacity all phases, else only the one of training."""
    last, times = min(now, run.end), {}
    if run.capacity is not None and last >= run.capacity:
        times["Downloading"] = run.capacity
    if last >= run.start:
        times["Training"] = run.start
        if run.capacity is not None and now >= run.end and run.exit.outcome == "Exited":
            if run.exit.stopped:
                times["Stopping"] = run.end
            if run.exit.stopped or run.exit.exit_code == 0:
                times["Uploading"] = run.end
    return times
