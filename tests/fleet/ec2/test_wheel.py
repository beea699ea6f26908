"""The wheel that machines install is this very hpt."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from hpt.fleet.ec2.wheel import pack


def test_a_wheel_is_whole_the_same_each_time_and_runs(tmp_path: Path) -> None:
    packed = pack(tmp_path)
    content = packed.read_bytes()
    assert pack(tmp_path).read_bytes() == content
    version = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    assert packed.name.startswith("hpt-") and f"-{version}-{version}-linux_" in packed.name
    with zipfile.ZipFile(packed) as archive:
        names = archive.namelist()
        [record] = [name for name in names if name.endswith(".dist-info/RECORD")]
        rows = [row.split(",") for row in archive.read(record).decode().splitlines()]
        assert [row[0] for row in rows] == names
        for name, digest, size in rows[:-1]:
            data = archive.read(name)
            expected = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            assert digest == f"sha256={expected}" and int(size) == len(data)
        archive.extractall(tmp_path / "site")
    assert "hpt/fleet/ec2/scripts/node.sh" in names and not any("__pycache__" in name for name in names)
    script = "import hpt._core; from hpt.fleet.ec2 import template; print(hpt._core.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(str(tmp_path / "site"))
