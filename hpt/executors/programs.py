"""What a `TrainingImage` means on this host: the command that runs in place of the container."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hpt.errors import InputError
from hpt.executors.places import is_installed
from hpt.host.interpreter import choose
from hpt.job.catalog import ALGORITHMS
from hpt.job.program_kind import FUNCTION_WORKER, ProgramKind, TrainingProgram, program_of
from hpt.job.uris import MODULE_PREFIX

_START = Path(__file__).resolve().parents[1] / "functions" / "start.py"
FUNCTION_COMMAND = (sys.executable, "-u", "-P", str(_START))
"""What runs it. It finds `hpt` by itself, and leaves the environment as the user gave it."""


@dataclass(frozen=True, slots=True)
class Program:
    """A command and what it expects.

    command: the program and its first arguments. entry: its name as the program sees it. source: directory or
    archive of which `code/` gets copies, or None. in_code: the last of the command names a file in `code/`.
    declared: the user named the source; otherwise it is the directory in which the program lies. script: it
    is the entry point of script mode, whose command is chosen once the source is there (`script_mode.py`).
    takes_arguments: hyperparameters are passed as `--name value` too. python: it runs in an interpreter of
    Python, `interpreter`. needs_library: it must be able to import `hpt`. function: it calls a function of
    the user's, whose values come by a file of their own and not by the log.
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
    interpreter: str = sys.executable


def resolve(
    image: str, hyperparameters: Mapping[str, str], environment: Mapping[str, str] | None = None
) -> Program:
    """The program behind a `TrainingImage` and the static hyperparameters of script mode.

    environment: the definition's, which may name the interpreter of a program of the user's.

    What each kind is, `hpt.job.program_kind` says:

    - FILE, an absolute path or `file://` URI: a Python script (`.py`) or any executable, which runs as a
      copy unless it is part of the system or of an environment;
    - SCRIPT: the entry point, from a local directory or `.tar.gz` (or one on S3);
    - MODULE, `module:NAME` or `module:NAME?ARGUMENT`: `python -m NAME [ARGUMENT]`;
    - BUILT_IN: its module.

    Raises:
        InputError: it has none of these forms, or the interpreter is not there.
    """
    program = program_of(image, hyperparameters)
    match program.kind:
        case ProgramKind.FUNCTION:
            return Program(FUNCTION_COMMAND, entry=FUNCTION_WORKER, python=True, function=True)
        case ProgramKind.MODULE:
            module, _, argument = image.removeprefix(MODULE_PREFIX).partition("?")
            command = (sys.executable, "-m", module, *([argument] if argument else []))
            return Program(command, entry=module, python=True, needs_library=True)
        case ProgramKind.SCRIPT:
            return _script_mode(program, choose(environment or {}))
        case ProgramKind.BUILT_IN if program.algorithm is not None:
            name = program.algorithm.module
            return Program((sys.executable, "-m", name), entry=name, python=True, needs_library=True)
    path = Path(image.removeprefix("file://"))
    if program.kind is ProgramKind.FILE and path.is_absolute():
        return _program_at(path, choose(environment or {}))
    known = ", ".join(algorithm.name for algorithm in ALGORITHMS)
    raise InputError(
        f"TrainingImage {image!r} is neither a local program nor a built-in algorithm; give the absolute"
        f" path of a program or script, or one of: {known}"
    )


def _program_at(path: Path, interpreter: str) -> Program:
    python, installed = path.suffix == ".py", is_installed(str(path))
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
