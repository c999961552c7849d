"""The parts of a tally: how two of a kind merge, and which named arrays keep one on disk.

A part describes consecutive paths. Merging is done per block, in the order of the paths, so that its rounding does not
depend on who computed which block.
"""

from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from nonconv.engine.whole import Whole
from nonconv.numerics.moments import Moments, merge
from nonconv.statistics.comoments import CoMoments, merge_comoments

P = TypeVar("P")
Arrays = Mapping[str, NDArray[Any]]
"""A part's arrays by the names of its fields; the field of a part that is a single array is named by an empty text."""


class Kind(NamedTuple, Generic[P]):
    """How parts of one type merge and are stored.

    fields: the names of its arrays. merge: (a, b) -> the part of both, where a describes the earlier paths.
    arrays: part -> its arrays, by field. restore: the inverse of `arrays`.
    """

    fields: tuple[str, ...]
    merge: Callable[[P, P], P]
    arrays: Callable[[P], Arrays]
    restore: Callable[[Arrays], P]


class FirstPaths(NamedTuple):
    """Numbers of the first paths: an array per block, with the paths along `axis`.

    Blocks are joined when they are read: joining them at each merge would copy the first ones again and again.
    """

    blocks: tuple[NDArray[Any], ...]
    axis: int

    @property
    def joined(self) -> NDArray[Any]:
        """All blocks as one array, with the paths along `axis`."""
        return self.blocks[0] if len(self.blocks) == 1 else np.concatenate(self.blocks, axis=self.axis)

    @property
    def paths(self) -> int:
        """How many paths there are in all blocks."""
        return sum(block.shape[self.axis] for block in self.blocks)


class FirstFailure(NamedTuple):
    """The earliest step at which a path left the finite numbers, and the first path that did so at that step.

    Tuples order by step, then by path, so that `min` merges two of them.
    """

    step: int
    path: int


def first_paths(axis: int) -> Kind[FirstPaths]:
    """Return the kind of arrays of the first paths, which lie along this axis.

    How many there are at most is up to the one who measures.
    """

    def merged(a: FirstPaths, b: FirstPaths) -> FirstPaths:
        """Return the blocks of both, those of a first."""
        # Empty blocks, those beyond the first paths, are left out, or a long run would collect thousands of them.
        return FirstPaths(a.blocks + tuple(block for block in b.blocks if block.shape[axis]), axis)

    return Kind(("",), merged, lambda part: {"": part.joined}, lambda arrays: FirstPaths((arrays[""],), axis))


def optional(kind: Kind[P]) -> Kind[P | None]:
    """Return the kind of parts that may be None: these have no arrays, and a merge with one returns the other part."""

    def merged(a: P | None, b: P | None) -> P | None:
        """Return the part of both, or the one that there is."""
        return b if a is None else a if b is None else kind.merge(a, b)

    def arrays(part: P | None) -> Arrays:
        """Return the part's arrays, none for None."""
        return {} if part is None else kind.arrays(part)

    return Kind(kind.fields, merged, arrays, lambda arrays: kind.restore(arrays) if arrays else None)


COUNT: Kind[int] = Kind(("",), lambda a, b: a + b, lambda part: {"": np.array(part)}, lambda arrays: int(arrays[""]))
"""How many paths."""
COUNTS: Kind[NDArray[np.int64]] = Kind(("",), lambda a, b: a + b, lambda part: {"": part}, lambda arrays: arrays[""])
"""How many paths in each of several classes."""
SUMS: Kind[NDArray[np.float64]] = Kind(("",), lambda a, b: a + b, lambda part: {"": part}, lambda arrays: arrays[""])
"""Sums over paths."""
MOMENTS: Kind[Moments] = Kind(Moments._fields, merge, Moments._asdict, lambda arrays: Moments(**arrays))
COMOMENTS: Kind[CoMoments] = Kind(CoMoments._fields, merge_comoments, CoMoments._asdict, lambda arrays: CoMoments(**arrays))
WHOLE: Kind[Whole] = Kind(Whole._fields, lambda a, b: a, Whole._asdict, lambda arrays: Whole(**arrays))
"""Of the first paths alone, which are in the first block."""
FIRST_FAILURE: Kind[FirstFailure] = Kind(
    FirstFailure._fields,
    min,
    lambda part: {name: np.array(value) for name, value in part._asdict().items()},
    lambda arrays: FirstFailure(**{name: int(value) for name, value in arrays.items()}),
)
