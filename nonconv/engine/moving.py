"""Paths on their way: start points, optimizer state, running sums, and how an engine carries them from slice to slice."""

from collections.abc import Iterator, Sequence
from copy import copy

import numpy as np
from numpy.typing import NDArray

from nonconv.components.definitions import Chosen
from nonconv.engine.program import SLICE_STEPS, Engine, Motion, Program, Slice, refuse_misshapen
from nonconv.engine.strata import NO_HITS, Hits
from nonconv.faults.blame import refusal
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.rng import key, uniforms

NOTHING_SAMPLED: Array = np.empty((0, 0, 0))


class Stopped(Exception):
    """The block was asked to stop and has no result."""


def start_points(program: Program, first: int, paths: int) -> Array:
    """Return where paths first, ..., first + paths - 1 start, shape (dim, paths)."""
    if not isinstance(program.start, Chosen):
        return np.repeat(program.start[:, None], paths, axis=1)
    law, parameters = program.start
    # A stream apart from that of the data: a start drawn from a law leaves the data as they are.
    u = uniforms(key(program.seed, "start"), 0, program.dim, first, paths)
    constants = law.prepare(parameters, program.dim)
    refuse_misshapen(law, constants, program.dim)
    if all(np.ndim(field) == 1 for field in constants):  # all coordinates at once, since there may be thousands
        return np.asarray(law.sample(law.constants(*(field[:, None] for field in constants)), u))
    return np.array([law.sample(law.constants(*(field[j] for field in constants)), u[j]) for j in range(program.dim)])


def start_state(program: Program, paths: int) -> Array:
    """Return the optimizer's state of paths that have not moved, shape (slots, dim, paths).

    Raises ValueError, or PluginError for a plug-in's optimizer, unless `start` fits.
    """
    rule, h, _ = program.optimizer
    initial = rule.start(h)
    if not isinstance(initial, rule.state) or not all(isinstance(value, float | int) for value in initial):
        raise refusal(rule.start, f"start must return {rule.state.__name__}, all of it floats")
    state = np.empty((len(initial), program.dim, paths))
    for slot, value in enumerate(initial):
        state[slot] = value
    return state


class Moving:
    """The moving part of a block: iterates, optimizer state, running sum. `advance` raises Stopped once stop[0] is nonzero.

    Several programs with one `program.batch_key` move together, their coordinates one after another along one axis.
    """

    def __init__(self, programs: Sequence[Program], engine: Engine, first: int, paths: int, stop: NDArray[np.uint8]) -> None:
        """Place paths first, ..., first + paths - 1 at their start."""
        self.programs, self.engine, self.first, self.stop = programs, engine, first, stop
        self.key = self.before = key(self.program.seed, "data")
        self.branched = 0
        self.start: Array = np.concatenate([start_points(program, first, paths) for program in programs])
        # A copy: theta moves in place, and statistics need the start.
        self.theta = self.start.copy()
        self.state = np.concatenate([start_state(program, paths) for program in programs], axis=1)
        self.average = np.zeros_like(self.theta) if self.program.average_after is not None else np.empty((0, 0))
        # Extremes begin at the start, which is an iterate too. Empty arrays mean that nothing is kept.
        self.lowest, self.highest = (self.theta.copy() if self.program.track_range else np.empty((0, 0)) for _ in range(2))

    @property
    def program(self) -> Program:
        """The first program, for what all share."""
        return self.programs[0]

    def twin(self, after: int) -> "Moving":
        """Return a copy of the paths, moved up to step `after`, that goes on with independent data."""
        # A shallow copy, then fresh arrays for what moves; averages and extremes are not measured of twins.
        other = copy(self)
        # From here on the twin draws from its own stream; what is left of an epoch still depends on the draws before.
        other.key, other.branched = key(self.program.seed, "twin"), self.program.draws_up_to(after)
        other.theta, other.state = self.theta.copy(), self.state.copy()
        other.average = other.lowest = other.highest = np.empty((0, 0))
        return other

    def go(
        self,
        marks: NDArray[np.int64],
        snapshots: Array,
        after: int,
        last: int,
        hits: Hits = NO_HITS,
        sampled: Array = NOTHING_SAMPLED,
    ) -> None:
        """Make the steps after + 1, ..., last; write the iterates at marks (steps) to snapshots and those at hits to sampled.

        Raises Stopped.
        """
        if after == last:
            return
        for pieces in zip(*(program.slices(after=after, last=last) for program in self.programs), strict=True):
            piece = pieces[0]._replace(coefficients=np.concatenate([piece.coefficients for piece in pieces], axis=1))
            end = piece.first_step + len(piece.batch_size)
            # Marks that lie in this slice, as indices into it.
            low, high = np.searchsorted(marks, (piece.first_step, end))
            self.advance(piece, marks[low:high] - piece.first_step, snapshots[low:high], hits, sampled)

    def advance(
        self,
        piece: Slice,
        marks: NDArray[np.int64],
        snapshots: Array,
        hits: Hits = NO_HITS,
        sampled: Array = NOTHING_SAMPLED,
    ) -> None:
        """Make the steps of one slice. Raises Stopped.

        marks: rising indices into the slice. snapshots (marks, dim, paths): written at these. hits, sampled: see Motion.
        """
        # An index beyond the slice: none of its steps is averaged.
        never = len(piece.batch_size)
        after = self.program.average_after if self.average.size else None
        motion = Motion(
            theta=self.theta,
            state=self.state,
            average=self.average,
            lowest=self.lowest,
            highest=self.highest,
            coefficients=piece.coefficients,
            batch_size=piece.batch_size,
            marks=marks,
            snapshots=snapshots,
            hits=hits,
            sampled=sampled,
            first_step=piece.first_step,
            average_from=never if after is None else max(0, after + 1 - piece.first_step),
            first_draw=piece.first_draw,
            first_replicate=self.first,
            key=self.key,
            stop=self.stop,
            before=self.before,
            branched=self.branched,
        )
        self.engine.advance(motion)
        if self.stop[0]:
            raise Stopped

    def mean(self) -> Array | None:
        """Return the mean of the iterates after `average_after`, shape (dim, paths); None if the program averages nothing."""
        after = self.program.average_after if self.average.size else None
        return None if after is None else self.average / (self.program.steps - after)


def every_step(
    program: Program, engine: Engine, first: int, paths: int, stop: NDArray[np.uint8], length: int = SLICE_STEPS
) -> Iterator[tuple[int, Array]]:
    """Yield all iterates of a block, piece by piece: the first step of the piece, and theta (steps, dim, paths).

    Raises Stopped.
    """
    moving = Moving([program], engine, first, paths, stop)
    for piece in program.slices(length):
        steps = len(piece.batch_size)
        theta = np.empty((steps, program.dim, paths))
        moving.advance(piece, np.arange(steps), theta)
        yield piece.first_step, theta
