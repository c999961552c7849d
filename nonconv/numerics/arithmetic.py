"""The few operations whose NumPy spelling does not run on the scalars of a kernel.

A definition (an optimizer's update, a sampler, a gradient) is one plain text that runs on arrays over paths and, at
the compile boundary, on the scalars of one lane. `+ - * /`, `np.sqrt`, `np.maximum` and indexing mean the same in both;
what is here does not, so the boundary gives these names a scalar meaning.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Lanes = Any
"""A float inside a kernel, an array over paths in the reference engine."""


def select(condition: Lanes, yes: Lanes, no: Lanes) -> Lanes:
    """`yes` where the condition holds, `no` elsewhere; both are evaluated."""
    return np.where(condition, yes, no)


def index(x: Lanes) -> Lanes:
    """The table index floor(x) for 0 <= x < 2**63; unsigned, because a kernel would test a signed one for wrap-around."""
    return np.uint64(np.int64(x))


def each(n: int) -> Iterable[Lanes]:
    """The positions 0, ..., n - 1 of an axis of lanes: one after the other in a kernel, all at once in the reference engine.

    `for i in each(n): z[i] = x[i] * y[i]` is a loop there and one operation on arrays here.
    """
    return (np.arange(n),)
