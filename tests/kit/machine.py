"""A small text to compile, and a call of it."""

import numpy as np

from nonconv.engine.machine import Function
from nonconv.numerics.arithmetic import Array

SCALE = """
from numba import njit


@njit(error_model="numpy", no_cpython_wrapper=True, _nrt=False)
def advance(out, pair, factor, shift, key):
    a, b = pair
    for i in range(out.size):
        out[i] = (a[i] + b[i, 0]) * factor + shift + key
"""
OUTSIDE = SCALE.replace("import njit", "import njit\nimport math").replace("* factor", "* math.gamma(factor)")
"""Calls a function that numba brings with it."""


def scaled(text: str = SCALE, factor: float = 2.0, out: Array | None = None, function: Function | None = None) -> list[float]:
    """What a text makes of some numbers; (a + b) * factor + 3 + 5."""
    out = np.zeros(2) if out is None else out
    pair = np.array([1.0, 2.0]), np.array([[10.0], [20.0]])
    (function or Function("advance", text))(out, pair, factor, 3, np.uint64(5))
    found: list[float] = out.tolist()
    return found
