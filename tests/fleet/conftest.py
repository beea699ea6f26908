"""A cluster for the tests of a module, and a double of AWS."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.double.control import Control
from tests.fleet.ray_cluster import HEAD, RayCluster


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


@pytest.fixture(scope="session")
def _double() -> Iterator[Control]:
    pytest.importorskip("moto")
    pytest.importorskip("flask_cors")
    with Control() as control:
        yield control


@pytest.fixture
def double(_double: Control, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Control:
    """Fresh, with a bucket named `bucket`; boto3 of this process and of its children uses it."""
    import boto3

    _double.reset()
    for name, value in _double.variables(tmp_path).items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="bucket")
    return _double
