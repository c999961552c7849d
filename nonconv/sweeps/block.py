"""The `sweep:` block of a config: which keys take which values, as a grid that unfolds lazily. Values keep their places.

    sweep:
      optimizer.beta1: [0.5, 0.9, 0.99]                     # an axis
      optimizer.beta2: {one_minus_logspace: [-3, -1, 20]}   # an axis of generated values
      zip: {seed: [1, 2], steps: [100, 200]}                # keys that change together: one axis
      exclude: optimizer.beta1**2 >= optimizer.beta2
      curves: optimizer.beta1 = sqrt(optimizer.beta2)       # drawn over maps
      baseline: {optimizer.beta1: 0.9}                      # the cell that others are compared with
      best_over: optimizer.beta1                            # its best value is chosen on one half of the paths

`--grid KEY=VALUES` adds axes to the block before it is read.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, Literal, get_args, get_origin

import numpy as np

from nonconv.components.parameters import bare, parameters_of
from nonconv.config.document import AS_NUMBER, Document, KeyPath, dotted, parse, scalar
from nonconv.config.expression import ALLOWED, Expression, equation, expression
from nonconv.config.spec import common_parameters
from nonconv.faults.errors import ConfigError
from nonconv.faults.problems import Place, Problem, kind_of, must_be, nearest
from nonconv.sweeps.grid import Axis, Grid, Point, Setting
from nonconv.sweeps.spacings import DIGITS, SPACINGS

RESERVED = ("zip", "include", "exclude", "curves", "baseline", "best_over", "best_by")
"""Keys of the block that are not config keys."""
NEVER_SWEPT = {
    "paths": "an experiment with more paths is the same one",
    "claim": "a sweep has one claim",
    "expect": "it is about one experiment",
    "figures": "it changes no result",
    "sweep": "it is the grid itself",
    "plugins": "all cells have the same",
}
MOST_CELLS, MOST_VALUES = 10_000_000, 100_000
"""More cells of a grid, or values of a key, are taken for a mistake."""
MOST_PARTS = 10
"""Parts of a dotted key; no key that can be swept has as many."""
DEEPEST = 30
"""Levels of a config; copying a deeper one would exhaust Python's stack."""
MOST_LISTED = 8
"""Values that an error lists; of more the first ones and the last."""
KINDS = {"objective.data": ("data", "dataset"), "objective.data.drift": ("drift",), "objective.gradient_noise": ("data",)}
"""Kinds of the components at keys that are no kind themselves."""
COMPONENTS = ("objective", "optimizer", *KINDS, *AS_NUMBER)
"""Keys whose value may be written as its name alone."""
RANGE = re.compile(r"([^:,{}\[\]]+):([^:,{}\[\]]+):([^:,{}\[\]]+)")
VALUES = "a list of values, or a mapping of one of linspace, logspace, geomspace, one_minus_logspace to [first, last, number]"


def with_grids(document: Document, grids: Iterable[str]) -> None:
    """Add `--grid` options to the document's sweep block; each replaces what is there for its key.

        optimizer.beta1=0.9,0.99       a list of values
        optimizer.beta1=0:0.99:20      first, last and number, evenly spaced

    What is wrong with an option is added to the document's problems.
    """
    for text in grids:
        name, equals, values = text.partition("=")
        key = name.strip()
        place = Place(f"--grid {text}", 0, 0, "")
        if not equals or not all(key.split(".")):
            document.problems.append(
                Problem("must have the form key=values, as in optimizer.beta1=0:0.99:20 or optimizer.beta1=0.9,0.99", place)
            )
            continue
        ends = [scalar(part) for part in values.split(":")]
        if len(ends) == 2 and all(map(_is_number, ends)):
            document.problems.append(Problem("a range has three parts, first:last:number, as 0:0.99:20", place, key))
            continue
        found = RANGE.fullmatch(values)
        other = parse(f"[{{linspace: [{', '.join(found.groups())}]}}]" if found else f"[{values}]", place.source, whole=True)
        document.problems += [replace(one, key=f"sweep.{key}{one.key}" if one.key else "") for one in other.problems]
        if not other.problems:
            set_key(document, key, _unwrap(other.data), place)


def with_best(document: Document, over: Sequence[str], by: str) -> None:
    """Put the keys of `--best-over`, each one or several with commas, and `--best-by` into the document's sweep block."""
    keys = [key.strip() for text in over for key in text.split(",")]
    if keys:
        set_key(document, "best_over", keys, Place(f"--best-over {','.join(keys)}", 0, 0, ""))
    if by:
        set_key(document, "best_by", by, Place(f"--best-by {by}", 0, 0, ""))


def _unwrap(values: list[Any]) -> Any:
    """Return the values that an option means, given what is between the brackets put around it.

    `[a, b]` is a list of values, and `{linspace: [0, 1, 3]}` a spacing; `[0, 1], [1, 0]` are two values.
    """
    return values[0] if len(values) == 1 and isinstance(values[0], list | dict) and not _is_component(values[0]) else values


def set_key(document: Document, key: str, values: Any, place: Place) -> None:
    """Set a key of the document's sweep block, which is made if it is missing."""
    document.data = document.data if isinstance(document.data, dict) else {}
    if document.data.get("sweep") is None:
        document.data["sweep"] = {}
        document.values[("sweep",)] = place
    block = document.data["sweep"]
    if isinstance(block, dict):
        block[key] = values
        for path in [path for path in document.values if path[:2] == ("sweep", key)]:
            del document.values[path]
        document.values[("sweep", key)] = document.keys[("sweep", key)] = place


def read_grid(document: Document) -> Grid:
    """Read the grid of the document's sweep block. Raises ConfigError with every problem of it."""
    if _is_deeper(document.data, DEEPEST):
        raise ConfigError([f"{document.source}: nested too deeply"])
    reader = _Reader(document)
    grid = reader.grid(document.data.get("sweep"))
    if reader.problems:
        raise ConfigError(list(dict.fromkeys(str(problem) for problem in reader.problems)))
    return grid


class _Reader:
    """Turn the block into a grid; collect problems.

    places: the place of each swept key, for errors in the cells.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self.places: dict[str, Place] = {}

    def grid(self, block: Any) -> Grid:
        """Return the grid. Where something is wrong, it is incomplete and `problems` says what."""
        if not isinstance(block, dict) or not block:
            if "sweep" in self.document.data:
                self._complain(("sweep",), *must_be("a mapping of keys to their values", kind_of(block)))
            else:
                nowhere = Place(self.document.source, 0, 0, "")
                self.problems.append(
                    Problem("missing", nowhere, "sweep", "a mapping of keys to their values, or --grid key=values")
                )
            return Grid(())
        # Axes that are empty had a problem, which is reported; the grid of the others still finds further problems.
        plain = [self._entries(("sweep", key), key, values) for key, values in block.items() if key not in RESERVED]
        grid = Grid(tuple(axis for axis in [*plain, *self._zips(block.get("zip", []))] if axis))
        if not grid.axes and not self.problems:
            self._complain(("sweep",), "no key has values", "a mapping of keys to their values")
        self._refuse_duplicates(grid.axes)
        if grid.size > MOST_CELLS:
            self._complain(("sweep",), f"{_count(grid.size)} cells are too many", f"at most {MOST_CELLS}")
        return Grid(
            grid.axes,
            include=self._conditions("include", block, grid),
            exclude=self._conditions("exclude", block, grid),
            curves=self._curves(block),
            baseline=self._baseline(block, grid),
            best_over=self._best_over(block),
            best_by=self._best_by(block),
            places=self.places,
        )

    def _zips(self, groups: Any) -> Iterator[Axis]:
        """Yield an axis per group of zipped keys, whose values change together."""
        path: KeyPath = ("sweep", "zip")
        for k, group in enumerate(groups if isinstance(groups, list) else [groups]):
            here = (*path, k) if isinstance(groups, list) else path
            if not isinstance(group, dict) or not group:
                self._complain(here, *must_be("a mapping of keys to values, or a list of these", kind_of(group)))
                continue
            columns = [
                ((*here, key), key, self._entries((*here, key), key, values, again=True)) for key, values in group.items()
            ]
            lengths = {key: len(entries) for _, key, entries in columns}
            if len(set(lengths.values())) > 1 and all(lengths.values()):
                counts = ", ".join(f"{key} has {length}" for key, length in lengths.items())
                self._complain(here, f"zipped keys need equally many values; {counts}")
            elif all(lengths.values()):
                together = zip(*(entries for _, _, entries in columns), strict=True)
                yield tuple(tuple(setting for entry in entries for setting in entry) for entries in together)

    def _entries(self, path: KeyPath, key: str, values: Any, again: bool = False) -> Axis:
        """Return one entry per value of a key; none if something is wrong.

        again: a value may be given again, as in a zipped key.
        """
        if not self._is_key(path, key):
            return ()
        if isinstance(values, dict):
            return tuple((Setting(key, value, self.document.place(path)),) for value in self._generate(path, key, values))
        if not isinstance(values, list) or not values:
            self._complain(path, *must_be(VALUES, kind_of(values)), _nearest_reserved(key))
            return ()
        first: dict[Any, int] = {}
        found: list[Point] = []
        for k, value in enumerate(values):
            # The first occurrence is named, so that a user finds both.
            earlier = first.setdefault(_comparison_key(value), k)
            if earlier != k and not again:
                self._complain((*path, k), f"duplicate value; first given as {dotted((*path, earlier))}")
            found += self._unfold((*path, k), key, value)
        return tuple(found)

    def _is_key(self, path: KeyPath, key: str) -> bool:
        """Whether a key can be swept; complain otherwise."""
        parts = key.split(".")
        if parts[0] in NEVER_SWEPT:
            self._complain(path, f"cannot be swept: {NEVER_SWEPT[parts[0]]}", of_key=True)
        elif not all(parts) or len(parts) > MOST_PARTS:
            self._complain(path, "is not a config key", "a key such as steps or optimizer.beta1", of_key=True)
        else:
            self.places.setdefault(key, self.document.keys.get(path, self.document.place(path)))
            return True
        return False

    def _unfold(self, path: KeyPath, key: str, value: Any) -> Iterator[Point]:
        """Yield a value; a component with spacings or lists in it yields their product, each as a separate setting."""
        grids = [inner for inner, _ in self._find_grids(key, (), value)]
        axes = [self._entries((*path, *inner), ".".join((key, *inner)), one) for inner, one in self._find_grids(key, (), value)]
        number = math.prod(len(axis) for axis in axes)
        # Counted before they are made: three spacings of 10,000 values are 10**12.
        if number > MOST_VALUES:
            self._complain(path, f"{_count(number)} values are too many", f"at most {MOST_VALUES}")
            return
        outer = Setting(key, _without(value, grids), self.document.place(path))
        for entries in product(*axes):
            yield (outer, *(setting for entry in entries for setting in entry))

    def _find_grids(self, key: str, path: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
        """Yield the path and value of each spacing within a component, and of each list where a parameter holds one value.

        A parameter that may hold a list, as `hidden` of a network, keeps it.
        """
        single = self._single_parameters(key, value)
        for name, one in value.items() if isinstance(value, dict) else ():
            if _is_spacing(one) or (isinstance(one, list) and name in single):
                yield (*path, name), one
            else:
                yield from self._find_grids(f"{key}.{name}", (*path, name), one)

    def _single_parameters(self, key: str, value: Any) -> set[str]:
        """Return the parameters of a component, found by its key and name, that never hold a list."""
        name = value.get("name") if isinstance(value, dict) else None
        if not isinstance(name, str):
            return set()
        kinds = KINDS.get(key) or ((key,) if key in self.document.catalogue else ())
        kinds = ("decay",) if key.startswith("optimizer.") else kinds
        kind = next((kind for kind in kinds if name in self.document.catalogue[kind]), None)
        if kind is None:
            return set()
        parameters = [*parameters_of(self.document.catalogue[kind][name].parameters), *common_parameters(kind)]
        plain = [parameter for parameter in parameters if parameter.kind in (None, "decay")]
        return {parameter.name for parameter in plain if not _may_be_list(parameter.annotation)}

    def _generate(self, path: KeyPath, key: str, spacing: dict[str, Any]) -> list[float]:
        """Return the values of a spacing, `{linspace: [first, last, number]}`; none if something is wrong."""
        name = next(iter(spacing), "")
        if len(spacing) != 1 or name not in SPACINGS:
            self._complain_of_mapping(path, key, spacing)
            return []
        numbers, here = spacing[name], (*path, name)
        if not isinstance(numbers, list) or len(numbers) != 3:
            got = f"a list of {len(numbers)}" if isinstance(numbers, list) else kind_of(numbers)
            self._complain(here, *must_be("[first, last, number]", got))
            return []
        wrong = [k for k, value in enumerate(numbers) if not _is_number(value)]
        for k in wrong:
            self._complain((*here, k), *must_be("a number", kind_of(numbers[k])))
        if wrong:
            return []
        first, last, number = numbers
        if number != int(number) or not 1 <= number <= MOST_VALUES:
            wanted = f"a whole number of values >= 1 and <= {MOST_VALUES}"
            self._complain((*here, 2), *must_be(wanted, kind_of(number)))
            return []
        return self._space(here, name, float(first), float(last), int(number))

    def _complain_of_mapping(self, path: KeyPath, key: str, values: dict[str, Any]) -> None:
        """Complain about a mapping that is not one spacing."""
        unknown = [name for name in values if name not in SPACINGS]
        if not unknown:
            message, allowed = ("has two spacings", VALUES) if values else must_be(VALUES, kind_of(values))
            self._complain(path, message, allowed)
        elif _is_component(values):
            self._complain(path, "is one value, not a list of values", VALUES)
        else:
            near = _nearest_reserved(key) or nearest(unknown[0], SPACINGS)
            self._complain((*path, unknown[0]), f"unknown spacing {unknown[0]!r}", VALUES, near, of_key=True)

    def _space(self, path: KeyPath, name: str, first: float, last: float, number: int) -> list[float]:
        """Return the values of a spacing whose three numbers are valid; complain where they are not all different."""
        if name == "geomspace" and (first == 0 or last == 0 or (first > 0) != (last > 0)):
            self._complain(path, "a geomspace cannot reach or cross 0", "both ends > 0, or both < 0")
            return []
        try:
            with np.errstate(over="raise"):
                values = SPACINGS[name](first, last, number)
        except ArithmeticError:
            self._complain(path, "exceeds the range of floating-point numbers", "exponents of ten from -300 to 300")
            return []
        if len(set(values)) < number:
            self._complain(path, f"the {number} values are not all different, to {DIGITS} digits")
            return []
        return values

    def _refuse_duplicates(self, axes: Sequence[Axis]) -> None:
        """Complain about a key that is on two axes: no cell could have both values."""
        first: dict[str, Place] = {}
        for axis in axes:
            here: dict[str, Place] = {}
            for setting in (setting for entry in axis for setting in entry):
                here.setdefault(setting.key, setting.place)
            for key in here.keys() & first.keys():
                line = f"; first given in line {first[key].line}" if first[key].line else ""
                self.problems.append(Problem(f"duplicate swept key{line}", here[key], key))
            first = here | first

    def _conditions(self, name: str, block: dict[str, Any], grid: Grid) -> tuple[Expression, ...]:
        """Return the expressions of `include` or `exclude`."""
        allowed = "an expression in config keys, or a list of these"
        found = [(path, self._expression(path, text)) for path, text in self._texts(name, block, allowed)]
        return tuple(one for path, one in found if one is not None and self._check_keys(path, one, grid))

    def _texts(self, name: str, block: dict[str, Any], allowed: str) -> Iterator[tuple[KeyPath, str]]:
        """Yield the texts of a key that holds one or a list of them."""
        given, path = block.get(name, []), ("sweep", name)
        for k, text in enumerate(given if isinstance(given, list) else [given]):
            here: KeyPath = (*path, k) if isinstance(given, list) else path
            if isinstance(text, str):
                yield here, text
            else:
                self._complain(here, *must_be(allowed, kind_of(text)))

    def _expression(self, path: KeyPath, text: str) -> Expression | None:
        """Parse a condition; complain and return None if it is none."""
        try:
            return expression(text)
        except ValueError as error:
            self._complain(path, str(error), ALLOWED)
            return None

    def _check_keys(self, path: KeyPath, found: Expression, grid: Grid) -> bool:
        """Whether the condition's keys exist; complain otherwise.

        A key that no cell has would make a condition that never holds, and so a grid that is silently empty or full.
        """
        written = {key: value for key, value in self.document.data.items() if key != "sweep"}
        swept = [_keys_within(setting.key, setting.value) for axis in grid.axes for entry in axis for setting in entry]
        known = list(dict.fromkeys(key for keys in [self.places, *swept, _keys_within("", written)] for key in keys))
        unknown = [key for key in found.keys if key not in known]
        for key in unknown:
            allowed = f"keys that are swept or written in the config, as {_list_some(list(self.places))}; write text in quotes"
            self._complain(path, f"there is no key {key}", allowed, _nearest_key(key, known))
        if not found.keys:
            self._complain(path, f"{kind_of(found.text)} names no key, so it is the same in every cell")
        return bool(found.keys) and not unknown

    def _curves(self, block: dict[str, Any]) -> tuple[str, ...]:
        """Return the texts of the equations; complain about those in keys that are not swept."""
        found, keys = [], list(self.places)
        allowed = "an equation in swept keys, as optimizer.beta1 = sqrt(optimizer.beta2)"
        for path, text in self._texts("curves", block, f"{allowed}, or a list of these"):
            try:
                named = equation(text).keys
            except ValueError as error:
                self._complain(path, str(error), allowed)
                continue
            for key in named:
                if key not in keys:
                    self._complain(path, f"{key} is not swept", _list_some(keys), _nearest_key(key, keys))
            if not named:
                self._complain(path, f"{kind_of(text)} names no key", allowed)
            found.append(text)
        return tuple(found)

    def _baseline(self, block: dict[str, Any], grid: Grid) -> Point:
        """Return the settings of the baseline; complain about keys and values that no cell has."""
        given, keys = block.get("baseline", {}), list(self.places)
        path: KeyPath = ("sweep", "baseline")
        if not isinstance(given, dict):
            self._complain(path, *must_be("a mapping of swept keys to one of their values", kind_of(given)))
            return ()
        for key, value in given.items():
            values = [setting.value for axis in grid.axes for entry in axis for setting in entry if setting.key == key]
            if key not in keys:
                self._complain((*path, key), f"{key} is not swept", _list_some(keys), _nearest_key(key, keys), of_key=True)
            elif values and not any(same(value, other) for other in values):
                self._complain(
                    (*path, key), f"{kind_of(value)} is not among its values", _list_some([_value_text(one) for one in values])
                )
        return tuple(Setting(key, value, self.document.place((*path, key))) for key, value in given.items())

    def _best_over(self, block: dict[str, Any]) -> tuple[str, ...]:
        """Return the keys over which the best cell is chosen; complain about those that are not swept."""
        found, keys = dict[str, None](), list(self.places)
        for path, text in self._texts("best_over", block, "a swept key, or a list of these"):
            if text not in keys:
                self._complain(path, f"{text} is not swept", _list_some(keys), _nearest_key(text, keys))
            found[text] = None
        return tuple(found)

    def _best_by(self, block: dict[str, Any]) -> str:
        """Return what the best cell has least of, which is known once all cells are; an empty text for the first ξ."""
        given = block.get("best_by", "")
        if not isinstance(given, str | int | float) or isinstance(given, bool):
            self._complain(("sweep", "best_by"), *must_be("a ξ, a floor or a quantity", kind_of(given)))
        elif given != "" and not block.get("best_over"):
            self._complain(("sweep", "best_by"), "without best_over, which says over which keys the best cell is chosen")
        return str(given)

    def _complain(self, path: KeyPath, message: str, allowed: str = "", near: str = "", of_key: bool = False) -> None:
        """Add a problem with the place of a path's value, or of its key."""
        place = self.document.place(path)
        if of_key:
            place = self.document.keys.get(path, place)
        self.problems.append(Problem(message, place, dotted(path), allowed, near))


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether a value has more levels than these."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(_is_deeper(one, levels - 1) for one in inner)


def same(one: Any, other: Any) -> bool:
    """Whether two swept values are the same; a component without parameters is the same as its name."""
    return bool(_comparison_key(_as_mapping(one)) == _comparison_key(_as_mapping(other)))


def _as_mapping(value: Any) -> Any:
    """Return a name as the mapping that it means."""
    return {"name": value} if isinstance(value, str) else value


def _comparison_key(value: Any) -> Any:
    """Return a hashable that is the same for 1 and 1.0, and another for true, which Python takes for 1."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else repr(value)


def _value_text(value: Any) -> str:
    """Write a value as in a config."""
    return value if isinstance(value, str) else json.dumps(value)


def _keys_within(key: str, value: Any) -> Iterator[str]:
    """Yield a key and those within its value, as if that were written in full."""
    if key:
        yield key
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _keys_within(f"{key}.{name}" if key else name, one)
    elif isinstance(value, str) and key in COMPONENTS:
        yield f"{key}.name"
    elif isinstance(value, int | float) and key in AS_NUMBER:
        yield from (f"{key}.name", f"{key}.value")


def _list_some(values: Sequence[str]) -> str:
    """List all of them, or the first ones and the last."""
    shown = list(dict.fromkeys(values))
    return ", ".join(shown if len(shown) <= MOST_LISTED else [*shown[: MOST_LISTED - 2], "...", shown[-1]])


def _count(number: int) -> str:
    """Write a number of cells; a grid of many keys has more than anyone wants to read."""
    return str(number) if number < 10**15 else "more than 10**15"


def _nearest_reserved(key: str) -> str:
    """Return the block's own word that a misspelt key most likely means, as `exclud`."""
    return "" if "." in key else nearest(key, RESERVED)


def _nearest_key(key: str, known: Sequence[str]) -> str:
    """Return the known key that is spelled alike, or whose last part is: `beta1` for `optimizer.beta1`."""
    last = {other.rpartition(".")[2]: other for other in reversed(known)}
    return nearest(key, known) or last.get(nearest(key.rpartition(".")[2], last), "")


def _may_be_list(annotation: Any) -> bool:
    """Whether a parameter of this annotation may hold a list."""
    core, _ = bare(annotation)
    return get_origin(core) is tuple or any(_may_be_list(part) for part in get_args(core) if get_origin(core) is not Literal)


def _without(value: Any, paths: Sequence[tuple[str, ...]]) -> Any:
    """Return a mapping without what is at these paths within it, which are separate settings."""
    if not paths or not isinstance(value, dict):
        return value
    left_out = {path[0] for path in paths if len(path) == 1}
    return {
        name: _without(one, [path[1:] for path in paths if path[0] == name and len(path) > 1])
        for name, one in value.items()
        if name not in left_out
    }


def _is_component(value: Any) -> bool:
    return isinstance(value, dict) and "name" in value


def _is_spacing(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in SPACINGS


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
