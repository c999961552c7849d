"""What data laws share: the numbers that data may be, and ends that must be in order."""

from typing import Annotated, Protocol

from annotated_types import Interval

from nonconv.components.definitions import Complaint

LARGEST = 1e100
"""Largest magnitude of a number in data: its cube, hence its third moment, is still a double."""
Value = Annotated[float, Interval(ge=-LARGEST, le=LARGEST)]


class Ends(Protocol):
    """Parameters with two ends."""

    @property
    def low(self) -> float: ...

    @property
    def high(self) -> float: ...


def complain_unless_ordered(h: Ends) -> list[Complaint]:
    """Refuse high <= low, at the parameter high."""
    return [] if h.high > h.low else [Complaint("high", f"{h.high:g} must be above low, which is {h.low:g}")]


def fourth_power(x: float) -> float:
    """Return x^4, inf where it leaves the doubles: Python's own power would raise there."""
    return (x * x) * (x * x)
