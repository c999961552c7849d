"""An objective that a config writes out, in which coordinates and numbers of a datum meet: theta1, theta2, ..., x1, x2, ..."""

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Annotated, Any, NamedTuple

import numpy as np
from annotated_types import Len
from typing_extensions import Doc

from nonconv.components.definitions import Complaint, Coupled, Group, Known, OneOf, Shape, Unusable, Written
from nonconv.components.parameters import Words
from nonconv.formulas.derivative import MOST_CHARACTERS, NoDerivative, derivative
from nonconv.formulas.modules import field, joint_module
from nonconv.formulas.reading import Node, numbered, read_formula
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.rng import key, uniforms
from nonconv.system.words import count

BASES = ("theta", "x")
MOST_NUMBERS = 100
"""Most coordinates, and most numbers of a datum."""
AROUND, ROUNDED = 1e-3, 1e-12
"""How far from a stated minimizer, relatively, the loss is looked at, and by how much it may be less for rounding."""
TRIES, STEP, CLOSE, SMOOTH = 24, 1e-4, 1e-4, 1e-3
"""Points at which a given gradient is compared with the loss, and how: as objective formula does."""


class JointFormula(NamedTuple):
    """The loss of one sample as a formula of all coordinates: E of loss(theta1, theta2, ..., x1, x2, ...).

    theta1 is the first coordinate, and so on; there are as many as the loss has. x1, x2, ... are the numbers of one datum:
    columns of a csv, entries of the rows of a sequence, or independent numbers of any other law. So a finite sum of functions
    with coefficients of their own is a table of these, and its order that of the data. The language, the gradient by sympy and
    its place in the experiment's identity are those of objective formula, which is the one to use where the loss is a sum
    over coordinates: that one's minima are found.
    """

    loss: Annotated[
        str,
        Len(1),
        Written(BASES, numbered=True),
        Words("a formula of theta1, theta2, ..., x1, x2, ... and the constants"),
        Doc("the loss of one sample"),
    ]
    data: Annotated[Any, OneOf("data"), Doc("the law of x1, x2, ...; left out where the loss has none")] = None
    gradient: Annotated[
        tuple[str, ...],
        Words("a list of formulas, one for each coordinate"),
        Doc("the derivatives of the loss; found by sympy if left out"),
    ] = ()
    minimizer: Annotated[
        tuple[float, ...] | None, Doc("where the mean loss is least, if you know it: a number for each coordinate")
    ] = None
    constants: Annotated[dict[str, float], Words("a mapping of names to numbers"), Doc("named numbers of the formula")] = {}  # noqa: RUF012  # never changed: a config's are formulas.constants.Constants


def variables(h: JointFormula) -> tuple[str, ...]:
    """Return the names in the loss that stand for coordinates and for numbers of a datum."""
    return numbered(h.loss, BASES)


def _most(h: JointFormula, base: str) -> int:
    """Return the largest number of a base in the loss: how many coordinates there are, or numbers of a datum; 0 if none."""
    found = (re.fullmatch(rf"{base}(\d+)", name) for name in variables(h))
    return max([int(one[1]) for one in found if one], default=0)


def numbers(h: JointFormula) -> int:
    """Return how many numbers of a datum the loss has, at least 1."""
    return max(_most(h, "x"), 1)


def check(h: JointFormula) -> list[Complaint]:
    """Refuse a loss that leaves out a coordinate, or has x without data, and data without x; and gradients that are none."""
    names = read_formula(h.loss, variables(h), tuple(h.constants)).names
    dim = _most(h, "theta")
    for base in BASES:
        if _most(h, base) > MOST_NUMBERS:
            return [Complaint("loss", f"has {base}{_most(h, base)}; there are at most {MOST_NUMBERS}")]
    missing = [f"theta{j}" for j in range(1, dim + 1) if f"theta{j}" not in names]
    if missing or not dim:
        what = f"it has theta{dim}" if dim else "coordinates are theta1, theta2, ..."
        return [Complaint("loss", f"does not depend on {missing[0] if missing else 'theta1'}; {what}")]
    return list(_mistakes(h, names, dim))


def _mistakes(h: JointFormula, names: frozenset[str], dim: int) -> Iterator[Complaint]:
    """Yield what is wrong with data, a given gradient and a stated minimizer. names: in the loss."""
    has_x = any(name.startswith("x") for name in names & set(variables(h)))
    if has_x and h.data is None:
        yield Complaint("data", "missing; the loss depends on x1, which is drawn from it")
    if not has_x and h.data is not None:
        yield Complaint("data", "the loss does not depend on x1, which is drawn from it; leave data out, or use x1")
    if h.minimizer is not None and len(h.minimizer) != dim:
        yield Complaint("minimizer", f"has {count(len(h.minimizer), 'number')} for {count(dim, 'coordinate')}")
    if h.gradient and len(h.gradient) != dim:
        yield Complaint("gradient", f"has {count(len(h.gradient), 'formula')} for {count(dim, 'coordinate')}")
    for k, text in enumerate(h.gradient):
        for one in read_formula(text, variables(h), tuple(h.constants), MOST_CHARACTERS).mistakes:
            yield Complaint("gradient", one.message, one.allowed, entry=k, nearest=one.nearest)


def complete(h: JointFormula) -> JointFormula:
    """Return the parameters with their gradient. Raises Unusable where there is none, or where the given one is another."""
    if not h.gradient:
        return h._replace(gradient=_gradient(h.loss, tuple(h.constants), _most(h, "theta")))
    _refuse_other_gradient(h)
    return h


@lru_cache(maxsize=256)
def _gradient(loss: str, names: tuple[str, ...], dim: int) -> tuple[str, ...]:
    """Return the derivatives of a loss as texts. Raises Unusable."""
    known = numbered(loss, BASES)
    tree = read_formula(loss, known, names).tree
    found = []
    for j in range(1, dim + 1):
        try:
            text = derivative(tree, f"theta{j}")
        except NoDerivative as error:
            raise Unusable(Complaint("loss", str(error))) from None
        if text == "0":
            raise Unusable(Complaint("loss", f"has the derivative 0 by theta{j}: it does not depend on theta{j}"))
        if read_formula(text, known, names, MOST_CHARACTERS).mistakes:
            raise Unusable(Complaint("loss", "has a derivative that is nested too deeply"))
        found.append(text)
    return tuple(found)


def _refuse_other_gradient(h: JointFormula) -> None:
    """Compare a given gradient with difference quotients of the loss, where it is smooth. Raises Unusable."""
    objective, dim = made(h), _most(h, "theta")
    k = objective.prepare(h, Shape(0, numbers(h)))
    theta, x = (8.0 * uniforms(key(0, name), 0, n, 0, TRIES) - 4.0 for name, n in (("theta", dim), ("x", numbers(h))))
    room, slopes = np.empty((1, TRIES)), np.zeros((dim, TRIES))
    with np.errstate(all="ignore"):
        objective.add_gradient(k, TRIES, theta, x[:0], x, slopes, room)
        for j in range(dim):
            wide, narrow = (_quotient(objective, k, theta, x, j, size) for size in (STEP, STEP / 2.0))
            scale = np.maximum(np.abs(wide), np.abs(_loss(objective, k, theta, x)) + 1e-9)
            wrong = (np.abs(wide - narrow) <= SMOOTH * CLOSE * scale) & ~(np.abs(slopes[j] - narrow) <= CLOSE * scale)
            if wrong.any():
                at = int(wrong.argmax())
                places = ", ".join(f"theta{i + 1} = {value:.4g}" for i, value in enumerate(theta[:, at]))
                what = f"is {slopes[j, at]:.6g} at {places}, where the loss rises by {narrow[at]:.6g}"
                raise Unusable(Complaint("gradient", f"{what}; leave it out, and sympy finds it", entry=j))


def _loss(objective: Coupled, k: Any, theta: Array, x: Array) -> Array:
    """Return the losses at points theta (dim, n) of data x (numbers, n), (n,)."""
    out = np.empty((2, theta.shape[1]))
    objective.loss(k, theta.shape[1], theta, x[:0], x, out, out)
    return np.asarray(out[0])


def _quotient(objective: Coupled, k: Any, theta: Array, x: Array, j: int, size: float) -> Array:
    """Return central difference quotients of the loss by coordinate j, (n,)."""
    step = np.zeros_like(theta)
    step[j] = size * (1.0 + np.abs(theta[j]))
    ahead, behind = _loss(objective, k, theta + step, x), _loss(objective, k, theta - step, x)
    return np.asarray((ahead - behind) / (2.0 * step[j]))


def groups(h: JointFormula, shape: Shape) -> tuple[Group, ...]:
    """Return all coordinates as one group."""
    return (Group("theta", 0, _most(h, "theta")),)


def check_shape(h: JointFormula, shape: Shape) -> list[Complaint]:
    """Refuse data with fewer numbers than the loss has."""
    if _most(h, "x") > shape.targets:
        return [Complaint("loss", f"has x{_most(h, 'x')}, but a datum has {count(shape.targets, 'number')}")]
    return []


def prepare(h: JointFormula, shape: Shape) -> Any:
    """Return the constants."""
    constants = made(h).constants
    return constants(**{field(name): float(value) for name, value in h.constants.items()}) if h.constants else constants(0.0)


def minimizer(h: JointFormula, shape: Shape, known: Known) -> Array | str:
    """Return the minimizer that the config states, or why there is none: it must not be higher than points around it."""
    if h.minimizer is None:
        return "it is not looked for; write minimizer: [...] where you know it"
    point = np.array(h.minimizer)
    if known.rows is not None:
        objective, k = made(h), prepare(h, shape)
        _, rows = known.rows

        def mean_loss(theta: Array) -> float:
            """Return the mean loss at theta (dim,)."""
            at = np.repeat(theta[:, None], rows.shape[1], axis=1)
            return float(_loss(objective, k, at, rows).mean())

        with np.errstate(all="ignore"):
            here, away = mean_loss(point), AROUND * (1.0 + np.abs(point))
            around = [mean_loss(point + side * row) for side in (-1.0, 1.0) for row in np.diag(away)]
        if min(around) < here - ROUNDED * max(abs(here), *map(abs, around)):
            return "the mean loss is less beside the one that is stated"
    return point


def made(h: JointFormula) -> Coupled:
    """Return the objective with the functions of a loss and its gradient; the same for other numbers."""
    return _made(h.loss, h.gradient, tuple(h.constants), _most(h, "theta"), numbers(h))


@cache
def _made(loss: str, gradient: tuple[str, ...], names: tuple[str, ...], dim: int, data: int) -> Coupled:
    """Return the objective of formulas. Cached without end: kernels and programs know it by its identity."""
    known = numbered(loss, BASES)
    trees: list[Node] = [read_formula(text, known, names, MOST_CHARACTERS).tree for text in (loss, *gradient)]
    theta, x = ([f"{base}{k}" for k in range(1, most + 1)] for base, most in (("theta", dim), ("x", data)))
    module = joint_module(names, theta, x, trees[0], trees[1:])
    functions = {"loss": module.loss, "add_gradient": module.add_gradient, "penalty": module.penalty}
    return Coupled(**(ABOUT | functions | {"constants": module.Constants}))


class Unmade(NamedTuple):
    """Stands for constants of an objective that is yet to be made."""


def unmade(*arguments: Any) -> Any:
    """Stand for functions of an objective that is yet to be made; never called."""
    raise AssertionError


ABOUT: dict[str, Any] = {
    "name": "joint_formula",
    "parameters": JointFormula,
    "paper": "as the config writes it",
    "check": check,
    "complete": complete,
    "groups": groups,
    "constants": Unmade,
    "prepare": prepare,
    "work": lambda h, shape: 1,
    "loss": unmade,
    "add_gradient": unmade,
    "penalty": unmade,
    "loss_name": lambda h: "the loss that the config writes out",
    "check_shape": check_shape,
    "minimizer": minimizer,
    "starts_at_zero": True,
    "numbers": numbers,
}
JOINT_FORMULA = Coupled(**(ABOUT | {"made": made}))
