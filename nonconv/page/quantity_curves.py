"""The quantities of a run as curves: quantiles of the distance, those that the config asks for, and a network's losses."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from nonconv.page.curves import POINTS, SEGMENT, Curves, Table, drawn, extend, switches, thinned
from nonconv.report.run import LAST, Run
from nonconv.results.columns import Columns, read_columns

MOST = 12
"""Panels of a page."""
MOST_POINTS, FEWEST_STEPS = 6_000, 24
"""Points of all quantities in a page, and the fewest steps of each curve."""
LEVELS = ("q50", "q90", "q99")
LOSSES = {
    "risk": "risk on held-out examples",
    "training_loss": "training loss",
    "wrong": "share of misclassified examples",
}
"""Columns of risk.csv, and what they are called."""
ONE_NUMBER = ("rate", "first_passage_median", "first_passage_censored", "violations")
"""Quantities with one row, which make no curve, and counts."""


class Panel(NamedTuple):
    """Curves that share an axis. signed: some are negative, or all are shares, so that the axis is linear."""

    title: str
    axis: str
    curves: Curves
    signed: bool


def of_run(run: Run) -> list[Panel]:
    """Return the panels of a run: what the config asks for first, then losses, then the quantiles that every run has."""
    return [*_asked(run), *_losses(run), *_quantiles(run)][:MOST]


def _panel(title: str, axis: str, rows: Iterable[tuple[Any, ...]]) -> Panel | None:
    """Return a panel of rows as POINTS has them; None if there are none."""
    points: Table = {name: [] for name in POINTS}
    extend(points, rows)
    if not points["step"]:
        return None
    names, measured = list(dict.fromkeys(points["iterate"])), list(dict.fromkeys(points["what"]))
    hue = "iterate" if len(names) > 1 else "what"
    groups = switches(names, {"Curves": measured}, "Iterates")
    empty: Table = {name: [] for name in SEGMENT}
    values = [value for value in points["value"] if value is not None]
    signed = not any(value > 0 for value in values) or any(value < 0 for value in values)
    return Panel(title, axis, Curves(points, empty, groups, hue), signed)


def _courses(run: Run) -> dict[tuple[str, str], Columns]:
    """Return the rows of quantities.csv by iterate and quantity."""
    path = run.folder / "quantities.csv"
    if not path.exists():
        return {}
    every = read_columns(path)
    places: dict[tuple[str, str], list[int]] = {}
    for k, names in enumerate(zip(every["iterate"], every["quantity"], strict=True)):
        places.setdefault(names, []).append(k)
    columns = every.texts.items()
    return {names: Columns(path, {name: [texts[k] for k in own] for name, texts in columns}) for names, own in places.items()}


def _most(courses: Mapping[tuple[str, str], Columns]) -> int:
    """Return at how many steps each curve is drawn."""
    return max(FEWEST_STEPS, MOST_POINTS // max(1, len(courses)))


def _rows(own: Columns, iterate: str, what: str, most: int) -> Iterator[tuple[Any, ...]]:
    """Yield POINTS of one quantity, at `most` steps at most."""
    mask = np.zeros(own.rows, dtype=bool)
    mask[thinned(own.rows, most)] = True
    own = own.select(mask)
    numbers = [drawn(own.numbers(name)) for name in ("value", "ci_low", "ci_high")]
    counts = [own.integers(name).tolist() for name in ("n", "n_finite")]
    for step, *rest in zip(own.integers("step").tolist(), *numbers, *counts, strict=True):
        yield step, iterate, what, *rest


def _quantiles(run: Run) -> list[Panel]:
    """Return a panel for each ξ: quantiles of the distance from it."""
    courses = _courses(run)
    found = []
    for label in run.errors:
        named = ((iterate, level, f"{level}: {label}") for iterate in _iterates(run) for level in LEVELS)
        rows = [
            row
            for iterate, level, name in named
            if (iterate, name) in courses
            for row in _rows(courses[iterate, name], iterate, level, _most(courses))
        ]
        found.append(_panel(f"Quantiles of the distance from {label}", f"|Θₙ − {label}|", rows))
    return [panel for panel in found if panel]


def _iterates(run: Run) -> list[str]:
    return [run.iterate, *(other.iterate for other in run.others)]


def _asked(run: Run) -> list[Panel]:
    """Return a panel for each quantity that the config asks for."""
    courses = _courses(run)
    together: dict[str, list[dict[str, Any]]] = {}
    for row in run.summary.get("quantities", ()):
        kind = row["quantity"].partition(": ")[0]
        if kind not in ONE_NUMBER and row["kind"] != "law":
            together.setdefault(row["quantity"], []).append(row)
    found = []
    for name, rows in together.items():
        title = str(rows[0]["title"]).replace("ξ", rows[0]["xi"] or "ξ")
        own = [(row["iterate"], courses[row["iterate"], name]) for row in rows if (row["iterate"], name) in courses]
        found.append(
            _panel(
                f"{title} ({name})",
                title,
                (one for iterate, course in own for one in _rows(course, iterate, name, _most(courses))),
            )
        )
    return [panel for panel in found if panel]


def _losses(run: Run) -> list[Panel]:
    """Return a panel for each loss of a network, from the start, step 0, on."""
    path = run.folder / "risk.csv"
    if not path.exists():
        return []
    columns = read_columns(path)
    found = []
    for name, title in LOSSES.items():
        if name in columns.texts:
            found.append(_panel(title[:1].upper() + title[1:], title, _loss(columns, name)))
    return [panel for panel in found if panel]


def _loss(columns: Columns, name: str) -> Iterator[tuple[Any, ...]]:
    """Yield POINTS of a loss."""
    ends = ("ci_low", "ci_high") if name == "risk" else (f"{name}_ci_low", f"{name}_ci_high")
    value = columns.numbers(name)
    nothing = np.full(len(value), np.nan)
    numbers = [drawn(of) for of in (value, *(columns.numbers(end) if end in columns.texts else nothing for end in ends))]
    counts = [columns.integers(column).tolist() for column in ("n", "n_finite")]
    for step, *rest in zip(columns.integers("step").tolist(), *numbers, *counts, strict=True):
        yield step, LAST, name, *rest
