"""What a machine knows of itself, from EC2's metadata service (version 2)."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from dataclasses import dataclass

from hpt.errors import ExecutorError
from hpt.fleet.ec2.costs import ON_DEMAND, SPOT, Pool

ADDRESS = "http://169.254.169.254"
_VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
_TIMEOUT = 2.0


@dataclass(frozen=True, slots=True)
class Self:
    """id: of the instance. address: its own one in the network of the fleet."""

    id: str
    pool: Pool
    address: str


def endpoint() -> str:
    """The address of the service, as SDKs of AWS are told of it too."""
    return os.environ.get(_VARIABLE, ADDRESS).rstrip("/")


def look(address: str) -> Self:
    """Who this machine is. Raises ExecutorError where no service answers."""
    try:
        token = _ask(f"{address}/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "300"}, "PUT")
        headers = {"X-aws-ec2-metadata-token": token}
        known = {
            name: _ask(f"{address}/latest/meta-data/{name}", headers)
            for name in (
                *("instance-id", "instance-type", "placement/availability-zone"),
                *("local-ipv4", "instance-life-cycle"),
            )
        }
    except OSError as error:
        raise ExecutorError(
            f"the metadata service at {address} does not answer: {error}; run this on EC2"
        ) from error
    market = SPOT if known["instance-life-cycle"] == "spot" else ON_DEMAND
    pool = Pool(known["instance-type"], known["placement/availability-zone"], market)
    return Self(known["instance-id"], pool, known["local-ipv4"])


def _ask(url: str, headers: dict[str, str], method: str = "GET") -> str:
    request = urllib.request.Request(url, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as reply:
        return str(reply.read().decode())
