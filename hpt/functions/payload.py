"""A function and its search space as one file, which workers read.

The file is `MAGIC` and a pickled dictionary of plain values: `path`, the caller's whole `sys.path`, absolute,
and `arguments`, its `sys.argv`, which a worker takes over before it reads `function`: the pair (function,
space), pickled by cloudpickle. What is defined in `__main__` or in a module that no other process can import
is in there by value, all else by name. `elsewhere`: the worker is on another machine and keeps its own path.

Reading needs the standard library only, and whatever the function does.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hpt.errors import InputError
from hpt.job.moved import present_name

FILE = "function.pickle"
"""Its name in the job's directory."""

MAGIC = b"hpt function 1\n"
"""What it begins with; that of an earlier version is the pickled pair alone."""

TrainFunction = Callable[[dict[str, object], Callable[[float], None]], float | None]


def pack(train: object, space: object, *, elsewhere: bool = False) -> bytes:
    """The content of the file. elsewhere: for workers on other machines, which import what is installed, and
    nothing that lies on this one.

    Raises:
        InputError: the function, or something it refers to, cannot be pickled.
    """
    import cloudpickle

    known = _installed if elsewhere else _importable
    by_value = [module for module in _modules_of(train) if not known(module)]
    for module in by_value:
        cloudpickle.register_pickle_by_value(module)
    try:
        pickled = cloudpickle.dumps((train, space))
    except Exception as error:  # whatever a user's __reduce__ raises
        raise InputError(
            f"train cannot be sent to a worker process: {_shown(error)}; create what cannot be pickled inside"
            " the function, or in a module that it imports"
        ) from error
    finally:
        for module in by_value:
            cloudpickle.unregister_pickle_by_value(module)
    arguments = [str(argument) for argument in getattr(sys, "argv", [])]
    content: dict[str, object] = {"path": absolute_path(), "arguments": arguments, "function": pickled}
    if elsewhere:
        content |= {"path": [], "elsewhere": True}
    return MAGIC + pickle.dumps(content)


def absolute_path() -> list[str]:
    """`sys.path` as another process with another working directory has to have it."""
    entries: dict[str, None] = {}
    for entry in sys.path:
        if isinstance(entry, str):
            try:
                entries[os.path.abspath(entry)] = None  # noqa: PTH100, "" is the working directory
            except FileNotFoundError:  # it was deleted
                continue
    return list(entries)


def take_over(content: bytes, added: list[str]) -> bytes:
    """Make `sys.argv` and `sys.path` the caller's; what is new among the entries `added` comes first.

    Returns the pickled function and space.
    """
    if not content.startswith(MAGIC):
        return content
    stored = pickle.loads(content[len(MAGIC) :])
    path: list[str] = stored["path"]
    own = [entry for entry in sys.path if entry not in path] if stored.get("elsewhere") else []
    sys.path[:] = [*(entry for entry in dict.fromkeys(added) if entry not in path), *path, *own]
    sys.argv[:] = stored["arguments"]
    function: bytes = stored["function"]
    return function


def unpack(pickled: bytes) -> tuple[TrainFunction, Any]:
    """The function and the space, as `take_over` gave them."""
    function, space = _Unpickler(io.BytesIO(pickled)).load()
    return function, space


def name_of(train: object) -> str:
    """How a function is called where it is defined; a callable object by its class."""
    while hasattr(train, "func") and callable(train.func):  # functools.partial
        train = train.func
    named = train if hasattr(train, "__qualname__") else type(train)
    return str(named.__qualname__)


def code_digest(train: object) -> str:
    """A digest of the function's own code, "" where it has none. Comments and blank lines do not count."""
    while hasattr(train, "func") and callable(train.func):
        train = train.func
    code = getattr(getattr(train, "__wrapped__", train), "__code__", None)
    if code is None:
        code = getattr(type(train).__call__, "__code__", None)
    return (
        ""
        if code is None
        else hashlib.sha256(_described(code).encode("utf-8", "backslashreplace")).hexdigest()
    )


def _described(code: types.CodeType) -> str:
    """Code as a string that is the same in every process of one Python version."""
    constants = [
        _described(constant)
        if isinstance(constant, types.CodeType)
        else repr(sorted(map(repr, constant)))
        if isinstance(constant, frozenset)
        else repr(constant)
        for constant in code.co_consts
    ]
    parts = (sys.version_info[:2], code.co_code.hex(), code.co_names, code.co_varnames, code.co_freevars)
    return repr((*parts, constants))


def _modules_of(train: object) -> list[types.ModuleType]:
    """The modules in which the function, or what it wraps, is defined, `__main__` left out."""
    found = {}
    for part in (train, getattr(train, "func", None), getattr(train, "__wrapped__", None), type(train)):
        name = getattr(part, "__module__", None)
        if isinstance(name, str) and name != "__main__" and name in sys.modules:
            found[name] = sys.modules[name]
    return list(found.values())


def _installed(module: types.ModuleType) -> bool:
    """Whether a module belongs to Python or to an installed package."""
    name, path = module.__name__.partition(".")[0], getattr(module, "__file__", None)
    installed = path is None or {"site-packages", "dist-packages"} & set(Path(path).parts)
    return name == "hpt" or name in sys.stdlib_module_names or bool(installed)


def _importable(module: types.ModuleType) -> bool:
    """Whether another process with this `sys.path` imports the same module by its name."""
    from importlib.machinery import PathFinder

    if getattr(module, "__file__", None) is None:
        return module.__name__ in sys.builtin_module_names or module.__name__ in sys.stdlib_module_names
    place = None
    parts = module.__name__.split(".")
    spec = None
    for end in range(1, len(parts) + 1):
        try:
            spec = PathFinder.find_spec(".".join(parts[:end]), place)
        except (ImportError, ValueError, AttributeError):
            return False
        if spec is None:
            # A finder of its own, such as that of an editable install, may know it in the worker too.
            return _known_to_finders(parts[0]) if end == 1 else False
        place = spec.submodule_search_locations
    origin = None if spec is None else spec.origin
    return (
        origin is None
        or module.__file__ is None
        or os.path.realpath(origin) == os.path.realpath(module.__file__)
    )


def _known_to_finders(name: str) -> bool:
    import importlib.util

    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _shown(error: BaseException) -> str:
    try:
        return str(error) or type(error).__name__
    except Exception:  # whatever a class of the user does
        return type(error).__name__


class _Unpickler(pickle.Unpickler):
    """Finds classes and functions of `hpt` where they are now: the pickle may be of an earlier version."""

    def find_class(self, module: str, name: str) -> object:
        return super().find_class(present_name(module), name)
