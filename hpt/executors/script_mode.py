"""How the entry point of script mode runs, as `sagemaker-training-toolkit` runs it.

- `*.sh`, and what is neither Python nor in a project: a command. Its first line names its interpreter, else
  it runs in `/bin/sh`.
- In a source with a `setup.py`: a module of that project, which is installed: `python -m NAME`.
- `*.py`: a script. The requirements of the source are installed.

What is installed lies in an environment of its own (`environments.py`), never in the user's.

Standard library only: the supervisor imports this for script mode.
"""

from __future__ import annotations

import os

from hpt.executors import contract, environments
from hpt.host.files import open_file
from hpt.host.requirements import CONDA, RequirementsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Any

INSTALL_LOG = "install.log"

COMMAND, PROJECT, SCRIPT = "command", "project", "script"

_HEAD = 512
_TAIL = 1 << 16
_LINE = 300


def kind_of(code: str, entry: str) -> str:
    """How an entry point of a source runs: as a command, as a module of a project, or as a script."""
    project = os.path.lexists(os.path.join(code, environments.PROJECT))
    return kind_of_names((environments.PROJECT,) if project else (), entry)


def kind_of_names(names: Collection[str], entry: str) -> str:
    """The same, given the names at the top of the source."""
    if entry.endswith(".sh"):
        return COMMAND
    if environments.PROJECT in names:
        return PROJECT
    return SCRIPT if entry.endswith(".py") else COMMAND


def command(code: str, entry: str, python: str) -> list[str]:
    """The command that runs an entry point.

    Raises:
        ContractError: it is not there, or cannot be run.
    """
    kind, path = kind_of(code, entry), os.path.join(code, entry)
    if kind == PROJECT:
        return [python, "-m", entry.removesuffix(".py").replace("/", ".")]
    if not os.path.lexists(path):
        raise contract.ContractError(
            f"the entry point {entry} is not found in the source; correct sagemaker_program"
        )
    if kind == SCRIPT:
        return [python, path]
    return _as_a_command(path, entry)


def _as_a_command(path: str, entry: str) -> list[str]:
    """As the kernel would run the file, and a shell what the kernel cannot; it need not be executable."""
    try:
        with open(open_file(path), "rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise contract.ContractError(f"the entry point {entry} cannot be read ({error.strerror})") from None
    if head.startswith(b"#!"):
        words = os.fsdecode(head[2:].partition(b"\n")[0]).strip().split(None, 1)
        if words:
            return [*words, path]
    if b"\0" in head:
        os.chmod(path, 0o755)  # a copy of this training job's own
        return [path]
    return ["/bin/sh", path]


def missing_environment(spec: Mapping[str, Any], code: str) -> tuple[str, str | None]:
    """What an attempt's source asks to be installed ("" if nothing), and the interpreter of the environment
    that holds it already.

    Raises:
        ContractError: the requirements cannot be read.
    """
    kind = kind_of(code, spec["entry"])
    what = None if kind == COMMAND else environments.wanted(code, project=kind == PROJECT)
    if what is None or (what in CONDA and spec["named_python"]):
        return "", None
    try:
        return what, environments.ready(spec["environments"], code, spec["program_python"], what)
    except RequirementsError as error:
        raise contract.ContractError(str(error)) from None


def with_environment(spec: Mapping[str, Any], code: str, install: Callable[[list[str]], str]) -> str:
    """The interpreter of an attempt's source, once everything is installed.

    Parameters
    ----------
    spec
        What to run (`hpt.executors.order.Order.on`).
    code
        The source.
    install
        Runs `hpt.executors.environments` with these arguments; returns how it failed, "" if it did not.

    Returns
    -------
    str
        The interpreter.

    Raises
    ------
    ContractError
        Something cannot be installed.
    """
    python: str = spec["program_python"]
    what, found = missing_environment(spec, code)
    if not what or found is not None:
        return found or python
    failure = install([code, spec["environments"], python, what])
    if not failure:
        found = missing_environment(spec, code)[1]
    if found is None:
        raise contract.ContractError(
            f"what the source needs by its {what} cannot be installed: {failure or 'it is gone again'}"
        )
    return found


def with_path(variables: Mapping[str, str], python: str, code: str) -> dict[str, str]:
    """The variables under which modules of the source are found, and programs of the interpreter's
    environment: `python` in a shell is that interpreter.
    """
    found = {**variables, "PYTHONPATH": _before(code, variables.get("PYTHONPATH", ""))}
    folder = os.path.dirname(python)
    prefix = os.path.dirname(folder)
    for mark, name in (("pyvenv.cfg", "VIRTUAL_ENV"), ("conda-meta", "CONDA_PREFIX")):
        if os.path.exists(os.path.join(prefix, mark)):
            found |= {"PATH": _before(folder, variables.get("PATH", "")), name: prefix}
    return found


def _before(folder: str, path: str) -> str:
    return os.pathsep.join(filter(None, [folder, path]))


def reason(log: str) -> str:
    """What the log of an installation says went wrong: its last line with an error, else its last line."""
    try:
        with open(open_file(log), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
            lines = file.read(_TAIL).decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    said = [line.strip() for line in lines if line.strip()]
    errors = [line for line in said if line.lower().startswith(("error", "critical", "fatal"))]
    errors = [
        line for line in errors if "ResolutionImpossible" not in line
    ] or errors  # says less than before
    last = (errors or said or [""])[-1]
    return last if len(last) <= _LINE else last[:_LINE] + "…"
