"""A sweep read back from its folder: its cells, what was measured in each, and which of them a figure shows."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nonconv.numerics.arithmetic import Array
from nonconv.results.columns import Columns, read_columns

Mask = NDArray[np.bool_]
DECIDED = ("does_not_converge", "converges", "diverges")
SWEEP_TABLE = "sweep.csv"
MOST_PANELS = 6
LONGEST_NUMBER = 8
ENDS = {
    "twin": "twin floor",
    "window": "window floor",
    "cauchy": "Cauchy floor",
    "risk": "risk on held-out examples",
    "idle": "share of idle units",
}
"""What the numbers that paths end with are called, besides errors."""


@dataclass(frozen=True)
class SweepResult:
    """The data files of a sweep's folder. columns: sweep.csv, one row per cell."""

    folder: Path
    about: dict[str, Any]
    columns: Columns

    @property
    def cells(self) -> int:
        return self.columns.rows

    def texts(self, name: str) -> NDArray[np.str_]:
        """A column as it is written, shape (cells,)."""
        return np.array(self._column(name), dtype=np.str_)

    def numbers(self, name: str) -> Array:
        """A column, shape (cells,); nan where it is empty or missing."""
        return self.columns.numbers(name) if name in self.columns.texts else np.full(self.cells, np.nan)

    def _column(self, name: str) -> list[str]:
        return self.columns[name] if name in self.columns.texts else [""] * self.cells

    def known(self, name: str) -> Mask:
        """In which cells a column says anything, be it inf, shape (cells,)."""
        return np.array([text != "" for text in self._column(name)])

    def verdict(self, answer: str) -> Mask:
        """Which cells gave this answer, shape (cells,); none where no floor was measured that could decide."""
        return self.done & self.equal("verdict", answer) & (self.judged or answer in DECIDED)

    @property
    def judged(self) -> bool:
        """Whether floors were measured, so that a cell that is not decided might have been."""
        return bool(self.about["floors"])

    def equal(self, name: str, text: str) -> Mask:
        """In which cells a column says this, shape (cells,)."""
        return np.array([found == text for found in self.columns[name]])

    @property
    def done(self) -> Mask:
        return self.equal("status", "done")

    @property
    def failed(self) -> Mask:
        return self.equal("status", "failed")

    @property
    def xi(self) -> list[str]:
        return list(self.about["xi"])

    def values(self, key: str) -> list[str]:
        """What a key takes, without the cells that do not have it: numbers by size, names by first occurrence."""
        found = [text for text in self.columns.values(key) if text]
        return sorted(found, key=float) if all(map(_is_number, found)) else found

    def brief(self, key: str, value: str) -> str:
        """A value as figures say it: of a long number as many digits, three or more, as tell it from the key's others."""
        if len(value) <= LONGEST_NUMBER or not _is_number(value):
            return value
        numbers = [float(text) for text in self.values(key) if _is_number(text)]
        rounded = ([f"{number:.{digits}g}" for number in (float(value), *numbers)] for digits in range(3, 17))
        return next((own for own, *others in rounded if others.count(own) == 1), value)

    @property
    def numeric(self) -> list[str]:
        """The keys that take at least two numbers."""
        return [key for key in self.swept if all(map(_is_number, self.values(key)))]

    @property
    def names(self) -> list[str]:
        """The keys that take anything else."""
        return [key for key in self.swept if key not in self.numeric]

    @property
    def swept(self) -> list[str]:
        """The keys that tell one cell from another; a key that only some cells have does not do so by that alone.

        Nor does one that goes with another: the rate that each optimizer has, the second of two keys that change together.
        """
        found = [key for key in self.about["keys"] if len(self.values(key)) > 1]
        names = [key for key in found if not all(map(_is_number, self.values(key)))]
        first = [*names, *(key for key in found if key not in names)]
        leading = [key for k, key in enumerate(first) if not any(self._follows(key, other) for other in first[:k])]
        return [key for key in found if key in leading]

    def _follows(self, key: str, other: str) -> bool:
        """Whether each value of the other key goes with a single one of this."""
        there = self.known(key) & self.known(other)
        pairs = set(zip(self.texts(key)[there], self.texts(other)[there], strict=True))
        return bool(pairs) and len(pairs) == len({pair[1] for pair in pairs}) and bool(there.sum() == self.known(key).sum())

    def cross(self, one: str, other: str) -> bool:
        """Whether two keys vary independently of each other; those that change together are one, not two."""
        there = self.known(one) & self.known(other)
        pairs = set(zip(self.texts(one)[there], self.texts(other)[there], strict=True))
        return len(pairs) > max(len({pair[k] for pair in pairs}) for k in (0, 1)) if pairs else False


def is_sweep(folder: Path) -> bool:
    """Whether a folder holds a sweep, not a run."""
    return (folder / SWEEP_TABLE).exists()


def read_sweep_result(folder: Path) -> SweepResult:
    """Read the data files of a sweep's folder."""
    about = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
    return SweepResult(folder, about, read_columns(folder / SWEEP_TABLE))


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


@dataclass(frozen=True)
class Quantity:
    """What a figure shows. name: of its file; column: in sweep.csv; kind: positive, slope, difference or verdict."""

    name: str
    column: str
    label: str
    kind: str

    def shows(self, result: SweepResult) -> bool:
        """Whether there is anything to show; cells of which nothing was measured are all undecided."""
        if self.kind != "verdict":
            return bool((result.known(self.column) & result.done).any())
        return any(result.verdict(answer).any() for answer in DECIDED)


def quantities(result: SweepResult) -> list[Quantity]:
    """Everything a sweep may have measured: errors, floors, exponents, differences, the verdict."""
    steps = result.about.get("steps")
    after = f"after {steps} steps" if steps else "after the last step"
    parts = file_names(result.xi) if len(result.xi) > 1 else [""] * len(result.xi)
    found = []
    for label, part in zip(result.xi, (f"_{part}" if part else "" for part in parts), strict=True):
        error = f"E |Θₙ − ξ|² {after}\nξ = {shortened(label, 40)}"
        found.append(Quantity(f"mse{part}", f"mse_{label}", error, "positive"))
        found.append(Quantity(f"slope{part}", f"slope_{label}", f"log-log slope of E |Θₙ − ξ|²\nξ = {label}", "slope"))
        found.append(
            Quantity(f"difference{part}", f"difference_{label}", f"difference to the baseline of\n{error}", "difference")
        )
    found += [Quantity(floor, floor, ENDS[floor], "positive") for floor in result.about.get("floors", ())]
    return [*found, Quantity("verdict", "verdict", "verdict", "verdict")]


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def file_names(names: Iterable[str]) -> list[str]:
    """Names that can be part of a file name, each another."""
    found: list[str] = []
    for name in names:
        part = re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip("_.") or "x"
        taken = sum(other.lower() in {part.lower(), *(f"{part}_{k}".lower() for k in range(9))} for other in found)
        found.append(f"{part}_{taken + 1}" if taken else part)
    return found


def key_parts(keys: list[str]) -> dict[str, str]:
    """Each key by its last part, or by as many as tell it from the others, with _ between."""
    depths = dict.fromkeys(keys, 1)
    for key in keys:
        while sum(_last(other, depths[key]) == _last(key, depths[key]) for other in keys) > 1:
            depths[key] += 1
    return dict(zip(keys, file_names(_last(key, depths[key]) for key in keys), strict=True))


def _last(key: str, count: int) -> str:
    return "_".join(key.split(".")[-count:])


@dataclass(frozen=True)
class View:
    """What of a sweep lies where in a figure: keys along its axes, a key whose values are its panels, the others fixed.

    keys: one for a line plot or two for a map. panels: shown value (or "") by mask of its cells.
    """

    keys: tuple[str, ...]
    panel_key: str | None
    panels: list[tuple[str, Mask]]
    left_out: int
    fixed: dict[str, str]


def view(result: SweepResult, keys: tuple[str, ...]) -> View:
    """A view along these keys: the next key, names first, makes panels; all further ones are fixed in their middle."""
    others = [key for key in (*result.names, *result.numeric) if key not in keys]
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
    """At most so many of range(count), with both ends."""
    return sorted({round(float(k)) for k in np.linspace(0, count - 1, min(count, most))})
