"""Rows passed through in an order: all of them in each pass, shuffled for every pass, or once, or as they are.

Fisher & Yates: the row at place k of a pass is drawn from those that are left, by the uniform of that draw alone. So what
a path sees is a function of coordinates here too: a path that goes on in the middle of a pass restores its deck by dealing
the pass again.
"""

import numpy as np
from numpy.typing import NDArray

from nonconv.components.definitions import Order
from nonconv.numerics.arithmetic import Array, each

EVERY_PASS, ONCE, NEVER = 1, 2, 3
"""When rows are shuffled: the codes of orders in kernels."""
CODES: dict[Order, int] = {"with_replacement": 0, "epochs": EVERY_PASS, "once": ONCE, "cyclic": NEVER}
SHUFFLED: tuple[Order, ...] = ("epochs", "once")
"""Orders that need a deck."""


def deal(deck: NDArray[np.int32], serial: int, examples: int, u: Array, lanes: int, order: int, rows: int) -> None:
    """Deal rows to the samples serial, serial + 1, ...: replace each uniform in u[0] by (row + 0.5) / rows.

    u (1, examples * lanes) holds sample after sample. The result selects exactly that row where rows are sampled.

    deck (rows, lanes) is the order of the running pass as far as it was dealt, then the rows that are left; it may be empty
    where they are never shuffled.
    """
    for s in range(examples):
        place = (serial + s) % rows
        if order == NEVER:
            for i in each(lanes):
                u[0, s * lanes + i] = (place + 0.5) / rows
        elif order == ONCE and serial + s >= rows:
            for i in each(lanes):
                u[0, s * lanes + i] = (deck[place, i] + 0.5) / rows
        else:
            # A new pass: the rows in their own order, which are shuffled as they are dealt.
            if place == 0:
                for row in range(rows):
                    for i in each(lanes):
                        deck[row, i] = row
            for i in each(lanes):
                # One of the rows that are left, each with the same probability.
                drawn = place + np.int64(u[0, s * lanes + i] * (rows - place))
                taken, other = deck[drawn, i], deck[place, i]
                deck[drawn, i] = other
                deck[place, i] = taken
                # The middle of the row's interval: rounding cannot move it to a neighbour.
                u[0, s * lanes + i] = (taken + 0.5) / rows


def to_restore(order: Order, rows: int, per_sample: int, draw: int) -> range:
    """Return the draws that must be dealt again for a deck to be as it was before this draw, the first of a sample."""
    if order not in SHUFFLED:
        return range(draw, draw)
    whole = rows * per_sample
    return range(min(draw, whole)) if order == "once" else range(draw - draw % whole, draw)
