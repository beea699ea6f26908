"""That a tuning job of a fleet is to go on which has ended, or was given up: a word left on S3 for its head.

again/NAME.json    removed once the head has taken it up, and what follows is copied
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from hpt.errors import InputError
from hpt.fleet.ec2.store import Store

PLACE = "again/"


@dataclass(frozen=True, slots=True)
class Again:
    """How it goes on: with the limits that it had, or larger ones; None: as before."""

    max_jobs: int | None = None
    max_runtime_seconds: float | None = None
    max_parallel_jobs: int | None = None

    @property
    def extends(self) -> bool:
        return self != Again()


def key_of(name: str) -> str:
    return f"{PLACE}{name}.json"


def leave(files: Store, name: str, again: Again) -> bool:
    """Leave the word; False if there is one already. Raises as `Store`."""
    return files.put(key_of(name), json.dumps({"version": 1, **asdict(again)}), new=True)


def read(files: Store, name: str) -> Again | None:
    """The word that was left; None if there is none any more.

    Raises:
        InputError: it is damaged, or a newer hpt left it.
    """
    document: Any = files.get_json(key_of(name))
    if document is None:
        return None
    try:
        if document.pop("version") == 1:
            return Again(**document)
    except (AttributeError, KeyError, TypeError):
        pass
    raise InputError(f"{files.uri}{key_of(name)} cannot be read; remove it, and ask again")
