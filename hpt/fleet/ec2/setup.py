"""Makes a fleet: looks at everything first, then makes each part unless it is there.

What is made before a crash is found and used by the next `up`, and by `down`.
"""

from __future__ import annotations

import json
import secrets
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpt.errors import ExecutorError, InputError
from hpt.fleet.ec2 import environment, machines, policies, store, template, wheel
from hpt.fleet.ec2.aws import Aws, PermissionDeniedError, absent, code_of, pages
from hpt.fleet.ec2.config import FleetConfig
from hpt.fleet.ec2.costs import SPOT
from hpt.fleet.ec2.environment import Packed
from hpt.fleet.ec2.names import FLEET_TAG, HEAD, ROLES, Names, tags, tags_of
from hpt.fleet.ec2.quotas import quotas

Say = Callable[[str], None]

BEGUN = "files: "
"""With it the first message begins after which something of the fleet is there."""

_PROFILE_SECONDS = 60.0
_SEEN_SECONDS = 2.0
_FEW_POOLS = 10


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What was found before anything is made. subnets: by zone. notes: for the user. environment: what the
    machines run from; None: they install packages."""

    account: str
    image: str
    root_device: str
    vpc: str
    subnets: Mapping[str, str]
    notes: tuple[str, ...]
    environment: Packed | None = None


def packed_environment(config: FleetConfig) -> Packed | None:
    """What the machines are to run from; None where they install packages. Raises InputError."""
    if config.environment is None:
        return None
    packages = environment.needed(*template.extras(config))
    try:
        return environment.look(Path(config.environment), packages, _machine(config))
    except InputError as error:
        raise InputError(f"environment: {error}") from None


def _machine(config: FleetConfig) -> str:
    return "aarch64" if "arm64" in config.nodes.image else "x86_64"


def look(aws: Aws, config: FleetConfig, *, now: float, packed: Path | None = None) -> Surroundings:
    """Whether the fleet can be made; nothing is made. packed: as for `up`.

    Raises:
        InputError: the wheel cannot be installed on its machines, they cannot run from the environment, an
            instance type, image, subnet or bucket is not there, the quotas allow nothing of it, or a
            permission is missing.
        RetryableError: AWS cannot be reached.
    """
    name = f"hpt-0-{wheel.own_tag()}.whl" if packed is None else packed.name
    runs_from = packed_environment(config)
    python = config.nodes.python if runs_from is None else runs_from.python
    wheel.check(name, python, _machine(config), packed=runs_from is not None)
    with aws.explained("these credentials cannot be used"):
        account = str(aws.sts.get_caller_identity()["Account"])
    types = _types(aws, config)
    vpc, subnets = _subnets(aws, config)
    subnets, notes = _offered(aws, config, subnets)
    image, device = _image(aws, config, types)
    notes += _quota_notes(
        aws, config, {name: each["VCpuInfo"]["DefaultVCpus"] for name, each in types.items()}
    )
    store.Store(aws, config.bucket, config.prefix).get(store.FLEET)  # the bucket is there and lets us read
    pools = len(config.nodes.instance_types) * len(subnets)
    if config.nodes.on_demand < config.slots and pools < _FEW_POOLS:
        notes.append(
            f"{pools} Spot pools (types × zones) are few: name more instance types, so that fewer "
            "nodes are lost "
            "and more are found"
        )
    if runs_from is not None and runs_from.note:
        notes.append(runs_from.note)
    if config.budget is None:
        notes.append(
            "no budget is set: nothing stops the fleet by its cost; write budget = 50.0 (US dollars)"
        )
    return Surroundings(account, image, device, vpc, subnets, tuple(notes), runs_from)


def _types(aws: Aws, config: FleetConfig) -> dict[str, Any]:
    from botocore.exceptions import ClientError

    wanted = sorted({*config.nodes.instance_types, config.head.instance_type})
    with aws.explained("the instance types cannot be looked up"):
        try:
            found = [
                each
                for start in range(0, len(wanted), 100)
                for each in pages(
                    aws.ec2.describe_instance_types,
                    "InstanceTypes",
                    InstanceTypes=wanted[start : start + 100],
                )
            ]
        except ClientError as error:
            if code_of(error) not in ("InvalidInstanceType", "InvalidParameterValue"):
                raise
            unknown = [name for name in wanted if name in str(error)] or wanted
            raise InputError(
                f"region {config.region} has no instance type {', '.join(unknown)}; correct "
                "nodes.instance_types "
                "or head.instance_type"
            ) from None
    types = {each["InstanceType"]: each for each in found}
    for name in wanted:
        if name not in types:
            raise InputError(f"region {config.region} has no instance type {name}; correct the fleet file")
    if config.nodes.on_demand < config.slots:
        for name in config.nodes.instance_types:
            if SPOT not in types[name].get("SupportedUsageClasses", [SPOT]):
                raise InputError(
                    f"{name} is not offered on Spot; leave it out, or raise nodes.on_demand to slots"
                )
    return types


def _subnets(aws: Aws, config: FleetConfig) -> tuple[str, dict[str, str]]:
    """The VPC and a subnet of each zone."""
    chosen = config.nodes.subnets
    more: Any = {"SubnetIds": list(chosen)}
    if not chosen:
        more = {"Filters": [{"Name": "default-for-az", "Values": ["true"]}]}
    with aws.explained("the subnets cannot be looked up; correct nodes.subnets"):
        found = list(pages(aws.ec2.describe_subnets, "Subnets", **more))
    if not found:
        raise InputError(f"region {config.region} has no default subnets; name some in nodes.subnets")
    if len({each["VpcId"] for each in found}) > 1:
        raise InputError("nodes.subnets lie in several VPCs, and nodes talk to the head; name those of one")
    return found[0]["VpcId"], {each["AvailabilityZone"]: each["SubnetId"] for each in reversed(found)}


def _offered(aws: Aws, config: FleetConfig, subnets: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """The subnets of zones with any of the types, and what the zones lack."""
    filters = [{"Name": "instance-type", "Values": sorted(config.nodes.instance_types)}]
    with aws.explained("the offerings of the zones cannot be looked up"):
        listed = pages(
            aws.ec2.describe_instance_type_offerings,
            "InstanceTypeOfferings",
            LocationType="availability-zone",
            Filters=filters,
        )
        offered = {(each["InstanceType"], each["Location"]) for each in listed}
    nowhere = [
        name for name in config.nodes.instance_types if not any((name, zone) in offered for zone in subnets)
    ]
    if nowhere:
        raise InputError(
            f"no zone of the fleet ({', '.join(sorted(subnets))}) offers {', '.join(nowhere)}; "
            "leave it out, or name "
            "other subnets"
        )
    return {
        zone: subnet for zone, subnet in subnets.items() if any(zone == place for _, place in offered)
    }, []


def _image(aws: Aws, config: FleetConfig, types: Mapping[str, Any]) -> tuple[str, str]:
    """The ID of the image and the name of its root device."""
    image = config.nodes.image
    if image.startswith("ssm:"):
        with aws.explained(f"the image {image} cannot be looked up; correct nodes.image"):
            image = str(aws.ssm.get_parameter(Name=image.removeprefix("ssm:"))["Parameter"]["Value"])
    others = [
        name
        for name, each in types.items()
        if "x86_64" not in each.get("ProcessorInfo", {}).get("SupportedArchitectures", ["x86_64"])
    ]
    if others and "arm64" not in config.nodes.image:
        raise InputError(
            f"{', '.join(others)} has another processor than the image, x86_64; leave it out, "
            "since hpt and all "
            "machines of a fleet are of one architecture"
        )
    with aws.explained(f"the image {image} cannot be looked up; correct nodes.image"):
        described = aws.ec2.describe_images(ImageIds=[image])["Images"]
    if not described:
        raise InputError(f"region {config.region} has no image {image}; correct nodes.image")
    return image, str(described[0].get("RootDeviceName") or "/dev/xvda")


def _quota_notes(aws: Aws, config: FleetConfig, vcpus: Mapping[str, int]) -> list[str]:
    try:
        found = list(quotas(aws, config, vcpus))
    except PermissionDeniedError as error:
        return [f"the quotas were not checked: {error}"]
    notes = []
    for quota in found:
        fix = "request a higher one in the console of Service Quotas, which takes hours to days"
        if quota.vcpus < quota.least:
            raise InputError(f"{quota.message()}; not one machine would start: {fix}")
        if quota.vcpus < quota.needed:
            notes.append(f"{quota.message()}; fewer training jobs will run at a time: {fix}")
    return notes


def up(aws: Aws, config: FleetConfig, say: Say, *, now: float, packed: Path | None = None) -> str:
    """Make the fleet, or what of it is missing; returns the ID of its head.

    Parameters
    ----------
    aws
        The user's clients.
    config
        The fleet.
    say
        Takes each message to the user.
    now
        Seconds since the epoch.
    packed
        The wheel of `hpt` that its machines install; None: this very `hpt`, for machines like this one.

    Returns
    -------
    str
        The ID of the head's instance.

    Raises
    ------
    InputError
        It cannot be made as it is described; nothing was made if `look` found out.
    RetryableError
        AWS failed; the same call goes on from there.
    """
    found = look(aws, config, now=now, packed=packed)
    for note in found.notes:
        say(f"note: {note}")
    expires = now + config.expires_seconds if config.expires_seconds is not None else None
    files = store.Store(aws, config.bucket, config.prefix)
    _check_owner(files, config)
    files.put(store.FLEET, config.to_json())
    files.delete(store.CLOSED)
    key = _upload_wheel(files, packed)
    _upload_environment(files, found.environment, say)
    say(f"{BEGUN}{files.uri}")
    names = Names(config.name, config.region)
    group = _group(aws, names, config, found.vpc, expires)
    _token(aws, names, config)
    for role in ROLES:
        profile = _profile(aws, names, config, role, found.account)
        data = template.launch_template(
            role,
            config,
            image=found.image,
            root_device=found.root_device,
            group=group,
            profile=profile,
            wheel=key,
            expires=expires,
            environment=found.environment,
        )
        _template(aws, names.template(role), data, template.template_tags(role, config, expires))
    files.put_json("subnets.json", dict(found.subnets))
    say(f"network, roles and launch templates of fleet {config.name} are there")
    return _launch_head(aws, names, config, found, say)


def _check_owner(files: store.Store, config: FleetConfig) -> None:
    """Refuse the files of a fleet of another region, whose head would be confused by ours."""
    there = files.get_json(store.FLEET)
    if there is not None and there.get("region") != config.region:
        raise InputError(
            f"{files.uri} belongs to a fleet {config.name} in {there.get('region')}; choose "
            "another name or bucket"
        )


def _upload_wheel(files: store.Store, packed: Path | None) -> str:
    """The key of the wheel that the machines install."""
    with tempfile.TemporaryDirectory(prefix="hpt-") as folder:
        packed = wheel.pack(Path(folder)) if packed is None else packed
        key = f"hpt/{wheel.sha256(packed)}/{packed.name}"
        if not files.has(key):
            files.upload(key, packed)
    return key


def _upload_environment(files: store.Store, packed: Packed | None, say: Say) -> None:
    """Once for each content."""
    if packed is not None and not files.has(packed.key):
        say(f"uploading {packed.path.name}, {max(1, packed.size >> 20)} MiB")
        files.upload(packed.key, packed.path)


def _group(aws: Aws, names: Names, config: FleetConfig, vpc: str, expires: float | None) -> str:
    """The security group: machines of the fleet reach each other, and nobody else reaches them."""
    from botocore.exceptions import ClientError

    filters = [
        {"Name": f"tag:{FLEET_TAG}", "Values": [config.name]},
        {"Name": "vpc-id", "Values": [vpc]},
    ]
    with aws.explained("the security group cannot be made"):
        there = list(pages(aws.ec2.describe_security_groups, "SecurityGroups", Filters=filters))
        group = there[0]["GroupId"] if there else None
        if group is None:
            specification = [{"ResourceType": "security-group", "Tags": tags(config.name, "", expires)}]
            group = aws.ec2.create_security_group(
                GroupName=names.group,
                Description=f"Machines of the hpt fleet {config.name}",
                VpcId=vpc,
                TagSpecifications=specification,
            )["GroupId"]
        inside = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}
        try:
            aws.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[inside])
        except ClientError as error:
            if code_of(error) != "InvalidPermission.Duplicate":
                raise
    return str(group)


def _token(aws: Aws, names: Names, config: FleetConfig) -> None:
    """A fresh secret, unless there is one."""
    from botocore.exceptions import ClientError

    with aws.explained("the secret of the fleet cannot be stored"):
        try:
            aws.ssm.put_parameter(
                Name=names.token,
                Value=secrets.token_hex(32),
                Type="SecureString",
                Tags=[{"Key": FLEET_TAG, "Value": config.name}],
            )
        except ClientError as error:
            if code_of(error) != "ParameterAlreadyExists":
                raise


def _profile(aws: Aws, names: Names, config: FleetConfig, role: str, account: str) -> str:
    """The instance profile of a role with its policy; returns its ARN."""
    name, own = names.role(role), [{"Key": FLEET_TAG, "Value": config.name}]
    document = json.dumps(policies.policy(role, config, account))
    with aws.explained(f"the role {name} cannot be made"):
        _unless_there(
            aws.iam.create_role,
            RoleName=name,
            Path=names.path,
            AssumeRolePolicyDocument=json.dumps(policies.ASSUMED_BY_EC2),
            Tags=own,
        )
        aws.iam.put_role_policy(RoleName=name, PolicyName="hpt", PolicyDocument=document)
        _unless_there(aws.iam.create_instance_profile, InstanceProfileName=name, Path=names.path, Tags=own)
        _unless_there(aws.iam.add_role_to_instance_profile, InstanceProfileName=name, RoleName=name)
    return f"arn:aws:iam::{account}:instance-profile{names.path}{name}"


def _unless_there(call: Callable[..., Any], **arguments: Any) -> None:
    from botocore.exceptions import ClientError

    try:
        call(**arguments)
    except ClientError as error:
        if code_of(error) not in ("EntityAlreadyExists", "LimitExceeded"):
            raise
        if code_of(error) == "LimitExceeded" and "add_role" not in call.__name__:
            raise  # a profile takes one role: it has ours


def _template(aws: Aws, name: str, data: Mapping[str, Any], own: list[dict[str, str]]) -> None:
    """The launch template, whose newest version is the default one."""
    from botocore.exceptions import ClientError

    with aws.explained(f"the launch template {name} cannot be made"):
        try:
            aws.ec2.create_launch_template(
                LaunchTemplateName=name,
                LaunchTemplateData=dict(data),
                TagSpecifications=[{"ResourceType": "launch-template", "Tags": own}],
            )
        except ClientError as error:
            if code_of(error) != "InvalidLaunchTemplateName.AlreadyExistsException":
                raise
            version = aws.ec2.create_launch_template_version(
                LaunchTemplateName=name, LaunchTemplateData=dict(data)
            )
            number = str(version["LaunchTemplateVersion"]["VersionNumber"])
            aws.ec2.modify_launch_template(LaunchTemplateName=name, DefaultVersion=number)


def _launch_head(aws: Aws, names: Names, config: FleetConfig, found: Surroundings, say: Say) -> str:
    """The head, unless one lives. A fresh instance profile is not known at once everywhere."""
    from botocore.exceptions import ClientError

    for each in machines.instances(aws, config.name):
        if machines.role_of(each) == HEAD:
            say(f"head {each['InstanceId']} runs already, with the packages that it began with")
            return str(each["InstanceId"])
    deadline, refused = time.monotonic() + _PROFILE_SECONDS, ""
    subnets = list(found.subnets.values())
    token = secrets.token_hex(16)
    with aws.explained("the head cannot be launched"):
        while time.monotonic() < deadline:
            try:
                reply = aws.ec2.run_instances(
                    LaunchTemplate={"LaunchTemplateName": names.template(HEAD), "Version": "$Default"},
                    MinCount=1,
                    MaxCount=1,
                    SubnetId=subnets[0],
                    ClientToken=f"{token}-{len(subnets)}",
                )
                head = str(reply["Instances"][0]["InstanceId"])
                say(f"head {head} ({config.head.instance_type}) is launched")
                return _first_head(aws, config.name, head, say)
            except ClientError as error:
                refused = code_of(error)
                if refused == "InsufficientInstanceCapacity" and len(subnets) > 1:
                    subnets = subnets[1:]
                elif "nstance profile" in str(error) or (absent(error) and "LaunchTemplate" in refused):
                    time.sleep(2)
                else:
                    raise
    raise ExecutorError(f"the head cannot be launched: {refused}; try again, the rest of the fleet is there")


def _first_head(aws: Aws, name: str, head: str, say: Say) -> str:
    """The head that stays where two commands launched one each at the same time: the earlier one. Each
    command terminates its own if it is not that, after it has waited for those of the same second to be seen.
    """
    time.sleep(_SEEN_SECONDS)
    there = [each for each in machines.instances(aws, name) if machines.role_of(each) == HEAD]
    if all(each["InstanceId"] != head for each in there):
        return head  # not seen yet itself, or taken down again
    first = str(min(there, key=lambda each: (each["LaunchTime"], each["InstanceId"]))["InstanceId"])
    if first != head:
        machines.terminate(aws, [head])
        say(f"head {head} is terminated, for head {first} was launched at the same time")
    return first


def read_tags(aws: Aws, name: str) -> dict[str, str]:
    """The tags of a fleet's head template; {} where there is none."""
    filters = [{"Name": f"tag:{FLEET_TAG}", "Values": [name]}]
    with aws.explained("the launch templates cannot be listed"):
        found = pages(aws.ec2.describe_launch_templates, "LaunchTemplates", Filters=filters)
        return next((tags_of(each) for each in found), {})
