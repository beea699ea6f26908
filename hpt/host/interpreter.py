"""The Python interpreter that training programs run under.

It is the tuner's own, unless `HPT_PYTHON` names another: in a definition's `Environment`, or else in the
environment of the tuner. Built-in algorithms and functions always run under the tuner's own, since they are
part of hpt.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Mapping
from typing import NamedTuple

from hpt.errors import InputError

VARIABLE = "HPT_PYTHON"

_PATIENCE = 30.0  # seconds for an interpreter to say what it is
_FACTS = """
import json, os, sys
names = ("site-packages", "dist-packages")
sites = [os.path.abspath(path) for path in sys.path if os.path.basename(path.rstrip(os.sep)) in names]
facts = {"version": ".".join(map(str, sys.version_info[:3])), "prefix": sys.prefix, "sites": sites}
print("\\n" + json.dumps(facts))
"""
_COMPILE = """
import sys
try:
    with open(sys.argv[1], "rb") as file:
        compile(file.read(), sys.argv[1], "exec", dont_inherit=True)
except (SyntaxError, ValueError) as error:
    print("\\n%s:%s" % (getattr(error, "lineno", None) or "", getattr(error, "msg", error)))
except (RecursionError, MemoryError):
    pass
"""


class Interpreter(NamedTuple):
    """What an interpreter says of itself. sites: the folders that hold its packages, in its own order."""

    path: str
    version: str
    prefix: str
    sites: tuple[str, ...]


def choose(environment: Mapping[str, str], own: Mapping[str, str] | None = None) -> str:
    """The absolute path of the interpreter for programs of a definition with that `Environment`.

    Parameters
    ----------
    environment
        Of the definition; it wins.
    own
        The environment of this process, by default.

    Returns
    -------
    str
        The path; whether it is Python, `inspect` finds out.

    Raises
    ------
    InputError
        `HPT_PYTHON` names no program.
    """
    own = os.environ if own is None else own
    given = environment.get(VARIABLE, "") or own.get(VARIABLE, "")
    if not given:
        return sys.executable
    path = os.path.expanduser(given)
    if os.sep not in path:
        found = shutil.which(path, path=own.get("PATH"))
        if found is None:
            raise InputError(f"{VARIABLE} {given!r} is not on the PATH; give the path of an interpreter")
        return os.path.abspath(found)
    if not os.path.isabs(path):
        raise InputError(f"{VARIABLE} {given!r} is a relative path; give an absolute one, or a command")
    if os.path.isdir(path):
        inside = os.path.join(path, "bin", "python")
        hint = f"; give {inside}" if os.path.exists(inside) else "; name the interpreter in it"
        raise InputError(f"{VARIABLE} {given!r} is a folder{hint}")
    if not os.path.exists(path):
        raise InputError(f"{VARIABLE} {given!r} does not exist; give the path of an interpreter")
    if not os.access(path, os.X_OK):
        raise InputError(f"{VARIABLE} {given!r} is not executable; give the path of an interpreter")
    return os.path.normpath(path)


def is_named(environment: Mapping[str, str], own: Mapping[str, str] | None = None) -> bool:
    """Whether `HPT_PYTHON` names the interpreter. The arguments are those of `choose`."""
    return bool(environment.get(VARIABLE) or (os.environ if own is None else own).get(VARIABLE))


def inspect(path: str) -> Interpreter:
    """What the interpreter at a path says of itself.

    Raises:
        InputError: it is no Python interpreter, or none that works.
    """
    said = _ask(path, _FACTS)
    try:
        facts = json.loads(said)
        return Interpreter(path, facts["version"], facts["prefix"], tuple(facts["sites"]))
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} is no Python interpreter; give the path of one as {VARIABLE}") from None


def syntax_error(program: str, shown: str, python: str = "") -> str | None:
    """Why a Python program cannot be compiled, with the fix; None if it may be.

    Parameters
    ----------
    program
        The file.
    shown
        Its path as its author spells it.
    python
        The interpreter that will run it, this one by default.

    Raises
    ------
    OSError
        The file cannot be read.
    InputError
        The interpreter does not work.
    """
    if not python or python == sys.executable:
        line, message = _own_syntax_error(program)
    else:
        line, _, message = _ask(python, _COMPILE, program).partition(":")
    if not message:
        return None
    at = f"{shown}:{line}" if line else shown
    return f"{at} is not valid Python ({message}); fix it"


def _own_syntax_error(program: str) -> tuple[str, str]:
    with open(program, "rb") as file:
        source = file.read()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, program, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        return str(getattr(error, "lineno", None) or ""), str(getattr(error, "msg", error))
    except (RecursionError, MemoryError):
        pass  # its interpreter will say
    return "", ""


def _ask(python: str, code: str, *arguments: str) -> str:
    """The last line that the interpreter prints.

    Raises:
        InputError: it fails or says nothing in time.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    try:
        done = subprocess.run(
            [python, "-c", code, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        reason = f"says nothing within {_PATIENCE:g} s"
    except OSError as error:
        reason = f"cannot be run ({error.strerror})"
    else:
        if done.returncode == 0:
            return done.stdout.decode("utf-8", "replace").rstrip("\n").rpartition("\n")[2]
        lines = done.stderr.decode("utf-8", "replace").split("\n")
        said = next((line.strip() for line in reversed(lines) if line.strip()), "")
        said = f": {said:.200}" if said else ""
        reason = f"is no Python interpreter that works (exit code {done.returncode}{said})"
    raise InputError(f"{python} {reason}; give the path of another as {VARIABLE}")
