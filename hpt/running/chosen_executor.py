"""Which executor runs a stored job: it is chosen once, and the job goes on with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpt.errors import InputError, StorageError
from hpt.fleet.registry import CHECKS, REMOTE, kinds, place_notes
from hpt.fleet.setting import CHOICE
from hpt.host.private import make_directories, open_private
from hpt.job.config import JobConfig
from hpt.running.resources import resource_notes
from hpt.sagemaker.request.convert import to_request

Choice = tuple[str, Mapping[str, str]]
"""The name of an executor, and its options."""


def check_kind(kind: str) -> None:
    """Raises InputError where there is no such executor."""
    if kind not in kinds():
        raise InputError(f"executor {kind!r} is not known; use one of {', '.join(kinds())}")


def check_options(kind: str, options: Mapping[str, str]) -> None:
    """Raises HptError where an executor of other machines cannot be made with these options now."""
    if kind in CHECKS:
        CHECKS[kind](options)


def is_remote(kind: str) -> bool:
    """Whether it runs training jobs on other machines."""
    return kind in REMOTE


def keep(directory: Path, kind: str, options: Mapping[str, str]) -> None:
    """Record the choice for a job that is new, or whose options change. One of this host is not recorded."""
    if not is_remote(kind) or kept(directory) == (kind, options):
        return
    make_directories(directory)
    temporary = directory / f"{CHOICE}.tmp"
    with open(temporary, "w", encoding="utf-8", opener=open_private) as file:
        file.write(json.dumps({"version": 1, "executor": kind, "options": dict(options)}))
    temporary.rename(directory / CHOICE)


def kept(directory: Path) -> Choice | None:
    """What was recorded for a job; None if it runs on this host.

    Raises:
        StorageError: the record is damaged, or a newer hpt wrote it.
    """
    path = directory / CHOICE
    try:
        content = json.loads(path.read_bytes())
        if content["version"] == 1:
            return str(content["executor"]), {
                str(name): str(value) for name, value in content["options"].items()
            }
        reason, fix = "it was written by a newer hpt", "upgrade"
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        reason, fix = "it is damaged", "restore it from a backup, or start a new job"
    raise StorageError("which executor runs the job cannot be read", path=str(path), reason=reason, fix=fix)


def chosen(directory: Path, kind: str, options: Mapping[str, str]) -> Choice:
    """What runs a stored job, given what this session is to use: new options replace those of before. They
    are to be kept once an executor could be made with them.

    Raises:
        InputError: another executor began it.
    """
    found = kept(directory)
    if found is None:
        if is_remote(kind):
            raise InputError(f"the job runs on this host; it cannot go on with executor {kind!r}")
        return kind, options
    if is_remote(kind) and kind != found[0]:
        raise InputError(f"the job runs with executor {found[0]!r}; it cannot go on with {kind!r}")
    return found[0], {**found[1], **options}


def notes(choice: Choice, config: JobConfig, request: Mapping[str, Any] | None) -> list[str]:
    """Messages about where a job runs: what it needs there, and does not get. request: that it was read from.

    Raises:
        ValidationError: this host cannot run it. InputError: other machines cannot.
    """
    kind, options = choice
    if not is_remote(kind):
        return resource_notes(config)
    check_options(kind, options)
    return place_notes(kind, config, request or to_request(config), options)
