"""The permissions that each part of a fleet needs, as IAM policy documents: no more than it calls.

`user`: who makes the fleet, looks at it, hands jobs to it and takes it down. `head`: the machine that asks
for nodes. `node`: the machines that run training jobs.
"""

from __future__ import annotations

from typing import Any

from hpt.fleet.ec2.config import FleetConfig, split_bucket
from hpt.fleet.ec2.names import FLEET_TAG, HEAD, NODE, Names

Document = dict[str, Any]

KINDS = ("user", HEAD, NODE)

_SESSION_MANAGER = [
    "ssm:UpdateInstanceInformation",
    *(f"ssmmessages:{verb}{kind}Channel" for verb in ("Create", "Open") for kind in ("Control", "Data")),
]
"""Let the user open a shell on the head without an open port."""

ASSUMED_BY_EC2: Document = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}

_SERVICES = ["spot.amazonaws.com", "ec2fleet.amazonaws.com"]
_LAUNCHES = ["RunInstances", "CreateFleet"]
_SUPPORTING = ("subnet", "security-group", "launch-template", "network-interface", "key-pair")


def policy(kind: str, config: FleetConfig, account: str = "*") -> Document:
    """The document of `user`, `head` or `node`.

    account: the number of the AWS account, where it is known.
    """
    statements = {"user": _user, HEAD: _head, NODE: _node}[kind](config, account)
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(name: str, actions: list[str], resources: str | list[str], **conditions: Any) -> Document:
    statement: Document = {"Sid": name, "Effect": "Allow", "Action": actions, "Resource": resources}
    if conditions:
        statement["Condition"] = conditions
    return statement


def _tagged(config: FleetConfig, kind: str = "ResourceTag") -> Document:
    return {f"aws:{kind}/{FLEET_TAG}": config.name}


def _arn(config: FleetConfig, account: str, *resources: str) -> list[str]:
    return [f"arn:aws:ec2:{config.region}:{account}:{resource}" for resource in resources]


def _launching(config: FleetConfig, account: str) -> list[Document]:
    """What RunInstances and CreateFleet touch: machines only with the fleet's tag, from its own template."""
    made = _arn(config, account, "instance/*", "volume/*", "fleet/*", "spot-instances-request/*")
    used = _arn(config, account, *(f"{each}/*" for each in _SUPPORTING))
    return [
        _allow(
            "LaunchTagged",
            ["ec2:RunInstances", "ec2:CreateFleet"],
            made,
            StringEquals=_tagged(config, "RequestTag"),
        ),
        _allow(
            "LaunchWith",
            ["ec2:RunInstances", "ec2:CreateFleet"],
            [*used, f"arn:aws:ec2:{config.region}::image/*"],
        ),
        _allow(
            "TagWhatIsMade",
            ["ec2:CreateTags"],
            _arn(config, account, "*/*"),
            StringEquals={"ec2:CreateAction": [*_LAUNCHES, "CreateLaunchTemplate", "CreateSecurityGroup"]},
        ),
        _allow(  # EC2 makes these once in an account, by the right of who first asks for such machines
            "FirstFleet",
            ["iam:CreateServiceLinkedRole"],
            [f"arn:aws:iam::{account}:role/aws-service-role/{service}/*" for service in _SERVICES],
            StringEquals={"iam:AWSServiceName": _SERVICES},
        ),
        _allow(
            "TerminateOwn",
            ["ec2:TerminateInstances"],
            _arn(config, account, "instance/*"),
            StringEquals=_tagged(config),
        ),
    ]


def _files(config: FleetConfig, actions: list[str], below: str = "*") -> list[Document]:
    bucket = f"arn:aws:s3:::{config.bucket}"
    return [
        _allow("Files", actions, f"{bucket}/{config.prefix}{below}"),
        _allow("ListFiles", ["s3:ListBucket"], bucket, StringLike={"s3:prefix": f"{config.prefix}*"}),
    ]


def _user(config: FleetConfig, account: str) -> list[Document]:
    names = Names(config.name, config.region)
    roles = [f"arn:aws:iam::{account}:{kind}{names.path}*" for kind in ("role", "instance-profile")]
    return [
        _allow(
            "Look",
            [
                *(
                    "ec2:DescribeInstances",
                    "ec2:DescribeLaunchTemplates",
                    "ec2:DescribeLaunchTemplateVersions",
                ),
                *("ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeInstanceTypes"),
                *("ec2:DescribeInstanceTypeOfferings", "ec2:DescribeSpotPriceHistory", "ec2:DescribeImages"),
                *("servicequotas:GetServiceQuota", "pricing:GetProducts", "sts:GetCallerIdentity"),
                *("iam:ListRoles", "iam:ListInstanceProfiles"),
            ],
            "*",
        ),
        _allow("Image", ["ssm:GetParameter"], f"arn:aws:ssm:{config.region}::parameter/aws/service/*"),
        *_launching(config, account),
        _allow(
            "MakeTagged",
            ["ec2:CreateLaunchTemplate", "ec2:CreateSecurityGroup"],
            _arn(config, account, "launch-template/*", "security-group/*"),
            StringEquals=_tagged(config, "RequestTag"),
        ),
        _allow("MakeGroupIn", ["ec2:CreateSecurityGroup"], _arn(config, account, "vpc/*")),
        _allow(
            "ChangeOwn",
            [
                *("ec2:CreateLaunchTemplateVersion", "ec2:ModifyLaunchTemplate", "ec2:DeleteLaunchTemplate"),
                *("ec2:AuthorizeSecurityGroupIngress", "ec2:DeleteSecurityGroup"),
            ],
            _arn(config, account, "launch-template/*", "security-group/*"),
            StringEquals=_tagged(config),
        ),
        _allow(
            "OwnRoles",
            [
                *(
                    "iam:CreateRole",
                    "iam:DeleteRole",
                    "iam:TagRole",
                    "iam:PutRolePolicy",
                    "iam:DeleteRolePolicy",
                ),
                "iam:ListRolePolicies",
                *("iam:CreateInstanceProfile", "iam:DeleteInstanceProfile", "iam:TagInstanceProfile"),
                *("iam:AddRoleToInstanceProfile", "iam:RemoveRoleFromInstanceProfile"),
            ],
            roles,
        ),
        _passing(config, account),
        _allow(
            "Token",
            ["ssm:PutParameter", "ssm:DeleteParameter", "ssm:AddTagsToResource"],
            _parameter(config, account),
        ),
        *_files(config, ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]),
    ]


def _parameter(config: FleetConfig, account: str) -> str:
    return f"arn:aws:ssm:{config.region}:{account}:parameter{Names(config.name, config.region).token}"


def _passing(config: FleetConfig, account: str) -> Document:
    path = Names(config.name, config.region).path
    service = {"iam:PassedToService": "ec2.amazonaws.com"}
    return _allow("PassRoles", ["iam:PassRole"], f"arn:aws:iam::{account}:role{path}*", StringEquals=service)


def _head(config: FleetConfig, account: str) -> list[Document]:
    return [
        _allow(
            "Look",
            ["ec2:DescribeInstances", "ec2:DescribeSpotPriceHistory", "pricing:GetProducts"],
            "*",
        ),
        _allow("Shell", _SESSION_MANAGER, "*"),
        *(each for each in _launching(config, account) if each["Sid"] != "TagWhatIsMade"),
        _allow(
            "TagWhatIsMade",
            ["ec2:CreateTags"],
            _arn(config, account, "*/*"),
            StringEquals={"ec2:CreateAction": _LAUNCHES},
        ),
        _passing(config, account),
        _allow("Token", ["ssm:GetParameter"], _parameter(config, account)),
        *_files(config, ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]),
        *_data(config),
    ]


def _node(config: FleetConfig, account: str) -> list[Document]:
    """A node reads the fleet's files; it writes and deletes only below what belongs to training jobs."""
    bucket = f"arn:aws:s3:::{config.bucket}/{config.prefix}"
    read, lists = _files(config, ["s3:GetObject"])
    return [
        read,
        lists,
        _allow(
            "Results",
            ["s3:PutObject", "s3:AbortMultipartUpload"],
            [f"{bucket}{part}/*" for part in ("nodes", "attempts", "checkpoints", "output")],
        ),
        _allow("OldCheckpoints", ["s3:DeleteObject"], f"{bucket}checkpoints/*"),
        _allow("Token", ["ssm:GetParameter"], _parameter(config, account)),
        *_data(config),
    ]


def _data(config: FleetConfig) -> list[Document]:
    """The prefixes that training jobs may read besides."""
    found = []
    for index, uri in enumerate(config.data):
        bucket, below = split_bucket(uri, "")
        below = below.strip("/")
        objects = f"{below}/*" if below else "*"
        found += [
            _allow(f"Data{index}", ["s3:GetObject"], f"arn:aws:s3:::{bucket}/{objects}"),
            _allow(
                f"ListData{index}",
                ["s3:ListBucket"],
                f"arn:aws:s3:::{bucket}",
                StringLike={"s3:prefix": f"{below}*"},
            ),
        ]
    return found
