"""What is wrong with the formulas of a component, and with the constants beside them: all of it, each with its characters."""

from collections.abc import Iterator, Mapping
from typing import Any

from nonconv.components.definitions import Complaint, Component, Written
from nonconv.components.parameters import bare, parameters_of
from nonconv.formulas.constants import unusable_names
from nonconv.formulas.reading import Mistake, numbered, read_formula


def formulas_of(component: Component) -> dict[str, Written]:
    """Return the parameters of a component that are formulas, by name."""
    found = {}
    for parameter in parameters_of(component.parameters):
        _, metadata = bare(parameter.annotation)
        written = next((item for item in metadata if isinstance(item, Written)), None)
        if written:
            found[parameter.name] = written
    return found


def complaints(texts: Mapping[str, str], formulas: Mapping[str, Written], constants: Mapping[str, Any]) -> list[Complaint]:
    """Return what is wrong with formulas and their constants. texts: those that are text, by parameter."""
    every = (_variables(written, texts.get(one, "")) for one, written in formulas.items())
    variables = tuple(dict.fromkeys(name for names in every for name in names))
    unusable = list(unusable_names(constants, variables))
    found = [Complaint("constants", message, entry=name) for name, message in unusable]
    usable = [name for name in constants if name not in dict(unusable)]
    used: set[str] = set()
    for parameter, text in texts.items():
        if not text and not formulas[parameter].needed:
            continue  # left out
        formula = read_formula(text, _variables(formulas[parameter], text), usable)
        used |= formula.names
        found += [_hinted(_complaint(parameter, mistake), formulas[parameter], text) for mistake in formula.mistakes]
        found += _missing(parameter, formulas[parameter], formula.names, bool(formula.mistakes))
    missing = [one.nearest for one in found if one.nearest in constants]
    found += [_unused(name, texts) for name in usable if any(texts.values()) and name not in used and name not in missing]
    return found


def _variables(written: Written, text: str) -> tuple[str, ...]:
    """Return the variables of a formula: those that are stated, or in numbered form the first ones and all that it has."""
    if not written.numbered:
        return written.variables
    first = (f"{base}{k}" for base in written.variables for k in (1, 2))
    return tuple(dict.fromkeys((*first, *numbered(text, written.variables))))


def _complaint(parameter: str, mistake: Mistake) -> Complaint:
    """Return a mistake as a complaint about a parameter."""
    part = (mistake.first, mistake.width)
    return Complaint(parameter, mistake.message, mistake.allowed, nearest=mistake.nearest, part=part)


def _hinted(found: Complaint, written: Written, text: str) -> Complaint:
    """Return a complaint that says which objective has theta1 and theta2, where a formula of theta has these."""
    first, width = found.part
    if written.numbered or "theta" not in written.variables or not numbered(text[first : first + width], written.variables):
        return found
    return found._replace(message=f"{found.message}; objective joint_formula has numbered ones")


def _missing(parameter: str, written: Written, names: frozenset[str], mistaken: bool) -> Iterator[Complaint]:
    """Yield a complaint about a formula without the variable that it needs; not of one that is mistaken anyway."""
    if written.needed and written.needed not in names and not mistaken:
        yield Complaint(parameter, f"does not depend on {written.needed}")


def _unused(name: str, texts: Mapping[str, str]) -> Complaint:
    """Return a complaint about a constant that no formula has."""
    return Complaint("constants", f"is not used in {' or '.join(name for name, text in texts.items() if text)}", entry=name)
