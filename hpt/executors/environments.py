"""Environments with what the source of a program asks for, installed once for all training jobs.

    <state directory>/.environments/
        python-<digest>.json    what an interpreter says of itself
        <digest>.lock           held by who makes the environment, and by all it started
        <digest>/               the environment; whole once it holds `ready.json`
        <digest>/source/        a copy of the source, where it is what is installed

The digest is that of the requirements, of the interpreter and of the names and versions of its packages: on
top of these the requirements are installed, so that what is satisfied there is neither fetched nor copied.

Run as `python -m hpt.executors.environments CODE STORE INTERPRETER WHAT` by the supervisor of an attempt. The
last line with the word error that it prints says what went wrong.

Standard library only: the supervisor imports this for a source that has requirements.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sys

from hpt.executors import record
from hpt.host import requirements
from hpt.host.private import make_directories, open_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from hpt.host.interpreter import Interpreter

PLACE = ".environments"
"""The folder of environments, in the state directory."""

PROJECT = "setup.py"
"""A source that holds it is a project that is installed itself, as in the images of frameworks."""

READY = "ready.json"
CONDA_COMMANDS = ("micromamba", "mamba", "conda")

_NEW = "import sys, venv; venv.EnvBuilder(symlinks=True).create(sys.argv[1])"
_FORMAT = 1
_MOST_FILES = 20_000  # of a project, looked at for its digest
_PIECE = 1 << 20


def store(root: Path) -> Path:
    """The folder of environments of a state directory, or of a part of one: tuning jobs and training jobs by
    themselves share it.
    """
    from hpt.host import state_parts  # supervisors do without

    return state_parts.whole(root) / PLACE


class InstallError(Exception):
    """What a source needs cannot be installed; the message says why."""


def wanted(code: str, *, project: bool) -> str | None:
    """What is to be installed for a source: the name of a file at its top; None if nothing is.

    project: its entry point is run as a module of the project.
    """
    if project:
        return PROJECT
    return requirements.find(code)


def ready(store: str, code: str, python: str, what: str) -> str | None:
    """The interpreter of an environment that was made before; None if it is still to be made.

    Raises:
        RequirementsError: the requirements cannot be read.
    """
    facts = _remembered(store, python)
    if facts is None:
        return None
    directory = os.path.join(store, _digest(code, facts, what))
    return _python_of(directory) if os.path.exists(os.path.join(directory, READY)) else None


def make(store: str, code: str, python: str, what: str, variables: Mapping[str, str]) -> str:
    """Make the environment unless it is there, or another process makes it; returns its interpreter.

    Parameters
    ----------
    store
        The folder of environments.
    code
        The source.
    python
        The interpreter.
    what
        The file of the source that says what to install.
    variables
        The environment variables of what is run, among them the settings of pip.

    Returns
    -------
    str
        The path of the environment's interpreter.

    Raises
    ------
    InstallError, RequirementsError
        The user can fix it.
    InputError
        The interpreter does not work.
    OSError
        The disk is full, or worse.
    """
    from hpt.host.interpreter import inspect

    make_directories(store)
    facts = inspect(python)
    record.write_json(_facts_file(store, python), facts._asdict(), durable=False)
    directory = os.path.join(store, _digest(code, facts._asdict(), what))
    lock = open_private(f"{directory}.lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(os.path.join(directory, READY)):
            _remove(directory)  # of one that was killed
            try:
                _install(directory, code, facts, what, variables, lock)
            except BaseException:
                _remove(directory)
                raise
            record.write_json(os.path.join(directory, READY), {"version": _FORMAT, "python": python})
        return _python_of(directory)
    finally:
        os.close(lock)


def _remove(directory: str) -> None:
    if os.path.lexists(directory):
        import shutil

        shutil.rmtree(directory, ignore_errors=True)


def _python_of(directory: str) -> str:
    return os.path.join(directory, "bin", "python")


# -- installing ---------------------------------------------------------------------------------------------


def _install(
    directory: str, code: str, facts: Interpreter, what: str, variables: Mapping[str, str], lock: int
) -> None:
    environment = {name: value for name, value in variables.items() if name != "PYTHONPATH"}
    environment |= {"PIP_USER": "0"}  # else pip refuses to install into an environment
    environment |= {"PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    if what in requirements.CONDA:
        environment |= {"CONDA_ALWAYS_YES": "true", "MAMBA_ALWAYS_YES": "true"}  # options differ
        words = ["env", "create", "-q", "-p", directory, "-f", what]
        _run([_conda(environment), *words], code, environment, lock)
        if not os.path.exists(_python_of(directory)):
            raise InstallError(f"{what} installs no Python; add python to its dependencies")
        return
    _run([facts.path, "-c", _NEW, directory], code, environment, lock)
    _inherit(directory, facts)
    python = _python_of(directory)
    if _status([python, "-c", "import pip"], code, environment, lock) != 0:
        _run([python, "-m", "ensurepip"], code, environment, lock)
    arguments = []
    if what == PROJECT:
        arguments.append(".")
    if (listed := _requirements(code, what)) is not None:
        arguments += ["-r", listed]
    if _needs_source(code, what):
        import shutil

        place = os.path.join(directory, "source")
        shutil.copytree(code, place, symlinks=True, ignore_dangling_symlinks=True)
        code = place  # what is installed in place must stay when the training job is over
    _run([python, "-m", "pip", "install", *arguments], code, environment, lock)


def _inherit(directory: str, facts: Interpreter) -> None:
    """Show the environment the packages of the interpreter that it was made from, and its settings of pip."""
    pattern = os.path.join(directory, "lib")
    [version] = [name for name in os.listdir(pattern) if name.startswith("python")]
    lines = [f"import site; site.addsitedir({site!r})\n" for site in facts.sites]
    path = os.path.join(pattern, version, "site-packages", "hpt-interpreter.pth")
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(lines)
    settings = os.path.join(facts.prefix, "pip.conf")
    if os.path.isfile(settings):
        import shutil

        shutil.copy(settings, os.path.join(directory, "pip.conf"))


def _conda(environment: Mapping[str, str]) -> str:
    import shutil

    for name in CONDA_COMMANDS:
        if found := shutil.which(name, path=environment.get("PATH")):
            return found
    raise InstallError(NO_CONDA)


NO_CONDA = (
    f"environment.yml needs one of {', '.join(CONDA_COMMANDS)} on the PATH; install one, name an interpreter "
    "as HPT_PYTHON, or give a requirements.txt"
)


def _run(command: list[str], directory: str, environment: Mapping[str, str], lock: int) -> None:
    """Raises InstallError if it fails: without a message, since the command has printed one."""
    if _status(command, directory, environment, lock) != 0:
        raise InstallError


def _status(command: list[str], directory: str, environment: Mapping[str, str], lock: int) -> int:
    """The exit code of a command. It holds the lock while it runs, even if this process is killed."""
    import subprocess

    sys.stdout.flush()
    return subprocess.call(
        command, cwd=directory, env=dict(environment), stdin=subprocess.DEVNULL, pass_fds=(lock,)
    )


# -- the digest ---------------------------------------------------------------------------------------------


def _digest(code: str, facts: Mapping[str, Any], what: str) -> str:
    """What an environment depends on, as hexadecimal digits.

    Raises:
        RequirementsError: the requirements cannot be read.
    """
    parts: list[object] = [_FORMAT, what, facts["path"], facts["version"], _identity(facts["path"])]
    if what not in requirements.CONDA:
        parts += [_packages(site) for site in facts["sites"]]
    name = _requirements(code, what)
    if name is not None:
        files, local = requirements.read(code, name)
        parts += [[shown, hashlib.sha256(content).hexdigest()] for shown, content in files]
        parts += [list(_tree(path)) for path in local if not _is_below(path, code)]
    if _needs_source(code, what):
        parts.append(list(_contents(code)))
    return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _requirements(code: str, what: str) -> str | None:
    """The file of requirements to read; a project may have one or not."""
    if what != PROJECT:
        return what
    listed = requirements.REQUIREMENTS
    return listed if os.path.lexists(os.path.join(code, listed)) else None


def _needs_source(code: str, what: str) -> bool:
    """Whether something in the source itself is installed."""
    if what == PROJECT:
        return True
    if what in requirements.CONDA:
        return False
    return any(_is_below(path, code) for path in requirements.read(code, what)[1])


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)


def _packages(site: str) -> list[str]:
    try:
        names = os.listdir(site)
    except OSError:
        return []
    return sorted(name for name in names if name.endswith((".dist-info", ".egg-info", ".egg-link", ".pth")))


def _tree(path: str) -> Iterator[tuple[str, int, int]]:
    """Name, size and time of a file, or of the files below a folder, sorted."""
    if not os.path.isdir(path):
        found = os.stat(path) if os.path.exists(path) else None
        yield path, -1 if found is None else found.st_size, 0 if found is None else found.st_mtime_ns
        return
    for file in _files(path):
        found = os.lstat(file)
        yield file, found.st_size, found.st_mtime_ns


def _contents(folder: str) -> Iterator[tuple[str, str]]:
    """Name and digest of the files of a source, of which each training job has copies of its own."""
    for file in _files(folder):
        if os.path.isfile(file):
            digest = hashlib.sha256()
            with open(file, "rb") as opened:
                while piece := opened.read(_PIECE):
                    digest.update(piece)
            yield os.path.relpath(file, folder), digest.hexdigest()


def _files(folder: str) -> list[str]:
    found: list[str] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in ("__pycache__", ".git"))
        found += [os.path.join(place, name) for name in sorted(names)]
        if len(found) > _MOST_FILES:
            raise requirements.RequirementsError(
                f"{folder} holds more than {_MOST_FILES} files; name what to install by its version"
            )
    return found


def _identity(python: str) -> list[object]:
    """What changes when another interpreter is put in the place of one."""
    real = os.path.realpath(python)
    found = os.stat(real)
    marks: list[object] = [real, found.st_size, found.st_mtime_ns]
    try:
        mark = os.path.join(os.path.dirname(os.path.dirname(python)), "pyvenv.cfg")
        marks.append(os.stat(mark).st_mtime_ns)
    except OSError:
        marks.append(0)
    return marks


def _facts_file(store: str, python: str) -> str:
    digest = hashlib.sha256(json.dumps([python, _identity(python)]).encode("utf-8", "surrogatepass"))
    return os.path.join(store, f"python-{digest.hexdigest()[:32]}.json")


def _remembered(store: str, python: str) -> dict[str, Any] | None:
    try:
        with open(_facts_file(store, python), encoding="utf-8") as file:
            facts = json.load(file)
        return facts if isinstance(facts, dict) and facts.keys() >= {"path", "version", "sites"} else None
    except (OSError, ValueError):
        return None


def main(code: str, store: str, python: str, what: str) -> int:
    """Make an environment; the exit code."""
    from hpt.errors import InputError

    try:
        make(store, code, python, what, os.environ)
    except (InstallError, requirements.RequirementsError, InputError) as error:
        if str(error):
            print(f"ERROR: {error}", flush=True)
        return 1
    except OSError as error:
        print(f"ERROR: {error.filename or store}: {error.strerror}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))
