# mypy: ignore-errors
# (Numba's decorators have no types)
"""Compiles the kernel, or takes it from the cache.

Importing this imports Numba.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from numba import config, int64, njit
from numba.types import UniTuple

from hpt.metrics import decimal_number, kernel, machine, simd

# Nothing here allocates, so there is nothing to count references of; and only the entries are called from
# Python.
_ENTRY = {"nogil": True, "error_model": "numpy", "_nrt": False, "no_cfunc_wrapper": True}
_INNER = {**_ENTRY, "no_cpython_wrapper": True}

Entries = tuple[Callable[..., Any], Callable[..., Any]]


@functools.cache
def compiled_entries(directory: Path | None) -> Entries:
    """`find_hits` and `read_lines` of the kernel, compiled code kept in `directory`.

    Where the cache fails (a full disk, or a damaged file, which fails in any way), or the quick compiler (of
    which another version of Numba may know nothing), it is done without.
    """
    failure: Exception | None = None
    for quick, where in itertools.product((True, False), dict.fromkeys((directory, None))):
        try:
            entries = _compile(quick, where)
        except Exception as error:
            failure = failure or error
            continue
        if failure:
            warnings.warn(
                f"the cache of compiled code in {directory} or the quick compiler cannot be used: {failure}",
                stacklevel=2,
            )
        return entries
    assert failure is not None
    raise failure


def _compile(quick: bool, directory: Path | None) -> Entries:
    options = {}
    if quick:
        from hpt.metrics.quick_compiler import QuickCompiler

        options["pipeline_class"] = QuickCompiler
    functions: dict[str, Any] = {}  # of all modules, to call one another
    for module in (decimal_number, machine, kernel):
        functions.update(vars(module))
    functions.update(product=simd.product, leading_zeros=simd.leading_zeros)
    signatures = {
        "find_hits": UniTuple(int64, 2)(*[int64] * 11),
        "read_lines": UniTuple(int64, 2)(*[int64] * 22),
    }  # addresses and whole numbers in, two whole numbers out
    for name, function in list(functions.items()):
        if isinstance(function, types.FunctionType):
            flags = _ENTRY if name in signatures else _INNER
            own = types.FunctionType(function.__code__, functions, name)
            functions[name] = njit(**flags, **options)(own)
    with _without_collecting():
        for name, signature in signatures.items():
            if directory is not None:
                with _numba_cache(directory):
                    functions[name].enable_caching()
            functions[name].compile(signature)
    return functions["find_hits"], functions["read_lines"]


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """A compiler makes much and throws little of it away before it is done: no garbage is looked for."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@contextlib.contextmanager
def _numba_cache(directory: Path) -> Iterator[None]:
    """Numba's setting of where to cache, for the moment: it is one for the whole process, and others use
    it.
    """
    before = config.CACHE_DIR
    config.CACHE_DIR = str(directory)
    try:
        yield
    finally:
        config.CACHE_DIR = before
