"""A device is given to one training job at a time, and is free the moment that nothing of it lives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hpt.errors import ExecutorError
from hpt.executors.claims import UNITS, claim, runtime_directory

HOLDER = """
import sys, time
from hpt.executors.claims import claim
print(claim(sys.argv[1], "gpu-0") is not None, flush=True)
time.sleep(60)
"""


def test_another_process_sees_a_claim_until_its_holder_is_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    with holder:
        assert holder.stdout.readline() == "True\n"
        assert claim(str(tmp_path), "gpu-0") is None
        other = claim(str(tmp_path), "gpu-1")
        assert other is not None
        holder.send_signal(signal.SIGKILL)
    mine = claim(str(tmp_path), "gpu-0")
    assert mine is not None
    for fd in (mine, other):
        os.close(fd)


def test_a_claim_lasts_as_long_as_anybody_has_its_file_open(tmp_path: Path) -> None:
    fd = claim(str(tmp_path), "gpu-0")
    assert fd is not None
    heir = subprocess.Popen(["sleep", "60"], pass_fds=[fd])
    os.close(fd)
    assert claim(str(tmp_path), "gpu-0") is None
    heir.kill()
    heir.wait()
    again = claim(str(tmp_path), "gpu-0")
    assert again is not None
    os.close(again)


def test_parts_of_a_device_are_claimed_apart(tmp_path: Path) -> None:
    half = UNITS // 2
    first, second = (claim(str(tmp_path), "core-0", half, start) for start in (0, half))
    assert first is not None
    assert second is not None
    assert claim(str(tmp_path), "core-0", half, 0) is None
    assert claim(str(tmp_path), "core-0") is None
    os.close(first)
    assert claim(str(tmp_path), "core-0") is None
    os.close(second)
    whole = claim(str(tmp_path), "core-0")
    assert whole is not None
    os.close(whole)


def test_any_name_of_a_device_is_one_file(tmp_path: Path) -> None:
    fd = claim(str(tmp_path), "gpu-../../" + "x" * 400)
    assert fd is not None
    os.close(fd)
    [path] = tmp_path.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_directory_is_private_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPT_RUNTIME_DIR", str(tmp_path / "locks"))
    assert runtime_directory() == str(tmp_path / "locks")
    assert (tmp_path / "locks").stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").write_text("")
    for bad in (tmp_path / "file", tmp_path / "none" / "below"):
        monkeypatch.setenv("HPT_RUNTIME_DIR", str(bad))
        with pytest.raises(ExecutorError, match=r"cannot be made: .*; set HPT_RUNTIME_DIR to another"):
            runtime_directory()
    (tmp_path / "link").symlink_to(tmp_path / "locks")
    monkeypatch.setenv("HPT_RUNTIME_DIR", str(tmp_path / "link"))
    with pytest.raises(ExecutorError, match="belongs to another user"):
        runtime_directory()
