"""What a definition is: the contracts that optimizers, objectives, data distributions and schedules fill in.

A definition is plain Python. Its parameters are a NamedTuple whose annotations state, once, each name, type, range,
meaning and default; the config models, the JSON Schema, `nonconv explain` and the docs derive from it. What it
computes are module-level functions of about ten lines. A new one is a section in its family's file and a line in its
kind's registry.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Final, Generic, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from nonconv.numerics.arithmetic import Array, Lanes

Parameters = Any
"""An instance of a component's own `parameters` NamedTuple."""


class OneOf(NamedTuple):
    """Annotation of a parameter that is itself a component of another kind (a quadratic's `data`)."""

    kind: str


class Later(NamedTuple):
    """Annotation of a parameter that came after its component.

    A resolved config has it only where it is not its default, so that results from before keep their bytes.
    """


class Written(NamedTuple):
    """Annotation of a parameter that is a formula, or may be left empty: of these variables, and of `constants` beside it.

    needed: the variable that must be in it, with what it is for; empty if none must. numbered: whether the variables are
    these with a number, as theta1 and theta2.
    """

    variables: tuple[str, ...]
    needed: str = ""
    numbered: bool = False


class Chosen(NamedTuple):
    """A component with its parameters, as a config names it.

    Two are equal if their parameters are written alike: what is kept for one, as the values of a schedule, would not be right
    for parameters of -0.0 instead of 0.0.
    """

    component: Any
    parameters: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Chosen) and tuple.__eq__(self, other) and repr(self.parameters) == repr(other.parameters)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return tuple.__hash__(self)


K = TypeVar("K")


class Configured(NamedTuple, Generic[K]):
    """A component with its parameters, and the constants that its compiled functions take; none for an optimizer."""

    component: K
    parameters: Any
    constants: Any = ()


class Complaint(NamedTuple):
    """What is wrong with a parameter, or with an entry of it; with no parameter, what does not go together.

    nearest: the name that was most likely meant. entry: of a list its number, of a mapping its key. part: of a text the
    characters that are meant, the first and how many; all of them if (0, 0).
    """

    parameter: str
    message: str
    allowed: str = ""
    entry: int | str | None = None
    nearest: str = ""
    part: tuple[int, int] = (0, 0)


class Unusable(Exception):
    """Raised by `load`: why the parameters name nothing that the component can work with."""

    def __init__(self, *complaints: Complaint) -> None:
        """Take the complaints; the exception's text joins their messages."""
        super().__init__("; ".join(complaint.message for complaint in complaints))
        self.complaints = complaints


class Files(Protocol):
    """What a component's `load` reads from. A method raises Unusable, or collects by itself what is wrong in a file.

    A file is found relative to the config and copied to the output folder. Its digest becomes part of the experiment's
    identity; a `sha256` that it does not have is refused.
    """

    def table(self, file: str, sha256: str, classes: str = "", **columns: tuple[str, ...]) -> Array:
        """Return the named columns of a CSV file in order, shape (rows, columns).

        columns: the names, by the parameter that gives them; messages name that parameter. classes: the parameter of the one
        column that may hold texts: they become 0, 1, ... in sorted order.
        """
        ...

    def weights(self, file: str, sha256: str) -> Array:
        """Return the numbers of a .npy file or a text, one for each coordinate of the objective."""
        ...

    def uniforms(self, name: str, number: int) -> Array:
        """Return `number` uniforms in [0, 1), a function of the config's seed and this name."""
        ...


def _no_complaints(parameters: Parameters) -> list[Complaint]:
    """Accept any parameters that are each allowed; the default of `check`."""
    return []


@dataclass(frozen=True, kw_only=True)
class Component:
    """What every kind shares.

    name: what configs call it. paper: where it is from.
    parameters: the NamedTuple of its parameters.
    check: parameters -> complaints about parameters that are each allowed but do not go together.
    load: (parameters, Files) -> the parameters as the component's other functions take them, with what files hold. None:
        they take the parameters as they are.
    defaults: names and values of parameters, its own or those of its kind, that have another default here: what makes a preset,
        a name for settings of another component, which its `form` returns.
    complete: parameters -> the same with what a config may leave out and only code can find, as a derivative. It becomes part
        of the resolved config. Raises Unusable. None: there is nothing to find.
    """

    name: str
    parameters: type[Any]
    paper: str
    check: Callable[[Parameters], list[Complaint]] = _no_complaints
    load: Callable[[Parameters, Files], Any] | None = None
    complete: Callable[[Parameters], Any] | None = None
    defaults: tuple[tuple[str, Any], ...] = ()

    @property
    def summary(self) -> str:
        """The first line of the parameters' docstring: what `nonconv list` shows."""
        return (self.parameters.__doc__ or "").strip().splitlines()[0]


class _Parameters:
    """Placeholder for the parameters' own class, until the component is made."""


def parameters_as_columns(h: Parameters, n: Array) -> Any:
    """Return parameters that are numbers as arrays over the steps n (steps,); the default of `at_step`."""
    return type(h)(*(np.full_like(n, float(value)) for value in h))


def _zeros(state: type[Any], h: Parameters) -> Any:
    """Return a state of zeros; the default of `start`."""
    return state(*(0.0 for _ in state._fields))


def _default_start(h: Parameters) -> Any:
    """Placeholder for `_zeros` of the optimizer's own state, until the component is made."""


class Squares(NamedTuple):
    """The state field of an optimizer whose root divides: a sum, an average or a maximum of squares of gradients.

    Squares leave the range of numbers long before gradients do, at 1e-154 and 1e154. A path on which they do so, and whose
    step is another one therefore, is undefined.

    keeps: parameters -> the least share of it that a step after the first leaves, between 0 and 1: beta2 of an average, 1 of
        a sum.
    divisor: parameters -> what divides, at least, where it is 0: eps outside the root. If neither this nor `keeps` is
        given, the field is looked at after every step.
    """

    field: str
    keeps: Callable[[Parameters], float] = lambda parameters: 0.0
    divisor: Callable[[Parameters], float] = lambda parameters: 0.0


class Shown(NamedTuple):
    """A quantity that follows from an optimizer's state, which `record: {state: [NAME]}` records.

    of: (per_step, state) -> the quantity, on lanes; both are those after the step.
    """

    name: str
    of: Callable[[Any, Any], Lanes]


class Scaling(NamedTuple):
    """How a rule scales the gradient, or an average of gradients, coordinate by coordinate.

    factor: (per_step, state) -> what multiplies it, on lanes; both are those after the step. The learning rate times it is
        the effective rate: 1 of SGD, 1 / (sqrt(v_hat) + eps) of Adam.
    edge: parameters -> the effective rate times the curvature from which on iterates around a minimum are not stable while
        the factor stands still: 2 of SGD, 2 (1 + beta1) / (1 - beta1) of Adam. None where it is not known.
    """

    factor: Callable[[Any, Any], Lanes]
    edge: Callable[[Parameters], float | None] = lambda parameters: None


EFFECTIVE_RATE = "effective_rate"
"""The learning rate times the factor of a Scaling, as `record: {state: ...}` calls it."""


@dataclass(frozen=True, kw_only=True)
class Optimizer(Component):
    """A rule that turns a gradient into a direction: theta <- theta - learning_rate * direction.

    state: NamedTuple of what the next step needs, one number per coordinate and path.
    start: parameters -> State of the floats it starts from; zeros by default.
    update: (per_step, state, gradient) -> (direction, state); runs on lanes.
    per_step: NamedTuple of what depends on the step alone; by default the parameters, which then must all be numbers.
    at_step: (parameters, n) -> PerStep of arrays; n are 1-based steps as floats. Evaluated once, for all paths and engines.
        By default every parameter keeps its value.
    at_rate: (parameters, n, rate) -> PerStep, instead of `at_step`, of a rule that needs the learning rates (steps,) of its
        steps. Whoever wants the table calls `coefficients`.

    The other fields state what the theory and the verdict need of the rule. The first three have no default: a wrong one would
    take a safeguard away. The last three state nothing by default. `nonconv explain NAME --test` measures all of them.

    relative_size: (parameters, n) -> array like n: the mean direction at step n relative to its limit, on gradients of
        constant law whose mean is not 0, with a small eps. An average that starts at 0 without bias correction
        makes it differ from 1; CONSTANT_SIZE where nothing does. It tends to 1; or to 0, relative to step 1, if directions
        shrink without end. UNKNOWN_SIZE, or nan at every step, where that is not known; the verdict is then undecided.
    denoises: parameters -> whether directions lose their noise for ever, as of an average of gradients that lengthens for
        ever. A run is then never said not to converge.
    monotone: the state fields that only rise, or only fall, whatever the gradients are. One that does not depend on
        gradients, as a counter, need not be named.
    form: parameters -> the same rule with another state and update, where it needs more of them with these parameters; None
        if this one.
    can_be_undefined: parameters -> whether a direction can be 0/0, on gradients of 0. NEVER is one such function.
    bounded_direction: parameters -> whether some number bounds every direction, whatever the gradients are. Where none does,
        |theta - xi|^2 has k moments only if gradients have 2k. By default none does, which gives no interval too many.
    stable_below: parameters -> how large the constant learning rate times the curvature of a minimum may be for
        iterates near it to tend to it where gradients have no noise: 2 for SGD, 2 (1 + beta1) / (1 - beta1) eps for Adam.
        inf if any product is stable, 0 if none is. The default, None, states nothing, nor does it where it returns None:
        without noise no run then converges.
    squares: the state field whose root divides, so that what becomes of it is looked at; None if none does.
    shown, scaling: what can be recorded besides the state: quantities that follow from it, and the effective rate. None of a
        rule whose directions are no multiples of gradients, as signs.
    decays: whether the rule applies weight decay in its own way. Then `update` has one more argument, pull, which is
        weight_decay * theta, on lanes, and 0.0 by default.
    own, own_name: (per_step, state, theta) -> the iterate that the rule's paper evaluates, on lanes, and what it is called;
        per_step and state are those after the step. None where it is theta, at which gradients are taken.
    own_weight: (parameters, n) -> array like n: with which weight that iterate, where it is an average, takes in the newest of
        what it averages at step n, for rates that do not change. None: it is none, or that is not known.
    """

    state: type[Any]
    update: Callable[..., tuple[Lanes, Any]]
    relative_size: Callable[[Parameters, Array], Array]
    monotone: tuple[str, ...]
    can_be_undefined: Callable[[Parameters], bool]
    bounded_direction: Callable[[Parameters], bool] = lambda parameters: False
    stable_below: Callable[[Parameters], float | None] | None = None
    denoises: Callable[[Parameters], bool] = lambda parameters: False
    squares: Squares | None = None
    shown: tuple[Shown, ...] = ()
    scaling: Scaling | None = None
    decays: bool = False
    own: Callable[[Any, Any, Lanes], Lanes] | None = None
    own_name: str = ""
    own_weight: Callable[[Parameters, Array], Array] | None = None
    form: "Callable[[Parameters], Optimizer | None]" = lambda parameters: None
    start: Callable[[Parameters], Any] = _default_start
    per_step: type[Any] = _Parameters
    at_step: Callable[[Parameters, Array], Any] = parameters_as_columns
    at_rate: Callable[[Parameters, Array, Array], Any] | None = None

    def __post_init__(self) -> None:
        """Fill in the defaults that depend on other fields.

        Raises ValueError for a `per_step` without the function that makes it, and for two such functions.
        """
        # The class is frozen; these two defaults depend on other fields.
        # Placeholders instead of None, so that the fields' types need no case of None after this.
        if self.start is _default_start:
            object.__setattr__(self, "start", partial(_zeros, self.state))
        if self.per_step is _Parameters:
            object.__setattr__(self, "per_step", self.parameters)
        if self.at_rate is not None and self.at_step is not parameters_as_columns:
            raise ValueError("an optimizer has at_step or at_rate, not both")
        if self.per_step is not self.parameters and self.tabulate is parameters_as_columns:
            raise ValueError("an optimizer with per_step needs at_step or at_rate, which makes it")

    @property
    def table_name(self) -> str:
        """The name of the field that makes PerStep."""
        return "at_step" if self.at_rate is None else "at_rate"

    @property
    def tabulate(self) -> Callable[..., Any]:
        """The function that makes PerStep, `at_rate` or `at_step`: the one to blame for a table that does not fit."""
        return self.at_step if self.at_rate is None else self.at_rate

    def coefficients(self, h: Parameters, n: Array, rate: Array) -> Any:
        """Return PerStep of arrays for steps n (steps,), 1-based and as floats, at these learning rates (steps,)."""
        return self.at_step(h, n) if self.at_rate is None else self.at_rate(h, n, rate)


def CONSTANT_SIZE(h: Parameters, n: Array) -> Array:  # noqa: N802  # reads as a value where a definition names it
    """Return 1 per step n (steps,): `relative_size` of a rule whose directions are as large at the first step as later."""
    return np.ones_like(n)


def UNKNOWN_SIZE(h: Parameters, n: Array) -> Array:  # noqa: N802  # as above
    """Return nan per step n (steps,): `relative_size` of a rule whose directions need not have a limit size."""
    return np.full_like(n, np.nan)


def NEVER(h: Parameters) -> bool:  # noqa: N802  # as above
    """Return False: `can_be_undefined` of a rule that divides by nothing."""
    return False


def ALWAYS(h: Parameters) -> bool:  # noqa: N802  # as above
    """Return True: `bounded_direction` of a rule whose directions are as long as one number at most."""
    return True


class _Stated(NamedTuple):
    """The fields of a Law. Apart from it, since a NamedTuple keeps nothing besides its fields."""

    mean: Array
    variance: Array
    third_central: Array
    low: Array
    high: Array
    symmetric: bool
    fourth: Array | None = None
    moments: float = np.nan
    tail_share: Array | None = None
    center: Array | None = None
    spread: Array | None = None


class Law(_Stated):
    """What is known exactly of a data distribution; every array has one entry per coordinate, shape (dim,).

    third_central: E (X - mean)^3. low, high: bounds, infinite where there are none. symmetric: whether every coordinate is
    symmetric about its mean.

    The others may be left out: no interval then rests on what is not known. fourth: E (X - mean)^4, inf where it is
    infinite. moments: E |X|^k is finite for every k below this number; inf for all, as of any bounded law. tail_share:
    fourth^2 / E (X - mean)^8, about the share of draws that the fourth moment rests on; 0 where the eighth is infinite.
    center, spread: median, and half the distance of the quartiles, for a law without a mean or variance: a mean that does not
    exist is nan, a variance inf where there is a mean and else nan. A symmetric law without a mean is symmetric about center.

    What follows from these is found when it is first asked for, and kept: cells of a sweep share a law.
    """

    @classmethod
    def same(
        cls,
        dim: int,
        *numbers: float,
        symmetric: bool,
        fourth: float | None = None,
        moments: float = np.nan,
        tail_share: float | None = None,
        center: float | None = None,
        spread: float | None = None,
    ) -> "Law":
        """Return the law of dim coordinates that share mean, variance, third central moment, low and high, in this order."""
        mean, variance, third_central, low, high = (np.full(dim, float(number)) for number in numbers)
        fourths, *more = (
            None if number is None else np.full(dim, float(number)) for number in (fourth, tail_share, center, spread)
        )
        return cls(mean, variance, third_central, low, high, symmetric, fourths, moments, *more)

    def arrays(self) -> dict[str, Array]:
        """Return the moments and bounds that it states, by name."""
        every = {name: getattr(self, name) for name in self._fields if name not in ("symmetric", "moments")}
        return {name: array for name, array in every.items() if array is not None}

    @cached_property
    def constant(self) -> bool:
        """Whether every coordinate has one value only."""
        return not self.varies.any()

    @cached_property
    def varies(self) -> NDArray[np.bool_]:
        """Which coordinates have more than one value, (dim,); a variance of 0 may be the square of a tiny number."""
        return np.asarray(self.low != self.high)

    @cached_property
    def middle(self) -> Array:
        """The mean of each coordinate, (dim,), or its median where there is no mean; 0 where neither is stated."""
        stated = np.zeros_like(self.mean) if self.center is None else self.center
        return np.where(np.isfinite(self.mean), self.mean, stated)

    @cached_property
    def length(self) -> Array:
        """The standard deviation of each coordinate, (dim,), or its spread where there is no variance; inf where neither is."""
        with np.errstate(invalid="ignore"):
            deviation = np.sqrt(self.variance)
        return np.where(np.isfinite(deviation), deviation, np.inf if self.spread is None else self.spread)

    @cached_property
    def has_mean(self) -> bool:
        """Whether every coordinate has a mean."""
        return not np.isnan(self.mean).any()

    @cached_property
    def has_variance(self) -> bool:
        """Whether every coordinate has a finite variance; also if it is too large for a double."""
        return self.bounded or self.moments > 2.0 or bool(np.isfinite(self.variance).all())

    @cached_property
    def bounded(self) -> bool:
        """Whether every coordinate is bounded on both sides."""
        return bool(np.all(np.isfinite(self.low)) and np.all(np.isfinite(self.high)))

    @cached_property
    def finite_moments(self) -> float:
        """Up to which order absolute moments are finite: inf for a bounded law; nan if the law does not say."""
        return np.inf if self.bounded else self.moments

    @cached_property
    def largest_kurtosis(self) -> Array:
        """E (X - mean)^4 / variance^2, (dim,), or the most it can be; nan where nothing is known, 0 without variance."""
        stated = np.full_like(self.mean, np.nan) if self.fourth is None else self.fourth
        if not self.bounded:
            return _ratio(_ratio(stated, self.variance), self.variance)
        # (X - low)(high - X)(X - mean)^2 >= 0 has this expectation as its bound of the fourth moment; two points attain it.
        spread = np.sqrt(self.variance)
        below, above = _ratio(self.mean - self.low, spread), _ratio(self.high - self.mean, spread)
        most = below * above + (above - below) * _ratio(_ratio(self.third_central, self.variance), spread)
        # A fourth moment beyond the doubles is not infinite where the law is bounded.
        return np.where(np.isfinite(stated), _ratio(_ratio(stated, self.variance), self.variance), most)

    @cached_property
    def least_tail_share(self) -> Array:
        """tail_share, (dim,), or the least it can be; nan where nothing is known, 1 without variance."""
        if self.tail_share is not None and not np.any(np.isnan(self.tail_share)):
            return self.tail_share
        spread = np.sqrt(self.variance)
        furthest = _ratio(np.maximum(self.high - self.mean, self.mean - self.low), spread)
        # E X^8 <= furthest^4 E X^4, and by Pearson the kurtosis exceeds the squared skewness by 1 at least.
        least = 1.0 + _ratio(_ratio(self.third_central, self.variance), spread) ** 2
        share = np.where(self.variance > 0.0, np.minimum(_ratio(least, furthest**4), 1.0), 1.0)
        return share if self.bounded else np.full_like(share, np.nan)


def _ratio(number: Array, unit: Array) -> Array:
    """Divide by a unit that is 0 where there is nothing to measure; 0 there."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.divide(number, unit, out=np.zeros_like(unit), where=unit > 0.0))


@dataclass(frozen=True, kw_only=True)
class Distribution(Component):
    """A law to draw data from, by one uniform in [0, 1) per number, or per row of a table.

    law: (parameters, dim) -> Law.
    constants: NamedTuple of what `sample` needs for one coordinate; `prepare`: (parameters, dim) -> the same with a
        leading axis over coordinates.
    sample: (constants of a coordinate, uniform) -> number; runs on lanes.
    draws: uniforms of one sample: one for each coordinate, one for the row of a table, or none (nothing is random).
    dim: parameters -> the one dimension it has, or None when any will do.
    rows: parameters -> how many equally likely values or rows there are, if finitely many, so that they may be passed through
        in an order: `sample` gives row k for the uniform (k + 1/2) / rows. 0: they have none.
    form: parameters -> the same law with another `prepare` and `sample`, which are shorter for these parameters; None if this
        one serves.
    atoms: (parameters, dim) -> all values of a finite law, (K, dim), or (K, 1) where coordinates share them, and their
        probabilities, (K,); None where it has too many. Expectations are then exact; others are by quadrature.
    """

    law: Callable[[Parameters, int], Law]
    constants: type[Any]
    prepare: Callable[[Parameters, int], Any]
    sample: Callable[[Any, Lanes], Lanes]
    draws: Literal["each", "row", "none"] = "each"
    dim: Callable[[Parameters], int | None] = field(default=lambda parameters: None)
    rows: Callable[[Parameters], int] = lambda parameters: 0
    form: "Callable[[Parameters], Distribution | None]" = field(default=lambda parameters: None)
    atoms: Callable[[Parameters, int], tuple[Array, Array] | None] | None = None


SEARCH: Final = "search"
"""States `minima` of an objective: they are found numerically."""


@dataclass(frozen=True, kw_only=True)
class Objective(Component):
    """A separable objective: a sum over coordinates of loss(theta_j, X_j), in expectation if `data` is a parameter.

    constants, prepare: as of a Distribution.
    loss, gradient: (constants of a coordinate, theta, x) -> number; gradient is d loss / d theta; both run on lanes.
    minimizer: (parameters, Law) -> the one minimizer, an array over coordinates; None where there is none in closed form.
    minima: for an objective that may have several minima, or none. (parameters, Law) -> one array per coordinate of where its
        minima are, rising, without a domain. SEARCH: they are where the mean gradient rises through 0, found numerically;
        so are those of an objective that states neither this nor `minimizer`, if a config asks for them.
    curvature: (constants of a coordinate, theta, x) -> d gradient / d theta, infinite where it is; NumPy only. None: it is
        taken from differences of gradients, and not known where these grow without bound.
    on_orbit: for an objective made for the optimizer that runs on it. (parameters, dim, orbit) -> the constants it is
        run with; the orbit is 0 and the iterates that follow when the optimizer runs with those of `prepare`. Raises
        ValueError where the orbit does not serve.
    mean_is_enough: whether loss(theta, x) = a(theta) + b(theta) x + c(x), so that differences of the expected loss, and the
        expected gradient, depend on the data by their mean alone.
    made: for an objective whose functions depend on its parameters, as those of a formula: (completed parameters) -> the
        objective with these functions, the same one for parameters that differ in constants alone. Its own are not called.
    """

    constants: type[Any]
    prepare: Callable[[Parameters, int], Any]
    loss: Callable[[Any, Lanes, Lanes], Lanes]
    gradient: Callable[[Any, Lanes, Lanes], Lanes]
    minimizer: Callable[[Parameters, Law], Array] | None = None
    minima: Callable[[Parameters, Law], Sequence[Array]] | Literal["search"] | None = None
    curvature: Callable[[Any, Lanes, Lanes], Lanes] | None = None
    on_orbit: Callable[[Parameters, int, Array], Any] | None = None
    mean_is_enough: bool = False
    made: Callable[[Parameters], "Objective"] | None = None


class Shape(NamedTuple):
    """What one example looks like. classes: how many, if the one target is a class 0, 1, ...; 0 if targets are any numbers."""

    features: int
    targets: int
    classes: int = 0


class Layers(NamedTuple):
    """A fully connected network that gives labels: the widths of its hidden layers, and their activation."""

    hidden: tuple[int, ...]
    activation: str


LabelNoise = Literal["none", "bounded", "unbounded"]

Order = Literal["with_replacement", "epochs", "once", "cyclic"]
"""How paths pass through rows: each drawn from all; shuffled anew for every pass; shuffled once; in the order given."""
ORDERS: tuple[Order, ...] = Order.__args__  # type: ignore[attr-defined]  # the words that a Literal lists


class Truth(NamedTuple):
    """What is known exactly of examples that are drawn from a law, whose features are independent and symmetric.

    weight (targets, features), bias (targets,): E[y | x] = weight x + bias; of two classes, 0 and 1, that are the log odds
    of class 1. mean, variance, fourth (features,): moments of the features, the last two about the mean. noise: the variance
    of y given x, which does not depend on x. reach (features,): how far a feature may be from its mean; None: any distance, or
    not stated.
    """

    weight: Array
    bias: Array
    mean: Array
    variance: Array
    fourth: Array
    noise: float = 0.0
    reach: Array | None = None


class Known(NamedTuple):
    """What a minimizer is found from; None what is not known, or not there.

    law: of the vector that the targets are, where there are no features. rows: the examples, features (features, N) and
    targets (targets, N), if they are finitely many and equally probable. truth: of a law of examples.
    """

    law: Law | None = None
    rows: tuple[Array, Array] | None = None
    truth: Truth | None = None


@dataclass(frozen=True, kw_only=True)
class Dataset(Component):
    """Pairs (x, y) to learn from: a law, or the rows of a table.

    shape: parameters -> Shape.
    constants, prepare: parameters -> NamedTuple of what `sample` needs, numbers and arrays.
    draws: parameters -> how many uniforms in [0, 1) one example takes. One that is a row of a table takes the row's first.
    sample: (constants, n, u, x, y) -> None. Writes the features (features, n) and targets (targets, n) of n examples from
        their uniforms (draws, n), element by element of the last axis.
    rows: parameters -> 0 if examples are independent; else how many rows are passed through in an order.
    order: parameters -> that order.
    held_out: parameters -> the examples that measure a risk: features (features, H) and targets (targets, H) that are
        never trained on, or how many to draw from `sample`.
    training: parameters -> the examples that paths learn from, features (features, N) and targets (targets, N), if there are
        finitely many; else None.
    label_noise: parameters -> whether y is a function of x ("none"), or has noise that is bounded or not.
    source: parameters -> the network that gives the labels apart from their noise; None if it is no network.
    examples: parameters -> how many there are, if finitely many, so that a large network may fit them all; else None.
    truth: parameters -> what is known exactly of examples drawn from a law; None where there is no such linear model.
    bounded_features: parameters -> whether some number bounds every feature.
    each: the law of every target, where examples are a vector of such numbers and have no features.
    """

    shape: Callable[[Parameters], Shape]
    constants: type[Any]
    prepare: Callable[[Parameters], Any]
    draws: Callable[[Parameters], int]
    sample: Callable[[Any, int, Array, Array, Array], None]
    label_noise: Callable[[Parameters], LabelNoise]
    source: Callable[[Parameters], Layers | None] = lambda parameters: None
    examples: Callable[[Parameters], int | None] = lambda parameters: None
    rows: Callable[[Parameters], int] = lambda parameters: 0
    order: Callable[[Parameters], Order] = lambda parameters: "epochs"
    held_out: Callable[[Parameters], int | tuple[Array, Array]] = lambda parameters: 0
    training: Callable[[Parameters], tuple[Array, Array] | None] = lambda parameters: None
    truth: Callable[[Parameters], Truth | None] = lambda parameters: None
    bounded_features: Callable[[Parameters], bool] = lambda parameters: True
    each: Distribution | None = None


class Group(NamedTuple):
    """The coordinates first, ..., last - 1 by a name; weights also have the units of the layers before and after (fans)."""

    name: str
    first: int
    last: int
    fan_in: int = 0
    fan_out: int = 0


SQUARED_DISTANCE = "the squared distance"
"""The name of the loss |N_theta(x) - y|^2, which the theorem is about."""


@dataclass(frozen=True, kw_only=True)
class Coupled(Component):
    """An objective over examples whose gradient needs all coordinates together.

    groups: (parameters, Shape) -> the coordinates by name, in order, none left out; how many there are is the dimension.
    constants, prepare: (parameters, Shape) -> NamedTuple of what the functions below need, numbers and arrays.
    work: (parameters, Shape) -> how many rows of scratch (rows, n) they use.
    loss: (constants, n, theta, x, y, out, work) -> None. Writes to out (2, n) the losses of n examples, and 1 for each
        that is taken for another class.
    add_gradient: (constants, n, theta, x, y, gradient, work) -> None. Adds the gradients of all n examples to gradient.
        theta and gradient are (dim, lanes); x, y and work have n = examples * lanes columns, example by example.
    penalty: (constants, theta) -> what is added to the gradient, a number for each coordinate; runs on lanes.
    loss_name: parameters -> what the loss is called; SQUARED_DISTANCE is the one that theorem 1.2 is about.
    idle: (constants, n, work) -> for each hidden layer which units (units, n) do not react to an example, seen after
        `loss`; NumPy. None: there are no hidden units.
    check_shape: (parameters, Shape) -> complaints about what does not go with such examples.
    represents: (parameters, Layers) -> whether some theta makes the objective 0 on labels that such a network gives.
    minimizer: (parameters, Shape, Known) -> theta (dim,) at which the mean loss is least, or why there is none, as a clause;
        of several the one of least length. None: none is ever known.
    starts_at_zero: whether theta = 0 is a start like any other. At 0 all units of a network would stay equal.
    numbers: parameters -> how many numbers a vector of a data law has; None if there is one for each coordinate.
    made: as of an Objective.
    degree: parameters -> 1 if the gradient of the loss is affine in the example (x, y), so that the mean example decides it;
        2 if it is a polynomial of degree 2, so that second moments do; None where more is needed.
    convex: parameters -> whether the mean loss is convex, whatever the examples, so that its minimizer on a domain is found.
    """

    groups: Callable[[Parameters, Shape], tuple[Group, ...]]
    constants: type[Any]
    prepare: Callable[[Parameters, Shape], Any]
    work: Callable[[Parameters, Shape], int]
    loss: Callable[[Any, int, Array, Array, Array, Array, Array], None]
    add_gradient: Callable[[Any, int, Array, Array, Array, Array, Array], None]
    penalty: Callable[[Any, Lanes], Lanes]
    loss_name: Callable[[Parameters], str]
    idle: Callable[[Any, int, Array], list[NDArray[np.bool_]]] | None = None
    check_shape: Callable[[Parameters, Shape], list[Complaint]] = lambda parameters, shape: []
    represents: Callable[[Parameters, Layers], bool] = lambda parameters, layers: False
    minimizer: Callable[[Parameters, Shape, Known], Array | str] | None = None
    starts_at_zero: bool = False
    degree: Callable[[Parameters], int | None] = lambda parameters: None
    convex: Callable[[Parameters], bool] = lambda parameters: False
    numbers: Callable[[Parameters], int] | None = None
    made: Callable[[Parameters], "Coupled"] | None = None


@dataclass(frozen=True, kw_only=True)
class Initialisation(Component):
    """How the weights of a network are drawn.

    variance: (fan_in, fan_out) -> the variance of one weight, where fan_in and fan_out are the units of the layers before
    and after it. The parameters have fields `law` and `gain`.
    """

    variance: Callable[[int, int], float]


@dataclass(frozen=True, kw_only=True)
class Point(Component):
    """A start that is the same for every path.

    point: parameters as loaded -> one number per coordinate, shape (dim,).
    """

    point: Callable[[Parameters], Array]


class Limits(NamedTuple):
    """liminf and limsup of a schedule as n -> infinity, or bounds of them; both nan where they are not known."""

    low: float
    high: float

    @classmethod
    def unknown(cls) -> "Limits":
        """Return the limits of which nothing is known: no verdict on n -> infinity rests on such a schedule."""
        return cls(np.nan, np.nan)

    @property
    def known(self) -> bool:
        """Whether anything is known."""
        return not (np.isnan(self.low) or np.isnan(self.high))


@dataclass(frozen=True, kw_only=True)
class Schedule(Component):
    """A function of the step n = 1, 2, ... alone: a learning rate or a batch size.

    value: (parameters, n) -> array like n, steps as floats (steps,).
    limits: parameters -> Limits as n -> infinity.
    summable: parameters -> whether a rate that tends to 0 has a finite sum, so that bounded steps lead nowhere far.
    tabulated: whether only a look at all steps of a run tells that values are what its kind takes, as of a formula.
    """

    value: Callable[[Parameters, Array], Array]
    limits: Callable[[Parameters], Limits]
    summable: Callable[[Parameters], bool] = NEVER
    tabulated: bool = False


@dataclass(frozen=True, kw_only=True)
class Decay(Schedule):
    """The share of an average that step n = 1, 2, ... keeps: at least 0, and below 1.

    It may tend to 1, but so slowly that the sum of 1 - value is infinite: else an average keeps its start for ever.

    least: parameters -> a number that no value from step 2 on is below. most: one that none exceeds. By default 0 and 1.
    log_product: (parameters, n) -> the logarithm of the product of all values up to step n, where it has a closed form.
    """

    least: Callable[[Parameters], float] = lambda parameters: 0.0
    most: Callable[[Parameters], float] = lambda parameters: 1.0
    log_product: Callable[[Parameters, Array], Array] | None = None


@dataclass(frozen=True, kw_only=True)
class Iterate(Component):
    """A process made of the iterates: the last one, a running average, or the optimizer's own.

    weight: (parameters, n, steps) -> array like n: with which weight in [0, 1] a running average takes theta_n, from
        average_0 = theta_0 on. steps: of the run. None: it is no average.
    own: whether it is the optimizer's own (Optimizer.own).
    """

    weight: Callable[[Parameters, Array, int], Array] | None = None
    own: bool = False
