"""What a `TrainingImage` means on this host: the command that runs in place of the container."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hpt.errors import InputError
from hpt.executors.places import is_installed
from hpt.job.catalog import ALGORITHMS, find_algorithm
from hpt.job.uris import MODULE_PREFIX

FUNCTION_WORKER = f"{MODULE_PREFIX}hpt.functions.worker"
"""The `TrainingImage` of `hpt.tune`."""

_START = Path(__file__).resolve().parents[1] / "functions" / "start.py"
FUNCTION_COMMAND = (sys.executable, "-u", "-P", str(_START))
"""What runs it. It finds `hpt` by itself, and leaves the environment as the user gave it."""


@dataclass(frozen=True, slots=True)
class Program:
    """A command and what it expects.

    command: the program and its first arguments. entry: its name as the program sees it. source: directory or
    archive of which `code/` gets copies, or None. in_code: the last of the command names a file in `code/`.
    declared: the user named the source; otherwise it is the directory in which the program lies.
    takes_arguments: hyperparameters are passed as `--name value` too. python: it runs in the tuner's
    interpreter. needs_library: it must be able to import `hpt`. function: it calls a function of the user's,
    whose values come by a file of their own and not by the log.
    """

    command: tuple[str, ...]
    entry: str = ""
    source: str | None = None
    in_code: bool = False
    declared: bool = False
    takes_arguments: bool = False
    python: bool = False
    needs_library: bool = False
    function: bool = False


def resolve(image: str, hyperparameters: Mapping[str, str]) -> Program:
    """The program behind a `TrainingImage` and the static hyperparameters of script mode.

    - `sagemaker_program` and `sagemaker_submit_directory` among the hyperparameters: that script, from a
      local directory or `.tar.gz` (or one on S3), whatever the image;
    - `module:NAME` or `module:NAME?ARGUMENT`: `python -m NAME [ARGUMENT]`;
    - an absolute path or `file://` URI: a Python script (`.py`) or any executable, which runs as a copy
      unless it is part of the system or of an environment;
    - a built-in algorithm's name or image URI.

    Raises:
        InputError: it has none of these forms.
    """
    if "sagemaker_program" in hyperparameters:
        return _script_mode(_unquote(hyperparameters["sagemaker_program"]), hyperparameters)
    if image.startswith(MODULE_PREFIX):
        if image == FUNCTION_WORKER:
            return Program(FUNCTION_COMMAND, entry=FUNCTION_WORKER, python=True, function=True)
        module, _, argument = image.removeprefix(MODULE_PREFIX).partition("?")
        command = (sys.executable, "-m", module, *([argument] if argument else []))
        return Program(command, entry=module, python=True, needs_library=True)
    path = Path(image.removeprefix("file://"))
    if path.is_absolute():
        return _program_at(path)
    algorithm = find_algorithm(image)
    if algorithm is None:
        known = ", ".join(known_algorithm.name for known_algorithm in ALGORITHMS)
        raise InputError(
            f"TrainingImage {image!r} is neither a local program nor a built-in algorithm; give the absolute"
            f" path of a program or script, or one of: {known}"
        )
    return Program(
        (sys.executable, "-m", algorithm.module), entry=algorithm.module, python=True, needs_library=True
    )


def _program_at(path: Path) -> Program:
    python, installed = path.suffix == ".py", is_installed(str(path))
    name = str(path) if installed else path.name
    return Program(
        (sys.executable, name) if python else (name,),
        entry=path.name,
        source=None if installed else str(path.parent),
        in_code=not installed,
        takes_arguments=True,
        python=python,
    )


def _unquote(string: str) -> str:
    """Script-mode values are JSON strings within the map of strings: `"train.py"` with its quotes."""
    try:
        value = json.loads(string)
    except ValueError:
        return string
    return value if isinstance(value, str) else string


def _script_mode(entry: str, hyperparameters: Mapping[str, str]) -> Program:
    source = _unquote(hyperparameters.get("sagemaker_submit_directory", "")).removeprefix("file://")
    if not source:
        raise InputError(
            f"sagemaker_program {entry!r} needs sagemaker_submit_directory: the directory or .tar.gz of it"
        )
    python = entry.endswith(".py")
    runner = (sys.executable,) if python else ("/bin/sh",) if entry.endswith(".sh") else ()
    return Program(
        (*runner, entry),
        entry=entry,
        source=source,
        in_code=True,
        declared=True,
        takes_arguments=True,
        python=python,
    )
