"""Which container engine is used, and how it is told what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpt.host import container_engine
from hpt.host.container_engine import (
    EngineError,
    find,
    is_gone,
    mount,
    network_apart,
    options,
    removal,
    resource_options,
)


def _install(folder: Path, *names: str) -> dict[str, str]:
    """Variables of a host that has these commands."""
    for name in names:
        (folder / name).write_text("#!/bin/sh\nexit 1\n")
        (folder / name).chmod(0o755)
    return {"PATH": str(folder)}


def test_podman_comes_before_docker_and_what_is_named_before_both(tmp_path: Path) -> None:
    variables = _install(tmp_path, "docker")
    assert find(variables) == [f"{tmp_path}/docker"]
    variables = _install(tmp_path, "podman", "nerdctl")
    assert find(variables) == [f"{tmp_path}/podman"]
    named = variables | {"HPT_CONTAINER_ENGINE": "nerdctl --namespace 'a b'"}
    assert find(named) == [f"{tmp_path}/nerdctl", "--namespace", "a b"]


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        (
            "",
            "no container engine is installed; install Podman or Docker, or name one in HPT_CONTAINER_ENGINE",
        ),
        (
            "absent --x",
            "HPT_CONTAINER_ENGINE names 'absent', which is not installed; install it or correct it",
        ),
        ("podman 'x", "HPT_CONTAINER_ENGINE is not a command (No closing quotation); correct its quotes"),
    ],
)
def test_without_an_engine_the_reason_is_told(tmp_path: Path, named: str, reason: str) -> None:
    variables = {"PATH": str(tmp_path), "HPT_CONTAINER_ENGINE": named}
    with pytest.raises(EngineError) as caught:
        find(variables)
    assert reason in str(caught.value)
    found = container_engine.cannot_run("me/train:1", variables)
    assert found is not None
    assert reason in found[0]


def test_options_are_words_of_a_shell() -> None:
    assert options({"HPT_CONTAINER_OPTIONS": "--env 'A=b c' --init"}) == ["--env", "A=b c", "--init"]
    with pytest.raises(EngineError, match="HPT_CONTAINER_OPTIONS are not options"):
        options({"HPT_CONTAINER_OPTIONS": '"'})


def test_an_engine_that_does_not_work_is_quoted(tmp_path: Path) -> None:
    engine = tmp_path / "docker"
    engine.write_text("#!/bin/sh\necho Cannot connect to the daemon >&2\nexit 1\n")
    engine.chmod(0o755)
    found = container_engine.cannot_run("me/train:1", {"PATH": str(tmp_path)})
    assert found == (
        f"{engine} does not work: Cannot connect to the daemon; correct its installation, "
        "HPT_CONTAINER_ENGINE or HPT_CONTAINER_OPTIONS",
        {},
    )


def test_mounts_are_lines_of_a_table() -> None:
    assert mount("/a", "/opt/ml", writable=True) == "type=bind,source=/a,target=/opt/ml"
    assert mount('/a "b", c', "/x", writable=False) == 'type=bind,"source=/a ""b"", c",target=/x,readonly'


def test_a_slot_has_its_memory_and_cores() -> None:
    slot = {"memory_bytes": 1 << 30, "cores": [0, 2], "gpus": []}
    words = ["--memory=1073741824", "--memory-swap=1073741824", "--cpuset-cpus=0,2"]
    assert resource_options(["podman"], slot) == words
    assert resource_options(["/usr/bin/docker"], {"gpus": []}) == []


def test_a_container_is_removed_at_once() -> None:
    podman = ["/usr/bin/podman", "--root=/x"]
    assert removal(podman, "hpt-1") == [*podman, "rm", "--force", "--volumes", "--time=0", "hpt-1"]
    assert removal(["docker"], "hpt-1") == ["docker", "rm", "--force", "--volumes", "hpt-1"]
    assert is_gone(1, "Error response from daemon: No such container: hpt-1")
    assert is_gone(125, "Error: inspecting object: no such container hpt-1")
    assert not is_gone(1, "Cannot connect to the daemon")
    assert not is_gone(0, "0123")


@pytest.mark.parametrize(
    ("given", "apart"),
    [
        ("--init --network=none", "--network=none"),
        ("--net none", "--net=none"),
        ("--network host", ""),
        ("", ""),
        ("'", ""),
    ],
)
def test_options_that_keep_containers_from_each_other(given: str, apart: str) -> None:
    assert network_apart({"HPT_CONTAINER_OPTIONS": given}) == apart
