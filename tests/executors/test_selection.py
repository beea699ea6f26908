"""What is copied of the folder that holds a program, what is shared, what is left out."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hpt.executors import selection
from hpt.executors.places import is_installed
from hpt.executors.selection import Limits, ProgramMissingError, Selection, select

SMALL = Limits(file=1000, total=5000, entries=20, common=6)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "project"
    place.mkdir()
    (place / "train.py").write_text("print(1)\n")
    return place


def write(place: Path, *names: str, size: int = 1) -> None:
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"x" * size)


def chosen(folder: Path, **options: Any) -> Selection:
    return select(str(folder), "train.py", **{"declared": False, "limits": SMALL, **options})


def files(found: Selection) -> list[str]:
    return [file.path for file in found.files]


def shared(found: Selection) -> dict[str, str]:
    return {each.path: each.target for each in found.shared}


def left_out(found: Selection) -> dict[str, str]:
    return {each.path: each.why for each in found.left_out}


def test_packages_and_data_beside_the_program_are_copied(folder: Path) -> None:
    write(folder, "package/__init__.py", "package/deep/module.py", "data/train.csv", "model.pkl", "B", "a b")
    (folder / "empty").mkdir()
    found = chosen(folder)
    assert files(found) == [
        *("B", "a b", "data/train.csv", "model.pkl", "package/__init__.py", "package/deep/module.py"),
        "train.py",
    ]
    assert found.folders == ["data", "empty", "package", "package/deep"]
    assert (found.shared, found.left_out, found.alone) == ([], [], "")


def test_hidden_files_caches_and_environments_are_left_out(folder: Path) -> None:
    write(folder, ".env", ".git/config", "__pycache__/a.pyc", "package/__pycache__/b.pyc", "package/m.py")
    write(folder, "venv/pyvenv.cfg", "venv/lib/a.py", "conda/conda-meta/history", "conda/bin/python")
    found = chosen(folder)
    assert files(found) == ["package/m.py", "train.py"]
    assert left_out(found) == {
        ".env": "ignored: .*",
        ".git": "ignored: .*",
        "__pycache__": "ignored: __pycache__/",
        "conda": "ignored: a virtual environment",
        "package/__pycache__": "ignored: __pycache__/",
        "venv": "ignored: a virtual environment",
    }


def test_an_ignore_file_leaves_out_and_takes_in_again(folder: Path) -> None:
    write(folder, ".env", "notes.txt", "keep.txt", "runs/1/log", "src/runs")
    (folder / ".hptignore").write_text("*.txt\n!keep.txt\n!.env\n/runs/\n*.py\n")
    assert files(chosen(folder)) == [".env", "keep.txt", "src/runs", "train.py"]  # the program: always


def test_an_ignore_file_that_is_a_pipe_or_no_text_does_not_matter(folder: Path) -> None:
    os.mkfifo(folder / ".hptignore")
    assert files(chosen(folder)) == ["train.py"]
    (folder / ".hptignore").unlink()
    (folder / ".hptignore").write_bytes(b"\xff\x00[\n")
    assert files(chosen(folder)) == ["train.py"]


def test_large_files_are_shared(folder: Path) -> None:
    write(folder, "data/large.bin", size=1001)
    write(folder, "data/small.bin", size=1000)
    found = chosen(folder)
    assert files(found) == ["data/small.bin", "train.py"]
    [large] = found.shared
    assert (large.path, large.target, large.size) == ("data/large.bin", f"{folder}/data/large.bin", 1001)


def test_a_large_program_is_copied_all_the_same(folder: Path) -> None:
    write(folder, "train.py", size=2000)
    assert files(chosen(folder)) == ["train.py"]


def test_a_folder_of_many_files_is_shared_whole(folder: Path) -> None:
    write(folder, *(f"images/{number}" for number in range(25)))
    write(folder, "helper.py")
    found = chosen(folder)
    assert files(found) == ["helper.py", "train.py"]
    assert shared(found) == {"images": f"{folder}/images"}


def test_folders_that_are_too_large_together_are_shared_largest_first(folder: Path) -> None:
    for name, count in (("a", 3), ("b", 9), ("c", 11)):
        write(folder, *(f"{name}/{number}" for number in range(count)))
    found = chosen(folder)
    assert shared(found) == {"c": f"{folder}/c"}
    assert len(files(found)) == 1 + 3 + 9
    write(folder, "heavy/x", "heavy/y", "heavy/z", size=900)
    write(folder, "heavier/x", "heavier/y", "heavier/z", size=950)
    assert set(shared(chosen(folder))) == {"c", "heavier"}


def test_a_forest_is_not_walked_to_its_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for tree in range(40):
        write(folder, *(f"{tree:02}/{number}" for number in range(15)))
    looked = []
    true = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: looked.append(path) or true(path))
    found = chosen(folder, limits=Limits(file=1000, total=5000, entries=50))
    assert len(looked) < 35
    assert len(found.files) + len(found.folders) + len(found.shared) <= 50
    assert len(found.shared) + len(found.folders) == 40


def test_among_too_many_files_the_program_is_taken_alone(folder: Path) -> None:
    write(folder, *(f"file-{number}" for number in range(10_000)))
    found = chosen(folder)
    assert (files(found), found.shared) == (["train.py"], [])
    assert found.alone == f"{folder} holds more than the 20 entries or 0 MiB that are copied"


def test_a_declared_source_of_too_many_files_is_shared(folder: Path) -> None:
    write(folder, *(f"file-{number}" for number in range(30)), "src/run.py", "src/other.py", ".hidden")
    found = select(str(folder), "src/run.py", declared=True, limits=SMALL)
    assert (files(found), found.folders) == (["src/run.py"], ["src"])
    assert len(found.shared) == 30 + 2  # train.py and src/other.py too
    assert shared(found)["src/other.py"] == f"{folder}/src/other.py"
    assert found.alone


def test_the_folder_of_the_program_is_never_shared(folder: Path) -> None:
    write(folder, "src/run.py", "src/helper.py", *(f"src/data/{number}" for number in range(30)))
    found = select(str(folder), "src/run.py", declared=True, limits=SMALL)
    assert files(found) == ["src/helper.py", "src/run.py", "train.py"]
    assert shared(found) == {"src/data": f"{folder}/src/data"}


def test_a_program_in_a_hidden_folder_of_its_source_is_taken(folder: Path) -> None:
    write(folder, ".jobs/run.py", ".jobs/helper.py")
    found = select(str(folder), ".jobs/run.py", declared=True, limits=SMALL)
    assert files(found) == [".jobs/helper.py", ".jobs/run.py", "train.py"]


def test_channels_are_shared_and_results_left_out(folder: Path) -> None:
    write(
        folder, "data/train.csv", "data/other.csv", "table.csv", "state/job/x", "results/y", "checkpoints/z"
    )
    found = chosen(
        folder,
        shared=[f"{folder}/data/train.csv", f"{folder}/table.csv", f"{folder}/absent"],
        excluded=[f"{folder}/state", f"{folder}/results/", f"{folder}/checkpoints", str(folder.parent)],
    )
    assert files(found) == ["data/other.csv", "train.py"]
    assert set(shared(found)) == {"data/train.csv", "table.csv"}
    assert set(left_out(found)) == {"state", "results", "checkpoints"}


def test_links_within_the_folder_stay_links(folder: Path) -> None:
    write(folder, "package/module.py")
    (folder / "alias.py").symlink_to("package/module.py")
    (folder / "package" / "up").symlink_to(folder)  # absolute, and to the folder itself
    (folder / "package" / "script").symlink_to("../train.py")
    (folder / "again").symlink_to(folder / "package")
    (folder / "twice").symlink_to("alias.py")
    assert chosen(folder).links == [
        ("again", "package"),
        ("alias.py", "package/module.py"),
        ("package/script", "../train.py"),
        ("package/up", ".."),
        ("twice", "package/module.py"),
    ]


def test_links_to_what_is_not_copied_lead_there_or_become_files(folder: Path) -> None:
    write(folder, ".hidden/small", "data/x")
    write(folder, "large", size=1001)
    (folder / "small").symlink_to(".hidden/small")
    (folder / "hidden").symlink_to(".hidden")
    (folder / "big").symlink_to("large")
    found = chosen(folder)
    assert files(found) == ["data/x", "small", "train.py"]
    assert shared(found) == {
        "big": f"{folder}/large",
        "hidden": f"{folder}/.hidden",
        "large": f"{folder}/large",
    }


def test_links_that_lead_outside_become_files_or_are_shared(folder: Path, tmp_path: Path) -> None:
    write(tmp_path, "outside/small", "outside/folder/x")
    write(tmp_path, "outside/large", size=1001)
    for name in ("small", "large", "folder"):
        (folder / name).symlink_to(f"../outside/{name}")
    (folder / "null").symlink_to("/dev/null")
    found = chosen(folder)
    assert files(found) == ["small", "train.py"]
    assert shared(found) == {
        "folder": f"{tmp_path}/outside/folder",
        "large": f"{tmp_path}/outside/large",
        "null": "/dev/null",
    }


def test_a_program_that_is_a_link_is_copied(folder: Path, tmp_path: Path) -> None:
    write(tmp_path, "elsewhere.py")
    (folder / "train.py").unlink()
    (folder / "train.py").symlink_to("../elsewhere.py")
    [program] = chosen(folder).files
    assert (program.path, program.origin) == ("train.py", f"{tmp_path}/elsewhere.py")


def test_what_is_no_file_is_left_out(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "broken").symlink_to("absent")
    (folder / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(folder / "socket"))
        found = chosen(folder)
    assert files(found) == ["train.py"]
    assert left_out(found) == {
        "broken": "it is a broken link, to absent",
        "loop": "it is a broken link, to loop",
        "pipe": "it is a FIFO",
        "socket": "it is a socket",
    }


def test_what_may_not_be_read_is_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, "secret", "closed/x")
    refuse(monkeypatch, folder / "secret", folder / "closed")
    found = chosen(folder)
    assert files(found) == ["train.py"]
    assert left_out(found) == {"closed": "it may not be read", "secret": "it may not be read"}
    refuse(monkeypatch, folder / "train.py")
    with pytest.raises(ProgramMissingError, match="may not be read; change its permissions"):
        chosen(folder)


def refuse(monkeypatch: pytest.MonkeyPatch, *paths: Path) -> None:
    """Have the system say that these may not be accessed, also to root."""
    true: Callable[..., bool] = os.access
    closed = {str(path) for path in paths}
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) not in closed and true(path, mode))


def test_modes_keep_what_others_may_do(folder: Path) -> None:
    write(folder, "private", "readonly", "run.sh", "set")
    for name, mode in (("private", 0o600), ("readonly", 0o444), ("run.sh", 0o755), ("set", 0o4711)):
        (folder / name).chmod(mode)
    modes = {file.path: stat.filemode(file.mode)[1:] for file in chosen(folder).files}
    assert modes["private"] == "rw-------"
    assert modes["readonly"] == "rw-r--r--"  # a training job may write its own
    assert modes["run.sh"] == "rwxr-xr-x"
    assert modes["set"] == "rwx--x--x"


def test_a_folder_of_more_than_one_project_has_its_subfolders_shared(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder))
    write(folder, "data/x", "other/y", "table.csv", ".bashrc")
    found = chosen(folder)
    assert files(found) == ["table.csv", "train.py"]
    assert set(shared(found)) == {"data", "other"}
    write(folder, "a", "b", "c", "d")
    found = chosen(folder)
    assert (files(found), found.shared) == (["train.py"], [])
    assert "more than the 6 entries" in found.alone
    assert len(files(chosen(folder, declared=True))) == 8  # the user named it


def test_the_top_of_the_file_system_is_not_walked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    looked: list[str] = []
    true = os.scandir

    def scandir(path: str) -> Any:
        looked.append(path)
        return true(path)

    monkeypatch.setattr(os, "scandir", scandir)
    name = os.path.relpath(__file__, "/")
    found = select("/", name, declared=False)
    assert name in files(found)
    assert not [path for path in looked if path.startswith(("/proc", "/sys", "/usr", "/etc", "/dev"))]


def test_a_missing_program_is_named(folder: Path) -> None:
    for entry, reason in (
        ("absent.py", "is not found"),
        ("package", "is a directory"),
        ("a/b", "is not found"),
    ):
        (folder / "package").mkdir(exist_ok=True)
        with pytest.raises(ProgramMissingError) as raised:
            select(str(folder), entry, declared=False)
        assert f"{folder}/{entry} {reason}" in str(raised.value)


def test_names_may_be_any_bytes(folder: Path) -> None:
    odd = os.fsdecode(b"caf\xe9\n\x1b[31m")
    (folder / odd).write_text("")
    assert odd in files(chosen(folder))


def test_a_deep_tree_is_shared_where_it_is_deep(folder: Path) -> None:
    deep = folder.joinpath(*(["d"] * 70))
    deep.mkdir(parents=True)
    found = chosen(folder, limits=Limits())
    assert [each.path for each in found.shared] == ["/".join(["d"] * 65)]


@pytest.fixture
def compiled(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "train"
    program.write_bytes(b"\x7fELF...")
    return program


def test_programs_of_the_system_and_of_environments_are_not_the_users_own(
    compiled: Path, tmp_path: Path, folder: Path
) -> None:
    for path in ("/bin/sh", "/usr/bin/env", "/usr/local/bin/train.py", "/nix/store/x/bin/python"):
        assert is_installed(path), path
    assert is_installed(str(compiled))
    script = compiled.with_name("train.sh")
    script.write_text("#!/bin/sh\n")
    assert not is_installed(str(script))
    (tmp_path / "pyvenv.cfg").write_text("")
    assert is_installed(str(script))
    for path in ("/opt/program/train", "/usr/src/app/train.py", "/app/train.py", str(folder / "train.py")):
        assert not is_installed(path), path


def test_limits_are_those_that_are_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "behaviour.md").read_text()
    limits = selection.LIMITS
    assert f"{limits.file >> 20} MiB" in page
    assert f"{limits.total >> 20} MiB" in page
    assert f"{limits.entries:,} entries" in page
