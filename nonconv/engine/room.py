"""Room for what is seen of a block, taken again for the next: to get new memory takes as long as to fill it."""

import math
import sys
import threading

import numpy as np

from nonconv.numerics.arithmetic import Array

LEAST_BYTES = 2**20
"""Smaller arrays are made anew: the processor's cache has them."""
LINE = 64
"""Bytes of a line of the processor's cache."""
MOST_KEPT = 6
"""Arrays that a thread keeps."""


class _Kept(threading.local):
    """The arrays of a thread, flat. They own their memory: whatever is made of one refers to it."""

    def __init__(self) -> None:
        self.arrays: list[Array] = []


_kept = _Kept()


def room(*shape: int) -> Array:
    """Return an array of this shape, whatever is in it: one of this thread's that nothing refers to any more, or a new one.

    A large one begins where a line of the processor's cache does.
    """
    size = math.prod(shape)
    if 8 * size < LEAST_BYTES:
        return np.empty(shape)
    most, arrays = size + LINE // 8, _kept.arrays
    # By their numbers: a variable would be one more reference.
    own = next((k for k in range(len(arrays)) if most <= len(arrays[k]) <= 2 * most and _is_free(k)), len(arrays))
    if own == len(arrays):
        arrays.append(np.empty(most))
    first = -arrays[own].ctypes.data % LINE // 8
    found: Array = arrays[own][first : first + size].reshape(shape)
    if len(arrays) > MOST_KEPT:
        del arrays[0]
    return found


def _is_free(number: int) -> bool:
    """Return whether only the list refers to an array; its views do too, and views of these."""
    return sys.getrefcount(_kept.arrays[number]) == OF_LIST


_alone = [np.empty(1)]
OF_LIST = sys.getrefcount(_alone[0])
"""References that are counted of an object that only a list refers to."""
