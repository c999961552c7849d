"""The law of objectives without data."""

from typing import NamedTuple

import numpy as np

from nonconv.components.definitions import Distribution, Law
from nonconv.numerics.arithmetic import Lanes


class Nothing(NamedTuple):
    """No data: the objective is deterministic."""


class NothingConstants(NamedTuple):
    zero: Lanes


def sample(k: NothingConstants, u: Lanes) -> Lanes:
    """0; no uniform is drawn."""
    return k.zero


NOTHING = Distribution(
    name="none",
    parameters=Nothing,
    paper="",
    law=lambda h, dim: Law.same(dim, 0.0, 0.0, 0.0, 0.0, 0.0, symmetric=True),
    constants=NothingConstants,
    prepare=lambda h, dim: NothingConstants(np.zeros(dim)),
    sample=sample,
    draws="none",
)
