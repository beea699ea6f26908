"""What a fleet has cost: seconds of each machine times the price of its hour."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

SPOT, ON_DEMAND = "spot", "on-demand"

HOUR = 3600.0
_LEAST_SECONDS = 60.0
"""EC2 bills at least a minute of each machine."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Where machines come from: one type in one zone, of one market."""

    instance_type: str
    zone: str
    market: str = SPOT

    def __str__(self) -> str:
        return f"{self.instance_type} in {self.zone} ({self.market})"


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that there is or was. launched, ended: seconds since the epoch; None while it runs."""

    id: str
    pool: Pool
    launched: float
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars an hour of each pool, as they were found: (time, price), in order of time."""

    samples: Mapping[Pool, tuple[tuple[float, float], ...]] = field(default_factory=dict)

    def with_sample(self, time: float, prices: Mapping[Pool, float]) -> Prices:
        """With the prices at a time, which is not before the last. An unchanged price adds nothing."""
        samples = dict(self.samples)
        for pool, price in prices.items():
            before = samples.get(pool, ())
            if not before or before[-1][1] != price:
                samples[pool] = (*before, (time, price))
        return Prices(samples)

    def latest(self, pool: Pool) -> float | None:
        found = self.samples.get(pool)
        return found[-1][1] if found else None

    def over(self, pool: Pool, start: float, end: float) -> float | None:
        """Dollars of one machine of a pool between two times; None if no price is known.

        Before the first sample the first price holds.
        """
        samples = self.samples.get(pool)
        if not samples:
            return None
        times = [time for time, _ in samples]
        total, index = 0.0, max(0, bisect_right(times, start) - 1)
        while start < end:
            until = min(end, times[index + 1]) if index + 1 < len(times) else end
            total += (until - start) / HOUR * samples[index][1]
            start, index = until, index + 1
        return total


@dataclass(frozen=True, slots=True)
class Cost:
    """total: US dollars. per_hour: of what runs now. unpriced: pools without a known price."""

    total: float
    per_hour: float
    unpriced: tuple[Pool, ...] = ()


def cost(machines: Iterable[Machine], prices: Prices, now: float) -> Cost:
    """The cost of machines until now."""
    total = per_hour = 0.0
    unpriced: dict[Pool, None] = {}
    for machine in machines:
        end = now if machine.ended is None else machine.ended
        end = max(end, machine.launched + _LEAST_SECONDS)
        amount = prices.over(machine.pool, machine.launched, end)
        if amount is None:
            unpriced[machine.pool] = None
            continue
        total += amount
        if machine.ended is None:
            per_hour += prices.latest(machine.pool) or 0.0
    return Cost(total, per_hour, tuple(unpriced))


@dataclass(frozen=True, slots=True)
class Book:
    """Every machine of a fleet and every price, as kept on S3."""

    machines: Mapping[str, Machine] = field(default_factory=dict)
    prices: Prices = field(default_factory=Prices)

    def seen(self, running: Iterable[Machine], now: float) -> Book:
        """With the machines that run now; those of before that do not have ended, at the latest now."""
        machines, alive = dict(self.machines), {machine.id: machine for machine in running}
        for machine in alive.values():
            machines.setdefault(machine.id, machine)
        for machine in self.machines.values():
            if machine.ended is None and machine.id not in alive:
                machines[machine.id] = replace(machine, ended=now)
        return Book(machines, self.prices)

    def cost(self, now: float) -> Cost:
        return cost(self.machines.values(), self.prices, now)

    def shares(self) -> dict[Pool, float]:
        """What a machine of each pool costs, as a share of the full price of its type, if both are known."""
        full = {
            pool.instance_type: price
            for pool in self.prices.samples
            if pool.market == ON_DEMAND and (price := self.prices.latest(pool))
        }
        prices = {pool: self.prices.latest(pool) for pool in self.prices.samples}
        return {
            pool: min(1.0, price / full[pool.instance_type])
            for pool, price in prices.items()
            if price and pool.instance_type in full
        }

    def to_json(self) -> str:
        pools = list(dict.fromkeys([*(m.pool for m in self.machines.values()), *self.prices.samples]))
        index = {pool: number for number, pool in enumerate(pools)}
        document = {
            "version": 1,
            "pools": [[pool.instance_type, pool.zone, pool.market] for pool in pools],
            "machines": [[m.id, index[m.pool], m.launched, m.ended] for m in self.machines.values()],
            "prices": [[index[pool], list(samples)] for pool, samples in self.prices.samples.items()],
        }
        return json.dumps(document)

    @staticmethod
    def from_json(text: str | bytes) -> Book:
        document: Any = json.loads(text)
        pools = [Pool(*each) for each in document["pools"]]
        machines = {
            number: Machine(number, pools[pool], launched, ended)
            for number, pool, launched, ended in document["machines"]
        }
        samples = {pools[pool]: tuple((t, p) for t, p in found) for pool, found in document["prices"]}
        return Book(machines, Prices(samples))
