"""The launch templates of a fleet's machines, and the script that each runs when it starts."""

from __future__ import annotations

import base64
import re
import shlex
from importlib.resources import files
from typing import Any

from hpt.errors import InputError
from hpt.fleet.ec2.config import FleetConfig
from hpt.fleet.ec2.environment import Packed
from hpt.fleet.ec2.names import BUCKET_TAG, HEAD, Names, tags

_MOST_USER_DATA = 16384  # bytes, before they are encoded
_MARK = re.compile(r"@([A-Z]+)@")


def user_data(role: str, config: FleetConfig, wheel: str, environment: Packed | None = None) -> str:
    """The script of a machine. It holds places and names, and no secret.

    wheel: the key of the `hpt` wheel below the fleet's prefix. environment: what the machine runs from; None:
    it installs packages.

    Raises:
        InputError: it is larger than EC2 takes.
    """
    values = {
        "ROLE": role,
        "REGION": config.region,
        "NAME": config.name,
        "PLACE": config.uri,
        "WHEEL": wheel,
        "PYTHON": config.nodes.python if environment is None else environment.python,
        "EXTRAS": ",".join(extras(config)),
        "ENVIRONMENT": "" if environment is None else environment.key,
        "FOLDER": shlex.quote("" if environment is None else environment.folder),
        "TOKEN": Names(config.name, config.region).token,
        "SETUP": config.nodes.setup.rstrip("\n") or ":",
    }
    if "HPT_END_OF_SETUP" in values["SETUP"]:
        raise InputError("nodes.setup has the line HPT_END_OF_SETUP, which ends it; remove it")
    text = "".join(
        files("hpt.fleet.ec2").joinpath("scripts", f"{name}.sh").read_text() for name in ("common", role)
    )
    script = _MARK.sub(lambda mark: values[mark[1]], text)
    if len(script.encode()) > _MOST_USER_DATA:
        raise InputError(
            f"the script of a {role} has {len(script.encode())} bytes, above {_MOST_USER_DATA}; "
            "shorten nodes.setup"
        )
    return script


def extras(config: FleetConfig) -> tuple[str, ...]:
    """The extras of `hpt` that the machines need."""
    return ("jobs", "ray") if config.head.executor == "ray" else ("jobs",)


def launch_template(
    role: str,
    config: FleetConfig,
    *,
    image: str,
    root_device: str,
    group: str,
    profile: str,
    wheel: str,
    expires: float | None,
    environment: Packed | None = None,
) -> dict[str, Any]:
    """The data of a launch template.

    Parameters
    ----------
    role
        `head` or `node`.
    config
        The fleet.
    image
        The ID of its image.
    root_device
        The name of the image's root device.
    group
        The ID of its security group.
    profile
        The ARN of its instance profile.
    wheel
        The key of the `hpt` wheel below the fleet's prefix.
    expires
        When the fleet does, in seconds since the epoch.
    environment
        What it runs from; None: it installs packages.

    Returns
    -------
    dict
        `LaunchTemplateData`.

    Raises
    ------
    InputError
        The script is larger than EC2 takes.
    """
    own = tags(config.name, role, expires)
    disk = {
        "VolumeSize": 20 if role == HEAD else config.nodes.disk_gib,
        "VolumeType": "gp3",
        "Encrypted": True,
        "DeleteOnTermination": True,
    }
    data: dict[str, Any] = {
        "ImageId": image,
        "IamInstanceProfile": {"Arn": profile},
        "SecurityGroupIds": [group],
        "UserData": base64.b64encode(user_data(role, config, wheel, environment).encode()).decode(),
        "InstanceInitiatedShutdownBehavior": "terminate",
        "MetadataOptions": {
            "HttpTokens": "required",
            "HttpEndpoint": "enabled",
            "HttpPutResponseHopLimit": 1,
        },
        "BlockDeviceMappings": [{"DeviceName": root_device, "Ebs": disk}],
        # The machines of an instant fleet do not get the tags of its request, only those of the template.
        "TagSpecifications": [{"ResourceType": kind, "Tags": own} for kind in ("instance", "volume")],
    }
    if role == HEAD:
        data["InstanceType"] = config.head.instance_type
    return data


def template_tags(role: str, config: FleetConfig, expires: float | None) -> list[dict[str, str]]:
    """The tags of a launch template itself."""
    return tags(config.name, role, expires, **{BUCKET_TAG: config.uri})
