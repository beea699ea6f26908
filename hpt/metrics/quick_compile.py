# mypy: ignore-errors
# (Numba's innards have no types)
"""Spares the compiler of the kernel what it would do over and over.

Importing this imports Numba.
"""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from numba.core import types
from numba.core.codegen import CPUCodeLibrary
from numba.core.types.functions import BaseFunction

_PLAIN = (types.Integer, types.Boolean, types.CPointer)


@contextmanager
def quick_compile(entries: Collection[str]) -> Iterator[None]:
    """While this lasts, Numba compiles programs on integers in less time, to the same code.

    It looks for the meaning of every `+` among all that it knows of arrays, dates and texts, at each place
    anew; here what was found for the same types is found again. It optimises every function by itself and
    once more in whatever calls it; here only as a part of the `entries`, named. And a compiler makes much and
    throws little of it away before it is done, so no garbage is looked for.
    """
    resolve, optimise = BaseFunction.get_call_type, CPUCodeLibrary._optimize_final_module
    found = {}

    def resolve_once(self, context, args, kws):
        if kws or not all(isinstance(each, _PLAIN) for each in args):
            return resolve(self, context, args, kws)
        key = self, args
        if key not in found:
            found[key] = resolve(self, context, args, kws)
        return found[key]

    def optimise_entries(self):
        if self.name in entries:
            optimise(self)

    collects = gc.isenabled()
    gc.disable()
    BaseFunction.get_call_type, CPUCodeLibrary._optimize_final_module = resolve_once, optimise_entries
    try:
        yield
    finally:
        BaseFunction.get_call_type, CPUCodeLibrary._optimize_final_module = resolve, optimise
        if collects:
            gc.enable()
