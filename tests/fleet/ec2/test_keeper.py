"""The provisioning of a fleet, real calls against the double; and what its nodes see and say."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hpt.fleet.ec2 import machines, metadata, setup, store
from hpt.fleet.ec2.aws import Aws
from hpt.fleet.ec2.config import FleetConfig, read_fleet
from hpt.fleet.ec2.costs import ON_DEMAND, SPOT, Pool
from hpt.fleet.ec2.head import HeadUnit
from hpt.fleet.ec2.keeper import Keeper
from hpt.fleet.ec2.node import NodeUnit, price_share, ray_command
from hpt.fleet.ec2.provision import Launch, Terminate
from hpt.fleet.ec2.store import Store
from hpt.fleet.notice import Notice
from tests.cli.test_cli import wait_until
from tests.fleet.double.control import Control

TYPES = {"c5.xlarge": 2, "m5.xlarge": 2}


class Fleet:
    """A fleet without a head; each step is a quarter of a minute later."""

    def __init__(self, **changes: Any) -> None:
        nodes = {"instance_types": TYPES, "on_demand": 2, "idle": "60s", **changes.pop("nodes", {})}
        content = {
            "name": "search",
            "bucket": "s3://bucket",
            "region": "us-east-1",
            "slots": 8,
            "nodes": nodes,
        }
        self.config: FleetConfig = read_fleet({**content, **changes})
        self.aws = Aws("us-east-1", attempts=2)
        self.files = Store(self.aws, self.config.bucket, self.config.prefix)
        self.said: list[str] = []
        self.now = time.time()  # as the double stamps its machines
        found = setup.look(self.aws, self.config, now=self.now)
        group = setup._group(self.aws, setup.Names("search", "us-east-1"), self.config, found.vpc, None)
        data = {"ImageId": found.image, "SecurityGroupIds": [group]}
        own = [{"ResourceType": "instance", "Tags": setup.tags("search", "node")}]
        setup._template(self.aws, "hpt-search-node", {**data, "TagSpecifications": own}, setup.tags("search"))
        self.keeper = Keeper(self.aws, self.config, self.files, found.subnets, seed="a", say=self.said.append)

    def step(self, wanted: int, seconds: float = 15.0) -> list[Launch | Terminate]:
        self.now += seconds
        return list(self.keeper.step(wanted, self.now).calls)

    def all_say(self, content: dict[str, Any]) -> None:
        for each in self.nodes():
            self.files.put_json(f"nodes/{each['InstanceId']}.json", content)

    def nodes(self) -> list[dict[str, Any]]:
        return machines.instances(self.aws, "search")

    def slots(self) -> int:
        return sum(TYPES[each["InstanceType"]] for each in self.nodes())


@pytest.fixture
def fleet(double: Control) -> Fleet:
    return Fleet()


def test_the_fleet_grows_to_what_is_wanted_and_stays(fleet: Fleet) -> None:
    assert [call.market for call in fleet.step(7) if isinstance(call, Launch)] == [ON_DEMAND, SPOT]
    assert fleet.slots() == 8  # whole machines
    assert fleet.step(7) == [] and fleet.slots() == 8
    lives = [each.get("InstanceLifecycle") for each in fleet.nodes()]
    assert lives.count("spot") == 3 and lives.count(None) == 1


def test_machines_of_the_market_that_go_are_replaced(double: Control, fleet: Fleet) -> None:
    fleet.step(8)
    lost = next(each["InstanceId"] for each in fleet.nodes() if each.get("InstanceLifecycle"))
    double.interrupt(lost, notice=0.0)
    wait_until(lambda: fleet.slots() < 8)
    fleet.step(8)
    assert fleet.slots() == 8 and lost not in {each["InstanceId"] for each in fleet.nodes()}


def test_pools_without_capacity_are_told_and_left_alone_for_a_minute(double: Control, fleet: Fleet) -> None:
    double.capacity(0, type="c5.xlarge", market="spot")
    double.price(0.01, type="c5.xlarge", market="spot")  # so that it is tried first
    fleet.step(8)
    assert {each["InstanceType"] for each in fleet.nodes() if each.get("InstanceLifecycle")} == {"m5.xlarge"}
    assert any(
        "c5.xlarge in us-east-1a (spot) refused: InsufficientInstanceCapacity" in each for each in fleet.said
    )
    double.capacity(0, market="spot")
    for each in fleet.nodes():
        machines.terminate(fleet.aws, [each["InstanceId"]])
    fleet.step(8)
    fleet.step(8)
    asked = [call for call in double.calls() if call["action"] == "CreateFleet"]
    assert "6 spot slots wait: all 10 pools refused lately" in fleet.keeper.notes[0]
    fleet.step(8)
    assert len([call for call in double.calls() if call["action"] == "CreateFleet"]) == len(asked)
    double.capacity(None, market="spot")
    fleet.step(8, 600.0)
    assert fleet.slots() == 8


def test_an_hour_without_capacity_is_waited_out_or_bought_on_demand(double: Control) -> None:
    fleet = Fleet(nodes={"on_demand_after": "1h"})
    double.capacity(0, market="spot")
    for _ in range(8):
        fleet.step(8, 450.0)
        fleet.all_say({"busy": 2})
    assert fleet.slots() == 2
    fleet.step(8, 450.0)
    fleet.step(8, 450.0)
    assert fleet.slots() == 8 and not any(each.get("InstanceLifecycle") for each in fleet.nodes())


@pytest.mark.parametrize("code", ["UnauthorizedOperation", "InvalidParameterValue", "RequestExpired"])
def test_a_launch_that_is_refused_as_a_whole_is_not_repeated_at_once(
    double: Control, fleet: Fleet, code: str
) -> None:
    double.refuse("CreateFleet", code)
    fleet.step(8)
    fleet.step(8)
    assert (
        len([call for call in double.calls() if call["action"] == "CreateFleet"]) == 2
    )  # one of each market
    assert any(f"failed: {code}" in each for each in fleet.said) and code in fleet.keeper.notes[-1]
    double.allow("CreateFleet")
    fleet.step(8, 60.0)
    assert fleet.slots() == 8


def test_a_lost_reply_makes_no_second_fleet(double: Control, fleet: Fleet) -> None:
    double.lose_reply("CreateFleet")
    fleet.step(2)
    assert fleet.slots() == 2
    assert len([call for call in double.calls() if call["action"] == "CreateFleet"]) == 2  # boto3 asked again


def test_the_quota_bounds_the_fleet_and_is_told(double: Control, fleet: Fleet) -> None:
    double.quota("L-34B43A08", 8)  # two machines of four vCPUs
    fleet.step(8)
    assert fleet.slots() == 2 + 4
    assert any("MaxSpotInstanceCountExceeded" in each for each in fleet.said)


def test_the_cost_is_counted_by_the_hour_and_the_budget_ends_it(double: Control) -> None:
    fleet = Fleet(budget=1.0)
    double.price(0.10, market="spot")
    double.price(0.20, market="on-demand")
    fleet.step(8)
    fleet.step(8)
    start = fleet.keeper.book.machines[fleet.nodes()[0]["InstanceId"]].launched
    fleet.now = start + 3600
    fleet.step(8)
    assert fleet.keeper.book.cost(fleet.now).total == pytest.approx(3 * 0.10 + 0.20, rel=0.01)
    fleet.now = start + 2.1 * 3600
    decision = fleet.keeper.step(8, fleet.now)
    assert decision.over_budget and fleet.nodes() == []
    stored = fleet.files.get(store.MACHINES)
    assert stored is not None and b"c5.xlarge" in stored


def test_prices_that_cannot_be_read_stop_nothing(double: Control, fleet: Fleet) -> None:
    double.refuse("GetProducts", "AccessDeniedException")
    double.refuse("DescribeSpotPriceHistory", "UnauthorizedOperation")
    fleet.step(4)
    fleet.step(4)
    cost = fleet.keeper.book.cost(fleet.now)
    assert fleet.slots() == 4 and cost.unpriced and any("prices known so far" in each for each in fleet.said)


def test_a_bucket_that_refuses_terminates_nobody(double: Control, fleet: Fleet) -> None:
    fleet.step(8)
    nodes = {each["InstanceId"] for each in fleet.nodes()}
    for node in nodes:
        fleet.files.put_json(f"nodes/{node}.json", {"busy": 2})
    fleet.step(8)
    double.refuse("S3", "AccessDenied", status=403)
    for _ in range(4):
        fleet.step(8, 300.0)
    assert {each["InstanceId"] for each in fleet.nodes()} == nodes


class NodeHere:
    """The unit of one machine of a fleet, in this process."""

    def __init__(self, double: Control, fleet: Fleet, instance: str, join: bool = False) -> None:
        address = f"{double.endpoint}/imds/{instance}"
        self.own = metadata.look(address)
        self.clock, self.busy, self.said = 0.0, 2, list[str]()
        notice = Notice({"HPT_NOTICE": f"imds={address}"})
        command = (lambda head: [sys.executable, "-c", "import time; time.sleep(60)", head]) if join else None
        self.unit = NodeUnit(
            fleet.files,
            fleet.config,
            self.own,
            notice,
            lambda: self.busy,
            command,
            say=self.said.append,
            clock=lambda: self.clock,
        )
        self.notice = notice

    def step(self, seconds: float = 2.0) -> bool:
        self.clock += seconds
        self.notice._next = 0.0  # its own pause between two looks
        return self.unit.step()


def test_a_node_knows_itself_and_says_what_it_does(double: Control, fleet: Fleet) -> None:
    fleet.step(2)
    [node] = fleet.nodes()
    here = NodeHere(double, fleet, node["InstanceId"])
    assert here.own.pool == Pool(node["InstanceType"], node["Placement"]["AvailabilityZone"], ON_DEMAND)
    command = ray_command(here.own, 2, "10.0.0.1")
    assert "--address=10.0.0.1:6379" in command and f"--node-ip-address={node['PrivateIpAddress']}" in command
    assert any(word.startswith("--labels=market=on-demand,instance-type=") for word in command)
    assert here.step()
    assert fleet.files.get_json(f"nodes/{here.own.id}.json")["busy"] == 2
    fleet.step(2)
    assert fleet.keeper.nodes[0].heard == pytest.approx(fleet.now, abs=5)
    assert fleet.keeper.nodes[0].idle_since is None


def test_a_spot_node_knows_what_share_of_the_full_price_it_costs(double: Control, fleet: Fleet) -> None:
    double.price(0.20, market="on-demand")
    double.price(0.05, market="spot")
    fleet.step(8)
    fleet.step(8)
    spot = next(each["InstanceId"] for each in fleet.nodes() if each.get("InstanceLifecycle"))
    here = NodeHere(double, fleet, spot)
    assert price_share(fleet.files, here.own.pool) is None
    shares = {str(pool): share for pool, share in fleet.keeper.book.shares().items()}
    fleet.files.put_json(store.HEAD, {"address": "10.0.0.1", "shares": shares})
    share = price_share(fleet.files, here.own.pool)
    assert share == pytest.approx(0.25)
    labels = next(word for word in ray_command(here.own, 2, "10.0.0.1", share) if "--labels" in word)
    assert labels.startswith("--labels=market=spot,") and labels.endswith(",price-share=0.2500")
    double.refuse("S3", "AccessDenied", status=403)
    assert price_share(fleet.files, here.own.pool) is None


@pytest.mark.parametrize("kind", ["terminate", "rebalance"])
def test_a_notice_is_said_at_once_and_the_slots_are_replaced_before_the_end(
    double: Control, fleet: Fleet, kind: str
) -> None:
    fleet.step(8)
    spot = next(each["InstanceId"] for each in fleet.nodes() if each.get("InstanceLifecycle"))
    here = NodeHere(double, fleet, spot)
    here.step()
    double.interrupt(spot, notice=120.0, kind=kind)
    here.step()  # long before its next word is due
    said = fleet.files.get_json(f"nodes/{spot}.json")
    assert said["rebalance"] and said["leaves"] == (kind == "terminate")
    [launch] = fleet.step(8)
    assert isinstance(launch, Launch) and launch.slots == 2
    assert spot in {each["InstanceId"] for each in fleet.nodes()}  # nobody kills it: most that may go stay


def test_idle_nodes_are_terminated_when_nothing_is_wanted(double: Control, fleet: Fleet) -> None:
    fleet.step(4)
    units = [NodeHere(double, fleet, each["InstanceId"]) for each in fleet.nodes()]
    for unit in units:
        unit.step()
    assert fleet.step(0) == [] and fleet.step(0, 120.0) == []  # they have training jobs
    for unit in units:
        unit.busy = 0
        unit.step(20)
    assert fleet.step(0) == []
    [stop] = fleet.step(0, 61.0)
    assert isinstance(stop, Terminate) and fleet.nodes() == []


def test_a_node_shuts_down_when_it_hears_of_no_head(double: Control, fleet: Fleet) -> None:
    fleet.step(2)
    here = NodeHere(double, fleet, fleet.nodes()[0]["InstanceId"], join=True)
    fleet.files.put_json(store.HEAD, {"address": "10.0.0.1"})
    assert here.step()
    joined = here.unit._process
    assert joined is not None and joined.poll() is None
    assert all(here.step(60) for _ in range(5))  # the double's clock: the head's word stays fresh
    double.refuse("S3", "AccessDenied", status=403)
    assert all(here.step(60) for _ in range(14)) and here.step(120) is False
    assert any("nothing of the head for" in each for each in here.said)
    here.unit.close()
    assert joined.poll() is not None


def test_a_process_that_ends_is_joined_again(double: Control, fleet: Fleet) -> None:
    fleet.step(2)
    here = NodeHere(double, fleet, fleet.nodes()[0]["InstanceId"], join=True)
    fleet.files.put_json(store.HEAD, {"address": "10.0.0.1"})
    here.step()
    first = here.unit._process
    assert first is not None
    first.kill()
    first.wait()
    here.step(20)
    assert here.unit._process is not None and here.unit._process.pid != first.pid
    here.unit.close()


def test_machines_whose_setup_fails_are_not_launched_again_and_again(double: Control, fleet: Fleet) -> None:
    """Each says why before it shuts down; once that is mended the fleet grows."""
    fleet.step(8)
    fleet.all_say({"problem": "its setup failed in line 40: no such package"})
    fleet.step(8)
    [note] = {each.partition(": ")[2] for each in fleet.keeper.notes}
    assert note == "its setup failed in line 40: no such package"
    for each in fleet.nodes():
        double.end(each["InstanceId"], "Client.InstanceInitiatedShutdown: Instance initiated shutdown")
    assert fleet.step(8) == []
    [note] = fleet.keeper.notes
    assert note == (
        "the last 4 machines have not joined (its setup failed in line 40: no such package); one more is"
        " tried in 120 s; correct nodes.setup or nodes.image, and make the fleet again"
    )
    [launch] = fleet.step(8, 121.0)
    assert isinstance(launch, Launch) and launch.slots == 1
    assert fleet.step(8) == [] and "one more is being tried" in fleet.keeper.notes[0]
    fleet.all_say({"busy": 0})
    launches = fleet.step(8)
    assert sum(each.slots for each in launches if isinstance(each, Launch)) == 6
    assert fleet.keeper.notes == ()


def test_machines_that_ec2_ends_at_once_are_told_with_its_reason(double: Control, fleet: Fleet) -> None:
    """As where a disk cannot be encrypted with the account's key. What the market takes is no failure."""
    fleet.step(8)
    taken, *others = [each["InstanceId"] for each in fleet.nodes()]
    double.interrupt(taken, notice=0.0)
    why = "Client.InternalError: Client error on launch"
    for each in others:
        double.end(each, why)
    wait_until(lambda: not fleet.nodes())
    fleet.step(8)
    assert fleet.keeper.notes[0].startswith(f"the last 3 machines have not joined (EC2 ended it: {why});")


def test_a_node_that_cannot_join_says_why(double: Control, fleet: Fleet, tmp_path: Path) -> None:
    """As one whose Ray is not the head's, or that has none."""
    fleet.step(2)
    here = NodeHere(double, fleet, fleet.nodes()[0]["InstanceId"])
    fleet.files.put_json(store.HEAD, {"address": "10.0.0.1"})
    here.unit._log = tmp_path / "node.log"
    script = "import sys; sys.exit('Version mismatch:\\n  Ray: 2.9.3')"
    for command, why in (
        ([sys.executable, "-c", script], "exit code 1: Version mismatch: Ray: 2.9.3"),
        (["/no/such/ray", "start"], "/no/such/ray: No such file or directory"),
    ):
        here.unit._join = lambda address, command=command: command  # type: ignore[misc]
        for _ in range(6):
            here.step(16)
            if here.unit._process is not None:
                here.unit._process.wait()
        said = fleet.files.get_json(f"nodes/{here.own.id}.json")
        assert said["problem"] == f"it cannot stay a node of the head at 10.0.0.1: {why}"
    fleet.step(2)
    assert f"node {here.own.id}: {said['problem']}" in fleet.keeper.notes
    script = "import sys, time; print(sys.argv[1], flush=True); time.sleep(60)"
    here.unit._join = lambda address: [sys.executable, "-c", script, "Failed to connect"]
    for seconds in (16, 121, 16):
        here.step(seconds)
        wait_until(lambda: "Failed to connect" in (tmp_path / "node.log").read_text())
    problem = fleet.files.get_json(f"nodes/{here.own.id}.json")["problem"]
    assert problem == "it cannot stay a node of the head at 10.0.0.1: it tries for 120 s: Failed to connect"
    assert here.unit._process is not None
    here.unit._process.kill()
    here.unit._process.wait()
    here.unit._join = lambda address: [sys.executable, "-c", script, "Ray runtime started"]
    for seconds in (16, 16, 16):
        here.step(seconds)
        wait_until(lambda: "Ray runtime started" in (tmp_path / "node.log").read_text())
    assert fleet.files.get_json(f"nodes/{here.own.id}.json")["problem"] == ""
    fleet.step(2)
    assert fleet.keeper.notes == ()
    here.unit.close()


def test_the_metadata_is_of_version_2_only(double: Control) -> None:
    import urllib.error
    import urllib.request

    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{double.endpoint}/imds/i-1/latest/meta-data/instance-id")


def head(fleet: Fleet, tmp_path: Path) -> HeadUnit:
    """The head's unit in this process, on the fleet's clock."""
    return HeadUnit(
        fleet.aws,
        fleet.config,
        fleet.files,
        tmp_path / "work",
        "10.0.0.1",
        clock=lambda: fleet.now,
        now=lambda: fleet.now,
        keep_seconds=0.0,
    )


def test_a_head_without_a_job_ends_and_takes_the_nodes_along(fleet: Fleet, tmp_path: Path) -> None:
    fleet.files.put_json("subnets.json", {"us-east-1a": "subnet-1"})
    fleet.step(4)
    unit = head(fleet, tmp_path)
    assert unit.step()
    beat = fleet.files.get_json(store.HEAD)
    assert beat["address"] == "10.0.0.1" and beat["cost"] > 0 and beat["unfinished"] == []
    fleet.now += 3601
    assert not unit.step() and "there was no tuning job" in unit.ending
    unit.end(patience=5.0)
    assert fleet.nodes() == []


def test_a_head_ends_when_the_fleet_is_closed_or_the_budget_spent(double: Control, tmp_path: Path) -> None:
    fleet = Fleet(budget=1.0)
    fleet.step(8)
    unit = head(fleet, tmp_path)
    assert unit.step()
    fleet.files.put(store.CLOSED, "")
    assert not unit.step() and "taken down" in unit.ending
    fleet.files.delete(store.CLOSED)
    again = head(fleet, tmp_path)  # another head: the book is on S3
    fleet.now += 24 * 3600
    assert not again.step() and "US dollars are spent" in again.ending and fleet.nodes() == []


def test_a_bucket_that_refuses_does_not_end_a_head(double: Control, fleet: Fleet, tmp_path: Path) -> None:
    unit = head(fleet, tmp_path)
    double.refuse("S3", "AccessDenied", status=403)
    assert unit.step() and unit.step()
    double.allow("S3")
    assert unit.step() and "AccessDenied" in str(fleet.files.get_json(store.HEAD)["words"])
