"""Options are checked before a job is stored."""

from __future__ import annotations

import importlib.util
import socket
import threading

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


@pytest.mark.parametrize("address", ["here", "host:", ":1", "host:99999", "ray://host:1:x", "local"])
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


def test_an_address_of_ray_client_is_told_from_one_of_a_head(installed: None) -> None:
    with pytest.raises(InputError, match=r"'ray://host:10001' has the form of Ray Client's.*give HOST:PORT"):
        ray_options.check({"address": "ray://host:10001"})


@pytest.mark.parametrize(
    ("greeting", "head"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", False),
        (b"SSH-2.0-OpenSSH_9.2\r\n", False),
        (bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)), True),  # SETTINGS, as gRPC begins
        (b"", True),  # a head that is busy may close
    ],
)
def test_a_port_of_something_else_is_no_cluster(installed: None, greeting: bytes, head: bool) -> None:
    """Such as the dashboard's. Ray itself would ask such a port for a minute and a half."""

    def serve(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(64)
            connection.sendall(greeting)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        server = threading.Thread(target=serve, args=(listening,))
        server.start()
        try:
            if head:
                ray_options.check({"address": address})
            else:
                with pytest.raises(
                    InputError, match=f"'{address}' is no head of a Ray cluster; give the port"
                ):
                    ray_options.check({"address": address})
        finally:
            server.join()
