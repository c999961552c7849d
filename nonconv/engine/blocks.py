"""Simulate one block: consecutive paths, moved together from their start to the last step."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nonconv.arithmetic import Array
from nonconv.engine.moving import Moving, start_points
from nonconv.engine.program import Engine, Program
from nonconv.engine.replay import Failed, Progress, find_failures, find_progress

SNAPSHOT_BYTES = 16 * 2**20
LARGEST_BLOCK = 256
SMALLEST_BLOCK = 8


@dataclass(frozen=True)
class Block:
    """What a block leaves behind. theta (R, dim, paths) at the recorded steps; start, average (dim, paths)."""

    first: int
    start: Array
    theta: Array
    average: Array | None
    failed: tuple[Failed, ...]
    progress: Progress | None = None


def block_size(dim: int, records: int) -> int:
    """Paths of a block: as many as their snapshots fit into a fixed number of bytes. A function of the config alone."""
    fitting = SNAPSHOT_BYTES // (8 * dim * records) // SMALLEST_BLOCK * SMALLEST_BLOCK
    return int(min(max(fitting, SMALLEST_BLOCK), LARGEST_BLOCK))


def simulate(program: Program, engine: Engine, first: int, paths: int, stop: NDArray[np.uint8]) -> Block:
    """Run paths first, ..., first + paths - 1. Raises Stopped when stop[0] became nonzero on the way."""
    moving = Moving(program, engine, first, paths, stop)
    theta = np.empty((len(program.record), program.dim, paths))
    done = 0
    for piece in program.slices():
        marks = program.record[done:] - piece.first_step
        marks = marks[: np.searchsorted(marks, len(piece.batch_size))]
        moving.advance(piece, marks, theta[done : done + len(marks)])
        done += len(marks)
    start = start_points(program, first, paths)
    failed = find_failures(program, engine, first, moving.theta, stop)
    progress = find_progress(program, engine, first, start, theta, stop)
    return Block(first, start, theta, moving.mean(), failed, progress)
