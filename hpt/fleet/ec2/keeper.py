"""Keeps a fleet at size: what `provision` decides, done on EC2 and written down."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from hpt.errors import HptError
from hpt.fleet.ec2 import machines, store
from hpt.fleet.ec2.aws import Aws
from hpt.fleet.ec2.config import FleetConfig
from hpt.fleet.ec2.costs import HOUR, ON_DEMAND, Book, Machine, Pool
from hpt.fleet.ec2.names import NODE
from hpt.fleet.ec2.provision import Decision, Instance, Launch, Plan, Record, Situation, decide, learned

Say = Callable[[str], None]

_BY_THE_MARKET = "Server.Spot"
_BY_USERS, _BY_ITSELF = "Client.UserInitiatedShutdown", "Client.InstanceInitiatedShutdown"
"""Codes of EC2 for the ends of machines."""


class Keeper:
    """Keeps the nodes of one fleet.

    subnets: of each zone. seed: distinguishes its calls from those of an earlier head. now: seconds since the
    epoch.
    """

    def __init__(
        self,
        aws: Aws,
        config: FleetConfig,
        files: store.Store,
        subnets: Mapping[str, str],
        *,
        seed: str,
        say: Say,
        expires: float | None = None,
    ) -> None:
        nodes = config.nodes
        self._aws, self._config, self._files, self._seed, self._say = aws, config, files, seed, say
        self._plan = Plan(
            slots=dict(nodes.instance_types),
            zones=sorted(subnets),
            most=config.slots,
            on_demand=nodes.on_demand,
            on_demand_after=nodes.on_demand_after_seconds,
            idle=nodes.idle_seconds,
            budget=config.budget,
        )
        self._fleet = machines.Fleet(aws, config.name, subnets, nodes.instance_types, expires)
        self._record = Record()
        self._book: Book | None = None
        self._written = ""
        self._sampled = -HOUR
        self._said: dict[str, tuple[str, float]] = {}  # versions of what nodes said, and since when they idle
        self._node: dict[str, dict[str, Any]] = {}
        self._heard: dict[str, float] = {}
        self._unborn: set[str] = set()  # nodes that live, or did at the last look, and have never joined
        self._given_up: set[str] = set()  # of them, those that are terminated here
        self.notes: tuple[str, ...] = ()
        self.nodes: list[Instance] = []

    def step(self, wanted: int, now: float) -> Decision:
        """Look, decide, act, and write down.

        wanted: slots that training jobs have or wait for.

        Raises:
            HptError: the machines cannot be listed; nothing was decided.
        """
        described = machines.instances(self._aws, self._config.name)
        book = self._seen([machines.machine_of(each) for each in described], now)
        self._listen(now)
        nodes = [machines.machine_of(each) for each in described if machines.role_of(each) == NODE]
        self.nodes = [self._instance(machine) for machine in nodes]
        failed, joined = self._births()
        spent = book.cost(now).total
        decision = decide(
            self._plan,
            Situation(now, wanted, self.nodes, spent, failed, joined),
            self._record,
            seed=self._seed,
        )
        self._record = decision.record
        for call in decision.calls:
            self._act(call, now)
        problems = [f"node {each.id}: {why}" for each in self.nodes if (why := self._problem(each.id))]
        self.notes = (*decision.notes, *problems)
        return decision

    def _births(self) -> tuple[list[str], bool]:
        """What is known of each node that has ended since the last look without having joined, and whether
        one has joined since. Those that the market or a person took are no failure.
        """
        living = {each.id for each in self.nodes}
        joined = {each.id for each in self.nodes if each.heard is not None}
        came, gone = bool(self._unborn & joined), self._unborn - living
        try:
            ended = machines.ends(self._aws, gone) if gone else {}
        except HptError:
            ended = {}  # asked again
        self._unborn = (living - joined) | (gone - ended.keys())
        why = (self._why(node, *ended[node]) for node in sorted(ended))
        return [each for each in why if each is not None], came

    def _why(self, node: str, code: str, message: str) -> str | None:
        """Why a node is gone that has never joined, "" if nobody knows; None if that is no failure.

        code, message: of EC2.
        """
        if problem := self._problem(node):
            return problem
        if code.startswith(_BY_THE_MARKET) or (code == _BY_USERS and node not in self._given_up):
            return None
        return "" if code in ("", _BY_USERS, _BY_ITSELF) else f"EC2 ended it: {message or code}"

    def _problem(self, node: str) -> str:
        """Why a node cannot be one, as it says; "" if it can."""
        return str(self._node.get(node, {}).get("problem", ""))

    def terminate_all(self) -> int:
        """Terminate every node; returns how many there are."""
        nodes = [
            each
            for each in machines.instances(self._aws, self._config.name)
            if machines.role_of(each) == NODE
        ]
        machines.terminate(self._aws, [each["InstanceId"] for each in nodes])
        return len(nodes)

    @property
    def book(self) -> Book:
        return self._book or Book()

    def _act(self, call: Any, now: float) -> None:
        if isinstance(call, Launch):
            outcome = self._fleet.launch(call)
            self._record = learned(self._record, call, outcome, now)
            self._unborn.update(outcome.ids)
            if outcome.launched:
                self._say(f"{outcome.launched} of {call.slots} {call.market} slots are launched")
            for pool, code in outcome.refused.items():
                self._say(f"{pool} refused: {code}; it is avoided for a minute or more")
            if outcome.failed:
                self._say(
                    f"launching {call.slots} {call.market} slots failed: {outcome.failed}; asked again later"
                )
        else:
            self._say(f"terminating {', '.join(call.ids)}: {call.why}")
            self._given_up.update(call.ids)
            try:
                machines.terminate(self._aws, call.ids)
            except HptError as error:  # decided again in the next step
                self._say(str(error))

    def _instance(self, machine: Machine) -> Instance:
        said = self._node.get(machine.id, {})
        idle = self._said.get(machine.id, ("", 0.0))[1] if said.get("busy") == 0 else None
        leaving = bool(said.get("leaves") or said.get("rebalance"))
        heard = None if self._problem(machine.id) else self._heard.get(machine.id)
        return Instance(machine.id, machine.pool, machine.launched, heard, idle, leaving)

    def _listen(self, now: float) -> None:
        """Read what nodes said since the last time. A bucket that refuses leaves what is known."""
        try:
            for key, version, age in self._files.dated("nodes/"):
                node = key.removeprefix("nodes/").removesuffix(".json")
                self._heard[node] = now - age
                if self._said.get(node, ("", 0.0))[0] != version:
                    said = json.loads(self._files.get(key) or b"{}")
                    before = self._node.get(node, {}).get("busy")
                    since = self._said[node][1] if before == 0 == said.get("busy") else now
                    self._node[node], self._said[node] = said, (version, since)
        except (HptError, ValueError) as error:
            self._say(f"what the nodes say cannot be read: {error}")
            self._heard = dict.fromkeys(self._heard, now)  # it is not they who are silent

    def _seen(self, running: list[Machine], now: float) -> Book:
        """The book with the machines of now and the prices of this hour, kept on S3."""
        if self._book is None:
            content = self._files.get(store.MACHINES)
            self._book = Book.from_json(content) if content else Book()
        book = self._book.seen(running, now)
        pools = {machine.pool for machine in running}
        if now - self._sampled >= HOUR or any(book.prices.latest(pool) is None for pool in pools):
            book = Book(book.machines, book.prices.with_sample(now, self._prices(pools, now)))
            self._sampled = now
        self._book = book
        if (text := book.to_json()) != self._written:
            try:
                self._files.put(store.MACHINES, text)
                self._written = text
            except HptError as error:
                self._say(str(error))
        return book

    def _prices(self, running: set[Pool], now: float) -> dict[Pool, float]:
        nodes, zones = self._config.nodes, self._plan.zones
        prices: dict[Pool, float] = {}
        try:
            prices |= machines.spot_prices(self._aws, nodes.instance_types, zones, now)
            for name in {pool.instance_type for pool in running}:  # of Spot pools too, which save by that
                price = machines.on_demand_price(self._aws, name)
                own = {pool.zone for pool in running if pool.instance_type == name}
                if price is not None:
                    prices |= {Pool(name, zone, ON_DEMAND): price for zone in own}
        except HptError as error:
            self._say(f"{error}; the cost is counted with the prices known so far")
        return prices
