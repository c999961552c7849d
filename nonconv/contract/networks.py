"""The checks of networks, data sets and initialisations: each takes the component and parameters h, and raises Broken.

Arrays have BEYOND more columns than examples, filled with nan: what is written there, or read from there, shows.
"""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from nonconv.components.definitions import Chosen, Configured, Coupled, Dataset, Initialisation, Known, Shape, Truth
from nonconv.contract.broken import Broken, Check, demand_same_bits, slow
from nonconv.datasets.teacher import TEACHER, Teacher
from nonconv.engine.blocks import simulate
from nonconv.engine.program import Learning, Program, Supply
from nonconv.engine.reference import Reference
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.rng import key, uniforms
from nonconv.objectives.mlp import MLP, Mlp
from nonconv.optimizers.sgd import SGD, Sgd

SEED, STEPS, PATHS, BATCH = 3, 8, 13, 3
LANES, EXAMPLES, TRUE_EXAMPLES, BEYOND = 2, 12, 20_000, 5
"""Paths and examples at once, examples for moments, and columns of every array that do not belong to them."""
MOST_COORDINATES = 60
"""At most this many coordinates of a network are compared with differences."""
TAUGHT = (Teacher(inputs=3, outputs=2), Teacher(inputs=2), *(Teacher(inputs=2, outputs=k, labels="classes") for k in (2, 3)))
FANS = ((1, 1), (3, 5), (5, 3), (784, 10), (1, 1024))
"""Units of the layers before and after, for which variances are checked."""


def _random(name: str, *shape: int) -> Array:
    """Return numbers in [-1, 1) of this shape, the same for the same name."""
    return 2.0 * uniforms(key(SEED, name), 0, math.prod(shape), 0, 1)[:, 0].reshape(shape) - 1.0


def _program(network: Chosen, data: Chosen, **changes: Any) -> Program:
    """Return SGD on the network and the data, a few steps from a random start; `changes` replace fields of the Program."""
    h, examples = network.parameters, data.component
    shape = examples.shape(data.parameters)
    groups = network.component.groups(h, shape)
    # No held-out examples: only paths are compared.
    none = np.empty((shape.features, 0)), np.empty((shape.targets, 0))
    rows, draws = examples.rows(data.parameters), examples.draws(data.parameters)
    whole: dict[str, Any] = {
        "seed": SEED,
        "dim": groups[-1].last,
        "steps": STEPS,
        "objective": Configured(*network, network.component.prepare(h, shape)),
        "data": Configured(*data, examples.prepare(data.parameters)),
        "optimizer": Configured(SGD, Sgd()),
        "learning_rate": lambda n: 0.01 * n**-0.25,
        "batch_size": lambda n: np.full_like(n, float(BATCH)),
        "start": _random("start", groups[-1].last),
        "record": np.arange(1, STEPS + 1),
        "learning": Learning(shape, draws, network.component.work(h, shape), groups, none),
        "supply": Supply(examples.order(data.parameters) if rows else "with_replacement", rows),
    }
    return Program(**(whole | changes))


def _compare_engines(program: Program, function: Callable[..., Any]) -> None:
    """Check that both engines give the same bits. Raises Broken, blaming the function."""
    from nonconv.engine.fused import Fused

    stop = np.zeros(1, dtype=np.uint8)
    ours, reference = (simulate(program, engine(program), 0, PATHS, stop).theta for engine in (Fused, Reference))
    demand_same_bits(ours, reference, function)


# Datasets


def _is_count(number: Any, least: int = 0) -> bool:
    """Return whether it is a whole number, at least `least`; booleans, which Python counts as such, are not."""
    return isinstance(number, int) and not isinstance(number, bool) and number >= least


def _shape_fits(component: Dataset, h: Any) -> None:
    """Check the numbers that a data set states: shape, draws, rows; and the type of its constants."""
    shape, draws, rows = component.shape(h), component.draws(h), component.rows(h)
    if not isinstance(shape, Shape) or not all(_is_count(number, 1) for number in shape[:2]):
        raise Broken(f"shape returns {shape}; it must be Shape(features, targets), both at least 1", component.shape)
    if not _is_count(shape.classes) or shape.classes == 1 or (shape.classes and shape.targets != 1):
        raise Broken(f"shape returns {shape}; classes have one target, and there are two or more", component.shape)
    if not _is_count(draws, 1):
        raise Broken(f"draws is {draws!r}; it must be a whole number, at least 1", component.draws)
    if not _is_count(rows):
        raise Broken(f"rows is {rows!r}; it must be a whole number, 0 if examples are independent", component.rows)
    if not isinstance(component.prepare(h), component.constants):
        raise Broken(f"prepare must return {component.constants.__name__}", component.prepare)


def _held_out_fits(component: Dataset, h: Any) -> None:
    """Check that held-out examples are a number, or arrays (features, H) and (targets, H)."""
    shape, held_out = component.shape(h), component.held_out(h)
    if _is_count(held_out):
        return
    arrays = held_out if isinstance(held_out, tuple) else ()
    sizes = [getattr(array, "shape", ()) for array in arrays]
    if [size[:1] for size in sizes] != [(shape.features,), (shape.targets,)] or sizes[0][1:] != sizes[1][1:]:
        raise Broken("held_out must return a number of examples, or arrays (features, H) and (targets, H)", component.held_out)


def _draw_examples(component: Dataset, h: Any, u: Array, beyond: int = 0) -> tuple[Array, Array]:
    """Draw an example for each column of u, in arrays with `beyond` more columns of nan; return x and y."""
    shape, n = component.shape(h), u.shape[1]
    x, y = (np.full((rows, n + beyond), np.nan) for rows in (shape.features, shape.targets))
    wider = np.hstack([u, np.full((len(u), beyond), 0.5)])
    component.sample(component.prepare(h), n, wider, x, y)
    return x, y


def _uniforms(component: Dataset, h: Any, n: int) -> Array:
    """Return the uniforms of n examples, (draws, n)."""
    return uniforms(key(SEED, "examples"), 0, component.draws(h), 0, n)


def _sample_writes(component: Dataset, h: Any) -> None:
    """Check that `sample` writes finite numbers to n columns and nothing else, and classes where it states them."""
    u, n, shape = _uniforms(component, h, 100), 100, component.shape(h)
    before = u.copy()
    x, y = _draw_examples(component, h, u, BEYOND)
    for name, table in (("x", x), ("y", y)):
        if not np.all(np.isfinite(table[:, :n])):
            raise Broken(f"sample leaves {name} without a finite number in row {_bad_row(table[:, :n])}", component.sample)
        if not np.all(np.isnan(table[:, n:])):
            raise Broken(f"sample writes beyond the first n columns of {name}", component.sample)
    if not np.array_equal(u, before):
        raise Broken("sample changes the uniforms it is given", component.sample)
    if shape.classes and not np.all(np.isin(y[:, :n], np.arange(shape.classes))):
        raise Broken(f"sample gives a target that is none of the classes 0, ..., {shape.classes - 1}", component.sample)


def _bad_row(table: Array) -> int:
    """Return the first row that has a number that is not finite."""
    return int(np.argmax(~np.all(np.isfinite(table), axis=1)))


@slow
def _sample_is_elementwise(component: Dataset, h: Any) -> None:
    """Check that an example is a function of its own uniforms, whatever is drawn together with it."""
    u = _uniforms(component, h, 7)
    together = np.vstack(_draw_examples(component, h, u))
    if not np.array_equal(together, np.vstack(_draw_examples(component, h, u))):
        raise Broken("sample gives other examples from the same uniforms", component.sample)
    alone = np.hstack([np.vstack(_draw_examples(component, h, u[:, k : k + 1])) for k in range(7)])
    if not np.array_equal(together, alone):
        raise Broken("sample returns another example beside others than alone", component.sample)


@slow
def _sample_compiles(component: Dataset, h: Any) -> None:
    """Check that both engines learn the same bits from the examples."""
    network = Chosen(MLP, Mlp(None, hidden=(2,), activation="tanh"))
    _compare_engines(_program(network, Chosen(component, h)), component.sample)


@slow
def _truth_fits(component: Dataset, h: Any) -> None:
    """Check a stated truth against examples: moments of features, and residuals that features do not tell."""
    truth, shape = component.truth(h), component.shape(h)
    if truth is None:
        return
    sizes = [(shape.targets, shape.features), (shape.targets,), *[(shape.features,)] * 3]
    if not isinstance(truth, Truth) or [np.shape(part) for part in truth[:5]] != sizes:
        raise Broken("truth must return Truth, its arrays (targets, features), (targets,) and (features,)", component.truth)
    x, y = _draw_examples(component, h, _uniforms(component, h, TRUE_EXAMPLES))
    away, fitted = x - truth.mean[:, None], truth.weight @ x + truth.bias[:, None]
    residual = y - (1.0 / (1.0 + np.exp(-fitted)) if shape.classes else fitted)
    if not np.all(np.isfinite(residual)):  # as of classes without noise, whose log odds are infinite
        return
    spread = np.sqrt(truth.variance)[:, None]
    for what, numbers, expected in (
        ("mean", away, np.zeros(shape.features)),
        ("variance", away**2, truth.variance),
        ("fourth", away**4, truth.fourth),
        ("weight and bias", residual, np.zeros(shape.targets)),
        ("weight", (residual[:, None] * (away / spread)[None]).reshape(-1, x.shape[1]), 0.0),
        *([] if shape.classes else [("noise", residual**2, np.full(shape.targets, truth.noise))]),
    ):
        se = numbers.std(axis=1) / math.sqrt(TRUE_EXAMPLES)
        rounding = 1e-9 * np.abs(numbers).max(axis=1) + 1e-12 * np.abs(y).max()
        if not np.all(np.abs(numbers.mean(axis=1) - expected) <= 5.0 * se + rounding):
            raise Broken(f"truth states another {what} than examples have", component.truth)


# Networks


class _Lesson(NamedTuple):
    """A network's arrays and n examples of LANES paths; x and y have more columns, of nan.

    work: rows of scratch.
    """

    n: int
    theta: Array
    x: Array
    y: Array
    constants: Any
    work: int


def _find_teachers(component: Coupled, h: Any) -> Iterator[Teacher]:
    """Return the teachers whose labels the network accepts. Raises Broken if it accepts none."""
    found = [teacher for teacher in TAUGHT if not component.check_shape(h, TEACHER.shape(teacher))]
    if not found:
        raise Broken("check_shape refuses values and classes alike", component.check_shape)
    return iter(found)


def _lessons(component: Coupled, h: Any) -> Iterator[_Lesson]:
    """Yield a lesson for each teacher that the network accepts."""
    for teacher in _find_teachers(component, h):
        shape, n = TEACHER.shape(teacher), EXAMPLES * LANES
        x, y = _draw_examples(TEACHER, teacher, _uniforms(TEACHER, teacher, n), BEYOND)
        if not shape.classes:  # errors of both signs
            y[:, :n] -= y[:, :n].mean(axis=1, keepdims=True)
        theta = _random("theta", component.groups(h, shape)[-1].last, LANES)
        yield _Lesson(n, theta, x, y, component.prepare(h, shape), component.work(h, shape))


def _loss(component: Coupled, lesson: _Lesson, theta: Array) -> Array:
    """Return what `loss` writes, (2, n). Raises Broken if it writes beyond."""
    out, work = (np.full((rows, lesson.n + BEYOND), np.nan) for rows in (2, lesson.work))
    component.loss(lesson.constants, lesson.n, theta, lesson.x, lesson.y, out, work)
    if not np.all(np.isnan(out[:, lesson.n :])):
        raise Broken("loss writes beyond the first n columns of out", component.loss)
    return out[:, : lesson.n]


def _gradient(component: Coupled, lesson: _Lesson, onto: float = 0.0, examples: slice = slice(None)) -> Array:
    """Return what `add_gradient` makes of a gradient that was `onto` everywhere, for a slice of the examples."""
    gradient = np.full_like(lesson.theta, onto)
    x, y = (table[:, : lesson.n].reshape(len(table), -1, LANES)[:, examples].reshape(len(table), -1) for table in lesson[2:4])
    n = x.shape[1]
    x, y = (np.hstack([table, np.full((len(table), BEYOND), np.nan)]) for table in (x, y))
    work = np.full((lesson.work, n + BEYOND), np.nan)
    component.add_gradient(lesson.constants, n, lesson.theta, x, y, gradient, work)
    return gradient


def _groups_cover(component: Coupled, h: Any) -> None:
    """Check that groups have different names, cover all coordinates in order, and match their fans."""
    for teacher in _find_teachers(component, h):
        groups = component.groups(h, TEACHER.shape(teacher))
        if not groups or groups[0].first != 0 or any(g.last <= g.first for g in groups):
            raise Broken("groups must begin at 0, each with coordinates of its own", component.groups)
        gap = next((b.name for a, b in pairwise(groups) if a.last != b.first), None)
        if gap:
            raise Broken(f"groups: {gap} does not begin where the one before ends", component.groups)
        if len({g.name for g in groups}) < len(groups):
            raise Broken("groups: duplicate name", component.groups)
        wrong = next((g.name for g in groups if g.fan_in * g.fan_out not in (0, g.last - g.first)), None)
        if wrong:
            raise Broken(f"groups: {wrong} does not have fan_in * fan_out coordinates", component.groups)


@slow
def _loss_fits(component: Coupled, h: Any) -> None:
    """Check that `loss` is finite, writes 0 or 1 for wrong classes, and changes none of its arguments."""
    for lesson in _lessons(component, h):
        before = [table.copy() for table in lesson[1:4]]
        out = _loss(component, lesson, lesson.theta)
        if not np.all(np.isfinite(out)):
            raise Broken("loss leaves out without a finite number for every example", component.loss)
        if not np.all(np.isin(out[1], (0.0, 1.0))):
            raise Broken("loss must write 0 or 1 to the second row of out", component.loss)
        if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(before, lesson[1:4], strict=True)):
            raise Broken("loss changes theta, x or y", component.loss)


@slow
def _gradient_is_derivative(component: Coupled, h: Any) -> None:
    """Check the gradient against central differences of the loss, to 1e-6, at up to MOST_COORDINATES coordinates."""
    for lesson in _lessons(component, h):
        # Near the cube root of the precision, where truncation and rounding of a central difference balance.
        slope, step = _gradient(component, lesson), 1e-5
        for j in range(0, len(lesson.theta), -(-len(lesson.theta) // MOST_COORDINATES)):
            ahead, behind = lesson.theta.copy(), lesson.theta.copy()
            ahead[j] += step
            behind[j] -= step
            ends = [_loss(component, lesson, theta)[0].reshape(EXAMPLES, LANES).sum(axis=0) for theta in (ahead, behind)]
            rise = (ends[0] - ends[1]) / (2.0 * step)
            # Relative to the loss too, whose rounding error the difference inherits.
            wrong = ~(np.abs(rise - slope[j]) <= 1e-6 * np.maximum(1.0, np.maximum(np.abs(ends[0]), np.abs(rise))))
            if wrong.any():
                at = int(wrong.argmax())
                what = f"coordinate {j} of {len(slope)} has the gradient {slope[j, at]:.6g}, the loss rises by {rise[at]:.6g}"
                raise Broken(what, component.add_gradient)


@slow
def _gradient_is_added(component: Coupled, h: Any) -> None:
    """Check that `add_gradient` adds, and is a sum over examples; and that the penalty is finite."""
    for lesson in _lessons(component, h):
        whole = _gradient(component, lesson)
        # Not bit for bit: sums in another order may round differently.
        close = 1e-12 * (1.0 + np.abs(whole).max())
        if not np.all(np.abs(_gradient(component, lesson, onto=1.5) - 1.5 - whole) <= close):
            raise Broken("add_gradient must add to the gradient, not replace it", component.add_gradient)
        single = [_gradient(component, lesson, examples=slice(k, k + 1)) for k in range(EXAMPLES)]
        if not np.all(np.abs(sum(single) - whole) <= close):
            raise Broken("add_gradient of several examples is not the sum of each", component.add_gradient)
        penalty = np.broadcast_to(component.penalty(lesson.constants, lesson.theta), lesson.theta.shape)
        if not np.all(np.isfinite(penalty)):
            raise Broken("penalty is not finite", component.penalty)


def _minimizer_is_stationary(component: Coupled, h: Any) -> None:
    """Check that the mean gradient of some examples, penalty included, is 0 at their minimizer."""
    if component.minimizer is None:
        return
    for teacher, lesson in zip(_find_teachers(component, h), _lessons(component, h), strict=True):
        shape, rows = TEACHER.shape(teacher), (lesson.x[:, : lesson.n], lesson.y[:, : lesson.n])
        point = component.minimizer(h, shape, Known(rows=rows))
        if isinstance(point, str):
            continue
        if np.shape(point) != (len(lesson.theta),):
            what = f"minimizer has the shape {np.shape(point)} for {len(lesson.theta)} coordinates"
            raise Broken(what, component.minimizer)
        at, around = (np.repeat(theta[:, None], LANES, axis=1) for theta in (point, np.zeros(len(point))))
        slopes = [
            _gradient(component, lesson._replace(theta=theta)).sum(axis=1) / lesson.n
            + component.penalty(lesson.constants, theta[:, 0])
            for theta in (at, around)
        ]
        if not np.abs(slopes[0]).max() <= 1e-9 * max(np.abs(slopes[1]).max(), 1.0):
            what = f"at the minimizer of {lesson.n} examples the mean gradient has an entry of {np.abs(slopes[0]).max():.3g}"
            raise Broken(what, component.minimizer)


@slow
def _network_compiles(component: Coupled, h: Any) -> None:
    """Check that both engines train the network to the same bits."""
    for teacher in _find_teachers(component, h):
        _compare_engines(_program(Chosen(component, h), Chosen(TEACHER, teacher)), component.add_gradient)


# Initialisations


def _variance_is_positive(component: Initialisation, h: Any) -> None:
    """Check that `variance` is a positive number for layers of any size."""
    for fans in FANS:
        variance = component.variance(*fans)
        if not isinstance(variance, int | float) or not 0.0 < variance < math.inf:
            what = f"variance({fans[0]}, {fans[1]}) is {variance!r}; it must be a positive number"
            raise Broken(what, component.variance)


OF_DATASETS: dict[str, Check] = {
    "shape, draws and rows are whole numbers": _shape_fits,
    "held-out examples have the shape": _held_out_fits,
    "sample writes n columns and no more": _sample_writes,
    "an example depends on its uniforms alone": _sample_is_elementwise,
    "compiled samples equal NumPy's": _sample_compiles,
    "a stated truth is that of examples": _truth_fits,
}
OF_NETWORKS: dict[str, Check] = {
    "groups cover every coordinate": _groups_cover,
    "loss writes n columns and no more": _loss_fits,
    "add_gradient is a sum over examples": _gradient_is_added,
    "add_gradient is the derivative of loss": _gradient_is_derivative,
    "compiled gradient equals NumPy's": _network_compiles,
    "the mean gradient at the minimizer is 0": _minimizer_is_stationary,
}
OF_INITIALISATIONS: dict[str, Check] = {"variance is a positive number": _variance_is_positive}
