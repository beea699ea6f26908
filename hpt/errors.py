"""Every exception `hpt` raises on purpose, sorted by what the caller does next.

HptError
├── fix the input; nothing was changed
│   InputError (ValueError)
│   ├── ValidationError             a job request broke rules; `.violations` lists each one
│   ├── StateDirectoryError         jobs cannot be kept at `.path`
│   ├── UnknownTrialError           no trial has the number `.number`
│   ├── TrialStateError             trial `.number` is not in a state that allows the call
│   ├── JobNotFoundError            no tuning job is named `.name` in `.root`
│   └── JobExistsError              `.name` is taken in `.root`; go on with that job, or choose another name
├── retry, once the surroundings are fixed
│   RetryableError
│   ├── StorageError                the state at `.path` could not be written or read; `.trouble` says why
│   └── ExecutorError               a training program could not be started or reached
├── retry, when the other process is done
│   JobOwnedError                   the living process `.pid` runs the job `.name`
└── give up
    LeaseLostError                  another process took the job `.name` over
    DependencyError                 the library `.library` is missing, or is not what it should be
    MissingDependencyError (ImportError)    libraries of the optional part `.extra` are not installed
NotPositiveDefiniteError (HptError, ArithmeticError)    a covariance could not be factored

Errors carry facts as attributes. Their messages give the value, the rule and the fix in terms of the library
alone. What a person can type about it, a command adds; which code a client is answered with, a service knows.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class HptError(Exception):
    """Base of every deliberate exception of `hpt`. All of them can be pickled, facts included."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[HptError], args: tuple[object, ...], facts: Mapping[str, object]) -> HptError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


class InputError(HptError, ValueError):
    """The caller's input is wrong; the message gives the value, the rule and the fix."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule of a job request.

    `code` is the service's error code (`ValidationException`, `ResourceInUse`, ...), `path` the offending
    member in the request's own spelling
    (`HyperParameterTuningJobConfig.ResourceLimits.MaxParallelTrainingJobs`), `rule` the identifier of the
    rule (`shape`, `V12`, `unsupported`), `message` the value, the rule and the fix, in which places are
    spelled as the request spells them.

    facts: what else is known, for whoever can act on this machine: `tried`, the path that was looked at;
    `extra`, the optional part of `hpt` that is not installed.
    """

    code: str
    path: str
    rule: str
    message: str
    facts: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class ValidationError(InputError):
    """A request broke one or more rules; nothing was stored and nothing started."""

    def __init__(self, violations: Iterable[Violation]) -> None:
        self.violations: tuple[Violation, ...] = tuple(violations)
        count = len(self.violations)
        head = f"{count} validation error{'s' if count != 1 else ''}"
        super().__init__("\n".join([head, *(f"  {violation}" for violation in self.violations)]))


class StateDirectoryError(InputError):
    """The directory that is to hold the tuning jobs cannot be used.

    path: the directory. reason: what is wrong with it.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"the state directory {path} {reason}; name another")
        self.path, self.reason = path, reason


class UnknownTrialError(InputError):
    """No trial has that number. number: what was given for it."""

    def __init__(self, message: str, *, number: object = None) -> None:
        super().__init__(message)
        self.number = number


class TrialStateError(InputError):
    """The trial is not in a state that allows the call; nothing was changed. number: of the trial."""

    def __init__(self, message: str, *, number: int | None = None) -> None:
        super().__init__(message)
        self.number = number


class JobNotFoundError(InputError):
    """No tuning job of that name is stored.

    name: as it was asked for. root: the state directory that was searched, "" where there is none.
    """

    def __init__(self, message: str, *, name: str = "", root: str = "") -> None:
        super().__init__(message)
        self.name, self.root = name, root


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


class Trouble(StrEnum):
    """Why a state could not be written or read."""

    FULL = "full"
    WRITING = "writing"
    BUSY = "busy"
    FORBIDDEN = "forbidden"
    UNSAFE = "unsafe"
    DAMAGED = "damaged"
    NEWER = "newer"
    OTHER = "other"


class StorageError(RetryableError):
    """The state of a job could not be written or read.

    what: what could not be done, without a place. path: of the file or directory, "" where it is not one that
    matters. reason: the system's word on it. fix: what to do about it. trouble: the kind of the reason.
    name, root: the stored job that can go on once this is fixed, and its state directory, where known.

    The message is `what: path: reason; fix`, of which only `what` must be given.
    """

    def __init__(
        self,
        what: str,
        *,
        path: str = "",
        reason: str = "",
        fix: str = "",
        trouble: Trouble = Trouble.OTHER,
        name: str = "",
        root: str = "",
    ) -> None:
        self.what, self.path, self.reason, self.fix = what, path, reason, fix
        self.trouble, self.name, self.root = trouble, name, root
        super().__init__(self.told(fix))

    def at(self, path: str) -> StorageError:
        """The same about the file `path`, which then begins the message."""
        facts = {"reason": self.reason, "fix": self.fix, "name": self.name, "root": self.root}
        error = StorageError(self.what, path=path, trouble=self.trouble, **facts)
        error.args = (f"{path}: {self}",)
        return error

    def told(self, fix: str) -> str:
        """The message with another fix."""
        head = ": ".join(part for part in (self.what, self.path, self.reason) if part)
        return f"{head}; {fix}" if fix else head


class ExecutorError(RetryableError):
    """A training program could not be started, stopped or observed."""


class JobOwnedError(HptError):
    """Another living process runs this tuning job.

    pid: of that process, as it sees itself. name: of the job. root: the state directory that holds it, ""
    where there is none. reachable: whether the process can be asked, by this one, to stop the job.
    """

    def __init__(
        self, message: str, pid: int, *, name: str = "", root: str = "", reachable: bool = False
    ) -> None:
        super().__init__(message)
        self.pid, self.name, self.root, self.reachable = pid, name, root, reachable


class LeaseLostError(HptError):
    """Another process took the tuning job over; nothing further may be written. name: of the job."""

    def __init__(self, message: str, *, name: str = "") -> None:
        super().__init__(message)
        self.name = name


class DependencyError(HptError):
    """A library that the call needs is not installed, or lacks what is needed.

    library: its name. path: where it was found, "" if nowhere.
    """

    def __init__(self, message: str, *, library: str, path: str = "") -> None:
        super().__init__(message)
        self.library, self.path = library, path


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
