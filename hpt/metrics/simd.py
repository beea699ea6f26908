# mypy: ignore-errors
# (the language of this module is Numba's, which mypy does not know)
"""The two places where the kernel leaves Numba's language: a vectorised search for fingerprints, and a view
of bytes.

Importing this imports Numba. With NUMBA_DISABLE_JIT=1 the plain twins below stand in.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.cpython.unsafe.numbers import trailing_zeros as _trailing_zeros
from numba.extending import intrinsic

_SHUFFLES = {
    "avx512bw": (64, "llvm.x86.avx512.pshuf.b.512"),
    "avx2": (32, "llvm.x86.avx2.pshuf.b"),
    "ssse3": (16, "llvm.x86.ssse3.pshuf.b.128"),
    "neon": (16, "llvm.aarch64.neon.tbl1.v16i8"),
}
_UNROLL = 2


def _shuffle(context: Any) -> tuple[int, str]:
    """Width in bytes and name of the best byte shuffle of the processor that is compiled for; (0, "") for
    none.
    """
    triple, _, features = context.codegen().magic_tuple()
    enabled = {name[1:] for name in features.split(",") if name.startswith("+")}
    if triple.startswith("aarch64"):
        enabled.add("neon")
    return next((shuffle for name, shuffle in _SHUFFLES.items() if name in enabled), (0, ""))


@intrinsic
def _skip(typing_context, address, position, stop, tables):  # type: ignore[no-untyped-def]
    """Pass over bytes at which no fingerprint begins, in blocks of `2 * width()`.

    Where the passing over ended, and two masks of the lanes (places from there on) at which one may begin:
    both 0 where fewer than a block of bytes up to `stop` are left, or where the processor has no shuffle.
    """
    signature = types.UniTuple(types.int64, 3)(types.int64, types.int64, types.int64, types.int64)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        width, name = _shuffle(context)
        address, position, stop, tables = arguments
        i64 = ir.IntType(64)
        if width == 0:
            result = [position, ir.Constant(i64, 0), ir.Constant(i64, 0)]
            return context.make_tuple(builder, signature.return_type, result)
        vector = ir.VectorType(ir.IntType(8), width)
        shuffle = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector, vector]), name
        )

        def load(base: Any, offset: Any) -> Any:
            pointer = builder.inttoptr(builder.add(base, offset), vector.as_pointer())
            return builder.load(pointer, align=1)

        table = [load(tables, ir.Constant(i64, 64 * i)) for i in range(6)]
        low, four = (ir.Constant(vector, [value] * width) for value in (15, 4))

        def fingerprint(at: Any) -> Any:
            """Bits of the buckets whose fingerprint may begin at each of the bytes from `at` on."""
            buckets = None
            for i in range(3):
                data = load(address, builder.add(at, ir.Constant(i64, i)))
                for half, nibble in ((0, builder.and_(data, low)), (1, builder.lshr(data, four))):
                    allowed = builder.call(shuffle, [table[2 * i + half], nibble])
                    buckets = allowed if buckets is None else builder.and_(buckets, allowed)
            return buckets

        def lanes(buckets: Any) -> Any:
            nonzero = builder.icmp_unsigned("!=", buckets, ir.Constant(vector, [0] * width))
            mask = builder.bitcast(nonzero, ir.IntType(width))
            return mask if width == 64 else builder.zext(mask, i64)

        step = ir.Constant(i64, width * _UNROLL)
        before = builder.block
        loop, body, found, over = (builder.append_basic_block(n) for n in ("loop", "body", "found", "over"))
        builder.branch(loop)
        builder.position_at_end(loop)
        here = builder.phi(i64)
        here.add_incoming(position, before)
        needed = builder.add(here, ir.Constant(i64, width * _UNROLL + 2))
        builder.cbranch(builder.icmp_signed("<=", needed, stop), body, over)
        builder.position_at_end(body)
        blocks = [fingerprint(builder.add(here, ir.Constant(i64, width * k))) for k in range(_UNROLL)]
        either = builder.or_(*blocks)
        after = builder.add(here, step)
        here.add_incoming(after, body)
        any_lane = builder.icmp_unsigned("!=", lanes(either), ir.Constant(i64, 0))
        builder.cbranch(any_lane, found, loop)
        builder.position_at_end(found)
        masks = [lanes(block) for block in blocks]
        builder.branch(over)
        builder.position_at_end(over)
        at = builder.phi(i64)
        results = [builder.phi(i64) for _ in range(_UNROLL)]
        at.add_incoming(here, loop)
        at.add_incoming(here, found)
        for result, mask in zip(results, masks, strict=True):
            result.add_incoming(ir.Constant(i64, 0), loop)
            result.add_incoming(mask, found)
        return context.make_tuple(builder, signature.return_type, [at, *results])

    return signature, generate


@intrinsic
def _to_line_end(typing_context, address, position, stop):  # type: ignore[no-untyped-def]
    """Go on to the next line end, in blocks of 32 bytes and at most to where fewer are left up to `stop`.

    Where that is, whether the line end stands there, whether a byte passed was not ASCII, and whether one
    was a TAB.
    """
    signature = types.Tuple((types.int64, types.boolean, types.boolean, types.boolean))(
        types.int64, types.int64, types.int64
    )

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        address, position, stop = arguments
        i64, i32, i1 = ir.IntType(64), ir.IntType(32), ir.IntType(1)
        vector = ir.VectorType(ir.IntType(8), 32)

        def mask_of(data: Any, byte: int) -> Any:
            return builder.bitcast(builder.icmp_unsigned("==", data, ir.Constant(vector, [byte] * 32)), i32)

        before = builder.block
        loop, body, over = (builder.append_basic_block(name) for name in ("loop", "body", "over"))
        builder.branch(loop)
        builder.position_at_end(loop)
        here, high, tabs = builder.phi(i64), builder.phi(i32), builder.phi(i32)
        zero = ir.Constant(i32, 0)
        for phi, value in ((here, position), (high, zero), (tabs, zero)):
            phi.add_incoming(value, before)
        after = builder.add(here, ir.Constant(i64, 32))
        builder.cbranch(builder.icmp_signed("<=", after, stop), body, over)
        builder.position_at_end(body)
        pointer = builder.inttoptr(builder.add(address, here), vector.as_pointer())
        data = builder.load(pointer, align=1)
        ends = builder.or_(mask_of(data, 10), mask_of(data, 13))
        # Only what stands before the line end counts; without one that is all: 0 - 1 sets every bit.
        passed = builder.sub(builder.and_(ends, builder.neg(ends)), ir.Constant(i32, 1))
        not_ascii = builder.bitcast(builder.icmp_signed("<", data, ir.Constant(vector, [0] * 32)), i32)
        new_high = builder.or_(high, builder.and_(not_ascii, passed))
        new_tabs = builder.or_(tabs, builder.and_(mask_of(data, 9), passed))
        found = builder.icmp_unsigned("!=", ends, zero)
        place = builder.add(here, builder.zext(builder.cttz(ends, ir.Constant(i1, 0)), i64))
        for phi, value in ((here, after), (high, new_high), (tabs, new_tabs)):
            phi.add_incoming(value, body)
        builder.cbranch(found, over, loop)
        builder.position_at_end(over)
        results = []
        for kind, from_loop, from_body in (
            (i64, here, place),
            (i1, ir.Constant(i1, 0), ir.Constant(i1, 1)),
            (i32, high, new_high),
            (i32, tabs, new_tabs),
        ):
            phi = builder.phi(kind)
            phi.add_incoming(from_loop, loop)
            phi.add_incoming(from_body, body)
            results.append(phi)
        results[2:] = [builder.icmp_unsigned("!=", bits, zero) for bits in results[2:]]
        return context.make_tuple(builder, signature.return_type, results)

    return signature, generate


@intrinsic
def _unequal(typing_context, data, letters, masks):  # type: ignore[no-untyped-def]
    """Of the 32 bytes at address `data`, which differ from those at `letters` once `masks` are set: a bit
    for each.
    """
    signature = types.int64(types.int64, types.int64, types.int64)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        vector = ir.VectorType(ir.IntType(8), 32)
        pointers = [builder.inttoptr(address, vector.as_pointer()) for address in arguments]
        data, letters, masks = (builder.load(pointer, align=1) for pointer in pointers)
        unequal = builder.icmp_unsigned("!=", builder.or_(data, masks), letters)
        return builder.zext(builder.bitcast(unequal, ir.IntType(32)), ir.IntType(64))

    return signature, generate


@intrinsic
def product(typing_context, a, b, more):  # type: ignore[no-untyped-def]
    """`decimal_number.product`: high and low half of a * b + more."""
    signature = types.UniTuple(types.uint64, 2)(types.uint64, types.uint64, types.uint64)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        i64, i128 = ir.IntType(64), ir.IntType(128)
        a, b, more = (builder.zext(argument, i128) for argument in arguments)
        result = builder.add(builder.mul(a, b), more)
        high = builder.lshr(result, ir.Constant(i128, 64))
        halves = [builder.trunc(half, i64) for half in (high, result)]
        return context.make_tuple(builder, signature.return_type, halves)

    return signature, generate


@intrinsic
def leading_zeros(typing_context, number):  # type: ignore[no-untyped-def]
    """`decimal_number.leading_zeros`, of a number that is not 0."""
    signature = types.int64(types.uint64)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return signature, generate


@intrinsic
def _width(typing_context):  # type: ignore[no-untyped-def]
    """Bytes under one mask of `skip`; 0 where there is no vectorised search."""
    signature = types.int64()

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return ir.Constant(ir.IntType(64), _shuffle(context)[0])

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


def _plain_skip(address: Any, position: int, stop: int, tables: Any) -> tuple[int, int, int]:
    return position, 0, 0


def _plain_to_line_end(address: Any, position: int, stop: int) -> tuple[int, bool, bool, bool]:
    return position, False, False, False


def _plain_unequal(data: Any, letters: Any, masks: Any) -> int:
    return 0


def _plain_width() -> int:
    return 0


def _plain_trailing_zeros(bits: int) -> int:
    return (int(bits) & -int(bits)).bit_length() - 1


def _plain_pointer(array: Any) -> Any:
    return array


if config.DISABLE_JIT:
    skip, width, trailing_zeros = _plain_skip, _plain_width, _plain_trailing_zeros
    to_line_end, unequal, blocks = _plain_to_line_end, _plain_unequal, False
    to_bytes = to_ints = to_words = _plain_pointer
else:
    skip, width, trailing_zeros = _skip, _width, _trailing_zeros
    to_line_end, unequal, blocks = _to_line_end, _unequal, True
    to_bytes, to_ints, to_words = (_pointer_to(dtype) for dtype in (types.uint8, types.int64, types.uint64))
