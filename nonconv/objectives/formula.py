"""An objective that a config writes out: the loss of one coordinate and one sample as a formula."""

from functools import cache, lru_cache
from typing import Annotated, Any, NamedTuple

import numpy as np
from annotated_types import Interval, Len
from typing_extensions import Doc

from nonconv.components.definitions import SEARCH, Complaint, Objective, OneOf, Unusable, Written
from nonconv.components.parameters import Words
from nonconv.formulas.constants import Value
from nonconv.formulas.degree import degree
from nonconv.formulas.derivative import MOST_CHARACTERS, NoDerivative, derivative
from nonconv.formulas.modules import field, module_of
from nonconv.formulas.reading import Node, read_formula
from nonconv.numerics.arithmetic import Array

VARIABLES = ("theta", "x")
POINTS = np.array([-7.3, -2.03, -1.31, -0.51, -0.07, 0.26, 0.77, 1.4, 3.11, 11.9])
"""Points at which a given gradient is compared with the loss; uneven, so that a kink at a round number falls on none."""
DATA = (-1.17, 0.25, 2.03)
STEP, CLOSE, SMOOTH = 1e-4, 1e-4, 1e-3
"""Relative step of a difference quotient; how close to it a gradient is; how close half the step is where a loss is smooth."""


class Formula(NamedTuple):
    """The loss of one sample as a formula of theta and x: E of the sum over coordinates of loss(theta_j, X_j).

    A formula has theta, x, pi, e, numbers, the constants, + - * / **, parentheses, and the functions
        exp log log10 log1p expm1 sqrt sin cos tan sinh cosh tanh atan erf sigmoid softplus
        abs sign heaviside floor ceil min max mod(u, v) where(u < v, yes, no) compare(u, v, less, more)
    `where` takes comparisons, also joined by and, or; `compare` is `less` where u < v, `more` where u > v, and their mean where
    u = v. Whatever is made of numbers alone is computed once, in floats. Powers with a whole exponent up to 16 are products.

    sympy differentiates the loss by theta. At a kink the gradient is the mean of both sides: sign(0) = 0 is the derivative of
    abs(theta) at 0, and 1/2 that of max(0, theta). It becomes part of the resolved config as `gradient`, and so of the
    experiment's identity: another version of sympy may write it otherwise, and round otherwise. A config may give it
    itself; it is compared with differences of the loss. Of log(1 + exp(u)) it is sigmoid(u), which does not overflow.
    """

    loss: Annotated[
        str,
        Len(1),
        Written(VARIABLES, needed="theta"),
        Words("a formula of theta, x and the constants"),
        Doc("the loss of one coordinate and one sample"),
    ]
    data: Annotated[Any, OneOf("data"), Doc("the law of x; left out where the loss has no x")] = None
    dim: Annotated[int, Interval(ge=1, le=10**6), Doc("number of coordinates")] = 1
    gradient: Annotated[
        str,
        Written(VARIABLES),
        Words("a formula of theta, x and the constants"),
        Doc("d loss / d theta; found by sympy if left out"),
    ] = ""
    constants: Annotated[
        dict[str, float | tuple[float, ...]],
        Words("a mapping of names to numbers, or to lists of dim numbers"),
        Doc("named numbers of the formula"),
    ] = {}  # noqa: RUF012  # never changed: a config's are formulas.constants.Constants


def check(h: Formula) -> list[Complaint]:
    """Refuse a loss with x without data, and data without x."""
    has_x = "x" in read_formula(h.loss, VARIABLES, tuple(h.constants)).names
    if has_x and h.data is None:
        return [Complaint("data", "missing; the loss depends on x, which is drawn from it")]
    if not has_x and h.data is not None:
        return [Complaint("data", "the loss does not depend on x, which is drawn from it; leave data out, or use x")]
    return []


def complete(h: Formula) -> Formula:
    """Return the parameters with their gradient. Raises Unusable where there is none, or where the given one is another."""
    names = tuple(h.constants)
    if not h.gradient:
        return h._replace(gradient=_gradient(h.loss, names))
    _refuse_other_gradient(h)
    return h


@lru_cache(maxsize=256)
def _gradient(loss: str, names: tuple[str, ...]) -> str:
    """Return the derivative of a loss as text. Raises Unusable."""
    try:
        found = derivative(read_formula(loss, VARIABLES, names).tree, "theta")
    except NoDerivative as error:
        raise Unusable(Complaint("loss", str(error))) from None
    if found == "0":
        raise Unusable(Complaint("loss", "has the derivative 0 by theta: it does not depend on theta"))
    if read_formula(found, VARIABLES, names, MOST_CHARACTERS).mistakes:
        raise Unusable(Complaint("loss", "has a derivative that is nested too deeply"))
    return found


def _refuse_other_gradient(h: Formula) -> None:
    """Compare a given gradient with difference quotients of the loss, where it is smooth. Raises Unusable."""
    made, dim = _made(h.loss, h.gradient, tuple(h.constants)), _dim(h)
    for k in {0, dim - 1}:
        own = made.constants(*(part[k] for part in prepare(h, dim)))
        for x in np.array(DATA):  # NumPy's floats: of Python's, a division by 0 is an exception
            with np.errstate(all="ignore"):
                wide, narrow = (_quotient(made, own, x, size) for size in (STEP, STEP / 2.0))
                slope = np.broadcast_to(made.gradient(own, POINTS, x), POINTS.shape)
                scale = np.maximum(np.abs(wide), np.abs(made.loss(own, POINTS, x)) + 1e-9)
                wrong = (np.abs(wide - narrow) <= SMOOTH * CLOSE * scale) & ~(np.abs(slope - narrow) <= CLOSE * scale)
            if wrong.any():
                at = int(wrong.argmax())
                where = f"at theta = {POINTS[at]:g}" + (f", x = {x:g}" if h.data is not None else "")
                what = f"is {slope[at]:.6g} {where}, where the loss rises by {narrow[at]:.6g}"
                raise Unusable(Complaint("gradient", f"{what}; leave it out, and sympy finds it"))


def _quotient(made: Objective, own: Any, x: float, size: float) -> Array:
    """Return central difference quotients of the loss at POINTS."""
    step = size * (1.0 + np.abs(POINTS))
    ahead, behind = made.loss(own, POINTS + step, x), made.loss(own, POINTS - step, x)
    return np.asarray(np.broadcast_to((ahead - behind) / (2.0 * step), POINTS.shape))


def _dim(h: Formula) -> int:
    """Return a number of coordinates that the constants have: `dim` may yet come from the data."""
    return max([h.dim, *(len(value) for value in h.constants.values() if isinstance(value, tuple))])


def made(h: Formula) -> Objective:
    """Return the objective with the functions of a loss and its gradient; the same for other numbers."""
    return _made(h.loss, h.gradient, tuple(h.constants))


@cache
def _made(loss: str, gradient: str, names: tuple[str, ...]) -> Objective:
    """Return the objective of two formulas. Cached without end: kernels and programs know it by its identity."""
    trees: dict[str, Node] = {
        "loss": read_formula(loss, VARIABLES, names).tree,
        "gradient": read_formula(gradient, VARIABLES, names, MOST_CHARACTERS).tree,
    }
    module = module_of(names, {name: (VARIABLES, tree) for name, tree in trees.items()})
    return Objective(
        name=FORMULA.name,
        parameters=Formula,
        paper=FORMULA.paper,
        constants=module.Constants,
        prepare=prepare,
        loss=module.loss,
        gradient=module.gradient,
        minima=SEARCH,
        mean_is_enough=degree(trees["gradient"], "x") <= 1.0,
    )


def prepare(h: Formula, dim: int) -> Any:
    """Return the constants of all coordinates, shape (dim,); a single number is repeated."""
    constants = _made(h.loss, h.gradient, tuple(h.constants)).constants
    if not h.constants:
        return constants(np.zeros(dim))
    return constants(**{field(name): spread(value, dim) for name, value in h.constants.items()})


def spread(value: Value, dim: int) -> Array:
    """Return a constant as dim numbers."""
    numbers = np.asarray(value, dtype=np.float64)
    return np.broadcast_to(numbers if numbers.ndim == 0 or len(numbers) == dim else numbers[:1], (dim,)).copy()


class Unmade(NamedTuple):
    """Stands for constants of an objective that is yet to be made."""


def unmade(*arguments: Any) -> Any:
    """Stand for functions of an objective that is yet to be made; never called."""
    raise AssertionError


FORMULA = Objective(
    name="formula",
    parameters=Formula,
    paper="as the config writes it",
    check=check,
    complete=complete,
    made=made,
    constants=Unmade,
    prepare=unmade,
    loss=unmade,
    gradient=unmade,
    minima=SEARCH,
)
