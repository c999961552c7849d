"""Rows of a table in epochs: each path passes through all rows in its own order, then shuffles them again.

Fisher & Yates: the row at place k of an epoch is drawn from those that are left, by the uniform of that draw alone. So
what a path sees is a function of coordinates here too: a resumed path restores its deck by dealing the epoch again.
"""

import numpy as np
from numpy.typing import NDArray

from nonconv.numerics.arithmetic import Array, each


def deal(deck: NDArray[np.int32], draw: int, examples: int, u: Array, lanes: int) -> None:
    """Deal rows for the draws draw, draw + 1, ...: replace each uniform in u[0] by (row + 0.5) / rows.

    u (1, examples * lanes) holds example after example. The result selects exactly that row where rows are sampled.

    deck (rows, lanes) is the order of the running epoch as far as it was dealt, then the rows that are left.
    """
    rows = len(deck)
    for s in range(examples):
        place = (draw + s) % rows
        # A new epoch: the rows in the table's order, which are shuffled as they are dealt.
        if place == 0:
            for row in range(rows):
                for i in each(lanes):
                    deck[row, i] = row
        for i in each(lanes):
            # One of the rows that are left, each with the same probability.
            drawn = place + np.int64(u[0, s * lanes + i] * (rows - place))
            row, other = deck[drawn, i], deck[place, i]
            deck[drawn, i] = other
            deck[place, i] = row
            # The middle of the row's interval: rounding cannot move it to a neighbour.
            u[0, s * lanes + i] = (row + 0.5) / rows
