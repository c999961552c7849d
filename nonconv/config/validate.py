"""Turn a document into a validated experiment, or raise all its problems at once, each with its place.

Pydantic finds what is wrong, but knows neither lines nor the words of a config: it says `Input should be less than 1` of
`('optimizer', 'adam', 'beta1')`. Here each of its errors becomes a problem: the place of the value, what is allowed there
in the words of `nonconv explain`, and the nearest name.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from nonconv.components.definitions import Complaint
from nonconv.config.catalogue import Catalogue
from nonconv.config.document import Document, KeyPath, dotted
from nonconv.config.hints import DECIMAL_SIGN, has_decimal_comma, hint_for_key, hint_for_name
from nonconv.config.plugins import load_named
from nonconv.config.spec import choices, component_model, experiment_model
from nonconv.faults.blame import blame
from nonconv.faults.errors import ConfigError
from nonconv.faults.problems import Problem, cannot_be, kind_of, must_be, nearest

TAGS = ("one", "many", "word", "by name")
"""Parts of pydantic's `loc` that name an option of a union of config.spec, not a key."""
SWITCHES = {"yes": "true", "on": "true", "no": "false", "off": "false"}
"""Words that YAML 1.1 read as booleans, with what to write instead."""


def refuse(problems: Iterable[Problem]) -> None:
    """Raise ConfigError if there are problems, each once, in the order of their places; those of overrides come last."""
    ordered = sorted(problems, key=_sort_key)
    if ordered:
        raise ConfigError(list(dict.fromkeys(str(problem) for problem in ordered)))


def _sort_key(problem: Problem) -> tuple[bool, str, int, int]:
    """Return what problems are sorted by: source and place; overrides last, in the order given."""
    place = problem.place
    override = _is_override(problem)
    return override, "" if override else place.source, place.line, place.column


def validate(document: Document) -> BaseModel:
    """Load the plug-ins of a document and return the typed experiment, an instance of spec.experiment_model.

    The document's catalogue then has its plug-ins; loaded ones are not loaded again. Raises ConfigError with the problems
    of the text and of the values.
    """
    broken: list[Problem] = []
    if not document.catalogue.plugins:
        document.catalogue, broken = load_named(document)
    of_text = list(document.problems)
    document.problems += broken
    try:
        model = _quickly_validated(document) or experiment_model(document.catalogue).model_validate(document.data)
    # All errors at once: a user fixes a config in one pass, not one error per run.
    except ValidationError as error:
        details_of_all = [details for details in error.errors(include_url=False) if not _is_repeated(details)]
        # A plug-in that cannot be loaded makes its names unknown, which is no second problem.
        known = [details for details in details_of_all if not (broken and details["type"] == "union_tag_invalid")]
        found = [problem for details in known for problem in _translate_all(document, details)]
        refuse([*document.problems, *(problem for problem in found if not _is_consequence(problem, of_text))])
        raise
    refuse(document.problems)
    return model


_first_named: dict[Catalogue, Catalogue] = {}
"""What the first document with a catalogue named, by that catalogue; there is one for each set of plug-ins."""


def _quickly_validated(document: Document) -> BaseModel | None:
    """Return the typed experiment by the model of what the document names alone: that of everything takes 0.2 s to make.

    None if that finds a problem, which the whole model tells about better; and where documents name different things one after
    the other, so that one model serves all.
    """
    named = cut_catalogue(document)
    if _first_named.setdefault(document.catalogue, named) != named:
        return None
    with suppress(ValidationError):
        return experiment_model(named).model_validate(document.data)
    return None


def cut_catalogue(document: Document) -> Catalogue:
    """Return the catalogue of what a document may name."""
    return document.catalogue.named(_texts(document.data) | {"constant"})  # a number alone means a constant


def _texts(data: Any) -> set[str]:
    """Return all texts in a document's data, but no keys."""
    if isinstance(data, str):
        return {data}
    inside = data.values() if isinstance(data, dict) else data if isinstance(data, list | tuple) else ()
    return set().union(*map(_texts, inside))


def _is_consequence(problem: Problem, problems: Iterable[Problem]) -> bool:
    """Whether a problem is about a key that could not be read, or about something inside it."""
    return any(problem.key.startswith(other.key) for other in problems if not _is_override(other))


def _is_override(problem: Problem) -> bool:
    """Whether a problem is about an option of the command line, not a file."""
    return problem.place.source.startswith(("--set", "--grid"))


def _is_repeated(details: Any) -> bool:
    """Whether pydantic calls a list too short only because its entries are wrong, which is reported already."""
    return details["type"] == "too_short" and bool(len(details["input"]) >= details["ctx"]["min_length"])


class _Position:
    """Where pydantic's `loc` leads: the document's path, the model of its last key, and what that key allows.

    `loc` mixes keys, indices, tags of unions and names of components, as in `('optimizer', 'adam', 'beta1')`; it is followed
    through the models, so that each part is understood as what it is.

    kind, component: of the component that the path is in. several: the last key is a list or mapping of what the model
    describes, so its entry comes next. values: what those of a mapping with free keys are, if one comes next. is_entry: what
    is allowed is said of the list that the last key is an entry of.
    """

    def __init__(self, catalogue: Catalogue, loc: tuple[int | str, ...], unknown_key: bool) -> None:
        self.catalogue = catalogue
        self.path: KeyPath = ()
        self.model: Any = experiment_model(catalogue)
        self.kind = self.component = self.allowed = ""
        self.several = self.is_entry = self.nests = False
        self.values = ""
        for part in loc[:-1] if unknown_key else loc:
            if part not in TAGS:
                self._follow(part)
            elif part == "many" and self.nests:  # one mapping or a list of them, and it is a list
                self.several = True
        if unknown_key:
            self.path = (*self.path, loc[-1])

    def _follow(self, part: int | str) -> None:
        """Follow a part of `loc`: the name of a component where one is due, otherwise a key."""
        if isinstance(part, str) and self.kind and not self.component:
            self.component = part
            self.model = component_model(self.kind, self.catalogue[self.kind][part], self.catalogue)
        else:
            self._enter(part)

    def _enter(self, part: int | str) -> None:
        """Enter a key or an entry: extend the path, and find its model and what it allows."""
        self.path = (*self.path, part)
        if self.several:
            file = "a Python file, or " if self.path[0] == "plugins" else ""
            self.several, self.allowed = False, f"{file}a mapping of {', '.join(self.model.model_fields)}"
            return
        self.is_entry = isinstance(part, int)
        if self.values:
            self.model, self.values, self.allowed = None, "", self.values
            return
        field = self.model.model_fields.get(part) if self.model and isinstance(part, str) else None
        if field is None:
            return
        extra = dict(field.json_schema_extra or {})
        self.allowed = str(extra.get("x-allowed", ""))
        nested = _find_model(field.annotation)
        self.nests = nested is not None and "x-kind" not in extra
        if "x-kind" in extra:
            self.kind, self.component = str(extra["x-kind"]), ""
            self.allowed = choices(self.catalogue, self.kind)
        elif nested:
            self.model, self.kind, self.component = nested, "", ""
            self.several = get_origin(field.annotation) in (dict, tuple)
        elif get_origin(field.annotation) is dict and "x-values" in extra:
            self.values = str(extra["x-values"])


def _find_model(annotation: Any) -> type[BaseModel] | None:
    """Return the first model that an annotation is, or contains."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _find_model(part))), None)


def _blame_check(details: Any) -> Problem | None:
    """Return the problem of a plug-in whose `check` raised; None for any other error.

    Pydantic takes ValueError and AssertionError, whoever raised them, for invalid values.
    """
    return blame(details["ctx"]["error"]) if details["type"] in ("value_error", "assertion_error") else None


def _translate_all(document: Document, details: Any) -> list[Problem]:
    """Turn one of pydantic's errors into problems: as many as a component has complaints, else one."""
    if details["type"] != "complaint":
        return [_blame_check(details) or _translate(document, details)]
    at, context = _Position(document.catalogue, details["loc"], False), details["ctx"]
    path = at.path[: len(at.path) - context["above"]]
    return [problem_of(document, path, Complaint(**told)) for told in context["complaints"]]


def problem_of(document: Document, path: KeyPath, complaint: Complaint) -> Problem:
    """Return what a component at this path says of its parameters, as a problem with its place."""
    path = (*path, complaint.parameter) if complaint.parameter else path
    path = path if complaint.entry is None else (*path, complaint.entry)
    whole = document.keys.get(path, document.place(path)) if isinstance(complaint.entry, str) else document.place(path)
    place = document.place_within(path, *complaint.part) if complaint.part[1] else whole
    cannot_be_shown = complaint.part[1] and place == whole
    message = f"{complaint.message} (character {complaint.part[0] + 1})" if cannot_be_shown else complaint.message
    return Problem(message, place, dotted(path), complaint.allowed, complaint.nearest)


def _translate(document: Document, details: Any) -> Problem:
    """Turn one of pydantic's errors into a problem with its place and what is allowed."""
    error, value, context = details["type"], details.get("input"), details.get("ctx", {})
    at = _Position(document.catalogue, details["loc"], error == "extra_forbidden")
    key = dotted(at.path)
    place = document.place(at.path)
    # There is no value to point at: the place is the mapping that lacks it.
    if error == "missing":
        what = f"missing; {at.component} needs it" if at.component else "missing"
        return Problem(what, document.place(at.path[:-1]), key, at.allowed)
    if error == "extra_forbidden":
        known = [*(["base"] if len(at.path) == 1 else []), *at.model.model_fields]  # a base is merged before
        # The key itself is wrong, so the caret goes under it and not under its value.
        owner = f"unknown parameter of {at.component}" if at.component else "unknown key"
        place = document.keys.get(at.path, place)
        hint = hint_for_key(document.catalogue, document.data, at.path, known) if _may_belong_elsewhere(at) else ""
        if str(at.path[-1]).isdecimal() and value is None:  # {value: 0,1} is the value 0 and a key 1 without a value
            hint = DECIMAL_SIGN
        return Problem(owner, place, key, ", ".join(known), "" if hint else nearest(at.path[-1], known), hint)
    if error == "union_tag_invalid":
        path = (*at.path, "name")
        choice = at.catalogue.names(at.kind) if path in document.values else at.allowed
        message, near = _describe_unknown_name(at.catalogue, at.kind, context["tag"])
        relative, hint = hint_for_name(at.kind, context["tag"])
        return Problem(message, document.place(path), key, choice, relative or near, hint)
    if error == "union_tag_not_found" and isinstance(value, dict):
        return _describe_missing_name(document, at, value)
    hint = ""
    if error == "string_type" and isinstance(value, int | float | None) and at.path in document.values:
        written = document.written(at.path, value)
        hint = (
            f"a text that looks like {'a number' if type(value) in (int, float) else 'another value'} needs quotes: '{written}'"
        )
    if has_decimal_comma(value):
        hint = DECIMAL_SIGN
    what = f"a list of {len(value)}" if error == "too_long" else kind_of(value)
    # What is said of a list is not what its entry must be, and lists of components grow.
    apart = at.is_entry or (at.kind and not at.component)
    message, allowed = (cannot_be(what), at.allowed) if apart else must_be(at.allowed, what)
    return Problem(message, place, key, allowed, _nearest_value(at.allowed, value), hint)


def _may_belong_elsewhere(at: _Position) -> bool:
    """Whether an unknown key is at the top level, or of a component: not one of record, floors or expect."""
    return len(at.path) == 1 or bool(at.component)


def _describe_unknown_name(catalogue: Catalogue, kind: str, name: str) -> tuple[str, str]:
    """Describe a name that no component of the kind has; return the message and the nearest known name."""
    known = catalogue[kind]
    other = next((k for k in ("data", "dataset") if kind in ("data", "dataset") and name in catalogue[k]), None)
    if other:
        return f"{name} is a {catalogue[other].noun}, not a {known.noun}", ""
    return f"unknown {known.noun} {name!r}", nearest(name, known)


def _describe_missing_name(document: Document, at: _Position, value: dict[str, Any]) -> Problem:
    """Describe a component whose name is missing or not text."""
    path = (*at.path, "name")
    message = cannot_be(kind_of(value["name"])) if "name" in value else "missing"
    return Problem(message, document.place(path), dotted(path), at.catalogue.names(at.kind))


def _nearest_value(allowed: str, value: Any) -> str:
    """Return the allowed word that is nearest to a text; for a switch, `true` for `yes` and the like."""
    if allowed == "true or false" and isinstance(value, str):
        return SWITCHES.get(value.lower(), "")
    known = [] if "mapping" in allowed.partition(",")[0] or allowed.startswith("[") else allowed.split(", ")
    return nearest(value, known) if isinstance(value, str) else ""
