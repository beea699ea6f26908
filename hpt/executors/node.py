"""What an attempt finds on the machine that runs it: its node. Nothing of it comes from the tuner's host."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_PACKAGES = Path(__file__).resolve().parents[2]  # the directory that holds the package `hpt`


def _library() -> str:
    return "" if _PACKAGES.name in ("site-packages", "dist-packages") else str(_PACKAGES)


@dataclass(frozen=True, slots=True)
class Node:
    """One machine, as its programs are to see it.

    interpreter: that of hpt there, which runs built-in algorithms, functions and transfers. library: the
    directory that holds the package `hpt`, "" where the interpreter finds it by itself. environment: what the
    environment of every program and helper begins with; credentials are part of it. elsewhere: its tuner is
    on another machine.
    """

    interpreter: str = field(default_factory=lambda: sys.executable)
    library: str = field(default_factory=_library)
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    elsewhere: bool = False

    @property
    def function_worker(self) -> tuple[str, ...]:
        """What runs a function. It finds `hpt` by itself, and leaves the environment as the user gave it."""
        return (self.interpreter, "-u", "-P", str(_PACKAGES / "hpt" / "functions" / "start.py"))
