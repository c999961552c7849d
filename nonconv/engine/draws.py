"""The uniforms of `numerics.rng` inside kernels: the same Philox blocks, made for many lanes at once."""

from typing import Any

import numpy as np

from nonconv.engine.compiler import NO_OWNERS, definition, njit
from nonconv.numerics import rng

# Without inlining at numba's level LLVM leaves the ten rounds rolled and nothing vectorises: 8 times slower. The round itself
# must stay a function: inlined by numba, its operations come in an order that LLVM does not undo.
philox4x32 = definition(rng.philox4x32, inline="always")
philox_round = definition(rng.philox_round)
to_unit = definition(rng.to_unit, inline="always")


@njit(inline="always", **NO_OWNERS)  # type: ignore[untyped-decorator]  # see compiler.njit
def fill(u: Any, first: Any, last: Any, first_draw: Any, first_replicate: Any, k0: Any, k1: Any) -> None:
    """Write the uniforms of consecutive draws to u (draws, lanes), for lanes first, ..., last - 1 (rng.uniform_pair).

    The number of draws is a multiple of four, and first_draw is even. Two Philox blocks go round by round: a processor that
    waits for one's product works on the other, which is a quarter faster.
    """
    low, word = np.uint64(0xFFFFFFFF), np.uint64(32)
    for s in range(0, u.shape[0], 4):
        pair, after = np.uint64((first_draw + s) // 2), np.uint64((first_draw + s) // 2 + 1)
        for i in range(first, last):
            replicate = np.uint64(first_replicate) + np.uint64(i)
            a, b, c, d = pair & low, pair >> word, replicate & low, replicate >> word
            e, f, g, h = after & low, after >> word, replicate & low, replicate >> word
            key0, key1 = k0, k1
            for _ in range(rng.ROUNDS):
                e, f, g, h, _, _ = philox_round(e, f, g, h, key0, key1)
                a, b, c, d, key0, key1 = philox_round(a, b, c, d, key0, key1)
            u[s, i], u[s + 1, i] = to_unit(a, b), to_unit(c, d)
            u[s + 2, i], u[s + 3, i] = to_unit(e, f), to_unit(g, h)


@njit(**NO_OWNERS)  # type: ignore[untyped-decorator]  # see compiler.njit
def fill_examples(
    u: Any, lanes: Any, draws: Any, examples: Any, first_draw: Any, first_replicate: Any, k0: Any, k1: Any
) -> None:
    """Write the uniforms of some examples, `draws` of each: column s * lanes + l of u is for example s of lane l.

    u has a row more than draws, for the half of a pair that belongs to others.
    """
    low, word = np.uint64(0xFFFFFFFF), np.uint64(32)
    number = draws * examples
    for pair in range(first_draw // 2, (first_draw + number + 1) // 2):
        p, k = np.uint64(pair), 2 * pair - first_draw
        # k and k + 1 are the pair's draws counted from first_draw. One outside the examples goes to the spare row.
        row, column = (k % draws, k // draws * lanes) if k >= 0 else (draws, 0)
        even = u[row, column : column + lanes]
        row, column = ((k + 1) % draws, (k + 1) // draws * lanes) if k + 1 < number else (draws, 0)
        odd = u[row, column : column + lanes]
        for i in range(lanes):
            replicate = np.uint64(first_replicate + i)
            a, b, c, d = philox4x32(p & low, p >> word, replicate & low, replicate >> word, k0, k1)
            even[i] = to_unit(a, b)
            odd[i] = to_unit(c, d)


@njit(**NO_OWNERS)  # type: ignore[untyped-decorator]  # see compiler.njit
def fill_one(u: Any, pairs: Any, draws: Any, examples: Any, first_draw: Any, replicate: Any, k0: Any, k1: Any) -> None:
    """Write the uniforms of some examples of one path, `draws` of each: column s of u is for example s.

    pairs (2, some): scratch, for pairs of draws that are made side by side.
    """
    low, word = np.uint64(0xFFFFFFFF), np.uint64(32)
    path, number, row, column = np.uint64(replicate), draws * examples, 0, 0
    for first in range(first_draw // 2, (first_draw + number + 1) // 2, pairs.shape[1]):
        even, odd = pairs[0], pairs[1]
        for i in range(pairs.shape[1]):
            p = np.uint64(first + i)
            a, b, c, d = philox4x32(p & low, p >> word, path & low, path >> word, k0, k1)
            even[i] = to_unit(a, b)
            odd[i] = to_unit(c, d)
        # From the pairs' order, example after example, to a row for each draw of an example.
        for k in range(max(2 * first, first_draw), min(2 * (first + pairs.shape[1]), first_draw + number)):
            u[row, column] = pairs[k % 2, k // 2 - first]
            row += 1
            if row == draws:
                row, column = 0, column + 1
