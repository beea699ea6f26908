"""`hpt fleet`: makes fleets of EC2 instances, shows them, takes them down; and tuning jobs on them."""

from __future__ import annotations

import argparse
import os
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from hpt.cli import exit_codes as codes
from hpt.cli.executors import OPTIONS
from hpt.cli.json_output import print_json
from hpt.errors import HptError, InputError

if TYPE_CHECKING:
    from hpt.fleet.ec2.aws import Aws
    from hpt.fleet.ec2.config import FleetConfig
    from hpt.fleet.ec2.status import FleetStatus
    from hpt.fleet.ec2.store import Store
    from hpt.sagemaker.request.parse import JobRequest

DESCRIPTION = """\
A fleet is a small machine of EC2, the head, that runs tuning jobs, and the machines that it launches for
their training jobs, Spot or on demand. `fleet.toml` describes it:

  name = "search"
  bucket = "s3://my-bucket/tuning"       # its files: code, jobs, checkpoints, models
  region = "us-east-1"                   # default: that of the AWS configuration
  slots = 64                             # training jobs at a time, at most
  budget = 50.0                          # US dollars at which everything is stopped
  expires = "2d"                         # then `hpt fleet down --expired` takes it down

  [nodes]
  instance_types = { "c5.xlarge" = 2, "c6i.xlarge" = 2, "m5.xlarge" = 2 }   # training jobs each at a time
  on_demand = 2                          # slots that are not Spot

Further keys: environment; head.instance_type, head.executor, head.idle; nodes.on_demand_after, nodes.subnets,
nodes.image, nodes.disk, nodes.setup, nodes.python, nodes.idle, nodes.without_head; data.
"""


def add_arguments(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, help: str) -> argparse.ArgumentParser:
        return actions.add_parser(name, help=help, description=help, parents=[common])

    check = action("check", "check a fleet file and print what it means; ask AWS nothing")
    up = action("up", "make a fleet, or complete or change one; launches its head")
    up.add_argument("--check", action="store_true", help="look at account, quotas and types; make nothing")
    up.add_argument(
        "--wheel",
        metavar="FILE",
        type=Path,
        help="wheel of hpt that its machines install; default: this very hpt, for machines like this one",
    )
    policy = action("policy", "print the permissions that a fleet needs, as an IAM policy document")
    policy.add_argument(
        "--for",
        dest="kind",
        choices=("user", "head", "node"),
        default="user",
        help="user (default): who makes it and takes it down; head, node: its machines",
    )
    policy.add_argument("--account", default="*", help="number of the AWS account")
    for each in (check, up, policy):
        each.add_argument("file", metavar="FLEET.toml", type=Path)
    status = action("status", "show the machines, tuning jobs and cost of a fleet")
    status.add_argument("name", metavar="NAME")
    status.add_argument("--region", help="default: that of the AWS configuration")
    down = action("down", "take a fleet down: terminate its machines, delete all but its files on S3")
    down.add_argument("name", metavar="NAME", nargs="?")
    down.add_argument("--region", help="default: that of the AWS configuration")
    down.add_argument("--all", action="store_true", help="all fleets of the region")
    down.add_argument("--expired", action="store_true", help="the fleets of the region that have expired")


def add_option(parser: argparse.ArgumentParser, help: str) -> None:
    """`--fleet` of a command about tuning jobs."""
    parser.add_argument("--fleet", metavar="NAME", help=help)


def run(options: Namespace) -> int:
    actions = {"check": _check, "up": _up, "policy": _policy, "status": _status, "down": _down}
    return actions[options.action](options)


def _region(given: str | None = None) -> str | None:
    if given is not None:
        from hpt.fleet.ec2.config import check_region

        return check_region(given)
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        found: str | None = boto3.Session().region_name
    except BotoCoreError as error:  # such as a profile that does not exist
        raise InputError(f"AWS cannot be used: {error}; correct AWS_PROFILE or AWS's files") from None
    return found or os.environ.get("AWS_REGION")  # which other SDKs read


def _aws(given: str | None, *, option: bool = True) -> Aws:
    """The clients. given: the region, or None. option: whether the command could have been given one."""
    from hpt.fleet.ec2.aws import Aws

    region = _region(given)
    if region is None:
        raise InputError(
            f"no AWS region is known; {'give --region, or ' if option else ''}set AWS_DEFAULT_REGION"
        )
    return Aws(region)


def _say(message: str) -> None:
    print(f"hpt: {message}", file=sys.stderr)


def _check(options: Namespace) -> int:
    from hpt.fleet.ec2.config import load_fleet_file
    from hpt.fleet.ec2.setup import packed_environment

    config = load_fleet_file(options.file, region=_region())
    environment = packed_environment(config)
    if options.json:
        import json

        print_json(json.loads(config.to_json()))
        return codes.COMPLETED
    types = ", ".join(f"{name} ({slots})" for name, slots in config.nodes.instance_types.items())
    print(f"fleet       {config.name} in {config.region}")
    print(f"files       {config.uri}")
    print(f"head        {config.head.instance_type}, on demand, runs training jobs by {config.head.executor}")
    print(f"nodes       {types}")
    print(f"slots       {config.slots}, of which {config.nodes.on_demand} on demand")
    if environment is not None:
        place = f", in its folder {environment.folder}" if environment.folder else ""
        size = max(1, environment.size >> 20)
        print(f"environment {environment.path.name}: {environment.python}, {size} MiB{place}")
        if environment.note:
            _say(f"note: {environment.note}")
    print(f"budget      {'none' if config.budget is None else f'{config.budget:.2f} US dollars'}")
    return codes.COMPLETED


def _up(options: Namespace) -> int:
    from hpt.fleet.ec2 import setup
    from hpt.fleet.ec2.config import load_fleet_file

    config = load_fleet_file(options.file, region=_region())
    aws = _aws(config.region)
    if options.wheel is not None and not options.wheel.is_file():
        raise InputError(f"--wheel: {options.wheel} is no file; correct the path")
    if options.check:
        for note in setup.look(aws, config, now=time.time(), packed=options.wheel).notes:
            _say(f"note: {note}")
        print(f"fleet {config.name} can be made")
        return codes.COMPLETED
    head = _made(aws, config, options)
    if options.json:
        print_json({"Name": config.name, "Head": head, "Files": config.uri})
        return codes.COMPLETED
    elsewhere = "" if config.region == _region() else f"AWS_DEFAULT_REGION={config.region} "
    print(f"fleet {config.name} is up; run a job on it: {elsewhere}hpt tune JOB --fleet {config.name}")
    print(f"take it down with: hpt fleet down {config.name} --region {config.region}")
    return codes.COMPLETED


def _made(aws: Aws, config: FleetConfig, options: Namespace) -> str:
    """The ID of the head. A command that ends before says what there is by then, and how to be rid of it."""
    from hpt.fleet.ec2 import setup

    said: list[str] = []

    def say(message: str) -> None:
        said.append(message)
        _say(message)

    try:
        return setup.up(aws, config, say, now=time.time(), packed=options.wheel)
    except (HptError, KeyboardInterrupt):
        if any(message.startswith(setup.BEGUN) for message in said):
            _say(
                f"fleet {config.name} is made in part: the same command goes on with it, "
                f"and hpt fleet down {config.name} --region {config.region} removes what is there"
            )
        raise


def _policy(options: Namespace) -> int:
    from hpt.fleet.ec2.config import load_fleet_file
    from hpt.fleet.ec2.policies import policy

    if options.account != "*" and not (options.account.isdigit() and len(options.account) == 12):
        raise InputError(f"--account {options.account!r} is no number of an AWS account; write its 12 digits")
    print_json(policy(options.kind, load_fleet_file(options.file, region=_region()), options.account))
    return codes.COMPLETED


def _status(options: Namespace) -> int:
    from hpt.fleet.ec2 import setup, status, teardown
    from hpt.fleet.ec2.config import check_name

    aws, name = _aws(options.region), check_name(options.name)
    tagged = setup.read_tags(aws, name)
    found = status.look(aws, name, teardown.files_of(aws, name, tagged), tagged, now=time.time())
    if not found.parts:
        raise InputError(f"region {aws.region} has no fleet {name}; {_fleets(aws, '--region')}")
    if options.json:
        print_json(found.to_json())
    else:
        _print(found)
    return codes.COMPLETED


def _fleets(aws: Aws, choice: str) -> str:
    """What there is in place of one that is not. choice: by what a region is chosen."""
    from hpt.fleet.ec2 import teardown

    there = sorted(teardown.fleets(aws))
    return f"there are {', '.join(there)}" if there else f"it has none; name another region with {choice}"


def _print(found: FleetStatus) -> None:
    from hpt.cli.show import moment, print_table

    machine, head = found.head_machine, found.head
    print(f"fleet       {found.name}")
    print(f"files       {found.uri or 'not known'}")
    heard = f", heard of {found.head_age:.0f} s ago" if head is not None else ", not heard of yet"
    print(f"head        {f'{machine.id} ({machine.pool.instance_type}){heard}' if machine else 'none'}")
    limit = f" of {found.budget:.2f}" if found.budget is not None else ""
    print(f"cost        {found.cost.total:.2f}{limit} US dollars, {found.cost.per_hour:.2f} an hour now")
    if found.cost.unpriced:
        print(
            f"            without {', '.join(map(str, found.cost.unpriced))}, of which no price is known yet"
        )
    if found.expires is not None:
        print(f"expires     {moment(found.expires)}")
    for name, status in found.jobs.items():
        print(f"job         {name}: {status}")
    for note in [*(head or {}).get("notes", ()), *found.problems]:
        print(f"note        {note}")
    for _, word in (head or {}).get("words", ())[-5:]:
        print(f"            {word}")
    rows = [
        (m.id, m.pool.instance_type, m.pool.zone, m.pool.market, _node_word(said)) for m, said in found.nodes
    ]
    if rows:
        print_table(("NODE", "TYPE", "ZONE", "MARKET", "STATE"), rows)


def _node_word(said: dict[str, object]) -> str:
    if not said:
        return "starting"
    if said.get("leaves"):
        return "leaving"
    if said.get("rebalance"):
        return "may leave"
    if said.get("problem"):
        return "cannot join"
    busy = said.get("busy")
    return "idle" if busy == 0 else "busy" if busy is None else f"{busy} training jobs"


def _down(options: Namespace) -> int:
    from hpt.fleet.ec2 import setup, teardown
    from hpt.fleet.ec2.config import check_name

    if (options.name is not None) + options.all + options.expired != 1:
        raise InputError("name one fleet, or give --all or --expired")
    aws = _aws(options.region)
    names = [check_name(options.name)] if options.name is not None else _chosen(aws, expired=options.expired)
    gone = {}
    if not names:
        _say(f"region {aws.region} has no fleet" + (" that has expired" if options.expired else ""))
    for name in names:
        files = teardown.files_of(aws, name, setup.read_tags(aws, name))
        found = teardown.down(aws, name, _say, files=files)
        gone[name] = sorted((*found.instances, *found.templates, *found.groups, *found.roles))
        if not options.json:
            print(f"fleet {name}: " + (f"{len(gone[name])} parts are gone" if found else "nothing was there"))
            if files is not None:
                print(f"its files stay: {files.uri}")
    if options.json:
        print_json({"Deleted": gone})
    return codes.COMPLETED


def _chosen(aws: Aws, *, expired: bool) -> list[str]:
    from hpt.fleet.ec2 import teardown

    now = time.time()
    found = teardown.fleets(aws)
    return [
        name for name, expires in found.items() if not expired or (expires is not None and expires <= now)
    ]


def files_of(name: str) -> Store:
    """The files of the fleet of that name. Raises InputError."""
    from hpt.fleet.ec2 import setup, teardown
    from hpt.fleet.ec2.config import check_name

    aws = _aws(None, option=False)
    files = teardown.files_of(aws, check_name(name), setup.read_tags(aws, name))
    if files is None:
        raise InputError(f"region {aws.region} has no fleet {name}; {_fleets(aws, 'AWS_DEFAULT_REGION')}")
    return files


def tune(options: Namespace, read: JobRequest) -> int:
    """`hpt tune JOB --fleet NAME`."""
    from importlib.metadata import version

    from hpt.fleet.ec2.status import check_head
    from hpt.running.fleet_jobs import hand_over
    from hpt.storage.place import state_directory

    for word in read.warnings:
        _say(f"note: {word}")
    if options.executor != "local" or options.address is not None or options.lease is not None:
        raise InputError("--executor is chosen by the fleet (head.executor); leave it out with --fleet")
    files = files_of(options.fleet)
    check_head(_aws(None), options.fleet, files)  # it may have ended: after an hour without a job, say
    handed = hand_over(
        files, read.config, read.request, state_directory(options.state), version=version("hpt")
    )
    if options.json:
        print_json({"HyperParameterTuningJobName": handed.name, "Fleet": options.fleet})
        return codes.COMPLETED
    print(f"tuning job {handed.name} is handed to fleet {options.fleet}; this machine may be switched off")
    print(f"see: hpt describe {handed.name} --fleet {options.fleet}")
    return codes.COMPLETED


def stop(options: Namespace) -> int:
    """`hpt stop NAME --fleet FLEET`."""
    from hpt.running.fleet_jobs import leave_stop

    name = leave_stop(files_of(options.fleet), options.name)
    if not getattr(options, "quiet", False):
        _say(f"fleet {options.fleet} is told to stop tuning job {name}; its head reads that within seconds")
    return codes.COMPLETED


def go_on(options: Namespace) -> int:
    """`hpt resume NAME --fleet FLEET` and `hpt extend`."""
    from hpt.fleet.ec2.again import Again
    from hpt.fleet.ec2.status import check_head
    from hpt.running.fleet_jobs import leave_again
    from hpt.storage.place import state_directory

    limits = Again()
    if options.command == "extend":
        limits = Again(options.max_jobs, options.max_runtime, options.max_parallel)
        if not limits.extends:
            raise InputError("no limit is given; give a larger --max-jobs or --max-runtime")
    elif given := [
        name for names in OPTIONS.values() for name in names if getattr(options, name) is not None
    ]:
        flag = f"--{given[0].replace('_', '-')}"
        raise InputError(f"{flag}: where training jobs run is chosen by the fleet; leave it out with --fleet")
    files = files_of(options.fleet)
    check_head(_aws(None), options.fleet, files)
    place = state_directory(options.state) / "fleets" / options.fleet
    name = leave_again(files, options.name, limits, place, time.time())
    if options.json:
        print_json({"HyperParameterTuningJobName": name, "Fleet": options.fleet})
    elif not options.quiet:
        _say(f"fleet {options.fleet} is told to go on with tuning job {name}; its head reads that soon")
    return codes.COMPLETED


def copied(options: Namespace) -> Namespace:
    """The options of a command that reads a job, about the copy that the fleet's head keeps of it."""
    from hpt.running.chosen_executor import kept
    from hpt.running.fleet_jobs import read_copy
    from hpt.storage.place import state_directory

    files = files_of(options.fleet)
    place = state_directory(options.state) / "fleets" / options.fleet
    root, ended = read_copy(files, options.name, place)
    if kept(root / options.name.lower()) is None:
        _say(f"note: logs are copied to {files.uri}jobs/{options.name}/trials/")
    if ended is None:
        _say(f"note: as the head of fleet {options.fleet} copied it last; it goes on there")
    return Namespace(**{**vars(options), "state": str(root)})
