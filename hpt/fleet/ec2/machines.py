"""The machines of a fleet on EC2: found by their tag, launched by CreateFleet, priced, terminated."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hpt.fleet.ec2.aws import Aws, code_of, pages
from hpt.fleet.ec2.costs import ON_DEMAND, SPOT, Machine, Pool
from hpt.fleet.ec2.names import FLEET_TAG, NODE, ROLE_TAG, Names, tags, tags_of
from hpt.fleet.ec2.provision import Launch, Outcome

LIVING = ("pending", "running")
LEAVING = ("shutting-down", "stopping", "stopped")
_MOST_IDS = 500
_MOST_FILTERED = 200
_PRODUCT = "Linux/UNIX"


def instances(aws: Aws, fleet: str | None, *, states: Sequence[str] = LIVING) -> list[dict[str, Any]]:
    """The machines of a fleet, or of all fleets, as EC2 describes them.

    By their own tags: a fleet of type `instant` is not listed by DescribeFleets, which has no filter for tags
    anyway.
    """
    chosen = (
        {"Name": f"tag:{FLEET_TAG}", "Values": [fleet]}
        if fleet
        else {"Name": "tag-key", "Values": [FLEET_TAG]}
    )
    filters = [chosen, {"Name": "instance-state-name", "Values": list(states)}]
    with aws.explained("the machines cannot be listed"):
        found = pages(aws.ec2.describe_instances, "Reservations", Filters=filters)
        return [each for reservation in found for each in reservation["Instances"]]


def ends(aws: Aws, ids: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Code and message with which machines have ended, of those that have, as far as EC2 still knows them."""
    filters = [
        {"Name": "instance-id", "Values": sorted(ids)[:_MOST_FILTERED]},
        {"Name": "instance-state-name", "Values": ["shutting-down", "terminated"]},
    ]
    with aws.explained("the machines cannot be listed"):
        found = pages(aws.ec2.describe_instances, "Reservations", Filters=filters)
        reasons = {
            each["InstanceId"]: each.get("StateReason", {}) for part in found for each in part["Instances"]
        }
    return {name: (each.get("Code", ""), each.get("Message", "")) for name, each in reasons.items()}


def role_of(instance: dict[str, Any]) -> str:
    return tags_of(instance).get(ROLE_TAG, NODE)


def machine_of(instance: dict[str, Any]) -> Machine:
    """A machine as the costs know it."""
    market = SPOT if instance.get("InstanceLifecycle") == "spot" else ON_DEMAND
    pool = Pool(instance["InstanceType"], instance["Placement"]["AvailabilityZone"], market)
    return Machine(instance["InstanceId"], pool, instance["LaunchTime"].timestamp())


class Fleet:
    """Launches the nodes of one fleet.

    subnets: the ID of the one of each zone. slots: of each instance type. expires: of the fleet.
    """

    def __init__(
        self, aws: Aws, name: str, subnets: Mapping[str, str], slots: Mapping[str, int], expires: float | None
    ) -> None:
        self._aws, self._name, self._expires = aws, name, expires
        self._subnets, self._slots = subnets, slots
        self._template = Names(name, aws.region).template(NODE)

    def launch(self, launch: Launch) -> Outcome:
        """Ask for machines once. What is refused is an outcome, not an exception."""
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        try:
            reply = self._aws.ec2.create_fleet(**self._request(launch))
        except ClientError as error:
            return Outcome(0, failed=code_of(error) or "Unknown")
        except (BotoCoreError, ResponseParserError) as error:
            return Outcome(0, failed=type(error).__name__)
        launched = sum(
            len(each["InstanceIds"]) * self._slots.get(each["InstanceType"], 1)
            for each in reply.get("Instances", ())
        )
        zones = {subnet: zone for zone, subnet in self._subnets.items()}
        refused = {}
        for each in reply.get("Errors", ()):
            override = each.get("LaunchTemplateAndOverrides", {}).get("Overrides", {})
            zone = override.get("AvailabilityZone") or zones.get(override.get("SubnetId", ""), "")
            refused[Pool(override.get("InstanceType", ""), zone, launch.market)] = each.get(
                "ErrorCode", "Unknown"
            )
        ids = tuple(each for some in reply.get("Instances", ()) for each in some["InstanceIds"])
        return Outcome(launched, refused, ids=ids)

    def _request(self, launch: Launch) -> dict[str, Any]:
        overrides = [
            {
                "InstanceType": pool.instance_type,
                "SubnetId": self._subnets[pool.zone],
                "WeightedCapacity": float(self._slots[pool.instance_type]),
            }
            for pool in launch.pools
        ]
        template = {"LaunchTemplateName": self._template, "Version": "$Default"}
        request: dict[str, Any] = {
            "Type": "instant",
            "ClientToken": launch.token,
            "LaunchTemplateConfigs": [{"LaunchTemplateSpecification": template, "Overrides": overrides}],
            "TargetCapacitySpecification": {
                "TotalTargetCapacity": launch.slots,
                "DefaultTargetCapacityType": launch.market,
            },
            "TagSpecifications": [{"ResourceType": "fleet", "Tags": tags(self._name, NODE, self._expires)}],
        }
        if launch.market == SPOT:
            request["SpotOptions"] = {
                "AllocationStrategy": "price-capacity-optimized",
                "InstanceInterruptionBehavior": "terminate",
            }
        else:
            request["OnDemandOptions"] = {"AllocationStrategy": "lowest-price"}
        return request


def terminate(aws: Aws, ids: Iterable[str]) -> None:
    """Terminate machines. Those that are gone already are no error."""
    from botocore.exceptions import ClientError

    left = list(ids)
    with aws.explained("machines cannot be terminated"):
        while left:
            some, left = left[:_MOST_IDS], left[_MOST_IDS:]
            try:
                aws.ec2.terminate_instances(InstanceIds=some)
            except ClientError as error:
                if code_of(error) != "InvalidInstanceID.NotFound":
                    raise
                for each in some if len(some) > 1 else ():  # one that is unknown makes the call fail for all
                    terminate(aws, [each])


def spot_prices(aws: Aws, types: Iterable[str], zones: Iterable[str], now: float) -> dict[Pool, float]:
    """The present Spot prices of types in zones, in US dollars an hour."""
    wanted, found = set(zones), dict[Pool, tuple[dt.datetime, float]]()
    with aws.explained("Spot prices cannot be read"):
        history = pages(
            aws.ec2.describe_spot_price_history,
            "SpotPriceHistory",
            InstanceTypes=sorted(set(types)),
            ProductDescriptions=[_PRODUCT],
            StartTime=dt.datetime.fromtimestamp(now, dt.UTC),
        )
        for each in history:
            pool = Pool(each["InstanceType"], each["AvailabilityZone"], SPOT)
            if pool.zone in wanted and (pool not in found or found[pool][0] < each["Timestamp"]):
                found[pool] = each["Timestamp"], float(each["SpotPrice"])
    return {pool: price for pool, (_, price) in found.items()}


def on_demand_price(aws: Aws, instance_type: str) -> float | None:
    """The price of a type in the region, in US dollars an hour; None where the price list has none."""
    wanted = {
        "instanceType": instance_type,
        "regionCode": aws.region,
        "operatingSystem": "Linux",
        "preInstalledSw": "NA",
        "tenancy": "Shared",
        "capacitystatus": "Used",
    }
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()]
    with aws.explained(f"the price of {instance_type} cannot be read"):
        for product in pages(aws.pricing.get_products, "PriceList", ServiceCode="AmazonEC2", Filters=filters):
            for offer in json.loads(product).get("terms", {}).get("OnDemand", {}).values():
                for dimension in offer["priceDimensions"].values():
                    price = float(dimension["pricePerUnit"].get("USD", 0))
                    if price > 0:
                        return price
    return None
