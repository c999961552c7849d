"""Follow a few paths over every step of the spans: where no step is random, each shows what becomes of its start."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.engine.moving import Moving, every_snapshot
from nonconv.engine.program import SLICE_STEPS, Engine, Program
from nonconv.numerics.arithmetic import Array

MOST_FOLLOWED = 32
"""Most paths that are followed."""
MOST_NUMBERS = 2**20
"""Most coordinates of iterates in memory at once."""


class Whole(NamedTuple):
    """What paths did on each span, over every step; each field has shape (spans, paths).

    extent: the squared diagonal of the smallest box that holds the iterates. size: the square of the last iterate, as far as
    extents are compared with it.
    """

    extent: Array
    size: Array


def follow(program: Program, engine: Engine, paths: int, stop: NDArray[np.uint8]) -> tuple[Whole, ...]:
    """Follow the first paths of a cell through the spans of its plan, for each of its iterates. Raises Stopped."""
    spans, iterates = program.plan.spans, 1 + program.more_iterates
    shape = (iterates, len(spans), program.dim, paths)
    least, most, last = np.full(shape, np.inf), np.full(shape, -np.inf), np.zeros(shape)
    # A few steps at a time, since all iterates of a piece are in memory.
    length = max(1, min(SLICE_STEPS, MOST_NUMBERS // (program.dim * paths * iterates)))
    with np.errstate(all="ignore"):
        for first, seen in every_snapshot(Moving([program], engine, 0, paths, stop), length):
            for k, span in enumerate(spans):
                steps = slice(max(0, span.first + 1 - first), max(0, span.last + 1 - first))
                here = np.concatenate([seen.theta[steps, None], seen.averages[steps]], axis=1)
                if len(here):
                    least[:, k], most[:, k] = (
                        np.minimum(least[:, k], here.min(axis=0)),
                        np.maximum(most[:, k], here.max(axis=0)),
                    )
                    last[:, k] = here[-1]
        extent, size = np.square(most - least), np.square(last)
        return tuple(
            Whole(extents.sum(axis=1), _smallest(extents, sizes, program.over_units(sizes)))
            for extents, sizes in zip(extent, size, strict=True)
        )


def _smallest(extent: Array, size: Array, rounded: Array) -> Array:
    """Return the square that an extent is compared with, (spans, paths), from squares of coordinates (spans, dim, paths).

    rounded: of the coordinates that are rounded together. It is that of the iterate, or less where a small coordinate moves:
    an extent is then this share of it that the largest share of any coordinate is.
    """
    whole = size.sum(axis=1)
    if size.shape[1] == 1:
        return np.asarray(whole)
    share = np.where(extent > 0.0, extent / rounded, 0.0).max(axis=1)
    return np.asarray(np.where(share > 0.0, np.minimum(whole, extent.sum(axis=1) / share), whole))
