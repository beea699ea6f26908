"""Options are checked before a job is stored."""

from __future__ import annotations

import importlib.util
import socket

import pytest

from hpt.errors import InputError, MissingDependencyError
from hpt.fleet import ray_options


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def test_ray_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"executor 'ray' needs hpt\[ray\], of which ray is not"):
        ray_options.check({})


@pytest.mark.parametrize("lease", ["0", "3601", "soon", "nan", ""])
def test_a_lease_is_a_number_of_seconds(lease: str) -> None:
    with pytest.raises(InputError, match="is no number of seconds from 1 to 3600; give one"):
        ray_options.check({"lease": lease})


@pytest.mark.parametrize("address", ["here", "host:", ":1", "host:99999", "ray://host:1:x"])
def test_an_address_is_that_of_a_head(installed: None, address: str) -> None:
    with pytest.raises(InputError, match="is not that of a cluster's head; give HOST:PORT"):
        ray_options.check({"address": address})


def test_what_does_not_answer_is_no_cluster(installed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(InputError, match=f"no cluster is found at '{address}' .Connection refused."):
            ray_options.check({"address": address})
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(InputError, match="no cluster is found"):
            ray_options.check({})
        taken.listen()
        ray_options.check({"address": address, "lease": "60"})
