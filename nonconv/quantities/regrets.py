"""Regret: what a path loses more than the best single point would have, which it knows only afterwards."""

from typing import NamedTuple

import numpy as np

from nonconv.components.quantity import Quantity, Seen
from nonconv.numerics.arithmetic import Array

MOST_STEPS = 32
"""At most so many steps, where the best point must be looked for among the samples themselves."""


class Regret(NamedTuple):
    """What a path lost until step n, less what the best fixed point would have lost.

        R_n = sum_{k <= n} f_k(theta_{k-1}) - min over theta of sum_{k <= n} f_k(theta)

    f_k is the mean loss of the samples of step k, taken at the iterate before it is moved. The minimum is over the domain, if
    there is one, and each path has its own. Paths are simulated again for it, so it is measured on the first ones.
    """


class AverageRegret(NamedTuple):
    """The regret per step, R_n / n, of `regret`. It tends to 0 where a method learns as well as the best fixed point does."""


ZINKEVICH = "Zinkevich (2003), Online convex programming, ICML"


def average(h: AverageRegret, seen: Seen) -> Array:
    """Return R_n / n, (steps, paths)."""
    found = seen.regret()
    return (found.lost - found.least) / found.steps[:, None]


def total(h: Regret, seen: Seen) -> Array:
    """Return R_n, (steps, paths)."""
    found = seen.regret()
    with np.errstate(invalid="ignore"):
        return np.asarray(found.lost - found.least)


REGRET = Quantity(
    name="regret",
    parameters=Regret,
    paper=ZINKEVICH,
    kind="signed mean",
    title=lambda h: "E Rₙ",
    label=lambda h, xi: "regret",
    needs=lambda h: ("losses",),
    measure=total,
)
AVERAGE_REGRET = Quantity(
    name="average_regret",
    parameters=AverageRegret,
    paper=ZINKEVICH,
    kind="signed mean",
    title=lambda h: "E Rₙ / n",
    label=lambda h, xi: "average_regret",
    needs=lambda h: ("losses",),
    measure=average,
)
