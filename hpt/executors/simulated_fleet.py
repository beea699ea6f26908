"""Machines of a simulated fleet: pools with a capacity and a price, launches, interruptions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf, isfinite

import numpy as np

from hpt.errors import InputError


@dataclass(frozen=True, slots=True)
class Pool:
    """Machines of one type in one zone.

    machines: how many there are at most. slots: training jobs on each at a time. price: of a machine for an
    hour. interruptions: how often in an hour one is taken away, with all that runs on it; 0: never, as on
    demand.

    Raises:
        InputError: a number is out of range.
    """

    name: str
    machines: int
    slots: int = 1
    price: float = 0.0
    interruptions: float = 0.0

    def __post_init__(self) -> None:
        for what, least in (("machines", 0), ("slots", 1)):
            value = getattr(self, what)
            if type(value) is not int or value < least:
                raise InputError(
                    f"{what} {value!r} of pool {self.name!r} is not an integer of {least} or more"
                )
        for what in ("price", "interruptions"):
            if not 0 <= getattr(self, what) < inf:
                raise InputError(
                    f"{what} {getattr(self, what)!r} of pool {self.name!r} is not "
                    "a number of 0 or more; give one"
                )


@dataclass(frozen=True, slots=True)
class Fleet:
    """What can be had. Machines are launched for training jobs that find no free slot, in the cheapest pool
    that has one.

    boot: seconds from a launch until its machine runs training jobs. burst, rate: how many machines can be
    launched at once, and how many more in a second from then on. idle: seconds after which a machine without
    a training job is given back.

    Raises:
        InputError: there is no pool, or a number is out of range.
    """

    pools: Sequence[Pool]
    boot: float = 60.0
    burst: int = 1000
    rate: float = 2.0
    idle: float = 60.0

    def __post_init__(self) -> None:
        if not any(pool.machines for pool in self.pools):
            raise InputError("the fleet has no machines; give a pool with some")
        for what, least in (("boot", 0.0), ("idle", 0.0), ("burst", 1), ("rate", 1e-6)):
            value = getattr(self, what)
            if not (isfinite(value) and value >= least):
                raise InputError(f"{what} {value!r} is not a number of {least:g} or more; give one")


@dataclass(slots=True)
class Machine:
    """A machine. lost: when it is taken away. idle_since: since when nothing runs on it."""

    number: int
    pool: Pool
    launched: float
    ready: float
    lost: float
    running: int = 0
    idle_since: float = inf


class Machines:
    """The machines of a fleet as time goes on. seed: of their interruptions."""

    def __init__(self, fleet: Fleet, seed: int) -> None:
        """Nothing is launched yet."""
        self._fleet, self._seed = fleet, seed
        self._pools = sorted(fleet.pools, key=lambda pool: pool.price / pool.slots)
        self._alive: dict[str, set[int]] = {pool.name: set() for pool in fleet.pools}
        self._machines: dict[int, Machine] = {}
        self._free: list[tuple[float, int]] = []  # a heap with an entry for each free slot: when it is ready
        self._losses: list[tuple[float, int]] = []  # a heap of when machines are taken away
        self._idle: set[int] = set()
        self._tokens, self._tokens_at = float(fleet.burst), 0.0
        self.launched = self.lost = 0
        self.seconds = self.cost = 0.0

    def place(self, now: float, *, interruptible: bool) -> Machine | None:
        """The machine that takes a training job, which may not be ready yet; None if all are full.

        interruptible: whether it may be one that can be taken away.
        """
        self._retire(now)
        passed: list[tuple[float, int]] = []
        found = None
        while self._free and found is None:
            entry = heappop(self._free)
            machine = self._machines.get(entry[1])
            if machine is None:
                continue
            if machine.pool.interruptions and not interruptible:
                passed.append(entry)
            else:
                found = machine
        for entry in passed:
            heappush(self._free, entry)
        found = found or self._launch(now, interruptible)
        if found is not None:
            found.running += 1
            found.idle_since = inf
            self._idle.discard(found.number)
        return found

    def release(self, machine: Machine, time: float) -> None:
        """A training job has left its machine."""
        machine.running -= 1
        if machine.number not in self._machines:
            return
        if machine.running == 0:
            machine.idle_since = time
            self._idle.add(machine.number)
        if time < machine.lost:
            heappush(self._free, (machine.ready, machine.number))

    def close(self, now: float) -> None:
        """Give everything back, so that `seconds` and `cost` are complete."""
        for machine in list(self._machines.values()):
            self._end(machine, min(now, machine.lost, machine.idle_since + self._fleet.idle))

    def _retire(self, now: float) -> None:
        """Drop the machines that are gone."""
        while self._losses and self._losses[0][0] <= now:
            machine = self._machines.get(heappop(self._losses)[1])
            if machine is not None:
                self.lost += machine.lost <= machine.idle_since + self._fleet.idle
                self._end(machine, self._gone(machine))
        for number in [each for each in self._idle if self._gone(self._machines[each]) <= now]:
            self._end(self._machines[number], self._gone(self._machines[number]))

    def _gone(self, machine: Machine) -> float:
        return min(machine.lost, machine.idle_since + self._fleet.idle)

    def _end(self, machine: Machine, time: float) -> None:
        del self._machines[machine.number]
        self._idle.discard(machine.number)
        self._alive[machine.pool.name].discard(machine.number)
        lived = max(0.0, time - machine.launched)
        self.seconds += lived
        self.cost += lived / 3600 * machine.pool.price

    def _launch(self, now: float, interruptible: bool) -> Machine | None:
        for pool in self._pools:
            if pool.interruptions and not interruptible:
                continue
            if len(self._alive[pool.name]) >= pool.machines:
                continue
            self.launched += 1
            launched = self._token(now)
            ready = launched + self._fleet.boot
            lost = ready + self._lifetime(self.launched, pool)
            machine = Machine(self.launched, pool, launched, ready, lost)
            self._machines[machine.number] = machine
            if isfinite(lost):
                heappush(self._losses, (lost, machine.number))
            self._alive[pool.name].add(machine.number)
            for _ in range(pool.slots - 1):
                heappush(self._free, (ready, machine.number))
            return machine
        return None

    def _token(self, now: float) -> float:
        """When the next launch may be made: what is asked for at once is spread by the rate."""
        fleet = self._fleet
        self._tokens = min(float(fleet.burst), self._tokens + max(0.0, now - self._tokens_at) * fleet.rate)
        self._tokens_at = max(now, self._tokens_at)
        self._tokens -= 1
        return now + max(0.0, -self._tokens / fleet.rate)

    def _lifetime(self, number: int, pool: Pool) -> float:
        if not pool.interruptions:
            return inf
        digest = hashlib.blake2s(f"{self._seed}/machine/{number}".encode(), digest_size=16).digest()
        rng = np.random.Generator(np.random.Philox(key=np.frombuffer(digest, dtype=np.uint64)))
        return float(rng.exponential(3600.0 / pool.interruptions))
