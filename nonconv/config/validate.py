"""From a document to a validated experiment, or to all problems at once, each with its place."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from nonconv.config.document import Document, KeyPath, dotted, kind_of, read
from nonconv.config.problems import Place, Problem, nearest
from nonconv.config.spec import KINDS, component_model, experiment_model
from nonconv.errors import ConfigError

TAGS = ("one", "many", "word")


def load(path: Path, settings: Iterable[str] = ()) -> tuple[Document, BaseModel]:
    """Read and validate a config. Raises ConfigError with every problem of it."""
    document = read(path, settings)
    refuse(document.problems)
    return document, validate(document)


def refuse(problems: Iterable[Problem]) -> None:
    """Raise ConfigError if there are problems, in the order of their places."""
    ordered = sorted(problems, key=lambda p: (p.place.source.startswith("--set"), p.place.line, p.place.column))
    if ordered:
        raise ConfigError(list(dict.fromkeys(str(problem) for problem in ordered)))


def validate(document: Document) -> BaseModel:
    """The typed experiment. Raises ConfigError."""
    try:
        return experiment_model().model_validate(document.data)
    except ValidationError as error:
        refuse([_problem(document, details) for details in error.errors(include_url=False)])
        raise


class _Position:
    """Where pydantic's `loc` leads: the document's path, the model that holds its last key, and what that key allows."""

    def __init__(self, loc: tuple[int | str, ...]) -> None:
        self.path: KeyPath = ()
        self.model: Any = experiment_model()
        self.kind = self.component = self.allowed = ""
        for part in loc:
            if part in TAGS:
                continue
            if self.kind and not self.component:
                self.component = str(part)
                self.model = component_model(self.kind, self.component)
            else:
                self._enter(part)

    def _enter(self, part: int | str) -> None:
        self.path = (*self.path, part)
        field = self.model.model_fields.get(part) if self.model and isinstance(part, str) else None
        if field is None:
            return
        extra = dict(field.json_schema_extra or {})
        self.allowed = str(extra.get("x-allowed", ""))
        nested = field.annotation
        if "x-kind" in extra:
            self.kind, self.component = str(extra["x-kind"]), ""
        elif isinstance(nested, type) and issubclass(nested, BaseModel):
            self.model, self.kind, self.component = nested, "", ""


def _problem(document: Document, details: Any) -> Problem:
    """One of pydantic's errors in our words."""
    error, value, context = details["type"], details.get("input"), details.get("ctx", {})
    at = _Position(details["loc"])
    key = dotted(at.path)
    place = document.place(at.path)
    if error == "missing":
        names = f"missing; {at.component} needs it" if at.component else "missing"
        return Problem(names, document.place(at.path[:-1]), key, at.allowed)
    if error == "extra_forbidden":
        known = list(at.model.model_fields)
        owner = f"unknown parameter of {at.component}" if at.component else "unknown key"
        place = document.keys.get(at.path, place)
        return Problem(owner, place, key, ", ".join(known), nearest(at.path[-1], known))
    if error == "union_tag_invalid":
        names = list(KINDS[at.kind])
        what = f"unknown {KINDS[at.kind].noun} {context['tag']!r}"
        place = document.place((*at.path, "name"))
        return Problem(what, place, key, ", ".join(names), nearest(context["tag"], names))
    if error == "union_tag_not_found":
        return _without_name(at, key, place, value)
    if error == "complaint":
        path = (*at.path, context["parameter"])
        return Problem(context["message"], document.place(path), dotted(path))
    return Problem(f"cannot be {kind_of(value)}", place, key, at.allowed, _nearest_value(at.allowed, value))


def _without_name(at: _Position, key: str, place: Place, value: Any) -> Problem:
    names = ", ".join(KINDS[at.kind])
    if isinstance(value, dict):
        return Problem("missing key name", place, key, f"name: one of {names}")
    return Problem(f"cannot be {kind_of(value)}", place, key, f"a mapping with a name, one of {names}")


def _nearest_value(allowed: str, value: Any) -> str:
    return nearest(value, allowed.removeprefix("a list of ").split(", ")) if isinstance(value, str) else ""
