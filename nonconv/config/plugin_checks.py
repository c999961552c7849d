"""Check that nonconv can use what a plug-in registers: names, parameters, and functions that kernels can import.

These are checks of form, made whenever a plug-in is loaded. `nonconv explain FILE --test` tests what its functions do
(the room `contract`).
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from inspect import cleandoc
from pathlib import Path
from types import FunctionType, NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from nonconv.components.definitions import (
    EFFECTIVE_RATE,
    Component,
    Coupled,
    Initialisation,
    OneOf,
    Optimizer,
    Scaling,
    Shown,
    Squares,
)
from nonconv.components.parameters import allowed, bare, without_none
from nonconv.config.catalogue import BUILT_IN
from nonconv.config.spec import common_parameters, component_model, typed
from nonconv.faults.blame import RETURNED, Registered, in_one_line, is_foreign, place_of_function, source_lines
from nonconv.faults.problems import Place, Problem

UNDERSTOOD = "float, int, bool, str, Literal, a tuple of one of these, or one of these | such a tuple"
NUMBERS = (float, int, bool)
"""Types that a kernel can take."""
TUPLES = {"update": ("state", "per_step")}
"""The NamedTuples that a function of a kernel takes, as fields of its component; `constants` for all others."""


class Refused(Exception):
    """A file is not a plug-in; holds its problems."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__()
        self.problems = problems


# What nonconv cannot use


def refuse_unusable(path: Path, components: Sequence[Registered]) -> None:
    """Raise Refused unless nonconv can use what the file registers; it holds every problem found.

    components: in the order of the file. Their models are made as well, which shows what pydantic refuses.
    """
    if not components:
        example = "from nonconv.plugin import OPTIMIZERS, Optimizer; OPTIMIZERS.register(Optimizer(...))"
        raise Refused(Problem("registers no component", Place(str(path), 0, 0, ""), allowed=f"for example {example}"))
    problems: list[Problem] = []
    for kind, component, _ in components:
        found = [*_check_texts(kind, component), *_check_parameters(kind, component), *_check_definitions(component)]
        problems += [Problem(message, _find_place(path, subject), what) for subject, what, message in found]
    if problems:
        raise Refused(*dict.fromkeys(problems))
    for kind, component, _ in components:
        # Made last, when the parameters are known to be well formed.
        component_model(kind, component)


Finding = tuple[Any, str, str]
"""The class or function it is about (or a class and the name of a parameter), what that is called, what is wrong."""


def _check_texts(kind: str, component: Component) -> Iterator[Finding]:
    """Yield what is wrong with the name, the class of the parameters and its docstring."""
    cls, name = component.parameters, f"{BUILT_IN[kind].noun} {component.name}"
    if not (isinstance(component.name, str) and component.name.isidentifier()):
        yield cls, name, "the name must be a word of letters, digits and underscores"
    if not (isinstance(cls, type) and issubclass(cls, tuple) and hasattr(cls, "_fields")):
        yield cls, name, "parameters must be a class derived from NamedTuple"
    elif not cleandoc(cls.__doc__ or "").strip() or (cls.__doc__ or "").startswith(f"{cls.__name__}("):
        yield cls, name, f"{cls.__name__} needs a docstring; its first line says what the {BUILT_IN[kind].noun} is"


def _check_parameters(kind: str, component: Component) -> Iterator[Finding]:
    """Yield what is wrong with each parameter: its annotation, or a name that means something else here."""
    cls = component.parameters
    try:
        hints = get_type_hints(cls, include_extras=True)
    except Exception as error:  # annotations are evaluated, and may be any code
        yield cls, cls.__name__, f"its annotations cannot be read: {in_one_line(error)}"
        return
    common = {parameter.name for parameter in common_parameters(kind)}
    for name, annotation in hints.items():
        subject, what = (cls, name), f"parameter {name}"
        if not _is_understood(annotation):
            yield subject, what, f"the annotation {_annotation_text(annotation)} is not understood; write {UNDERSTOOD}"
        elif kind == "objective" and not _has_expected_type(component, name, annotation):
            like = "mlp" if isinstance(component, Coupled) else "quadratic"
            yield subject, what, f"of an objective must be annotated as in nonconv/objectives/{like}.py"
        elif isinstance(component, Optimizer) and component.per_step is cls and bare(annotation)[0] not in NUMBERS:
            yield (
                subject,
                what,
                "update takes the parameters, so each must be a float, int or bool; or write per_step and at_step",
            )
        if name in common:
            yield subject, what, f"every {BUILT_IN[kind].noun} already has a parameter of this name"
        elif name == "name" or hasattr(BaseModel, name):
            yield subject, what, "this name is reserved by nonconv; choose another"
    if isinstance(component, Coupled) and "data" not in hints:
        yield cls, cls.__name__, "needs the parameter data, annotated as in nonconv/objectives/mlp.py"
    if isinstance(component, Initialisation) and not _has_law_and_gain(hints):
        yield cls, cls.__name__, "needs the parameters law and gain, annotated as in nonconv/data/initial.py"


def _has_law_and_gain(hints: Mapping[str, Any]) -> bool:
    """Whether an initialisation has the parameters that nonconv draws weights by."""
    law, gain = (bare(hints.get(name))[0] for name in ("law", "gain"))
    return set(get_args(law)) == {"normal", "uniform"} and gain is float


def _is_understood(annotation: Any) -> bool:
    """Whether nonconv can check values of an annotation and say what it allows."""
    try:
        allowed(annotation)
        typed(annotation)
    except Exception:  # of whatever kind: it depends on what somebody wrote there
        return False
    core = without_none(bare(annotation)[0])
    if get_origin(core) not in (Union, UnionType):
        return True
    first, *others = (get_origin(bare(option)[0]) or bare(option)[0] for option in get_args(core) if option is not NoneType)
    return len(others) == 1 and (first in (Literal, str)) != (others[0] is tuple)  # else nothing tells which one is meant


def _has_expected_type(objective: Component, name: str, annotation: Any) -> bool:
    """Whether an objective's parameter has the type that its name implies elsewhere in nonconv."""
    core, metadata = bare(annotation)
    if name == "data":
        # A coupled objective learns from examples, or its data are a vector of a distribution's numbers.
        kinds = ("dataset", "data") if isinstance(objective, Coupled) else ("data",)
        return any(isinstance(item, OneOf) and item.kind in kinds for item in metadata)
    if name == "dim":
        return core is int
    return name != "scale" or core is float or bare(next(iter(get_args(core)), None))[0] is float


def _annotation_text(annotation: Any) -> str:
    """Write an annotation as in the file."""
    core = bare(annotation)[0]
    return core.__name__ if isinstance(core, type) else str(core)


def _check_statements(rule: Optimizer) -> Iterator[Finding]:
    """Yield what is wrong with the form of an optimizer's statements; the contract's checks measure whether they are true."""
    for role in ("relative_size", "can_be_undefined", "bounded_direction"):
        if not callable(getattr(rule, role)):
            yield rule.parameters, role, "must be a function"
    fields = getattr(rule.state, "_fields", ())
    if not isinstance(rule.monotone, tuple) or not set(rule.monotone) <= set(fields):
        known = ", ".join(fields) or "the state has none"
        yield rule.parameters, "monotone", f"must be a tuple of names of state fields ({known}), got {rule.monotone!r}"
    squares = rule.squares
    if squares is not None and not isinstance(squares, Squares):
        yield rule.parameters, "squares", f"must be Squares(FIELD, ...), got {squares!r}"
    elif squares and squares.field not in fields:
        known = ", ".join(fields) or "the state has none"
        yield rule.parameters, "squares", f"must name a state field ({known}), got {squares.field!r}"
    elif squares and not (callable(squares.keeps) and callable(squares.divisor)):
        yield rule.parameters, "squares", "keeps and divisor must be functions"
    scaling = rule.scaling
    if scaling is not None and not (isinstance(scaling, Scaling) and callable(scaling.factor) and callable(scaling.edge)):
        yield rule.parameters, "scaling", f"must be Scaling(FUNCTION, ...), got {scaling!r}"
    shown = rule.shown
    if not isinstance(shown, tuple) or not all(isinstance(one, Shown) and callable(one.of) for one in shown):
        yield rule.parameters, "shown", f"must be a tuple of Shown(NAME, FUNCTION), got {shown!r}"
        return
    taken = [*fields, EFFECTIVE_RATE, *(one.name for one in shown)]
    for one in shown:
        if not str(one.name).isidentifier() or taken.count(one.name) > 1:
            yield rule.parameters, "shown", f"needs a name of its own for each, got {one.name!r}"


def _check_definitions(component: Component) -> Iterator[Finding]:
    """Yield what is wrong with the functions of a component.

    A kernel's module imports each function by name from the function's own module, and so its tuples: a lambda or a
    function inside another cannot be found there.
    """
    if component.load:
        yield component.load, "load", "is for nonconv's own components; a plug-in cannot load files"
    if getattr(component, "on_orbit", None):
        yield component.on_orbit, "on_orbit", "is for nonconv's own toint; a plug-in cannot use it"  # type: ignore[attr-defined]  # just read
    if isinstance(component, Optimizer):
        yield from _check_statements(component)
    for role in RETURNED:
        function = getattr(component, role, None)
        if function is None or (role == "loss" and not isinstance(component, Coupled)):
            continue
        # Compared by identity: a later definition under the same name would be run instead.
        if not isinstance(function, FunctionType) or _look_up_in_module(function, function.__name__) is not function:
            yield function, role, "must be a function at the top level of the file, under its own name"
            continue
        for field in TUPLES.get(role, ("constants",)):
            cls = getattr(component, field)
            if not hasattr(cls, "_fields") or _look_up_in_module(function, cls.__name__) is not cls:
                yield cls, field, f"must be a NamedTuple at the top level of the file that {role} is in, under its own name"


def _look_up_in_module(function: FunctionType, name: str) -> Any:
    """Return what the function's module has under a name, or None."""
    return getattr(sys.modules.get(function.__module__), name, None)


def _find_place(path: Path, subject: Any) -> Place:
    """Find where the file defines a class, a parameter in one, or a function; else return the whole file."""
    if is_foreign(subject):
        return place_of_function(subject)
    lines = source_lines[str(path)]
    cls, parameter = subject if isinstance(subject, tuple) else (subject, "")
    name = getattr(cls, "__name__", "")
    found = _find_line(lines, rf"(?:class|def) ({re.escape(name)})\b", 0)
    if found and parameter:
        found = _find_line(lines, rf"\s+({re.escape(parameter)})\s*:", found[0]) or found
    if not found:
        return Place(str(path), 0, 0, "")
    number, match = found
    return Place(str(path), number, match.start(1) + 1, match.string, len(match[1]))


def _find_line(lines: Sequence[str], pattern: str, after: int) -> tuple[int, re.Match[str]] | None:
    """Find the first line after a line number that begins with a pattern: its number and the match."""
    matches = ((number, re.match(pattern, text)) for number, text in enumerate(lines[after:], after + 1))
    return next(((number, match) for number, match in matches if match), None)
