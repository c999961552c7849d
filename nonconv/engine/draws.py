"""The uniforms of `numerics.rng` inside kernels: the same Philox blocks, a vector of them at a time.

They are whole numbers, so the bits are those of `rng`, whatever does them. Emitted for LLVM, which finds nothing left to
vectorise and takes a tenth of the time to compile them.
"""

from collections.abc import Iterator
from typing import Any

from llvmlite import ir
from numba import types

from nonconv.engine.compiler import ONLY_FROM_KERNELS, njit
from nonconv.engine.separable import DRAWS_AT_ONCE
from nonconv.engine.vectors import (
    INT,
    ONE,
    VECTOR,
    VECTORS,
    call_of,
    cgutils,
    everywhere,
    intrinsic,
    offset,
    store,
)
from nonconv.numerics import rng

WORDS = ir.VectorType(INT, VECTOR)
LANES = ir.Constant(WORDS, list(range(VECTOR)))
"""The numbers of the lanes of a vector."""
Counter = tuple[Any, Any, Any, Any]
"""Four words of a Philox block, a vector each."""


@njit(**ONLY_FROM_KERNELS)  # type: ignore[untyped-decorator]  # see compiler.njit
def fill(u: Any, paths: Any, first_draw: Any, first_replicate: Any, k0: Any, k1: Any) -> None:
    """Write the uniforms of consecutive draws to u (draws, columns) for some paths, one per column (rng.uniform_pair).

    The number of draws is a multiple of DRAWS_AT_ONCE, that of columns fills vectors, and first_draw is even. Columns up to
    the end of the last vector are written too.
    """
    _fill((u.shape[0], paths, first_draw, first_replicate, k0, k1), u, (0, u.shape[1]))


@njit(**ONLY_FROM_KERNELS)  # type: ignore[untyped-decorator]  # see compiler.njit
def fill_examples(
    u: Any, lanes: Any, draws: Any, examples: Any, first_draw: Any, first_replicate: Any, k0: Any, k1: Any
) -> None:
    """Write the uniforms of some examples, `draws` of each: column s * lanes + l of u is for example s of lane l.

    u has a row more than draws, for the half of a pair that belongs to others. The number of lanes fills vectors.
    """
    _fill_examples((lanes, draws, examples, first_draw, first_replicate, k0, k1), u, (0, u.shape[1]))


@njit(**ONLY_FROM_KERNELS)  # type: ignore[untyped-decorator]  # see compiler.njit
def fill_one(u: Any, pairs: Any, draws: Any, examples: Any, first_draw: Any, replicate: Any, k0: Any, k1: Any) -> None:
    """Write the uniforms of some examples of one path, `draws` of each: column s of u is for example s.

    pairs (2, some): scratch, for pairs of draws that are made side by side.
    """
    number, row, column, some = draws * examples, 0, 0, pairs.shape[1]
    for first in range(first_draw // 2, (first_draw + number + 1) // 2, some):
        _pairs((some, first, replicate, k0, k1), pairs, (0, some))
        # From the pairs' order, example after example, to a row for each draw of an example.
        for k in range(max(2 * first, first_draw), min(2 * (first + some), first_draw + number)):
            u[row, column] = pairs[k % 2, k // 2 - first]
            row += 1
            if row == draws:
                row, column = 0, column + 1


@intrinsic  # type: ignore[untyped-decorator]  # see vectors
def _fill(typing: Any, size: Any, u: Any, at_u: Any) -> tuple[Any, Any]:
    """Emit `fill`. size: draws, then its arguments after u. at_u: where u begins, and how far apart its rows are."""
    return types.void(size, u, at_u), call_of("nonconv_fill", _emit_fill)


@intrinsic  # type: ignore[untyped-decorator]  # see vectors
def _fill_examples(typing: Any, size: Any, u: Any, at_u: Any) -> tuple[Any, Any]:
    """Emit `fill_examples`. size: its arguments after u."""
    return types.void(size, u, at_u), call_of("nonconv_fill_examples", _emit_fill_examples)


@intrinsic  # type: ignore[untyped-decorator]  # see vectors
def _pairs(typing: Any, size: Any, out: Any, at_out: Any) -> tuple[Any, Any]:
    """Emit the pairs of uniforms first, first + 1, ... of a path: even draws in the first row of out, odd in the second.

    size: how many, whole vectors of them; first, replicate, k0, k1.
    """
    return types.void(size, out, at_out), call_of("nonconv_pairs", _emit_pairs)


def _emit_fill(builder: Any, *numbers: Any) -> None:
    """Emit `fill`. Four blocks go round by round: a processor that waits for one's product works on the others."""
    u, row, draws, paths, first_draw, first_replicate, k0, k1 = numbers
    with cgutils.for_range_slice(builder, INT(0), draws, INT(DRAWS_AT_ONCE), INT) as (draw, _):
        pair = builder.udiv(builder.add(first_draw, draw), INT(2))
        with cgutils.for_range_slice(builder, INT(0), paths, INT(VECTOR), INT) as (path, _):
            replicate = builder.add(everywhere(builder, builder.add(first_replicate, path)), LANES)
            pairs = [everywhere(builder, builder.add(pair, INT(k))) for k in range(DRAWS_AT_ONCE // 2)]
            both = _uniforms(builder, [_counter(builder, one, replicate) for one in pairs], k0, k1)
            for k, value in enumerate(value for two in both for value in two):
                store(builder, value, offset(builder, u, (builder.add(draw, INT(k)), row), (path, ONE)))


def _emit_fill_examples(builder: Any, *numbers: Any) -> None:
    """Emit `fill_examples`."""
    u, row, lanes, draws, examples, first_draw, first_replicate, k0, k1 = numbers
    number = builder.mul(draws, examples)
    begin = builder.udiv(first_draw, INT(2))
    end = builder.udiv(builder.add(builder.add(first_draw, number), INT(1)), INT(2))
    with cgutils.for_range_slice(builder, begin, end, INT(1), INT) as (pair, _):
        draw = builder.sub(builder.mul(pair, INT(2)), first_draw)
        places = [_of_draw(builder, builder.add(draw, INT(half)), number, draws, lanes) for half in range(2)]
        with cgutils.for_range_slice(builder, INT(0), lanes, INT(VECTOR), INT) as (lane, _):
            replicate = builder.add(everywhere(builder, builder.add(first_replicate, lane)), LANES)
            ((*both,),) = _uniforms(builder, [_counter(builder, everywhere(builder, pair), replicate)], k0, k1)
            for (at, column), value in zip(places, both, strict=True):
                store(builder, value, offset(builder, u, (at, row), (column, ONE), (lane, ONE)))


def _of_draw(builder: Any, draw: Any, number: Any, draws: Any, lanes: Any) -> tuple[Any, Any]:
    """Emit the row and the first column of a draw, counted from the first; one that is not among them has the spare row."""
    inside = builder.icmp_unsigned("<", draw, number)
    row = builder.select(inside, builder.urem(draw, draws), draws)
    column = builder.select(inside, builder.mul(builder.udiv(draw, draws), lanes), INT(0))
    return row, column


def _emit_pairs(builder: Any, *numbers: Any) -> None:
    """Emit `_pairs`."""
    out, row, some, first, replicate, k0, k1 = numbers
    with cgutils.for_range_slice(builder, INT(0), some, INT(VECTOR), INT) as (at, _):
        pair = builder.add(everywhere(builder, builder.add(first, at)), LANES)
        ((*both,),) = _uniforms(builder, [_counter(builder, pair, everywhere(builder, replicate))], k0, k1)
        for half, value in enumerate(both):
            store(builder, value, offset(builder, out, (INT(half), row), (at, ONE)))


def _counter(builder: Any, pair: Any, replicate: Any) -> Counter:
    """Emit the four words of the counters of vectors of pairs and replicates."""
    low, word = _constant(rng.LOW), _constant(rng.WORD)
    return (
        *(builder.and_(pair, low), builder.lshr(pair, word)),
        *(builder.and_(replicate, low), builder.lshr(replicate, word)),
    )


def _uniforms(builder: Any, counters: list[Counter], k0: Any, k1: Any) -> Iterator[tuple[Any, Any]]:
    """Emit rng.philox4x32 of several counters, round by round, and return the pairs of uniforms that they give."""
    scalar_low = INT(int(rng.LOW))
    for _ in range(rng.ROUNDS):
        keys = everywhere(builder, k0), everywhere(builder, k1)
        counters = [_round(builder, counter, *keys) for counter in counters]
        k0, k1 = (builder.and_(builder.add(k, INT(int(weyl))), scalar_low) for k, weyl in ((k0, rng.WEYL_0), (k1, rng.WEYL_1)))
    words = ([builder.and_(word, _constant(rng.LOW)) for word in counter] for counter in counters)
    return ((_to_unit(builder, a, b), _to_unit(builder, c, d)) for a, b, c, d in words)


def _round(builder: Any, counter: Counter, k0: Any, k1: Any) -> Counter:
    """Emit rng.philox_round of the counter, whose words are the low halves of these: a product takes no others."""
    c0, c1, c2, c3 = counter
    low, word = _constant(rng.LOW), _constant(rng.WORD)
    p0 = builder.mul(_constant(rng.MULTIPLIER_0), builder.and_(c0, low))
    p1 = builder.mul(_constant(rng.MULTIPLIER_1), builder.and_(c2, low))
    return (
        *(builder.xor(builder.xor(builder.lshr(p1, word), c1), k0), p1),
        *(builder.xor(builder.xor(builder.lshr(p0, word), c3), k1), p0),
    )


def _to_unit(builder: Any, high: Any, low: Any) -> Any:
    """Emit rng.to_unit."""
    leading = builder.shl(high, _constant(rng.SHIFT_HIGH))
    bits = builder.or_(builder.or_(leading, builder.lshr(low, _constant(rng.SHIFT_LOW))), _constant(rng.ONE))
    return builder.fsub(builder.bitcast(bits, VECTORS), ir.Constant(VECTORS, [1.0] * VECTOR))


def _constant(number: Any) -> Any:
    """Return a whole number in all lanes."""
    return ir.Constant(WORDS, [int(number)] * VECTOR)
