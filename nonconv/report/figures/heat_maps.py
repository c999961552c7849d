"""Heat maps of a sweep: a quantity over two swept keys, one panel per value of a third. Readable in grey.

Colours show values; hatching shows what a colour cannot: undecided, not finite, failed, not part of the sweep.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path
from matplotlib.patheffects import withStroke

from nonconv.numerics.arithmetic import Array
from nonconv.report.figures.sweep_axes import FEW, SweptAxis, swept_axis
from nonconv.report.figures.sweep_colours import BELOW, VERDICTS, Colours, colour_bar, colours_for, is_dark
from nonconv.report.figures.sweep_curves import curves_of, difference, pretty
from nonconv.report.figures.sweep_page import Page, new_page
from nonconv.report.sweep_result import Mask, Quantity, SweepResult, View, is_number, view
from nonconv.report.verdict_text import ANSWERS

GREY, STRIPES = "0.8", "0.45"
UNDECIDED, UNKNOWN = "/////", "|||||"
MOST_VECTORS = 1000
"""More hatched rectangles or crosses than this become an image in vector files."""
CURVES: Any = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class Grid:
    """The cells of one panel, each field of shape (y, x).

    A place that no mask marks is not part of the sweep. text: the value as in sweep.csv.
    """

    value: Array
    shown: Mask
    unknown: Mask
    failed: Mask
    undecided: Mask
    text: Any

    @property
    def missing(self) -> Mask:
        """Places that are not part of the sweep."""
        return ~(self.shown | self.unknown | self.failed)


def heat_map(result: SweepResult, quantity: Quantity, keys: tuple[str, str]) -> Figure:
    """Draw a quantity over keys (x, y), with the curves that the sweep's equations describe."""
    seen = view(result, keys)
    x, y = (swept_axis(key, np.unique(result.numbers(key)[_shown_cells(seen)])) for key in keys)
    grids = [_grid(result, quantity, mask, x, y) for _, mask in seen.panels]
    colours = colours_for(quantity.kind, np.concatenate([grid.value[grid.shown] for grid in grids]))
    page = new_page(result, seen)
    for axes, grid in zip(page.panels, grids, strict=True):
        _format_axes(axes, x, y, page)
        _draw_cells(axes, grid, x, y, colours)
        if max(grid.value.shape) <= FEW and quantity.kind != "verdict":
            _write_numbers(axes, grid, x, y, colours, page)
    if quantity.kind != "verdict":
        colour_bar(page, colours, quantity.label)
    handles = (
        _verdict_handles(grids) if quantity.kind == "verdict" else [*_below_handles(grids, colours), *_mark_handles(grids)]
    )
    page.finish(
        [*_draw_curves(page, result, seen, x, y), *handles], caption=quantity.label if quantity.kind == "verdict" else ""
    )
    return page.figure


def _shown_cells(seen: View) -> Mask:
    """Return the mask of the cells in any panel."""
    found: Mask = np.logical_or.reduce([mask for _, mask in seen.panels])
    return found


def _grid(result: SweepResult, quantity: Quantity, mask: Mask, x: SweptAxis, y: SweptAxis) -> Grid:
    """Arrange the cells of a panel by their values of x and y."""
    at = np.searchsorted(y.values, result.numbers(y.key)[mask]), np.searchsorted(x.values, result.numbers(x.key)[mask])

    def placed(values: Any, empty: Any) -> Any:
        found = np.full((len(y.values), len(x.values)), empty, dtype=values.dtype)
        found[at] = values[mask]
        return found

    value, text = _values(result, quantity)
    done, failed = placed(result.done, False), placed(result.failed, False)
    values = placed(value, np.nan)
    column = result.verdict_column(quantity.column)
    # A verdict is about the iterates; what else is measured has nothing to do with it.
    judged = quantity.column not in result.quantities
    undecided = placed(result.verdict("undecided", column) & judged, False)
    shown = done & np.isfinite(values)
    return Grid(values, shown, done & ~shown, failed, undecided, placed(text, ""))


def _values(result: SweepResult, quantity: Quantity) -> tuple[Array, Any]:
    """Return a quantity as numbers and as text; verdicts are numbered by their place in VERDICTS."""
    text = result.texts(quantity.column)
    if quantity.kind == "verdict":
        return np.select([text == answer for answer in VERDICTS], [float(k) for k in range(len(VERDICTS))], np.nan), text
    return result.numbers(quantity.column), text


def _format_axes(axes: Any, x: SweptAxis, y: SweptAxis, page: Page) -> None:
    """Set the axes of a panel."""
    axes.grid(visible=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(True)
    x.apply(axes.xaxis, page.room[0])
    y.apply(axes.yaxis, page.room[1])


def _draw_cells(axes: Any, grid: Grid, x: SweptAxis, y: SweptAxis, colours: Colours) -> None:
    """Draw the colours as an image, so that vector files stay small and have no seams, and marks over them as lines."""
    # Grey below the hatching of cells without a number.
    flat = {"cmap": ListedColormap([GREY]), "vmin": 0.0, "vmax": 1.0, "rasterized": True}
    axes.pcolormesh(x.edges, y.edges, np.where(grid.unknown, 0.5, np.nan), **flat)
    shown = np.ma.masked_where(~grid.shown, colours.clipped(grid.value))
    axes.pcolormesh(x.edges, y.edges, shown, norm=colours.norm, cmap=colours.cmap, rasterized=True)
    dark = grid.shown & is_dark(colours.of(grid.value))
    _draw_hatching(axes, grid.unknown, x, y, UNKNOWN, STRIPES, "not finite")
    _draw_hatching(axes, grid.undecided & ~dark, x, y, UNDECIDED, "black", "undecided")
    _draw_hatching(axes, grid.undecided & dark, x, y, UNDECIDED, "white", "undecided")
    _draw_crosses(axes, grid.failed, x, y)


def rectangles(mask: Mask, x: SweptAxis, y: SweptAxis) -> list[tuple[float, float, float, float]]:
    """Return rectangles (x0, x1, y0, y1) that cover these cells; neighbours within a row share one."""
    padded = np.pad(mask.astype(np.int8), ((0, 0), (1, 1)))
    rows, first = np.nonzero(np.diff(padded, axis=1) == 1)
    _, last = np.nonzero(np.diff(padded, axis=1) == -1)
    return list(zip(x.edges[first], x.edges[last], y.edges[rows], y.edges[rows + 1], strict=True))


def _draw_hatching(axes: Any, mask: Mask, x: SweptAxis, y: SweptAxis, hatch: str, colour: str, name: str) -> None:
    """Hatch these cells, all as one path: thousands of patches would be slow to draw."""
    found = rectangles(mask, x, y)
    if not found:
        return
    outline = [corner for x0, x1, y0, y1 in found for corner in ((x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0))]
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(found)
    patch = PathPatch(Path(outline, codes), facecolor="none", edgecolor=colour, linewidth=0, hatch=hatch, gid=name)
    patch.set_rasterized(len(found) > MOST_VECTORS)
    axes.add_artist(patch)  # add_patch would look for the extremes of every edge


def _draw_crosses(axes: Any, failed: Mask, x: SweptAxis, y: SweptAxis) -> None:
    """Cross out the cells that failed."""
    rows, columns = np.nonzero(failed)
    if not len(rows):
        return
    x0, x1, y0, y1 = x.edges[columns], x.edges[columns + 1], y.edges[rows], y.edges[rows + 1]
    up, down = np.array([(x0, y0), (x1, y1)]), np.array([(x0, y1), (x1, y0)])
    lines = list(np.concatenate((np.moveaxis(up, 2, 0), np.moveaxis(down, 2, 0))))
    axes.add_collection(
        LineCollection(lines, colors="0.2", linewidths=0.6, gid="failed", rasterized=len(rows) > MOST_VECTORS), autolim=False
    )


def _write_numbers(axes: Any, grid: Grid, x: SweptAxis, y: SweptAxis, colours: Colours, page: Page) -> None:
    """Write the values into the cells, if the text fits."""
    written = [(row, k, short(grid.value[row, k], grid.text[row, k])) for row, k in np.argwhere(grid.shown | grid.unknown)]
    longest = max([1, *(len(text) for *_, text in written)])
    # Points per cell: a character is about 0.6 of the font size wide; 72 points are an inch.
    size = min(7.5, 72 * 0.92 * page.room[0] / len(x.values) / (0.6 * longest), 72 * 0.8 * page.room[1] / len(y.values))
    if size < 4.5:
        return
    at, up = x.places(x.values), y.places(y.values)
    for row, k, text in written:
        face = colours.of(grid.value[row, k]) if grid.shown[row, k] else np.array([0.8, 0.8, 0.8, 1.0])
        box = {"facecolor": face, "edgecolor": "none", "pad": 0.8}
        lined = grid.undecided[row, k] or grid.unknown[row, k]
        ink = "white" if is_dark(face) else "black"
        axes.text(at[k], up[row], text, size=size, color=ink, ha="center", va="center", bbox=box if lined else None)


def short(value: float, text: str) -> str:
    """Write two digits, plain or scientific, whichever is shorter; inf, nan or nothing as in the file."""
    if not math.isfinite(value):
        return text
    plain, (mantissa, _, exponent) = f"{value:.2g}", f"{value:.1e}".partition("e")
    scientific = f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    return (plain if "e" not in plain and len(plain) <= len(scientific) else scientific).replace("-", "−")


def _draw_curves(page: Page, result: SweepResult, seen: View, x: SweptAxis, y: SweptAxis) -> list[Any]:
    """Draw the curves into every panel, each with the panel's values of other keys, and return their legend entries."""
    handles = []
    panels = [_numbers_of(seen, value) for value, _ in seen.panels]
    equations = curves_of(list(result.about.get("curves", ())), (x.key, y.key), panels[0])
    effects = [withStroke(linewidth=2.4, foreground="black")]
    for equation, line in zip(equations, CURVES * len(equations), strict=False):
        drawn, defined = False, False
        for axes, others in zip(page.panels, panels, strict=True):
            across, up, values = difference(equation, x, y, others)
            known = values[np.isfinite(values)]
            defined |= len(known) > 0
            if len(known) and known.min() < 0 < known.max():
                curve = axes.contour(across, up, np.ma.masked_invalid(values), [0.0], colors="white", linewidths=1.2)
                curve.set(linestyle=line, path_effects=effects, gid=f"curve {equation}")
                drawn = True
        if drawn:
            handles.append(
                Line2D([], [], color="white", linestyle=line, linewidth=1.2, path_effects=effects, label=pretty(equation))
            )
        elif not defined:
            handles.append(Line2D([], [], linestyle="none", label=f"{pretty(equation)}: nowhere defined"))
    return handles


def _numbers_of(seen: View, value: str) -> dict[str, float]:
    """Return what a panel holds fixed: the values of keys that are not along its axes, those that are numbers."""
    texts = seen.fixed | ({seen.panel_key: value} if seen.panel_key else {})
    return {key: float(text) for key, text in texts.items() if is_number(text)}


def _below_handles(grids: list[Grid], colours: Colours) -> list[Any]:
    """Return the legend entry of values below a log scale: zero, in most cases."""
    values = np.concatenate([grid.value[grid.shown] for grid in grids])
    below = values[values < colours.norm.vmin * (1 - 1e-9)] if colours.logarithmic else values[:0]
    if not len(below):
        return []
    label = "zero" if not below.any() else f"below {colours.norm.vmin:.2g}"
    return [Patch(facecolor=BELOW, edgecolor="none", label=label)]


def _mark_handles(grids: list[Grid]) -> list[Any]:
    """Return legend entries of the marks that are drawn."""
    unknown = np.concatenate([grid.text[grid.unknown] for grid in grids])
    words = [word for word, there in (("not finite", (unknown != "").any()), ("not known", (unknown == "").any())) if there]
    undecided, failed, missing = (any(mask.any() for mask in masks) for masks in zip(*map(_marks, grids), strict=True))
    handles: list[Any] = []
    if undecided:
        handles.append(Patch(facecolor="white", edgecolor="black", linewidth=0, hatch=UNDECIDED, label="undecided"))
    if words:
        handles.append(Patch(facecolor=GREY, edgecolor=STRIPES, linewidth=0, hatch=UNKNOWN, label=" or ".join(words)))
    if failed:
        handles.append(Line2D([], [], color="0.2", marker="x", linestyle="none", label="failed"))
    if missing:
        handles.append(Patch(facecolor="white", edgecolor="0.6", linewidth=0.5, label="not in the sweep"))
    return handles


def _marks(grid: Grid) -> tuple[Mask, Mask, Mask]:
    """Return the masks that have a legend entry."""
    return grid.undecided, grid.failed, grid.missing


def _verdict_handles(grids: list[Grid]) -> list[Any]:
    """Return legend entries of the verdicts, each with its number of shown cells."""
    counts = [sum(int((grid.shown & (grid.value == k)).sum()) for grid in grids) for k in range(len(VERDICTS))]
    handles: list[Any] = []
    for (answer, colour), count in zip(VERDICTS.items(), counts, strict=True):
        hatch = UNDECIDED if answer == "undecided" else None
        if count:
            label = f"{ANSWERS[answer]} ({count})"
            handles.append(Patch(facecolor=colour, edgecolor="black", linewidth=0, hatch=hatch, label=label))
    return handles + [handle for handle in _mark_handles(grids) if handle.get_label() != "undecided"]
