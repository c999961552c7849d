"""Paths on their way: start points, optimizer state, running sums, and how an engine carries them from slice to slice."""

from collections.abc import Iterator, Sequence
from copy import copy
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.components.definitions import Chosen
from nonconv.engine.program import SLICE_STEPS, Engine, Motion, Program, Slice, refuse_misshapen
from nonconv.engine.room import room
from nonconv.engine.squares import watch
from nonconv.engine.strata import NO_HITS, Hits
from nonconv.faults.blame import refusal
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.rng import key, uniforms

NOTHING_SAMPLED: Array = np.empty((0, 0, 0))
NO_AVERAGES: Array = np.empty((0, 0, 0))
NO_AVERAGES_SEEN: Array = np.empty((0, 0, 0, 0))

DRAWN_AT_ONCE = 2**14
"""Numbers of start points that are drawn at once: larger arrays come from the system, page by page, and go back to it."""


class Stopped(Exception):
    """The block was asked to stop and has no result."""


def start_points(program: Program, first: int, paths: int) -> Array:
    """Return where paths first, ..., first + paths - 1 start, shape (dim, paths); in the domain if there is one."""
    points = _start_points(program, first, paths)
    if program.domain is None:
        return points
    low, high = program.domain
    return np.asarray(np.clip(points, low[:, None], high[:, None]))


def _start_points(program: Program, first: int, paths: int) -> Array:
    """Return the start points before they are projected, shape (dim, paths)."""
    if not isinstance(program.start, Chosen):
        return np.repeat(program.start[:, None], paths, axis=1)
    law, parameters = program.start
    constants = law.prepare(parameters, program.dim)
    refuse_misshapen(law, constants, program.dim)
    together = all(np.ndim(field) == 1 for field in constants)
    rows = max(DRAWN_AT_ONCE // paths, 1) if together else 1  # there may be thousands of coordinates
    # A stream apart from that of the data: a start drawn from a law leaves the data as they are.
    stream, points = key(program.seed, "start"), np.empty((program.dim, paths))
    for j in range(0, program.dim, rows):
        some = points[j : j + rows]
        u = uniforms(stream, j, len(some), first, paths)
        own = (field[j : j + rows, None] if together else field[j] for field in constants)
        some[:] = law.sample(law.constants(*own), u if together else u[0])
    return points


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


class Snapshots(NamedTuple):
    """Where iterates are written at marks: theta (marks, dim, paths), and the averages (marks, K, dim, paths)."""

    theta: Array
    averages: Array

    @classmethod
    def of(cls, marks: int, moving: "Moving") -> "Snapshots":
        """Return room for so many marks of the paths that move."""
        shape = moving.theta.shape
        return cls(room(marks, *shape), room(marks, moving.program.more_iterates, *shape))

    def between(self, low: int, high: int) -> "Snapshots":
        """Return the room of the marks low, ..., high - 1."""
        return Snapshots(self.theta[low:high], self.averages[low:high])


def _both(snapshots: Snapshots | Array) -> Snapshots:
    """Return room for iterates as room for iterates and no averages."""
    return Snapshots(snapshots, NO_AVERAGES_SEEN) if isinstance(snapshots, np.ndarray) else snapshots


class Sampled(NamedTuple):
    """When single paths are looked at, and where they are written: theta (rows, dim, paths), averages (rows, K, dim, paths)."""

    hits: Hits
    theta: Array
    averages: Array

    @classmethod
    def of(cls, hits: Hits, rows: int, moving: "Moving") -> "Sampled":
        """Return room for the last `rows` strata of the paths that move."""
        shape = moving.theta.shape
        return cls(hits, room(rows, *shape), room(rows, moving.program.more_iterates, *shape))


NOT_SAMPLED = Sampled(NO_HITS, NOTHING_SAMPLED, NO_AVERAGES_SEEN)


class Moving:
    """The moving part of a block: iterates, optimizer state, running sum. `advance` raises Stopped once stop[0] is nonzero.

    Several programs with one `program.batch_key` move together, their coordinates one after another along one axis.
    """

    def __init__(self, programs: Sequence[Program], engine: Engine, first: int, paths: int, stop: NDArray[np.uint8]) -> None:
        """Place paths first, ..., first + paths - 1 at their start."""
        self.programs, self.engine, self.first, self.stop = programs, engine, first, stop
        self.key = self.before = key(self.program.seed, "data")
        self.noise_key = key(self.program.seed, "gradient noise")
        self.branched = self.held_until = 0
        self.start: Array = np.concatenate([start_points(program, first, paths) for program in programs])
        # A copy: theta moves in place, and statistics need the start.
        self.theta = self.start.copy()
        self.state = np.concatenate([start_state(program, paths) for program in programs], axis=1)
        # Every average starts at the start.
        self.averages = np.repeat(self.theta[None], len(self.program.averages), axis=0)
        self.average = np.zeros_like(self.theta) if self.program.average_after is not None else np.empty((0, 0))
        # Extremes begin at the start, which is an iterate too. Empty arrays mean that nothing is kept.
        self.lowest, self.highest = (self.theta.copy() if self.program.track_range else np.empty((0, 0)) for _ in range(2))
        self.watches = [watch(program) for program in programs]
        # Programs that move together are looked at as often as the one that needs it most.
        self.every = min((how.every for how in self.watches if how and how.every), default=0)
        self.least = self._nothing_seen()

    @property
    def program(self) -> Program:
        """The first program, for what all share."""
        return self.programs[0]

    def twin(self, after: int) -> "Moving":
        """Return a copy of the paths, moved up to step `after`, that goes on with independent data."""
        other, seed = self.saved(), self.program.seed
        other.averages = self.averages.copy()
        # From here on the twin draws from its own stream; what is left of a pass still depends on the draws before, and a
        # batch that was drawn is held to its end.
        other.key, other.noise_key = key(seed, "twin"), key(seed, "gradient noise of twins")
        other.branched, other.held_until = self.program.draws_up_to(after), self.program.held_until(after) if after else 0
        return other

    def saved(self) -> "Moving":
        """Return a copy that moves apart, of which neither averages nor extremes are measured."""
        # A shallow copy, then fresh arrays for what moves.
        other = copy(self)
        other.theta, other.state = self.theta.copy(), self.state.copy()
        other.averages = NO_AVERAGES
        other.average = other.lowest = other.highest = np.empty((0, 0))
        other.forget()
        return other

    def alone(self, number: int, engine: Engine) -> "Moving":
        """Return a copy of program `number` that moves apart with its own engine."""
        other, dim = self.saved(), self.programs[number].dim
        own = slice(number * dim, (number + 1) * dim)
        other.programs, other.watches, other.engine = [self.programs[number]], [self.watches[number]], engine
        other.theta, other.state = (np.ascontiguousarray(rows[..., own, :]) for rows in (other.theta, other.state))
        other.averages = NO_AVERAGES
        other.forget()
        return other

    def forget(self) -> None:
        """Forget what was seen of squares."""
        self.least = self._nothing_seen()

    def _nothing_seen(self) -> Array:
        """Return `least` before any look at squares, (dim, paths); empty where there will be none."""
        return np.full_like(self.theta, np.inf) if self.every else np.empty((0, 0))

    def suspects(self, number: int) -> NDArray[np.bool_]:
        """Return on which paths of program `number` squares of gradients may have left the range of numbers, (paths,)."""
        how, dim = self.watches[number], self.programs[number].dim
        own = slice(number * dim, (number + 1) * dim)
        if how is None:
            return np.zeros(self.theta.shape[1], dtype=np.bool_)
        found = ~np.isfinite(self.state[how.slot, own]).all(axis=0)
        return np.asarray(found | (self.least[own] < how.suspect).any(axis=0) if how.every else found)

    def slices(self, length: int = SLICE_STEPS, after: int = 0, last: int | None = None) -> Iterator[Slice]:
        """Yield the timetable of steps after + 1, ..., last, the coefficients of all programs one after another.

        No slice holds both steps with a batch from before a twin branched off and later ones.
        """
        end = self.program.steps if last is None else last
        middle = min(max(self.held_until, after), end)
        for first, to in ((after, middle), (middle, end)):
            if first < to:
                for pieces in zip(*(program.slices(length, first, to) for program in self.programs), strict=True):
                    yield pieces[0] if len(pieces) == 1 else _joined(pieces)

    def go(
        self,
        marks: NDArray[np.int64],
        snapshots: Snapshots | Array,
        after: int,
        last: int,
        sampled: Sampled | None = None,
    ) -> None:
        """Make the steps after + 1, ..., last; write the iterates at marks (steps) to snapshots, and single paths to sampled.

        Raises Stopped.
        """
        if after == last:
            return
        seen = _both(snapshots)
        for piece in self.slices(after=after, last=last):
            end = piece.first_step + len(piece.batch_size)
            # Marks that lie in this slice, as indices into it.
            low, high = np.searchsorted(marks, (piece.first_step, end))
            self.advance(piece, marks[low:high] - piece.first_step, seen.between(low, high), sampled)

    def advance(
        self, piece: Slice, marks: NDArray[np.int64], snapshots: Snapshots | Array, sampled: Sampled | None = None
    ) -> None:
        """Make the steps of one slice. Raises Stopped.

        marks: rising indices into the slice. snapshots: written at these; an array (marks, dim, paths) for the iterates alone.
        """
        self.engine.advance(self._motion(piece, marks, _both(snapshots), sampled or NOT_SAMPLED))
        if self.stop[0]:
            raise Stopped

    def motion(self, piece: Slice, theta: Array, state: Array) -> Motion:
        """Return the motion of paths at theta (dim, paths) in this state (slots, dim, paths), of which nothing is kept."""
        nothing, marks = np.empty((0, 0)), np.arange(0)
        motion = self._motion(piece, marks, Snapshots(np.empty((0, *theta.shape)), NO_AVERAGES_SEEN), NOT_SAMPLED)
        motion = motion._replace(averages=NO_AVERAGES, due=-1)
        return motion._replace(theta=theta, state=state, average=nothing, lowest=nothing, highest=nothing)

    def _motion(self, piece: Slice, marks: NDArray[np.int64], seen: Snapshots, sampled: Sampled) -> Motion:
        """Return the motion by the steps of a slice, see `advance`."""
        # An index beyond the slice: none of its steps is averaged.
        never = len(piece.batch_size)
        after = self.program.average_after if self.average.size else None
        return Motion(
            theta=self.theta,
            state=self.state,
            averages=self.averages,
            average=self.average,
            lowest=self.lowest,
            highest=self.highest,
            coefficients=piece.coefficients,
            batch_size=piece.batch_size,
            marks=marks,
            snapshots=seen.theta,
            seen_averages=seen.averages,
            hits=sampled.hits,
            sampled=sampled.theta,
            sampled_averages=sampled.averages,
            first_step=piece.first_step,
            average_from=never if after is None else max(0, after + 1 - piece.first_step),
            first_draw=piece.first_draw,
            first_replicate=self.first,
            key=self.before if piece.first_step <= self.held_until else self.key,
            stop=self.stop,
            before=self.before,
            branched=self.branched,
            least=self.least,
            watched=self.watches[0].slot if self.watches[0] else 0,
            # Counted from the first step of the run, whatever the slices.
            due=(1 - piece.first_step) % self.every if self.every else -1,
            every=self.every,
            noise_key=self.noise_key,
        )

    def mean(self) -> Array | None:
        """Return the mean of the iterates after `average_after`, shape (dim, paths); None if the program averages nothing."""
        after = self.program.average_after if self.average.size else None
        return None if after is None else self.average / (self.program.steps - after)


def _joined(pieces: Sequence[Slice]) -> Slice:
    """Return the slices of several programs as one; their steps and draws are the same."""
    steps, columns = pieces[0].coefficients.shape
    joint = room(len(pieces) * steps, columns)
    return pieces[0]._replace(coefficients=np.concatenate([piece.coefficients for piece in pieces], out=joint))


def every_step(
    program: Program, engine: Engine, first: int, paths: int, stop: NDArray[np.uint8], length: int = SLICE_STEPS
) -> Iterator[tuple[int, Array]]:
    """Yield all iterates of a block, piece by piece: the first step of the piece, and theta (steps, dim, paths).

    Raises Stopped.
    """
    yield from every_step_of(Moving([program], engine, first, paths, stop), length)


def every_step_of(moving: Moving, length: int = SLICE_STEPS) -> Iterator[tuple[int, Array]]:
    """Move paths of one program from their start, and yield what `every_step` does. Raises Stopped."""
    for first_step, seen in every_snapshot(moving, length):
        yield first_step, seen.theta


def every_snapshot(moving: Moving, length: int = SLICE_STEPS) -> Iterator[tuple[int, Snapshots]]:
    """Move paths of one program from their start, and yield all iterates piece by piece, averages too. Raises Stopped."""
    for piece in moving.slices(length):
        steps = len(piece.batch_size)
        seen = Snapshots.of(steps, moving)
        moving.advance(piece, np.arange(steps), seen)
        yield piece.first_step, seen
