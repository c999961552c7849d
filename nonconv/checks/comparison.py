"""Compare finished runs: how their configs differ, and by how much the final results of their paths differ (report.overlay)."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nonconv.faults.errors import UsageError
from nonconv.report.labels import differing_parts
from nonconv.report.overlay import Difference, Member, Overlay, Value, read_overlay
from nonconv.report.tables import interval
from nonconv.report.verdict_text import ANSWERS
from nonconv.results.csv_text import as_csv, number
from nonconv.results.iterates import of_iterate

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


def rows(comparison: Comparison, first: str = "first", second: str = "second") -> tuple[list[str], list[list[str]]]:
    """Return header and rows of a table for people. first, second: what the runs are called."""
    header = ["", first, second, f"{second} − {first}", "correlation", "narrower"]
    return header, [_row(found) for found in comparison.differences]


def _row(found: Difference) -> list[str]:
    """Return the row of one quantity; correlation and gain are empty where they are not finite."""
    p = found.paired
    ends = {"ci_low": number(p.ci_low), "ci_high": number(p.ci_high)}
    value = number(p.value)
    if found.medians:
        ends_of = zip((found.first, found.second), found.medians, strict=True)
        texts = [f"infinite (median {median:.3g})" if math.isnan(mean) else f"{mean:.5g}" for mean, median in ends_of]
        return [found.quantity, *texts, "no value", "", ""]
    shown = "not finite" if value is None else interval({"mse": value, **ends, "status": "", "n": 0, "n_finite": 0})
    known = np.isfinite([p.correlation, p.narrower]).all()
    # A factor beyond this is one of rounding errors: the difference is the same on every path.
    gain = f"{p.narrower:.1f} ×" if p.narrower < MOST_GAINED else "same on every path"
    worth = [f"{p.correlation:.3f}", gain] if known else ["", ""]
    return [found.quantity, f"{found.first:.5g}", f"{found.second:.5g}", shown, *worth]


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


def what_differs(overlay: Overlay) -> str:
    """Say which parts of the configs differ, in a sentence; empty where `run_rows` has them."""
    parts = list(differing_parts([member.config for member in overlay.members]))
    if not parts:
        return "The configs are the same."
    return f"The configs differ in {', '.join(parts)}; --json lists the values." if len(parts) > MOST_COLUMNS else ""


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
                told = [_row(pair)[3], _row(pair)[5]] if pair else ["", ""]
                rows.append([member.label, value_text(member, name), *told])
    return ["", "at the end", "difference", "narrower"], rows


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
