"""What `make` says to somebody who has just cloned the repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests import prerequisites

ROOT = Path(__file__).parent.parent.parent


def test_make_tune_says_how_long_the_build_takes_before_it_begins(tmp_path: Path) -> None:
    make = prerequisites.needs("make", "it runs the two commands of the README")
    done = subprocess.run(
        [make, "-n", "tune", f"VENV={tmp_path / 'venv'}"],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    said = next(i for i, line in enumerate(lines) if "about two minutes" in line)
    built = next(i for i, line in enumerate(lines) if "-m pip" in line)
    assert said < built
