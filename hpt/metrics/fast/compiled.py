# mypy: ignore-errors
# (Numba's decorators have no types)
"""Compiles the inner loop, or takes it from the cache.

Importing this imports Numba.
"""

from __future__ import annotations

import functools
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import config, int64, njit
from numba.types import UniTuple

from hpt.metrics.fast import decimal_number, inner_loop, machine, simd

# Nothing here allocates, so references are not counted; and only the entry is called from Python.
_ENTRY = {"nogil": True, "error_model": "numpy", "_nrt": False, "no_cfunc_wrapper": True}
_INNER = {**_ENTRY, "no_cpython_wrapper": True}

_INTRINSICS = ("to_bytes", "to_ints")  # in the place of plain functions

_SIGNATURE = UniTuple(int64, 2)(*[int64] * 4)  # addresses and integers in, two integers out


@functools.cache
def compiled_entry(directory: Path | None) -> Callable[..., Any]:
    """`inner_loop.read_log`, compiled code kept in `directory`.

    Where the cache fails (a full disk, or a damaged file, which fails in any way), it is done without.
    """
    try:
        return _compile(directory)
    except Exception as error:
        if directory is None:
            raise
        entry = _compile(None)
        warnings.warn(f"the cache of compiled code in {directory} cannot be used: {error}", stacklevel=2)
        return entry


def _compile(directory: Path | None) -> Callable[..., Any]:
    functions: dict[str, Any] = {}  # of all modules, to call one another
    for module in (decimal_number, machine, inner_loop):
        functions.update(vars(module))
    functions.update((name, getattr(simd, name)) for name in _INTRINSICS)
    for name, function in list(functions.items()):
        if isinstance(function, types.FunctionType):
            own = types.FunctionType(function.__code__, functions, name)
            functions[name] = njit(**(_ENTRY if name == "read_log" else _INNER))(own)
    entry = functions["read_log"]
    if directory is not None:
        before, config.CACHE_DIR = config.CACHE_DIR, str(directory)  # of the whole process: others use it
        try:
            entry.enable_caching()
        finally:
            config.CACHE_DIR = before
    entry.compile(_SIGNATURE)
    return entry
