"""The best cells of a sweep over some of its keys: their errors over the steps, and what the other half of the paths has."""

from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from nonconv.report.best import keys_of, read_best
from nonconv.report.figures.axes import positive
from nonconv.report.figures.curves import band, mark_end
from nonconv.report.figures.figures import line_styles
from nonconv.report.figures.sweep_courses import FEW, format_panels, read_courses
from nonconv.report.figures.sweep_page import new_page
from nonconv.report.labels import symbol, xi_name
from nonconv.report.markup import printable
from nonconv.report.sweep_result import SweepResult, View, shortened
from nonconv.results.columns import Columns
from nonconv.statistics.measured_block import MSE_PREFIX

BESIDE, MOST_BESIDE = 1.12, 5
"""Points at the end of curves are beside each other, each by this factor further, and so many of them."""


def best_figure(result: SweepResult) -> Any:
    """Draw the errors of the best cells over some keys, all paths of them, and as points what the half of the paths has that
    did not choose.
    """
    rows = read_best(result)
    assert rows is not None
    name = result.about["best"]["by"]
    label = name.removeprefix(MSE_PREFIX)
    chosen = [k for k, cell in enumerate(rows["cell"]) if cell][:FEW]
    cells = [result.columns["cell"].index(rows["cell"][k]) for k in chosen]
    courses = read_courses(result, cells, label)
    note = f"the first {FEW} of {rows.rows}" if rows.rows > FEW else ""
    page = new_page(result, View((), None, [("", np.ones(result.cells, dtype=bool))], 0, {}), wide=True, note=note)
    (axes,) = page.panels
    styles, handles, lost = line_styles(len(chosen)), [], False
    values, low, high = (rows.numbers(column) for column in ("value", "ci_low", "ci_high"))
    for place, (k, cell, style) in enumerate(zip(chosen, cells, styles, strict=True)):
        handles.append(Line2D([], [], label=shortened(printable(_best_name(result, rows, k)), 60), **style))
        course = courses.get(cell)
        if course is None:
            continue
        band(axes, course.step, (course.mse, course.low, course.high), style | {"linewidth": 1.2})
        lost |= mark_end(axes, course.step, course.mse, style)
        value = positive(values[[k]])
        half = np.maximum(np.nan_to_num([values[[k]] - positive(low[[k]]), high[[k]] - values[[k]]]), 0.0)
        marks = {"fmt": "D", "markersize": 4.5, "capsize": 3, "markerfacecolor": "white", "zorder": 5}
        aside = course.step[[-1]] * BESIDE ** (1 + place % MOST_BESIDE)
        axes.errorbar(aside, value, half, color=style["color"], **marks)
    axes.set_ylabel(f"E |Θₙ − ξ|²\nξ = {xi_name(label)}", size=8)
    axes.set_xlabel("step n", size=8)
    format_panels(page, list(courses.values()))
    axes.set_xlim(right=axes.get_xlim()[1] * BESIDE ** (MOST_BESIDE + 1))
    handles.append(
        Line2D([], [], color="0.3", linestyle="none", marker="D", markerfacecolor="white", label="on the other half")
    )
    if lost:
        handles.append(Line2D([], [], color="0.2", linestyle="none", marker="x", label="not finite from this step on"))
    page.finish(handles)
    return page.figure


def _best_name(result: SweepResult, rows: Columns, k: int) -> str:
    """Name a best cell: `sgd: γ = 0.1`."""
    over, texts = result.about["best"]["over"], dict[str, str]()
    for key in keys_of(rows):
        if rows[key][k] and key in (*over, *result.swept):
            named = f"{symbol(key)} = " if key in result.numeric else ""
            texts[key] = f"{named}{result.brief(key, rows[key][k])}"
    parts = [", ".join(text for key, text in texts.items() if (key in over) is last) for last in (False, True)]
    return ": ".join(part for part in parts if part)
