"""A share of paths and its confidence interval."""

from typing import NamedTuple


class Share(NamedTuple):
    """A share of paths with its interval."""

    value: float
    ci_low: float
    ci_high: float


def share(count: int, n: int, level: float = 0.95) -> Share:
    """Return count / n, for n > 0, with the interval of Clopper & Pearson (1934).

    It covers the true share with probability `level` or more.
    """
    tail = (1.0 - level) / 2.0
    # The ends of the interval are then powers, so that most runs need no beta function and no scipy.
    if count in (0, n):  # as in nearly all runs
        ends = (0.0, 1.0 - tail ** (1 / n)) if count == 0 else (tail ** (1 / n), 1.0)
        return Share(count / n, *ends)
    from scipy.special import betaincinv  # heavy, and seldom needed

    low = float(betaincinv(count, n - count + 1, tail))
    high = float(betaincinv(count + 1, n - count, 1.0 - tail))
    return Share(count / n, low, high)
