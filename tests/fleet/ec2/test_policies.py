"""The policies of a fleet: they allow what it does, and nothing about what is not its own."""

from __future__ import annotations

import json

import pytest

from hpt.fleet.ec2.config import read_fleet
from hpt.fleet.ec2.policies import KINDS, policy
from tests.fleet.ec2.evaluator import actions, allows
from tests.fleet.ec2.test_config import changed

CONFIG = read_fleet(changed(bucket="s3://bucket/tuning", region="us-east-1", data=["s3://sets/images"]))
ACCOUNT = "123456789012"
EC2 = f"arn:aws:ec2:us-east-1:{ACCOUNT}:"
OWN = {"aws:ResourceTag/hpt:fleet": "search"}
MADE = {"aws:RequestTag/hpt:fleet": "search"}
POLICIES = {kind: policy(kind, CONFIG, ACCOUNT) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_has_the_form_and_size_that_iam_takes(kind: str) -> None:
    document = POLICIES[kind]
    assert document["Version"] == "2012-10-17"
    names = [statement["Sid"] for statement in document["Statement"]]
    assert len(set(names)) == len(names) and all(name.isalnum() for name in names)
    assert len(json.dumps(document, separators=(",", ":"))) < (6144 if kind == "user" else 10240)
    assert all("*" not in action for action in actions(document))


@pytest.mark.parametrize("kind", ["user", "head"])
def test_only_machines_of_the_fleet_are_launched_and_terminated(kind: str) -> None:
    document = POLICIES[kind]
    for action in ("ec2:CreateFleet", "ec2:RunInstances"):
        assert allows(document, action, f"{EC2}instance/*", MADE)
        assert not allows(document, action, f"{EC2}instance/*")
        assert not allows(document, action, f"{EC2}instance/*", {"aws:RequestTag/hpt:fleet": "other"})
        assert allows(document, action, f"{EC2}subnet/subnet-1")
    assert allows(document, "ec2:TerminateInstances", f"{EC2}instance/i-1", OWN)
    assert not allows(document, "ec2:TerminateInstances", f"{EC2}instance/i-1")
    assert not allows(
        document, "ec2:TerminateInstances", f"{EC2}instance/i-1", {"aws:ResourceTag/hpt:fleet": "x"}
    )
    assert not allows(document, "ec2:CreateTags", f"{EC2}instance/i-1")
    assert allows(document, "ec2:CreateTags", f"{EC2}instance/i-1", {"ec2:CreateAction": "RunInstances"})


@pytest.mark.parametrize("kind", ["user", "head"])
def test_only_roles_of_the_fleet_are_passed_and_only_to_ec2(kind: str) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/hpt/us-east-1/search/hpt-search-us-east-1-node"
    service = {"iam:PassedToService": "ec2.amazonaws.com"}
    assert allows(POLICIES[kind], "iam:PassRole", role, service)
    assert not allows(POLICIES[kind], "iam:PassRole", role, {"iam:PassedToService": "lambda.amazonaws.com"})
    assert not allows(POLICIES[kind], "iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin", service)


def test_a_node_writes_results_and_nothing_else() -> None:
    node, place = POLICIES["node"], "arn:aws:s3:::bucket/tuning/search/"
    assert allows(node, "s3:GetObject", f"{place}fleet.json") and allows(
        node, "s3:GetObject", f"{place}head.json"
    )
    assert allows(node, "s3:PutObject", f"{place}nodes/i-1.json")
    assert allows(node, "s3:PutObject", f"{place}checkpoints/job/a")
    for key in ("fleet.json", "head.json", "jobs/job/request.json", "code/0.tar.gz", "hpt/0/hpt.whl"):
        assert not allows(node, "s3:PutObject", f"{place}{key}")
    assert not allows(node, "s3:DeleteObject", f"{place}attempts/a")
    assert not allows(node, "s3:GetObject", "arn:aws:s3:::bucket/tuning/other/fleet.json")
    assert allows(node, "s3:GetObject", "arn:aws:s3:::sets/images/1.png")
    assert not allows(node, "s3:GetObject", "arn:aws:s3:::sets/other/1.png")
    assert not any(action.startswith(("ec2:", "iam:")) for action in actions(node))


def test_other_fleets_files_and_secrets_are_closed() -> None:
    for kind in KINDS:
        document = POLICIES[kind]
        assert not allows(document, "s3:GetObject", "arn:aws:s3:::bucket/private")
        assert not allows(document, "s3:ListBucket", "arn:aws:s3:::bucket", {"s3:prefix": "private"})
        assert allows(document, "s3:ListBucket", "arn:aws:s3:::bucket", {"s3:prefix": "tuning/search/jobs/"})
        assert not allows(document, "ssm:GetParameter", f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/secret")
    token = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/hpt/search/token"
    assert allows(POLICIES["node"], "ssm:GetParameter", token)
    assert not allows(POLICIES["user"], "ssm:GetParameter", token)
