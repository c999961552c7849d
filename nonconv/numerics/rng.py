"""Randomness as a function of coordinates: uniform = Philox(key, counter = (draw, replicate)).

Nothing is consumed and nothing has a state, so path k is the same bits alone, in a block, on any worker, after a
resume, or in a run of more paths. `philox4x32` is plain text: the reference engine runs it on arrays, the
kernels on scalars.

Source: Salmon, Moraes, Dror, Shaw (2011), Parallel random numbers: as easy as 1, 2, 3 (Philox4x32-10).
"""

import hashlib
from typing import NamedTuple

import numpy as np

from nonconv.numerics.arithmetic import Array, Lanes

LOW = np.uint64(0xFFFFFFFF)
"""Mask of a 32-bit word; words are held in uint64, so that a product of two is exact."""
WORD = np.uint64(32)
MULTIPLIER_0, MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
"""Multipliers of Philox4x32, as published: any change would be another, untested generator."""
WEYL_0, WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
"""What a round adds to the key: leading bits of the golden ratio and of sqrt(3) - 1."""
SHIFT_HIGH, SHIFT_LOW = np.uint64(20), np.uint64(12)
ROUNDS = 10
"""Rounds of Philox4x32-10; its authors found 7 to pass all tests and recommend 10 as a margin."""
ONE = np.uint64(0x3FF0000000000000)
"""The bits of 1.0; with 52 others below them they are a double in [1, 2)."""


class Key(NamedTuple):
    """The two 32-bit words of a Philox key, held in 64 bits."""

    k0: np.uint64
    k1: np.uint64


def key(seed: int, purpose: str) -> Key:
    """Return the key of one stream: a hash of the seed and of the stream's purpose.

    The optimizer and the cell do not enter, so that all cells of one seed see the same data and can be compared in pairs.
    """
    digest = hashlib.blake2b(f"nonconv:{seed}:{purpose}".encode(), digest_size=8).digest()
    return Key(np.uint64(int.from_bytes(digest[:4], "little")), np.uint64(int.from_bytes(digest[4:], "little")))


def philox_round(c0: Lanes, c1: Lanes, c2: Lanes, c3: Lanes, k0: Lanes, k1: Lanes) -> tuple[Lanes, ...]:
    """Return the next counter, four 32-bit words, and the next key, two; each word is held in a uint64."""
    p0, p1 = MULTIPLIER_0 * c0, MULTIPLIER_1 * c2
    c0, c1, c2, c3 = ((p1 >> WORD) ^ c1 ^ k0) & LOW, p1 & LOW, ((p0 >> WORD) ^ c3 ^ k1) & LOW, p0 & LOW
    return c0, c1, c2, c3, (k0 + WEYL_0) & LOW, (k1 + WEYL_1) & LOW


def philox4x32(c0: Lanes, c1: Lanes, c2: Lanes, c3: Lanes, k0: Lanes, k1: Lanes) -> tuple[Lanes, Lanes, Lanes, Lanes]:
    """Return four random 32-bit words: ten Philox rounds on a counter of four words and a key of two."""
    for _ in range(ROUNDS):
        c0, c1, c2, c3, k0, k1 = philox_round(c0, c1, c2, c3, k0, k1)
    return c0, c1, c2, c3


def to_unit(high: Lanes, low: Lanes) -> Lanes:
    """Return a double in [0, 1) on the grid 2**-52 from the 52 leading bits of two words.

    It needs no conversion from integers, for which many processors have no vector instruction.
    """
    return np.uint64((high << SHIFT_HIGH) | (low >> SHIFT_LOW) | ONE).view(np.float64) - 1.0


def uniform_pair(pair: Lanes, replicate: Lanes, k0: Lanes, k1: Lanes) -> tuple[Lanes, Lanes]:
    """Return draws 2*pair and 2*pair + 1 of a path, both from one Philox block; coordinates are uint64."""
    a, b, c, d = philox4x32(pair & LOW, pair >> WORD, replicate & LOW, replicate >> WORD, k0, k1)
    return to_unit(a, b), to_unit(c, d)


def uniforms(stream: Key, first_draw: int, draws: int, first_replicate: int, replicates: int) -> Array:
    """Return the uniforms in [0, 1) of consecutive draws and replicates (paths), shape (draws, replicates)."""
    # Draws come in pairs: start at the even one at or before first_draw, and cut off what was not wanted.
    first_pair, last_pair = first_draw // 2, (first_draw + draws + 1) // 2
    pair = np.arange(first_pair, last_pair, dtype=np.uint64)[:, None]
    replicate = np.arange(first_replicate, first_replicate + replicates, dtype=np.uint64)[None, :]
    even, odd = uniform_pair(pair, replicate, stream.k0, stream.k1)
    # Interleaved: draw 0, 1, 2, ... along the first axis.
    both = np.stack([even, odd], axis=1).reshape(-1, replicates)
    skip = first_draw - 2 * first_pair
    return both[skip : skip + draws]
