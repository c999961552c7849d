"""A small deviation from Adam's orbit on Toint's counterexample, to first order (docs/theory.md)."""

import numpy as np

from nonconv.engine.program import Program
from nonconv.numerics.arithmetic import Array
from nonconv.optimizers.adam import ADAM

MOST_STEPS = 5000
"""The recursion is a Python loop, so it covers the first steps of a run only."""


def deviation(program: Program, orbit: Array, start: float, steps: int) -> Array | None:
    """Return the deviation from the orbit after steps 0, ..., steps (at most MOST_STEPS), from `start` at step 0.

    program: bound to its orbit. orbit: the iterates on the knots, at steps 0, 1, ... None unless the optimizer is adam.
    At a distance d from a knot f' = scale (-1 + 6 |d| / s), s being the interval on that side, so the gradient of a path
    that is off its knot is larger on either side. This goes into m and v, whose own deviations are mu and nu.
    """
    rule, h, _ = program.optimizer
    if rule is not ADAM:
        return None
    n = np.arange(1.0, min(steps, MOST_STEPS) + 1.0)
    rate = program.learning_rate(n)
    c = rule.coefficients(h, n, rate)
    scale, gaps = program.objective.parameters.scale, np.diff(orbit)
    m = v = mu = nu = 0.0
    found = [start]
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(len(n)):
            d = found[-1]
            # Left of knot 0 there is no interval, and the slope is -scale: s is infinite.
            s = gaps[t] if d > 0 else gaps[t - 1] if t else np.inf
            rise = 6.0 * abs(d) / s
            m, v = c.decay1[t] * m - c.weight1[t] * scale, c.decay2[t] * v + c.weight2[t] * scale**2
            mu, nu = c.decay1[t] * mu + c.weight1[t] * scale * rise, c.decay2[t] * nu - 2.0 * c.weight2[t] * scale**2 * rise
            root = np.sqrt(c.correction2[t] * v + c.eps_inside[t])
            denominator = root + c.eps_outside[t]
            # The first-order change of m / (sqrt(v) + eps) by mu and nu.
            change = mu / denominator - m * c.correction2[t] * nu / (2.0 * root * denominator**2)
            found.append(d - rate[t] * c.correction1[t] * change)
    return np.array(found)
