"""Directories at paths of a program's own: as a superuser, as an ordinary user, and where it is forbidden."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hpt.host import namespace
from tests.prerequisites import needs, unprivileged

_SCRIPT = Path(namespace.__file__)
_ENTER = """
import importlib.util, os, sys
found = importlib.util.spec_from_file_location("namespace", sys.argv[1])
module = importlib.util.module_from_spec(found)
found.loader.exec_module(module)
paths = sys.argv[3:-1]
try:
    module.enter([(sys.argv[2], path) for path in paths])
except module.NamespaceError as error:
    print("refused:", error)
    sys.exit(3)
os.chdir("/")
os.execvp("sh", ["sh", "-c", sys.argv[-1], *paths])
"""


def _as_user() -> list[str]:
    """Words before a command that then runs as an ordinary user."""
    if os.geteuid() != 0:
        return []
    setpriv = needs("setpriv", "a superuser becomes an ordinary user by it")
    return [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups"]


@pytest.fixture(params=["superuser", "user"])
def words(request: pytest.FixtureRequest) -> list[str]:
    if request.param == "superuser" and os.geteuid() != 0:
        pytest.skip("these tests are not run by a superuser")
    return _as_user() if request.param == "user" else []


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory that anybody may enter and write to."""
    for above in (tmp_path, *tmp_path.parents):
        if above.stat().st_uid == os.geteuid() and above.name.startswith(("pytest", "popen", "test")):
            above.chmod(0o755)
    directory = tmp_path / "training"
    directory.mkdir()
    directory.chmod(0o777)
    (directory / "here").write_text("found\n")
    return directory


def _enter(words: list[str], place: Path, *paths: str, run: str) -> subprocess.CompletedProcess[str]:
    command = [*words, sys.executable, "-I", "-S", "-c", _ENTER, str(_SCRIPT), str(place), *paths, run]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def _or_skip(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode == 3 and "does not allow" in done.stdout:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout


def test_a_directory_is_at_a_path_that_does_not_exist_and_only_there(words: list[str], place: Path) -> None:
    beside = sorted({path.name for path in Path("/opt").glob("*")} - {"ml"})
    said = _or_skip(
        _enter(words, place, "/opt/ml", run="cat /opt/ml/here; echo model > /opt/ml/model; ls -A /opt")
    )
    first, *seen = said.splitlines()
    assert first == "found"
    assert sorted({*seen} - {"ml"}) == beside
    assert (place / "model").read_text() == "model\n"
    assert not Path("/opt/ml/here").exists()


def test_the_user_stays_who_it_is_and_has_no_new_rights(words: list[str], place: Path) -> None:
    own = subprocess.run(
        [*words, "sh", "-c", "id -u; id -g"], capture_output=True, text=True, check=True
    ).stdout
    said = _or_skip(_enter(words, place, "/opt/ml", run="id -u; id -g; touch /opt/ml/mine; mount | wc -l"))
    assert said.startswith(own)
    owner = (place / "mine").stat()
    assert [str(owner.st_uid), str(owner.st_gid)] == own.split()
    if words:
        rights = _enter(words, place, "/opt/ml", run="grep CapEff /proc/self/status; umount /opt/ml")
        assert rights.stdout.split() == ["CapEff:", "0000000000000000"]
        assert rights.returncode != 0


def test_what_is_covered_is_all_there(words: list[str], place: Path, tmp_path: Path) -> None:
    above = tmp_path / "system"
    (above / "folder").mkdir(parents=True)
    (above / "folder/file").write_text("in a folder\n")
    (above / "file").write_text("beside\n")
    (above / "link").symlink_to("file")
    (above / "broken").symlink_to("nowhere")
    os.mkfifo(above / "fifo")
    above.chmod(0o555)
    inside = f"{above}/deep/er"
    run = f"cd {above}; cat deep/er/here folder/file file link; ls -A; readlink broken; test -p fifo"
    said = _or_skip(_enter(words, place, inside, run=run)).splitlines()
    assert said[:4] == ["found", "in a folder", "beside", "beside"]
    shown = {*said[4:-1]}
    assert shown - {"deep"} == {"folder", "file", "link", "broken", "fifo"}
    assert said[-1] == "nowhere"
    if words:  # a superuser may make the folder, and does
        assert not (above / "deep").exists()
    above.chmod(0o755)


def test_a_folder_that_may_be_made_is_made_empty(words: list[str], place: Path, tmp_path: Path) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    path = f"{open_to_all}/a/b"
    said = _or_skip(_enter(words, place, path, "/opt/ml", run=f"cat {path}/here /opt/ml/here"))
    assert said == "found\nfound\n"
    assert list(Path(path).iterdir()) == []


def test_what_was_at_the_path_is_hidden_from_the_program_alone(
    words: list[str], place: Path, tmp_path: Path
) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "of another").write_text("")
    assert _or_skip(_enter(words, place, str(taken), run=f"ls {taken}")) == "here\n"
    assert [path.name for path in taken.iterdir()] == ["of another"]


def test_a_path_that_cannot_be_had_is_refused(words: list[str], place: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    crowd = tmp_path / "crowd"
    crowd.mkdir()
    for number in range(300):
        (crowd / str(number)).touch()
    crowd.chmod(0o555)
    cases = {str(file): "is no folder", f"{file}/below": "cannot be had: Not a directory"}
    if words:
        cases |= {f"{crowd}/x": "has 300 entries", "/no-such-folder": "this user may not make it"}
    for path, reason in cases.items():
        done = _enter(words, place, path, run="true")
        if "does not allow" in done.stdout:
            pytest.skip(done.stdout)
        assert (done.returncode, done.stdout.count(reason)) == (3, 1), done
        assert path.split("/")[1] in done.stdout


def test_a_system_that_forbids_it_is_told(place: Path) -> None:
    done = _enter(unprivileged(), place, "/opt/ml", run="true") if os.geteuid() == 0 else None
    if done is None:
        pytest.skip("an ordinary user may be allowed it")
    assert done.returncode == 3
    assert "the system does not allow" in done.stdout


def test_a_check_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "not/there"
    said = namespace.cannot_bind(str(path))
    assert said is None or "does not allow" in said
    assert not path.parent.exists()
    file = tmp_path / "file"
    file.write_text("")
    assert namespace.cannot_bind(str(file)) is not None
    assert stat.S_ISREG(file.stat().st_mode)
