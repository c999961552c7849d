"""Squares of gradients that leave the range of numbers, as they do at gradients of 1e-154 and 1e154.

An optimizer names the state field whose root divides (`Squares`). One that is infinite at the end is seen in the state. One
that is too small is forgotten where gradients grow again, so it is looked at on the way: after step 1, and then as often as
it can have fallen far. Where eps is large against what is lost, nothing is looked at. So kernels do almost nothing.
"""

import math
from typing import NamedTuple

import numpy as np

from nonconv.components.definitions import Optimizer
from nonconv.engine.program import Program

LEAST = float(np.finfo(np.float64).tiny)
"""The least normal double: squares below it have lost digits."""
SAFE_DIVISOR = 1e-140
"""Beside an eps from here on, what the root of squares has lost, at most 1e-160, is less than a rounding."""
MOST_FALL = 1e-100
"""By which factor squares may fall between two looks."""


class Watch(NamedTuple):
    """How the squares of a program are watched.

    slot: the field of the state. every: steps from one look to the next, the first being after step 1; 0 for no look.
    suspect: what they were at a look if they may have been below LEAST before the next one.
    """

    slot: int
    every: int
    suspect: float


def watched_slot(rule: Optimizer) -> int:
    """Return the index of the state field that holds squares; of a rule that has one."""
    assert rule.squares is not None
    return int(rule.state._fields.index(rule.squares.field))


def watch(program: Program) -> Watch | None:
    """Return how the program's squares are watched; None for a rule without squares."""
    rule, h, _ = program.optimizer
    if rule.squares is None:
        return None
    slot, keeps = watched_slot(rule), float(rule.squares.keeps(h))
    if rule.squares.divisor(h) >= SAFE_DIVISOR:
        return Watch(slot, 0, 0.0)
    if keeps >= 1.0:
        return Watch(slot, program.steps, LEAST)  # they never fall: one look is enough
    every = max(1, min(math.floor(math.log(MOST_FALL) / math.log(keeps)), program.steps)) if keeps > 0.0 else 1
    return Watch(slot, every, LEAST / keeps ** (every - 1))
