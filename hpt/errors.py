"""Every exception `hpt` raises on purpose, sorted by what the caller does next.

HptError
├── InputError (ValueError)         fix the input; nothing was changed
│   ├── ValidationError             a job request broke rules; `.violations` lists each one
│   ├── UnknownTrialError           no trial has that number
│   ├── TrialStateError             the trial is not in a state that allows the call
│   ├── JobNotFoundError            no tuning job has that name
│   └── JobExistsError              the name is taken; choose another
├── RetryableError                  try again once the surroundings are mended
│   ├── StorageError                the state could not be written or read (full disk, permissions)
│   └── ExecutorError               a training program could not be started or reached
├── JobOwnedError                   another living process runs this job; `.pid` names it
├── LeaseLostError                  another process took this job over; give up
└── MissingDependencyError (ImportError)    libraries of the optional part `.extra` are not installed
NotPositiveDefiniteError (HptError, ArithmeticError)    a covariance could not be factored
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class HptError(Exception):
    """Base of every deliberate exception of `hpt`."""


class InputError(HptError, ValueError):
    """The caller's input is wrong; the message gives the value, the rule and the fix."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule of a job request.

    `code` is the service's error code (`ValidationException`, `ResourceInUse`, ...), `path` the offending
    member in the request's own spelling
    (`HyperParameterTuningJobConfig.ResourceLimits.MaxParallelTrainingJobs`), `rule` the identifier of the
    rule (`shape`, `V12`, `unsupported`), `message` the value, the rule and the fix.
    """

    code: str
    path: str
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class ValidationError(InputError):
    """A request broke one or more rules; nothing was stored and nothing started."""

    def __init__(self, violations: Iterable[Violation]) -> None:
        self.violations: tuple[Violation, ...] = tuple(violations)
        count = len(self.violations)
        head = f"{count} validation error{'s' if count != 1 else ''}"
        super().__init__("\n".join([head, *(f"  {violation}" for violation in self.violations)]))


class UnknownTrialError(InputError):
    """No trial has that number."""


class TrialStateError(InputError):
    """The trial is not in a state that allows the call; nothing was changed."""


class JobNotFoundError(InputError):
    """No tuning job of that name is stored."""


class JobExistsError(InputError):
    """The name of the tuning job is taken (names are compared without regard to case).

    name: that of the stored job. root: the state directory that holds it, "" where there is none.
    unfinished: whether it is known to be one that can go on. differences: what the two descriptions disagree
    on, one string a member, where they were compared.
    """

    def __init__(
        self,
        message: str,
        *,
        name: str = "",
        root: str = "",
        unfinished: bool = False,
        differences: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.name, self.root = name, root
        self.unfinished, self.differences = unfinished, tuple(differences)


class RetryableError(HptError):
    """The surroundings failed, not the input; the same call may succeed later."""


class StorageError(RetryableError):
    """The state of a job could not be written or read."""


class ExecutorError(RetryableError):
    """A training program could not be started, stopped or observed."""


class JobOwnedError(HptError):
    """Another living process runs this tuning job."""

    def __init__(self, message: str, pid: int) -> None:
        super().__init__(message)
        self.pid = pid


class LeaseLostError(HptError):
    """Another process took the tuning job over; nothing further may be written."""


class MissingDependencyError(HptError, ImportError):
    """An optional part of `hpt` is not installed.

    what: the command, function or module that needs it. extra: its name, `jobs` for `hpt[jobs]`. libraries:
    the distributions it lacks, by the names they are installed by.
    """

    def __init__(self, what: str, extra: str, libraries: Iterable[str]) -> None:
        self.what, self.extra, self.libraries = what, extra, tuple(libraries)
        pip = f"{shlex.quote(sys.executable or 'python')} -m pip"  # that of the environment which lacks them
        super().__init__(
            f"{what} needs hpt[{extra}], of which {', '.join(self.libraries)} "
            f"{'is' if len(self.libraries) == 1 else 'are'} not installed; run: {pip} install 'hpt[{extra}]'"
        )


class NotPositiveDefiniteError(HptError, ArithmeticError):
    """A covariance matrix could not be factored; `.order` is its failing minor, `.jitter` the most tried."""

    def __init__(self, message: str, order: int = 0, jitter: float = 0.0) -> None:
        super().__init__(message)
        self.order = order
        self.jitter = jitter
