"""Choose parameters to check a component with: those its author offers, or values that its annotations allow."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args, get_origin

from annotated_types import Interval, Len
from pydantic import ValidationError

from nonconv.components.definitions import Component
from nonconv.components.parameters import Parameter, bare, parameters_of, without_none
from nonconv.config.catalogue import Catalogue
from nonconv.config.spec import component_model, parameters_from
from nonconv.faults.blame import blame

MOST_EXAMPLES, MOST_TRIED = 12, 500
"""Most parameters that a component is checked with, and most combinations of required ones that are tried to find them."""
OFFERED = {
    "data": [{"name": "two_point", "low": -1.0, "high": 2.0, "p_high": 0.25}],
    "dataset": [{"name": "function", "inputs": 2}],
}
"""Components for parameters that are one, by kind."""
NUMBERS = (0.5, 0.1, 1.0, 2.0, 0.9, 0.01, -1.0, 5.0, 0.0, 100.0, -10.0)
"""Numbers that are tried for a float, and for a whole number: the most usual first."""
WHOLE = (2, 1, 3, 10, 0, 100, -1)


def first_line(said: object) -> str:
    """Return the first line of a message."""
    return str(said).partition("\n")[0]


def plausible_parameters(
    kind: str, component: Component, offered: Sequence[Any], catalogue: Catalogue
) -> tuple[list[Any], list[str]]:
    """Return parameters that a config could have, and the first reason why one that should be allowed is not.

    offered: mappings that the component's author gives; plausible values are tried without any.
    """
    found: list[Any] = []
    refused: list[str] = []
    optional = not any(parameter.required for parameter in parameters_of(component.parameters))
    must_hold = len(offered) or int(optional)  # what the file offers, or else the defaults, which come first
    for k, values in enumerate(offered or _propose(component)):
        try:
            model = component_model(kind, component, catalogue).model_validate({"name": component.name, **values})
            found.append(parameters_from(component, model))
        except Exception as error:  # of a check, or of what the file offers
            refused += [_explain_refusal(values, error)] if k < must_hold or not found else []
        if len(found) == MOST_EXAMPLES and not offered:
            break
    if not found:
        hint = f"EXAMPLES = {{{component.name!r}: [{{...}}]}} in the file can say what is"
        return [], [f"nothing that was tried is allowed; {hint}", *refused[:1]]
    return found, refused[:1] if must_hold else []


def _explain_refusal(values: Any, error: Exception) -> str:
    """Explain why these values are refused."""
    if not isinstance(error, ValidationError):
        return first_line(blame(error) or f"{values}: {type(error).__name__}: {error}")
    first = error.errors(include_url=False)[0]
    context = first.get("ctx", {})
    problem = blame(context["error"]) if isinstance(context.get("error"), Exception) else None
    said = context.get("message", f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    return first_line(problem) if problem else f"{values or 'the defaults'}: {said}"


def _propose(component: Component) -> Iterator[dict[str, Any]]:
    """Yield config values, the simplest first: required ones with others one at a time, then required ones combined."""
    parameters = parameters_of(component.parameters)
    required = {p.name: _values(p) for p in parameters if p.required}
    bases = [dict(zip(required, values, strict=True)) for values in itertools.product(*required.values())]
    yield from bases[:1]
    optional = [(p.name, _values(p)) for p in parameters if not p.required]
    for rank in range(3):  # a value of each parameter, before a second one of any
        yield from (base | {name: values[rank]} for base in bases[:1] for name, values in optional if rank < len(values))
    yield from bases[1:MOST_TRIED]


def _values(parameter: Parameter) -> list[Any]:
    """Return values that a parameter may have: components for one that is a component, else what its annotation allows."""
    if parameter.kind:
        return OFFERED.get(parameter.kind, [])
    return _values_of(parameter.annotation)


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
    """Return common numbers, and some near the ends of the intervals."""
    ends = [end for b in bounds for end in (b.ge, b.gt, b.le, b.lt) if isinstance(end, int | float)]
    step = 1 if core is int else 0.25
    # Huge ends, as 2**31 - 1, are no plausible values.
    near = [core(end + offset) for end in ends if abs(end) < 1e9 for offset in (step, -step, 0)]
    first, *others = WHOLE if core is int else NUMBERS
    # Early, since most goes wrong at the lower end, as eps = 0.
    lowest = [core(b.ge) for b in bounds if isinstance(b.ge, int | float) and abs(b.ge) < 1e9]
    return list(dict.fromkeys([first, *lowest, *others, *near]))


def _within(number: Any, bound: Any) -> bool:
    """Return whether a number is in an annotation's interval."""
    return (
        (bound.ge is None or number >= bound.ge)
        and (bound.gt is None or number > bound.gt)
        and (bound.le is None or number <= bound.le)
        and (bound.lt is None or number < bound.lt)
    )
