"""sweep.csv: the cells of a sweep side by side.

A line is made of a cell's summary.json and verdict.json, and of what its paths end with. It is made from the numbers in
these files, so a line of a cell computed now equals that of the same cell read back.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from nonconv.components.quantity import LAST
from nonconv.faults.errors import UsageError
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import estimate, moments
from nonconv.readback import content_of, loaded
from nonconv.results.csv_text import as_lines
from nonconv.results.iterates import ends_of_iterates, of_iterate, split_name
from nonconv.results.stored import END_ARRAYS, ITERATE_ARRAYS, QUANTITY_ARRAYS, Arrays, Summary, Verdict, read_arrays, require
from nonconv.statistics.decision import IT_IS_INFINITE
from nonconv.statistics.measured_block import ENDS_OF_DOMAIN, MSE_PREFIX, OUTCOMES
from nonconv.statistics.networks import TRAINING_LOSS
from nonconv.statistics.paired import difference

DONE, FAILED = "done", "failed"
"""What the column `status` says."""
INTERVAL_SUFFIXES = ("", "_se", "_low", "_high")
"""Ends of the names of the columns that hold a number with its interval in sweep.csv."""
INTERVAL_FIELDS = ("value", "se", "ci_low", "ci_high")
"""The names of the same four numbers in verdict.json."""
LOSSES, IDLE = ("risk", TRAINING_LOSS), "idle"
"""What networks end with: the names of the columns, of `end` in paths.npz, and of the losses' courses in summary.json."""
NOT_FINITE = {"overflow": "inf", "nan": "nan"}


class Ends(NamedTuple):
    """What each of the first paths of a run ends with.

    of: names of what it is: errors, floors, risk, quantities. numbers: of each an array (paths,). withheld: why means have no
    interval, by name, of those that have none. quantities: the names of those that a config asks for. iterates: those besides
    the last, whose names follow what it is.
    """

    of: list[str]
    numbers: Sequence[Array] | Array
    withheld: Mapping[str, str]
    quantities: tuple[str, ...] = ()
    iterates: tuple[str, ...] = ()

    def split(self, name: str) -> tuple[str, str]:
        """Split a name from the iterate that it is of, which is empty for the last."""
        return split_name(name, self.iterates)

    def infinite(self, name: str) -> bool:
        """Return whether the mean of a quantity is infinite, so that what the paths have says nothing of it."""
        return self.withheld.get(name, "").startswith(IT_IS_INFINITE)


Read = Callable[[str], bytes]
"""Returns the content of a file of a run or a cell. Raises OSError."""


def read_ends(folder: Path) -> Ends:
    """Read what the first paths of a run or a cell end with, from its files. Raises UsageError for a damaged one."""
    return _ends(lambda name: content_of(folder / name), folder)


def _ends(read: Read, folder: Path) -> Ends:
    """Read what the first paths end with. folder: for errors."""
    summary = loaded(read("summary.json"), Summary, folder / "summary.json")
    arrays = read_arrays(read("paths.npz"), END_ARRAYS, folder / "paths.npz")
    names, numbers = arrays["end_of"].tolist(), arrays["end"]
    if len(names) != len(numbers) or len(set(names)) < len(names):
        raise UsageError(f"{folder / 'paths.npz'} is damaged: end_of does not name the rows of end")
    quantities = _quantity_ends(arrays, folder) if "quantity_end_of" in arrays else {}
    return as_ends(names, numbers, summary, quantities, _iterate_ends(arrays, folder) if "iterate" in arrays else {})


def as_ends(
    names: list[str],
    numbers: Array,
    summary: Mapping[str, Any],
    quantities: Mapping[str, Array],
    iterates: Mapping[str, Array] = MappingProxyType({}),
) -> Ends:
    """Return what paths end with. names: of the rows of numbers. quantities: those that a config asks for, (paths,) each.

    iterates: like numbers, of each iterate besides the last.
    """
    withheld = {name: row["reason"] for name, row in _asked(summary) if row["reason"]}
    for iterate, found in summary.get("iterates", {}).items():
        withheld |= {of_iterate(name, iterate): reason for name, reason in found["without_interval"].items()}
    own = {name: row for iterate, rows in iterates.items() for name, row in ends_of_iterates(names, rows, iterate)}
    every = [*numbers, *own.values(), *quantities.values()]
    reasons = summary.get("without_interval", {}) | withheld
    return Ends([*names, *own, *quantities], every, reasons, tuple(quantities), tuple(iterates))


def _iterate_ends(arrays: Arrays, folder: Path) -> dict[str, Array]:
    """Return what the first paths end with, as iterates besides the last see it. Raises UsageError for a damaged file."""
    require(arrays, ITERATE_ARRAYS, folder / "paths.npz")
    names, numbers = arrays["iterate"].tolist(), arrays["iterate_end"]
    if len(names) != len(numbers) or numbers.shape[1:] != arrays["end"].shape:
        raise UsageError(f"{folder / 'paths.npz'} is damaged: iterate does not name the rows of iterate_end")
    return dict(zip(names, numbers, strict=True))


def _asked(summary: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what each iterate ends with of the quantities that a config asks for, with their names."""
    for row in summary.get("quantities", ()):
        yield row["quantity"] if row["iterate"] == LAST else of_iterate(row["quantity"], row["iterate"]), row


def _quantity_ends(arrays: Arrays, folder: Path) -> dict[str, Array]:
    """Return what the first paths end with of each quantity. Raises UsageError for a damaged file."""
    require(arrays, QUANTITY_ARRAYS, folder / "paths.npz")
    names, numbers, paths = (arrays[name] for name in QUANTITY_ARRAYS)
    if not len(names) == len(numbers) == len(paths):
        raise UsageError(f"{folder / 'paths.npz'} is damaged: quantity_end_of does not name the rows of quantity_end")
    rows = zip(names.tolist(), numbers, paths.tolist(), strict=True)
    return {name: row[:number] for name, row, number in rows}


class Result(NamedTuple):
    """What a line of sweep.csv is made of: a cell's summary.json and verdict.json, and what its paths end with."""

    summary: dict[str, Any]
    verdict: dict[str, Any]
    ends: Ends


class Entry(NamedTuple):
    """What is kept of a result for its line: the columns that it fills by itself, and what differences are taken of."""

    columns: dict[str, Any]
    ends: Ends


def entry_of(result: Result) -> Entry:
    """Return what a line needs of a result. It is a tenth of that, which matters where it is sent."""
    of, every = result.ends.of, result.ends.numbers
    kept = [k for k, name in enumerate(of) if name.startswith((MSE_PREFIX, *LOSSES)) or name in result.ends.quantities]
    compared = result.ends._replace(of=[of[k] for k in kept], numbers=[every[k] for k in kept])
    return Entry(measured_columns(result), compared)


def read_result(read: Read, folder: Path) -> Result:
    """Read what a finished cell's line is made of, from its files. folder: for errors.

    Raises UsageError for a damaged file, OSError if one is missing.
    """
    summary = loaded(read("summary.json"), Summary, folder / "summary.json")
    verdict = loaded(read("verdict.json"), Verdict, folder / "verdict.json")
    return Result(cast(dict[str, Any], summary), cast(dict[str, Any], verdict), _ends(read, folder))


def columns(
    keys: Sequence[str],
    xi: Sequence[str],
    floors: Sequence[str],
    quantities: Sequence[str] = (),
    means: Sequence[str] = (),
    iterates: Sequence[str] = (),
    domain: bool = False,
    medians: bool = False,
) -> list[str]:
    """Return the header of sweep.csv.

    keys: the swept keys. xi: the labels of all xi. floors: those that some cell measures, and what networks end with. Both
    have the names `of_iterate` too, of the iterates besides the last.
    quantities: the names of those that the config asks for. means: those of them that have differences. domain: whether some
    cell has one. medians: whether some cell has means that do not exist, which medians stand in for.
    """
    verdicts = ["verdict", *(of_iterate("verdict", iterate) for iterate in iterates)]
    found = ["cell", *keys, "status", *verdicts, "paths", *OUTCOMES, *(ENDS_OF_DOMAIN if domain else ())]
    found += [f"{what}_{label}{part}" for label in xi for what in ("mse", "difference") for part in INTERVAL_SUFFIXES]
    of_networks = [name for name in floors if name in (*LOSSES, IDLE)]
    floors = [name for name in floors if name not in of_networks]
    losses = [name for name in of_networks if name in LOSSES]
    found += [f"{floor}{part}" for floor in floors for part in (*INTERVAL_SUFFIXES, "_lower")]
    found += [f"{name}{part}" for name in of_networks for part in INTERVAL_SUFFIXES]
    found += [f"difference_{name}{part}" for name in losses for part in INTERVAL_SUFFIXES]
    found += [f"slope_{label}{part}" for label in (*xi, *floors, *losses) for part in INTERVAL_SUFFIXES]
    found += [f"median_{label}" for label in (xi if medians else ())]
    found += [f"{name}{part}" for name in quantities for part in INTERVAL_SUFFIXES]
    found += [f"difference_{name}{part}" for name in means for part in INTERVAL_SUFFIXES]
    return [*found, "reason"]


def line(header: Sequence[str], name: str, keys: Mapping[str, str], entry: Entry | str, reference: Ends | None) -> bytes:
    """Write a cell's line of sweep.csv.

    name: its id. keys: the texts of the swept keys that it has. entry: of its result, or why it has none. reference: what the
    paths of the baseline end with, to which differences are taken; None for the baseline itself.
    """
    cells: dict[str, Any] = {"cell": name, **keys}
    if isinstance(entry, str):
        cells |= {"status": FAILED, "reason": entry}
    else:
        cells |= {"status": DONE} | entry.columns | (_difference_columns(entry.ends, reference) if reference else {})
    return as_lines([[cells.get(column, "") for column in header]])


def measured_columns(result: Result) -> dict[str, Any]:
    """Return the columns of a result by name: verdict, outcomes, final errors, floors, slopes."""
    summary, verdict = result.summary, result.verdict
    found = {"verdict": verdict["verdict"], "reason": verdict["reason"], "paths": summary["paths"], **summary["outcomes"]}
    found |= summary.get("domain", {})
    found |= _view_columns(summary, verdict, summary["steps"], lambda name: name)
    for iterate, own in summary.get("iterates", {}).items():
        seen = verdict["iterates"][iterate]
        found[of_iterate("verdict", iterate)] = seen["verdict"]
        found |= _view_columns(own, seen, summary["steps"], partial(of_iterate, iterate=iterate))
    for name, row in _asked(summary):
        numbers = [NOT_FINITE.get(row["status"], row["value"]), row["se"], row["ci_low"], row["ci_high"]]
        found |= _interval_columns(name, numbers)
    return found | _network_columns(result)


def _view_columns(
    summary: Mapping[str, Any], verdict: Mapping[str, Any], steps: int, named: Callable[[str], str]
) -> dict[str, Any]:
    """Return the final errors, floors and slopes of an iterate by column. named: what a name is called as that one sees it."""
    found: dict[str, Any] = {}
    for error in (error for error in summary["errors"] if error["step"] == steps):
        # JSON has null for inf and nan; the status says which it was, and CSV can write it.
        numbers = [NOT_FINITE.get(error["status"], error["mse"]), error["se"], error["ci_low"], error["ci_high"]]
        found |= _interval_columns(f"mse_{named(error['xi'])}", numbers)
    found |= {f"median_{named(xi)}": course["last"] for xi, course in verdict.get("medians", {}).items()}
    for name, floor in verdict["floors"].items():
        found |= _interval_columns(named(name), [floor[field] for field in INTERVAL_FIELDS])
        found |= _interval_columns(f"{named(name)}_lower", [floor["lower"]])
    for name, slope in verdict["slopes"].items():
        numbers = [slope[field] for field in INTERVAL_FIELDS]
        found |= _interval_columns(f"slope_{named(name.removeprefix('error: '))}", numbers)
    return found


def _network_columns(result: Result) -> dict[str, Any]:
    """Return the columns of what networks end with: risk, training loss, idle units, by name; none of other cells."""
    network, found = result.summary.get("network"), dict[str, Any]()
    for name, course in ((name, network[name]) for name in LOSSES if network and network.get(name)):
        end, slope = course["end"], course["slope"]
        found |= _interval_columns(
            name, [NOT_FINITE.get(end["status"], end["value"]), end["se"], end["ci_low"], end["ci_high"]]
        )
        found |= _interval_columns(f"slope_{name}", [slope[field] for field in INTERVAL_FIELDS] if slope else [])
    if network and network["idle_share"] is not None:
        of_paths = result.ends.numbers[result.ends.of.index(IDLE)]
        numbers = [float(field[0]) for field in estimate(moments(of_paths[None]))]
        found |= _interval_columns(IDLE, [number if math.isfinite(number) else None for number in numbers])
    return found


def _interval_columns(name: str, numbers: Sequence[Any]) -> dict[str, Any]:
    """Return the columns of a number with its interval; empty where there is none."""
    return {f"{name}{part}": "" if value is None else value for part, value in zip(INTERVAL_SUFFIXES, numbers, strict=False)}


def _difference_columns(ends: Ends, reference: Ends) -> dict[str, Any]:
    """Return the differences of a cell's errors and losses to those of the baseline, path by path: both have the same data."""
    found: dict[str, Any] = {}
    for name in (name for name in ends.of if name in reference.of):
        withheld = name in ends.withheld or name in reference.withheld
        known = difference(ends.numbers[ends.of.index(name)], reference.numbers[reference.of.index(name)], withheld)
        numbers = [number if math.isfinite(number) else None for number in known]
        if ends.infinite(name) or reference.infinite(name):
            numbers = []
        found |= _interval_columns(f"difference_{name.removeprefix(MSE_PREFIX)}", numbers)
    return found
