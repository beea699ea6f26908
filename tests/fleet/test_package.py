"""The tuner's hpt as it travels to other machines."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import hpt
from hpt.fleet.package import pack


def test_the_archive_holds_hpt_whole_and_its_name_says_what_is_in_it(tmp_path: Path) -> None:
    package = pack()
    assert pack() == package
    with tarfile.open(fileobj=io.BytesIO(package.archive)) as archive:
        archive.extractall(tmp_path, filter="data")
    here = {path.name for path in Path(hpt.__file__).parent.glob("*.so")}
    assert {path.name for path in (tmp_path / "hpt").glob("*.so")} == here
    assert not list(tmp_path.rglob("__pycache__"))
    code = "import hpt.fleet.ray_agent as it; print(it.__file__)"
    said = subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)},
                          capture_output=True, text=True, check=True).stdout  # fmt: skip
    assert said.strip() == str(tmp_path / "hpt/fleet/ray_agent.py")
    (tmp_path / "hpt" / "more.py").write_text("")
    assert pack(tmp_path / "hpt").digest != package.digest
