"""Which machines to launch and to terminate now: a function of what is wanted and what there is.

Nothing here looks at the world or keeps anything between two calls; what was refused is a `Record`, which the
caller passes on. EC2 chooses among the pools that a call names (price-capacity-optimized); hpt asks for its
own deficit, so there is no second opinion about what the fleet should be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hpt.fleet.ec2.costs import ON_DEMAND, SPOT, Pool

_AVOIDED_SECONDS = 60.0
_LONGEST_WAIT = 600.0
_MOST_SLOTS_A_CALL = 500
_STUCK_SECONDS = 600.0
"""A machine that has said nothing for so long after its launch will not."""
_SILENT_SECONDS = 300.0
"""A node that has said nothing for so long is given up, unless most have: then it is not the node."""
_STILLBORN = 3
"""So many machines in a row that have not joined are no accident: the next ones are tried one by one."""
_STOP_LAUNCHING = 0.95
"""Share of the budget at which nothing more is launched, as what runs costs until it is stopped."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What may be launched.

    slots: of each instance type. zones: where there are subnets. on_demand: slots that are not Spot.
    on_demand_after: seconds without Spot capacity after which the rest is asked for on demand; None: never.
    most: slots in all. idle: seconds. budget: US dollars, or None.
    """

    slots: Mapping[str, int]
    zones: Sequence[str]
    most: int
    on_demand: int = 0
    on_demand_after: float | None = None
    idle: float = 300.0
    budget: float | None = None

    def pools(self, market: str) -> list[Pool]:
        return [Pool(name, zone, market) for name in self.slots for zone in self.zones]


@dataclass(frozen=True, slots=True)
class Instance:
    """A machine that is pending or runs.

    launched: seconds since the epoch. heard: when its node last said something, None if never. idle_since:
    when its last training job ended, None while it has any or is not known to have none. leaving: it was
    told of its end, and takes no more.
    """

    id: str
    pool: Pool
    launched: float
    heard: float | None = None
    idle_since: float | None = None
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """at, count: the last time, and how often in a row."""

    at: float
    count: int
    code: str


@dataclass(frozen=True, slots=True)
class Record:
    """What was refused. pools: by pool. all: of calls as a whole, which count for every pool of their market.
    starved_since: when Spot capacity began to lack, None while it does not. calls: how many were made.
    unborn: the machines that ended without having joined, since one did; what they said is the code."""

    pools: Mapping[Pool, Refusal] = field(default_factory=dict)
    all: Mapping[str, Refusal] = field(default_factory=dict)
    starved_since: float | None = None
    calls: int = 0
    unborn: Refusal | None = None

    def avoided(self, pool: Pool, now: float) -> bool:
        """Whether a pool is not asked now: for a minute after it was refused, longer after several."""
        for refusal in (self.pools.get(pool), self.all.get(pool.market)):
            if refusal is not None and now < refusal.at + wait(refusal.count):
                return True
        return False


def wait(count: int) -> float:
    """Seconds for which a pool is avoided after so many refusals in a row."""
    return float(min(_AVOIDED_SECONDS * 2 ** (max(count, 1) - 1), _LONGEST_WAIT))


@dataclass(frozen=True, slots=True)
class Launch:
    """Ask for machines of so many slots, of any of these pools. token: the same for the same call, so that
    one whose reply was lost can be repeated without a second fleet."""

    market: str
    slots: int
    pools: tuple[Pool, ...]
    token: str


@dataclass(frozen=True, slots=True)
class Terminate:
    """ids: of machines. why: for the user."""

    ids: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Situation:
    """What there is now. wanted: slots that training jobs wait for or have. spent: US dollars so far.
    failed: what each machine said that has ended since the last look without having joined, "" if nothing.
    joined: whether one has joined since."""

    now: float
    wanted: int
    instances: Sequence[Instance]
    spent: float = 0.0
    failed: Sequence[str] = ()
    joined: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """calls: what to do. notes: what the user should know, a sentence each. record: to pass on. over_budget:
    everything is to be stopped."""

    calls: tuple[Launch | Terminate, ...]
    notes: tuple[str, ...]
    record: Record
    over_budget: bool = False


def decide(plan: Plan, situation: Situation, record: Record, *, seed: str = "") -> Decision:
    """What to do now.

    Parameters
    ----------
    plan
        What may be launched.
    situation
        What there is.
    record
        What was refused.
    seed
        Distinguishes the calls of one fleet, and of one head of it, from those of others.

    Returns
    -------
    Decision
        The calls, in order.
    """
    now = situation.now
    record = _with_births(record, situation)
    wanted = min(situation.wanted, plan.most)
    if plan.budget is not None and situation.spent >= plan.budget:
        ids = tuple(sorted(each.id for each in situation.instances))
        stops = (Terminate(ids, "the budget is spent"),) if ids else ()
        note = f"{situation.spent:.2f} of {plan.budget:.2f} US dollars are spent; everything is stopped"
        return Decision(stops, (note,), record, over_budget=True)
    useful = [each for each in situation.instances if not each.leaving]
    stuck = [each for each in useful if each.heard is None and now - each.launched > _STUCK_SECONDS]
    useful = [each for each in useful if each not in stuck]
    silent = [each for each in useful if each.heard is not None and now - each.heard > _SILENT_SECONDS]
    silent = silent if 2 * len(silent) <= len(useful) else []
    useful = [each for each in useful if each not in silent]
    calls: list[Launch | Terminate] = []
    if silent:
        ids = tuple(sorted(each.id for each in silent))
        calls.append(Terminate(ids, f"they have said nothing for {_SILENT_SECONDS / 60:g} minutes"))
    if stuck:
        ids = tuple(sorted(each.id for each in stuck))
        calls.append(
            Terminate(ids, f"{_STUCK_SECONDS / 60:g} minutes after their launch they have not joined")
        )
    surplus = _surplus(plan, useful, wanted, now)
    if surplus:
        calls.append(Terminate(tuple(each.id for each in surplus), "they are idle and not wanted"))
    have = _slots(plan, (each for each in useful if each not in surplus))
    launches, notes, record = _launches(plan, situation, record, wanted, have, seed)
    return Decision((*calls, *launches), notes, record)


def _slots(plan: Plan, instances: Iterable[Instance]) -> dict[str, int]:
    """The slots of each market. A type that the plan no longer names has one."""
    found = {SPOT: 0, ON_DEMAND: 0}
    for each in instances:
        found[each.pool.market] += plan.slots.get(each.pool.instance_type, 1)
    return found


def _surplus(plan: Plan, useful: Sequence[Instance], wanted: int, now: float) -> list[Instance]:
    """The machines that are known to be idle and that nothing wants: those idle the longest first."""
    spare = sum(_slots(plan, useful).values()) - wanted
    base = _slots(plan, useful)[ON_DEMAND] - min(plan.on_demand, wanted)
    found = []
    for each in sorted(useful, key=lambda each: (each.idle_since or now, each.id)):
        if each.idle_since is None or now - each.idle_since < plan.idle:
            continue
        slots = plan.slots.get(each.pool.instance_type, 1)
        if slots > spare or (each.pool.market == ON_DEMAND and slots > base):
            continue
        found.append(each)
        spare -= slots
        base -= slots if each.pool.market == ON_DEMAND else 0
    return found


def _with_births(record: Record, situation: Situation) -> Record:
    """The record with what has become of the machines that were launched."""
    if situation.joined:
        return replace(record, unborn=None)
    if not situation.failed:
        return record
    before = record.unborn or Refusal(0.0, 0, "")
    why = next((each for each in reversed(situation.failed) if each), before.code)
    return replace(record, unborn=Refusal(situation.now, before.count + len(situation.failed), why))


def _unborn(situation: Situation, unborn: Refusal) -> tuple[bool, str]:
    """Whether one more machine may be tried after many have not joined, and what to tell the user."""
    again = unborn.at + wait(unborn.count - _STILLBORN + 1) - situation.now
    tried = any(each.heard is None and not each.leaving for each in situation.instances)
    why = unborn.code or "they said nothing, so their setup, network or clock may be wrong"
    when = "one more is being tried" if tried or again <= 0 else f"one more is tried in {round(again)} s"
    note = f"the last {unborn.count} machines have not joined ({why}); {when}"
    return not tried and again <= 0, f"{note}; correct nodes.setup or nodes.image, and make the fleet again"


def _launches(
    plan: Plan, situation: Situation, record: Record, wanted: int, have: Mapping[str, int], seed: str
) -> tuple[list[Launch], tuple[str, ...], Record]:
    now, notes = situation.now, list[str]()
    base = max(0, min(plan.on_demand, wanted) - have[ON_DEMAND])
    rest = max(0, wanted - sum(have.values()) - base)
    if base + rest == 0:
        return [], (), replace(record, starved_since=None)
    if plan.budget is not None and situation.spent >= _STOP_LAUNCHING * plan.budget:
        note = (
            f"{situation.spent:.2f} of {plan.budget:.2f} US dollars are spent; no more machines are launched"
        )
        return [], (note,), record
    if record.unborn is not None and record.unborn.count >= _STILLBORN:
        may, note = _unborn(situation, record.unborn)
        notes.append(note)
        if not may:
            return [], tuple(notes), record
        base, rest = min(base, 1), 0 if base else 1
    asked = {ON_DEMAND: base, SPOT: rest}
    starved = record.starved_since
    if plan.on_demand_after is not None and starved is not None and now - starved >= plan.on_demand_after:
        notes.append(
            f"no Spot capacity for {round((now - starved) / 60)} minutes; {rest} slots are asked "
            "for on demand"
        )
        asked = {ON_DEMAND: base + rest, SPOT: 0}
    launches, calls = [], record.calls
    for market, slots in asked.items():
        if not slots:
            continue
        pools = tuple(pool for pool in plan.pools(market) if not record.avoided(pool, now))
        if not pools:
            notes.append(_nothing(plan, record, market, slots, now))
            continue
        calls += 1
        token = hashlib.sha256(f"{seed}/{calls}/{market}".encode()).hexdigest()[:48]
        launches.append(Launch(market, min(slots, _MOST_SLOTS_A_CALL), pools, token))
    return launches, tuple(notes), replace(record, calls=calls)


def _nothing(plan: Plan, record: Record, market: str, slots: int, now: float) -> str:
    """That no pool is asked now, why, and until when."""
    codes: dict[str, int] = {}
    ends = []
    for pool in plan.pools(market):
        own = [record.pools.get(pool), record.all.get(market)]
        found = [each for each in own if each is not None and now < each.at + wait(each.count)]
        for each in found[:1]:
            codes[each.code] = codes.get(each.code, 0) + 1
        ends += [max(each.at + wait(each.count) for each in found)] if found else []
    why = ", ".join(f"{code} ({count} pools)" for code, count in sorted(codes.items()))
    return (
        f"{slots} {market} slots wait: all {len(plan.pools(market))} pools refused lately: {why}; "
        f"asked again in {max(1, round(min(ends) - now))} s; {_fix(codes)}"
    )


_FIXES = (
    (
        ("Unauthorized", "AccessDenied", "AuthFailure"),
        "make the fleet again: that renews its permissions",
    ),
    (("LimitExceeded", "CountExceeded"), "request a higher quota in the console of Service Quotas"),
    (("RequestExpired", "Skewed"), "the head's clock is minutes off: set it"),
    (("Capacity", "Unfulfillable"), "more instance types or zones would help"),
    (("Invalid", "Unsupported", "NotFound"), "correct the fleet file, and make the fleet again"),
)
"""What helps, by parts of codes; the first that is there counts."""


def _fix(codes: Iterable[str]) -> str:
    """What the user can do about refusals."""
    for parts, fix in _FIXES:
        if any(part in code for code in codes for part in parts):
            return fix
    return "AWS or the network fails; nothing is lost meanwhile"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a launch. launched: slots. refused: the code of each pool that refused. failed: the code
    with which the call as a whole failed, "" if it did not. ids: of the machines."""

    launched: int
    refused: Mapping[Pool, str] = field(default_factory=dict)
    failed: str = ""
    ids: tuple[str, ...] = ()


def learned(record: Record, launch: Launch, outcome: Outcome, now: float) -> Record:
    """The record after a launch.

    A call that failed as a whole counts for all pools of its market: asking for the next pool at once would
    only repeat it.
    """
    pools, whole = dict(record.pools), dict(record.all)
    if outcome.failed:
        before = whole.get(launch.market)
        whole[launch.market] = Refusal(now, before.count + 1 if before else 1, outcome.failed)
    else:
        whole.pop(launch.market, None)
        for pool in launch.pools:
            refused = outcome.refused.get(pool)
            before = pools.get(pool)
            if refused is not None:
                pools[pool] = Refusal(now, before.count + 1 if before else 1, refused)
            elif outcome.launched:
                pools.pop(pool, None)
    starved = record.starved_since
    if launch.market == SPOT:
        starved = None if outcome.launched else now if starved is None else starved
    return replace(record, pools=pools, all=whole, starved_since=starved)
