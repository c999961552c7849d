"""Every choice of steps that a path's phase can make, with its probability: expectations over strata without sampling."""

from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nonconv.engine.plan import PHASE_MASK, Phases, Span, turns
from nonconv.numerics.arithmetic import Array

TURN = 2**32


def place_edges(span: Span) -> Phases:
    """The places in a stratum at which the step of some stratum changes, rising from 0."""
    # floor((k covered + x) / strata) changes where k covered + x is a multiple of strata, x = floor(place covered / TURN).
    apart = gcd(span.covered, span.strata)
    return np.array([-(-x * TURN // span.covered) for x in range(0, span.covered, apart)], dtype=np.uint64)


def all_looks(span: Span) -> tuple[NDArray[np.int64], Array]:
    """The steps of every different choice, (strata, choices), and the probability of each, (choices,)."""
    edges = (place_edges(span)[:, None] - turns(span.strata)) & PHASE_MASK
    begin = np.unique(np.append(edges.ravel(), np.uint64(0)))
    return span.looks(begin), np.diff(np.append(begin, np.uint64(TURN)).astype(np.float64)) / TURN


def mean_over_strata(span: Span, values: Any, strata: slice = slice(None)) -> float:
    """The expectation of the average of values[n] over one step n of each of these strata."""
    steps, weight = all_looks(span)
    return float(np.asarray(values)[steps[strata]].mean(axis=0) @ weight)
