"""What is launched and terminated, as a function; and a seeded market in which it is played through."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from hpt.fleet.ec2.costs import ON_DEMAND, SPOT, Pool
from hpt.fleet.ec2.provision import (
    Decision,
    Instance,
    Launch,
    Outcome,
    Plan,
    Record,
    Situation,
    Terminate,
    decide,
    learned,
    wait,
)

PLAN = Plan(slots={"c5.xlarge": 2, "m5.large": 1}, zones=("a", "b"), most=10)
NOW = 1000.0


def instance(number: int, market: str = SPOT, kind: str = "c5.xlarge", **more: Any) -> Instance:
    return Instance(f"i-{number}", Pool(kind, "a", market), NOW - 100, **{"heard": NOW, **more})


def decided(
    plan: Plan, wanted: int, *instances: Instance, record: Record | None = None, **more: Any
) -> Decision:
    return decide(plan, Situation(NOW, wanted, instances, **more), record or Record())


def test_the_deficit_is_asked_for_and_nothing_more() -> None:
    [launch] = decided(PLAN, 7, instance(1)).calls
    assert isinstance(launch, Launch)
    assert (launch.market, launch.slots, len(launch.pools)) == (SPOT, 5, 4)
    assert decided(PLAN, 2, instance(1)).calls == ()
    [most] = decided(PLAN, 1000).calls
    assert isinstance(most, Launch) and most.slots == 10
    assert decided(PLAN, 0).calls == ()


def test_machines_that_leave_are_replaced_at_once() -> None:
    [launch] = decided(PLAN, 4, instance(1), instance(2, leaving=True)).calls
    assert isinstance(launch, Launch) and launch.slots == 2


def test_the_base_is_on_demand_by_a_call_of_its_own() -> None:
    base, rest = decided(replace(PLAN, on_demand=3), 8, instance(1, ON_DEMAND)).calls
    assert isinstance(base, Launch) and isinstance(rest, Launch)
    assert (base.market, base.slots) == (ON_DEMAND, 1) and (rest.market, rest.slots) == (SPOT, 5)
    assert base.token != rest.token and len(base.token) <= 64
    [only] = decided(replace(PLAN, on_demand=3), 2).calls
    assert isinstance(only, Launch) and (only.market, only.slots) == (ON_DEMAND, 2)


def test_a_pool_that_refused_is_avoided_for_a_minute_and_longer_each_time() -> None:
    launch = Launch(SPOT, 4, tuple(PLAN.pools(SPOT)), "t")
    pool = Pool("c5.xlarge", "a")
    record = learned(Record(), launch, Outcome(2, {pool: "InsufficientInstanceCapacity"}), NOW)
    assert record.avoided(pool, NOW + 59) and not record.avoided(pool, NOW + 61)
    assert not record.avoided(Pool("c5.xlarge", "b"), NOW)
    record = learned(record, launch, Outcome(2, {pool: "InsufficientInstanceCapacity"}), NOW + 61)
    assert record.avoided(pool, NOW + 180) and not record.avoided(pool, NOW + 182)
    assert [wait(count) for count in (1, 2, 3, 4, 5, 50)] == [60, 120, 240, 480, 600, 600]
    record = learned(record, launch, Outcome(4), NOW + 200)
    assert not record.avoided(pool, NOW + 200)


def test_a_call_that_fails_as_a_whole_counts_for_all_pools_of_its_market() -> None:
    launch = Launch(SPOT, 4, tuple(PLAN.pools(SPOT)), "t")
    record = learned(Record(), launch, Outcome(0, failed="RequestLimitExceeded"), NOW)
    decision = decided(replace(PLAN, on_demand=2), 8, record=record)
    [call] = decision.calls
    assert isinstance(call, Launch) and call.market == ON_DEMAND  # that one did not fail
    [note] = decision.notes
    assert "6 spot slots wait" in note and "RequestLimitExceeded (4 pools)" in note and "in 60 s" in note


def test_without_spot_capacity_the_rest_is_asked_for_on_demand_once_that_is_allowed() -> None:
    launch = Launch(SPOT, 4, tuple(PLAN.pools(SPOT)), "t")
    refused = dict.fromkeys(PLAN.pools(SPOT), "InsufficientInstanceCapacity")
    record = learned(Record(), launch, Outcome(0, refused), NOW - 3600)
    assert [call.market for call in decided(PLAN, 4, record=record).calls if isinstance(call, Launch)] == [
        SPOT
    ]
    decision = decided(replace(PLAN, on_demand_after=1800.0), 4, record=record)
    [call] = decision.calls
    assert isinstance(call, Launch) and (call.market, call.slots) == (ON_DEMAND, 4)
    assert "no Spot capacity for 60 minutes" in decision.notes[0]


def test_machines_known_to_be_idle_go_when_nothing_wants_them() -> None:
    idle = [instance(number, idle_since=NOW - 400 - number) for number in (1, 2, 3)]
    [call] = decided(PLAN, 3, *idle).calls
    assert isinstance(call, Terminate) and call.ids == ("i-3",)  # the longest; one more would be missed
    assert decided(PLAN, 0, instance(4), instance(5, idle_since=NOW - 10)).calls == ()
    kept = decided(replace(PLAN, on_demand=2), 2, instance(1, ON_DEMAND, idle_since=NOW - 900))
    assert kept.calls == ()


def test_machines_that_never_join_or_fall_silent_are_replaced() -> None:
    never = replace(instance(1, heard=None), launched=NOW - 700)
    stop, launch = decided(PLAN, 2, never).calls
    assert isinstance(stop, Terminate) and stop.ids == ("i-1",) and "have not joined" in stop.why
    assert isinstance(launch, Launch) and launch.slots == 2
    silent = instance(2, heard=NOW - 400)
    stop, launch = decided(PLAN, 4, silent, instance(3)).calls
    assert isinstance(stop, Terminate) and stop.ids == ("i-2",)
    assert decided(PLAN, 4, silent, instance(3, heard=NOW - 400)).calls == ()  # it is not they who are silent


@pytest.mark.parametrize(
    ("code", "fix"),
    [
        ("UnauthorizedOperation", "make the fleet again: that renews its permissions"),
        ("VcpuLimitExceeded", "request a higher quota in the console of Service Quotas"),
        ("MaxSpotInstanceCountExceeded", "request a higher quota in the console of Service Quotas"),
        ("RequestExpired", "the head's clock is minutes off: set it"),
        ("InsufficientInstanceCapacity", "more instance types or zones would help"),
        ("UnfulfillableCapacity", "more instance types or zones would help"),
        ("InvalidParameterValue", "correct the fleet file, and make the fleet again"),
        ("InvalidLaunchTemplateName.NotFoundException", "correct the fleet file, and make the fleet again"),
        ("InternalError", "AWS or the network fails; nothing is lost meanwhile"),
    ],
)
def test_what_is_refused_everywhere_has_a_fix(code: str, fix: str) -> None:
    launch = Launch(SPOT, 4, tuple(PLAN.pools(SPOT)), "t")
    record = learned(Record(), launch, Outcome(0, failed=code), NOW)
    [note] = decided(PLAN, 4, record=record).notes
    why = f"all 4 pools refused lately: {code} (4 pools)"
    assert note == f"4 spot slots wait: {why}; asked again in 60 s; {fix}"


def test_machines_that_never_join_are_tried_one_by_one_after_a_while() -> None:
    """A machine that is launched costs money, whatever becomes of it."""
    record = Record()
    for moment in (0, 1):
        found = decide(PLAN, Situation(NOW + moment, 8, (), failed=[""]), record)
        assert found.notes == ()
        assert [each.slots for each in found.calls if isinstance(each, Launch)] == [8]
        record = found.record
    found = decide(PLAN, Situation(NOW + 2, 8, (), failed=["", "no disk", ""]), record)
    assert found.calls == ()
    assert "the last 5 machines have not joined (no disk); one more is tried in 240 s" in found.notes[0]
    later = decide(PLAN, Situation(NOW + 243, 8, ()), found.record)
    [call] = later.calls
    assert isinstance(call, Launch) and (call.market, call.slots) == (SPOT, 1)
    trying = Situation(NOW + 243, 8, [instance(1, heard=None)])
    assert decide(PLAN, trying, found.record).calls == ()
    joined = decide(PLAN, Situation(NOW + 300, 8, [instance(1)], joined=True), found.record)
    assert [each.slots for each in joined.calls if isinstance(each, Launch)] == [6]
    assert joined.record.unborn is None and joined.notes == ()


def test_the_budget_stops_launches_and_then_everything() -> None:
    plan = replace(PLAN, budget=10.0)
    near = decided(plan, 8, instance(1), spent=9.6)
    assert near.calls == () and not near.over_budget and "no more machines are launched" in near.notes[0]
    over = decided(plan, 8, instance(1), instance(2), spent=10.0)
    assert over.over_budget and over.calls == (Terminate(("i-1", "i-2"), "the budget is spent"),)


@dataclass
class Market:
    """A market with a capacity that changes, machines that join, idle and are taken away. Seeded."""

    seed: int
    now: float = 0.0
    capacity: dict[Pool, int] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)
    asked: list[tuple[float, Pool]] = field(default_factory=list)
    refused: dict[Pool, float] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def launch(self, plan: Plan, launch: Launch) -> Outcome:
        assert launch.token not in self.tokens
        self.tokens.add(launch.token)
        if self.random.random() < 0.05:
            return Outcome(0, failed="RequestLimitExceeded")
        left, refused = launch.slots, {}
        for pool in launch.pools:
            assert pool not in self.refused or self.now >= self.refused[pool] + 60, "asked within a minute"
            while left > 0 and self.capacity.get(pool, 0) > 0:
                self.capacity[pool] -= 1
                left -= plan.slots[pool.instance_type]
                number = f"i-{len(self.tokens)}-{len(self.instances)}-{left}"
                self.instances[number] = Instance(number, pool, self.now)
            if left > 0:
                refused[pool] = "InsufficientInstanceCapacity"
                self.refused[pool] = self.now
            else:
                break
        return Outcome(launch.slots - left, refused)

    def pass_time(self, plan: Plan, seconds: float) -> None:
        self.now += seconds
        for pool in plan.pools(SPOT):
            self.capacity[pool] = self.random.choice((0, 0, 0, 1, 3))
        for pool in plan.pools(ON_DEMAND):
            self.capacity[pool] = 50
        for each in list(self.instances.values()):
            if each.pool.market == SPOT and self.random.random() < 0.01:
                del self.instances[each.id]  # taken away
            elif self.now - each.launched > 60:
                self.instances[each.id] = replace(each, heard=self.now)


@pytest.mark.parametrize("seed", range(5))
def test_a_day_of_a_market(seed: int) -> None:
    plan = Plan({"a": 1, "b": 2, "c": 4}, ("x", "y", "z"), most=40, on_demand=4, idle=120.0)
    market, record, filled, steps = Market(seed), Record(), 0, 0
    for step in range(2000):
        market.pass_time(plan, 15.0)
        wanted = 40 if step < 1800 else 0
        if not wanted:
            market.instances = {
                key: replace(each, idle_since=each.idle_since or market.now)
                for key, each in market.instances.items()
            }
        decision = decide(
            plan, Situation(market.now, wanted, list(market.instances.values())), record, seed=str(seed)
        )
        record = decision.record
        for call in decision.calls:
            if isinstance(call, Launch):
                record = learned(record, call, market.launch(plan, call), market.now)
            else:
                for number in call.ids:
                    del market.instances[number]
        slots = sum(plan.slots[each.pool.instance_type] for each in market.instances.values())
        base = sum(
            plan.slots[each.pool.instance_type]
            for each in market.instances.values()
            if each.pool.market == ON_DEMAND
        )
        assert slots < 40 + 2 * 4  # an overshoot of less than a machine a call
        if 100 <= step < 1800:
            steps, filled = steps + 1, filled + min(slots, 40)
            assert base >= 4
    assert filled / steps > 0.85 * 40
    assert not market.instances  # nothing wanted: nothing runs
