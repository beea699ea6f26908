"""What is made private is so whatever the umask, and shared exactly where a directory says so."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpt.host.private import close_to_others, make_directories, make_directory, open_private


@pytest.fixture(params=[0o000, 0o022, 0o002, 0o077, 0o777])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    former = os.umask(request.param)
    yield request.param
    os.umask(former)


def mode(path: Path) -> int:
    return path.lstat().st_mode & 0o7777


def make(path: Path, permissions: int) -> Path:
    path.mkdir()
    path.chmod(permissions)
    return path


@pytest.mark.parametrize("above", [0o755, 0o777, 0o2755, 0o2775, 0o770])
def test_files_and_directories_are_private(tmp_path: Path, umask: int, above: int) -> None:
    root = make(tmp_path / "root", above)
    make_directory(root / "a")
    make_directories(root / "a" / "b" / "c")
    with open(root / "a" / "b" / "file", "w", opener=open_private) as file:
        file.write("secret")
    assert [mode(root / name) for name in ("a", "a/b", "a/b/c")] == [0o700] * 3
    assert mode(root / "a" / "b" / "file") == 0o600
    assert mode(root) == above


@pytest.mark.parametrize(
    ("above", "directory", "content"), [(0o2770, 0o2770, 0o660), (0o2750, 0o2750, 0o640)]
)
def test_what_lies_in_a_shared_directory_is_shared(
    tmp_path: Path, umask: int, above: int, directory: int, content: int
) -> None:
    root = make(tmp_path / "root", above)
    make_directories(root / "a" / "b")
    os.close(open_private(root / "a" / "b" / "file", os.O_CREAT | os.O_WRONLY))
    assert [mode(root / name) for name in ("a", "a/b", "a/b/file")] == [directory, directory, content]


def test_a_file_of_an_earlier_version_becomes_private(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "file").chmod(0o644)
    os.close(open_private(tmp_path / "file", os.O_RDONLY))
    assert mode(tmp_path / "file") == 0o644
    os.close(open_private(tmp_path / "file", os.O_RDWR | os.O_CREAT))
    assert mode(tmp_path / "file") == 0o600


def test_closing(tmp_path: Path) -> None:
    for name, before, after in (("a", 0o775, 0o700), ("b", 0o2770, 0o2770), ("c", 0o2775, 0o2700)):
        assert close_to_others(str(make(tmp_path / name, before)))
        assert mode(tmp_path / name) == after
    (tmp_path / "script").touch(0o755)
    (tmp_path / "link").symlink_to(tmp_path / "script")
    assert close_to_others(str(tmp_path / "link"))
    before = mode(tmp_path / "script")
    assert close_to_others(str(tmp_path / "script"))
    assert mode(tmp_path / "script") == before & 0o700
    assert close_to_others(str(tmp_path / "missing"))


def test_something_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        make_directory(tmp_path / "file")
