"""The steps at which floors need the paths: dyadic branch points, lags after each, one step of each stratum between two.

A run of T steps has the spans (T/8, T/4], (T/4, T/2] and (T/2, T]: a floor that decreases does so from span to span.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Steps = NDArray[np.int64]
Phases = NDArray[np.uint64]
"""Places of paths in their strata: whole numbers below 2^32, in units of 2^-32 of a stratum."""

MOST_SPANS = 3
"""Most spans of a run: the verdict judges the last three."""
MOST_STRATA = 64
"""Most strata of a span, and so most steps of a window."""
GOLDEN = np.uint64(0x9E3779B9)
"""The golden ratio in units of 2^-32: its multiples spread evenly over [0, 1), however many there are."""
PHASE_BITS, PHASE_MASK = np.uint64(32), np.uint64(0xFFFFFFFF)


def turns(strata: int) -> Phases:
    """Return what is added to a phase in each stratum of the first half, and in that half the region later, (strata / 2,)."""
    return np.arange(max(strata // 2, 1), dtype=np.uint64) * GOLDEN & PHASE_MASK


@dataclass(frozen=True)
class Span:
    """The steps first + 1, ..., last, of which `region` are averaged over: the last `covered` ones.

    The region is cut into `strata` of equal length, and a path is looked at after one step of each. Steps at equal distances
    would all meet one phase of a periodic learning rate. period: of the schedules; the region is whole periods where it can.
    """

    first: int
    last: int
    period: int = 1

    @property
    def _half(self) -> int:
        """Steps of the region's last half: whole periods, if the span has two; 0 if it has one."""
        half, period = (self.last - self.first) // 2, self.period
        if period <= half:
            return half // period * period
        return 0 if period <= self.last - self.first else half

    @cached_property
    def covered(self) -> int:
        """How many steps the region has."""
        return 2 * self._half or min(self.period, self.last - self.first)

    @cached_property
    def strata(self) -> int:
        """How many strata the region has: an even number, so that it has halves; 1 of a single step."""
        return min(MOST_STRATA, self.covered) // 2 * 2 or 1

    @cached_property
    def late(self) -> slice:
        """The strata over which a twin's distance is averaged: the last half, or all of a region of one period."""
        return slice(self.strata // 2 if self._half else 0, self.strata)

    def first_of(self, stratum: int) -> int:
        """Return the first step of a stratum."""
        return self.last - self.covered + 1 + stratum * self.covered // self.strata

    def looks(self, phases: Phases) -> Steps:
        """Return the steps after which paths with these phases (paths,) are looked at, (strata, paths), rising for each path.

        Over all phases every step of the region is equally likely. Strata half the region apart have the same phase, so that
        their steps are just that far apart.
        """
        found = np.empty((self.strata, len(phases)), dtype=np.int64)
        self.steps_at(phases + turns(self.strata)[:, None] & PHASE_MASK, found)
        return found

    def steps_at(self, places: Phases, out: Steps) -> None:
        """Write the steps at these places (strata / 2, paths) of the strata of the first half, then of those of the second."""
        # floor((k + w) covered / strata), w the place in stratum k; in whole numbers, since rounding would favour some steps.
        covered = np.uint64(self.covered)
        offset = places * (covered & PHASE_MASK)
        offset >>= PHASE_BITS
        if covered > PHASE_MASK:  # 64 bits do not hold the product at once
            offset += places * (covered >> PHASE_BITS)
        begin = np.arange(self.strata, dtype=np.uint64) * covered
        # In one array, since large ones that come and go take longer than the work on them.
        found = out.view(np.uint64).reshape(-1, *places.shape)
        np.add(begin.reshape(-1, len(places), 1), offset, out=found)
        found //= np.uint64(self.strata)
        found += np.uint64(self.last - self.covered + 1)

    @cached_property
    def lags(self) -> Steps:
        """1, 2, 4, ... up to the span's length, which is the last."""
        whole = self.last - self.first
        return np.unique([*(2**k for k in range(whole.bit_length())), whole]).astype(np.int64)

    @cached_property
    def path_marks(self) -> Steps:
        """The steps after which every path is kept."""
        return np.concatenate([[self.first], self.first + self.lags])

    @cached_property
    def twin_marks(self) -> Steps:
        """The steps after which every twin is kept."""
        return self.first + self.lags


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
        """Return all steps after which every path is kept, the recorded ones among them, rising."""
        return np.unique(np.concatenate([record, *(span.path_marks for span in self.spans)]))

    def snapshots(self, record: Steps) -> int:
        """Return how many iterates are kept per path, those of its twins included: the memory of a block."""
        # A quarter of the strata more, for the steps at which paths are looked at (`strata.Hits`).
        of_twins = (len(span.twin_marks) + span.strata - span.strata // 4 for span in self.spans if self.wanted.twin)
        return int(len(self.marks(record)) + sum(span.strata for span in self.spans) + sum(of_twins))


NO_PLAN = Plan()


@lru_cache
def plan_for(steps: int, wanted: Wanted, period: int = 1) -> Plan:
    """Return the plan of a run of T steps: spans (T/8, T/4], (T/4, T/2], (T/2, T].

    There are fewer for short runs, and none if nothing is wanted. period: of learning rate and batch size together.
    """
    if not any(wanted):
        return Plan()
    ends = [steps >> k for k in range(MOST_SPANS + 1)]
    # Runs of fewer than 8 steps have fewer spans: none begins at step 0, the start.
    spans = [Span(first, last, period) for last, first in pairwise(ends) if first >= 1]
    return Plan(tuple(reversed(spans)), wanted)
