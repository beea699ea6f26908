"""The options of the executor on Ray, checked before anything is stored or started."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from hpt.errors import InputError, MissingDependencyError

ADDRESS, LEASE = "address", "lease"
OPTIONS = (ADDRESS, LEASE)
AUTO = "auto"
"""The cluster that this host is part of, or that RAY_ADDRESS names."""

DEFAULT_LEASE = 10.0
"""Seconds without an answer after which a node has lost its attempts."""

_ANSWERS_WITHIN = 10.0
_SPEAKS_WITHIN = 3.0

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""With what a client of HTTP/2 begins, and so one of gRPC, which the head of a cluster speaks: the preface
and an empty SETTINGS frame (RFC 9113, 3.4). The server's first frame is of the same type, 4."""


def check(options: Mapping[str, str]) -> None:
    """Look whether Ray is installed and something answers where the cluster is to be.

    Raises:
        MissingDependencyError: Ray is not installed. InputError: an option is wrong, or nothing answers.
    """
    from importlib.util import find_spec

    lease(options)
    if find_spec("ray") is None:
        raise MissingDependencyError("executor 'ray'", "ray", ["ray"])
    address = options.get(ADDRESS, AUTO)
    if address == AUTO:
        address = os.environ.get("RAY_ADDRESS", AUTO)
    if address == AUTO:
        return  # Ray looks for it
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise InputError(
            f"address {address!r} is not that of a cluster's head; give HOST:PORT, such as 10.0.0.5:6379"
        )
    if "://" in host:
        raise InputError(
            f"address {address!r} has the form of Ray Client's, which hpt does not use; give HOST:PORT of "
            "the cluster's head, such as 10.0.0.5:6379"
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _ANSWERS_WITHIN) as connection:
            head = _may_be_head(connection)
    except OSError as error:
        raise InputError(
            f"no cluster is found at {address!r} ({error.strerror or error}); start one there, or give the "
            "address of its head"
        ) from None
    if not head:
        raise InputError(
            f"what answers at {address!r} is no head of a Ray cluster; give the port that the head "
            "listens to, 6379 by default, not that of the dashboard (8265)"
        )


def _may_be_head(connection: socket.socket) -> bool:
    """False if what answers speaks another protocol than a head. Silence proves nothing, nor does TLS."""
    connection.settimeout(_SPEAKS_WITHIN)
    try:
        connection.sendall(_PREFACE)
        answer = connection.recv(9)
    except OSError:
        return True
    return len(answer) < 4 or answer[3] == 4 or bool(os.environ.get("RAY_USE_TLS"))


def lease(options: Mapping[str, str]) -> float:
    """Raises InputError where it is no number of seconds from 1 to 3600."""
    given = options.get(LEASE, str(DEFAULT_LEASE))
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 1.0 <= seconds <= 3600.0:
        raise InputError(f"lease {given!r} is no number of seconds from 1 to 3600; give one")
    return seconds
