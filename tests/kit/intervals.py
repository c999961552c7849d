"""Intervals that paths cannot leave."""

from nonconv.numerics.arithmetic import Array
from nonconv.optimizers.adam import Adam, Amsgrad
from nonconv.theory.bounds import Stay, reach, stay


def a_priori_interval(h: Adam | Amsgrad, start: Array, low: Array, high: Array, rates: Array, n: Array) -> Stay:
    """Where paths stay in steps n, which must be all from 1: a step that is left out could be the longest."""
    return stay(start, low, high, reach(h, rates, n))
