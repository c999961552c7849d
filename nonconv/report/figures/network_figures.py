"""The figures of networks: the risk on held-out examples, and the floors of each group of coordinates."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox, TransformedBbox

from nonconv.numerics.arithmetic import Array
from nonconv.report.figures.axes import log_scale, note_beyond, positive, shown
from nonconv.report.figures.panels import few_decades, first_shown, mark_losses, schedule_panel, step_axis, title
from nonconv.report.run import Run
from nonconv.results.columns import Columns, read_columns

RISK, WRONG = "#0072b2", "#d55e00"
COLORS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9")
MARKERS = ("o", "s", "^", "v", "D", "P", "X", "<", ">", "p")
"""One per group, up to ten groups."""
FLOORS = {"window": "window floor", "twin_mean": "twin floor, mean over late lags", "cauchy_mean": "Cauchy floor"}
MOST_PANELS = 2


def risk_figure(run: Run) -> Figure:
    """Draw the risk with its 95 % band on log-log axes, the share of misclassified examples, the learning rate."""
    columns = read_columns(run.folder / "risk.csv")
    at = {name: columns.numbers(name) for name in columns.texts}
    heights = (4, 2.5, 1) if "wrong" in at else (4, 1)
    figure = Figure(figsize=(6.4, 0.96 * sum(heights)), layout="constrained")
    top, *middle, bottom = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    for axes in (top, *middle):
        step_axis(axes, run)
    _risk(top, run, at)
    if middle:
        _wrong(middle[0], run, at)
    title(top, run)
    schedule_panel(bottom, run)
    return figure


def _risk(axes: Any, run: Run, at: dict[str, Array]) -> None:
    """Draw the risk."""
    risk, low, high = (positive(at[name]) for name in ("risk", "ci_low", "ci_high"))
    low = np.where(np.isnan(low) & np.isfinite(high), positive(risk / 10), low)
    _curve(axes, run, (risk, low, high), RISK)
    if "training_loss" in at:
        axes.plot(run.step, positive(at["training_loss"][1:]), color="0.45", linestyle=(0, (4, 2)), label="training loss")
    mark_losses(axes, run, at["risk"][1:])
    note_beyond(axes, at["risk"])
    log_scale(axes)
    axes.set_ylabel(f"risk on {run.summary['network']['held_out']} held-out examples")
    few_decades(axes, at["risk"])
    axes.legend(loc="best")


def _wrong(axes: Any, run: Run, at: dict[str, Array]) -> None:
    """Draw the share of misclassified examples, in per cent."""
    _curve(axes, run, tuple(100.0 * shown(at[name]) for name in ("wrong", "wrong_ci_low", "wrong_ci_high")), WRONG)
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel("misclassified, %")


def _curve(axes: Any, run: Run, rows: tuple[Array, ...], color: str) -> None:
    """Draw a quantity at the recorded steps, and its start. rows: value, low and high, the start first.

    The start, n = 0, is drawn at the left end, since a log axis cannot show it.
    """
    value, low, high = (row[1:] for row in rows)
    name = "mean over paths, 95 % band" if run.summary["paths"] > 1 else "the path"
    axes.plot(run.step, value, color=color, marker="o" if len(value) == 1 else "", label=name)
    axes.fill_between(run.step, low, high, color=color, alpha=0.25, linewidth=0)
    (start, least, most) = (row[:1] for row in rows)
    half = np.clip(np.nan_to_num(np.array([start - least, most - start])), 0.0, None)
    line = {"color": "black", "markersize": 5, "capsize": 3, "linewidth": 1.0, "zorder": 5}
    drawn = axes.errorbar([first_shown(run)], start, half, fmt="D", label="start (n = 0)", **line)
    # Not cut at the left edge, on which it lies; but its interval may reach far below the axis.
    room = TransformedBbox(Bbox([[-0.05, 0.0], [1.0, 1.0]]), axes.transAxes)
    for artist in drawn.get_children():
        artist.set_clip_box(room)


def groups_figure(run: Run) -> Figure:
    """Draw the floors of each group of coordinates over the spans, with 95 % intervals."""
    every = read_columns(run.folder / "group_floors.csv")
    floors = [name for name in FLOORS if name in every.values("floor")][:MOST_PANELS]
    figure = Figure(figsize=(2.2 + 3.0 * len(floors), 3.8), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(floors), sharey=True))
    for axes, floor in zip(panels, floors, strict=True):
        _group_lines(axes, every.where("floor", floor))
        axes.set_title(FLOORS[floor], loc="left")
        axes.set_xlabel("step n (end of a span)")
    log_scale(*panels)
    panels[0].set_ylabel("lower bound of E |Θₙ − ξ|² per group")
    panels[-1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), title="group", alignment="left")
    return figure


def _group_lines(axes: Any, rows: Columns) -> None:
    """Draw one line per group; points are shifted sideways so that no interval hides another."""
    names = rows.values("group")
    for k, name in enumerate(names):
        own = rows.where("group", name)
        step, value, low, high = (own.numbers(of) for of in ("step", "value", "ci_low", "ci_high"))
        # Multiplied, since the axis is logarithmic.
        value, aside = positive(value), 1.02 ** (k - (len(names) - 1) / 2)
        half = np.clip(np.nan_to_num([value - positive(low), positive(high) - value]), 0.0, None)
        style = {"color": COLORS[k % len(COLORS)], "marker": MARKERS[k % len(MARKERS)], "markersize": 4.5, "capsize": 2.5}
        axes.errorbar(step * aside, value, half, label=name, linewidth=1.2, **style)
    if not any(np.isfinite(line.get_ydata()).any() for line in axes.lines):
        zero = np.all(rows.numbers("value") == 0.0)
        text = "zero in every group" if zero else "not finite in any group"
        behind = {"facecolor": "white", "edgecolor": "none"}
        axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, bbox=behind)
    spans = sorted(set(rows.numbers("step").tolist()))
    axes.set_xscale("log")
    axes.set_xlim(spans[0] / 1.3, spans[-1] * 1.3)
    axes.set_xticks(spans, [f"{step:.0f}" for step in spans])
    axes.minorticks_off()
