"""The numbers that data may be: third moments of larger ones are beyond double precision."""

from typing import Annotated

from annotated_types import Interval

LARGEST = 1e100
"""Largest magnitude of a number in data: its cube, hence its third moment, is still a double."""
Value = Annotated[float, Interval(ge=-LARGEST, le=LARGEST)]
