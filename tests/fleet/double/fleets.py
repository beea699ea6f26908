"""EC2 Fleet of type `instant`, prices and quotas, as AWS answers them."""

from __future__ import annotations

import json
import re
import time
import uuid
from typing import TYPE_CHECKING, Any

from moto.backends import get_backend

if TYPE_CHECKING:
    from tests.fleet.double.app import Answer, Call, Double

ACCOUNT = "123456789012"
SPOT_PRICE, ON_DEMAND_PRICE = 0.04, 0.10
_VCPUS = {"spot": "L-34B43A08", "on-demand": "L-1216C47A"}
_ID = re.compile(r"<instanceId>(i-[0-9a-f]+)</instanceId>")


def answer(double: Double, call: Call) -> Answer | None:
    from tests.fleet.double.app import error

    token = call.parameters.get("ClientToken")
    if call.action in ("CreateFleet", "RunInstances") and token:
        known = double.state.tokens.get((call.action, token))
        if known is not None:
            same = known[0] == _same(call)
            return (
                (200, "text/xml", known[1])
                if same
                else error(call, "IdempotentParameterMismatch", "other parameters")
            )
    found = _answer(double, call)
    if found is not None and found[0] == 200 and token:
        double.state.tokens[call.action, token] = _same(call), found[2]
    return found


def _same(call: Call) -> str:
    return json.dumps(call.parameters, sort_keys=True)


def _answer(double: Double, call: Call) -> Answer | None:
    from tests.fleet.double.app import error

    match call.action:
        case "CreateFleet":
            return _create_fleet(double, call)
        case "RunInstances":
            status, body = double.ask_moto(call, call.parameters)
            return status, "text/xml", body
        case "DescribeFleets" if any(
            key.endswith(".Name") and value.startswith("tag") for key, value in call.parameters.items()
        ):
            return error(call, "InvalidParameterValue", "DescribeFleets has no filter for tags")
        case "ModifyFleet" | "DescribeFleetHistory" | "GetSpotPlacementScores":
            return error(call, "InvalidAction", "not known to the double")
        case "DescribeSpotPriceHistory":
            return _price_history(double, call)
        case "GetServiceQuota":
            return _quota(double, call)
        case "GetProducts":
            return _products(double, call)
    return None


def listed(parameters: dict[str, Any], prefix: str) -> list[dict[str, str]]:
    """The members of a list `prefix.1.Member`, in order."""
    rows: dict[int, dict[str, str]] = {}
    for key, value in parameters.items():
        if found := re.fullmatch(rf"{re.escape(prefix)}\.(\d+)(?:\.(.*))?", key):
            rows.setdefault(int(found[1]), {})[found[2] or ""] = value
    return [rows[index] for index in sorted(rows)]


def order(orders: list[tuple[list[str], Any]], pool: tuple[str, str, str]) -> list[Any] | None:
    """The latest order that concerns a pool, as [pattern, value]."""
    for pattern, value in orders:
        if all(wanted in ("*", given) for wanted, given in zip(pattern, pool, strict=True)):
            return [pattern, value]
    return None


def price(double: Double, pool: tuple[str, str, str]) -> float:
    found = order(double.state.prices, pool)
    return found[1] if found else SPOT_PRICE if pool[2] == "spot" else ON_DEMAND_PRICE


def _create_fleet(double: Double, call: Call) -> Answer:
    from tests.fleet.double.app import error

    asked = call.parameters
    if asked.get("DryRun") == "true":
        return error(call, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
    if asked.get("Type") != "instant":
        return error(call, "InvalidParameterValue", "the double makes fleets of type instant only")
    market = asked["TargetCapacitySpecification.DefaultTargetCapacityType"]
    left = float(asked["TargetCapacitySpecification.TotalTargetCapacity"])
    template = {
        key.rpartition(".")[2]: value
        for key, value in asked.items()
        if ".LaunchTemplateSpecification." in key
    }
    backend = get_backend("ec2")[ACCOUNT][call.region]
    zones = {subnet.id: subnet.availability_zone for subnet in backend.describe_subnets()}
    if not any(each.name == template.get("LaunchTemplateName") for each in backend.launch_templates.values()):
        return error(
            call, "InvalidLaunchTemplateName.NotFoundException", "the launch template does not exist"
        )
    pools = []
    for override in listed(asked, "LaunchTemplateConfigs.1.Overrides"):
        pool = override["InstanceType"], zones[override["SubnetId"]], market
        pools.append((pool, override, float(override.get("WeightedCapacity", 1))))
    made, errors = [], []
    for pool, override, weight in sorted(pools, key=lambda each: price(double, each[0]) / each[2]):
        if left <= 0:
            break
        count = -(-int(left) // int(weight))
        ids, code = _launch(double, call, pool, override, template, count)
        left -= len(ids) * weight
        if ids:
            made.append((pool, override, ids))
        if code:
            errors.append((pool, override, code))
    return 200, "text/xml", _reply(market, template, made, errors).encode()


def _launch(
    double: Double,
    call: Call,
    pool: tuple[str, str, str],
    override: dict[str, str],
    template: dict[str, str],
    count: int,
) -> tuple[list[str], str]:
    """The IDs of the machines of a pool, and why there are fewer than asked for."""
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    if pool[0] not in INSTANCE_TYPES:
        return [], "InvalidInstanceType"
    found, code = order(double.state.capacity, pool), ""
    if found is not None and found[1] is not None and found[1] < count:
        count, code = found[1], "InsufficientInstanceCapacity"
    vcpus = INSTANCE_TYPES[pool[0]]["VCpuInfo"]["DefaultVCpus"]
    quota = double.state.quotas.get(_VCPUS[pool[2]])
    if quota is not None:
        room = int((quota - _running_vcpus(call, pool[2])) // vcpus)
        if room < count:
            limit = "MaxSpotInstanceCountExceeded" if pool[2] == "spot" else "VcpuLimitExceeded"
            count, code = max(0, room), limit
    if count <= 0:
        return [], code
    parameters = {
        "Action": "RunInstances",
        "Version": call.parameters["Version"],
        "MinCount": str(count),
        "MaxCount": str(count),
        "InstanceType": pool[0],
        "SubnetId": override["SubnetId"],
        **{f"LaunchTemplate.{key}": value for key, value in template.items()},
    }
    if pool[2] == "spot":
        parameters["InstanceMarketOptions.MarketType"] = "spot"
    status, body = double.ask_moto(call, parameters)
    if status != 200:
        return [], re.search(rb"<Code>(.*?)</Code>", body)[1].decode()  # type: ignore[index]
    if found is not None and found[1] is not None:
        index = next(i for i, (pattern, _) in enumerate(double.state.capacity) if pattern == found[0])
        double.state.capacity[index] = found[0], found[1] - count
    return _ID.findall(body.decode()), code


def _running_vcpus(call: Call, market: str) -> int:
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    backend = get_backend("ec2")[ACCOUNT][call.region]
    return sum(
        INSTANCE_TYPES[each.instance_type]["VCpuInfo"]["DefaultVCpus"]
        for each in backend.all_instances()
        if each.state_code in (0, 16) and (each.lifecycle == "spot") == (market == "spot")
    )


def _reply(market: str, template: dict[str, str], made: list[Any], errors: list[Any]) -> str:
    def override(pool: tuple[str, str, str], asked: dict[str, str]) -> str:
        specification = "".join(
            f"<{k[0].lower()}{k[1:]}>{v}</{k[0].lower()}{k[1:]}>" for k, v in template.items()
        )
        inner = f"<instanceType>{pool[0]}</instanceType><subnetId>{asked['SubnetId']}</subnetId>"
        inner += f"<availabilityZone>{pool[1]}</availabilityZone>"
        return (
            f"<launchTemplateAndOverrides><launchTemplateSpecification>{specification}</launchTemplateSpecification>"
            f"<overrides>{inner}</overrides></launchTemplateAndOverrides><lifecycle>{market}</lifecycle>"
        )

    instances = "".join(
        f"<item>{override(pool, asked)}<instanceIds>"
        f"{''.join(f'<item>{each}</item>' for each in ids)}</instanceIds>"
        f"<instanceType>{pool[0]}</instanceType></item>"
        for pool, asked, ids in made
    )
    refused = "".join(
        f"<item>{override(pool, asked)}<errorCode>{code}</errorCode><errorMessage>no</errorMessage></item>"
        for pool, asked, code in errors
    )
    return (
        '<?xml version="1.0"?><CreateFleetResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
        f"<requestId>{uuid.uuid4()}</requestId><fleetId>fleet-{uuid.uuid4()}</fleetId>"
        f"<fleetInstanceSet>{instances}</fleetInstanceSet><errorSet>{refused}</errorSet></CreateFleetResponse>"
    )


def _price_history(double: Double, call: Call) -> Answer:
    backend = get_backend("ec2")[ACCOUNT][call.region]
    zones = sorted({subnet.availability_zone for subnet in backend.describe_subnets()})
    moment = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() - 60))
    rows = "".join(
        f"<item><instanceType>{row['']}</instanceType><productDescription>Linux/UNIX</productDescription>"
        f"<spotPrice>{price(double, (row[''], zone, 'spot')):.6f}</spotPrice><timestamp>{moment}</timestamp>"
        f"<availabilityZone>{zone}</availabilityZone></item>"
        for row in listed(call.parameters, "InstanceType")
        for zone in zones
    )
    xml = f'<DescribeSpotPriceHistoryResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>x</requestId><spotPriceHistorySet>{rows}</spotPriceHistorySet></DescribeSpotPriceHistoryResponse>'
    return 200, "text/xml", xml.encode()


def _quota(double: Double, call: Call) -> Answer:
    from tests.fleet.double.app import error

    code = call.parameters["QuotaCode"]
    if not re.fullmatch(r"L-[0-9A-F]{8}", code):
        return error(call, "NoSuchResourceException", f"no quota {code}")
    value = double.state.quotas.get(code, 1000.0)
    body = {"Quota": {"ServiceCode": call.parameters["ServiceCode"], "QuotaCode": code, "Value": value}}
    return 200, "application/x-amz-json-1.1", json.dumps(body).encode()


def _products(double: Double, call: Call) -> Answer:
    asked = {each["Field"]: each["Value"] for each in call.parameters["Filters"]}
    dollars = price(double, (asked["instanceType"], "*", "on-demand"))
    dimension = {"unit": "Hrs", "pricePerUnit": {"USD": f"{dollars:.10f}"}}
    product = {"terms": {"OnDemand": {"a": {"priceDimensions": {"b": dimension}}}}}
    body = {"FormatVersion": "aws_v1", "PriceList": [json.dumps(product)]}
    return 200, "application/x-amz-json-1.1", json.dumps(body).encode()


def end(instance: str, reason: str = "Server.SpotInstanceTermination: Spot instance termination") -> None:
    """The end of a machine, by the market unless it is of another reason."""
    for backend in get_backend("ec2")[ACCOUNT].values():
        for each in backend.all_instances():
            if each.id == instance and each.state_code in (0, 16):
                backend.terminate_instances([instance])
                each.state_reason = type(each.state_reason)(reason, reason.partition(":")[0])
