"""The errors of a sweep's cells over the steps, in one figure: a line per cell, or a colour where cells are many.

Few cells share a panel, each in a style of its own. Of more, a number that is swept becomes the colour of a line, and other
keys become panels; without any number the names of one key are the lines.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.lines import Line2D

from nonconv.numerics.arithmetic import Array
from nonconv.report.figures.axes import log_scale
from nonconv.report.figures.curves import band, cut, mark_end, step_axis
from nonconv.report.figures.figures import line_styles
from nonconv.report.figures.panels import few_decades
from nonconv.report.figures.sweep_axes import SweptAxis, line_axis
from nonconv.report.figures.sweep_page import Page, new_page
from nonconv.report.figures.verdict_table import read_value
from nonconv.report.labels import labels, symbol, xi_name
from nonconv.report.markup import printable
from nonconv.report.run import LAST, of_iterate
from nonconv.report.sweep_result import Mask, SweepResult, View, evenly, shortened, view
from nonconv.results.columns import columns_of
from nonconv.store.cell_files import CellFiles

FEW = 10
"""So many cells share one panel, and a key with so many values has a style for each."""
MOST = 60
"""Lines in a panel, at most."""
COLOURS = LinearSegmentedColormap.from_list("dark viridis", mpl.colormaps["viridis"](np.linspace(0.0, 0.88, 64)))
"""Without its lightest part, which is not seen on white."""
LONGEST = 60
"""Characters of the name of a cell."""
FEW_STYLES = 6
"""A number with more values than this is shown by colours."""


class Course(NamedTuple):
    """The error of a cell over its recorded steps, each field of shape (R,).

    median: whether it is the square of the median distance, since the mean is infinite.
    """

    step: Array
    mse: Array
    low: Array
    high: Array
    median: bool = False


def read_courses(result: SweepResult, cells: Sequence[int], label: str) -> dict[int, Course]:
    """Read the errors for a ξ, of the last iterate, of those of these cells that have it. Raises UsageError."""
    files, found = CellFiles(result.folder), {}
    for cell in cells:
        name = result.columns["cell"][cell]
        content = files.read(name, ("error.csv", "quantities.csv")) if result.done[cell] else None
        course = _course(content, Path(f"{result.folder}#{name}"), label) if content else None
        if course:
            found[cell] = course
    return found


def _course(content: dict[str, bytes], folder: Path, label: str) -> Course | None:
    """Read the error of a cell for a ξ; where that is infinite, the median distance. folder: for errors."""
    rows = of_iterate(columns_of(content["error.csv"], folder / "error.csv")).where("xi", label)
    if not rows.rows:
        return None
    course = Course(rows.numbers("step"), rows.numbers("mse"), rows.numbers("ci_low"), rows.numbers("ci_high"))
    if any(rows["mse"]) or "quantities.csv" not in content:
        return course
    every = columns_of(content["quantities.csv"], folder / "quantities.csv").where("iterate", LAST)
    own = every.where("quantity", f"q50: {label}")
    value, low, high = (np.square(own.numbers(column)) for column in ("value", "ci_low", "ci_high"))
    return Course(own.numbers("step"), value, low, high, median=True) if own.rows else course


def curves_figure(result: SweepResult, label: str) -> Any:
    """Draw the error for a ξ of the cells over the steps."""
    key, seen = _seen(result)
    numbers = key in result.numeric and len(result.values(key)) > FEW_STYLES
    chosen = [_chosen(result, key, mask) for _, mask in seen.panels]
    courses = read_courses(result, sorted({cell for cells in chosen for cell in cells}), label)
    shown = sum(len(cells) for cells in chosen)
    there = sum(int((mask & result.done).sum()) for _, mask in seen.panels)
    notes = [f"{shown} of {there} cells"] if shown < there else []
    if any(course.median for course in courses.values()):
        notes.append("(median of |Θₙ − ξ|)² where the mean is infinite")
    page = new_page(result, seen, wide=True, note="; ".join(notes))
    styles = _styles(result, key, chosen)
    axis = line_axis(key, np.unique(result.numbers(key)[np.isfinite(result.numbers(key))])) if numbers else None
    lost = False
    for axes, cells in zip(page.panels, chosen, strict=True):
        lost |= _panel(axes, {cell: courses[cell] for cell in cells if cell in courses}, result, key, styles, axis)
        axes.set_ylabel(f"E |Θₙ − ξ|²\nξ = {xi_name(label)}", size=8)
        axes.set_xlabel("step n", size=8)
    format_panels(page, list(courses.values()))
    handles = [] if axis else [Line2D([], [], label=name, **style) for name, style in styles.values()]
    if lost:
        handles.append(Line2D([], [], color="0.2", linestyle="none", marker="x", label="not finite from this step on"))
    if axis:
        _colour_bar(page, axis)
    page.finish(handles)
    return page.figure


def _seen(result: SweepResult) -> tuple[str, View]:
    """Return the key whose values are the lines, and the panels; no key where every cell is a line of one panel."""
    key = "" if result.cells <= FEW else _key(result)
    seen = view(result, (key,)) if key else None
    # Keys of different components have no cells in common; then an even choice of all cells is shown.
    if seen is None or sum(int((mask & result.done).sum()) for _, mask in seen.panels) < 2:
        return "", View((), None, [("", np.ones(result.cells, dtype=bool))], 0, {})
    return key, seen


def _key(result: SweepResult) -> str:
    """Return the key whose values are the lines of a panel: the number with the most values, or else the last name."""
    numeric = sorted(result.numeric, key=lambda key: -len(result.values(key)))
    return numeric[0] if numeric else result.swept[-1] if result.swept else ""


def _chosen(result: SweepResult, key: str, mask: Mask) -> list[int]:
    """Return the cells of a panel that are drawn: all, or an even choice in the order of the key's values."""
    cells = np.flatnonzero(mask & result.done)
    if key in result.numeric:
        cells = cells[np.argsort(result.numbers(key)[cells], kind="stable")]
    most = MOST if key in result.numeric and len(result.values(key)) > FEW_STYLES else FEW
    return [int(cells[k]) for k in evenly(len(cells), most)] if len(cells) else []


def _styles(result: SweepResult, key: str, chosen: Sequence[Sequence[int]]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return name and style of each line, by the value of the key, or by the cell where there is no key."""
    cells = list(dict.fromkeys(cell for cells in chosen for cell in cells))
    if not key:
        names = dict(zip(map(str, cells), cell_names(result, cells), strict=True))
    else:
        drawn = {result.columns[key][cell] for cell in cells}
        named = f"{symbol(key)} = " if key in result.numeric else ""
        names = {value: f"{named}{result.brief(key, value)}" for value in result.values(key) if value in drawn}
    styles = line_styles(len(names))
    return {
        value: (shortened(printable(name), LONGEST), style) for (value, name), style in zip(names.items(), styles, strict=True)
    }


def cell_names(result: SweepResult, cells: Sequence[int]) -> list[str]:
    """Name cells by what tells them apart, in as few words as do."""
    if not cells:
        return []
    whole = [shortened(cell_name(result, cell), LONGEST) for cell in cells]
    ids = [result.columns["cell"][cell][:6] for cell in cells]
    # Where few words do not tell cells apart, the start of their names does.
    others = [f"{shortened(name, LONGEST - 9)} ({start})" for name, start in zip(whole, ids, strict=True)]
    names = whole if len(set(whole)) == len(whole) else others
    return labels([_swept_config(result, cell) for cell in cells], names, LONGEST)


def _swept_config(result: SweepResult, cell: int) -> dict[str, Any]:
    """Return the swept values of a cell as the part of a config that they are."""
    config: dict[str, Any] = {}
    # Outer keys first: a value within a component comes after the component.
    for key in sorted(result.swept, key=lambda key: key.count(".")):
        text = result.columns[key][cell]
        if not text:
            continue
        *outer, last = key.split(".")
        holder = config
        for name in outer:
            inner = holder.get(name, {})
            holder[name] = holder = dict(inner) if isinstance(inner, dict) else {"name": inner}
        value = float(text) if key in result.numeric else read_value(text)
        holder[last] = {"name": value} if isinstance(value, str) and last != "name" else value
    return config


def cell_name(result: SweepResult, cell: int) -> str:
    """Name a cell by the values of the swept keys, numbers with their symbols; or by the start of its id."""
    parts = []
    for key in result.swept:
        value = result.columns[key][cell]
        if value:
            parts.append(f"{symbol(key)} = {result.brief(key, value)}" if key in result.numeric else result.brief(key, value))
    return ", ".join(parts) or result.columns["cell"][cell][:8]


def _panel(
    axes: Any,
    courses: dict[int, Course],
    result: SweepResult,
    key: str,
    styles: dict[str, tuple[str, dict[str, Any]]],
    axis: SweptAxis | None,
) -> bool:
    """Draw the curves of a panel; return whether one of them is not finite somewhere.

    styles: by the value of the key, or by the cell where there is no key.
    """
    lost, numbers = False, result.numbers(key) if axis else np.empty(0)
    texts = result.columns[key] if key else []
    for cell, course in courses.items():
        if axis:
            at = axis.places(numbers[[cell]])[0]
            style = {"color": COLOURS(_norm(axis)(at)), "linewidth": 0.9}
        else:
            own = texts[cell] if key else str(cell)
            style = styles[own][1] | {"linewidth": 1.2}
        value, low, high = course.mse, course.low, course.high
        if len(courses) > FEW_STYLES:
            low = high = np.full_like(value, np.nan)  # many bands hide each other
        band(axes, course.step, (value, low, high), style)
        lost |= mark_end(axes, course.step, value, style)
    return lost


def format_panels(page: Page, courses: Sequence[Course]) -> None:
    """Set the axes, which panels share."""
    steps = [course.step for course in courses if len(course.step)]
    first, last = (min(s[0] for s in steps), max(s[-1] for s in steps)) if steps else (1.0, 10.0)
    even = bool(steps) and all(len(s) > 2 and np.ptp(np.diff(s)) == 0 for s in steps)
    for axes in page.panels:
        step_axis(axes, float(first), float(last), even)
    log_scale(*page.panels)
    curves = [course.mse for course in courses]
    for k, axes in enumerate(page.panels):
        few_decades(axes, *curves)
        if not any(np.isfinite(curve).any() for curve in curves):
            axes.text(0.5, 0.5, "no finite error" if curves else "no cell", ha="center", transform=axes.transAxes)
        if curves and k == 0:
            cut(axes, curves)


def _norm(axis: SweptAxis) -> Any:
    """Return how places on an axis become colours."""
    ends = sorted(float(end) for end in axis.places(axis.values[[0, -1]]))
    low, high = ends if ends[0] < ends[1] else (ends[0] * 0.9 - 1e-9, ends[1] * 1.1 + 1e-9)
    return LogNorm(low, high) if axis.logarithmic else Normalize(low, high)


def _colour_bar(page: Page, axis: SweptAxis) -> None:
    """Say which colour is which value."""
    source = mpl.cm.ScalarMappable(_norm(axis), COLOURS)
    bar = page.figure.colorbar(source, ax=page.panels, aspect=25, pad=0.02, fraction=0.06)
    places, texts = axis.ticks(page.room[1])
    low, high = _norm(axis).vmin, _norm(axis).vmax
    kept = [(at, text) for at, text in zip(places, texts, strict=True) if low <= at <= high]
    bar.set_ticks([at for at, _ in kept], labels=[text for _, text in kept])
    bar.minorticks_off()
    bar.ax.tick_params(labelsize=8)
    bar.set_label(axis.label, size=8)
    bar.ax.grid(visible=False)
