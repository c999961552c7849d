"""Examples that are a vector of numbers from a data law, for objectives that couple the coordinates of such data.

There are no features; the targets are the numbers. A kernel draws them by the law's own `sample`, coordinate by coordinate.
"""

from functools import lru_cache, partial
from typing import Any

import numpy as np

from nonconv.components.definitions import Dataset, Distribution, LabelNoise, Law, Shape
from nonconv.numerics.arithmetic import Array


@lru_cache
def vectors(law: Distribution, dim: int) -> Dataset:
    """Return the examples that are dim numbers of a data law; the same object for the same law and dim."""
    number = dim if law.draws == "each" else 1
    return Dataset(
        name=law.name,
        parameters=law.parameters,
        paper=law.paper,
        shape=lambda h: Shape(0, dim),
        constants=law.constants,
        prepare=lambda h: law.prepare(h, dim),
        draws=lambda h: number,
        sample=partial(_sample, law),
        label_noise=lambda h: _noise(law.law(h, dim)),
        each=law,
    )


def all_rows(data: Dataset, h: Any) -> tuple[Array, Array] | None:
    """Return all vectors of a law with equally probable rows: features (0, N), targets (numbers, N); None of any other."""
    law, dim = data.each, data.shape(h).targets
    assert law is not None
    number = 1 if law.law(h, dim).constant else law.rows(h) if law.draws == "row" or dim == 1 else 0
    if not number:
        return None
    y = np.empty((dim, number))
    u = np.repeat((np.arange(number) + 0.5)[None, :] / number, data.draws(h), axis=0)
    data.sample(data.prepare(h), number, u, y[:0], y)
    return y[:0], y


def _sample(law: Distribution, k: Any, n: int, u: Array, x: Array, y: Array) -> None:
    """Write the numbers y (dim, n) of n examples, from u (draws, n)."""
    for j in range(len(y)):
        # Of a row all numbers share one uniform.
        y[j, :n] = law.sample(law.constants(*(field[j] for field in k)), u[j if law.draws == "each" else 0, :n])


def _noise(law: Law) -> LabelNoise:
    """Return `label_noise` of a law: whether the numbers vary, and are bounded."""
    if law.constant:
        return "none"
    return "bounded" if law.bounded else "unbounded"
