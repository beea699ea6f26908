"""A cluster for the tests of a module, and a double of AWS."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.fleet.double.fixtures import _double, double
from tests.fleet.ray_cluster import HEAD, RayCluster

__all__ = ["_double", "double"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """A head and three nodes of two CPUs each."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'hpt[ray]'")
    with socket.socket() as probe:
        probe.bind((HEAD, 0))
        port = probe.getsockname()[1]
    made = RayCluster(port)
    try:
        made.add(1, "market=on-demand,instance-type=c5.large")
        made.add(2, "market=spot,instance-type=c5.xlarge")
        made.add(3, "market=spot,instance-type=c5.large")
        yield made
    finally:
        made.close()
