"""Every executor there is, by name: those of this host and those of other machines.

A new one for other machines is a file beside this one, a function below and a line in `REMOTE`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hpt.errors import InputError
from hpt.executors import factory
from hpt.executors.base import Executor
from hpt.executors.factory import Say
from hpt.host.clock import SteadyClock


@dataclass(frozen=True, slots=True)
class Setting:
    """What an executor of other machines is made for.

    root: the directory of this host below which it may keep what it needs to find its attempts again. outlive,
    clock, say: as `hpt.executors.factory.make_executor` takes them. options: what the user chose of it, by
    name; kept with the job, so that it goes on with the same.
    """

    root: Path
    outlive: bool
    clock: SteadyClock | None
    say: Say
    options: Mapping[str, str] = field(default_factory=dict)

    def known(self, kind: str, *names: str) -> Mapping[str, str]:
        """The options, if these are the only ones. Raises InputError."""
        for name in self.options.keys() - set(names):
            raise InputError(f"executor {kind!r} has no option {name!r}; it has {', '.join(names) or 'none'}")
        return self.options


REMOTE: dict[str, Callable[[Setting], Executor]] = {}
"""What makes an executor of each kind."""


def kinds() -> list[str]:
    """The names of all executors."""
    return [*factory.EXECUTORS, *REMOTE]


def make_executor(kind: str, setting: Setting) -> Executor:
    """The executor of a tuning job; nothing is submitted yet.

    Raises:
        InputError: there is no such kind, or it has no such option.
        MissingDependencyError: what it needs is not installed.
    """
    if kind in factory.EXECUTORS:
        setting.known(kind)
        return factory.make_executor(
            kind, setting.root, outlive=setting.outlive, clock=setting.clock, say=setting.say
        )
    if kind not in REMOTE:
        raise InputError(f"executor {kind!r} is not known; use one of {', '.join(kinds())}")
    return REMOTE[kind](setting)
