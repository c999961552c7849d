"""Simulate one block: consecutive paths, moved together from their start to the last step."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nonconv.arithmetic import Array
from nonconv.engine.moving import Moving, start_points
from nonconv.engine.plan import Span
from nonconv.engine.program import Engine, Program
from nonconv.engine.replay import Failed, Progress, find_failures, find_progress

SNAPSHOT_BYTES = 16 * 2**20
LARGEST_BLOCK = 256
SMALLEST_BLOCK = 8


@dataclass(frozen=True)
class Block:
    """What a block leaves behind. theta (R, dim, paths) at the recorded steps; start, average (dim, paths).

    seen (marks, dim, paths): the iterates at the steps of `marks`, the recorded ones among them. twins: for each span
    of the plan the twins at its twin_marks. lowest, highest (dim, paths): of all iterates; empty if not watched.
    """

    first: int
    start: Array
    theta: Array
    average: Array | None
    failed: tuple[Failed, ...]
    progress: Progress | None
    marks: NDArray[np.int64]
    seen: Array
    twins: tuple[Array, ...]
    lowest: Array
    highest: Array


def block_size(program: Program) -> int:
    """Paths of a block: as many as their snapshots fit into a fixed number of bytes. A function of the config alone."""
    fitting = SNAPSHOT_BYTES // (8 * program.dim * program.plan.snapshots(program.record)) // SMALLEST_BLOCK * SMALLEST_BLOCK
    return int(min(max(fitting, SMALLEST_BLOCK), LARGEST_BLOCK))


def simulate(program: Program, engine: Engine, first: int, paths: int, stop: NDArray[np.uint8]) -> Block:
    """Run paths first, ..., first + paths - 1. Raises Stopped when stop[0] became nonzero on the way."""
    moving = Moving(program, engine, first, paths, stop)
    marks, spans = program.plan.marks(program.record), program.plan.spans
    seen = np.empty((len(marks), program.dim, paths))
    twins, done = [], 0
    for span in spans:
        moving.go(marks, seen, done, span.first)
        done = span.first
        if program.plan.wanted.twin:
            twins.append(moving.twin())
    moving.go(marks, seen, done, program.steps)
    start = start_points(program, first, paths)
    theta = seen if len(marks) == len(program.record) else seen[np.searchsorted(marks, program.record)]
    return Block(
        first=first,
        start=start,
        theta=theta,
        average=moving.mean(),
        failed=find_failures(program, engine, first, moving.theta, stop),
        progress=find_progress(program, engine, first, start, theta, stop),
        marks=marks,
        seen=seen,
        twins=tuple(_followed(twin, span) for twin, span in zip(twins, spans if twins else (), strict=True)),
        lowest=moving.lowest,
        highest=moving.highest,
    )


def _followed(twin: Moving, span: Span) -> Array:
    """The twin at the span's twin_marks, shape (marks, dim, paths)."""
    seen = np.empty((len(span.twin_marks), *twin.theta.shape))
    twin.go(span.twin_marks, seen, span.first, span.last)
    return seen
