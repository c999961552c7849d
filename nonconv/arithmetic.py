"""The few operations whose NumPy spelling does not run on the scalars of a kernel.

A definition (an optimizer's update, a sampler, a gradient) is one plain text that runs on arrays over paths and, at
the compile boundary, on the scalars of one lane. `+ - * /`, `np.sqrt`, `np.maximum` and indexing mean the same in both;
what is here does not, so the boundary gives these two names a scalar meaning.
"""

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
