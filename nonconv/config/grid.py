"""The `sweep:` block of a config: which keys take which values, as a grid that unfolds lazily. Values keep their places."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from nonconv.config.conditions import Expression, equation, expression
from nonconv.config.document import Document, KeyPath, dotted, kind_of, parse
from nonconv.config.problems import Place, Problem, nearest
from nonconv.errors import ConfigError

RESERVED = ("zip", "include", "exclude", "curves", "baseline")
NEVER_SWEPT = ("sweep", "claim", "expect", "plugins")
MOST_CELLS = 10_000_000
MOST_VALUES = 100_000
DIGITS = 12
"""Of generated numbers: fewer than two machines agree on."""
RANGE = re.compile(r"([^:,{}\[\]]+):([^:,{}\[\]]+):([^:,{}\[\]]+)")
VALUES = "a list of values, or a mapping of one of linspace, logspace, geomspace, one_minus_logspace to [first, last, number]"


class Setting(NamedTuple):
    """A key and the value it has in a cell, with the place where that stands."""

    key: str
    value: Any
    place: Place


Point = tuple[Setting, ...]
"""What makes a cell of a sweep: at most one setting for each key, outer keys before those within them."""
Axis = tuple[Point, ...]


@dataclass(frozen=True)
class Grid:
    """The product of axes, less what conditions exclude. curves: equations to be drawn; baseline: whom to compare with."""

    axes: tuple[Axis, ...]
    include: tuple[Expression, ...] = ()
    exclude: tuple[Expression, ...] = ()
    curves: tuple[str, ...] = ()
    baseline: Point = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """All swept keys in the order given."""
        return tuple(dict.fromkeys(setting.key for axis in self.axes for entry in axis for setting in entry))

    @property
    def size(self) -> int:
        """How many points there are before conditions."""
        return prod(len(axis) for axis in self.axes)

    def points(self) -> Iterator[Point]:
        """All points, the first axis slowest."""
        for entries in product(*self.axes):
            yield tuple(sorted((setting for entry in entries for setting in entry), key=_depth))

    def keeps(self, names: dict[str, Any]) -> bool:
        """Whether the conditions keep a cell, given its config in full form."""
        return all(one.holds(names) for one in self.include) and not any(one.holds(names) for one in self.exclude)


def _depth(setting: Setting) -> int:
    return setting.key.count(".")


def linspace(first: float, last: float, number: int) -> list[float]:
    return [_rounded(value) for value in np.linspace(first, last, number)]


def logspace(first: float, last: float, number: int) -> list[float]:
    """NumPy's: first and last are exponents of ten."""
    return [_rounded(value) for value in np.logspace(first, last, number)]


def geomspace(first: float, last: float, number: int) -> list[float]:
    """NumPy's: first and last are the ends themselves."""
    return [_rounded(value) for value in np.geomspace(first, last, number)]


def one_minus_logspace(first: float, last: float, number: int) -> list[float]:
    """1 - 10**exponent, in decimal, so that 1 - 10**-3 is 0.999."""
    return [float(1 - Decimal(repr(value))) for value in logspace(first, last, number)]


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


SPACINGS = {"linspace": linspace, "logspace": logspace, "geomspace": geomspace, "one_minus_logspace": one_minus_logspace}


def with_grids(document: Document, grids: Iterable[str]) -> None:
    """Add `--grid` options to the document's sweep block; each replaces what is there for its key."""
    for text in grids:
        source = f"--grid {text}"
        key, equals, values = text.partition("=")
        place = Place(source, 0, 0, "")
        if not equals or not all(key.split(".")):
            document.problems.append(
                Problem("is not of the form key=values, as in optimizer.beta1=0:0.99:20 or optimizer.beta1=0.9,0.99", place)
            )
            continue
        found = RANGE.fullmatch(values)
        yaml = f"{{linspace: [{', '.join(found.groups())}]}}" if found else values if values[:1] in "{[" else f"[{values}]"
        other = parse(yaml, source, whole=True)
        document.problems += other.problems
        document.data = document.data if isinstance(document.data, dict) else {}
        block = document.data.setdefault("sweep", {})
        if isinstance(block, dict) and not other.problems:
            block[key] = other.data
            document.values |= {("sweep", key, *path): known for path, known in other.values.items()}
            document.keys[("sweep", key)] = place


def read_grid(document: Document) -> Grid:
    """The grid of the document's sweep block. Raises ConfigError with every problem of it."""
    reader = _Reader(document)
    grid = reader.grid(document.data.get("sweep"))
    if reader.problems:
        raise ConfigError([str(problem) for problem in reader.problems])
    return grid


class _Reader:
    """From the block to a grid, noting problems."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []

    def grid(self, block: Any) -> Grid:
        if not isinstance(block, dict) or not block:
            self._complain(("sweep",), f"cannot be {kind_of(block)}", "a mapping of keys to their values")
            return Grid(())
        plain = [self._entries(("sweep", key), key, values) for key, values in block.items() if key not in RESERVED]
        axes = tuple(axis for axis in [*plain, *self._zips(block.get("zip", []))] if axis)
        if not axes and not self.problems:
            self._complain(("sweep",), "no key has values", "a mapping of keys to their values")
        grid = Grid(axes)
        self._refuse_twice(axes)
        if grid.size > MOST_CELLS:
            self._complain(("sweep",), f"{grid.size} cells are too many", f"at most {MOST_CELLS}")
        return Grid(
            axes,
            include=self._conditions("include", block, grid.keys),
            exclude=self._conditions("exclude", block, grid.keys),
            curves=self._curves(block, grid.keys),
            baseline=self._baseline(block, grid.keys),
        )

    def _zips(self, groups: Any) -> Iterator[Axis]:
        path: KeyPath = ("sweep", "zip")
        single = isinstance(groups, dict)
        for k, group in enumerate([groups] if single else groups if isinstance(groups, list) else [None]):
            here = path if single else (*path, k)
            if not isinstance(group, dict) or not group:
                self._complain(here, f"cannot be {kind_of(groups if group is None else group)}", "mappings of keys to values")
                continue
            columns = [((*here, key), key, self._entries((*here, key), key, values)) for key, values in group.items()]
            lengths = {key: len(entries) for _, key, entries in columns}
            if len(set(lengths.values())) > 1 and all(lengths.values()):
                said = ", ".join(f"{key} has {length}" for key, length in lengths.items())
                self._complain(here, f"keys that change together need as many values each; {said}")
            elif all(lengths.values()):
                together = zip(*(entries for _, _, entries in columns), strict=True)
                yield tuple(tuple(setting for entry in entries for setting in entry) for entries in together)

    def _entries(self, path: KeyPath, key: str, values: Any) -> Axis:
        """What one key takes, an entry a value."""
        outer = key.split(".", maxsplit=1)[0]
        if outer in NEVER_SWEPT or not all(key.split(".")):
            self._complain(path, f"{key} cannot be swept", of_key=True)
            return ()
        if isinstance(values, dict):
            return tuple((Setting(key, value, self.document.place(path)),) for value in self._generated(path, values))
        if not isinstance(values, list) or not values:
            self._complain(path, f"cannot be {kind_of(values)}", VALUES)
            return ()
        seen: list[Any] = []
        found: list[Point] = []
        for k, value in enumerate(values):
            if any(value == other and type(value) is type(other) for other in seen):
                self._complain((*path, k), f"{value} stands twice")
            seen.append(value)
            found += self._unfolded((*path, k), key, value)
        return tuple(found)

    def _unfolded(self, path: KeyPath, key: str, value: Any) -> Iterator[Point]:
        """A value; a mapping with spacings in it is as many as their product, each of those a setting of its own."""
        place = self.document.place(path)
        inner = {name: one for name, one in value.items() if _is_spacing(one)} if isinstance(value, dict) else {}
        if not inner:
            yield (Setting(key, value, place),)
            return
        outer = Setting(key, {name: one for name, one in value.items() if name not in inner}, place)
        axes = [self._entries((*path, name), f"{key}.{name}", one) for name, one in inner.items()]
        for entries in product(*axes):
            yield (outer, *(setting for entry in entries for setting in entry))

    def _generated(self, path: KeyPath, spacing: dict[str, Any]) -> list[float]:
        name = next(iter(spacing), "")
        if len(spacing) != 1 or name not in SPACINGS:
            unknown = next((name for name in spacing if name not in SPACINGS), "")
            what = f"unknown spacing {unknown!r}" if unknown else f"cannot be {kind_of(spacing)}"
            self._complain(path, what, VALUES, nearest(unknown, SPACINGS))
            return []
        numbers, here = spacing[name], (*path, name)
        if not isinstance(numbers, list) or len(numbers) != 3 or not all(_is_number(value) for value in numbers):
            self._complain(here, f"cannot be {kind_of(numbers)}", "[first, last, number]: three numbers")
            return []
        first, last, number = numbers
        if number != int(number) or not 1 <= number <= MOST_VALUES:
            self._complain(
                (*here, 2), f"cannot be {kind_of(number)}", f"how many values: a whole number >= 1 and <= {MOST_VALUES}"
            )
            return []
        return self._spaced(here, name, first, last, int(number))

    def _spaced(self, path: KeyPath, name: str, first: float, last: float, number: int) -> list[float]:
        if name == "geomspace" and first * last <= 0:
            self._complain(path, "the ends of a geomspace are both positive or both negative")
            return []
        try:
            with np.errstate(over="raise"):
                values = SPACINGS[name](first, last, number)
        except (ArithmeticError, ValueError):
            values = [float("inf")]
        if not np.isfinite(values).all():
            self._complain(path, "leaves the range of numbers", "exponents of ten from -300 to 300")
            return []
        if len(set(values)) < number:
            self._complain(path, f"the {number} values are not all different")
            return []
        return values

    def _refuse_twice(self, axes: Sequence[Axis]) -> None:
        owners = [{setting.key for entry in axis for setting in entry} for axis in axes]
        for k, keys in enumerate(owners):
            for key in sorted(keys & {key for other in owners[:k] for key in other}):
                self._complain(("sweep",), f"{key} is swept twice")

    def _conditions(self, name: str, block: dict[str, Any], keys: Sequence[str]) -> tuple[Expression, ...]:
        found = [self._expression(path, text) for path, text in self._texts(name, block)]
        return tuple(one for one in found if one is not None and self._knows(name, one, keys))

    def _texts(self, name: str, block: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
        """The texts of a key that holds one or a list of them."""
        given, path = block.get(name, []), ("sweep", name)
        for k, text in enumerate(given if isinstance(given, list) else [given]):
            here: KeyPath = (*path, k) if isinstance(given, list) else path
            if isinstance(text, str):
                yield here, text
            else:
                self._complain(here, f"cannot be {kind_of(text)}", "an expression in config keys, or a list of these")

    def _expression(self, path: KeyPath, text: str) -> Expression | None:
        try:
            return expression(text)
        except ValueError as error:
            self._complain(
                path, str(error), "config keys, numbers, texts, + - * / **, comparisons, and, or, not, sqrt, log, exp"
            )
            return None

    def _knows(self, name: str, found: Expression, keys: Sequence[str]) -> bool:
        """Keys that stand in no cell would make a condition that never holds."""
        known = [*keys, *(dotted(path) for path in self.document.values if path and path[0] != "sweep")]
        unknown = [key for key in found.keys if not any(other == key or key.startswith(f"{other}.") for other in known)]
        for key in unknown:
            allowed = f"a key that is swept or written in the config, as {', '.join(keys)}"
            self._complain(("sweep", name), f"there is no key {key}", allowed, nearest(key, known))
        return not unknown

    def _curves(self, block: dict[str, Any], keys: Sequence[str]) -> tuple[str, ...]:
        found = []
        for path, text in self._texts("curves", block):
            try:
                unknown = [key for key in equation(text).keys if key not in keys]
            except ValueError as error:
                self._complain(path, str(error), "an equation in swept keys, as optimizer.beta1 = sqrt(optimizer.beta2)")
                continue
            for key in unknown:
                self._complain(path, f"{key} is not swept", ", ".join(keys), nearest(key, keys))
            found.append(text)
        return tuple(found)

    def _baseline(self, block: dict[str, Any], keys: Sequence[str]) -> Point:
        given = block.get("baseline", {})
        path: KeyPath = ("sweep", "baseline")
        if not isinstance(given, dict):
            self._complain(path, f"cannot be {kind_of(given)}", "a mapping of swept keys to values of theirs")
            return ()
        for key in given:
            if key not in keys:
                self._complain((*path, key), f"{key} is not swept", ", ".join(keys), nearest(key, keys), of_key=True)
        return tuple(Setting(key, value, self.document.place((*path, key))) for key, value in given.items())

    def _complain(self, path: KeyPath, message: str, allowed: str = "", near: str = "", of_key: bool = False) -> None:
        place = self.document.place(path)
        if of_key:
            place = self.document.keys.get(path, place)
        self.problems.append(Problem(message, place, dotted(path), allowed, near))


def _is_spacing(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in SPACINGS


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))
