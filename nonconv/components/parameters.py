"""Read a component's parameters off its NamedTuple: the one place where each is stated.

Config models, the JSON Schema, `nonconv explain` and docs/components.md all come from what is read here.
"""

from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Interval, Len
from typing_extensions import Doc

from nonconv.components.definitions import Complaint, Later, OneOf

REQUIRED = object()
"""The default of a parameter that has none; None would not do, since it is a default."""


class Words(str):
    """Annotation: what is allowed, in words, where it does not follow from the type."""

    __slots__ = ()


def _no_complaints(values: Any) -> list[Complaint]:
    """Accept any values that are each allowed; the default of `check`."""
    return []


class Part:
    """Base of mappings inside a config. Its annotations are the keys; one whose default is None may be left out.

    check: validated values -> what is wrong with values that are each allowed.
    """

    check = staticmethod(_no_complaints)


@dataclass(frozen=True)
class Parameter:
    """One parameter, as it is read off an annotation.

    annotation: with all metadata. default: or REQUIRED. meaning: the text of its Doc. allowed: what values are, in words.
    kind: the kind of component that it is, None for plain values. later: whether it came after its component (Later).
    """

    name: str
    annotation: Any
    default: Any
    meaning: str
    allowed: str
    kind: str | None
    later: bool

    @property
    def required(self) -> bool:
        """Whether a config must give it."""
        return self.default is REQUIRED


def parameters_of(cls: type[Any]) -> list[Parameter]:
    """Return the parameters of a NamedTuple, or of a plain class of annotations, in order."""
    hints = get_type_hints(cls, include_extras=True)
    # A NamedTuple keeps its defaults in _field_defaults, a plain class as its attributes, inherited ones included.
    defaults = getattr(cls, "_field_defaults", None)
    if defaults is None:
        defaults = {name: getattr(cls, name) for name in hints if hasattr(cls, name)}
    return [_parameter(name, hint, defaults.get(name, REQUIRED)) for name, hint in hints.items()]


def _parameter(name: str, annotation: Any, default: Any) -> Parameter:
    """Read one parameter off its annotation."""
    _, metadata = bare(annotation)
    meaning = next((item.documentation for item in metadata if isinstance(item, Doc)), "")
    kind = next((item.kind for item in metadata if isinstance(item, OneOf)), None)
    later = any(isinstance(item, Later) for item in metadata)
    return Parameter(name, annotation, default, meaning, allowed(annotation), kind, later)


def bare(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Split a type from its Annotated metadata; returns both. Metadata of nested annotations come first."""
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        core, more = bare(inner)
        return core, (*more, *metadata)
    return annotation, ()


def without_none(core: Any) -> Any:
    """Return `X` of `X | None`, which is how an optional key is annotated; any other type as it is."""
    options = [option for option in get_args(core) if option is not NoneType]
    optional = get_origin(core) in (Union, UnionType) and len(options) == 1
    return options[0] if optional else core


def allowed(annotation: Any, plural: bool = False) -> str:
    """Describe in words what values an annotation admits: `a number >= 0 and < 1`. plural: as in `a list of numbers`."""
    core, metadata = bare(annotation)
    core = without_none(core)
    origin = get_origin(core)
    kind = next((item.kind for item in metadata if isinstance(item, OneOf)), None)
    said = next((item for item in metadata if isinstance(item, Words)), None)
    if said:
        return str(said)
    if kind:
        number = f"a number{_range(metadata)}, or " if _range(metadata) else ""
        return f"{number}one of the components of kind {kind}"
    if origin is Literal:
        return ", ".join(str(option) for option in get_args(core))
    if origin in (Union, UnionType):
        return " or ".join(allowed(option) for option in get_args(core) if option is not NoneType)
    if origin is tuple:
        return f"a list of {allowed(get_args(core)[0], plural=True)}{_at_least(metadata)}{_at_most(metadata)}"
    return _describe_plain(core, metadata, plural)


def _describe_plain(core: Any, metadata: tuple[Any, ...], plural: bool) -> str:
    """Describe a mapping or a plain type with its range."""
    if issubclass(core, Part):
        return f"{'mappings' if plural else 'a mapping'} of {', '.join(parameter.name for parameter in parameters_of(core))}"
    name = {float: "number", int: "whole number", bool: "true or false", str: "text"}[core]
    if core in (bool, str):
        return name + (", not empty" if _at_least(metadata) else "")
    return (f"{name}s" if plural else f"a {name}") + _range(metadata)


def _at_least(metadata: tuple[Any, ...]) -> str:
    """Describe the least length that the metadata ask for; empty if none."""
    length = next((item.min_length for item in metadata if isinstance(item, Len)), 0)
    return f", at least {length}" if length else ""


def _at_most(metadata: tuple[Any, ...]) -> str:
    """Describe the largest length that the metadata admit; empty if none."""
    length, least = next(((item.max_length, item.min_length) for item in metadata if isinstance(item, Len)), (None, 0))
    return f"{' and' if least else ','} at most {length}" if length else ""


def _range(metadata: tuple[Any, ...]) -> str:
    """Describe the interval of a number, as ` >= 0 and < 1`; empty if any will do."""
    bounds = [
        # :g for floats alone: it would write large whole numbers in scientific notation.
        f" {sign} {bound:g}" if isinstance(bound, float) else f" {sign} {bound}"
        for interval in metadata
        if isinstance(interval, Interval)
        for sign, bound in ((">", interval.gt), (">=", interval.ge), ("<", interval.lt), ("<=", interval.le))
        if bound is not None
    ]
    return " and".join(bounds)
