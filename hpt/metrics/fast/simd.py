# mypy: ignore-errors
# (the language of this module is Numba's, which mypy does not know)
"""The places where the inner loop leaves Numba's language: a vectorised search, and addresses as arrays.

Importing this imports Numba.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.cpython.unsafe.numbers import trailing_zeros as trailing_zeros
from numba.extending import intrinsic

_SHUFFLES = {
    "avx512bw": (64, "llvm.x86.avx512.pshuf.b.512"),
    "avx2": (32, "llvm.x86.avx2.pshuf.b"),
    "ssse3": (16, "llvm.x86.ssse3.pshuf.b.128"),
    "neon": (16, "llvm.aarch64.neon.tbl1.v16i8"),
}
_I64 = ir.IntType(64)
_ZERO = ir.Constant(_I64, 0)


def _shuffle(context: Any) -> tuple[int, str]:
    """Width in bytes and name of the best byte shuffle of the processor that is compiled for; (0, "") for
    none.
    """
    triple, _, features = context.codegen().magic_tuple()
    enabled = {name[1:] for name in features.split(",") if name.startswith("+")}
    if triple.startswith("aarch64"):
        enabled.add("neon")
    return next((shuffle for name, shuffle in _SHUFFLES.items() if name in enabled), (0, ""))


class _Fingerprints:
    """Says at which of the bytes under a vector a fingerprint may begin."""

    def __init__(self, builder: Any, width: int, shuffle: str, address: Any, tables: Any) -> None:
        self._builder = builder
        self._address = address
        self._vector = ir.VectorType(ir.IntType(8), width)
        function_type = ir.FunctionType(self._vector, [self._vector, self._vector])
        self._shuffle = cgutils.get_or_insert_function(builder.module, function_type, shuffle)
        self._tables = [self._load(tables, ir.Constant(_I64, 64 * i)) for i in range(6)]

    def _constant(self, value: int) -> Any:
        return ir.Constant(self._vector, [value] * self._vector.count)

    def _load(self, base: Any, offset: Any) -> Any:
        pointer = self._builder.inttoptr(self._builder.add(base, offset), self._vector.as_pointer())
        return self._builder.load(pointer, align=1)

    def at(self, place: Any) -> Any:
        """Bits of the buckets whose fingerprint may begin at each of the bytes from `place` on."""
        builder = self._builder
        buckets = None
        for i in range(3):
            data = self._load(self._address, builder.add(place, ir.Constant(_I64, i)))
            nibbles = builder.and_(data, self._constant(15)), builder.lshr(data, self._constant(4))
            for half, nibble in enumerate(nibbles):
                allowed = builder.call(self._shuffle, [self._tables[2 * i + half], nibble])
                buckets = allowed if buckets is None else builder.and_(buckets, allowed)
        return buckets

    def lanes(self, buckets: Any) -> Any:
        """A bit for each byte with any bucket."""
        nonzero = self._builder.icmp_unsigned("!=", buckets, self._constant(0))
        mask = self._builder.bitcast(nonzero, ir.IntType(self._vector.count))
        return mask if self._vector.count == 64 else self._builder.zext(mask, _I64)


@intrinsic
def skip(typing_context, address, position, stop, tables):  # type: ignore[no-untyped-def]
    """Pass over bytes at which no fingerprint begins: the first place from `position` on at which one may, or
    where less is left than is looked at together, or `position` where the processor has no shuffle.
    """
    signature = types.int64(types.int64, types.int64, types.int64, types.int64)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        width, name = _shuffle(context)
        address, position, stop, tables = arguments
        if width == 0:
            return position
        fingerprints = _Fingerprints(builder, width, name, address, tables)
        before = builder.block
        loop, body, found, over = (builder.append_basic_block(n) for n in ("loop", "body", "found", "over"))
        builder.branch(loop)
        builder.position_at_end(loop)
        here = builder.phi(_I64)
        here.add_incoming(position, before)
        needed = builder.add(here, ir.Constant(_I64, 2 * width + 2))
        builder.cbranch(builder.icmp_signed("<=", needed, stop), body, over)
        builder.position_at_end(body)
        next_half = builder.add(here, ir.Constant(_I64, width))
        low, high = fingerprints.at(here), fingerprints.at(next_half)
        either = fingerprints.lanes(builder.or_(low, high))
        here.add_incoming(builder.add(here, ir.Constant(_I64, 2 * width)), body)
        builder.cbranch(builder.icmp_unsigned("!=", either, _ZERO), found, loop)
        builder.position_at_end(found)
        masks = fingerprints.lanes(low), fingerprints.lanes(high)
        starts = here, next_half
        first, second = (
            builder.add(start, builder.cttz(mask, ir.Constant(ir.IntType(1), 0)))
            for start, mask in zip(starts, masks, strict=True)
        )
        place = builder.select(builder.icmp_unsigned("!=", masks[0], _ZERO), first, second)
        builder.branch(over)
        builder.position_at_end(over)
        result = builder.phi(_I64)
        result.add_incoming(here, loop)
        result.add_incoming(place, found)
        return result

    return signature, generate


def _pointer_to(dtype: Any) -> Any:
    """A function that takes an address for a pointer to numbers of a type."""

    @intrinsic
    def pointer(typing_context, address):  # type: ignore[no-untyped-def]
        signature = types.CPointer(dtype)(types.int64)

        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return signature, generate

    return pointer


to_bytes, to_ints, to_floats = (_pointer_to(dtype) for dtype in (types.uint8, types.int64, types.float64))
