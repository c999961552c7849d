"""What a verdict says: the answers, and what a floor was seen to do."""

from typing import Literal, NamedTuple

from nonconv.experiment.structure import Structure

Answer = Literal["does_not_converge", "converges", "diverges", "undefined", "undecided"]
State = Literal["stands", "grows", "falls", "vanished", "unclear"]

INFINITE_SQUARES = "E|Θ − ξ|² is infinite for every ξ that is a point"
"""Begins the reason of a verdict where floors, which are means of squares, say nothing."""
IT_IS_INFINITE = "it is infinite: "
"""Begins the reason of a mean that has no value at all."""
LEAST_SHARE = 1.0 / 3.0
"""A fall is accounted for by the schedules if its slope is at least this multiple of that of their drive."""


class Seen(NamedTuple):
    """What a floor did between two spans: state, slope, and the interval at the verdict's level that decided.

    first, last: the last step of either span.
    """

    state: State
    first: int
    last: int
    slope: float
    low: float
    high: float


class Decision(NamedTuple):
    """An answer with its reason, and what would decide an undecided run."""

    answer: Answer
    reason: str
    decides: str = ""


def schedules_undecided(known: Structure) -> Decision:
    """Return the decision where the schedules are not in their limit regime."""
    return Decision("undecided", known.irregular, f"take at least {known.regime_steps} steps" if known.regime_steps else "")
