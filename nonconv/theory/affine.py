"""Steps that are linear but for noise, and what many of them do together."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.numerics.arithmetic import Array

CHUNK = 4096
"""Steps whose maps are formed at once."""


class Moves(NamedTuple):
    """Steps of a state s: s' = map s + force + noise, and spread is the covariance of the noise.

    Shapes (steps, k, k), (steps, k) and (steps, k, k).
    """

    map: Array
    force: Array
    spread: Array


def compose(moves: Moves) -> Moves:
    """Return all steps as one, (k, k), (k,) and (k, k): by pairs of steps, pairs of pairs and so on."""
    while len(moves.map) > 1:
        even = len(moves.map) - len(moves.map) % 2
        first, second = (Moves(*(field[k:even:2] for field in moves)) for k in (0, 1))
        joined = Moves(
            second.map @ first.map,
            (second.map @ first.force[..., None])[..., 0] + second.force,
            second.map @ first.spread @ second.map.transpose(0, 2, 1) + second.spread,
        )
        moves = Moves(*(np.concatenate([pair, field[even:]]) for pair, field in zip(joined, moves, strict=True)))
    return Moves(*(field[0] for field in moves))


def follow(
    moves_at: Callable[[Array], Moves], mean: Array, covariance: Array, steps: NDArray[np.int64], done: int
) -> Iterator[tuple[Array, Array]]:
    """Yield mean (k,) and covariance (k, k) of the state after rising steps, given those after step `done`.

    moves_at: the moves of consecutive steps n (steps,).
    """
    for step in steps.tolist():
        while done < step:
            n = np.arange(done + 1, min(done + CHUNK, step) + 1, dtype=np.float64)
            together = compose(moves_at(n))
            mean = together.map @ mean + together.force
            covariance = together.map @ covariance @ together.map.T + together.spread
            done += len(n)
        yield mean, covariance
