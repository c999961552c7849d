"""When paths of a block failed, escaped or were caught, found by running it again in short pieces.

The kernel itself tests nothing: a test per step would cost every run, and most blocks have no failure.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.engine.causes import CAUSES, SQUARES, Cause, Codes
from nonconv.engine.inspection import Inspected, Inspector
from nonconv.engine.moving import Moving, every_step
from nonconv.engine.program import Engine, Program, Slice
from nonconv.engine.squares import LEAST
from nonconv.numerics.arithmetic import Array

REPLAY_STEPS = 64
"""Steps per piece of a replay, of which all iterates are in memory."""
ESCAPE_SHARE = 0.5
"""A path that makes less than this part of the orbit's way over the last half of the run was caught."""

MOST_INSPECTED = 64
"""Most steps of a block that are looked at closely, and MOST_INSPECTED_OF_NETWORKS, whose gradients take longer."""
MOST_INSPECTED_OF_NETWORKS = 4
WRONG_WAY = 1e-13
"""By which part of itself a step may differ from the one in a wider range of numbers, beyond the rounding of theta."""

Failure = Literal["overflow", "undefined"]


class Failed(NamedTuple):
    """A path that is not finite: from which step on, whether it overflowed or became NaN at once, and |theta| the step before.

    before: of the largest coordinate, infinite where theta was not finite at the start. cause: what was done with which
    numbers, as far as that is known. A path whose squares of gradients left the range of numbers counts as undefined, and
    as nan from that step on, though it may be finite.
    """

    replicate: int
    step: int
    how: Failure
    before: float
    cause: Cause = ""


class Progress(NamedTuple):
    """How paths moved compared with the orbit, by their slowest coordinate; every field has shape (paths,).

    escaped: it made at least ESCAPE_SHARE of the orbit's way over the last half of the run; none does if the orbit
    does not move.
    caught_step: the first step at which a caught path was where it stayed from half of the run on; 0 if it was not caught.
    place: theta at the last step. speed: way per step over the last half of the run.
    """

    escaped: NDArray[np.bool_]
    caught_step: NDArray[np.int64]
    place: Array
    speed: Array


def find_failures(
    program: Program, engine: Engine, first: int, last: Array, suspects: NDArray[np.bool_], stop: NDArray[np.uint8]
) -> tuple[Failed, ...]:
    """Find when, how and why paths left the range of numbers, by running them again.

    first: the number of the block's first path. last (dim, paths): the last iterates, some of them not finite. suspects
    (paths,): whose squares of gradients may have left it (Moving.suspects). Raises Stopped.
    """
    # An iterate that is not finite never becomes finite again, so the last one shows whether there is anything to find.
    wanted = ~np.isfinite(last).all(axis=0) | suspects
    if not wanted.any():
        return ()
    moving = Moving([program], engine, first, last.shape[1], stop)
    return Search(moving, wanted).through(0, program.steps)


def find_lost(origin: Moving, suspects: NDArray[np.bool_], after: int, last: int) -> NDArray[np.bool_]:
    """Return on which of the suspected paths (paths,) squares of gradients left the range of numbers at steps after + 1, ...

    origin: the paths at step `after`, of one program; they are moved. Raises Stopped.
    """
    found = np.zeros_like(suspects)
    failed = Search(origin, suspects).through(after, last)
    found[[one.replicate - origin.first for one in failed if one.cause == CAUSES[SQUARES]]] = True
    return found


class Search:
    """A search for failures among wanted paths (paths,) of one program, piece by piece and there step by step."""

    def __init__(self, moving: Moving, wanted: NDArray[np.bool_]) -> None:
        """Take the paths at the step after which the search begins."""
        self._moving, self._left, self._found = moving, wanted.copy(), dict[int, Failed]()
        self._wanted = np.flatnonzero(wanted).tolist()
        # On a piece every step is looked at.
        how = moving.watches[0]
        moving.every = 1 if how and how.every else 0
        self._inspector = Inspector(moving.program)
        self._inspections = MOST_INSPECTED_OF_NETWORKS if moving.program.learning else MOST_INSPECTED

    def through(self, after: int, last: int) -> tuple[Failed, ...]:
        """Return the failures at the steps after + 1, ..., last. Raises Stopped."""
        moving = self._moving
        for piece in moving.slices(REPLAY_STEPS, after, last):
            before = moving.saved()
            theta = np.empty((len(piece.batch_size), *moving.theta.shape))
            moving.forget()
            moving.advance(piece, np.arange(len(theta)), theta)
            close = self._left & (~np.isfinite(theta).all(axis=(0, 1)) | self._odd_in_piece())
            if close.any():
                self._walk(before, piece, close)
            if not self._left.any():
                break
        return tuple(self._found[lane] for lane in self._wanted if lane in self._found)

    def _odd_in_piece(self) -> NDArray[np.bool_]:
        """Return on which paths squares were out of the range of numbers in the piece that was just made, (paths,)."""
        how = self._moving.watches[0]
        if how is None:
            return np.zeros_like(self._left)
        gone = ~np.isfinite(self._moving.state[how.slot])
        return np.asarray((gone | (self._moving.least < LEAST) if how.every else gone).any(axis=0))

    def _walk(self, moving: Moving, piece: Slice, close: NDArray[np.bool_]) -> None:
        """Go through a piece step by step from its beginning, and find the failures of the paths `close` (paths,)."""
        nothing = np.empty((0, *moving.theta.shape))
        for step in moving.program.single_steps(piece):
            theta, state = moving.theta.copy(), moving.state.copy()
            moving.advance(step, np.arange(0), nothing)
            close &= self._left
            bad = close & ~np.isfinite(moving.theta).all(axis=0)
            odd = self._odd(moving, theta, state) & close
            if (bad | odd.any(axis=0)).any():
                self._look(moving, step, theta, state, bad, odd)
            if not close.any():
                return

    def _odd(self, moving: Moving, theta: Array, state: Array) -> NDArray[np.bool_]:
        """Return where squares are out of the range after a step from theta and state, and it may matter, (dim, paths)."""
        how = moving.watches[0]
        if how is None:
            return np.zeros(theta.shape, dtype=np.bool_)
        before, after = state[how.slot], moving.state[how.slot]
        with np.errstate(invalid="ignore"):
            gone = ~np.isfinite(after) & np.isfinite(before) & np.isfinite(theta)
            small = (after < LEAST) & (moving.theta != theta)
        return np.asarray(gone | small if how.every else gone)

    def _look(
        self, moving: Moving, step: Slice, theta: Array, state: Array, bad: NDArray[np.bool_], odd: NDArray[np.bool_]
    ) -> None:
        """Note what became of paths in a step from theta and state.

        bad (paths,): which are not finite. odd (dim, paths): where squares are out of the range of numbers.
        """
        inspected = None
        if self._inspections > 0:
            self._inspections -= 1
            inspected = self._inspector.inspect(moving.motion(step, theta, state))
        lost = _lost(moving, theta, odd, inspected)
        for lane in np.flatnonzero(bad | lost).tolist():
            now = moving.theta[:, lane]
            how: Failure = "undefined" if lost[lane] or np.isnan(now).any() else "overflow"
            cause: Cause = CAUSES[SQUARES] if lost[lane] else _cause(now, inspected.why[:, lane]) if inspected else ""
            before = float(np.abs(theta[:, lane]).max())
            self._found[lane] = Failed(moving.first + lane, step.first_step, how, before, cause)
            self._left[lane] = False


def _lost(moving: Moving, theta: Array, odd: NDArray[np.bool_], inspected: Inspected | None) -> NDArray[np.bool_]:
    """Return on which paths a step from theta is another one since squares (odd, (dim, paths)) left the range, (paths,)."""
    how, now = moving.watches[0], moving.theta
    if how is None or not odd.any():
        return np.zeros(odd.shape[1], dtype=np.bool_)
    squares = moving.state[how.slot]
    if inspected is None or inspected.way is None:
        return np.asarray((odd & (~np.isfinite(squares) | (squares > 0.0) | np.isinf(now))).any(axis=0))
    with np.errstate(all="ignore"):
        right, rounding = theta + inspected.way, 2.0 * np.spacing(np.maximum(np.abs(theta), np.abs(now)))
        wrong = ~(np.abs(now - right) <= WRONG_WAY * np.abs(inspected.way) + rounding)
        # Where the wider range gives no number either, it is not the range.
        wrong &= np.isfinite(right) & np.isfinite(inspected.gradient)
        gone = ~np.isfinite(squares) & np.isfinite(inspected.gradient)
    return np.asarray((odd & (wrong | gone)).any(axis=0))


def _cause(now: Array, why: Codes) -> Cause:
    """Return why a path (dim,) is not finite, of its coordinates' causes: that of one that is nan, if any is."""
    nan = np.isnan(now)
    return CAUSES[int(why[nan if nan.any() else ~np.isfinite(now)].max())]


def find_progress(
    program: Program, engine: Engine, first: int, start: Array, theta: Array, middle: Array, stop: NDArray[np.uint8]
) -> Progress | None:
    """Compare paths with the orbit, from their start (dim, paths) and recorded iterates (R, dim, paths).

    middle (dim, paths): the iterates at half of the run, recorded or not, from which on the way is measured.

    None for a program without an orbit. Raises Stopped.
    """
    if program.orbit is None:
        return None
    since = program.steps // 2
    before, half = middle if since else start, int(np.searchsorted(program.record, since, side="right"))
    with np.errstate(invalid="ignore", over="ignore"):
        way = theta[-1] - before
        # A path in several coordinates is as far as its slowest one.
        slowest = way.argmin(axis=0)[None]
        to_make = ESCAPE_SHARE * (program.orbit[program.steps] - program.orbit[since])
        escaped = (way >= to_make).all(axis=0) & (to_make > 0.0)
    caught = ~escaped & np.isfinite(theta[-1]).all(axis=0) & (to_make > 0.0)
    stayed = np.take_along_axis(theta[half:].min(axis=0), slowest, axis=0)[0]
    return Progress(
        escaped,
        _find_arrival(program, engine, first, slowest, stayed, caught, stop),
        np.take_along_axis(theta[-1], slowest, axis=0)[0],
        np.take_along_axis(way, slowest, axis=0)[0] / max(program.steps - since, 1),
    )


def _find_arrival(
    program: Program,
    engine: Engine,
    first: int,
    coordinate: NDArray[np.int64],
    place: Array,
    wanted: NDArray[np.bool_],
    stop: NDArray[np.uint8],
) -> NDArray[np.int64]:
    """Find the first step at which each wanted path had come as far as its place, (paths,); 0 for the others.

    coordinate (1, paths): which coordinate of each path is compared.
    """
    found = np.zeros(len(place), dtype=np.int64)
    left = wanted.copy()
    if not left.any():
        return found
    for first_step, theta in every_step(program, engine, first, len(place), stop, REPLAY_STEPS):
        there = np.take_along_axis(theta, coordinate[None], axis=1)[:, 0] >= place
        now = left & there.any(axis=0)
        found[now] = first_step + there.argmax(axis=0)[now]
        left &= ~now
        if not left.any():
            break
    return found
