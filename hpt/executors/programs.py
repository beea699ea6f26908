"""What a `TrainingImage` means on this host: the command that runs in place of the container."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hpt.errors import InputError
from hpt.executors.node import Node
from hpt.executors.places import is_installed
from hpt.host.interpreter import choose, is_named
from hpt.job.catalog import ALGORITHMS
from hpt.job.program_kind import FUNCTION_WORKER, ProgramKind, TrainingProgram, program_of
from hpt.job.uris import MODULE_PREFIX


@dataclass(frozen=True, slots=True)
class Program:
    """A command and what it expects.

    command: the program and its first arguments. entry: its name as the program sees it. source: directory or
    archive of which `code/` gets copies, or None. in_code: the last of the command names a file in `code/`.
    declared: the user named the source; otherwise it is the directory in which the program lies. script: it
    is the entry point of script mode, whose command is chosen once the source is there (`script_mode.py`).
    takes_arguments: hyperparameters are passed as `--name value` too. python: it runs in an interpreter of
    Python. interpreter: that of a program of the user's; "" for what runs in hpt's own. needs_library: it
    must be able to import `hpt`. function: it calls a function of the user's, whose values come by a file of
    their own and not by the log.
    """

    command: tuple[str, ...]
    entry: str = ""
    source: str | None = None
    in_code: bool = False
    declared: bool = False
    script: bool = False
    takes_arguments: bool = False
    python: bool = False
    needs_library: bool = False
    function: bool = False
    interpreter: str = ""


def resolve(
    image: str,
    hyperparameters: Mapping[str, str],
    environment: Mapping[str, str] | None = None,
    node: Node | None = None,
    *,
    installed: bool | None = None,
) -> Program:
    """The program behind a `TrainingImage` and the static hyperparameters of script mode.

    What each kind is, `hpt.job.program_kind` says:

    - FILE, an absolute path or `file://` URI: a Python script (`.py`) or any executable, which runs as a
      copy unless it is part of the system or of an environment;
    - SCRIPT: the entry point, from a local directory or `.tar.gz` (or one on S3);
    - MODULE, `module:NAME` or `module:NAME?ARGUMENT`: `python -m NAME [ARGUMENT]`;
    - BUILT_IN: its module.

    Parameters
    ----------
    image, hyperparameters
        As the job has them.
    environment
        The definition's, which may name the interpreter of a program of the user's.
    node
        Where it runs; this host if it is left out.
    installed
        Whether a FILE is part of the system or of an environment; None: look at it.

    Returns
    -------
    Program
        The command and what it expects.

    Raises
    ------
    InputError
        It has none of these forms, or the interpreter is not there.
    """
    node = node or Node()
    program = program_of(image, hyperparameters)
    match program.kind:
        case ProgramKind.FUNCTION:
            return Program(node.function_worker, entry=FUNCTION_WORKER, python=True, function=True)
        case ProgramKind.MODULE:
            module, _, argument = image.removeprefix(MODULE_PREFIX).partition("?")
            command = (node.interpreter, "-m", module, *([argument] if argument else []))
            return Program(command, entry=module, python=True, needs_library=True)
        case ProgramKind.SCRIPT:
            return _script_mode(program, _interpreter(environment, node))
        case ProgramKind.BUILT_IN if program.algorithm is not None:
            name = program.algorithm.module
            return Program((node.interpreter, "-m", name), entry=name, python=True, needs_library=True)
    path = Path(image.removeprefix("file://"))
    if program.kind is ProgramKind.FILE and path.is_absolute():
        return _program_at(path, _interpreter(environment, node), installed)
    known = ", ".join(algorithm.name for algorithm in ALGORITHMS)
    raise InputError(
        f"TrainingImage {image!r} is neither a local program nor a built-in algorithm; give the absolute"
        f" path of a program or script, or one of: {known}"
    )


def _interpreter(environment: Mapping[str, str] | None, node: Node) -> str:
    """That of the user's programs on a node: the one that is named, else hpt's own."""
    given = environment or {}
    return choose(given, node.environment) if is_named(given, node.environment) else node.interpreter


def _program_at(path: Path, interpreter: str, installed: bool | None) -> Program:
    python = path.suffix == ".py"
    if installed is None:
        installed = is_installed(str(path))
    name = str(path) if installed else path.name
    return Program(
        (interpreter, name) if python else (name,),
        entry=path.name,
        source=None if installed else str(path.parent),
        in_code=not installed,
        takes_arguments=True,
        python=python,
        interpreter=interpreter,
    )


def _script_mode(program: TrainingProgram, interpreter: str) -> Program:
    entry, source = program.entry, program.source.removeprefix("file://")
    if not source:
        raise InputError(
            f"sagemaker_program {entry!r} needs sagemaker_submit_directory: the directory or .tar.gz of it"
        )
    return Program(
        (interpreter, entry),
        entry=entry,
        source=source,
        in_code=True,
        declared=True,
        script=True,
        takes_arguments=True,
        python=True,
        interpreter=interpreter,
    )
