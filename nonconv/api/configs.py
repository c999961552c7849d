"""A config as Python has it: the name of a file, or a mapping; with values that replace some of its own.

Both become the Document that a file becomes, so that everything later is the same. A value in a mapping has no line:
its errors name its key.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from nonconv.api.options import Config
from nonconv.config.document import MOST_NODES, Document, KeyPath, dotted
from nonconv.config.files import BASE, read, with_base
from nonconv.faults.errors import UsageError
from nonconv.faults.problems import Place, Problem, kind_of
from nonconv.sweeps.block import set_key

SOURCE, ARGUMENT = "config", "argument"
"""What errors call a mapping, and a value given beside the config."""
ALLOWED = "numbers, texts, true, false, None, lists and mappings of these; NumPy's numbers and arrays too"
DEEPEST = 50
"""Levels of a config; a mapping that contains itself has more."""
SINGLE: dict[type[Any], Callable[[Any], Any]] = {str: str.__str__, int: int, float: float, os.PathLike: os.fspath}
"""What makes a plain value of one of a kind: of NumPy's float64, which is a float, or of an enumeration's text."""


def as_document(config: Config, settings: Mapping[str, Any]) -> Document:
    """Read a config, and set the values of dotted keys. Problems are collected in the document; nothing is raised for them.

    Raises UsageError where `config` is neither a name nor a mapping.
    """
    document = _read(config)
    for key, value in settings.items():
        place = Place(ARGUMENT, 0, 0, "")
        converter = _Converter(place)
        found = converter.plain((key,), value)
        if key == BASE or not all(key.split(".")):
            message = "a config is based on another; arguments come after both" if key == BASE else "is not a config key"
            converter.problems.append(Problem(message, place, key))
        document.problems += converter.problems
        if not converter.problems:
            document.assign(key, found, place)
    return document


def with_grid(document: Document, grid: Mapping[str, Any]) -> None:
    """Add axes to the sweep block of a document, each in the place of what is there for its key.

    grid: keys with their values; also zip, include, exclude, curves and baseline, as in a config. Raises UsageError.
    """
    if not isinstance(grid, Mapping):
        raise UsageError(f"grid: {_kind(grid)} is no grid\n  allowed: a mapping of keys to lists of values")
    place = Place("grid", 0, 0, "")
    converter = _Converter(place)
    for key, values in converter.plain((), grid).items():
        set_key(document, key, values, place)
    document.problems += converter.problems


def with_best(document: Document, over: Any, by: Any) -> None:
    """Add over which keys, and by what, the best cell of a sweep is chosen. Raises UsageError for what cannot be."""
    keys = [over] if isinstance(over, str) else list(over) if isinstance(over, Iterable) else [None]
    if not all(isinstance(key, str) and key for key in keys if over != ""):
        raise UsageError(f"best_over: {over!r}\n  allowed: a swept key, or a list of these")
    for name, value in (("best_over", [key for key in keys if key]), ("best_by", by)):
        if value:
            set_key(document, name, value, Place(name, 0, 0, ""))


def _read(config: Config) -> Document:
    """Read a config without further values."""
    if isinstance(config, Mapping):
        converter = _Converter(Place(SOURCE, 0, 0, ""))
        return with_base(Document(SOURCE, converter.plain((), config), problems=converter.problems))
    if not isinstance(config, str | os.PathLike):
        raise UsageError(f"config: {_kind(config)} is no config\n  allowed: the name of a file, or a mapping of its keys")
    if not os.fspath(config):
        raise UsageError("config: the name of the file is empty")
    return read(Path(config))


class _Converter:
    """Turns values of Python and NumPy into those that a config has; collects what cannot be one, with its key."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.problems: list[Problem] = []
        self.visited = 0

    def plain(self, path: KeyPath, value: Any) -> Any:
        """Return a value as a config has it; None for one that it cannot have."""
        self.visited += 1
        if self.visited > MOST_NODES or len(path) > DEEPEST:
            if not self.problems:
                self._complain((), "is nested too deeply" if len(path) > DEEPEST else f"has more than {MOST_NODES} values")
            return None
        if isinstance(value, Mapping):
            return {key: self.plain((*path, key), value[key]) for key in value if self._is_key(path, key)}
        if isinstance(value, list | tuple | range):
            return [self.plain((*path, k), one) for k, one in enumerate(value)]
        return self._single(path, value)

    def _single(self, path: KeyPath, value: Any) -> Any:
        """Return a value that holds no others, or an array."""
        if value is None or isinstance(value, bool):
            return value
        for kind, convert in SINGLE.items():
            if isinstance(value, kind):
                return convert(value)
        return self._unpacked(path, value)

    def _unpacked(self, path: KeyPath, value: Any) -> Any:
        """Return what an array, or a number of another library, holds."""
        try:
            held = value.tolist()
        except Exception:  # whatever a foreign object raises, it is no value of a config
            held = value
        if type(held) in (bool, int, float, str, list):
            return self.plain(path, held)
        self._complain(path, f"{_kind(value)} cannot be a value of a config", ALLOWED)
        return None

    def _is_key(self, path: KeyPath, key: Any) -> bool:
        """Whether this can be a key; complain otherwise."""
        if not isinstance(key, str):
            got = kind_of(key) if isinstance(key, int | float) else _kind(key)
            self._complain((*path, str(key)), f"a key must be a text, got {got}")
        return isinstance(key, str)

    def _complain(self, path: KeyPath, message: str, allowed: str = "") -> None:
        self.problems.append(Problem(message, self.place, dotted(path), allowed))


def _kind(value: object) -> str:
    """Name the type of a value: `a set`, `a complex`."""
    name = "nothing" if value is None else type(value).__name__
    return name if value is None else f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
