"""Snapshots of programs: taken whole or not at all, the same for the same content, never changed."""

from __future__ import annotations

import errno
import io
import os
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest

from hpt.errors import InputError, StorageError, StorageProblem
from hpt.executors import snapshot
from hpt.executors.selection import Limits
from hpt.executors.snapshot import Snapshot, Source, archive, changes, digest_of, look, read, take


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "project"
    (place / "package").mkdir(parents=True)
    (place / "train.py").write_text("import package.module\n")
    (place / "package" / "module.py").write_text("x = 1\n")
    (place / "run.sh").write_text("#!/bin/sh\n")
    (place / "run.sh").chmod(0o755)
    (place / "alias.py").symlink_to("train.py")
    return place


def source(folder: Path, **options: Any) -> Source:
    return Source(str(folder), "train.py", **{"declared": False, **options})


def test_a_snapshot_holds_the_files_read_only(folder: Path, tmp_path: Path) -> None:
    taken = take(source(folder), tmp_path / "program")
    assert taken.directory == tmp_path / "program" / taken.digest
    files = taken.directory / "files"
    assert sorted(str(path.relative_to(files)) for path in files.rglob("*")) == [
        *("alias.py", "package", "package/module.py", "run.sh", "train.py")
    ]
    assert (files / "alias.py").readlink() == Path("train.py")
    assert {path.stat().st_mode & 0o222 for path in files.rglob("*.*")} == {0}
    assert read(taken.directory) == Snapshot(
        taken.directory, taken.manifest | {"links": [["alias.py", "train.py"]]}
    )
    assert taken.digest == digest_of(taken.manifest) == look(source(folder))["digest"]
    assert taken.size == sum(
        len((files / name).read_bytes()) for name in ("train.py", "package/module.py", "run.sh")
    )
    assert [path.name for path in (tmp_path / "program").iterdir()] == [taken.digest]


def test_the_digest_is_that_of_names_contents_modes_and_links(folder: Path, tmp_path: Path) -> None:
    first = look(source(folder))
    os.utime(folder / "train.py", (1, 1))
    (folder / "train.py").chmod(0o600)
    assert look(source(folder))["digest"] == first["digest"]
    for change in (
        lambda: (folder / "package" / "module.py").write_text("x = 2\n"),
        lambda: (folder / "train.py").chmod(0o755),
        lambda: (folder / "new").mkdir(),
        lambda: (folder / "run.sh").rename(folder / "runs.sh"),
        lambda: ((folder / "alias.py").unlink(), (folder / "alias.py").symlink_to("runs.sh")),
    ):
        before = look(source(folder))
        change()
        after = look(source(folder))
        assert after["digest"] != before["digest"]
        assert changes(before, after)
    assert changes(before, after) == ["alias.py"]
    assert changes(after, after) == []


def test_the_same_content_elsewhere_is_the_same_archive(folder: Path, tmp_path: Path) -> None:
    (folder / "caf\udce9").write_text("a name that is no UTF-8")
    other = tmp_path / "elsewhere"
    other.mkdir()
    for path in sorted(folder.rglob("*"), reverse=True):  # other times, another order, other modes
        target = other / path.relative_to(folder)
        if path.is_dir():
            target.mkdir(exist_ok=True)
            continue
        target.parent.mkdir(exist_ok=True)
        if path.is_symlink():
            target.symlink_to(path.readlink())
        else:
            target.write_bytes(path.read_bytes())
            target.chmod(0o700 if path.name == "run.sh" else 0o600)
    archives = []
    for number, place in enumerate((folder, other)):
        taken = take(source(place), tmp_path / "program")
        target = tmp_path / f"{number}.tar.gz"
        archive(taken, target)
        archives.append((taken.digest, target.read_bytes()))
    assert archives[0] == archives[1]
    unpacked = take(Source(str(tmp_path / "0.tar.gz"), "train.py", declared=True), tmp_path / "unpacked")
    assert unpacked.digest == archives[0][0]


def test_an_archive_of_a_damaged_snapshot_is_an_error(folder: Path, tmp_path: Path) -> None:
    taken = take(source(folder), tmp_path / "program")
    (taken.directory / "files" / "train.py").unlink()
    with pytest.raises(snapshot.SnapshotError, match=r"train\.py is missing"):
        archive(taken, tmp_path / "a.tar.gz")


def test_what_a_killed_process_left_is_removed_in_the_end(folder: Path, tmp_path: Path) -> None:
    for name in (".old", ".new"):
        (tmp_path / "program" / name / "files").mkdir(parents=True)
    os.utime(tmp_path / "program" / ".old", (1, 1))
    taken = take(source(folder), tmp_path / "program")
    assert {path.name for path in (tmp_path / "program").iterdir()} == {".new", taken.digest}


def test_a_damaged_snapshot_is_taken_anew(folder: Path, tmp_path: Path) -> None:
    taken = take(source(folder), tmp_path / "program")
    assert take(source(folder), tmp_path / "program").directory == taken.directory
    (taken.directory / "files" / "train.py").unlink()
    assert not snapshot.is_whole(taken.directory)
    take(source(folder), tmp_path / "program")
    assert snapshot.is_whole(taken.directory)


def test_an_archive_as_source_is_taken_whole(folder: Path, tmp_path: Path) -> None:
    (folder / ".hidden").write_text("")
    packed = tmp_path / "source.tar.gz"
    with tarfile.open(packed, "w:gz") as tar:
        tar.add(folder, ".")
    taken = take(Source(str(packed), "train.py", declared=True), tmp_path / "program")
    assert [row[0] for row in taken.manifest["files"]] == [
        *(".hidden", "package/module.py", "run.sh", "train.py")
    ]
    assert taken.manifest["source"] == str(packed)


def test_an_archive_of_many_deep_files_is_taken_whole(tmp_path: Path) -> None:
    packed = tmp_path / "source.tar.gz"
    names = [
        "train.py",
        "/".join(["d"] * 100) + "/x",
        *(f"folder{number % 3}/{number}" for number in range(60)),
    ]
    with tarfile.open(packed, "w:gz") as tar:
        for name in names:
            tar.addfile(tarfile.TarInfo(name))
    source = Source(str(packed), "train.py", declared=True, limits=Limits(entries=5))
    manifest = take(source, tmp_path / "program").manifest
    assert sorted(row[0] for row in manifest["files"]) == sorted(names)
    assert (manifest["shared"], manifest["left_out"]) == ([], [])


@pytest.mark.parametrize("kind", ["climbing", "damaged", "without the program", "empty", "absent", "a pipe"])
def test_a_source_that_cannot_be_taken_is_refused(tmp_path: Path, kind: str) -> None:
    packed = tmp_path / "source.tar.gz"
    if kind == "climbing":
        with tarfile.open(packed, "w:gz") as tar:
            entry = tarfile.TarInfo("../../escaped")
            entry.size = 2
            tar.addfile(entry, io.BytesIO(b"hi"))
    elif kind == "without the program":
        with tarfile.open(packed, "w:gz"):
            pass
    elif kind == "a pipe":
        os.mkfifo(packed)
    elif kind != "absent":
        packed.write_bytes(b"" if kind == "empty" else b"not an archive")
    with pytest.raises(InputError, match="no snapshot of the program can be taken"):
        take(Source(str(packed), "train.py", declared=True), tmp_path / "job" / "program")
    assert not list(tmp_path.rglob("escaped"))
    assert not (tmp_path / "job").exists()


def test_a_folder_that_changes_meanwhile_is_read_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = []
    true = snapshot._copy_all

    def meddling(*arguments: Any) -> Any:
        rounds.append(None)
        found = true(*arguments)
        if len(rounds) <= times:
            (folder / "train.py").write_text("#" * len(rounds))
        return found

    monkeypatch.setattr(snapshot, "_copy_all", meddling)
    times = 1
    taken = take(source(folder), tmp_path / "program")
    assert (taken.directory / "files" / "train.py").read_text() == "#"
    assert (len(rounds), taken.manifest["changing"]) == (2, False)
    rounds.clear()
    times = 9
    taken = take(source(folder), tmp_path / "program")
    assert (len(rounds), taken.manifest["changing"]) == (3, True)
    assert snapshot.is_whole(taken.directory)


def test_a_log_that_grows_has_an_end(folder: Path, tmp_path: Path) -> None:
    ended = threading.Event()

    def write() -> None:
        with (folder / "log").open("a") as file:
            while not ended.is_set():
                file.write("x" * 100)
                file.flush()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        taken = take(source(folder), tmp_path / "program")
    finally:
        ended.set()
        writer.join()
    assert snapshot.is_whole(taken.directory)


def test_files_that_vanish_or_cannot_be_read_after_all_are_said(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = os.open

    def refuse(path: Any, *rest: Any, **options: Any) -> int:
        if str(path) == f"{folder}/run.sh":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return true(path, *rest, **options)

    monkeypatch.setattr(os, "open", refuse)
    taken = take(source(folder), tmp_path / "program")
    assert taken.manifest["left_out"] == [["run.sh", "Input/output error"]]
    assert snapshot.unreadable(taken.manifest) == [("run.sh", "Input/output error")]


def test_a_program_that_cannot_be_read_after_all_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = os.open

    def refuse(path: Any, *rest: Any, **options: Any) -> int:
        if str(path) == f"{folder}/train.py":
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        return true(path, *rest, **options)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(InputError, match=r"train\.py cannot be read: Permission denied"):
        take(source(folder), tmp_path / "job" / "program")
    assert not (tmp_path / "job").exists()


def test_a_full_disk_leaves_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(StorageError, match="could not be written") as raised:
        take(source(folder), tmp_path / "job" / "program")
    assert raised.value.problem is StorageProblem.FULL
    assert not (tmp_path / "job").exists()


def test_a_large_snapshot_is_synced_in_one_call(folder: Path, tmp_path: Path) -> None:
    for number in range(200):
        (folder / f"m{number}.py").write_text("")
    assert len(take(source(folder), tmp_path / "program").manifest["files"]) == 203


def test_shared_files_belong_to_the_digest_and_not_to_the_archive(folder: Path, tmp_path: Path) -> None:
    first = take(source(folder, shared=[str(folder / "run.sh")]), tmp_path / "program")
    assert first.digest != take(source(folder), tmp_path / "program").digest
    archive(first, tmp_path / "a.tar.gz")
    with tarfile.open(tmp_path / "a.tar.gz") as tar:
        assert tar.getnames() == ["alias.py", "package", "package/module.py", "train.py"]
