"""Stored tuning jobs for a program in Python: their results, and their end."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from hpt.errors import HptError, InputError, JobNotFoundError
from hpt.running.dependencies import require_jobs
from hpt.running.result import TuningResult, stored_result

if TYPE_CHECKING:
    from hpt.running.session import Session
    from hpt.storage.sqlite import SQLiteStorage

MOST_NEAR = 3

SIMULATED = "hpt:simulated"
"""The tag of a stored job that was simulated; its value names the curves."""


def is_simulated(document: Mapping[str, Any]) -> bool:
    """Whether a stored document is that of a job which `hpt simulate` ran: its times are those of a clock
    that began at 0, and it has no logs and models.
    """
    tags = document.get("tags")
    return isinstance(tags, Mapping) and SIMULATED in tags


def load(name: str, state: str | os.PathLike[str] | None = None) -> TuningResult:
    """The result of a stored tuning job; of one that runs or was interrupted, how it stands now.

    Nothing is started or changed. A job without a usable value is no error here.

    name: in any case. state: the state directory; None: `$HPT_HOME`, else `~/.hpt`.

    Raises:
        JobNotFoundError: no job of that name is stored. StorageError: it cannot be read.
        MissingDependencyError: `hpt[jobs]` is not installed.
    """
    with _opened("hpt.load", name, state) as session:
        return stored_result(session, name)


def delete(name: str, state: str | os.PathLike[str] | None = None) -> None:
    """Delete a stored tuning job for good, with its logs and models. Jobs that began with its results keep
    them.

    name: in any case. state: the state directory; None: `$HPT_HOME`, else `~/.hpt`.

    Raises:
        JobNotFoundError: no job of that name is stored. JobOwnedError: a living process runs it.
        InputError: one of its training jobs still runs. Nothing was changed.
        MissingDependencyError: `hpt[jobs]` is not installed.
    """
    with _opened("hpt.delete", name, state) as session:
        session.delete(name)


def near_names(storage: SQLiteStorage, name: str) -> list[str]:
    """The names of stored jobs that look like `name`, the nearest first."""
    stored, wanted = storage.names(), name.lower()
    near = get_close_matches(wanted, stored, n=MOST_NEAR)
    if wanted:
        near += [each for each in stored if each not in near and each.startswith(wanted)]
    names = []
    for each in near[:MOST_NEAR]:
        with suppress(HptError):  # a directory without a job, or one that cannot be read
            names.append(storage.record(each).name)
    return names


@contextmanager
def _opened(what: str, name: object, state: str | os.PathLike[str] | None) -> Iterator[Session]:
    """The state directory; an error about an unknown name suggests those that look like it."""
    require_jobs(what)
    if not isinstance(name, str):
        raise InputError(f"{what} takes the name of a tuning job, not {name!r:.60}; give it as a string")
    from hpt.running.session import Session

    session = Session(state)
    try:
        yield session
    except JobNotFoundError as error:
        near = near_names(session.storage, error.name)
        if not near:
            raise
        message = f"{error}; did you mean {' or '.join(map(repr, near))}?"
        raise JobNotFoundError(message, name=error.name, root=error.root) from None
    finally:
        session.close()
