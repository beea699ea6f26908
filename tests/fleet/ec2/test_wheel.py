"""The wheel that machines install is this very hpt."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from hpt.errors import InputError
from hpt.fleet.ec2.wheel import check, own_tag, pack


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


@pytest.mark.parametrize(
    ("name", "python", "machine"),
    [
        ("hpt-0.1.0-cp311-cp311-linux_x86_64.whl", "python3.11", "x86_64"),
        ("hpt-0.1.0-cp312-cp312-manylinux_2_28_aarch64.whl", "/usr/bin/python3.12", "aarch64"),
        ("hpt-0.1.0-1-cp311-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "python3.13", "x86_64"),
        ("hpt-0.1.0-cp311-cp311-linux_x86_64.whl", "/opt/conda/bin/python", "x86_64"),  # it may be that one
        ("hpt-0.1.0-py3-none-any.whl", "python3.11", "x86_64"),
        (f"hpt-0-{own_tag()}.whl", f"python{sys.version_info[0]}.{sys.version_info[1]}", os.uname().machine),
    ],
)
def test_a_wheel_for_the_machines(name: str, python: str, machine: str) -> None:
    check(name, python, machine)


@pytest.mark.parametrize(
    ("name", "python", "message"),
    [
        ("hpt.whl", "python3.11", "is no name of a wheel"),
        ("hpt-0.1.0-cp312-cp312-linux_x86_64.whl", "python3.11", "write nodes.python = 'python3.12'"),
        ("hpt-0.1.0-cp312-abi3-linux_x86_64.whl", "python3.11", "is for python3.12"),
        (
            "hpt-0.1.0-cp311-cp311-macosx_14_0_arm64.whl",
            "python3.11",
            "machines of the fleet are Linux on x86_64",
        ),
        ("hpt-0.1.0-cp311-cp311-linux_aarch64.whl", "python3.11", "is for linux_aarch64"),
    ],
)
def test_a_wheel_that_machines_could_not_install_is_refused(name: str, python: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check(name, python, "x86_64")
