"""What a fleet file says, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hpt.errors import InputError
from hpt.fleet.ec2.config import FleetConfig, load_fleet_file, read_fleet

LEAST: dict[str, Any] = {
    "name": "search",
    "bucket": "s3://bucket",
    "slots": 4,
    "region": "eu-west-1",
    "nodes": {"instance_types": ["c5.xlarge", "m5.large"]},
}


def test_a_file_and_what_it_leaves_out(tmp_path: Path) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text(
        'name = "search"\nbucket = "s3://bucket/a/b/"\nslots = 4\nexpires = "2d"\nbudget = 5\n'
        '[nodes]\ninstance_types = { "c5.xlarge" = 2 }\non_demand_after = "1.5h"\n'
    )
    config = load_fleet_file(path, region="us-east-1")
    assert config.uri == "s3://bucket/a/b/search/" and config.region == "us-east-1"
    assert config.nodes.instance_types == {"c5.xlarge": 2} and config.nodes.on_demand_after_seconds == 5400
    assert config.expires_seconds == 2 * 86400 and config.budget == 5.0
    assert config.head.instance_type == "t3.small" and config.nodes.without_head_seconds == 900
    assert FleetConfig.from_json(config.to_json()) == config
    assert read_fleet(LEAST).nodes.instance_types == {"c5.xlarge": 1, "m5.large": 1}


def test_what_a_later_version_stored_still_reads() -> None:
    config = read_fleet(LEAST)
    text = config.to_json().replace('"slots"', '"new": [1],\n "slots"')
    assert FleetConfig.from_json(text) == config


def changed(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in {**LEAST, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (changed(name=None), "name is missing; add it"),
        (changed(name="Big_Fleet"), "name: 'Big_Fleet' is no name of a fleet"),
        (changed(name="a" * 25), "at most 24"),
        (changed(bucket="bucket"), "bucket: 'bucket' is no place on S3; write s3://BUCKET"),
        (changed(region=None), "region is missing"),
        (changed(region="Frankfurt"), "region: 'Frankfurt' is no AWS region"),
        (changed(slots=0), "slots: 0 is no integer from 1"),
        (changed(slots=True), "slots: True is no integer"),
        (changed(slots="8"), "slots: '8' is no integer"),
        (changed(budget=-1), "budget: -1 is no amount of US dollars"),
        (changed(expires=3600), "expires: 3600 is no time"),
        (changed(expires="2 weeks"), "expires: '2 weeks' is no time"),
        (changed(nodes=None), "nodes is missing"),
        (changed(nodes=7), "nodes: 7 is not a table"),
        (changed(nodes={}), "nodes.instance_types is missing"),
        (changed(nodes={"instance_type": ["c5.xlarge"]}), "is 'instance_type' meant for it?"),
        (changed(nodes={"instance_types": []}), r"nodes.instance_types: \[\] names no instance types"),
        (changed(nodes={"instance_types": ["ml.m5.large"]}), "write the EC2 type, 'm5.large'"),
        (changed(nodes={"instance_types": {"c5.xlarge": 0}}), "c5.xlarge: 0 is no integer from 1"),
        (changed(nodes={"instance_types": ["c5.xlarge", 3]}), "nodes.instance_types"),
        (changed(nodes={**LEAST["nodes"], "on_demand": 9}), "on_demand is 9, above slots, 4"),
        (changed(nodes={**LEAST["nodes"], "image": "ubuntu"}), "nodes.image: 'ubuntu' is no image"),
        (changed(nodes={**LEAST["nodes"], "setup": "x" * 9000}), "nodes.setup: it has 9000 bytes"),
        (changed(nodes={**LEAST["nodes"], "python": "python3; rm"}), "nodes.python"),
        (changed(nodes={**LEAST["nodes"], "subnets": ["subnet-x"]}), "nodes.subnets: 'subnet-x'"),
        (changed(nodes={**LEAST["nodes"], "idel": "5m"}), "nodes.idel is not known; did you mean 'idle'?"),
        (changed(head={"executor": "slurm"}), "head.executor: 'slurm' does not run training jobs of fleets"),
        (changed(budgett=3), "budgett is not known; did you mean 'budget'?"),
        (changed(data=["bucket/x"]), "data: 'bucket/x' is no place on S3"),
        (changed(data=["s3://bucket/x*"]), r"data: 's3://bucket/x\*' is no place on S3"),
        (changed(data="s3://bucket/x"), "data: 's3://bucket/x' is no array"),
        (changed(bucket="s3://bucket/it's"), "bucket: .* is no place on S3; .*PREFIX of letters, digits"),
        (changed(bucket="s3://bucket/a*"), "is no place on S3"),
        (changed(bucket="s3://bucket/a//b"), "is no place on S3"),
        (changed(bucket="s3://bucket/../b"), "is no place on S3"),
        (changed(bucket="s3://a..b"), "is no place on S3"),
        (changed(bucket=""), "bucket: it is empty; write one"),
        (changed(disk=9), r"disk is not known; write it below \[nodes\]"),
        (changed(executor="ray"), r"executor is not known; write it below \[head\]"),
        (
            changed(nodes={**LEAST["nodes"], "budget": 3}),
            r"nodes.budget is not known; write it above the first line such as \[nodes\]",
        ),
        (
            changed(nodes={"instance_types": {"c5.xlarge": 2, "on_demand": 2}}),
            r"'on_demand' stands among the instance types; write it below \[nodes\]",
        ),
        (
            changed(nodes={"instance_types": {"c5": {"xlarge": 2}}}),
            'nodes.instance_types: c5.xlarge has no quotes; write "c5.xlarge"',
        ),
    ],
)
def test_what_is_wrong_is_named(content: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_fleet(content)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"name = ", "not valid TOML"),
        (b"\xff\xfe", "not valid UTF-8"),
        (b"", "name is missing"),
        (b"x = 1\n" * 200_000, "larger than 1 MiB"),
    ],
)
def test_files_that_are_none(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "fleet.toml"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message):
        load_fleet_file(path)
    with pytest.raises(InputError, match="is a folder"):
        load_fleet_file(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        load_fleet_file(tmp_path / "none.toml")
