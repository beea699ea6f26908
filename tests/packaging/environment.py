"""How the tests of this folder start commands: with nothing of their own environment but the path."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def start(*command: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, without variables that would lead it to this tree or these packages."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "HPT_", "VIRTUAL_ENV"))}
    environment |= variables
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """What a command that succeeds writes to standard output."""
    done = start(*command, cwd=cwd, **variables)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout
