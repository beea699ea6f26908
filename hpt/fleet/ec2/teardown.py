"""Takes a fleet down. Everything is found by tags and names, whatever made it and however that ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hpt.errors import ExecutorError
from hpt.fleet.ec2 import machines, store
from hpt.fleet.ec2.aws import Aws, absent, code_of, pages
from hpt.fleet.ec2.config import split_bucket
from hpt.fleet.ec2.names import BUCKET_TAG, EXPIRES_TAG, FLEET_TAG, HEAD, Names, roles_of, tags_of
from hpt.job.plural import quantity

Say = Callable[[str], None]

_SECONDS = 600.0
_QUIET_ROUNDS = 2
"""A launch that was on its way may become visible after the first look."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a fleet has: IDs and names of each kind."""

    instances: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any((self.instances, self.templates, self.groups, self.roles, self.profiles))


def fleets(aws: Aws) -> dict[str, float | None]:
    """The names of all fleets of the region, and when each expires."""
    found: dict[str, float | None] = {}
    filters = [{"Name": "tag-key", "Values": [FLEET_TAG]}]
    with aws.explained("the fleets cannot be listed"):
        described = [
            *pages(aws.ec2.describe_launch_templates, "LaunchTemplates", Filters=filters),
            *pages(aws.ec2.describe_security_groups, "SecurityGroups", Filters=filters),
            *machines.instances(aws, None),
        ]
        roles = [each["Path"] for each in pages(aws.iam.list_roles, "Roles", PathPrefix=roles_of(aws.region))]
    for each in described:
        own = tags_of(each)
        expires = own.get(EXPIRES_TAG, "")
        found.setdefault(own[FLEET_TAG], float(expires) if expires.isdigit() else None)
    for path in roles:  # all that is left where taking down was interrupted late
        found.setdefault(path.removeprefix(roles_of(aws.region)).strip("/"), None)
    return found


def look(aws: Aws, name: str) -> Left:
    """What there is of a fleet."""
    names, filters = Names(name, aws.region), [{"Name": f"tag:{FLEET_TAG}", "Values": [name]}]
    living = machines.instances(aws, name, states=(*machines.LIVING, *machines.LEAVING))
    with aws.explained("the parts of the fleet cannot be listed"):
        listed: Any = aws.ec2, aws.iam
        ec2, iam = listed
        templates = [
            each["LaunchTemplateName"]
            for each in pages(ec2.describe_launch_templates, "LaunchTemplates", Filters=filters)
        ]
        groups = [
            each["GroupId"] for each in pages(ec2.describe_security_groups, "SecurityGroups", Filters=filters)
        ]
        roles = [each["RoleName"] for each in pages(iam.list_roles, "Roles", PathPrefix=names.path)]
        profiles = [
            each["InstanceProfileName"]
            for each in pages(iam.list_instance_profiles, "InstanceProfiles", PathPrefix=names.path)
        ]
    ids = [each["InstanceId"] for each in living]
    return Left(tuple(ids), tuple(templates), tuple(groups), tuple(roles), tuple(profiles))


def down(
    aws: Aws,
    name: str,
    say: Say,
    *,
    files: store.Store | None = None,
    pause: float = 5.0,
    timeout: float = _SECONDS,
) -> Left:
    """Take a fleet down; returns what there was. Its files on S3 stay.

    Parameters
    ----------
    aws
        The user's clients.
    name
        The fleet's.
    say
        Takes each message to the user.
    files
        Its files, if they are known: its head is told to launch nothing.
    pause
        Seconds between two looks.
    timeout
        Seconds in all.

    Returns
    -------
    Left
        What there was.

    Raises
    ------
    InputError
        A permission is missing.
    RetryableError
        AWS failed, or something is left after the timeout; the same call goes on.
    """
    names, deadline = Names(name, aws.region), time.monotonic() + timeout
    first = look(aws, name)
    if files is not None and first:
        _close(files, say)
    with aws.explained(f"fleet {name} cannot be taken down"):
        heads = [each for each in machines.instances(aws, name) if machines.role_of(each) == HEAD]
        machines.terminate(aws, [each["InstanceId"] for each in heads])
        for each in first.templates:  # without them nothing can be launched, by whoever is still at it
            _gone(aws.ec2.delete_launch_template, LaunchTemplateName=each)
        _terminate_all(aws, name, say, pause, deadline)
        for group in look(aws, name).groups:
            _delete_group(aws, group, pause, deadline)
        for profile in list(pages(aws.iam.list_instance_profiles, "InstanceProfiles", PathPrefix=names.path)):
            own = profile["InstanceProfileName"]
            for role in profile["Roles"]:
                _gone(
                    aws.iam.remove_role_from_instance_profile,
                    InstanceProfileName=own,
                    RoleName=role["RoleName"],
                )
            _gone(aws.iam.delete_instance_profile, InstanceProfileName=own)
        for role in first.roles:
            _delete_role(aws, role)
        _gone(aws.ssm.delete_parameter, Name=names.token)
    left = look(aws, name)
    if left:
        raise ExecutorError(f"of fleet {name} this is left: {', '.join(_parts(left))}; take it down again")
    return first


def _parts(left: Left) -> Iterator[str]:
    for what in (left.instances, left.templates, left.groups, left.roles, left.profiles):
        yield from what


def _close(files: store.Store, say: Say) -> None:
    """A bucket that refuses does not keep machines running."""
    from hpt.errors import HptError

    try:
        files.put(store.CLOSED, "")
    except HptError as error:
        say(f"note: the head was not told: {error}")


def _terminate_all(aws: Aws, name: str, say: Say, pause: float, deadline: float) -> None:
    quiet, told = 0, set[str]()
    while quiet < _QUIET_ROUNDS:
        there = machines.instances(aws, name, states=(*machines.LIVING, *machines.LEAVING))
        living = [each["InstanceId"] for each in there if each["State"]["Name"] != "shutting-down"]
        machines.terminate(aws, living)
        if set(living) - told:
            say(f"terminating {quantity(len(living), 'machine')}")
            told |= set(living)
        quiet = 0 if there else quiet + 1
        if time.monotonic() > deadline:
            raise ExecutorError(f"{len(there)} machines of fleet {name} are not terminated yet; try again")
        if quiet < _QUIET_ROUNDS:
            time.sleep(pause)


def _gone(call: Callable[..., Any], **arguments: Any) -> None:
    """Delete something that may not be there any more."""
    from botocore.exceptions import ClientError

    try:
        call(**arguments)
    except ClientError as error:
        if not absent(error):
            raise


def _delete_group(aws: Aws, group: str, pause: float, deadline: float) -> None:
    """Network interfaces of machines that were terminated hold it for a while."""
    from botocore.exceptions import ClientError

    while True:
        try:
            return _gone(aws.ec2.delete_security_group, GroupId=group)
        except ClientError as error:
            if (
                code_of(error) not in ("DependencyViolation", "InvalidGroup.InUse")
                or time.monotonic() > deadline
            ):
                raise
        time.sleep(pause)


def _delete_role(aws: Aws, role: str) -> None:
    for policy in pages(aws.iam.list_role_policies, "PolicyNames", RoleName=role):
        _gone(aws.iam.delete_role_policy, RoleName=role, PolicyName=policy)
    _gone(aws.iam.delete_role, RoleName=role)


def files_of(aws: Aws, name: str, tagged: dict[str, str]) -> store.Store | None:
    """The files of a fleet, by the tags of its launch template; None where they do not say."""
    if not (uri := tagged.get(BUCKET_TAG)):
        return None
    bucket, prefix = split_bucket(uri.rstrip("/").removesuffix(f"/{name}"), name)
    return store.Store(aws, bucket, prefix)
