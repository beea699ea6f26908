"""What an executor of other machines is made for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpt.errors import InputError
from hpt.host.clock import SteadyClock

Say = Callable[[str], None]

CHOICE = "executor.json"
"""Which executor of other machines runs a job, in its directory; jobs that run on its own host have none."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What an executor of other machines is made for.

    root: the directory of this host below which it may keep what it needs to find its attempts again.
    outlive, clock, say: as `hpt.executors.factory.make_executor` takes them. options: what the user chose of
    it, by name; kept with the job, so that it goes on with the same. request: the job's, with all defaults.
    """

    root: Path
    outlive: bool
    clock: SteadyClock | None
    say: Say
    options: Mapping[str, str] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)

    def known(self, kind: str, *names: str) -> Mapping[str, str]:
        """The options, if these are the only ones. Raises InputError."""
        for name in self.options.keys() - set(names):
            raise InputError(f"executor {kind!r} has no option {name!r}; it has {', '.join(names) or 'none'}")
        return self.options
