"""The scripts that machines run when they start."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hpt.errors import InputError
from hpt.fleet.ec2.config import read_fleet
from hpt.fleet.ec2.template import user_data
from tests.fleet.ec2.test_config import LEAST, changed

WHEEL = "hpt/0123/hpt-0.1.0-cp311-cp311-linux_x86_64.whl"


@pytest.mark.parametrize("role", ["head", "node"])
def test_a_script_is_valid_and_complete(role: str, tmp_path: Path) -> None:
    config = read_fleet(
        changed(nodes={**LEAST["nodes"], "setup": "dnf install -y git\necho '$HOME @NAME@'\n"})
    )
    script = tmp_path / "script.sh"
    script.write_text(user_data(role, config, WHEEL))
    checked = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    text = script.read_text()
    assert text.startswith("#!/bin/bash\n") and f"HPT_WHEEL='{WHEEL}'" in text
    assert f"hpt.fleet.ec2.{role} s3://bucket/search/ --work" in text
    assert ("echo '$HOME @NAME@'" in text) == (role == "node")  # as the user wrote it
    if (shellcheck := shutil.which("shellcheck")) is not None:
        subprocess.run([shellcheck, "-S", "warning", str(script)], check=True)


def test_the_setup_runs_as_it_is_written_and_a_failure_of_it_is_one(tmp_path: Path) -> None:
    """The part of the node's script that writes and runs it, with its folder in another place."""
    setup = f'x=1\nfalse || echo "it\'s $x \\$" > {tmp_path}/made\nfalse\ntouch {tmp_path}/beyond'
    text = user_data("node", read_fleet(changed(nodes={**LEAST["nodes"], "setup": setup})), WHEEL)
    part = text[text.index("cat > /opt/hpt/setup.sh") : text.index("cat > /etc/systemd")]
    done = subprocess.run(["bash", "-eu", "-c", part.replace("/opt/hpt", str(tmp_path))], check=False)
    assert done.returncode != 0
    assert (tmp_path / "made").read_text() == "it's 1 $\n" and not (tmp_path / "beyond").exists()


def test_a_machine_whose_setup_fails_says_why(tmp_path: Path) -> None:
    """With stand-ins for the two programs that it calls; whatever was printed, it is JSON."""
    text = user_data("node", read_fleet(changed()), WHEEL)
    part = text[text.index("say_failure() {") : text.index("# Whatever fails below")]
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, line in (("curl", "echo i-1"), ("aws", f'cat > {tmp_path}/said; echo "$@" > {tmp_path}/words')):
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    printed = 'ERROR: no "such"\tpackage \\n \x1b[31m ümlaut\n' * 40
    (tmp_path / "setup.log").write_text(printed)
    script = part.replace("/var/log/hpt-setup.log", f"{tmp_path}/setup.log") + "\nsay_failure 40\n"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={"PATH": f"{programs}:{os.environ['PATH']}", "HPT_PLACE": "s3://bucket/search/"},
        check=False,
    )
    assert done.returncode == 0
    problem = json.loads((tmp_path / "said").read_text())["problem"]
    assert problem.startswith("its setup failed in line 40: ") and "ERROR: no  such  package" in problem
    assert (tmp_path / "words").read_text() == "s3 cp - s3://bucket/search/nodes/i-1.json\n"


def test_machines_get_the_packages_of_the_first_head(tmp_path: Path) -> None:
    """With stand-ins for AWS's command, on a folder, and for pip."""
    programs, place, opt = (tmp_path / name for name in ("bin", "place", "opt"))
    (place / "hpt" / "0123").mkdir(parents=True)
    for folder in (programs, opt):
        folder.mkdir()
    copy = 'mkdir -p "$(dirname "$4")" && cp "$3" "$4"'
    pip = (
        f"case $1 in install) cat {opt}/constraints.txt >> {tmp_path}/used;; freeze) echo ray==2.60.0;; esac"
    )
    for name, line in (("aws", copy), ("pip", pip)):
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    for role in ("head", "node", "head"):
        text = user_data(role, read_fleet(changed()), WHEEL)
        part = text[text.index('if [ -n "$HPT_ENV') : text.index("# A secret that machines show")]
        if role == "head":
            part += text[text.index('if [ -z "$HPT_ENV') : text.index("if /opt/hpt/venv/bin/python -c")]
        part = part.replace("/opt/hpt/venv/bin/", "").replace("/opt/hpt", str(opt))
        words = ["bash", "-euo", "pipefail", "-c", part]
        variables = {
            "HPT_PLACE": f"{place}/",
            "HPT_WHEEL": WHEEL,
            "HPT_ENVIRONMENT": "",
            "HPT_PYTHON": "true",
        }
        path = f"{programs}:{os.environ['PATH']}"
        done = subprocess.run(words, env={"PATH": path, **variables}, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "used").read_text() == "ray==2.60.0\n" * 2  # not the first, which had none


def test_what_is_too_long_or_ends_the_setup_is_refused() -> None:
    ends = changed(nodes={**LEAST["nodes"], "setup": "a\nHPT_END_OF_SETUP\nb"})
    with pytest.raises(InputError, match="HPT_END_OF_SETUP"):
        user_data("node", read_fleet(ends), WHEEL)
