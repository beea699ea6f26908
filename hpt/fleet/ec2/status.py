"""How a fleet stands, read from EC2 and from its files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hpt.errors import HptError, InputError
from hpt.fleet.ec2 import machines, store, teardown
from hpt.fleet.ec2.aws import Aws
from hpt.fleet.ec2.config import FleetConfig
from hpt.fleet.ec2.costs import Book, Cost, Machine
from hpt.fleet.ec2.names import EXPIRES_TAG, HEAD
from hpt.fleet.ec2.teardown import Left

_SILENT_SECONDS = 120.0
_STARTING_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """head: what it last said, None if nothing; age: seconds since then. nodes: their machines, with what
    each last said. problems: what could not be read."""

    name: str
    uri: str
    parts: Left
    head_machine: Machine | None
    head: dict[str, Any] | None
    head_age: float
    nodes: tuple[tuple[Machine, dict[str, Any]], ...]
    cost: Cost
    budget: float | None
    expires: float | None
    jobs: dict[str, str]
    problems: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        def row(machine: Machine) -> dict[str, Any]:
            pool = machine.pool
            return {
                "InstanceId": machine.id,
                "InstanceType": pool.instance_type,
                "AvailabilityZone": pool.zone,
                "Market": pool.market,
                "LaunchTime": machine.launched,
            }

        return {
            "Name": self.name,
            "Files": self.uri,
            "Head": row(self.head_machine) if self.head_machine else None,
            "HeadHeardSeconds": self.head_age if self.head is not None else None,
            "Nodes": [{**row(machine), "State": said} for machine, said in self.nodes],
            "CostUSD": round(self.cost.total, 4),
            "CostPerHourUSD": round(self.cost.per_hour, 4),
            "Unpriced": [str(pool) for pool in self.cost.unpriced],
            "BudgetUSD": self.budget,
            "Expires": self.expires,
            "TuningJobs": self.jobs,
            "Notes": [*(self.head or {}).get("notes", ()), *self.problems],
        }


def look(
    aws: Aws, name: str, files: store.Store | None, tagged: dict[str, str], *, now: float
) -> FleetStatus:
    """How a fleet stands. A bucket that refuses is a problem among others; EC2 is not.

    Raises:
        InputError: a permission is missing. RetryableError: EC2 cannot be reached.
    """
    parts = teardown.look(aws, name)
    described = machines.instances(aws, name)
    heads = [machines.machine_of(each) for each in described if machines.role_of(each) == HEAD]
    nodes = [machines.machine_of(each) for each in described if machines.role_of(each) != HEAD]
    head: dict[str, Any] | None = None
    age, said, book, budget, problems = 0.0, dict[str, dict[str, Any]](), Book(), None, list[str]()
    jobs: dict[str, str] = {}
    if files is not None:
        try:
            if (found := files.get_dated(store.HEAD)) is not None:
                head, age = json.loads(found[0]), found[1]
            content = files.get(store.MACHINES)
            book = Book.from_json(content) if content else book
            if (content := files.get(store.FLEET)) is not None:
                budget = FleetConfig.from_json(content.decode()).budget
            said = {each.id: files.get_json(f"nodes/{each.id}.json") or {} for each in nodes}
            jobs = {job: _job_status(files, job) for job in files.folders("jobs/")}
        except HptError as error:
            problems.append(str(error))
    book = book.seen([*heads, *nodes], now)
    silent = age if head is not None else now - heads[0].launched if heads and files is not None else 0.0
    if heads and silent > (_SILENT_SECONDS if head is not None else _STARTING_SECONDS):
        problems.append(
            f"nothing of the head for {silent:.0f} s; open a session of Systems Manager on {heads[0].id} "
            "and read /var/log/hpt-setup.log and the journal of hpt-head"
        )
    if not heads and parts:
        problems.append("there is no head; make the fleet again to launch one, which goes on with its jobs")
    if files is not None and head is None:
        problems += _setup_failures(files)
    expires = tagged.get(EXPIRES_TAG, "")
    return FleetStatus(
        name=name,
        uri=files.uri if files is not None else "",
        parts=parts,
        head_machine=heads[0] if heads else None,
        head=head,
        head_age=age,
        nodes=tuple((machine, said.get(machine.id, {})) for machine in nodes),
        cost=book.cost(now),
        budget=budget,
        expires=float(expires) if expires.isdigit() else None,
        jobs=jobs,
        problems=tuple(problems),
    )


def _setup_failures(files: store.Store) -> list[str]:
    """Why machines of a fleet whose head never said anything did not come up, the last of them."""
    try:
        found = [(age, key) for key, _, age in files.dated("nodes/")]
        for _, key in sorted(found):
            if problem := (files.get_json(key) or {}).get("problem"):
                return [f"machine {key.removeprefix('nodes/').removesuffix('.json')}: {problem}"]
    except HptError:
        pass  # said already
    return []


def check_head(aws: Aws, name: str, files: store.Store) -> None:
    """Raises InputError where no head is there, or will be, that reads what is left for it."""
    if files.has(store.CLOSED):
        raise InputError(f"fleet {name} is being taken down; make it again with: hpt fleet up FLEET.toml")
    if not any(machines.role_of(each) == HEAD for each in machines.instances(aws, name)):
        raise InputError(
            f"fleet {name} has no head that would run it; launch one with: hpt fleet up FLEET.toml"
        )


def _job_status(files: store.Store, job: str) -> str:
    found = files.get_json(f"jobs/{job}/status.json")
    return str(found["status"]) if found else "Unfinished"
