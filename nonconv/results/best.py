"""The best cell of a sweep over some of its keys: chosen on one half of the paths, reported on the other.

The least of many measured errors is too small: it is the one that was lucky. The halves of the paths are independent, so what
the chosen cell has on the second half knows nothing of the choice, and its interval holds. Every run keeps what its first
paths end with, so nothing is simulated for it, and no cell changes.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import estimate, moments
from nonconv.results.csv_text import as_csv
from nonconv.results.sweep_files import Ends
from nonconv.system.words import count

BEST_TABLE = "best.csv"
MEASURED = ("cells", "unusable", "ties", "first_half", "value", "se", "ci_low", "ci_high", "paths", "all_paths", "reason")
"""The columns of best.csv after `cell` and the swept keys.

cells: among which was chosen. unusable: those without a finite mean. ties: others with the same mean on the first half.
first_half: the mean that decided. value: that on the second half, with its interval; paths: how many these are. all_paths: the
mean over all. reason: why nothing was chosen.
"""


class Candidate(NamedTuple):
    """A cell that may be chosen. ends: what its paths end with; None if the cell failed. keys: texts of its swept keys."""

    cell: str
    keys: Mapping[str, str]
    ends: Ends | None


class Choice(NamedTuple):
    """The chosen candidate, or why there is none, with what MEASURED has of it."""

    candidate: Candidate | None
    measured: dict[str, Any]


def halves(numbers: Array) -> tuple[Array, Array]:
    """Return the numbers of the first and of the second half of the paths; of an odd number the second has one more."""
    middle = len(numbers) // 2
    return numbers[:middle], numbers[middle:]


def choose(candidates: Sequence[Candidate], name: str) -> Choice:
    """Choose the candidate with the least mean of a quantity over the first half of the paths; of equal ones the first.

    name: of the quantity, as `Ends.of` has it. A mean that is not finite, or infinite in theory, is never chosen.
    """
    means = [_first_mean(candidate.ends, name) for candidate in candidates]
    usable = [k for k, mean in enumerate(means) if math.isfinite(mean)]
    counts = {"cells": len(candidates), "unusable": len(candidates) - len(usable)}
    if not usable:
        return Choice(None, counts | {"reason": _why(candidates, name)})
    best = min(usable, key=lambda k: means[k])
    chosen = candidates[best]
    ends = chosen.ends
    assert ends is not None
    numbers = np.asarray(ends.numbers[ends.of.index(name)])
    second = halves(numbers)[1]
    with np.errstate(all="ignore"):
        value, se, low, high = (float(field[0]) for field in estimate(moments(second[None])))
        whole = float(numbers.mean())
    if name in ends.withheld:
        se = low = high = math.nan
    ties = sum(means[k] == means[best] for k in usable) - 1
    found = {"first_half": means[best], "value": value, "se": se, "ci_low": low, "ci_high": high}
    return Choice(chosen, counts | {"ties": ties, **found, "paths": len(second), "all_paths": whole})


def _first_mean(ends: Ends | None, name: str) -> float:
    """Return the mean over the first half; nan where there is none."""
    if ends is None or name not in ends.of or ends.infinite(name):
        return math.nan
    first = halves(np.asarray(ends.numbers[ends.of.index(name)]))[0]
    with np.errstate(all="ignore"):
        return float(first.mean()) if len(first) else math.nan


def _why(candidates: Sequence[Candidate], name: str) -> str:
    """Say why none of these can be chosen."""
    known = [candidate.ends for candidate in candidates if candidate.ends is not None]
    if not known:
        return "every cell failed"
    having = [ends for ends in known if name in ends.of]
    if not having:
        return "no cell measures it"
    if all(ends.infinite(name) for ends in having):
        return "its mean is infinite"
    if all(len(ends.numbers[ends.of.index(name)]) < 2 for ends in having):
        return "one path has no halves"
    return f"not finite in {count(len(having), 'cell')}"


def best_table(candidates: Sequence[Candidate], over: Sequence[str], keys: Sequence[str], name: str) -> bytes:
    """Write best.csv: for each combination of the other keys its best cell over these.

    over: the keys that a cell is chosen over. keys: all swept keys. Where none can be chosen, `reason` says why.
    """
    others = [key for key in keys if key not in over]
    groups: dict[tuple[str, ...], list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(tuple(candidate.keys.get(key, "") for key in others), []).append(candidate)
    rows = []
    for setting, group in groups.items():
        choice = choose(group, name)
        chosen = choice.candidate
        own = [chosen.keys.get(key, "") for key in over] if chosen else [""] * len(over)
        numbers = (choice.measured.get(column, "") for column in MEASURED)
        shown = ["" if isinstance(number, float) and math.isnan(number) else number for number in numbers]
        rows.append([chosen.cell if chosen else "", *setting, *own, *shown])
    return as_csv(("cell", *others, *over, *MEASURED), rows)
