"""The samples that paths met, made again: what is sampled at a step is a function of path and step alone."""

import numpy as np

from nonconv.engine.moving import Moving
from nonconv.engine.program import Slice
from nonconv.engine.reference import Draws
from nonconv.numerics.arithmetic import Array


class Samples:
    """What paths sample, slice after slice, of a separable objective. Consecutive slices restore no deck of rows."""

    def __init__(self, moving: Moving) -> None:
        """Take the paths, wherever they are; they are not moved."""
        self._moving, self._next_step = moving, 0
        self._draws: Draws | None = None
        self._held: Array = np.empty((0, 0))

    def of(self, piece: Slice) -> Array:
        """Return the samples of a slice, (samples, dim, paths), step after step; `piece.batch_size` says how many each has."""
        program, batch = self._moving.program, piece.batch_size
        law, per_sample, paths = program.data.component, program.draws_per_sample, self._moving.theta.shape[1]
        number = int(batch.sum())
        # A law without draws returns its number, whatever it is given.
        u = self._uniforms(piece).reshape(number, per_sample, paths) if per_sample else np.zeros((number, 1, paths))
        found = np.empty((len(u), program.dim, paths))
        with np.errstate(all="ignore"):
            for j in range(program.dim):
                constants = law.constants(*(field[j] for field in program.data.constants))
                found[:, j] = law.sample(constants, u[:, j if law.draws == "each" else 0])
            if program.supply.drift:
                n = np.arange(piece.first_step, piece.first_step + len(batch), dtype=np.float64)
                found += np.repeat(program.supply.drift(n), batch)[:, None, None]
        return found

    def _uniforms(self, piece: Slice) -> Array:
        """Return the uniforms of all samples of a slice, (samples * draws, paths)."""
        moving, program = self._moving, self._moving.program
        sizes = piece.batch_size * program.draws_per_sample
        # Steps that draw a batch; the others hold that of the step before.
        fresh = (piece.first_step - 1 + np.arange(len(sizes))) % program.supply.hold == 0
        if self._draws is None or piece.first_step != self._next_step:
            self._draws, fresh[0] = Draws(program, moving.motion(piece, moving.theta, moving.state)), True
        self._next_step = piece.first_step + len(sizes)
        u = self._draws.of_batches(int(sizes[fresh].sum()))
        if program.supply.hold == 1:
            return u
        kept = [self._held] if not fresh[0] else []  # of the slice before
        ends = np.cumsum(np.where(fresh, sizes, 0)) + sum(map(len, kept))
        u = np.concatenate([*kept, u])
        found = [u[end - size : end] for end, size in zip(ends.tolist(), sizes.tolist(), strict=True)]
        self._held = found[-1]
        return np.concatenate(found)


def drawn(moving: Moving, piece: Slice) -> Array:
    """Return what the paths sample at the steps of a slice, of a separable objective, (samples, dim, paths)."""
    return Samples(moving).of(piece)
