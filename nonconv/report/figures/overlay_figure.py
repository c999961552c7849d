"""The figure of several runs: their errors in one panel per ξ, a floor of each, and paired differences to the first."""

import textwrap
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nonconv.report.figures.axes import LARGEST_SHOWN, log_scale, positive
from nonconv.report.figures.curves import band, cut, mark_end, step_axis
from nonconv.report.figures.figures import line_styles, shown_errors
from nonconv.report.figures.panels import few_decades
from nonconv.report.figures.sweep_axes import set_ticks
from nonconv.report.figures.sweep_lines import scale_of
from nonconv.report.labels import xi_name
from nonconv.report.markup import printable
from nonconv.report.overlay import Member, Overlay
from nonconv.report.run import LAST, Run
from nonconv.results.iterates import of_iterate
from nonconv.statistics.measured_block import MSE_PREFIX

MOST_PANELS = 3
FLOORS = {"window": "window floor", "twin": "twin floor", "cauchy": "Cauchy floor"}
"""The floor that is drawn is the first that all runs have."""
FLOOR_LINE: dict[str, Any] = {
    "linestyle": (0, (1, 1)),
    "linewidth": 1.8,
    "marker": "|",
    "markersize": 8,
    "markeredgewidth": 1.6,
}
CASING: dict[str, Any] = {"color": "white", "linewidth": 3.0, "alpha": 0.85, "zorder": 3.5}
"""What lies below a floor, which often lies on its own curve."""
WIDEST_LABEL = 70, 44
"""Characters of the label of an axis: of one panel, and of one of several."""
ROW = 0.2
"""Inches of a run in the panel of differences."""
PATH_BY_PATH = "path by path".replace(" ", "\N{NO-BREAK SPACE}")
CHARACTER = 0.075
"""Inches of a character in a legend, roughly."""


class Panel(NamedTuple):
    """What a panel shows: the errors for a ξ, as an iterate sees them. xi: empty where each run has its own, the first."""

    iterate: str
    xi: str


def overlay_figure(overlay: Overlay) -> Figure:
    """Draw the errors of all runs with their bands, a panel for each ξ that runs share; below, differences to the first run.

    Differences are those at the last step, path by path, of the runs that have the first one's seed.
    """
    panels = panels_of(overlay)
    pairs = [member for member in overlay.members[1:] if overlay.same_data(member)]
    below = bool(pairs) and any(_differences(overlay, panel) for panel in panels)
    styles = line_styles(len(overlay.members))
    width = (6.4, 8.6, 10.4)[len(panels) - 1]
    heights = [3.4, 0.75 + ROW * len(pairs)] if below else [3.4]
    columns = max(1, min(len(styles), int(width / (0.6 + CHARACTER * max(len(m.label) for m in overlay.members)))))
    legend_rows = -(-(len(styles) + 2) // columns)
    figure = Figure(figsize=(width, sum(heights) + 0.3 + 0.19 * legend_rows), layout="constrained")
    grid = figure.subplots(len(heights), len(panels), squeeze=False, height_ratios=heights)
    marks: dict[str, Any] = {}
    for k, panel in enumerate(panels):
        marks |= _errors(grid[0, k], overlay, panel, styles)
        if below and not _differences(overlay, panel):
            grid[1, k].remove()
        elif below:
            _pairs(grid[1, k], overlay, panel, pairs, styles)
            if k:
                grid[1, k].tick_params(labelleft=False)
    handles = [
        Line2D([], [], label=legend_name(member.label), **style) for member, style in zip(overlay.members, styles, strict=True)
    ]
    figure.legend(handles=[*handles, *marks.values()], loc="outside lower center", ncols=columns, fontsize=8)
    return figure


def legend_name(text: str) -> str:
    """Return a text as a legend shows it: one that begins with _ would be left out."""
    text = printable(text)
    return f"\N{NO-BREAK SPACE}{text}" if text.startswith("_") else text


def panels_of(overlay: Overlay) -> list[Panel]:
    """List the ξ that get a panel: those that most runs share, as many as there is room for."""
    counts: dict[Panel, int] = {}
    for member in overlay.members:
        for run in (member.run, *member.run.others):
            for xi in run.errors:
                if xi != LAST:
                    counts[Panel(run.iterate, xi)] = counts.get(Panel(run.iterate, xi), 0) + 1
    shared = [panel for panel, count in counts.items() if count > 1]
    shared.sort(key=lambda panel: (-counts[panel], panel.iterate != LAST))
    return shared[:MOST_PANELS] or [Panel(LAST, "")]


def _seen(member: Member, panel: Panel) -> tuple[Run, str] | None:
    """Return the run as a panel's iterate sees it and the ξ that is drawn; None if it has none."""
    if panel.iterate != LAST and panel.iterate not in member.run.iterates:
        return None
    run = member.run.seen_by(panel.iterate)
    xi = panel.xi or next(iter(run.errors))
    return (run, xi) if xi in run.errors else None


def _errors(axes: Any, overlay: Overlay, panel: Panel, styles: list[dict[str, Any]]) -> dict[str, Any]:
    """Draw the errors of a panel; return legend entries of what else is drawn."""
    marks: dict[str, Any] = {}
    curves, ends, starts, medians, even = [], [], [], [], []
    floor = _floor_of(overlay, panel)
    for member, style in zip(overlay.members, styles, strict=True):
        found = _seen(member, panel)
        if found is None:
            continue
        run, xi = found
        errors = shown_errors(run, xi)
        curves.append(errors.mse)
        starts.append(float(run.step[0]))
        ends.append(float(run.step[-1]))
        medians.append(xi in run.medians)
        even.append(run.config.get("record", {}).get("spacing") == "linear")
        band(axes, run.step, (errors.mse, errors.ci_low, errors.ci_high), style)
        if mark_end(axes, run.step, errors.mse, style):
            marks["lost"] = Line2D([], [], color="0.2", linestyle="none", marker="x", label="not finite from this step on")
        if floor and _segment(axes, run, floor, style):
            marks["floor"] = Line2D([], [], color="0.2", label=f"{FLOORS[floor]}, for every ξ", **FLOOR_LINE)
    step_axis(axes, min(starts), max(ends), all(even))
    log_scale(axes)
    few_decades(axes, *curves)
    cut(axes, curves)
    axes.set_xlabel("step n")
    axes.set_ylabel("(median of |Θₙ − ξ|)²" if all(medians) else "E |Θₙ − ξ|², or (median)²" if any(medians) else "E |Θₙ − ξ|²")
    whose = "" if panel.iterate == LAST else f"{panel.iterate}: "
    axes.set_title(f"{whose}ξ = {xi_name(panel.xi)}" if panel.xi else "ξ: the first of each run", loc="left")
    return marks


def _floor_of(overlay: Overlay, panel: Panel) -> str:
    """Return the floor that is drawn: the first that all runs of a panel have; empty if there is none."""
    found = [seen[0].verdict.get("floors", {}) for member in overlay.members if (seen := _seen(member, panel))]
    return next((floor for floor in FLOORS if all(floor in floors for floors in found)), "")


def _segment(axes: Any, run: Run, floor: str, style: dict[str, Any]) -> bool:
    """Draw the floor of the last span over the last half of the steps, if it is above 0."""
    value = run.verdict["floors"][floor]["value"]
    if value is None or not np.isfinite(positive(np.array([value]))).all():
        return False
    ends = [run.step[-1] / 2, run.step[-1]], [value, value]
    axes.plot(*ends, **CASING)
    axes.plot(*ends, color=style["color"], zorder=4, **FLOOR_LINE)
    return True


def _differences(overlay: Overlay, panel: Panel) -> dict[str, Any]:
    """Return the differences of the panel's ξ to the first run, by the label of the run."""
    name = MSE_PREFIX + panel.xi
    name = name if panel.iterate == LAST else of_iterate(name, panel.iterate)
    found = zip(overlay.members, overlay.differences, strict=True)
    return {member.label: pairs[name].paired for member, pairs in found if overlay.same_data(member) and name in pairs}


def _pairs(axes: Any, overlay: Overlay, panel: Panel, pairs: list[Member], styles: list[dict[str, Any]]) -> None:
    """Draw the differences at the last step with their intervals, one row per run."""
    found = _differences(overlay, panel)
    known = [(value.value, value.ci_low, value.ci_high) for value in found.values()]
    value, low, high = (np.array([row[k] for row in known], dtype=np.float64) for k in range(3))
    inside = np.abs(value) < LARGEST_SHOWN
    scale = scale_of("difference", value[inside], np.concatenate((low[inside], high[inside], [0.0])))
    for row, member in enumerate(pairs):
        style = {"color": styles[overlay.members.index(member)]["color"], "zorder": 3}
        pair = found.get(member.label)
        if pair is None:
            axes.text(0.5, -row, "no such ξ", transform=axes.get_yaxis_transform(), ha="center", va="center", size=7)
        elif not abs(pair.value) < LARGEST_SHOWN:
            axes.text(0.5, -row, "not finite", transform=axes.get_yaxis_transform(), ha="center", va="center", size=7)
        else:
            half = np.nan_to_num([[pair.value - pair.ci_low], [pair.ci_high - pair.value]])
            axes.errorbar([pair.value], [-row], xerr=np.maximum(half, 0.0), fmt="o", markersize=4, capsize=2.5, **style)
    axes.axvline(0.0, color="0.4", linewidth=0.8, zorder=1)
    scale.apply(axes.xaxis, 3.0)
    set_ticks(axes.yaxis, [-float(row) for row in range(len(pairs))], [printable(member.label) for member in pairs])
    axes.tick_params(labelsize=8)
    axes.set_ylim(-len(pairs) + 0.4, 0.6)
    about = f"difference to {printable(overlay.members[0].label)} at the last step, {PATH_BY_PATH}"
    axes.set_xlabel(textwrap.fill(about, WIDEST_LABEL[1 if axes.get_subplotspec().get_gridspec().ncols > 1 else 0]), size=8)
