"""The figure of what the optimizer keeps, and of how far its effective rate is from where a minimum is not stable."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from nonconv.numerics.arithmetic import Array
from nonconv.report.figures.axes import log_scale, note_beyond, positive, shown
from nonconv.report.figures.figures import LINES, SINGLE_PATHS, choose_scale, coordinate_label
from nonconv.report.figures.panels import few_decades, show_single_points, step_axis, title
from nonconv.report.run import Run
from nonconv.results.states import PREFIX

MOST_COORDINATES = 3
EDGE = "#d55e00"
RATE = "effective_rate"


def state_figure(run: Run) -> Figure:
    """Draw a panel per state: the first paths thin, the median of all kept paths thick; and the stability of the rate."""
    state = run.summary["state"]
    panels = [(name.replace("_", " "), run.paths[f"{PREFIX}{name}"]) for name in state["names"]]
    stable = state["curvature"] is not None
    figure = Figure(figsize=(6.4, 1.2 + 1.9 * (len(panels) + stable)), layout="constrained")
    every = np.atleast_1d(figure.subplots(len(panels) + stable, 1, sharex=True))
    for axes, (name, values) in zip(every, panels, strict=False):
        _panel(axes, run, values)
        axes.set_ylabel(name)
    if stable:
        _panel(every[-1], run, run.paths[f"{PREFIX}{RATE}"] * np.array(state["curvature"], dtype=np.float64), state["edge"])
        every[-1].set_ylabel("effective rate\n× curvature")
    every[-1].set_xlabel("step n")
    every[0].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)
    if state["edge"] is not None and stable:
        every[-1].legend(*_only(every[-1], "edge"), loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)
    title(every[0], run)
    show_single_points(figure)
    return figure


def _only(axes: Any, word: str) -> tuple[list[Any], list[str]]:
    """Return the entries of a legend that begin with a word."""
    found = [(handle, label) for handle, label in zip(*axes.get_legend_handles_labels(), strict=True) if label.startswith(word)]
    return [handle for handle, _ in found], [label for _, label in found]


def _panel(axes: Any, run: Run, values: Array, edge: float | None = None) -> None:
    """Draw a state (paths, R, coordinates) of the first few coordinates, on a log axis where nothing is negative."""
    values = values[:, :, :MOST_COORDINATES]
    with np.errstate(all="ignore"):
        medians = np.median(values, axis=0).T
    logarithmic = bool(np.all(~(values < 0.0)) and np.any(values > 0.0))
    drawn = positive if logarithmic else shown
    for j, median in enumerate(medians):
        name = f"median{'' if len(medians) == 1 else f', {coordinate_label(run, j)}'}"
        axes.plot(run.step, drawn(median), linewidth=1.8, label=name, zorder=3, **LINES[j])
        for path in values[:SINGLE_PATHS, :, j]:
            axes.plot(run.step, drawn(path), linewidth=0.6, alpha=0.7, color=LINES[j]["color"], zorder=2)
    axes.plot([], [], linewidth=0.6, alpha=0.7, color="0.2", label="individual paths")
    if edge is not None:
        axes.axhline(edge, color=EDGE, linewidth=1.2, linestyle="--", label="edge of stability", zorder=4)
    step_axis(axes, run)
    if logarithmic:
        curves = [*medians, *values[:SINGLE_PATHS].transpose(0, 2, 1).reshape(-1, len(run.step))]
        note_beyond(axes, *curves)
        log_scale(axes)
        few_decades(axes, *curves, *([np.array([edge])] if edge else []))
    else:
        choose_scale(axes, medians)
