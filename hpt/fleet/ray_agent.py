"""The agent of a node as an actor of Ray, and what the node gives to programs: its own environment, as it was
where `ray start` was called, and nothing of Ray's workers.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from hpt.fleet.agent import ROOT_VARIABLE, Agent

_RAYLET = "raylet"


class RayAgent(Agent):
    """root: of the tuning job, below the node's own. name: of this agent, unlike that of any other node."""

    def __init__(self, root: str, name: str) -> None:
        environment = node_environment()
        top = environment.get(ROOT_VARIABLE) or f"/tmp/hpt-nodes-{os.geteuid()}"
        node = name.rpartition("/")[2]
        super().__init__(str(Path(top) / node[:16] / root), environment)


def node_environment() -> dict[str, str]:
    """That of the raylet, which has it of `ray start`, without what Ray adds."""
    inherited: Mapping[str, str] = _environment_of(os.getppid()) or os.environ
    return {
        name: value
        for name, value in inherited.items()
        if not name.startswith("RAY_") and not (name == "PYTHONBREAKPOINT" and value.startswith("ray"))
    }


def _environment_of(process: int) -> dict[str, str] | None:
    """The environment that a process began with; None unless it is a raylet's that can be read."""
    try:
        if Path(f"/proc/{process}/comm").read_text().strip() != _RAYLET:
            return None
        data = Path(f"/proc/{process}/environ").read_bytes()
    except OSError:
        return None
    pairs = (os.fsdecode(entry).partition("=") for entry in data.split(b"\0") if b"=" in entry)
    return {name: value for name, _, value in pairs}
