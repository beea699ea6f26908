"""Whether the account's quotas allow what a fleet asks for; the first thing that a new account meets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hpt.fleet.ec2.aws import Aws, absent
from hpt.fleet.ec2.config import FleetConfig
from hpt.fleet.ec2.costs import ON_DEMAND, SPOT

_SPOT = {
    "standard": "L-34B43A08",
    "f": "L-88CF9481",
    "g": "L-3819A6DF",
    "p": "L-7212CCBC",
    "x": "L-E3A00192",
    "inf": "L-B5D1601B",
    "trn": "L-6B0D517C",
}
_ON_DEMAND = {
    "standard": "L-1216C47A",
    "f": "L-74FC7D96",
    "g": "L-DB2E81BA",
    "p": "L-417A185B",
    "x": "L-7295265B",
    "inf": "L-1945791B",
    "trn": "L-2C3B7624",
}
CODES = {SPOT: _SPOT, ON_DEMAND: _ON_DEMAND}
"""The quotas of vCPUs, by market and group of families."""

_STANDARD = tuple("acdhimrtz")


def group_of(instance_type: str) -> str | None:
    """The group of families whose quota a type counts for; None of one that has a quota of its own."""
    family = instance_type.split(".")[0]
    letters = family[: next((i for i, c in enumerate(family) if c.isdigit()), len(family))]
    if letters in ("inf", "trn", "f", "x"):
        return letters
    if letters in ("g", "gr", "vt"):
        return "g"
    if letters in ("p", "hpc", "u", "dl", "mac"):
        return "p" if letters == "p" else None
    return "standard" if letters.startswith(_STANDARD) else None


@dataclass(frozen=True, slots=True)
class Quota:
    """vcpus: that the account may have. needed: by the fleet, at most, should it get this group alone.
    least: the vCPUs of the smallest type of the group, without which nothing of it starts."""

    market: str
    group: str
    code: str
    vcpus: float
    needed: int
    least: int

    def message(self) -> str:
        """What it means where it is too small."""
        return (
            f"the account's quota of {self.market} vCPUs for {self.group} instance types is {self.vcpus:g} "
            f"({self.code}), and the fleet may need {self.needed}"
        )


def quotas(aws: Aws, config: FleetConfig, vcpus: Mapping[str, int]) -> Iterator[Quota]:
    """The quotas that a fleet meets. What the service does not know is left out.

    vcpus: of each instance type.
    """
    on_demand = config.slots if config.nodes.on_demand_after_seconds is not None else config.nodes.on_demand
    wanted = {SPOT: config.slots - config.nodes.on_demand, ON_DEMAND: on_demand}
    for market, slots in wanted.items():
        needed: dict[str, tuple[int, int]] = {}
        for name, weight in config.nodes.instance_types.items() if slots else ():
            group = group_of(name)
            if group is not None:
                count = -(-slots // weight) * vcpus[name]
                most, least = needed.get(group, (0, vcpus[name]))
                needed[group] = max(most, count), min(least, vcpus[name])
        if market == ON_DEMAND:
            head = group_of(config.head.instance_type)
            if head is not None:
                most, least = needed.get(head, (0, vcpus[config.head.instance_type]))
                own = vcpus[config.head.instance_type]
                needed[head] = most + own, max(least, own)
        for group, (most, least) in needed.items():
            code = CODES[market][group]
            value = _value(aws, code)
            if value is not None:
                yield Quota(market, group, code, value, most, least)


def _value(aws: Aws, code: str) -> float | None:
    from botocore.exceptions import ClientError

    with aws.explained("the quotas of the account cannot be read"):
        try:
            reply = aws.quotas.get_service_quota(ServiceCode="ec2", QuotaCode=code)
        except ClientError as error:
            if absent(error):
                return None
            raise
    return float(reply["Quota"]["Value"])
