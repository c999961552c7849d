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
    """Return `yes` where the condition holds, `no` elsewhere.

    Both are evaluated, so neither may raise or loop forever where it is not wanted.
    """
    return np.where(condition, yes, no)


def index(x: Lanes) -> Lanes:
    """Return floor(x) as a table index, for 0 <= x < 2**63.

    It is unsigned, because a kernel tests a signed index for wrap-around, and then does not vectorise.
    """
    # By way of int64, since most processors convert floats to signed integers only.
    return np.uint64(np.int64(x))


def each(n: int) -> Iterable[Lanes]:
    """Return the positions 0, ..., n - 1 of an axis of lanes: one by one in a kernel, all at once in the reference engine.

    `for i in each(n): z[i] = x[i] * y[i]` is a loop there and one operation on arrays here.
    """
    # A tuple of one array: the loop's body runs once, with i all positions.
    return (np.arange(n),)
