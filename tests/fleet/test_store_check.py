"""A machine looks whether it can use the store before anything is started there."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from hpt.errors import RetryableError
from hpt.executors.node import Node
from hpt.fleet import store_check
from hpt.fleet.store_check import StoreCheck
from tests.fleet.double.control import Control


def content(checkpoints: str = "s3://bucket/ck", **more: Any) -> dict[str, Any]:
    places = {"channels": [], "output_path": None, "checkpoint_uri": checkpoints, "environment": {}}
    return {**places, **more}


@pytest.fixture
def check(double: Control, monkeypatch: pytest.MonkeyPatch) -> StoreCheck:
    """What was refused is asked again at once."""
    monkeypatch.setattr(store_check, "_AGAIN", 0.0)
    return StoreCheck(Node(environment=dict(os.environ)))


@pytest.mark.parametrize(
    ("code", "status", "fix"),
    [
        ("AccessDenied", 403, "allow these credentials that, or correct the place"),
        ("RequestTimeTooSkewed", 403, "the clock of this machine is minutes off: set it"),
        ("ExpiredToken", 400, "log in to AWS again, or correct the keys"),
    ],
)
def test_a_store_that_refuses_says_what_to_do_until_it_does_not(
    double: Control, check: StoreCheck, code: str, status: int, fix: str
) -> None:
    double.refuse("S3", code, status=status)
    with pytest.raises(RetryableError, match=f"the store cannot be used from there: .*{code}.*; {fix}"):
        check.check(content())
    double.allow("S3")
    check.check(content())
    double.refuse("S3", code, status=status)
    check.check(content())  # what was good is not asked again


def test_a_bucket_that_is_missing_and_a_store_that_is_not_there(
    check: StoreCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = {"uri": "s3://missing/data", "name": "train"}
    with pytest.raises(RetryableError, match=r"NoSuchBucket.*; create the bucket, or correct its name"):
        check.check(content(channels=[channel]))
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    began = time.monotonic()
    with pytest.raises(RetryableError, match="Could not connect to the endpoint URL"):
        check.check(content(environment=nowhere))
    assert time.monotonic() - began < 60
    check.check(content(checkpoints="/here"))
