"""The hosts of a training job: the processes of its program, `algo-1`, `algo-2` and so on (behaviour 16.5).

What to run is one specification for all of them. `as_host` gives it as one host has it: the channels that
are for it, and under `host` who it is:

    name, number    `algo-2`, 2
    hosts, groups   the names of all, sorted, and the groups as `resourceconfig.json` has them
    group           the name of its own
    rank            its index among `hosts`
    master, port    where the hosts may meet: the name of the first, and a free port

Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

FIRST = "algo-1"
GROUP = "homogeneousCluster"
"""The name of the only group, where none was named."""

NETWORK_INTERFACE = "lo"

FULLY_REPLICATED = "FullyReplicated"


def name_of(number: int) -> str:
    """The name of the host with a number, from 1."""
    return f"algo-{number}"


def training_directory(base: str, number: int) -> str:
    """That of a host, given that of the first, beside which it lies."""
    return base if number == 1 else os.path.join(os.path.dirname(base), f"ml-{name_of(number)}")


def training_directories(attempt: str) -> list[str]:
    """The training directories of all hosts that an attempt may have, the first host's first. attempt: its
    directory.
    """
    trial = os.path.dirname(os.path.dirname(attempt))
    try:
        others = [name for name in os.listdir(trial) if re.fullmatch(r"ml-algo-\d{1,4}", name)]
    except OSError:
        others = []
    return [os.path.join(trial, name) for name in ("ml", *sorted(others))]


def marks(attempt: str) -> list[str]:
    """What the environment of a host's processes holds, for each host of an attempt, given its directory."""
    return [f"SAGEMAKER_BASE_DIR={directory}" for directory in training_directories(attempt)]


def first_directory(base: str) -> str:
    """The training directory of the first host, given that of any."""
    return os.path.join(os.path.dirname(base), "ml")


def count(spec: Mapping[str, Any]) -> int:
    """How many hosts there are."""
    number: int = spec.get("instance_count", 1)
    return number


def own_file(name: str, number: int) -> str:
    """The file of an attempt that belongs to one host of several: `log-algo-2`."""
    return f"{name}-{name_of(number)}"


def host_of(attempt: str, reason: str) -> int:
    """The number of the host that the reason of an attempt's end is about; 1 where it is about all.

    attempt: its directory.
    """
    found = re.match(r"algo-(\d{1,4}): ", reason)
    number = int(found[1]) if found else 1
    return number if os.path.exists(os.path.join(attempt, own_file("log", number))) else 1


def logs(attempt: str) -> dict[str, str]:
    """The logs of the hosts of an attempt by their names, in order; none where it has only one host."""
    try:
        found = [re.fullmatch(r"log-(algo-(\d{1,4}))", name) for name in os.listdir(attempt)]
    except OSError:
        found = []
    numbered = sorted((int(each[2]), each[1], each[0]) for each in found if each)
    return {name: os.path.join(attempt, file) for _, name, file in numbered}


def groups(spec: Mapping[str, Any], names: Mapping[int, str]) -> list[dict[str, Any]]:
    """The groups as `resourceconfig.json` has them. names: of all hosts, by number."""
    declared = spec.get("instance_groups") or [
        {"name": GROUP, "instance_type": spec["instance_type"], "count": count(spec)}
    ]
    found, first = [], 1
    for group in declared:
        last = first + group["count"]
        hosts = sorted(names[number] for number in range(first, last))
        found.append(
            {
                "instance_group_name": group["name"],
                "instance_type": group["instance_type"],
                "hosts": hosts,
            }
        )
        first = last
    return found


def as_host(
    spec: Mapping[str, Any], number: int, names: Mapping[int, str] | None = None, port: int = 0
) -> dict[str, Any]:
    """A specification as one host has it.

    Parameters
    ----------
    spec
        What to run (`hpt.executors.order.Order.on`).
    number
        The host's, from 1.
    names
        The names of all hosts by number; None: as `name_of` has them.
    port
        Where the hosts may meet.

    Returns
    -------
    dict
        The specification with its `host`, its share of the GPUs, and of the channels those that are for it.
    """
    if names is None:
        names = {each: name_of(each) for each in range(1, count(spec) + 1)}
    every = groups(spec, names)
    own = next(group for group in every if names[number] in group["hosts"])
    hosts = sorted(names.values())
    host = {
        "name": names[number],
        "number": number,
        "hosts": hosts,
        "rank": hosts.index(names[number]),
        "groups": every,
        "group": own["instance_group_name"],
        "master": names[1],
        "port": port,
    }
    channels = [channel for channel in spec["channels"] if _is_for(channel, own["instance_group_name"])]
    mine = {"host": host, "channels": channels, "instance_type": own["instance_type"]}
    gpus = spec.get("gpus")
    if gpus and len(gpus) >= len(names):  # fewer are shared by all
        mine["gpus"] = gpus[number - 1 :: len(names)]
    return {**spec, **mine}


def of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Who the host of a specification is; the only one where it is not said."""
    host: dict[str, Any] = spec["host"] if "host" in spec else as_host(spec, 1)["host"]
    return host


def resource_config(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The content of `resourceconfig.json`."""
    host = of(spec)
    return {
        "current_host": host["name"],
        "current_instance_type": spec["instance_type"],
        "current_group_name": host["group"],
        "current_instance_group": host["group"],
        "hosts": host["hosts"],
        "instance_groups": host["groups"],
        "network_interface_name": NETWORK_INTERFACE,
    }


def rendezvous(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Where the hosts of a training job meet, as variables of its program without their `SM_`.

    Framework images also set `MASTER_ADDR` and `MASTER_PORT` themselves, as PyTorch reads them.
    """
    host = of(spec)
    return {
        "master_addr": host["master"],
        "master_port": host["port"],
        "host_count": len(host["hosts"]),
        "current_host_rank": host["rank"],
    }


def receivers(spec: Mapping[str, Any], channel: Mapping[str, Any]) -> list[int]:
    """The numbers of the hosts that a channel is for."""
    numbers: list[int] = []
    first = 1
    for group in spec.get("instance_groups") or [{"name": GROUP, "count": count(spec)}]:
        last = first + group["count"]
        if _is_for(channel, group["name"]):
            numbers += range(first, last)
        first = last
    return numbers


def shares(spec: Mapping[str, Any], host: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], int, int]]:
    """Of a host's channels those that it shares with the same number of hosts.

    Parameters
    ----------
    spec
        What to run.
    host
        The same as that host has it, see `as_host`.

    Yields
    ------
    tuple
        The host's specification with these channels alone, its index among the hosts that have them, and
        how many these are.
    """
    number = of(host)["number"]
    found: dict[tuple[int, int], list[Any]] = {}
    for channel in host["channels"]:
        numbers = receivers(spec, channel)
        found.setdefault((numbers.index(number), len(numbers)), []).append(channel)
    for (index, total), channels in found.items():
        yield {**host, "channels": channels}, index, total


def own_downloads(spec: Mapping[str, Any], host: Mapping[str, Any]) -> dict[str, Any]:
    """What a host is to download: the first all that is not a channel, and of a channel that is the same for
    several hosts the first of them.

    Parameters
    ----------
    spec
        What to run.
    host
        The same as that host has it, see `as_host`.

    Returns
    -------
    dict
        The host's specification without what others download for it.
    """
    number = of(host)["number"]
    channels = [
        channel
        for channel in host["channels"]
        if channel["distribution"] != FULLY_REPLICATED or receivers(spec, channel)[0] == number
    ]
    rest = {} if number == 1 else {"source": None, "checkpoint_uri": None}
    return {**host, "channels": channels, **rest}


def _is_for(channel: Mapping[str, Any], group: str) -> bool:
    wanted = channel.get("instance_group_names")
    return not wanted or group in wanted
