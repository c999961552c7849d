"""A sweep read back from its folder: its cells, their results, and which cells a figure shows.

A mask is an array of booleans, one per cell, in the order of sweep.csv. A view is the masks of a figure's panels.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import yaml
from numpy.typing import NDArray

from nonconv.numerics.arithmetic import Array
from nonconv.readback import load
from nonconv.report.labels import xi_name
from nonconv.results.columns import Columns, read_columns
from nonconv.results.iterates import split_name
from nonconv.results.stored import Sweep

Mask = NDArray[np.bool_]
"""Which cells are meant, shape (cells,)."""
DECIDED = ("does_not_converge", "converges", "diverges", "undefined")
SWEEP_TABLE = "sweep.csv"
MOST_PANELS = 6
MOST_CHANGES = 40
"""A design with more cells than this is not shown cell by cell."""
LEFT_OUT = "last"
"""The ξ whose final error is 0 by definition, of which nothing is shown."""
TOLD_BY_OTHERS = ("first_passage_censored: ", "bound: ")
"""How the names of quantities begin that say nothing new: 1 minus another, and what a count is about."""
LONGEST_PART = 40
"""Characters of the name of a key or a ξ in the name of a file, which has at most three of them."""
LONGEST_NUMBER = 8
"""Characters of a number that figures show in full."""
FLOORS, LOSSES = ("twin", "window", "cauchy"), ("risk", "training_loss")
ENDS = {
    "twin": "twin floor",
    "window": "window floor",
    "cauchy": "Cauchy floor",
    "risk": "risk on held-out examples",
    "idle": "share of idle units",
    "training_loss": "training loss",
}
"""The final numbers of a path other than its errors, with the names that people read."""


@dataclass(frozen=True)
class SweepResult:
    """The data files of a sweep's folder.

    about: sweep.json. columns: sweep.csv, one row per cell.
    """

    folder: Path
    about: dict[str, Any]
    columns: Columns

    @property
    def cells(self) -> int:
        """The number of cells."""
        return self.columns.rows

    def texts(self, name: str) -> NDArray[np.str_]:
        """Return a column as text, shape (cells,); empty if it is missing."""
        return np.array(self._column(name), dtype=np.str_)

    def numbers(self, name: str) -> Array:
        """Return a column as numbers, shape (cells,); nan where it is empty or missing."""
        return self.columns.numbers(name) if name in self.columns.texts else np.full(self.cells, np.nan)

    def _column(self, name: str) -> list[str]:
        """Return a column as it is written; empty texts if it is missing."""
        return self.columns[name] if name in self.columns.texts else [""] * self.cells

    def known(self, name: str) -> Mask:
        """Find the cells in which a column is not empty; inf and nan count. Shape (cells,)."""
        return np.array([text != "" for text in self._column(name)])

    def verdict(self, answer: str, column: str = "verdict") -> Mask:
        """Find the cells with this verdict, shape (cells,). column: that of the last iterate, or of another.

        Without floors `undecided` means not judged, and marks no cell.
        """
        return self.done & self.equal(column, answer) & (self.judged or answer in DECIDED)

    @property
    def quantities(self) -> dict[str, str]:
        """What cells end with of the quantities that the config asks for: by name, with what axes call it.

        Not the share that is censored, which is 1 minus the one that has passed, nor bounds, which the config has.
        """
        return {name: title for name, title in self.about.get("quantities", {}).items() if not name.startswith(TOLD_BY_OTHERS)}

    @property
    def judged(self) -> bool:
        """Whether floors were measured, so that cells could be decided at all."""
        return bool(set(self.about["floors"]) & set(FLOORS))

    @property
    def losses(self) -> list[str]:
        """What networks end with that is a loss, with its difference from the baseline and its slope."""
        return [name for name in self.about["floors"] if name in LOSSES]

    def equal(self, name: str, text: str) -> Mask:
        """Find the cells in which a column is exactly this text, shape (cells,)."""
        return np.array([found == text for found in self.columns[name]])

    @cached_property
    def done(self) -> Mask:
        """The cells that have a result, shape (cells,)."""
        return self.equal("status", "done")

    @cached_property
    def failed(self) -> Mask:
        """The cells that ended with an error, shape (cells,)."""
        return self.equal("status", "failed")

    @property
    def xi(self) -> list[str]:
        """The labels of the configured ξ that figures and tables show: not the last iterate, whose final error is always 0.

        Those of other iterates too, as `minimizer polyak`.
        """
        return [label for label in self.about["xi"] if self.whose(label)[0] != LEFT_OUT]

    @property
    def iterates(self) -> list[str]:
        """The iterates besides the last."""
        return list(self.about.get("iterates", ()))

    def whose(self, name: str) -> tuple[str, str]:
        """Split the name of an error or a floor from the iterate that it is of, which is empty for the last."""
        return split_name(name, self.iterates)

    def verdict_column(self, name: str) -> str:
        """Return the column of the verdict on the iterate that a column is of."""
        iterate = self.whose(name)[1]
        return f"verdict {iterate}" if iterate else "verdict"

    def title(self, name: str) -> str:
        """Name an error or a floor for people: `polyak: minimizer`."""
        own, iterate = self.whose(name)
        return f"{iterate}: {ENDS.get(own, own)}" if iterate else ENDS.get(own, own)

    def values(self, key: str) -> list[str]:
        """List the distinct values of a key: numbers by size, names by first occurrence."""
        if key not in self._values:
            found = [text for text in self.columns.values(key) if text]
            self._values[key] = sorted(found, key=float) if all(map(is_number, found)) else found
        return list(self._values[key])

    @cached_property
    def _values(self) -> dict[str, list[str]]:
        """What `values` has found."""
        return {}

    def brief(self, key: str, value: str) -> str:
        """Write a value for figures.

        Long numbers are rounded to the fewest digits, at least three, that keep values distinct. A component has its name, and
        the parameters in which it differs from others of that name.
        """
        if value.startswith("{"):
            return brief_component(value, self.values(key))
        if len(value) <= LONGEST_NUMBER or not is_number(value):
            return value
        numbers = [float(text) for text in self.values(key) if is_number(text)]
        rounded = ([f"{number:.{digits}g}" for number in (float(value), *numbers)] for digits in range(3, 17))
        return next((own for own, *others in rounded if others.count(own) == 1), value)

    @cached_property
    def numeric(self) -> list[str]:
        """The swept keys whose values are all numbers."""
        return [key for key in self.swept if all(map(is_number, self.values(key)))]

    @cached_property
    def names(self) -> list[str]:
        """The swept keys with values that are not numbers, such as names of optimizers."""
        return [key for key in self.swept if key not in self.numeric]

    @cached_property
    def swept(self) -> list[str]:
        """The keys that distinguish cells: those with at least two values, without keys that depend on another.

        A key depends on another if each value of the other goes with a single value of this one: the learning rate given per
        optimizer, the second of two zipped keys. It would make axes without cells.
        """
        found = [key for key in self.about["keys"] if len(self.values(key)) > 1]
        names = [key for key in found if not all(map(is_number, self.values(key)))]
        numbers = [key for key in found if key not in names]
        # Where two keys change together a number says more than a list, as the number of values than the values; but a list
        # that all else depends on is the one key of its sweep.
        lists = [key for key in names if all(value.startswith("[") for value in self.values(key))]
        others = [key for key in names if key not in lists]
        leading = min(self._leading([*others, *numbers, *lists]), self._leading([*names, *numbers]), key=len)
        return [key for key in found if key in leading]

    def _leading(self, keys: list[str]) -> list[str]:
        """Return the keys that depend on none before them."""
        return [key for k, key in enumerate(keys) if not any(self._depends_on(key, other) for other in keys[:k])]

    def _depends_on(self, key: str, other: str) -> bool:
        """Whether each value of the other key goes with a single one of this."""
        there = self.known(key) & self.known(other)
        pairs = set(zip(self.texts(key)[there], self.texts(other)[there], strict=True))
        return bool(pairs) and len(pairs) == len({pair[1] for pair in pairs}) and bool(there.sum() == self.known(key).sum())

    @cached_property
    def base(self) -> int | None:
        """The cell from which every other differs in one swept key alone, as in a one-at-a-time design; None if there is none.

        It is the baseline, or else the first such cell. Along a single key every sweep would be such a design.
        """
        keys = [key for key in self.about["keys"] if len(self.values(key)) > 1]
        if len(keys) < 2 or not 3 <= self.cells <= MOST_CHANGES:
            return None
        texts = np.array([self.texts(key) for key in keys])
        given = np.flatnonzero(self.equal("cell", self.about.get("baseline", "")))
        alone = (int(k) for k in (*given, *range(self.cells)) if _differ_in_one(texts, int(k)))
        return next(alone, None)

    def change(self, cell: int) -> str:
        """Return the key in which a cell differs from `base`; an empty text for the base itself."""
        assert self.base is not None
        keys = (key for key in self.about["keys"] if self.columns[key][cell] != self.columns[key][self.base])
        return next(keys, "")

    def cross(self, one: str, other: str) -> bool:
        """Whether two keys vary independently. Keys that change together span a line, not a plane."""
        there = self.known(one) & self.known(other)
        pairs = set(zip(self.texts(one)[there], self.texts(other)[there], strict=True))
        return len(pairs) > max(len({pair[k] for pair in pairs}) for k in (0, 1)) if pairs else False


def _differ_in_one(texts: NDArray[np.str_], base: int) -> bool:
    """Whether all other columns of texts (keys, cells) differ from that of the base in exactly one place."""
    different = (texts != texts[:, [base]]).sum(axis=0)
    return bool((np.delete(different, base) == 1).all())


def is_sweep(folder: Path) -> bool:
    """Whether a folder holds a sweep, not a run."""
    return (folder / SWEEP_TABLE).exists()


def read_sweep_result(folder: Path) -> SweepResult:
    """Read sweep.json and sweep.csv of a sweep's folder. Raises UsageError if one is missing or damaged."""
    about = cast(dict[str, Any], load(folder / "sweep.json", Sweep))
    columns = read_columns(folder / SWEEP_TABLE)
    verdicts = ("verdict", *(f"verdict {iterate}" for iterate in about.get("iterates", ())))
    for name in ("cell", "status", *verdicts, *about["keys"], *(f"mse_{label}" for label in about["xi"])):
        columns[name]  # raises UsageError where the table lacks it
    return SweepResult(folder, about, columns)


def is_number(text: str) -> bool:
    """Whether a text is a finite number."""
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def brief_component(value: str, values: Iterable[str]) -> str:
    """Write a component by its name and what distinguishes it among values of one key: `adam (eps 1)` beside `adam`."""
    own, others = _parsed(value), [_parsed(text) for text in values]
    return _brief(own, others) if isinstance(own, dict) and "name" in own else value


def _brief(own: Any, others: list[Any]) -> str:
    """Write a value, of which others are the alternatives; mappings by name and differences."""
    if not (isinstance(own, dict) and "name" in own):
        return "null" if own is None else str(own)
    alike = [other if isinstance(other, dict) else {} for other in others if _name(other) == own["name"]]
    keys = [key for key in own if key != "name" and any(other.get(key) != own[key] for other in alike)]
    told = [f"{key} {_brief(own[key], [other.get(key) for other in alike])}" for key in keys]
    return f"{own['name']} ({', '.join(told)})" if told else str(own["name"])


def _name(component: Any) -> Any:
    """Return the name of a component, which may be written as such."""
    return component.get("name") if isinstance(component, dict) else component


def _parsed(text: str) -> Any:
    """Return a value of sweep.csv: a component, or its text."""
    return yaml.safe_load(text) if text.startswith("{") else text


@dataclass(frozen=True)
class Quantity:
    """What a figure shows.

    name: part of its file name. column: in sweep.csv. label: at its axis. kind: positive, slope, difference or verdict.
    """

    name: str
    column: str
    label: str
    kind: str

    def shows(self, result: SweepResult) -> bool:
        """Whether any cell has the quantity. Verdicts need a decided one: cells without floors are all undecided."""
        if self.kind != "verdict":
            return bool((result.known(self.column) & result.done).any())
        return any(result.verdict(answer, self.column).any() for answer in DECIDED)


def quantities(result: SweepResult) -> list[Quantity]:
    """List every quantity that a sweep may have: per ξ error, slope and difference; floors; the verdict."""
    steps = result.about.get("steps")
    after = f"after {steps} steps" if steps else "after the last step"
    found = []
    for label, part in _file_parts(result).items():
        own, iterate = result.whose(label)
        error = f"E |Θₙ − ξ|² {after}\nξ = {xi_name(own)}{f' ({iterate})' if iterate else ''}"
        found.append(Quantity(f"mse{part}", f"mse_{label}", error, "positive"))
        if iterate:  # one figure of each says enough
            continue
        found.append(Quantity(f"slope{part}", f"slope_{label}", f"log-log slope of E |Θₙ − ξ|²\nξ = {xi_name(label)}", "slope"))
        found.append(
            Quantity(f"difference{part}", f"difference_{label}", f"difference from the baseline in\n{error}", "difference")
        )
    for floor in result.about.get("floors", ()):
        own, iterate = result.whose(floor)
        if own == "window" or not iterate:
            part = f"_{file_names([iterate])[0]}" if iterate else ""
            found.append(Quantity(f"{own}{part}", floor, result.title(floor), "positive"))
    for name in result.losses:
        found.append(Quantity(f"slope_{name}", f"slope_{name}", f"log-log slope of the\n{ENDS[name]}", "slope"))
        label = f"difference from the baseline in\n{ENDS[name]}, {after}"
        found.append(Quantity(f"difference_{name}", f"difference_{name}", label, "difference"))
    found += _asked(result, after)
    verdicts = [Quantity("verdict", "verdict", "verdict", "verdict")]
    for iterate, part in zip(result.iterates, file_names(result.iterates), strict=True):
        verdicts.append(Quantity(f"verdict_{part}", f"verdict {iterate}", f"verdict on {iterate}", "verdict"))
    return [*found, *verdicts]


def _file_parts(result: SweepResult) -> dict[str, str]:
    """Return by the label of each ξ what the names of its files end with, which is nothing where there is one ξ."""
    own = [label for label in result.xi if not result.whose(label)[1]]
    others = [label for label in result.xi if label not in own]
    parts = file_names([*own, *others])
    return {label: "" if [label] == own else f"_{part}" for label, part in zip([*own, *others], parts, strict=True)}


def _asked(result: SweepResult, after: str) -> Iterator[Quantity]:
    """Yield the quantities that the config asks for, and their differences from the baseline."""
    titles = result.quantities
    for (name, title), part in zip(titles.items(), file_names(titles), strict=True):
        # What may be negative has colours on both sides of 0.
        signed = bool((result.numbers(name) < 0.0).any())
        label = f"{shortened(title, 60)}\n{after}"
        yield Quantity(part, name, label, "slope" if signed else "positive")
        yield Quantity(f"difference_{part}", f"difference_{name}", f"difference from the baseline in\n{label}", "difference")


def shortened(text: str, most: int) -> str:
    """Cut a text to at most `most` characters, with an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + "…"


def file_names(names: Iterable[str]) -> list[str]:
    """Make distinct parts of file names from names, distinct also where file names ignore case."""
    found: list[str] = []
    for name in names:
        part = re.sub(r"[^A-Za-z0-9.-]+", "_", name)[:LONGEST_PART].strip("_.") or "x"
        taken = sum(other.lower() in {part.lower(), *(f"{part}_{k}".lower() for k in range(9))} for other in found)
        found.append(f"{part}_{taken + 1}" if taken else part)
    return found


def key_parts(keys: list[str]) -> dict[str, str]:
    """Make a short name per key: its last part, or as many parts as distinguish it, joined by _."""
    depths = dict.fromkeys(keys, 1)
    for key in keys:
        while sum(_last(other, depths[key]) == _last(key, depths[key]) for other in keys) > 1:
            depths[key] += 1
    return dict(zip(keys, file_names(_last(key, depths[key]) for key in keys), strict=True))


def _last(key: str, count: int) -> str:
    """Join the last parts of a key."""
    return "_".join(key.split(".")[-count:])


@dataclass(frozen=True)
class View:
    """Which cells a figure shows: keys along its axes, a key with one panel per value, all other keys held fixed.

    keys: one for a line plot, two for a map. panels: pairs of a value of panel_key (or "") and the mask of its cells.
    left_out: how many values of panel_key have no panel. fixed: the value of each key held fixed.
    """

    keys: tuple[str, ...]
    panel_key: str | None
    panels: list[tuple[str, Mask]]
    left_out: int
    fixed: dict[str, str]


def view(result: SweepResult, keys: tuple[str, ...]) -> View:
    """Return the view along these keys.

    The next key, names first, makes panels; further keys are fixed at their middle value.
    """
    others = [key for key in (*result.names, *result.numeric) if key not in keys]
    # Names first: optimizers side by side are what a reader compares.
    panel_key, further = (others[0] if others else None), others[1:]
    fixed = {key: result.values(key)[len(result.values(key)) // 2] for key in further}
    there = np.ones(result.cells, dtype=bool)
    for key in keys:
        there &= result.known(key)
    for key, value in fixed.items():
        there &= result.equal(key, value) | ~result.known(key)
    if panel_key is None:
        return View(keys, None, [("", there)], 0, fixed)
    masks = [(value, there & result.equal(panel_key, value)) for value in result.values(panel_key)]
    masks = [(value, mask) for value, mask in masks if mask.any()]
    chosen = evenly(len(masks), MOST_PANELS)
    return View(keys, panel_key, [masks[k] for k in chosen], len(masks) - len(chosen), fixed)


def evenly(count: int, most: int) -> list[int]:
    """Choose at most `most` indices of range(count), evenly spread, with both ends."""
    return sorted({round(float(k)) for k in np.linspace(0, count - 1, min(count, most))})
