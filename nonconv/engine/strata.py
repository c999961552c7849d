"""When each path is looked at within a span: one step of each stratum, by a uniform number of its own (`plan.Span.looks`)."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from nonconv.engine.plan import PHASE_BITS, PHASE_MASK, Phases, Span
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
    tables = _sorted_tiles(seed, first, paths, span.turns.tobytes(), tile)
    step = np.concatenate([span.steps_at(places).ravel() for _, places in tables])
    row = np.concatenate([np.repeat(np.arange(span.strata, dtype=np.uint8), places.shape[1]) for _, places in tables])
    # Both halves of the region have the same order.
    halves = [lanes.ravel() for lanes, _ in tables for _ in range(span.strata // len(span.turns))]
    return Hits(step, row, np.concatenate(halves))


@lru_cache(KEPT_TABLES)
def _sorted_tiles(seed: int, first: int, paths: int, turns: bytes, tile: int) -> list[tuple[NDArray[np.uint16], Phases]]:
    """Return lanes and places of each tile, (strata / 2, paths) each, in the order of places within each stratum."""
    phases, angles, found = path_phases(seed, first, paths), np.frombuffer(turns, dtype=np.uint64), []
    for at in range(0, paths, tile):
        order = np.argsort(phases[at : at + tile])
        own = phases[at + order]
        # In each stratum all phases are turned by some angle, so their order is turned too: nothing else need be sorted.
        begin = np.searchsorted(own, TURN - angles)
        lanes, places = (sliding_window_view(np.concatenate([x, x]), len(own))[begin] for x in (at + order, own))
        places += angles[:, None]
        places &= PHASE_MASK
        found.append((lanes.astype(np.uint16), places))
    return found
