"""Compare finished runs: how their configs differ, and by how much the final results of their paths differ (report.overlay)."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nonconv.faults.errors import UsageError
from nonconv.report.labels import differing_parts
from nonconv.report.logged_text import is_logged
from nonconv.report.overlay import Difference, Member, Overlay, Value, read_overlay
from nonconv.report.sweep_result import LEFT_OUT
from nonconv.report.tables import interval
from nonconv.report.verdict_text import ANSWERS
from nonconv.results.csv_text import as_csv, number
from nonconv.results.iterates import of_iterate
from nonconv.statistics.measured_block import MSE_PREFIX
from nonconv.statistics.paired import Paired

LEAST_GAINED = 1.05
"""A smaller factor is one of chance."""
MOST_GAINED = 1e9
"""The largest factor by which pairing can shrink an interval, up to rounding."""


class Change(NamedTuple):
    """A config key whose values differ. first, second: the values as JSON; empty if a config does not have the key."""

    key: str
    first: str
    second: str


class Comparison(NamedTuple):
    """What `compare` found. same_data: whether both runs use the same random numbers."""

    changes: tuple[Change, ...]
    differences: tuple[Difference, ...]
    same_data: bool


def compare(first: Path, second: Path) -> Comparison:
    """Compare two output folders of runs, or of cells of a sweep.

    Raises UsageError if one is not finished or is damaged, or if they have no quantity in common.
    """
    return compare_two(read_overlay([first, second], {0: "first", 1: "second"}))


def compare_two(overlay: Overlay) -> Comparison:
    """Compare the first two runs of an overlay. Raises UsageError if they have no quantity in common."""
    first, second = overlay.members[:2]
    found = tuple(overlay.differences[1].values())
    if not found:
        raise UsageError(f"{first.source} and {second.source} have no xi and no floor in common")
    changes = tuple(Change(key, *values) for key, values in overlay.varied)
    return Comparison(changes, found, overlay.same_data(second))


def rows(
    comparison: Comparison, first: str = "first", second: str = "second", every: bool = False
) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of a table for people. first, second: what the runs are called.

    every: with correlations, and with the errors for the last iterate, which are 0 by definition.
    """
    header = ["", first, second, f"{second} − {first}", "correlation", "narrower"]
    own = [found for found in comparison.differences if every or not _is_of_last(found.name)] or comparison.differences
    table = [_row(found, comparison.same_data) for found in own]
    return _shown(header, table, () if every else ("correlation",))


def _is_of_last(name: str) -> bool:
    """Whether a quantity is the error for the last iterate itself."""
    return name == f"{MSE_PREFIX}{LEFT_OUT}"


def _shown(header: list[str], table: list[list[str]], hidden: Sequence[str] = ()) -> tuple[list[str], list[list[str]]]:
    """Return a table without hidden columns, and without a column `narrower` that says nothing."""
    kept = [k for k, name in enumerate(header) if name not in hidden and (name != "narrower" or any(row[k] for row in table))]
    return [header[k] for k in kept], [[row[k] for k in kept] for row in table]


def _row(found: Difference, same_data: bool) -> list[str]:
    """Return the row of one quantity; correlation and gain are empty where they are not finite, or mean nothing."""
    p = found.paired
    ends = {"ci_low": number(p.ci_low), "ci_high": number(p.ci_high)}
    value = number(p.value)
    if found.medians:
        ends_of = zip((found.first, found.second), found.medians, strict=True)
        texts = [f"infinite (median {median:.3g})" if math.isnan(mean) else f"{mean:.5g}" for mean, median in ends_of]
        return [found.quantity, *texts, "no value", "", ""]
    shown = "not finite" if value is None else interval({"mse": value, **ends, "status": "", "n": 0, "n_finite": 0})
    known = np.isfinite([p.correlation, p.narrower]).all()
    worth = [f"{p.correlation:.3f}" if known else "", _gain(p) if same_data else ""]
    return [found.quantity, f"{found.first:.5g}", f"{found.second:.5g}", shown, *worth]


def _gain(paired: Paired) -> str:
    """Write by which factor pairing shrinks an interval; nothing where it does not."""
    if not np.isfinite([paired.correlation, paired.narrower]).all() or paired.narrower < LEAST_GAINED:
        return ""
    # A factor beyond this is one of rounding errors: the difference is the same on every path.
    return f"{paired.narrower:.1f} ×" if paired.narrower < MOST_GAINED else "same on every path"


def is_same(comparison: Comparison) -> bool:
    """Whether no path ends differently in one run than in the other."""
    return all(found.paired.value == 0.0 and found.paired.se == 0.0 for found in comparison.differences)


def ends_apart(overlay: Overlay) -> str:
    """Say at which steps runs of different lengths are compared; empty where they end at the same step."""
    steps = [int(member.run.summary["steps"]) for member in overlay.members]
    if len(set(steps)) == 1:
        return ""
    told = (f"{member.label} at step {end}" for member, end in zip(overlay.members, steps, strict=True))
    return f"Compared where each run ends: {', '.join(told)}."


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison as a JSON document; numbers that are not finite become null."""
    return {
        "same_data": comparison.same_data,
        "changes": [change._asdict() for change in comparison.changes],
        "differences": [_difference_as_dict(found) for found in comparison.differences],
    }


def _difference_as_dict(found: Difference) -> dict[str, Any]:
    """Return the difference of one quantity as a JSON document."""
    document = {"quantity": found.quantity, "name": found.name, "first": number(found.first), "second": number(found.second)}
    medians = {"medians": [number(median) for median in found.medians]} if found.medians else {}
    return document | medians | {name: number(value) for name, value in found.paired._asdict().items()}


CSV = ("run", "quantity", "value", "ci_low", "ci_high", "status", "difference", "difference_low", "difference_high", "paths")
"""The columns of comparison.csv: `status` says what a value is that is no number, `paths` how many were compared."""

MOST_COLUMNS = 4
"""Parts of configs that a table of runs has room for."""


def refuse_strangers(overlay: Overlay) -> None:
    """Raise UsageError if a run has nothing to compare: no quantity in common with any other."""
    if not overlay.names:
        raise UsageError(f"{' and '.join(member.source for member in overlay.members)} have no xi and no floor in common")


def run_rows(overlay: Overlay) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of a table of the runs: the verdict and, where they are few, the parts of configs that differ."""
    parts = differing_parts([member.config for member in overlay.members])
    columns = parts if len(parts) <= MOST_COLUMNS else {}
    rows = []
    for k, member in enumerate(overlay.members):
        told = [texts[k].removeprefix(f"{key} = ") for key, texts in columns.items()]
        rows.append([member.label, verdicts(member), *told])
    return ["", "verdict", *columns], rows


def what_differs(overlay: Overlay, shown: int = MOST_COLUMNS) -> str:
    """Say which parts of the configs differ, in a sentence; empty where they are few enough to be shown, as by `run_rows`."""
    logs = [member.label for member in overlay.members if is_logged(member.run)]
    if 0 < len(logs) < len(overlay.members):
        return f"{', '.join(logs)} {'is a log, which has' if len(logs) == 1 else 'are logs, which have'} no config."
    parts = list(differing_parts([member.config for member in overlay.members]))
    if not parts:
        return "The configs are the same."
    return f"The configs differ in {', '.join(parts)}; --json lists the values." if len(parts) > shown else ""


def verdicts(member: Member) -> str:
    """Write the verdict on a run, and those on its other iterates."""
    found = [ANSWERS[member.run.verdict["verdict"]]]
    others = member.run.verdict.get("iterates", {})
    return "; ".join([*found, *(f"{name}: {ANSWERS[seen['verdict']]}" for name, seen in others.items())])


def value_rows(overlay: Overlay) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the results: of each quantity its name, then a row per run with the difference to the first."""
    rows = []
    for name in overlay.shown:
        rows.append([overlay.title(name), "", "", ""])
        for k, member in enumerate(overlay.members):
            if name in member.ends.of:
                pair = overlay.differences[k].get(name)
                told = [_row(pair, overlay.same_data(member))[part] for part in (3, 5)] if pair else ["", ""]
                rows.append([member.label, value_text(member, name), *told])
    return _shown(["", "at the end", "difference", "narrower"], rows)


def value_text(member: Member, name: str) -> str:
    """Write what a run ends with, and half the width of its interval."""
    found = member.value(name)
    if found.value is None:
        median = "" if found.median is None else f" (median distance {found.median:.3g})"
        return (found.status or "not known") + median
    row = {"mse": found.value, "ci_low": found.ci_low, "ci_high": found.ci_high, "status": "", "n": 0, "n_finite": 0}
    return interval(row)


def as_table(overlay: Overlay) -> bytes:
    """Write the results as comparison.csv, a row per run and quantity."""
    rows = []
    for name in overlay.shown:
        for k, member in enumerate(overlay.members):
            if name in member.ends.of:
                found, pair = member.value(name), overlay.differences[k].get(name)
                told = [number(end) for end in pair.paired[:4]] if pair else [None] * 4
                numbers = [found.value, found.ci_low, found.ci_high, found.status, told[0], *told[2:]]
                paths = pair.paired.paths if pair else ""
                rows.append([member.label, name, *("" if one is None else one for one in numbers), paths])
    return as_csv(CSV, rows)


def many_as_dict(overlay: Overlay) -> dict[str, Any]:
    """Return the runs, what differs between them and their differences to the first as a JSON document."""
    return {
        "runs": [_member_as_dict(overlay, k) for k in range(len(overlay.members))],
        "varied": [{"key": change.key, "values": list(change.values)} for change in overlay.varied],
    }


def _member_as_dict(overlay: Overlay, k: int) -> dict[str, Any]:
    """Return one run as a JSON document."""
    member = overlay.members[k]
    values: dict[str, Value] = {name: member.value(name) for name in overlay.names if name in member.ends.of}
    own = member.run.verdict.get("iterates", {})
    verdict = {"verdict": member.run.verdict["verdict"]} | {
        of_iterate("verdict", name): seen["verdict"] for name, seen in own.items()
    }
    return {
        "label": member.label,
        "folder": member.source,
        **verdict,
        "paths": member.run.summary["paths"],
        "steps": member.run.summary["steps"],
        "same_data": overlay.same_data(member),
        "values": [{"name": name, "quantity": overlay.title(name), **found._asdict()} for name, found in values.items()],
        "differences": [_difference_as_dict(found) for found in overlay.differences[k].values()],
    }
