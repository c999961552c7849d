"""The choices in which implementations of one method differ, each as numbers that depend on the step alone.

No choice costs a branch in the lane loop: an option that is off is a factor one or a summand zero, both exact.
"""

import math
from typing import Any, Literal

import numpy as np

from nonconv.components.definitions import Complaint
from nonconv.numerics.arithmetic import Array

FORGOTTEN = 40.0
"""Where beta^n is below exp of minus this, 1 - beta^n is 1, to the bit; powers take time."""

EpsPlacement = Literal["outside", "inside", "hat"]
Start = Literal["zero", "first_gradient"]


def averaging(beta: float, start: Start, n: Array) -> tuple[Array, Array]:
    """Decay and weight of `a_n = decay_n a_{n-1} + weight_n x_n`; started at the first value, a_1 = x_1."""
    decay, weight = np.full_like(n, beta), np.full_like(n, 1.0 - beta)
    if start == "first_gradient":
        decay[n == 1.0], weight[n == 1.0] = 0.0, 1.0
    return decay, weight


def correction(beta: float, wanted: bool, n: Array) -> Array:
    """1/(1 - beta^n), by which an average started at zero is unbiased; 1 when not wanted."""
    factor = np.ones_like(n)
    if wanted and beta > 0.0:
        early = n < FORGOTTEN / -math.log(beta)
        factor[early] = 1.0 / (1.0 - np.power(beta, n[early]))
    return factor


def epsilons(eps: float, placement: EpsPlacement, correction2: Array) -> tuple[Array, Array]:
    """What is added inside and outside the root of sqrt(v_hat + inside) + outside.

    `hat` is the efficient form at the end of Kingma & Ba's section 2: eps is added to sqrt(v) before v is corrected.
    """
    nothing, eps_n = np.zeros_like(correction2), np.full_like(correction2, eps)
    if placement == "inside":
        return eps_n, nothing
    return nothing, eps_n * np.sqrt(correction2) if placement == "hat" else eps_n


def size_of_quotient(beta1: float, beta2: float, unbiased: bool, n: Array) -> Array:
    """The `relative_size` of m / sqrt(v), m and v being averages of gradients and of their squares.

    Averages that start at zero and are not corrected have filled up to 1 - beta^n of what they estimate.
    """
    if unbiased:
        return np.ones_like(n)
    return np.asarray(np.sqrt(correction(beta2, True, n)) / correction(beta1, True, n))


def without_eps(h: Any) -> bool:
    """The `can_be_undefined` of rules that divide by a root of squared gradients and eps."""
    return bool(h.eps == 0)


def complain_about_start(h: Any) -> list[Complaint]:
    """An average that starts at the first gradient has weights that sum to one from the first step on."""
    if h.bias_correction and h.start == "first_gradient":
        message = (
            "an average that starts at the first gradient has no bias to correct; use start: zero, or bias_correction: false"
        )
        return [Complaint("bias_correction", message)]
    return []
