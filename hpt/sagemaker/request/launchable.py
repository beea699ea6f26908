"""Whether the system can start a program: asked at the check of a job, where it is certain to fail (I/O)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hpt.errors import InputError
from hpt.host.interpreter import syntax_error

_HEAD = 512
_MAGIC = (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
"""How native programs begin."""


def cannot_start(program: Path, shown: str, python: str = "") -> str | None:
    """Why a file that may be read and executed cannot be started, with the fix; None if it may be.

    Parameters
    ----------
    program
        The file.
    shown
        Its path as its author spells it.
    python
        The interpreter of a Python program, this one by default.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    if program.suffix == ".py":
        try:
            return syntax_error(str(program), shown, python)
        except InputError:
            return None  # said of the interpreter
    with program.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(_MAGIC):
        return None
    if not head:
        return f"{shown} is an empty file; write the program into it"
    if not head.startswith(b"#!"):
        return (
            f"{shown} is neither a native program nor a script whose first line names its interpreter; begin "
            "it with a line like #!/bin/sh or #!/usr/bin/env python3"
        )
    return _bad_interpreter(os.fsdecode(head[2:].partition(b"\n")[0]), shown)


def _bad_interpreter(line: str, shown: str) -> str | None:
    """What is wrong with the interpreter that a first line names."""
    named = f"the first line of {shown} names the interpreter"
    if line.endswith("\r"):
        return f"{shown} has the line ends of Windows, which make its interpreter unknown; save it with LF"
    words = line.split()
    if not words:
        return f"the first line of {shown} names no interpreter; write one, such as #!/bin/sh"
    interpreter = words[0]
    if not interpreter.startswith("/"):
        return None  # it starts at the working directory, which is made later
    if not (Path(interpreter).is_file() and os.access(interpreter, os.X_OK)):
        return f"{named} {interpreter}, which is not there or not executable; correct it"
    if Path(interpreter).name == "env":
        command = next((word for word in words[1:] if not word.startswith("-") and "=" not in word), None)
        if command is not None and shutil.which(command) is None:
            return f"{named} {command!r}, which is not on the PATH; install it, or correct the line"
    return None
