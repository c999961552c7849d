"""The steps at which floors need the paths: dyadic branch points, lags after each, evenly spaced steps between two.

A run of T steps has the spans (T/8, T/4], (T/4, T/2] and (T/2, T]: a floor that decreases does so from span to span.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Steps = NDArray[np.int64]

MOST_SPANS = 3
"""Most spans of a run: the verdict judges the last three."""
WINDOW_STEPS = 64
"""Most steps of a window, evenly spaced."""


@dataclass(frozen=True)
class Span:
    """The steps first + 1, ..., last. lags: 1, 2, 4, ... and the whole span; window: equidistant steps that end with last.

    late, middle: the window's steps in the last half, and in the quarter before it, where a twin's distance is averaged.
    """

    first: int
    last: int

    @cached_property
    def lags(self) -> Steps:
        """1, 2, 4, ... up to the span's length, which is the last."""
        whole = self.last - self.first
        return np.unique([*(2**k for k in range(whole.bit_length())), whole]).astype(np.int64)

    @cached_property
    def window(self) -> Steps:
        """At most WINDOW_STEPS evenly spaced steps; the last is the end of the span."""
        whole = self.last - self.first
        number = min(WINDOW_STEPS, whole)
        return self.first + (whole * np.arange(1, number + 1) // number).astype(np.int64)

    @cached_property
    def late(self) -> Steps:
        """The last half of the window's steps."""
        return self.window[len(self.window) // 2 :]

    @cached_property
    def middle(self) -> Steps:
        """The window's steps in its second quarter."""
        return self.window[len(self.window) // 4 : max(len(self.window) // 2, 1)]

    @cached_property
    def path_marks(self) -> Steps:
        """The steps at which the path itself is kept."""
        return np.unique(np.concatenate([[self.first], self.first + self.lags, self.window]))

    @cached_property
    def twin_marks(self) -> Steps:
        """The steps at which its twin is kept."""
        return np.unique(np.concatenate([self.first + self.lags, self.middle, self.late]))


class Wanted(NamedTuple):
    """Which floors are measured."""

    twin: bool = True
    window: bool = True
    cauchy: bool = True


NOTHING_WANTED = Wanted(twin=False, window=False, cauchy=False)


@dataclass(frozen=True)
class Plan:
    """The spans of a run in ascending order, and which floors are measured on them."""

    spans: tuple[Span, ...] = ()
    wanted: Wanted = NOTHING_WANTED

    def marks(self, record: Steps) -> Steps:
        """Return all steps whose iterates are kept, the recorded ones among them, rising."""
        return np.unique(np.concatenate([record, *(span.path_marks for span in self.spans)]))

    def snapshots(self, record: Steps) -> int:
        """Return how many iterates are kept per path, those of its twins included: the memory of a block."""
        return len(self.marks(record)) + sum(len(span.twin_marks) for span in self.spans if self.wanted.twin)


NO_PLAN = Plan()


@lru_cache
def plan_for(steps: int, wanted: Wanted) -> Plan:
    """Return the plan of a run of T steps: spans (T/8, T/4], (T/4, T/2], (T/2, T].

    There are fewer for short runs, and none if nothing is wanted.
    """
    if not any(wanted):
        return Plan()
    ends = [steps >> k for k in range(MOST_SPANS + 1)]
    # Runs of fewer than 8 steps have fewer spans: none begins at step 0, the start.
    spans = [Span(first, last) for last, first in pairwise(ends) if first >= 1]
    return Plan(tuple(reversed(spans)), wanted)
