"""The samples that paths met, made again: what is sampled at a step is a function of path and step alone."""

import numpy as np

from nonconv.engine.program import Program, Slice
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.rng import key, uniforms


def drawn(program: Program, piece: Slice, first: int, paths: int) -> Array:
    """Return what paths first, ..., first + paths - 1 sample at the steps of a slice, of a separable objective.

    Shape (samples, dim, paths), step after step; `piece.batch_size` says how many each step has.
    """
    law, number, per_sample = program.data.component, int(piece.batch_size.sum()), program.draws_per_sample
    u = uniforms(key(program.seed, "data"), piece.first_draw, number * per_sample, first, paths)
    # A law without draws returns its number, whatever it is given.
    by_sample = u.reshape(number, per_sample, paths) if per_sample else np.zeros((number, 1, paths))
    found = np.empty((number, program.dim, paths))
    with np.errstate(all="ignore"):
        for j in range(program.dim):
            constants = law.constants(*(field[j] for field in program.data.constants))
            found[:, j] = law.sample(constants, by_sample[:, j if law.draws == "each" else 0])
    return found
