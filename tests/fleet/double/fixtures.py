"""The double for tests, as fixtures to be imported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.double.control import Control

__all__ = ["_double", "double"]


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
