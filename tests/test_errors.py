"""What errors know besides their message."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from hpt import errors
from hpt.errors import HptError, StorageError, StorageProblem, Violation
from hpt.storage.base import Storage
from hpt.storage.memory import MemoryStorage
from hpt.storage.sqlite import SQLiteStorage

STORAGES: dict[str, Callable[[Path], Storage]] = {
    "sqlite": SQLiteStorage,
    "memory": lambda path: MemoryStorage(),
}


@pytest.mark.parametrize("kind", STORAGES)
def test_facts_about_stored_jobs(kind: str, tmp_path: Path) -> None:
    storage = STORAGES[kind](tmp_path)
    root = str(tmp_path) if kind == "sqlite" else ""
    storage.create("Job", {}, 1.0)
    with pytest.raises(errors.JobNotFoundError) as missing:
        storage.read("none")
    assert (missing.value.name, missing.value.root) == ("none", root)
    with pytest.raises(errors.JobExistsError) as taken:
        storage.create("JOB", {}, 1.0)
    assert (taken.value.name, taken.value.root, taken.value.differences) == ("Job", root, ())
    first = storage.acquire("job")
    with pytest.raises(errors.JobOwnedError) as owned:
        storage.acquire("job")
    facts = owned.value
    assert (facts.name, facts.root, facts.pid, facts.reachable) == ("job", root, os.getpid(), False)
    storage.release(first)
    storage.acquire("job")
    with pytest.raises(errors.LeaseLostError) as lost:
        storage.append(first, [], {})
    assert lost.value.name == "job"


def test_a_damaged_database_is_known_as_such(tmp_path: Path) -> None:
    storage = SQLiteStorage(tmp_path)
    storage.create("job", {}, 1.0)
    path = tmp_path / "job" / "job.sqlite"
    path.write_bytes(b"no database " * 500)
    with pytest.raises(StorageError) as raised:
        storage.read("job")
    error = raised.value
    assert (error.path, error.problem, error.name, error.root) == (
        str(path),
        StorageProblem.DAMAGED,
        "job",
        str(tmp_path),
    )
    assert str(error) == f"{error.what}: {path}: {error.reason}; {error.fix}"


MADE = [
    errors.InputError("no"),
    errors.ValidationError([Violation("code", "path", "rule", "message", {"tried": "/x"})]),
    errors.StateDirectoryError("/x", "is a file"),
    errors.UnknownTrialError("no", number=3),
    errors.JobNotFoundError("no", name="a", root="/x"),
    errors.JobExistsError("no", name="a", root="/x", differences=["b"]),
    StorageError(
        "no", path="/x", reason="full", fix="free it", problem=StorageProblem.FULL, name="a", root="/"
    ),
    errors.JobOwnedError("no", 7, name="a", reachable=True),
    errors.LeaseLostError("no", name="a"),
    errors.DependencyError("no", library="boto3"),
    errors.MissingDependencyError("hpt.tune", "jobs", ["boto3"]),
    errors.NotPositiveDefiniteError("no", 3, 0.1),
]


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_errors_travel_between_processes(error: HptError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error) and str(copy) == str(error) and copy.__dict__ == error.__dict__


def test_every_error_is_in_the_tree() -> None:
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, HptError):
            assert name in (errors.__doc__ or "")
