"""Choose parameters to check a component with: those its author offers, or values that its annotations allow."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, get_args, get_origin

from annotated_types import Interval, Len
from pydantic import ValidationError

from nonconv.components.definitions import Component
from nonconv.components.parameters import Parameter, bare, parameters_of, without_none
from nonconv.config.catalogue import Catalogue
from nonconv.config.spec import component_model, parameters_from
from nonconv.faults.blame import PLUGIN_ERRORS, blame

MOST_BASES, MOST_TRIED = 4, 500
"""How many combinations of required parameters are used, and how many are tried to find them."""
USUAL_VALUES, MOST_USUAL, MOST_PAIRS = 3, 64, 400
"""Values of a number that every check sees, most parameters that it sees, and most pairs that quick checks see besides."""
MOST_WHOLE, MOST_NUMBER = 100, 1e6
"""Ends of intervals that are tried: of whole numbers, and of others."""
ABOVE, BELOW, NEAREST = 2.0**-4, 2.0**-7, 2.0**-10
"""How near to an open end of an interval a number is tried: above the lower end, below the upper one, and by quick checks.

A power nearer to 0 would have limits that show at no step, and an average nearer to 1 would settle after those of a check.
"""
OFFERED: dict[str, list[dict[str, Any]]] = {
    "data": [{"name": "two_point", "low": -1.0, "high": 2.0, "p_high": 0.25}],
    "dataset": [{"name": "function", "inputs": 2}],
    "decay": [
        {"name": "one_minus_power"},
        {"name": "geometric"},
        {"name": "piecewise", "values": [0.5, 0.9], "until": [20]},
        {"name": "one_minus_power", "exponent": 1.0, "value": 0.9},
        {"name": "power"},
    ],
}
"""Components for parameters that are one, by kind."""
NUMBERS = (0.5, 0.1, 1.0, 2.0, 0.9, 0.01, -1.0, 5.0, 0.0, 100.0, -10.0)
"""Numbers that are tried for a float, and for a whole number: the most usual first."""
WHOLE = (2, 1, 3, 10, 0, 100, -1)


def first_line(said: object) -> str:
    """Return the first line of a message."""
    return str(said).partition("\n")[0]


class Examples(NamedTuple):
    """The parameters that a component is checked with.

    usual: for every check. rare: further ones, for checks that take milliseconds. unvaried: parameters of which no second value
    is known, or all are refused. reasons: why a config cannot have parameters that it should.
    """

    usual: list[Any]
    rare: list[Any]
    unvaried: tuple[str, ...]
    reasons: list[str]


def plausible_parameters(
    kind: str,
    component: Component,
    offered: Sequence[Any],
    catalogue: Catalogue,
    *,
    most_usual: int | None = None,
    vary: bool = True,
) -> Examples:
    """Return parameters that a config could have, in which each parameter varies.

    offered: mappings that the component's author gives. Other parameters are varied about the defaults, or about the first
    mapping where some have none. Without any, plausible values are tried. most_usual: how many of them every check sees, the
    others being rare; MOST_USUAL if None. vary: whether to vary parameters at all.
    """
    tried = _Tried(kind, component, catalogue, MOST_USUAL if most_usual is None else most_usual)
    optional = not any(parameter.required for parameter in parameters_of(component.parameters))
    for values in offered:
        tried.add(values, must_hold=True)
    base = {} if optional else dict(offered[0]) if offered else None
    if not offered:
        for k, values in enumerate(_bases(component)):
            tried.add(values, must_hold=optional and k == 0)
            if len(tried.usual) == MOST_BASES:
                break
    if not tried.usual:
        hint = f"nothing that was tried is allowed; EXAMPLES = {{{component.name!r}: [{{...}}]}} in the file can say what is"
        return Examples([], [], (), ["; ".join([*tried.refused[:1], hint])])
    about, choices = tried.base if base is None else base, _choices(component, bool(offered)) if vary else []
    for name, value, is_rare in _one_at_a_time(choices):
        tried.add(about | {name: value}, rare=is_rare)
    for pair in itertools.islice(_pairs(choices), MOST_PAIRS):
        tried.add(about | pair, rare=True)
    must_hold = len(offered) or int(optional)
    return Examples(tried.usual, tried.rare, tried.unvaried(), tried.refused[:1] if must_hold else [])


class _Tried:
    """Collects the parameters that a component's model accepts, each once, of which the first `most_usual` are usual.

    base: the values of the first. refused: why those that must be accepted, or those before any that is, are not.
    """

    def __init__(self, kind: str, component: Component, catalogue: Catalogue, most_usual: int) -> None:
        self.kind, self.component, self.catalogue, self.most_usual = kind, component, catalogue, most_usual
        self.usual: list[Any] = []
        self.rare: list[Any] = []
        self.refused: list[str] = []
        self.base: dict[str, Any] = {}
        self.known: set[str] = set()

    def add(self, values: Any, must_hold: bool = False, rare: bool = False) -> None:
        """Add these values if they are accepted and new."""
        try:
            model = component_model(self.kind, self.component, self.catalogue).model_validate(
                {"name": self.component.name, **values}
            )
            found = parameters_from(self.component, model)
        except PLUGIN_ERRORS as error:  # of a check, or of what the file offers
            self.refused += [_explain_refusal(values, error)] if must_hold or not self.usual else []
            return
        if repr(found) in self.known:
            return
        self.known.add(repr(found))
        self.base = self.base if self.usual else dict(values)
        (self.rare if rare or len(self.usual) >= self.most_usual else self.usual).append(found)

    def unvaried(self) -> tuple[str, ...]:
        """Return the names of parameters that have one value throughout; data are the checks' own."""
        every = [*self.usual, *self.rare]
        names = [p.name for p in parameters_of(self.component.parameters) if not p.kind or p.kind == "decay"]
        return tuple(name for name in names if len({repr(getattr(h, name)) for h in every}) < 2)


def _explain_refusal(values: Any, error: BaseException) -> str:
    """Explain why these values are refused."""
    if not isinstance(error, ValidationError):
        return first_line(blame(error) or f"{values}: {type(error).__name__}: {error}")
    first = error.errors(include_url=False)[0]
    context = first.get("ctx", {})
    problem = blame(context["error"]) if isinstance(context.get("error"), Exception) else None
    said = context.get("message", f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    return first_line(problem) if problem else f"{values or 'the defaults'}: {said}"


def _bases(component: Component) -> Iterator[dict[str, Any]]:
    """Yield values of the required parameters, the most usual ones first; those of others are their defaults."""
    required = {p.name: _values(p) for p in parameters_of(component.parameters) if p.required}
    combined = itertools.product(*required.values())
    yield from (dict(zip(required, values, strict=True)) for values in itertools.islice(combined, MOST_TRIED))


class _Choice(NamedTuple):
    """A parameter with the values that are tried for it. few: they are names or switches, of which each is usual."""

    name: str
    values: list[Any]
    few: bool


def _choices(component: Component, offered: bool) -> list[_Choice]:
    """List the parameters that are varied. offered: the author gave values, and alone knows which required ones go together."""
    varied = [p for p in parameters_of(component.parameters) if not (offered and p.required)]
    return [_Choice(p.name, _values(p), _is_name(p.annotation)) for p in varied]


def _is_name(annotation: Any) -> bool:
    """Whether a parameter is one of a few names, or a switch."""
    core, _ = bare(annotation)
    return without_none(core) is bool or get_origin(without_none(core)) is Literal


def _one_at_a_time(choices: Sequence[_Choice]) -> Iterator[tuple[str, Any, bool]]:
    """Yield name, value and whether it is rare: a value of each parameter, before a second one of any."""
    for rank in range(max((len(choice.values) for choice in choices), default=0)):
        for choice in choices:
            if rank < len(choice.values):
                yield choice.name, choice.values[rank], rank >= USUAL_VALUES and not choice.few


def _pairs(choices: Sequence[_Choice]) -> Iterator[dict[str, Any]]:
    """Yield values of two parameters, the first values of every pair before further ones of any."""
    for ranks in ((0, 0), (1, 1), (0, 1), (1, 0), (2, 2)):
        for one, other in itertools.combinations(choices, 2):
            if ranks[0] < len(one.values) and ranks[1] < len(other.values):
                yield {one.name: one.values[ranks[0]], other.name: other.values[ranks[1]]}


def _values(parameter: Parameter) -> list[Any]:
    """Return values that a parameter may have: components for one that is a component, else what its annotation allows."""
    if not parameter.kind:
        return _values_of(parameter.annotation)
    bounds = [item for item in bare(parameter.annotation)[1] if isinstance(item, Interval)]
    numbers = [number for number in _candidates(float, bounds) if all(_within(number, b) for b in bounds)] if bounds else []
    # A schedule among the values that every check sees; the others are rare.
    first = OFFERED.get(parameter.kind, [])
    return [*numbers[:2], *first[:1], *numbers[2:], *first[1:]] if numbers else first


def _values_of(annotation: Any) -> list[Any]:
    """Return values that an annotation allows, the most usual first."""
    core, metadata = bare(annotation)
    core, origin = without_none(core), get_origin(without_none(core))
    if origin is Literal:
        return list(get_args(core))
    if core is bool:
        return [True, False]
    if origin is tuple:
        inner, least = _values_of(get_args(core)[0]), next((item.min_length for item in metadata if isinstance(item, Len)), 0)
        return [inner[:n] for n in (max(2, least), max(1, least)) if len(inner) >= n]
    if core in (int, float):
        bounds = [item for item in metadata if isinstance(item, Interval)]
        return [number for number in _candidates(core, bounds) if all(_within(number, bound) for bound in bounds)]
    return _values_of(get_args(core)[0]) if get_args(core) and origin is not dict else []


def _candidates(core: type[Any], bounds: Sequence[Interval]) -> list[Any]:
    """Return common numbers, and some at and near the ends of the intervals."""
    step, above, below, most = (1, 1, 1, MOST_WHOLE) if core is int else (0.25, ABOVE, BELOW, MOST_NUMBER)
    # Huge ends, as 2**31 - 1, are no plausible values; a whole number may be a size, as dim.
    lows = [core(end) for b in bounds for end in (b.ge, b.gt) if isinstance(end, int | float) and abs(end) <= most]
    highs = [core(end) for b in bounds for end in (b.le, b.lt) if isinstance(end, int | float) and abs(end) <= most]
    first, *others = WHOLE if core is int else NUMBERS
    # Early, since most goes wrong at an end, as eps = 0: the end itself, or what is near it where it does not belong.
    ends = [
        *(low + offset for low in lows for offset in (0, above)),
        *(high - offset for high in highs for offset in (0, below)),
    ]
    closed = [end for end in ends if all(_within(end, bound) for bound in bounds)]
    first_ends = [*closed[:1], *closed[-1:]]
    near = [core(end + offset) for end in (*lows, *highs) for offset in (step, -step)]
    near += [high - NEAREST for high in highs if core is float]
    return list(dict.fromkeys([first, *first_ends, *others, *closed, *near]))


def _within(number: Any, bound: Any) -> bool:
    """Return whether a number is in an annotation's interval."""
    return (
        (bound.ge is None or number >= bound.ge)
        and (bound.gt is None or number > bound.gt)
        and (bound.le is None or number <= bound.le)
        and (bound.lt is None or number < bound.lt)
    )
