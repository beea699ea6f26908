"""The metadata service that each machine of the double sees below /imds/<instance>/, version 2 only."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING, Any

from moto.backends import get_backend

if TYPE_CHECKING:
    from tests.fleet.double.app import Answer, Double

_TOKENS: set[str] = set()


def answer(double: Double, environ: dict[str, Any]) -> Answer:
    instance, _, path = environ["PATH_INFO"].removeprefix("/imds/").partition("/")
    if path == "latest/api/token" and environ["REQUEST_METHOD"] == "PUT":
        if "HTTP_X_AWS_EC2_METADATA_TOKEN_TTL_SECONDS" not in environ:
            return 400, "text/plain", b""
        _TOKENS.add(token := uuid.uuid4().hex)
        return 200, "text/plain", token.encode()
    if environ.get("HTTP_X_AWS_EC2_METADATA_TOKEN") not in _TOKENS:
        return 401, "text/plain", b""
    found = _value(double, instance, path.removeprefix("latest/meta-data/"))
    return (404, "text/plain", b"") if found is None else (200, "text/plain", found.encode())


def _value(double: Double, instance: str, path: str) -> str | None:
    notice = double.state.notices.get(instance)
    if path == "spot/instance-action" and notice is not None and notice["kind"] != "rebalance":
        return json.dumps({"action": notice["kind"], "time": _moment(notice["at"])})
    if path == "events/recommendations/rebalance" and notice is not None:
        return json.dumps({"noticeTime": _moment(notice["noticed"])})
    backends = get_backend("ec2")["123456789012"]
    for backend in backends.values():
        for each in backend.all_instances():
            if each.id == instance:
                known = {
                    "instance-id": instance,
                    "instance-type": each.instance_type,
                    "placement/availability-zone": each._placement.zone,
                    "local-ipv4": each.private_ip,
                    "instance-life-cycle": "spot" if each.lifecycle == "spot" else "on-demand",
                }
                return known.get(path)
    return None


def _moment(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
