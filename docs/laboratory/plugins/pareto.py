"""A heavy-tailed law of data."""

from typing import Annotated, NamedTuple

import numpy as np

from nonconv.plugin import DATA, Distribution, Doc, Interval, Lanes, Law, exp, log, select


class Pareto(NamedTuple):
    """A symmetric law with P(|X| > x) = x^-tail for x > 1: moments below `tail` are finite, the others are not."""

    tail: Annotated[float, Interval(gt=1, le=1e3), Doc("the tail index")]


class ParetoConstants(NamedTuple):
    exponent: Lanes


def law(h: Pareto, dim: int) -> Law:
    variance, fourth, eighth = (h.tail / (h.tail - k) if h.tail > k else np.inf for k in (2.0, 4.0, 8.0))
    share = fourth**2 / eighth if np.isfinite(eighth) else 0.0
    return Law.same(dim, 0.0, variance, 0.0, -np.inf, np.inf, symmetric=True, fourth=fourth, moments=h.tail, tail_share=share)


def prepare(h: Pareto, dim: int) -> ParetoConstants:
    return ParetoConstants(np.full(dim, -1.0 / h.tail))


def sample(k: ParetoConstants, u: Lanes) -> Lanes:
    # The grid of u is 2^-52: half of it is added so that neither tail is drawn at 0.
    centred = 2.0 * u - 1.0 + 2.0**-53
    size = exp(k.exponent * log(1.0 - np.abs(centred) + 2.0**-60))
    return select(centred < 0.0, -size, size)


EXAMPLES = {"pareto": [{"tail": 12.0}, {"tail": 20.0}]}
"""Tails whose moments a sample shows."""
DATA.register(
    Distribution(
        name="pareto",
        parameters=Pareto,
        paper="Pareto (1896), with both signs",
        law=law,
        constants=ParetoConstants,
        prepare=prepare,
        sample=sample,
    )
)
