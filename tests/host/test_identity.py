"""Processes are distinguished by boot, process id namespace, id and start time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hpt.host.identity import ProcessIdentity, boot_id, pid_namespace


def test_a_reused_process_id_is_another_process() -> None:
    me = ProcessIdentity.current()
    assert me.lives()
    assert ProcessIdentity.parse(str(me)) == me
    assert ProcessIdentity(me.boot, me.namespace, me.pid, me.start - 1).lives() is False
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    while Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z":
        time.sleep(0.001)
    start = int(Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()[19])
    assert ProcessIdentity(me.boot, me.namespace, pid, start).lives() is False  # a zombie
    os.waitpid(pid, 0)
    assert ProcessIdentity(me.boot, me.namespace, pid, start).lives() is False


def test_an_identity_goes_through_json() -> None:
    me = ProcessIdentity.current()
    assert ProcessIdentity.from_json(json.loads(json.dumps(me.to_json()))) == me
    assert hash(ProcessIdentity.parse(str(me))) == hash(me)
    older = {"boot_id": me.boot, "pid": me.pid, "start_time": me.start}  # of a version without namespaces
    assert ProcessIdentity.from_json(older) == me


def test_an_identity_of_another_boot_or_namespace_is_not_known() -> None:
    me = ProcessIdentity.current()
    assert (me.boot, me.namespace) == (boot_id(), pid_namespace())
    assert ProcessIdentity("another-boot", me.namespace, me.pid, me.start).lives() is None
    assert ProcessIdentity(me.boot, me.namespace + 1, me.pid, me.start).lives() is None


def test_another_container_does_not_confuse_its_own_process_with_this_one(tmp_path: Path) -> None:
    """In a namespace of its own the first process is pid 1, whatever has that id outside."""
    code = "from hpt.host.identity import ProcessIdentity; print(ProcessIdentity.current())"
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", code]
    try:
        made = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no unshare")
    if made.returncode:
        pytest.skip(f"a process id namespace takes root: {made.stderr.strip()}")
    inside = ProcessIdentity.parse(made.stdout.strip())
    assert inside.boot == boot_id()
    assert inside.namespace != pid_namespace()
    assert inside.lives() is None
