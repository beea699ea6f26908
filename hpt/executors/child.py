"""How a supervisor starts a process that cannot outlive it. Linux; standard library only."""

from __future__ import annotations

import ctypes
import errno
import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hpt.executors.container import Container

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_UNLIMITED = 10_000
"""Added to the error numbers of `limit`, on their way to the parent."""

_RESET = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
"""What is ignored stays so across exec: Python ignores SIGPIPE and SIGXFSZ, `nohup` and background jobs of a
script SIGHUP and SIGINT, and a parent of the tuner might ignore any other."""


class LaunchError(Exception):
    """The program could not be started; the message says why. `ours`: the reason is not the program's."""

    def __init__(self, message: str, *, ours: bool = False) -> None:
        super().__init__(message)
        self.ours = ours


class Program:
    """What becomes a process: a command and its working directory.

    container: in which the program runs that the command starts; `variables` is then the environment of the
    command itself.
    """

    def __init__(
        self,
        command: list[str],
        directory: str,
        container: Container | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.command, self.directory = command, directory
        self.container, self.variables = container, variables or {}


class IsolationError(Exception):
    """The program could not be given its own view of the file system; the message says why."""


def _prctl(option: int, value: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def become_subreaper() -> None:
    """Descendants whose parents ended become children of this process, so that none can slip away."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def launch(
    command: list[str],
    environment: Mapping[str, str],
    directory: str,
    output: int,
    *,
    limit: Callable[[], object] | None = None,
    binds: Sequence[tuple[str, str]] = (),
    instead: Callable[[], int | None] | None = None,
) -> int:
    """Start a command in a session of its own. The kernel kills it when this process dies.

    Parameters
    ----------
    command
        The program's path and its arguments.
    environment
        All of its environment variables.
    directory
        Its working directory.
    output
        An open file, or the end of a pipe, that receives standard output and standard error.
    limit
        Called in the new process first, to set its limits; it may raise OSError.
    binds
        Directories and files, and the paths at which the command alone finds them.
    instead
        Called in the new process in place of the command: what it returns is how that process ends, as an
        exit code or a signal, negative; None runs the command after all.

    Returns
    -------
    int
        The process id.

    Raises
    ------
    LaunchError
        It cannot be run.
    IsolationError
        The system does not allow the binds.
    """
    reading, writing = os.pipe()
    parent = os.getpid()
    try:
        pid = os.fork()
    except OSError as error:
        os.close(reading)
        os.close(writing)
        raise LaunchError(f"no process could be started: {error.strerror}", ours=True) from None
    if pid == 0:
        _become(command, environment, directory, output, parent, writing, limit, binds, instead)
    os.close(writing)
    with open(reading, "rb") as pipe:
        code = pipe.read()  # ends when exec closes the other end
    if code:
        os.waitpid(pid, 0)
        if not code.isdigit():
            raise IsolationError(code.decode(errors="replace"))
        number = int(code)
        if number >= _UNLIMITED:
            reason = os.strerror(number - _UNLIMITED)
            raise LaunchError(f"its cores and its memory limit cannot be set: {reason}", ours=True)
        ours = number in (errno.ENOMEM, errno.EAGAIN, errno.ENFILE, errno.EMFILE, errno.EIO)
        raise LaunchError(explain(command[0], number, directory), ours=ours)
    return pid


def _become(
    command: list[str],
    environment: Mapping[str, str],
    directory: str,
    output: int,
    parent: int,
    writing: int,
    limit: Callable[[], object] | None,
    binds: Sequence[tuple[str, str]],
    instead: Callable[[], int | None] | None,
) -> None:
    """The child's side, between fork and exec."""
    try:
        os.setsid()
        if limit is not None:
            try:
                limit()
            except OSError as error:
                os.write(writing, str(_UNLIMITED + (error.errno or 0)).encode())
                os._exit(127)
        if binds and (refusal := _isolate(binds)):  # first: a change of credentials undoes the next line
            os.write(writing, refusal.encode(errors="replace"))
            os._exit(127)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)  # the supervisor died before the kernel knew what to do about it
        for number in _RESET:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(directory)
        if instead is not None:
            os.close(writing)  # it has begun, as far as the parent waits for that
            if (code := instead()) is not None:
                _end(code)
        os.execve(command[0], [_bytes(word) for word in command], _variables(environment))
    except OSError as error:
        os.write(writing, str(error.errno).encode())
    except ValueError:  # a null byte or `=` where exec allows none
        os.write(writing, str(errno.EINVAL).encode())
    finally:
        os._exit(127)


def _end(code: int) -> None:
    """End this process with an exit code, or by a signal."""
    if code < 0:
        os.kill(os.getpid(), -code)
    os._exit(code & 0xFF)


def _isolate(binds: Sequence[tuple[str, str]]) -> str:
    from hpt.host.namespace import NamespaceError, enter  # most programs do without

    try:
        enter(binds)
    except NamespaceError as error:
        return str(error)
    return ""


def _bytes(string: str) -> bytes:
    """The string for the system: in the encoding of the locale, or in UTF-8 where that cannot express it."""
    try:
        return os.fsencode(string)
    except UnicodeEncodeError:
        return string.encode("utf-8", "surrogatepass")


def _variables(environment: Mapping[str, str]) -> dict[bytes, bytes]:
    return {_bytes(name): _bytes(value) for name, value in environment.items()}


def explain(program: str, number: int, directory: str) -> str:
    """Why exec failed, as a message for the user."""
    path = os.path.join(directory, program)
    if number == errno.ENOENT:
        if not os.path.exists(path):
            return f"the program {program} is not found"
        return f"the program {program} cannot run: its interpreter {_interpreter(path)} is not found"
    if number == errno.EACCES:
        if os.path.isdir(path):
            return f"the program {program} is a directory; name the file to run"
        if os.path.exists(path) and os.statvfs(path).f_flag & os.ST_NOEXEC:
            return (
                f"the program {program} cannot run: the file system of its copy in {directory} is mounted "
                "noexec; keep the state directory elsewhere"
            )
        if os.path.exists(path) and not os.access(path, os.X_OK):
            return f"the program {program} is not executable; make it so"
        return f"the program {program} cannot run: permission denied"
    if number == errno.ENOEXEC:
        return (
            f"the program {program} is not something this system can run; a script needs a first line"
            " like `#!/usr/bin/env bash`"
        )
    if number == errno.E2BIG:
        return f"the program {program} cannot run: hyperparameters and environment are too long to be passed"
    if number == errno.EINVAL:
        return f"the program {program} cannot run: its environment or arguments hold forbidden characters"
    return f"the program {program} cannot run: {os.strerror(number)}"


def _interpreter(path: str) -> str:
    try:
        with open(path, "rb") as file:
            first = file.readline(256)
    except OSError:
        return "(unreadable)"
    return first[2:].strip().decode(errors="replace") if first.startswith(b"#!") else "or dynamic loader"
