"""The samples that paths met, made again: what is sampled at a step is a function of path and step alone."""

import numpy as np

from nonconv.engine.moving import Moving
from nonconv.engine.program import Slice
from nonconv.engine.reference import Draws
from nonconv.numerics.arithmetic import Array


def drawn(moving: Moving, piece: Slice) -> Array:
    """Return what the paths sample at the steps of a slice, of a separable objective, shape (samples, dim, paths).

    Step after step; `piece.batch_size` says how many each step has. moving: the paths, wherever they are.
    """
    program, batch = moving.program, piece.batch_size
    law, per_sample, paths = program.data.component, program.draws_per_sample, moving.theta.shape[1]
    number = int(batch.sum())
    # A law without draws returns its number, whatever it is given.
    u = _uniforms(moving, piece).reshape(number, per_sample, paths) if per_sample else np.zeros((number, 1, paths))
    found = np.empty((len(u), program.dim, paths))
    with np.errstate(all="ignore"):
        for j in range(program.dim):
            constants = law.constants(*(field[j] for field in program.data.constants))
            found[:, j] = law.sample(constants, u[:, j if law.draws == "each" else 0])
        if program.supply.drift:
            n = np.arange(piece.first_step, piece.first_step + len(batch), dtype=np.float64)
            found += np.repeat(program.supply.drift(n), batch)[:, None, None]
    return found


def _uniforms(moving: Moving, piece: Slice) -> Array:
    """Return the uniforms of all samples of a slice, (samples * draws, paths)."""
    program, supply, sizes = moving.program, moving.program.supply, piece.batch_size * moving.program.draws_per_sample
    # Steps that draw a batch; the others hold that of the step before.
    fresh = (piece.first_step - 1 + np.arange(len(sizes))) % supply.hold == 0
    fresh[0] = True
    u = Draws(program, moving.motion(piece, moving.theta, moving.state)).of_batches(int(sizes[fresh].sum()))
    if fresh.all():
        return u
    ends = np.cumsum(np.where(fresh, sizes, 0))
    return np.concatenate([u[end - size : end] for end, size in zip(ends.tolist(), sizes.tolist(), strict=True)])
