"""How many paths and examples the kernels of networks work on at once: the config says, and no bit depends on it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from nonconv.engine.kernel_files import callees
from nonconv.engine.program import Program
from nonconv.objectives import dense

LANES, EXAMPLES_AT_ONCE = 8, 8
"""Paths moved together, and examples of each worked on together: a register holds a number of all paths, and weights are
loaded once for all examples."""
EXAMPLES_OF_ONE = 64
"""Examples worked on together where a path moves alone: a register then holds a number of several examples."""
SHARE_OF_CACHE = 2**23
"""Bytes of a processor's largest cache that one core can count on. A 20-64-64-5 network needs a fifth of that for eight
paths, and takes a tenth longer path by path; a 64-256-256-10 network needs three times that, and takes half as long."""
ENOUGH_EXAMPLES = 8
"""Examples that fill a register."""
PRODUCTS = {dense.affine, dense.add_outer, dense.linear, dense.add_weights, dense.pull_back}
"""What is compiled for one path too (`products_of_one`)."""


class Tile(NamedTuple):
    """Paths moved together, and examples of each worked on together."""

    lanes: int
    examples: int


TOGETHER, ALONE = Tile(LANES, EXAMPLES_AT_ONCE), Tile(1, EXAMPLES_OF_ONE)


def tile_of(program: Program) -> Tile:
    """Return the tile of a network: one path, where what eight of them need does not fit into a core's share of the cache.

    A path moves alone only where a batch fills registers, and where the objective leaves its products to `objectives.dense`.
    """
    # Weights, gradient and state of each.
    numbers = program.dim * (2 + len(program.optimizer.component.state._fields))
    large = 8 * LANES * numbers > SHARE_OF_CACHE
    enough = program.samples >= ENOUGH_EXAMPLES * program.dim
    return ALONE if large and enough and _multiplies(program.objective.component.add_gradient) else TOGETHER


def _multiplies(function: Callable[..., Any]) -> bool:
    """Return whether a function calls, itself or through others, the products of a dense layer."""
    return any(called in PRODUCTS or _multiplies(called) for called in callees(function).values())
