"""The `expect:` block of a config: its keys, and a check that they refer to what the run records.

    expect:
      verdict: does_not_converge
      floor: {window: {above: 0.001}}
      mse: [{xi: minimizer, step: 20000, below: 0.1}]

`nonconv check` tests a result against it (checks.expectations). It changes nothing of the result.
What is expected is of the last iterate, unless it names another of the config's `iterates`:

    expect:
      verdict: {last: does_not_converge, polyak: converges}
      slope: {window: {iterate: polyak, above: -1.1, below: -0.9}}

In a config with a `sweep`, three more keys speak of the cells of its grid (checks.sweep_expectations):

    expect:
      all: {verdict: does_not_converge}                                        # every cell
      share: {verdict: diverges, where: optimizer.beta1 > 0.5, above: 0.9}     # this share of the cells
      order: {of: mse, xi: minimizer, against: learning_rate.value, above: 0.9, below: 1.1}
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from annotated_types import Interval, Len
from typing_extensions import Doc

from nonconv.components.definitions import Complaint
from nonconv.components.parameters import Part, Words, allowed
from nonconv.config.document import Document, KeyPath, dotted
from nonconv.config.expression import ALLOWED, expression
from nonconv.faults.problems import Problem, kind_of, must_be, nearest

FLOORS = ("twin", "window", "cauchy")
ERROR_SLOPE = "error: "
"""Prefix of a xi's label: the slope of E|theta_n - xi|^2."""

Verdict = Literal["does_not_converge", "converges", "diverges", "undefined", "undecided"]
Verdicts = Annotated[tuple[Verdict, ...], Len(1)]
ONE_VERDICT = "does_not_converge, converges, diverges, undefined, undecided, or a list of these"
OneOrMore = Annotated[Verdict | Verdicts, Words(ONE_VERDICT)]
VERDICTS = Words(f"{ONE_VERDICT}, or a mapping of iterates to these")
ONE_XI = Words("one of the config's xi")
A_QUANTITY = "a quantity of quantities.csv"
ALWAYS_MEASURED = ("q50", "q90", "q99")
"""The quantiles of the distance to each xi that every run has."""
RATE = "rate"
SEVERAL_OF_A_XI = ("first_passage", "violations", "bound", "largest", "least")
"""How the names of quantities begin of which there may be several for one xi."""
Above = Annotated[float | None, Doc("met where the whole interval is at least this, refuted where it is less")]
Below = Annotated[float | None, Doc("met where the whole interval is at most this, refuted where it is more")]
OfIterate = Annotated[str | None, Len(1), Words("one of the config's iterates"), Doc("of which iterate; last if left out")]
AtStep = Annotated[int | None, Interval(ge=1), Doc("a recorded step; the last if left out")]


def bounds_in_order(values: Any) -> list[Complaint]:
    """Complain about `above` and `below` where both are missing, or in the wrong order."""
    if values.above is None and values.below is None:
        return [Complaint("", "gives no bound", "above, below, or both")]
    if None not in (values.above, values.below) and values.above > values.below:
        return [Complaint("above", f"{values.above:g} is more than below, which is {values.below:g}")]
    return []


def not_empty(values: Any) -> list[Complaint]:
    """Complain about an empty mapping."""
    names = list(type(values).model_fields)
    return [] if values.model_fields_set else [Complaint("", *must_be(f"a mapping of {', '.join(names)}", "an empty mapping"))]


class Bounds(Part):
    """Where a number with its interval must lie."""

    above: Above = None
    below: Below = None
    check = staticmethod(bounds_in_order)


class IterateBounds(Bounds):
    """Where a number of an iterate must lie."""

    iterate: OfIterate = None
    check = staticmethod(bounds_in_order)


Several = IterateBounds | Annotated[tuple[IterateBounds, ...], Len(1)]
"""Bounds, or a list of them where several iterates have some."""
SEVERAL = Words(f"{allowed(IterateBounds)}, or a list of these")


class Share(Part):
    """Which share of the paths it must be."""

    above: Annotated[float | None, Interval(ge=0, le=1), Doc("as above, of a share")] = None
    below: Annotated[float | None, Interval(ge=0, le=1), Doc("as below, of a share")] = None
    check = staticmethod(bounds_in_order)


class Floor(Part):
    """Floors of verdict.json; `above` is compared with the floor's lower bound."""

    twin: Annotated[Several | None, SEVERAL, Doc("from twins: a path continued twice")] = None
    window: Annotated[Several | None, SEVERAL, Doc("from the variance of a path within a window")] = None
    cauchy: Annotated[Several | None, SEVERAL, Doc("from the distance of two iterates of a path")] = None
    check = staticmethod(not_empty)


class Error(Part):
    """Where E|theta_n - xi|^2 must lie at a recorded step."""

    xi: Annotated[Any, ONE_XI, Doc("which of the candidates for a limit")]
    iterate: OfIterate = None
    step: AtStep = None
    above: Above = None
    below: Below = None
    check = staticmethod(bounds_in_order)


class OfQuantity(Part):
    """Where a quantity must lie at one of its steps."""

    name: Annotated[str, Len(1), Words(A_QUANTITY), Doc("which one; `: xi` may be left out where there is one xi")]
    iterate: OfIterate = None
    step: Annotated[int | None, Interval(ge=1), Doc("one of its steps; the last if left out")] = None
    above: Above = None
    below: Below = None
    check = staticmethod(bounds_in_order)


ENDS_OF_DOMAIN = ("at_low", "at_high")
ENDS_OF_NETWORKS = ("worse", "dead", "idle")
AllOrNone = Literal["all", "none"]


class Outcomes(Part):
    """How many paths must end how."""

    finite: Annotated[AllOrNone | Share | None, Doc("paths that are none of the others")] = None
    escaped: Annotated[AllOrNone | Share | None, Doc("paths that end far from their start")] = None
    caught: Annotated[AllOrNone | Share | None, Doc("objective toint: paths that do not keep pace with the orbit")] = None
    overflow: Annotated[AllOrNone | Share | None, Doc("paths that leave the finite numbers")] = None
    undefined: Annotated[AllOrNone | Share | None, Doc("paths that end in an undefined operation, as 0/0")] = None
    at_low: Annotated[AllOrNone | Share | None, Doc("paths that end with a coordinate at the low end of the domain")] = None
    at_high: Annotated[AllOrNone | Share | None, Doc("paths that end with a coordinate at the high end of the domain")] = None
    worse: Annotated[
        AllOrNone | Share | None, Doc("networks: paths that end with a risk above that of their start, or none")
    ] = None
    dead: Annotated[
        AllOrNone | Share | None, Doc("networks: paths with a layer whose units all react to no held-out example")
    ] = None
    idle: Annotated[AllOrNone | Share | None, Doc("networks: paths with a unit that reacts to no held-out example")] = None
    check = staticmethod(not_empty)


OUTCOMES = tuple(Outcomes.__annotations__)
"""How paths may end: `within` may be about their share."""
OF_OUTCOMES = ("outcome", "outcomes", ("xi", "iterate", "step"))


def is_name(of: str | float) -> bool:
    """Whether a known number is written as one, or named: `theory` or a prediction. Any other text is an expression."""
    return not isinstance(of, str) or of.isidentifier()


def _expression_complaints(name: str, text: str) -> list[Complaint]:
    """Complain about a text that is not understood as an expression."""
    try:
        expression(text)
    except ValueError as error:
        return [Complaint(name, str(error), ALLOWED)]
    return []


class Within(Part):
    """A measured number against one that is known: met or refuted, nothing in bounds_in_order."""

    quantity: Annotated[
        str,
        Words(f"mse, {', '.join(FLOORS)}, a key of outcomes, or {A_QUANTITY}"),
        Doc("E|theta_n - xi|^2, a floor, the share of paths with an outcome, or a quantity"),
    ] = "mse"
    xi: Annotated[Any, ONE_XI, Doc("quantity mse: which of the candidates for a limit")] = None
    iterate: OfIterate = None
    step: AtStep = None
    of: Annotated[
        str | float,
        Words("theory, the name of a prediction, a number, or an expression in config keys"),
        Doc("theory.csv, predictions.json, a number, or one that follows from the config, as 1/900 or learning_rate.value/2"),
    ]
    standard_errors: Annotated[float, Interval(gt=0), Doc("how many of them the two may be apart")] = 4.0
    relative: Annotated[
        float | None,
        Interval(gt=0, lt=1),
        Doc("how far they may be apart besides, relative to what is known, as where that is rounded"),
    ] = None

    @staticmethod
    def check(values: Any) -> list[Complaint]:
        """Complain where a floor is given a xi or a step, which it does not have, the error has no xi, or the text is none."""
        messages = [] if is_name(values.of) else _expression_complaints("of", values.of)
        if values.quantity == "mse":
            missing_xi = "xi" not in values.model_fields_set
            return [*messages, Complaint("xi", "missing; mse needs it", ONE_XI)] if missing_xi else messages
        kinds = {**dict.fromkeys(FLOORS, ("floor", "floors", ("xi", "step"))), **dict.fromkeys(OUTCOMES, OF_OUTCOMES)}
        what, several, has_not = kinds.get(values.quantity, ("quantity", "quantities", ("xi",)))
        foreign = [name for name in has_not if name in values.model_fields_set]
        messages += [Complaint(name, f"the {what} {values.quantity} has no {name}; leave it out") for name in foreign]
        if values.quantity in OUTCOMES:
            wrong = is_name(values.of) if isinstance(values.of, str) else not 0 <= values.of <= 1
            got = values.of if isinstance(values.of, str) else f"{values.of:g}"
            return [*messages, Complaint("of", *must_be("a share from 0 to 1", got))] if wrong else messages
        if values.of == "theory":
            messages.append(Complaint("of", f"theory.csv has no {several}", "the name of a prediction, or a number"))
        return messages


class OfRun(Part):
    """What is expected of one run: the part of `expect` that a cell of a sweep can meet as well."""

    verdict: Annotated[
        Verdict | Verdicts | Annotated[dict[str, OneOrMore], Len(1)] | None,
        VERDICTS,
        Doc("the verdict, or those allowed; of the last iterate, or by the names of iterates"),
    ] = None
    floor: Annotated[Floor | None, Doc("where the floors lie")] = None
    slope: Annotated[
        dict[str, Annotated[Several, SEVERAL]] | None,
        Len(1),
        Words("a mapping of twin, window, cauchy, error: xi"),
        Doc("where slopes lie, of floors and of E|theta_n - xi|^2"),
    ] = None
    mse: Annotated[tuple[Error, ...] | None, Len(1), Doc("where E|theta_n - xi|^2 lies")] = None
    quantity: Annotated[tuple[OfQuantity, ...] | None, Len(1), Doc("where a quantity lies")] = None
    rate: Annotated[
        dict[str, Bounds] | None,
        Len(1),
        Words("a mapping of the config's xi"),
        Doc("where the factor per step of E|theta_n - xi|^2 lies"),
    ] = None
    quantile: Annotated[
        dict[str, Annotated[Several, SEVERAL]] | None,
        Len(1),
        Words("a mapping of quantiles, as q50 or q90: xi"),
        Doc("where quantiles of |theta_n - xi| lie at the last step"),
    ] = None
    violations: Annotated[int | None, Interval(ge=0), Doc("how often the a priori bound is violated")] = None
    within: Annotated[tuple[Within, ...] | None, Len(1), Doc("what agrees with a number that is known")] = None
    outcomes: Annotated[Outcomes | None, Doc("how the paths end")] = None


OF_RUN = tuple(OfRun.__annotations__)
"""The keys of `expect` that are about one run."""
OF_SWEEP = ("all", "share", "order")
"""Those that are about the cells of a sweep."""


def _check_condition(values: Any, name: str) -> list[Complaint]:
    """Complain about a text that is no expression in config keys."""
    text = getattr(values, name)
    if text is None:
        return []
    wrong = _expression_complaints(name, text)
    return wrong if wrong or expression(text).keys else [Complaint(name, f"{kind_of(text)} names no key")]


def _check_cells(values: Any) -> list[Complaint]:
    """Complain where an entry of `all` or `share` expects nothing of a cell, or its condition is none."""
    written = [name for name in OF_RUN if getattr(values, name) is not None]
    nothing = [] if written else [Complaint("", "expects nothing of a cell", f"at least one of {', '.join(OF_RUN)}")]
    return [*nothing, *_check_condition(values, "where")]


def _check_share(values: Any) -> list[Complaint]:
    """Complain about a share of cells without bounds, or about what it expects of a cell."""
    return [*_check_cells(values), *bounds_in_order(values)]


def _check_order(values: Any) -> list[Complaint]:
    """Complain about an order without bounds, about what it is taken of, and about its expressions."""
    found = [*_check_condition(values, "against"), *_check_condition(values, "where")]
    if values.reference is None and values.above is None and values.below is None:
        found.append(Complaint("", "gives no bound", "above, below, both, or reference"))
    elif None not in (values.above, values.below):
        found += bounds_in_order(values)
    if values.of == "mse" and values.xi is None:
        found.append(Complaint("xi", "missing; mse needs it", ONE_XI))
    if values.of != "mse" and values.xi is not None:
        found.append(Complaint("xi", f"{values.of} has no xi; leave it out"))
    return found


Where = Annotated[
    str | None, Doc("a condition in config keys, as of a sweep's include: which cells are meant; all if left out")
]


class EveryCell(OfRun):
    """What every cell of the sweep must meet."""

    where: Where = None
    check = staticmethod(_check_cells)


class ShareOfCells(OfRun):
    """Which share of the sweep's cells must meet this."""

    where: Where = None
    above: Annotated[float | None, Interval(ge=0, le=1), Doc("the share of cells that meet it is at least this")] = None
    below: Annotated[float | None, Interval(ge=0, le=1), Doc("the share of cells that meet it is at most this")] = None
    check = staticmethod(_check_share)


class Order(Part):
    """Where the fitted order of a quantity in a swept key must lie: the slope of its logarithm against the key's."""

    against: Annotated[str, Len(1), Doc("a swept key, or an expression in swept keys, as 1 - optimizer.beta2")]
    of: Annotated[
        str,
        Words(f"mse, {', '.join(FLOORS)}, risk, or a quantity that is a mean"),
        Doc("E|theta_T - xi|^2, a floor, a network's risk, or a quantity"),
    ] = "mse"
    xi: Annotated[Any, ONE_XI, Doc("of mse: which of the candidates for a limit")] = None
    iterate: OfIterate = None
    where: Where = None
    above: Above = None
    below: Below = None
    reference: Annotated[float | None, Doc("a slope that the fitted one agrees with")] = None
    standard_errors: Annotated[float, Interval(gt=0), Doc("how many of them it may be from the reference")] = 4.0
    check = staticmethod(_check_order)


OF_CELLS = f"a mapping of {', '.join((*OF_RUN, 'where'))}, or a list of these"


class Expect(OfRun):
    """What a result must be for `nonconv check`. It changes nothing of the result."""

    all: Annotated[
        EveryCell | Annotated[tuple[EveryCell, ...], Len(1)] | None, Words(OF_CELLS), Doc("what every cell of the sweep meets")
    ] = None
    share: Annotated[
        ShareOfCells | Annotated[tuple[ShareOfCells, ...], Len(1)] | None,
        Words(OF_CELLS.replace("where", "where, above, below")),
        Doc("what a share of the sweep's cells meets"),
    ] = None
    order: Annotated[
        Order | Annotated[tuple[Order, ...], Len(1)] | None,
        Words(f"{allowed(Order)}, or a list of these"),
        Doc("the log-log slope of a quantity against a swept key"),
    ] = None
    check = staticmethod(not_empty)


class _Wrong(NamedTuple):
    """A problem of the value at a path, or of the key itself."""

    path: KeyPath
    message: str
    allowed: str = ""
    nearest: str = ""
    of_key: bool = False


def label(xi: Any) -> str:
    """Name a candidate for the limit, as in tables: `minimizer`, `0.5`, `(1 0)`."""
    if isinstance(xi, str):
        return xi
    numbers = xi if isinstance(xi, list | tuple) else (xi,)
    text = " ".join(f"{number:.17g}" if float(f"{number:g}") != number else f"{number:g}" for number in numbers)
    return f"({text})" if isinstance(xi, list | tuple) else text


class Recorded(NamedTuple):
    """What a run records: the labels of its xi, the recorded steps, the names of its quantities and of those with finals.

    iterates: their names, the last one first. of_averages: the quantities that averages have too. domain: whether there is one.
    networks: whether paths are networks with held-out examples. units: whether these have hidden units that may be idle.
    """

    labels: Sequence[str]
    steps: Sequence[int]
    quantities: Sequence[str] = ()
    means: Sequence[str] = ()
    iterates: Sequence[str] = ("last",)
    of_averages: Sequence[str] = ()
    domain: bool = False
    networks: bool = False
    units: bool = False

    def lacks(self, outcome: str) -> str:
        """Say what the config does not have that an outcome is about; empty where it has it."""
        if outcome in ENDS_OF_DOMAIN and not self.domain:
            return "the ends of a domain"
        if outcome in ENDS_OF_NETWORKS and not self.networks:
            return "networks with held-out examples"
        return "hidden units" if outcome in ENDS_OF_NETWORKS[1:] and not self.units else ""


def full_name(name: str, known: Sequence[str]) -> str | None:
    """Return the known quantity that a name means: itself, or without a xi that for the first xi; None if there is none.

    First passages are of several levels, and bounds of several quantities: a name that may be that of several means none.
    """
    if name in known:
        return name
    found = [each for each in known if each.partition(": ")[0] == name]
    return found[0] if found and (len(found) == 1 or not name.startswith(SEVERAL_OF_A_XI)) else None


def find_unrecorded(document: Document, expect: Any, recorded: Recorded, swept: bool) -> list[Problem]:
    """Find the expectations of a validated config that refer to something its run does not record.

    swept: whether the config has a grid. Returns one problem each.
    """
    labels = recorded.labels
    found = [*_find_unrecorded_of_run(expect, ("expect",), recorded)]
    for name in OF_SWEEP:
        for path, entry in _entries(name, getattr(expect, name)):
            if not swept:
                found.append(
                    _Wrong(("expect", name), "is about the cells of a sweep, which the config does not have", "", "", True)
                )
            elif name == "order":
                found += _find_unknown_xi(entry.xi, (*path, "xi"), labels) if entry.of == "mse" else ()
                found += _find_unknown_iterate(entry, path, recorded.iterates)
                known = ("mse", *FLOORS, "risk", *recorded.means)
                if entry.of not in known:
                    found += _unknown_quantity(entry.of, (*path, "of"), known)
            else:
                found += _find_unrecorded_of_run(entry, path, recorded)
    return list(dict.fromkeys(_problem(document, wrong) for wrong in found))


def _entries(name: str, given: Any) -> list[tuple[KeyPath, Any]]:
    """List the entries of a key that holds one or a list of them, with their paths."""
    if isinstance(given, tuple | list):
        return [(("expect", name, k), entry) for k, entry in enumerate(given)]
    return [] if given is None else [(("expect", name), given)]


def _find_unrecorded_of_run(expect: Any, path: KeyPath, recorded: Recorded) -> Iterator[_Wrong]:
    """Yield the problems of what is expected of one run."""
    yield from _find_unknown_slopes(expect.slope or {}, (*path, "slope"), recorded.labels)
    yield from _find_unknown_iterates(expect, path, recorded.iterates)
    for name in ("mse", "within"):
        for k, entry in enumerate(getattr(expect, name) or ()):
            yield from _find_unknown_iterate(entry, (*path, name, k), recorded.iterates)
            yield from _find_unrecorded(entry, (*path, name, k), recorded.labels, recorded.steps)
    yield from _find_unknown_quantities(expect, path, recorded)
    for name in OUTCOMES if expect.outcomes else ():
        if getattr(expect.outcomes, name) is not None and (missing := recorded.lacks(name)):
            yield _Wrong((*path, "outcomes", name), f"is about {missing}, which the config does not have", of_key=True)


def _find_unknown_iterates(expect: Any, path: KeyPath, known: Sequence[str]) -> Iterator[_Wrong]:
    """Yield a problem for each iterate that the config does not have, of the verdict, and of floors, slopes and quantiles."""
    for name in expect.verdict if isinstance(expect.verdict, dict) else ():
        if name not in known:
            yield _unknown_iterate(name, (*path, "verdict", name), known, True)
    by_key = {name: getattr(expect, name) or {} for name in ("slope", "quantile")}
    by_key["floor"] = {} if expect.floor is None else {name: getattr(expect.floor, name) for name in FLOORS}
    for key, by_name in by_key.items():
        for name, bounds in by_name.items():
            several = isinstance(bounds, tuple | list)
            for k, one in enumerate(bounds if several else () if bounds is None else (bounds,)):
                yield from _find_unknown_iterate(one, (*path, key, name, *((k,) if several else ())), known)


def _find_unknown_iterate(entry: Any, path: KeyPath, known: Sequence[str]) -> Iterator[_Wrong]:
    """Yield a problem if an entry names an iterate that the config does not have."""
    if entry.iterate is not None and entry.iterate not in known:
        yield _unknown_iterate(entry.iterate, (*path, "iterate"), known, False)


def _unknown_iterate(name: str, path: KeyPath, known: Sequence[str], of_key: bool) -> _Wrong:
    """Return the problem of an iterate that the config does not have."""
    return _Wrong(path, f"{name!r} is not among the config's iterates", ", ".join(known), nearest(name, known), of_key)


def _find_unknown_quantities(expect: Any, path: KeyPath, recorded: Recorded) -> Iterator[_Wrong]:
    """Yield the problems of what is expected of quantities: of each name that is none of the run's."""
    known = recorded.quantities
    for k, entry in enumerate(expect.quantity or ()):
        own = known if entry.iterate in (None, recorded.iterates[0]) else recorded.of_averages
        if entry.iterate is not None and entry.iterate not in recorded.iterates:
            message, allowed = f"there is no iterate {entry.iterate!r}", ", ".join(recorded.iterates)
            yield _Wrong((*path, "quantity", k, "iterate"), message, allowed, nearest(entry.iterate, recorded.iterates))
        elif full_name(entry.name, own) is None:
            yield from _unknown_quantity(entry.name, (*path, "quantity", k, "name"), own)
    others = ("mse", *FLOORS)
    for k, entry in enumerate(expect.within or ()):
        own = known if entry.iterate in (None, recorded.iterates[0]) else recorded.of_averages
        if entry.quantity in OUTCOMES:
            if missing := recorded.lacks(entry.quantity):
                message = f"{entry.quantity} is about {missing}, which the config does not have"
                yield _Wrong((*path, "within", k, "quantity"), message)
        elif entry.quantity not in others and full_name(entry.quantity, own) is None:
            yield from _unknown_quantity(entry.quantity, (*path, "within", k, "quantity"), (*others, *own))
    for name in expect.rate or ():
        if f"{RATE}: {name}" not in known:
            rates = [one.partition(": ")[2] for one in known if one.startswith(f"{RATE}: ")]
            message = f"the rate of E|theta - {name}|^2 is not measured"
            allowed = ", ".join(rates) or "quantities: [rate]"
            yield _Wrong((*path, "rate", name), message, allowed, nearest(name, rates), True)
    quantiles = [one for one in known if one.startswith("q") and one[1:2].isdigit()]
    for name in expect.quantile or ():
        if full_name(name, quantiles) is None:
            message, near = f"there is no quantile {name!r}", nearest(name, quantiles)
            yield _Wrong((*path, "quantile", name), message, ", ".join(quantiles), near, True)


def _unknown_quantity(name: str, path: KeyPath, known: Sequence[str]) -> Iterator[_Wrong]:
    """Yield the problem of a name that is no quantity of the run, or that of several."""
    several = [one for one in known if one.partition(": ")[0] == name]
    message = f"{name!r} may be {' or '.join(several)}" if several else f"there is no quantity {name!r}"
    yield _Wrong(path, message, ", ".join(known), "" if several else nearest(name, known))


def _problem(document: Document, wrong: _Wrong) -> Problem:
    place = document.place(wrong.path)
    if wrong.of_key:
        place = document.keys.get(wrong.path, place)
    return Problem(wrong.message, place, dotted(wrong.path), wrong.allowed, wrong.nearest)


def _find_unknown_slopes(names: Iterable[str], path: KeyPath, labels: Sequence[str]) -> Iterator[_Wrong]:
    """Yield a problem for each slope that is neither a floor's nor a xi's."""
    known = [*FLOORS, *(f"{ERROR_SLOPE}{xi}" for xi in labels)]
    for name in names:
        if name not in known:
            yield _Wrong((*path, name), f"unknown slope {name!r}", ", ".join(known), nearest(name, known), True)


def _find_unrecorded(entry: Any, path: KeyPath, labels: Sequence[str], steps: Sequence[int]) -> Iterator[_Wrong]:
    """Yield the problems of one entry of `mse` or `within`: its xi and its step."""
    if "xi" in entry.model_fields_set:
        yield from _find_unknown_xi(entry.xi, (*path, "xi"), labels)
    # A quantity may have steps of its own.
    of_quantity = getattr(entry, "quantity", "mse") not in ("mse", *FLOORS)
    if entry.step is not None and entry.step not in steps and not of_quantity:
        close = str(min(steps, key=lambda step: abs(step - entry.step)))
        yield _Wrong((*path, "step"), f"step {entry.step} is not recorded", f"a step of error.csv, 1 to {steps[-1]}", close)


def _find_unknown_xi(xi: Any, path: KeyPath, labels: Sequence[str]) -> Iterator[_Wrong]:
    """Yield a problem if a xi is not one of the config's. It is compared by label, so 0.50 is 0.5."""
    allowed = ", ".join(labels)
    if not _is_label_or_point(xi):
        yield _Wrong(path, *must_be(allowed, kind_of(xi)))
    elif label(xi) not in labels:
        yield _Wrong(path, f"{label(xi)} is not among the config's xi", allowed, nearest(label(xi), labels))


def _is_label_or_point(xi: Any) -> bool:
    """Whether a value can be a xi at all: a text, a number, or a list of numbers."""
    numbers = xi if isinstance(xi, list) else [xi]
    return isinstance(xi, str) or (bool(numbers) and all(type(number) in (int, float) for number in numbers))
