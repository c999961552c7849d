"""Several finished runs side by side: their results, how their configs differ, and their differences path by path.

Every run keeps what its first paths end with (`paths.npz: end`). Path k of two runs with one seed sees the same data, so
the difference is taken path by path, and its interval is much narrower than those of the two means.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nonconv.faults.errors import UsageError
from nonconv.readback import content_of
from nonconv.report.labels import Varied, labels, varied, xi_name
from nonconv.report.run import Run, read_run
from nonconv.report.sweep_result import ENDS, LEFT_OUT
from nonconv.results.sweep_files import Ends, measured_columns, read_ends, read_result
from nonconv.statistics.measured_block import MSE_PREFIX
from nonconv.statistics.paired import Paired, paired
from nonconv.store.folder import undamaged
from nonconv.store.pack import opened_run

MARKED = "="
"""Stands between a label and the run that it is given to."""


class Difference(NamedTuple):
    """A quantity with one final value per path.

    name: as in the files, `mse_minimizer`. quantity: for people. first, second: its means over the paths that both runs kept;
    nan where one is infinite. paired: the second minus the first, path by path. medians: of both runs where a mean is infinite.
    """

    quantity: str
    first: float
    second: float
    paired: Paired
    medians: tuple[float, float] | None = None
    name: str = ""


class Value(NamedTuple):
    """What a run ends with, over all its paths: a mean and its 95 % interval; None where there is none.

    status: what the value is where it is no number: inf, nan, infinite; empty otherwise. median: of the distance.
    """

    value: float | None
    ci_low: float | None
    ci_high: float | None
    status: str = ""
    median: float | None = None


class Member:
    """One of several runs. source: the folder or the cell as it was asked for. label: what figures and tables call it."""

    def __init__(self, source: str, label: str, folder: Path) -> None:
        manifest = undamaged(folder)
        if "paths.npz" not in manifest["files"]:
            raise UsageError(f"{folder} is a sweep, not a run; {folder}#CELL is a cell, by the column `cell` of its sweep.csv")
        self.source, self.label = source, label
        self.name = str(manifest.get("name") or source)
        self.config: dict[str, Any] = manifest["config"]
        self.run: Run = read_run(folder)
        self.ends: Ends = read_ends(folder)
        self.measured: dict[str, Any] = measured_columns(read_result(lambda name: content_of(folder / name), folder))

    def value(self, name: str) -> Value:
        """Return what the run ends with of a quantity, by its name in the files."""
        error, xi = name.startswith(MSE_PREFIX), name.removeprefix(MSE_PREFIX)
        column = f"mse_{xi}" if error else name
        known = self.measured.get(column, "")
        if isinstance(known, str):
            median = self.measured.get(f"median_{xi}") if error else None
            infinite = "infinite" if self.ends.infinite(name) else ""
            return Value(None, None, None, known or infinite, median if isinstance(median, float) else None)
        low, high = (
            None if isinstance(end := self.measured.get(f"{column}{part}", ""), str) else end for part in ("_low", "_high")
        )
        return Value(float(known), low, high)


class Overlay:
    """Several runs, the first of which is the one that others are compared with."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = tuple(members)

    @cached_property
    def varied(self) -> tuple[Varied, ...]:
        """The keys in which configs differ."""
        return varied([member.config for member in self.members])

    @cached_property
    def names(self) -> list[str]:
        """What at least two of the runs end with, by its name in the files, those that all have first."""
        counts: dict[str, int] = {}
        for member in self.members:
            for name in member.ends.of:
                counts[name] = counts.get(name, 0) + 1
        return sorted((name for name, count in counts.items() if count > 1), key=lambda name: counts[name] < len(self.members))

    @property
    def shown(self) -> list[str]:
        """The names without the errors for the last iterate, which are 0 by definition, unless there is nothing else."""
        return [name for name in self.names if self.split(name)[0] != f"{MSE_PREFIX}{LEFT_OUT}"] or self.names

    def split(self, name: str) -> tuple[str, str]:
        """Split a name from the iterate that it is of, which is empty for the last."""
        for member in self.members:
            own, iterate = member.ends.split(name)
            if iterate:
                return own, iterate
        return name, ""

    def title(self, name: str) -> str:
        """Name a final quantity for people."""
        return quantity_name(*self.split(name))

    @cached_property
    def differences(self) -> list[dict[str, Difference]]:
        """The differences of each run to the first, by the quantity's name in the files; of the first itself none."""
        first, *others = self.members
        return [{}, *({found.name: found for found in differences(first.ends, other.ends)} for other in others)]

    def same_data(self, member: Member) -> bool:
        """Whether a run uses the same random numbers as the first, so that paths are compared in pairs."""
        return bool(member.config.get("seed") == self.members[0].config.get("seed"))


def read_overlay(runs: Sequence[str | Path], given: Mapping[int, str] | None = None) -> Overlay:
    """Read finished runs: folders, or cells of sweeps as SWEEP#CELL, each perhaps after its label as LABEL=RUN.

    given: labels by the run's number, instead. Others are made of what differs between the configs.
    Raises UsageError for what is no finished run, and where two runs have the same label.
    """
    asked = [split_label(str(run)) for run in runs]
    given = {k: label for k, (label, _) in enumerate(asked) if label} | dict(given or {})
    with ExitStack() as opened:
        found = [Member(path, "", opened.enter_context(opened_run(Path(path)))) for _, path in asked]
    made = _distinct(labels([member.config for member in found], _short([member.source for member in found])), given)
    for k, member in enumerate(found):
        member.label = given.get(k, made[k])
    _refuse_namesakes(found)
    return Overlay(found)


def _short(sources: Sequence[str]) -> list[str]:
    """Return the last part of each path; the paths where these are not distinct."""
    names = [Path(source).name or source for source in sources]
    return names if len(set(names)) == len(set(sources)) else list(sources)


def _distinct(made: Sequence[str], given: Mapping[int, str]) -> list[str]:
    """Number the labels that were made, and not given, where several are the same: a run may be compared with itself."""
    found: list[str] = []
    for k, label in enumerate(made):
        taken = {*given.values(), *found}
        numbered = (f"{label} ({number})" for number in range(2, len(made) + 2))
        found.append(label if k in given or label not in taken else next(one for one in numbered if one not in taken))
    return found


def split_label(text: str) -> tuple[str, str]:
    """Split LABEL=RUN into both; the label is empty where there is none. A path that exists may hold a = itself."""
    label, mark, path = text.partition(MARKED)
    exists = Path(text).exists() or ("#" in text and Path(text.rpartition("#")[0]).is_dir())
    if exists or not mark or not label.strip() or not path:
        return "", text
    return label.strip(), path


def _refuse_namesakes(members: Sequence[Member]) -> None:
    """Raise UsageError where two runs have the same label."""
    seen: dict[str, Member] = {}
    for member in members:
        if member.label in seen:
            raise UsageError(f"{seen[member.label].source} and {member.source} have the same label, {member.label!r}")
        seen[member.label] = member


def differences(a: Ends, b: Ends) -> Iterator[Difference]:
    """Yield the difference, second minus first, of each quantity that two runs have: runs may measure other floors and ξ."""
    for name in (name for name in a.of if name in b.of):
        ours, theirs = a.numbers[a.of.index(name)], b.numbers[b.of.index(name)]
        found = paired(theirs, ours, name in a.withheld or name in b.withheld)
        title = quantity_name(*a.split(name))
        # Paths may have ended at inf or nan.
        with np.errstate(invalid="ignore", over="ignore"):
            before, after = (float(numbers[: found.paths].mean()) for numbers in (ours, theirs))
        if not (a.infinite(name) or b.infinite(name)):
            yield Difference(title, before, after, found, None, name)
            continue
        # What a sample gives says nothing of an infinite mean, nor of its difference from another.
        medians = (float(np.median(ours[: found.paths])), float(np.median(theirs[: found.paths])))
        before, after = math.nan if a.infinite(name) else before, math.nan if b.infinite(name) else after
        nothing = Paired(*(math.nan,) * 4, found.paths, math.nan, math.nan)
        yield Difference(title, before, after, nothing, medians, name)


def quantity_name(name: str, iterate: str) -> str:
    """Name a final quantity for people; that of an iterate besides the last after its name."""
    own = f"E|Θ − {xi_name(name.removeprefix(MSE_PREFIX))}|²" if name.startswith(MSE_PREFIX) else ENDS.get(name, name)
    return f"{iterate}: {own}" if iterate else own
