"""Closed forms of stationary moments on the quadratic at a constant learning rate, per coordinate (docs/theory.md).

g = c * learning_rate with c = 2 scale the curvature; variance is that of the batch mean, sigma^2 / M.
"""

import math


def sgd_plateau(g: float, variance: float) -> float:
    """Return E(theta - mu)^2 in the stationary state of SGD, for 0 < g < 2."""
    return g * variance / (2.0 - g)


def sgd_increment(g: float, variance: float, lag: int) -> float:
    """Return E(theta_{n+lag} - theta_n)^2 in the stationary state of SGD, for 0 < g < 2."""
    return 2.0 * sgd_plateau(g, variance) * (1.0 - (1.0 - g) ** lag)


def heavy_ball_plateau(g: float, beta: float, variance: float) -> float:
    """Return E(theta - mu)^2 in the stationary state of the heavy ball, for 0 < g < 2 (1 + beta)."""
    return g * (1.0 + beta) * variance / ((1.0 - beta) * (2.0 * (1.0 + beta) - g))


def heavy_ball_increment(g: float, beta: float, variance: float) -> float:
    """Return E(theta_{n+1} - theta_n)^2 in the stationary state of the heavy ball, for 0 < g < 2 (1 + beta)."""
    return 2.0 * g * g * variance / ((1.0 - beta) * (2.0 * (1.0 + beta) - g))


def ema_plateau(g: float, beta: float, variance: float) -> float:
    """Return E(theta - mu)^2 for momentum as a moving average: the heavy ball with g (1 - beta) in place of g."""
    return heavy_ball_plateau(g * (1.0 - beta), beta, variance)


def ema_increment(g: float, beta: float, variance: float) -> float:
    """Return E(theta_{n+1} - theta_n)^2 for momentum as a moving average: the heavy ball with g (1 - beta) in place of g."""
    return heavy_ball_increment(g * (1.0 - beta), beta, variance)


def adam_plateau(learning_rate: float, beta1: float, variance: float) -> float:
    """Return approximately E(theta - mu)^2 of Adam on symmetric data as beta2 -> 1 and eps -> 0.

    It is about learning_rate sigma_M / 2. v is then frozen at c^2 s^2 with s^2 = variance + V, so Adam is an ema with
    g = learning_rate / s and V = g (1 + beta1) variance / (2 (1 + beta1) - (1 - beta1) g), which one s solves where that is
    positive.
    """
    sigma, pull, noise = math.sqrt(variance), (1.0 - beta1) * learning_rate, (1.0 + beta1) * learning_rate * variance

    def excess(s: float) -> float:
        """Return V = s^2 - variance, as a product so that no digits cancel."""
        return (s - sigma) * (s + sigma)

    def pulled(s: float) -> float:
        """Return the denominator of V times s."""
        return 2.0 * (1.0 + beta1) * s - pull

    low = max(sigma, pull / (2.0 * (1.0 + beta1)))
    high = 2.0 * low + learning_rate
    middle = (low + high) / 2.0
    # Bisection until two doubles are neighbours: a few dozen steps, and no tolerance to choose.
    while low < middle < high:
        low, high = (middle, high) if excess(middle) * pulled(middle) < noise else (low, middle)
        middle = (low + high) / 2.0
    return excess(high) if high > 2.0 * sigma else noise / pulled(high)  # whichever does not cancel
