"""The law of objectives without data."""

from typing import NamedTuple

import numpy as np

from nonconv.components.definitions import Distribution, Law
from nonconv.numerics.arithmetic import Lanes


class Nothing(NamedTuple):
    """No data: the objective is deterministic."""


class NothingConstants(NamedTuple):
    """The number that `sample` returns for every coordinate: 0, shape (dim,) before the engine takes one entry."""

    zero: Lanes


def sample(k: NothingConstants, u: Lanes) -> Lanes:
    """Return 0, whatever u is; an objective without data ignores it, and no uniform is made."""
    return k.zero


NOTHING = Distribution(
    name="none",
    parameters=Nothing,
    paper="",
    law=lambda h, dim: Law.same(dim, 0.0, 0.0, 0.0, 0.0, 0.0, symmetric=True, fourth=0.0, moments=np.inf, tail_share=1.0),
    constants=NothingConstants,
    prepare=lambda h, dim: NothingConstants(np.zeros(dim)),
    sample=sample,
    draws="none",
)
