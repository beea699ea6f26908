"""Every exception `hpt` raises on purpose, sorted by what the caller does next.

HptError
├── fix the input; nothing was changed
│   InputError (ValueError)
│   ├── ValidationError             a job request broke rules; `.violations` lists each one
│   ├── StateDirectoryError         jobs cannot be kept at `.path`
│   ├── UnknownTrialError           no trial has the number `.number`
│   ├── TrialStateError             trial `.number` is not in a state that allows the call
│   ├── JobNotFoundError            no tuning job is named `.name` in `.root`
│   └── JobExistsError              `.name` is taken in `.root`; resume that job, or choose another name
├── fix the environment and retry
│   RetryableError
│   ├── BusyError                   others have the GPUs or cores that a training job is to get
│   ├── StorageError                the state at `.path` could not be written or read; `.problem` says why
│   └── ExecutorError               a training program could not be started or reached
├── retry when the other process has ended
│   JobOwnedError                   the living process `.pid` runs the job `.name`
├── fix what is tuned
│   NoTrialSucceededError (RuntimeError)    the job `.name` ended without a usable value; see `.result`
└── give up
    LeaseLostError                  another process took the job `.name` over
    DependencyError                 the library `.library` is missing or unsuitable
    MissingDependencyError (ImportError)    libraries of the optional part `.extra` are not installed
NotPositiveDefiniteError (HptError, ArithmeticError)    a covariance could not be factored

Errors carry facts as attributes. Their messages give the value, the rule and the fix in terms of the library.
The command adds what the user can type, the service adds the error code.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    """One broken rule of a description of a job.

    `code` is the service's error code (`ValidationException`, `ResourceInUse`, ...), `path` the offending
    part as its author calls it: a member of a request
    (`HyperParameterTuningJobConfig.ResourceLimits.MaxParallelTrainingJobs`), an argument of `tuning_job`
    (`max_parallel_jobs`), a field of a `JobConfig` (`limits.max_parallel_jobs`); `rule` the identifier of the
    rule (`shape`, `V12`, `unsupported`), `message` the value, the rule and the fix, in which places are
    spelled as the request spells them.

    facts: further facts for a user of this machine: `tried`, the path that was checked; `extra`, the optional
    part of `hpt` that is not installed.
    """

    code: str
    path: str
    rule: str
    message: str
    facts: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class ValidationError(InputError):
    """A description of a job broke one or more rules; nothing was stored and nothing started.

    The message has the first violations and the number of the others.
    """

    def __init__(self, violations: Iterable[Violation], more: int = 0) -> None:
        """more: how many violations there are beyond `violations`."""
        self.violations: tuple[Violation, ...] = tuple(violations)
        self.more = more
        super().__init__(self.message_with(str))

    def message_with(self, spell: Callable[[Violation], str]) -> str:
        """The message with every violation as `spell` writes it."""
        count = len(self.violations) + self.more
        shown = self.violations[:MOST_VIOLATIONS]
        lines = [f"{count} validation error{'s' if count != 1 else ''}"]
        lines += [f"  {shortened(spell(violation))}" for violation in shown]
        if count > len(shown):
            lines.append(f"  and {count - len(shown)} more")
        return "\n".join(lines)


MOST_VIOLATIONS = 20
"""A message shows so many."""


def shortened(message: str) -> str:
    """The message of one violation, which may quote a value of any length."""
    return message if len(message) <= 2000 else f"{message[:2000]}..."


class StateDirectoryError(InputError):
    """The state directory cannot be used.

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

    name: as requested. root: the state directory that was searched, "" if none.
    """

    def __init__(self, message: str, *, name: str = "", root: str = "") -> None:
        super().__init__(message)
        self.name, self.root = name, root


class JobExistsError(InputError):
    """The name of the tuning job is taken (names are compared without regard to case).

    Parameters
    ----------
    message
        The message.
    name
        The name of the stored job.
    root
        The state directory of the stored job, "" if none.
    unfinished
        Whether the stored job can be resumed.
    differences
        The differences between the two descriptions, one string for each member, if they were compared.
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
    """The environment failed, not the input; the same call may succeed later."""


class BusyError(RetryableError):
    """Others have the GPUs or cores that a training job is to get; nothing of it was started."""


class StorageProblem(StrEnum):
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

    The message is `what: path: reason; fix`. Only `what` is required.

    Parameters
    ----------
    what
        The operation that failed, without a path.
    path
        The file or directory, "" if none.
    reason
        The reason that the system gives.
    fix
        How to fix it.
    problem
        The kind of problem.
    name, root
        The stored job that can be resumed after the fix, and its state directory, if known.
    """

    def __init__(
        self,
        what: str,
        *,
        path: str = "",
        reason: str = "",
        fix: str = "",
        problem: StorageProblem = StorageProblem.OTHER,
        name: str = "",
        root: str = "",
    ) -> None:
        self.what, self.path, self.reason, self.fix = what, path, reason, fix
        self.problem, self.name, self.root = problem, name, root
        super().__init__(self.message_with(fix))

    def at(self, path: str) -> StorageError:
        """The same error for the file `path`, which then starts the message."""
        facts = {"reason": self.reason, "fix": self.fix, "name": self.name, "root": self.root}
        error = StorageError(self.what, path=path, problem=self.problem, **facts)
        error.args = (f"{path}: {self}",)
        return error

    def message_with(self, fix: str) -> str:
        """The message with another fix."""
        head = ": ".join(part for part in (self.what, self.path, self.reason) if part)
        return f"{head}; {fix}" if fix else head


class ExecutorError(RetryableError):
    """A training program could not be started, stopped or observed."""


class JobOwnedError(HptError):
    """Another living process runs this tuning job.

    Parameters
    ----------
    message
        The message.
    pid
        The ID of that process, in its own PID namespace.
    name
        The name of the job.
    root
        The state directory of the job, "" if none.
    reachable
        Whether this process can request that the other one stops the job.
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


class NoTrialSucceededError(HptError, RuntimeError):
    """A tuning job has ended, and no trial of it has a usable value.

    Parameters
    ----------
    message
        The message.
    name
        The name of the job.
    status
        `Failed`, `Completed` or `Stopped`.
    failures
        How many trials ended without a usable value.
    reason
        The reason of the last of them, "" if there is none.
    traceback
        The last Python traceback among them, "" if no program left one. It is a note of the exception too,
        so that Python prints it where nobody catches this.
    result
        The `TuningResult` of the job.
    """

    def __init__(
        self,
        message: str,
        *,
        name: str = "",
        status: str = "",
        failures: int = 0,
        reason: str = "",
        traceback: str = "",
        result: Any = None,
    ) -> None:
        super().__init__(message)
        self.name, self.status, self.failures = name, status, failures
        self.reason, self.traceback, self.result = reason, traceback, result
        if traceback:
            self.add_note(f"The last traceback of a trial:\n{traceback}")


class DependencyError(HptError):
    """A required library is not installed or is unsuitable.

    library: its name. path: where it was found, "" if it was not.
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
        pip = f"{shlex.quote(sys.executable or 'python')} -m pip"  # of the Python environment that lacks them
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
