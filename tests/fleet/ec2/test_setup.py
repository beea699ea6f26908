"""A fleet is made and taken down again, whatever happens in between."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from hpt.cli.main import main
from hpt.errors import ExecutorError, InputError
from hpt.fleet.ec2 import machines, setup, status, teardown, wheel
from hpt.fleet.ec2.aws import Aws, PermissionDeniedError
from hpt.fleet.ec2.config import FleetConfig, read_fleet
from hpt.fleet.ec2.costs import Pool
from hpt.fleet.ec2.names import Names
from hpt.fleet.ec2.policies import policy
from hpt.fleet.ec2.provision import Launch
from hpt.fleet.ec2.store import Store
from tests.fleet.double.control import Control
from tests.fleet.ec2.evaluator import actions

CONTENT: dict[str, Any] = {
    "name": "search",
    "bucket": "s3://bucket/tuning",
    "region": "us-east-1",
    "slots": 8,
    "expires": "1h",
    "budget": 5.0,
    "nodes": {"instance_types": {"c5.xlarge": 2, "m5.large": 1, "m5.xlarge": 2}, "on_demand": 2},
}
NOW = 1_800_000_000.0
WHEEL: Path | None = None
EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@pytest.fixture
def aws(double: Control) -> Aws:
    return Aws("us-east-1", attempts=1)


@pytest.fixture
def config() -> FleetConfig:
    return read_fleet(CONTENT)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture(scope="session", autouse=True)
def _packed(tmp_path_factory: pytest.TempPathFactory) -> None:
    global WHEEL
    WHEEL = wheel.pack(tmp_path_factory.mktemp("wheel"))


def up(aws: Aws, config: FleetConfig, said: list[str]) -> str:
    return setup.up(aws, config, said.append, now=NOW, packed=WHEEL)


def fleet(aws: Aws, config: FleetConfig) -> machines.Fleet:
    subnets = Store(aws, config.bucket, config.prefix).get_json("subnets.json")
    return machines.Fleet(aws, config.name, subnets, config.nodes.instance_types, None)


def test_all_parts_are_made_and_nothing_is_left(aws: Aws, config: FleetConfig, said: list[str]) -> None:
    head = up(aws, config, said)
    there = teardown.look(aws, "search")
    assert there.instances == (head,)
    assert sorted(there.templates) == ["hpt-search-head", "hpt-search-node"]
    assert len(there.groups) == 1 and len(there.roles) == len(there.profiles) == 2
    assert teardown.fleets(aws) == {"search": NOW + 3600}
    launched = fleet(aws, config).launch(
        Launch("spot", 6, tuple(Pool(name, "us-east-1a") for name in config.nodes.instance_types), "t" * 32)
    )
    assert launched.launched == 6 and not launched.failed
    was = teardown.down(aws, "search", said.append, pause=0.0)
    assert len(was.instances) == 4  # three of two slots each, and the head
    assert not teardown.look(aws, "search") and teardown.fleets(aws) == {}
    assert Store(aws, config.bucket, config.prefix).get("fleet.json") is not None


def test_machines_are_closed_and_carry_no_secret(aws: Aws, config: FleetConfig, said: list[str]) -> None:
    up(aws, config, said)
    for role in ("head", "node"):
        versions = aws.ec2.describe_launch_template_versions(LaunchTemplateName=f"hpt-search-{role}")
        data = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]
        assert data["MetadataOptions"]["HttpTokens"] == "required"
        assert data["InstanceInitiatedShutdownBehavior"] == "terminate"
        disk = data["BlockDeviceMappings"][0]["Ebs"]
        assert disk["Encrypted"] and disk["DeleteOnTermination"] and "KeyName" not in data
        token = aws.ssm.get_parameter(Name="/hpt/search/token", WithDecryption=True)["Parameter"]["Value"]
        assert len(token) == 64 and token not in base64.b64decode(data["UserData"]).decode()
    [group] = aws.ec2.describe_security_groups(Filters=[{"Name": "tag:hpt:fleet", "Values": ["search"]}])[
        "SecurityGroups"
    ]
    [rule] = group["IpPermissions"]
    assert not rule["IpRanges"] and rule["UserIdGroupPairs"][0]["GroupId"] == group["GroupId"]


def test_making_it_again_changes_it_and_launches_no_second_head(
    aws: Aws, config: FleetConfig, said: list[str]
) -> None:
    head = up(aws, config, said)
    changed = read_fleet({**CONTENT, "nodes": {**CONTENT["nodes"], "setup": "echo prepared"}})
    assert up(aws, changed, said) == head
    versions = aws.ec2.describe_launch_template_versions(
        LaunchTemplateName="hpt-search-node", Versions=["$Default"]
    )
    [version] = versions["LaunchTemplateVersions"]
    assert version["VersionNumber"] == 2
    assert "\necho prepared\n" in base64.b64decode(version["LaunchTemplateData"]["UserData"]).decode()


@pytest.mark.slow
def test_two_commands_at_the_same_time_leave_one_head(aws: Aws, config: FleetConfig, said: list[str]) -> None:
    found = setup.look(aws, config, now=NOW, packed=WHEEL)
    machines.terminate(aws, [up(aws, config, said)])  # all else is there
    names, begin = Names(config.name, config.region), Barrier(2)

    def launch(_: int) -> str:
        own = Aws("us-east-1", attempts=1)
        assert not [each for each in machines.instances(own, "search") if machines.role_of(each) == "head"]
        begin.wait()
        return setup._launch_head(own, names, config, found, said.append)

    with ThreadPoolExecutor(2) as pool:
        heads = set(pool.map(launch, range(2)))
    assert set(teardown.look(aws, "search").instances) == heads and len(heads) == 1


STEPS = (
    *("CreateSecurityGroup", "AuthorizeSecurityGroupIngress", "PutParameter", "CreateRole", "PutRolePolicy"),
    *("CreateInstanceProfile", "AddRoleToInstanceProfile", "CreateLaunchTemplate"),
    "RunInstances",
)


@pytest.mark.parametrize(
    "step", [pytest.param(step, marks=pytest.mark.slow) if step != "CreateRole" else step for step in STEPS]
)
def test_what_a_crash_leaves_is_taken_down_or_completed(
    double: Control, aws: Aws, config: FleetConfig, said: list[str], step: str
) -> None:
    double.refuse(step, "InternalError", status=500)
    with pytest.raises(ExecutorError, match="try again"):
        up(aws, config, said)
    double.allow(step)
    teardown.down(aws, "search", said.append, pause=0.0)
    assert not teardown.look(aws, "search")
    double.refuse(step, "InternalError", status=500)
    with pytest.raises(ExecutorError):
        up(aws, config, said)
    double.allow(step)
    head = up(aws, config, said)
    assert teardown.look(aws, "search").instances == (head,)


def test_what_is_left_of_taking_down_is_found_without_its_name(
    double: Control, aws: Aws, config: FleetConfig, said: list[str]
) -> None:
    up(aws, config, said)
    double.refuse("DeleteRole", "InternalError", status=500)
    with pytest.raises(ExecutorError, match="try again"):
        teardown.down(aws, "search", said.append, pause=0.0)
    double.allow("DeleteRole")
    left = teardown.look(aws, "search")
    assert left.roles and not left.instances and not left.templates and not left.groups
    assert list(teardown.fleets(aws)) == ["search"]
    teardown.down(aws, "search", said.append, pause=0.0)
    assert teardown.fleets(aws) == {}


def test_taking_down_what_is_not_there_is_no_error(aws: Aws, said: list[str]) -> None:
    assert not teardown.down(aws, "nothing", said.append, pause=0.0)


@pytest.mark.slow
def test_other_fleets_stay(aws: Aws, config: FleetConfig, said: list[str]) -> None:
    up(aws, config, said)
    other = up(aws, read_fleet({**CONTENT, "name": "other"}), said)
    teardown.down(aws, "search", said.append, pause=0.0)
    there = teardown.look(aws, "other")
    assert there.instances == (other,) and len(there.roles) == 2 and len(there.templates) == 2


def test_quotas_are_looked_at_before_anything_is_made(
    double: Control, aws: Aws, config: FleetConfig, said: list[str]
) -> None:
    double.quota("L-34B43A08", 1)
    with pytest.raises(
        InputError, match=r"quota of spot vCPUs for standard instance types is 1 \(L-34B43A08\)"
    ):
        up(aws, config, said)
    assert not teardown.look(aws, "search")
    double.quota("L-34B43A08", 5)
    up(aws, config, said)
    assert any("fewer training jobs will run" in each for each in said)


Change = Callable[[dict[str, Any]], None]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nodes": {"instance_types": ["zz9.huge"]}}, "us-east-1 has no instance type zz9.huge"),
        ({"head": {"instance_type": "q1.small"}}, "us-east-1 has no instance type q1.small"),
        ({"bucket": "s3://missing"}, "NoSuchBucket.*create the bucket"),
        ({"nodes": {"instance_types": ["m6g.large"]}}, "m6g.large has another processor"),
        (
            {"nodes": {"instance_types": ["m5.large"], "subnets": ["subnet-0123456789abcdef0"]}},
            "correct nodes.subnets",
        ),
        ({"nodes": {"instance_types": ["m5.large"], "image": "ssm:/no/such"}}, "correct nodes.image"),
        ({"nodes": {"instance_types": ["m5.large"], "python": "python3.9"}}, "write nodes.python = "),
    ],
)
def test_what_is_not_there_is_named_and_nothing_is_made(
    aws: Aws, said: list[str], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        up(aws, read_fleet({**CONTENT, **change}), said)
    assert not teardown.look(aws, "search")


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("UnauthorizedOperation", PermissionDeniedError, "allow these credentials"),
        ("RequestExpired", InputError, "clock of this host"),
        ("AuthFailure", InputError, "log in to AWS again"),
        ("RequestLimitExceeded", ExecutorError, "wait a minute"),
    ],
)
def test_refusals_say_what_to_do(
    double: Control,
    aws: Aws,
    config: FleetConfig,
    said: list[str],
    code: str,
    kind: type[Exception],
    message: str,
) -> None:
    double.refuse("DescribeInstanceTypes", code)
    with pytest.raises(kind, match=message):
        up(aws, config, said)
    assert not teardown.look(aws, "search")


def test_a_bucket_that_refuses_does_not_keep_machines_running(
    double: Control, aws: Aws, config: FleetConfig, said: list[str]
) -> None:
    up(aws, config, said)
    double.refuse("S3", "AccessDenied", status=403)
    files = Store(aws, config.bucket, config.prefix)
    teardown.down(aws, "search", said.append, files=files, pause=0.0)
    assert any("was not told" in each for each in said) and not teardown.look(aws, "search")


def test_the_status_says_what_is_missing(
    double: Control, aws: Aws, config: FleetConfig, said: list[str]
) -> None:
    head = up(aws, config, said)
    tagged = setup.read_tags(aws, "search")
    files = teardown.files_of(aws, "search", tagged)
    assert files is not None
    files.put_json("head.json", {"notes": ["6 spot slots wait"], "words": []})
    found = status.look(aws, "search", files, tagged, now=time.time())
    assert found.to_json()["Head"]["InstanceId"] == head
    assert found.to_json()["Notes"] == ["6 spot slots wait"] and found.budget == 5.0
    machines.terminate(aws, [head])
    assert "there is no head" in status.look(aws, "search", files, tagged, now=time.time()).problems[-1]
    double.refuse("S3", "AccessDenied", status=403)
    assert "AccessDenied" in status.look(aws, "search", files, tagged, now=time.time()).problems[0]


def test_no_permission_for_quotas_is_a_note(
    double: Control, aws: Aws, config: FleetConfig, said: list[str]
) -> None:
    double.refuse("GetServiceQuota", "AccessDeniedException")
    up(aws, config, said)
    assert any("quotas were not checked" in each for each in said)


SERVICES = {"service-quotas": "servicequotas"}


def test_the_user_s_policy_allows_each_call_that_is_made_and_little_more(
    double: Control, aws: Aws, config: FleetConfig, said: list[str]
) -> None:
    up(aws, config, said)
    changed = read_fleet({**CONTENT, "nodes": {**CONTENT["nodes"], "setup": "echo"}})
    up(aws, changed, said)
    tagged = setup.read_tags(aws, "search")
    status.look(aws, "search", teardown.files_of(aws, "search", tagged), tagged, now=NOW)
    teardown.down(aws, "search", said.append, pause=0.0)
    allowed = actions(policy("user", config))
    called = {
        f"{SERVICES.get(call['service'], call['service'])}:{call['action']}"
        for call in double.calls()
        if call["service"] != "s3"
    }
    assert called <= allowed
    never_called = {action for action in allowed - called if not action.startswith("s3:")}
    implied = {
        "ec2:CreateTags",
        "iam:PassRole",
        "iam:TagRole",
        "iam:TagInstanceProfile",
        "iam:CreateServiceLinkedRole",
        "ssm:AddTagsToResource",
    }
    others = {"ec2:CreateFleet", "ec2:DescribeSpotPriceHistory", "pricing:GetProducts"}
    assert never_called <= implied | others | {"ec2:DescribeLaunchTemplateVersions"}


def hpt(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["fleet", *words])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.slow
def test_a_command_that_ends_halfway_says_what_to_do(
    double: Control, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert WHEEL is not None
    file = tmp_path / "fleet.toml"
    file.write_text(
        'name = "search"\nbucket = "s3://bucket"\nregion = "eu-west-1"\nslots = 2\n'
        '[nodes]\ninstance_types = ["c5.large"]\n'
    )
    words = ("up", str(file), "--wheel", str(WHEEL))
    code, _, err = hpt(capsys, "status", "search")
    assert (
        code == 2 and "us-east-1 has no fleet search; it has none; name another region with --region" in err
    )
    double.refuse("DescribeInstanceTypes", "UnauthorizedOperation")
    code, _, err = hpt(capsys, *words)
    assert code == 2 and "made in part" not in err
    double.allow("DescribeInstanceTypes")
    double.refuse("RunInstances", "UnauthorizedOperation")
    code, _, err = hpt(capsys, *words)
    assert code == 2 and "allow these credentials RunInstances" in err
    assert "search is made in part" in err and "hpt fleet down search --region eu-west-1 removes" in err
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert main(["tune", str(EXAMPLES / "mlp" / "job.json"), "--fleet", "search"]) == 2
    assert (
        "fleet search has no head that would run it; launch one with: hpt fleet up" in capsys.readouterr().err
    )
    assert not list(Store(Aws("eu-west-1"), "bucket", "search/").keys("jobs/"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    double.allow("RunInstances")
    code, out, _ = hpt(capsys, *words)
    assert code == 0 and "run a job on it: AWS_DEFAULT_REGION=eu-west-1 hpt tune JOB --fleet search" in out
    code, _, err = hpt(capsys, "down", "--all")
    assert code == 0 and "region us-east-1 has no fleet\n" in err
    code, out, _ = hpt(capsys, "down", "--all", "--region", "eu-west-1")
    assert code == 0 and "parts are gone" in out
    _, _, err = hpt(capsys, "down", "--expired", "--region", "eu-west-1")
    assert "no fleet that has expired" in err
