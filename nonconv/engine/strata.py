"""When each path is looked at within a span: one step of each stratum, by a uniform number of its own (`plan.Span.looks`)."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from nonconv.engine.plan import PHASE_BITS, PHASE_MASK, Phases, Span, turns
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.rng import key, uniforms

TURN = np.uint64(1) << PHASE_BITS
"""A whole turn of phases."""
KEPT_TABLES = 12
"""How many tables are kept: those of four blocks, some MB, since the cells of a sweep have the same."""


class Hits(NamedTuple):
    """At which steps which paths of a block are looked at; each field has shape (hits,), one per path and stratum.

    Sorted by tiles, the groups of paths that an engine moves together, and by steps within each. step: of the run.
    row: the stratum. lane: the path, counted within the block.
    """

    step: NDArray[np.int64]
    row: NDArray[np.uint8]
    lane: NDArray[np.uint16]


NO_HITS = Hits(np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(0, np.uint16))


def path_phases(seed: int, first: int, paths: int) -> Phases:
    """Return the phases of paths first, ..., first + paths - 1, shape (paths,): functions of seed and path alone."""
    places: Array = uniforms(key(seed, "strata"), 0, 1, first, paths)[0] * float(TURN)
    return places.astype(np.uint64)


@lru_cache(KEPT_TABLES)
def find_hits(seed: int, first: int, paths: int, span: Span, tile: int) -> Hits:
    """Return the hits of a span for paths first, ..., first + paths - 1, in tiles of `tile` paths."""
    places, row, lane = _sorted_places(seed, first, paths, span.strata, tile)
    step, at = np.empty(len(lane), dtype=np.int64), 0
    for own in places:
        number = span.strata * own.shape[1]
        span.steps_at(own, step[at : at + number])
        at += number
    return Hits(step, row, lane)


@lru_cache(KEPT_TABLES)
def _sorted_places(
    seed: int, first: int, paths: int, strata: int, tile: int
) -> tuple[list[Phases], NDArray[np.uint8], NDArray[np.uint16]]:
    """Return the places of each tile's paths, (strata / 2, paths) each, rising in each stratum; then rows and lanes of Hits."""
    phases, angles = path_phases(seed, first, paths), turns(strata)
    places, rows, lanes = [], [], []
    for at in range(0, paths, tile):
        order = np.argsort(phases[at : at + tile])
        own = phases[at + order]
        # In each stratum all phases are turned by some angle, so their order is turned too: nothing else need be sorted.
        begin = np.searchsorted(own, TURN - angles)
        turned = _turned(own, begin)
        turned += angles[:, None]
        turned &= PHASE_MASK
        places.append(turned)
        rows.append(np.repeat(np.arange(strata, dtype=np.uint8), len(own)))
        # Both halves of a region have the same order.
        lanes += [_turned((at + order).astype(np.uint16), begin).ravel()] * (strata // len(angles))
    return places, np.concatenate(rows), np.concatenate(lanes)


def _turned(values: NDArray[Any], begin: NDArray[np.int64]) -> NDArray[Any]:
    """Return values (n,) as circles that begin at each of these indices, (begins, n)."""
    return sliding_window_view(np.concatenate([values, values]), len(values))[begin]
