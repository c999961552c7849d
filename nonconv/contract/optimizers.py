"""The checks of optimizers: what the engines need of a rule, and what it states of itself for theory and verdict."""

import math
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from nonconv.components.definitions import Configured, Optimizer, Shown
from nonconv.contract.broken import Broken, Check, slow
from nonconv.contract.programs import LAYOUTS, SEED, depends_on_step_alone, engines_agree, make_program
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.normal import normal_quantile
from nonconv.numerics.rng import key, uniforms

FIRST_MEASURED, LAST_MEASURED = 32, 2048
"""Steps on which sizes are measured, doubling by doubling; the verdict looks at none before step 32."""
WATCHED = 512
"""Steps on which the state is watched for fields that go one way."""
RATE = 0.01
"""The learning rate of a rule whose table depends on it, where none is measured."""
LANES = 64
"""Paths of each kind of gradient."""
LARGE = 2.0**20
"""Factor of gradients, so that eps is small beside them; a power of 2, so that it scales without rounding."""
STANDARD_ERRORS = 5.0
"""How many standard errors a measured size may be off."""
LONGER, SHORTER = 0.05, 0.3
"""How much longer or shorter early directions may be than stated, beyond standard errors.

Only longer ones can mislead the verdict; a sign of an average, which has a constant size, has a mean that grows while the
average does.
"""
FAR = np.array([1e12, 1e15, 1e18])
"""Steps at which a relative size is near its limit."""
HUGE, FARTHEST = 1e100, 1e6
"""The largest gradients that a bound is tried with, and how many times longer bounded directions may become."""
TINY, FAR_ABOVE, LATE, SETTLED, BORDER = 1e-30, 1e3, 2.0**40, 4096, 0.1
"""A theta beside which any eps is large, and growth of it; from which step on, how long, how far off the limit."""
GONE = 1e-9
"""A theta by which it has shrunk for good, if it stays below for QUIET steps."""
SAME = 1e-6
"""Relative difference of numbers that are the same but for eps and rounding."""
QUIET = 64
"""Steps without a gradient, after which 0/0 has come up if it can."""


def _state_is_floats(component: Optimizer, h: Any) -> None:
    """Check that `start` returns the state's NamedTuple with finite floats."""
    state = component.start(h)
    if not isinstance(state, component.state):
        raise Broken(f"start returns {type(state).__name__}, not {component.state.__name__}", component.start)
    for name, value in zip(component.state._fields, state, strict=True):
        if type(value) is not float or not math.isfinite(value):
            raise Broken(f"start: {name} is {value!r}; it must be a finite float", component.start)


def _table(component: Optimizer, h: Any, n: Array, rate: float = RATE) -> Any:
    """Return the rule's PerStep of arrays for steps n (steps,), at a constant learning rate."""
    return component.coefficients(h, n, np.full_like(n, rate))


def _at_step_is_a_table(component: Optimizer, h: Any) -> None:
    """Check that `at_step` or `at_rate` returns finite columns of the shape of n, also at very late steps."""
    n = np.array([1.0, 2.0, 3.0, 10.0, 1e3, 1e6, 1e12])
    per_step, made = _table(component, h, n.copy()), component.table_name
    if not isinstance(per_step, component.per_step):
        raise Broken(f"{made} returns {type(per_step).__name__}, not {component.per_step.__name__}", component.tabulate)
    for name, column in zip(component.per_step._fields, per_step, strict=True):
        if np.shape(column) != n.shape:
            raise Broken(f"{made}: {name} has the shape {np.shape(column)}, n has {n.shape}", component.tabulate)
        if not np.all(np.isfinite(column)):
            raise Broken(f"{made}: {name} is not finite at step {n[~np.isfinite(column)][0]:g}", component.tabulate)


def _at_step_is_elementwise(component: Optimizer, h: Any) -> None:
    """Check that the table does not depend on which steps are tabulated together."""
    if component.per_step._fields:
        depends_on_step_alone(lambda n: _table(component, h, n), component.tabulate)


@slow
def _update_compiles(component: Optimizer, h: Any) -> None:
    """Check that both engines move paths to the same bits."""
    for dim, batch in LAYOUTS:
        engines_agree(make_program(dim, batch, optimizer=Configured(component, h)), component, "update")


def _update_is_pure(component: Optimizer, h: Any) -> None:
    """Check that each lane moves as it would alone, and that `update` changes none of its arguments."""
    # Gradients of several sizes and both signs; from step to step they change sign and shrink.
    gradients = np.array([-3.0, -1e-3, 0.5, 1.0, 2.0, 1e4])
    columns = _table(component, h, np.arange(1.0, 6.0))
    together, alone = gradients.copy(), list(gradients)
    state = component.state(*(np.full_like(gradients, value) for value in component.start(h)))
    states = [component.start(h) for _ in alone]
    for t in range(5):
        per_step = component.per_step(*(float(column[t]) for column in columns))
        before = [value.copy() for value in state]
        direction, after = component.update(per_step, state, together)
        if not np.array_equal(together, gradients * (-0.75) ** t):
            raise Broken("update changes the gradient it is given", component.update)
        if any(not np.array_equal(now, then) for now, then in zip(state, before, strict=True)):
            raise Broken("update changes the state it is given; it must return a new one", component.update)
        # Scalars, as a kernel's lane has them.
        moved = [component.update(per_step, s, float(g)) for s, g in zip(states, together, strict=True)]
        if not np.array_equal(np.broadcast_to(direction, gradients.shape), [d for d, _ in moved], equal_nan=True):
            raise Broken("update moves a path differently beside others than alone", component.update)
        state = component.state(*(np.broadcast_to(value, gradients.shape).copy() for value in after))
        states, together = [s for _, s in moved], gradients * (-0.75) ** (t + 1)


class _Step(NamedTuple):
    """What one step of a walk left: the direction (lanes,) and the state, each field (lanes,)."""

    direction: Array
    state: tuple[Array, ...]

    def of(self, lanes: slice) -> "_Step":
        """Return what it left on some lanes."""
        return _Step(self.direction[lanes], tuple(value[lanes] for value in self.state))


def _walk(component: Optimizer, h: Any, gradients: Array) -> Iterator[_Step]:
    """Feed gradients (steps, lanes) to the rule and yield each step.

    The first item is the state before step 1, with direction 0.
    """
    steps, lanes = gradients.shape
    columns = _table(component, h, np.arange(1.0, steps + 1.0))
    state = component.state(*(np.full(lanes, value) for value in component.start(h)))
    yield _Step(np.zeros(lanes), tuple(state))
    for t in range(steps):
        per_step = component.per_step(*(float(column[t]) for column in columns))
        direction, state = component.update(per_step, state, gradients[t])
        yield _Step(_on_lanes(direction, lanes), tuple(_on_lanes(value, lanes) for value in state))


def _on_lanes(value: Any, lanes: int) -> Array:
    """Return a value of every lane, or one that all lanes have, as an array (lanes,)."""
    # `broadcast_to` takes longer than a step.
    return value if np.shape(value) == (lanes,) else np.broadcast_to(value, lanes)


@cache
def _uniforms(name: str) -> Array:
    """Return uniforms for the gradients of this name, (steps, LANES)."""
    return uniforms(key(SEED, name), 0, LAST_MEASURED, 0, LANES)


@cache
def _signs() -> Array:
    """Return gradients of LARGE, or -LARGE with probability 1/4, (steps, LANES)."""
    return np.where(_uniforms("signs") < 0.25, -LARGE, LARGE)


@cache
def _normals() -> Array:
    """Return normal gradients of mean 1/2 and variance 1, times LARGE, (steps, LANES)."""
    return np.asarray(LARGE * (0.5 + normal_quantile(_uniforms("normals") + 2.0**-53)))


def _spikes() -> Array:
    """Return gradients of 0, but for one in sixteen of either sign, (steps, LANES): an average decays in between."""
    u = _uniforms("spikes")
    return LARGE * np.where(u < 1.0 / 32.0, -1.0, np.where(u < 1.0 / 16.0, 1.0, 0.0))


@slow
def _relative_size_is_measured(component: Optimizer, h: Any) -> None:
    """Compare relative_size with mean sizes of directions over spans of steps that double.

    Gradients are 1 and -1 with a mean of 1/2. Without noise a rule that divides by deviations is undefined; without a mean
    there is no bias; and if sizes varied, so would a maximum, and what a first gradient leaves behind.
    """
    if _relative_size_fits(component, h):
        _sizes_agree(component, h, _signs())


def _relative_size_fits(component: Optimizer, h: Any) -> bool:
    """Check that relative_size is one positive number per step, which tends to 1 or to 0. False if nothing is stated."""
    n = np.concatenate([np.arange(1.0, 101.0), FAR])
    size = component.relative_size(h, n.copy())
    if np.shape(size) != n.shape:
        raise Broken(f"relative_size has the shape {np.shape(size)}, n has {n.shape}", component.relative_size)
    if np.all(np.isnan(size)):
        return False
    if not np.all(np.isfinite(size) & (size > 0.0)):
        raise Broken("relative_size is not a positive number at every step", component.relative_size)
    far = np.asarray(size)[-3:]
    if not (abs(far[-1] - 1.0) <= 1e-6 or (far[-1] < 0.5 and np.all(np.diff(far) < 0.0))):
        raise Broken(f"relative_size is {far[1]:g} at step 1e15; it must tend to 1, or to 0", component.relative_size)
    return True


def _sizes_agree(component: Optimizer, h: Any, gradients: Array) -> None:
    """Check that measured directions are as long, relative to the last span's, as relative_size states."""
    n = np.arange(1.0, len(gradients) + 1.0)
    stated = np.asarray(component.relative_size(h, n))
    seen = np.array([step.direction for step in _walk(component, h, gradients)][1:]) / stated[:, None]
    ends = [FIRST_MEASURED * 2**k for k in range(int(math.log2(LAST_MEASURED // FIRST_MEASURED)) + 1)]
    means = np.array([seen[first:last].mean(axis=0) for first, last in pairwise(ends)])
    mean, error = means.mean(axis=1), means.std(axis=1) / math.sqrt(max(means.shape[1] - 1, 1))
    if not np.all(np.isfinite(mean)) or mean[-1] <= 0.0:
        raise Broken("on gradients of positive mean the mean direction is not a positive number", component.update)
    # The last span is the unit, so its error enters every ratio.
    ratio, errors = mean / mean[-1], np.hypot(error, error[-1]) / mean[-1]
    allowed = np.where(ratio > 1.0, LONGER, SHORTER) + STANDARD_ERRORS * errors
    wrong = np.abs(ratio - 1.0) > allowed
    if wrong.any():
        k = int(np.argmax(np.abs(ratio - 1.0) * wrong))
        says = float(stated[ends[k] : ends[k + 1]].mean() / stated[ends[-2] :].mean())
        raise Broken(
            f"relative_size says that directions of steps {ends[k] + 1} to {ends[k + 1]} are {says:.3g} times as long as "
            f"those of steps {ends[-2] + 1} to {ends[-1]}; on random gradients they are {says * ratio[k]:.3g} times as long "
            f"(standard error {says * errors[k]:.1g})",
            component.relative_size,
        )


@slow
def _monotone_fields_are_stated(component: Optimizer, h: Any) -> None:
    """Compare `monotone` with which fields of the state go one way only, on noise, on spikes, and on constants."""
    fields = component.state._fields
    unknown = [name for name in component.monotone if name not in fields]
    if not isinstance(component.monotone, tuple) or unknown:
        raise Broken(f"monotone is {component.monotone!r}; it must be a tuple of names out of {', '.join(fields) or '()'}")
    constants = np.full((LAST_MEASURED, 2), (-LARGE, LARGE))
    gradients = np.hstack([_signs(), _normals(), _spikes(), constants])[:WATCHED]
    seen = list(_walk(component, h, gradients))
    for name, rise, fall, last in zip(fields, *_find_first_changes(len(fields), seen), seen[-1].state, strict=True):
        if name in component.monotone and rise and fall:
            raise Broken(f"monotone names {name}, but it both rises (at step {rise}) and falls (at step {fall})")
        depends = np.any(last != last[0])  # else it depends on the step alone
        if name not in component.monotone and depends and bool(rise) != bool(fall):
            way = "falls" if fall else "rises"
            raise Broken(f"{name} never {'rises' if fall else 'falls'} in {WATCHED} steps, and {way}; monotone must name it")


def _find_first_changes(fields: int, steps: Iterable[_Step]) -> tuple[list[int], list[int]]:
    """Return the first step at which each field rises, and falls, on any lane; 0 if at none."""
    rises, falls = [0] * fields, [0] * fields
    for n, (before, after) in enumerate(pairwise(step.state for step in steps), 1):
        for k, (then, now) in enumerate(zip(before, after, strict=True)):
            rises[k] = rises[k] or n * bool(np.any(now > then))
            falls[k] = falls[k] or n * bool(np.any(now < then))
    return rises, falls


def _undefined_is_measured(component: Optimizer, h: Any) -> None:
    """Compare can_be_undefined with what happens on gradients of 0: from the first step on, and after one that is not 0."""
    stated = component.can_be_undefined(h)
    gradients = np.zeros((QUIET, 2))
    gradients[0, 1] = 1.0
    bad = [n for n, step in enumerate(_walk(component, h, gradients)) if np.any(np.isnan(step.direction))]
    if bad and not stated:
        what = f"can_be_undefined says no, but on gradients of 0 the direction of step {bad[0]} is nan"
        raise Broken(what, component.can_be_undefined)
    if stated and not bad:
        what = f"can_be_undefined says yes, but on {QUIET} gradients of 0 all directions are numbers"
        raise Broken(what, component.can_be_undefined)


@slow
def _bound_is_measured(component: Optimizer, h: Any) -> None:
    """Compare bounded_direction with directions on gradients up to HUGE, one and all of them, relative to those on noise.

    A yes must hold. A no needs no gradients that prove it: it takes intervals away, and gives none.
    """
    noise, spike = _normals()[:WATCHED] / LARGE, np.arange(WATCHED)[:, None] == WATCHED // 4
    grown = np.minimum(2.0 ** np.arange(WATCHED), HUGE)[:, None]
    gradients = (noise, np.where(spike, HUGE, noise), noise * grown, np.abs(noise) * HUGE)
    longest: Array = np.zeros(sum(some.shape[1] for some in gradients))
    for step in _walk(component, h, np.hstack(gradients)):
        np.fmax(longest, np.abs(step.direction), out=longest)  # passes over nan
    usual, *huge = (float(part.max()) for part in np.split(longest, len(gradients)))
    if component.bounded_direction(h) and max(huge) > FARTHEST * usual:
        what = f"bounded_direction says yes, but gradients of {HUGE:g} give directions {max(huge) / usual:.2g} times as long"
        raise Broken(f"{what} as gradients of about 1", component.bounded_direction)


@slow
def _stability_is_measured(component: Optimizer, h: Any) -> None:
    """Compare stable_below with what becomes of a tiny theta whose gradient is theta, at rates on either side of it."""
    if component.stable_below is None:
        return
    most = component.stable_below(h)
    if most is None:
        return
    if not isinstance(most, float | int) or math.isnan(most) or most < 0:
        raise Broken(f"stable_below is {most!r}; it must be a number >= 0, or inf", component.stable_below)
    if most in (0, math.inf):
        return  # either shows only in the long run
    _, last = _follow_tiny(component, h, (1.0 - BORDER) * most)
    largest, _ = _follow_tiny(component, h, (1.0 + BORDER) * most)
    for wrong, share, what in (
        (last >= TINY, 1.0 - BORDER, "does not shrink"),
        (largest < FAR_ABOVE * TINY, 1.0 + BORDER, "shrinks"),
    ):
        if wrong:
            says = f"stable_below is {most:g}, but at {share:g} times that a tiny theta with the gradient theta {what}"
            raise Broken(says, component.stable_below)


def _follow_tiny(component: Optimizer, h: Any, rate: float) -> tuple[float, float]:
    """Return the largest |theta| of SETTLED steps, and of their last quarter; inf where it overflowed. The gradient is theta.

    It starts at TINY, whose square is far below what keeps a denominator from 0, at a step after all corrections, and once the
    state has settled without gradients. It is left once it has grown enough, or shrunk so far that it will not come back.
    """
    columns = [column.tolist() for column in _table(component, h, LATE + np.arange(2.0 * SETTLED), rate)]
    state, still, low = _settled(component, h, columns), np.array([TINY]), 0
    theta, largest = still, [0.0, 0.0]
    with np.errstate(all="ignore"):
        for t in range(SETTLED):
            per_step = component.per_step(*(column[t + SETTLED] for column in columns))
            direction, state = component.update(per_step, state, theta)
            theta = theta - rate * direction
            size, late = abs(float(theta[0])), t >= 3 * SETTLED // 4
            largest[late] = max(largest[late], size)
            low = low + 1 if size < GONE * TINY else 0
            if size > FAR_ABOVE * TINY or math.isnan(size):
                return math.inf, math.inf
            if low > QUIET:
                break
    return max(largest), largest[1]


def _settled(component: Optimizer, h: Any, columns: list[list[float]]) -> Any:
    """Return the state after SETTLED steps without gradients, or once it does not change any more."""
    state, nothing = component.state(*(np.array([value]) for value in component.start(h))), np.zeros(1)
    steady = all(min(column) == max(column) for column in columns)
    with np.errstate(all="ignore"):
        for t in range(SETTLED):
            _, after = component.update(component.per_step(*(column[t] for column in columns)), state, nothing)
            if steady and all(np.array_equal(now, then) for now, then in zip(after, state, strict=True)):
                break
            state = after
    return state


def _shown_fit(component: Optimizer, h: Any) -> None:
    """Check that `shown` and the factor of `scaling` return lanes, and that the edge is a number > 0, or None."""
    named = [*component.shown, *([Shown("the factor of scaling", component.scaling.factor)] if component.scaling else [])]
    gradients = _normals()[:2]
    columns = _table(component, h, np.arange(1.0, 3.0))
    *_, last = _walk(component, h, gradients)
    state = component.state(*(np.array(value) for value in last.state))
    for name, of in named:
        found = np.asarray(of(component.per_step(*(float(column[-1]) for column in columns)), state))
        if found.shape not in ((), gradients[0].shape) or found.dtype.kind not in "fiu":
            raise Broken(f"{name} is not lanes: it has shape {found.shape} for a state of {gradients[0].shape}", of)
    edge = component.scaling.edge(h) if component.scaling else None
    if edge is not None and not (isinstance(edge, float | int) and edge > 0):
        raise Broken(f"the edge of scaling is {edge!r}; it must be a number > 0, or None")


def _grows_as_squares(at_zero: Array, small: Array, large: Array) -> bool:
    """Whether what gradients add to a field is LARGE^2 times as much if they are LARGE times as long.

    at_zero: the field without gradients, as a constant that is added to squares leaves it.
    """
    added, rounded = (small - at_zero) * LARGE**2, SAME * LARGE**2 * np.abs(at_zero)
    return bool(np.all(np.abs(large - at_zero - added) <= SAME * np.abs(added) + rounded))


def _squares_are_stated(component: Optimizer, h: Any) -> None:
    """Compare `squares` with the fields that grow as squares of gradients do, and with whether their root divides."""
    gradients = _normals()[:QUIET]
    beside = np.hstack([gradients, gradients * LARGE, np.zeros_like(gradients)])
    *_, before, after = _walk(component, h, np.vstack([beside, np.zeros((1, beside.shape[1]))]))
    small, large, without = (before.of(slice(first, first + LANES)) for first in range(0, 3 * LANES, LANES))
    last = after.of(slice(LANES))
    fields = zip(component.state._fields, without.state, small.state, large.state, strict=True)
    squares = [name for name, at_zero, a, b in fields if np.any(a != at_zero) and _grows_as_squares(at_zero, a, b)]
    stated = component.squares
    if stated is None:
        with np.errstate(all="ignore"):
            divides = not np.any(np.abs(large.direction) > math.sqrt(LARGE) * np.abs(small.direction))
        if squares and divides:
            name = squares[-1]
            raise Broken(f'{name} holds squares of gradients, and their root divides; state squares=Squares("{name}")')
        return
    at, keeps = component.state._fields.index(stated.field), stated.keeps(h)
    # Of deviations that are all 0 nothing grows.
    if stated.field not in squares and np.any(large.state[at] != small.state[at]):
        raise Broken(f"squares names {stated.field}, which does not grow as squares of gradients do")
    if np.any(last.state[at] < (keeps - SAME) * small.state[at]):
        left = float(np.min(last.state[at] / small.state[at]))
        raise Broken(f"keeps of squares is {keeps:g}, but a step without gradient leaves {left:.4g} of {stated.field}")


OF_OPTIMIZERS: dict[str, Check] = {
    "start returns finite floats": _state_is_floats,
    "at_step returns one number per step": _at_step_is_a_table,
    "at_step depends on the step alone": _at_step_is_elementwise,
    "update does not change its arguments": _update_is_pure,
    "relative_size is the size of directions": _relative_size_is_measured,
    "monotone names the fields that go one way": _monotone_fields_are_stated,
    "can_be_undefined says whether 0/0 occurs": _undefined_is_measured,
    "bounded_direction says if there is a bound": _bound_is_measured,
    "stable_below is where a minimum repels": _stability_is_measured,
    "what is shown fits": _shown_fit,
    "squares names the field whose root divides": _squares_are_stated,
    "compiled update equals NumPy's": _update_compiles,
}
