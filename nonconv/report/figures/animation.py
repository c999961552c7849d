"""Animations: the paths of a run as they move, and the iterate on Toint's function. As GIF, or as HTML with buttons.

A frame is a recorded step, of many an even choice. Everything is in one file, of at most a few megabytes, and the bytes
depend on the data alone.
"""

import base64
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from nonconv.faults.errors import UsageError
from nonconv.numerics.arithmetic import Array
from nonconv.report.figures.axes import log_axis, log_scale, own_style, positive, shown
from nonconv.report.figures.figures import choose_scale, coordinate_label, line_styles
from nonconv.report.figures.options import FigureOptions, Words, listed
from nonconv.report.figures.orbit_figure import EXACT, LINE, TANGENT, UNIFORM
from nonconv.report.figures.panels import step_axis, title
from nonconv.report.figures.restyle import PALETTE, mark_title, restyle, words_of
from nonconv.report.figures.styles import in_style
from nonconv.report.labels import xi_name
from nonconv.report.run import Run
from nonconv.report.sweep_result import evenly
from nonconv.results.columns import read_columns

MOST_FRAMES, MOST_PATHS = 72, 64
SECONDS, PAUSE = 0.09, 1.6
"""Of a frame, and of the last one."""
DOTS_PER_INCH = 110
COLOURS = 96
"""Of a GIF: enough for lines and shades, and a third of the size of 256."""
SWATCH = 60
"""Pixels of a field of one colour, so that it counts among those of a frame."""
NEARLY_WHITE = 249
TRAIL = 12
"""Frames for which the way of a point stays."""
PAGE = Path(__file__).with_name("animation.html")
"""The page of an animation as HTML; words between @ are replaced."""


class Film(NamedTuple):
    """A figure and what changes it: frames by number, from 0. figure: as it is at the end, so that its layout fits all."""

    name: str
    figure: Figure
    show: Callable[[int], None]
    frames: int


def animated(run: Run, kind: str, options: FigureOptions) -> dict[str, bytes]:
    """Animate a run: its paths; on Toint's function the iterate as well. Contents by file name.

    Raises UsageError if the run keeps no paths.
    """
    found = {}
    with own_style(), in_style(options), mpl.rc_context({"figure.dpi": DOTS_PER_INCH}):
        for make in _makers(run):
            film = make(run, Words(options.labels, options.used))
            film.show(film.frames - 1)
            restyle(film.figure, options)
            film.figure.set_dpi(DOTS_PER_INCH)
            FigureCanvasAgg(film.figure)
            layout = film.figure.get_layout_engine()
            if layout is not None:
                layout.execute(film.figure)
                film.figure.set_layout_engine("none")
            found[f"{film.name}.{kind}"] = _gif(film) if kind == "gif" else _html(film)
    return found


def list_texts(run: Run) -> list[str]:
    """List the texts of a run's animations, each once, with {} for numbers. Raises UsageError as `animated` does."""
    found: list[str] = []
    with own_style():
        for make in _makers(run):
            film = make(run, Words({}, set()))
            film.show(film.frames - 1)
            found += words_of(film.figure)
    return listed(found)


def _makers(run: Run) -> Sequence[Callable[[Run, Words], Film]]:
    """List what makes the films of a run."""
    return [paths_film] + ([orbit_film] if (run.folder / "orbit.csv").exists() else [])


def _pictures(film: Film) -> Iterator[Image.Image]:
    """Yield the frames, all with the same few colours."""
    palette = _palette([_drawn(film, k) for k in (0, film.frames // 2, film.frames - 1)])
    for k in range(film.frames):
        # Without dithering, which would look like noise and cannot be compressed.
        yield _drawn(film, k).quantize(palette=palette, dither=Image.Dither.NONE)


def _drawn(film: Film, k: int) -> Image.Image:
    """Draw a frame."""
    film.show(k)
    canvas: Any = film.figure.canvas
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())


def _palette(samples: list[Image.Image]) -> Image.Image:
    """Return a picture with the colours of a film: those of some frames, and our own, of which a thin line has few points."""
    width, height = samples[0].size
    sheet = Image.new("RGB", (width, height * len(samples) + SWATCH), "white")
    for k, sample in enumerate(samples):
        sheet.paste(sample, (0, k * height))
    for k, colour in enumerate(PALETTE):
        sheet.paste(colour, (k * SWATCH, height * len(samples), (k + 1) * SWATCH, height * len(samples) + SWATCH))
    found = sheet.quantize(COLOURS, dither=Image.Dither.NONE)
    # What is nearly white is meant to be white, which a projector shows.
    palette = found.getpalette() or []
    colours = [palette[k : k + 3] for k in range(0, len(palette), 3)]
    found.putpalette([value for one in colours for value in ([255, 255, 255] if min(one) >= NEARLY_WHITE else one)])
    return found


def _gif(film: Film) -> bytes:
    """Write the frames as a GIF that starts over."""
    first, *others = _pictures(film)
    buffer = io.BytesIO()
    durations = [round(1000 * SECONDS)] * (film.frames - 1) + [round(1000 * PAUSE)]
    first.save(buffer, "GIF", save_all=True, append_images=others, duration=durations, loop=0)
    return buffer.getvalue()


def _html(film: Film) -> bytes:
    """Write the frames as a page with a slider and buttons, which needs nothing from the web."""
    frames = []
    for picture in _pictures(film):
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", optimize=True)
        frames.append(base64.b64encode(buffer.getvalue()).decode("ascii"))
    page = PAGE.read_text(encoding="utf-8")
    for name, text in (("TITLE", film.name), ("MILLISECONDS", str(round(1000 * SECONDS))), ("FRAMES", json.dumps(frames))):
        page = page.replace(f"@{name}@", text)
    return page.encode()


def paths_film(run: Run, words: Words) -> Film:
    """Show how paths move: of one coordinate as lines over the steps, of several as points in the plane of the first two."""
    theta = run.paths["theta"][:MOST_PATHS]
    if not len(theta):
        raise UsageError("the run keeps no paths, which an animation shows: `record: {paths: 32}` keeps some")
    return _lines_film(run, theta, words) if theta.shape[2] == 1 else _plane_film(run, theta, words)


def _lines_film(run: Run, theta: Array, words: Words) -> Film:
    """Draw paths (paths, R, 1) as lines that grow, each with a point at its end, and beside them where they are."""
    frames = evenly(len(run.step), MOST_FRAMES)
    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(5, 1))
    values = shown(theta[:, :, 0])
    lines = [left.plot(run.step, one, color="0.35", linewidth=0.7, alpha=0.6, zorder=2)[0] for one in values]
    (heads,) = left.plot(np.full(len(values), run.step[-1]), values[:, -1], "o", color="#0072b2", markersize=4, zorder=3)
    (ends,) = right.plot(_spread(len(values)), values[:, -1], "o", color="#0072b2", markersize=4, alpha=0.7)
    _draw_xi(run, (left, right), 0)
    step_axis(left, run)
    choose_scale(left, values)
    low, high = left.get_ylim()
    left.set_ylim(0.0 if np.nanmin(values, initial=np.inf) >= 0.0 and left.get_yscale() == "symlog" else low, high)
    left.set_xlabel("step n")
    left.set_ylabel(coordinate_label(run, 0))
    right.set_xlim(-0.6, 1.6)
    right.set_xticks([])
    right.set_xlabel(f"{len(values)} paths" if len(values) > 1 else "the path")
    title(left, run)
    text = right.text(0.99, 1.01, "", transform=right.transAxes, ha="right", va="bottom")

    def show(k: int) -> None:
        at = frames[k]
        for line, one in zip(lines, values, strict=True):
            line.set_data(run.step[: at + 1], one[: at + 1])
        heads.set_data(np.full(len(values), run.step[at]), values[:, at])
        ends.set_ydata(values[:, at])
        text.set_text(words.replaced(f"n = {int(run.step[at])}"))

    return Film("paths", figure, show, len(frames))


def _spread(count: int) -> Array:
    """Return places side by side, the same each time, so that points at one height do not hide each other."""
    # The golden section never comes back to the same place.
    return np.asarray((np.arange(count) * 0.6180339887498949) % 1.0, dtype=np.float64)


def _draw_xi(run: Run, panels: Any, coordinate: int) -> None:
    """Draw each fixed ξ as a horizontal line."""
    points = run.summary["xi_points"]
    for (label, point), line in zip(points.items(), line_styles(len(points)), strict=True):
        for axes in panels:
            name = f"ξ = {xi_name(label)}"
            axes.axhline(point[coordinate], zorder=1, linewidth=1.2, label=name, **(line | {"color": "#d55e00"}))
    if points:
        panels[0].legend(loc="upper right", fontsize=8)


def _plane_film(run: Run, theta: Array, words: Words) -> Film:
    """Draw paths (paths, R, coordinates) as points in the plane of the first two coordinates, with their last way."""
    frames = evenly(len(run.step), MOST_FRAMES)
    figure = Figure(figsize=(5.6, 5.0), layout="constrained")
    axes = figure.subplots()
    x, y = (shown(theta[:, :, k]) for k in (0, 1))
    trails = [axes.plot(x[k], y[k], color="0.35", linewidth=0.7, alpha=0.5, zorder=2)[0] for k in range(len(theta))]
    (heads,) = axes.plot(x[:, -1], y[:, -1], "o", color="#0072b2", markersize=4.5, zorder=3)
    points = run.summary["xi_points"]
    for (label, point), mark in zip(points.items(), "+x*dD" * len(points), strict=False):
        style: dict[str, Any] = {"color": "#d55e00", "linestyle": "none", "markersize": 10, "markeredgewidth": 1.8, "zorder": 4}
        axes.plot(point[0], point[1], marker=mark, label=f"ξ = {xi_name(label)}", **style)
    for curves, put, get in ((x, axes.set_xlim, axes.get_xlim), (y, axes.set_ylim, axes.get_ylim)):
        if np.isfinite(curves).any():
            put(*get())
    axes.set_xlabel(coordinate_label(run, 0))
    axes.set_ylabel(coordinate_label(run, 1))
    if points:
        axes.legend(loc="upper right", fontsize=8)
    title(axes, run)
    text = axes.text(0.99, 0.01, "", transform=axes.transAxes, ha="right", va="bottom", size=11)

    def show(k: int) -> None:
        first, at = frames[max(0, k - TRAIL)], frames[k]
        for one, trail in enumerate(trails):
            trail.set_data(x[one, first : at + 1], y[one, first : at + 1])
        heads.set_data(x[:, at], y[:, at])
        text.set_text(words.replaced(f"n = {int(run.step[at])}"))

    return Film("paths", figure, show, len(frames))


def orbit_film(run: Run, words: Words) -> Film:
    """Show the iterate on Toint's function: on its knots, with the tangent that it meets, and how far it has come."""
    path, curve = read_columns(run.folder / "orbit.csv"), read_columns(run.folder / "objective.csv").where("knots", "exact")
    at = {name: path.numbers(name) for name in path.texts}
    theta, f = shown(curve.numbers("theta")), shown(curve.numbers("f"))
    inside = np.flatnonzero(at["theta_exact"] <= theta[-1])
    # The first steps slowly, while the point is in the picture; then the rest.
    frames = [*np.repeat(inside, 4).tolist(), *(int(k) for k in np.array(evenly(len(path.texts["step"]), MOST_FRAMES // 2)))]
    frames = [k for n, k in enumerate(frames) if n < 4 * len(inside) or k > inside[-1]]
    figure = Figure(figsize=(6.4, 5.4), layout="constrained")
    top, bottom = figure.subplots(2, 1, height_ratios=(3, 3))
    top.plot(theta, f, color="#0072b2", linewidth=1.4)
    (before,) = top.plot([], [], "o", color="0.6", markersize=4, zorder=2)
    (tangent,) = top.plot([], [], color=UNIFORM, linewidth=2.2, zorder=3)
    (point,) = top.plot([], [], "o", color=EXACT, markersize=8, zorder=4)
    top.set_xlim(theta[0], theta[-1])
    top.set_xlabel("θ")
    top.set_ylabel("f")
    mark_title(top.set_title("the iterate meets the same slope at every step", loc="left"))
    bottom.plot(at["step"], positive(at["orbit"]), color=LINE, linewidth=4, alpha=0.6, label="orbit for a constant slope")
    (way,) = bottom.plot(at["step"], positive(at["theta_exact"]), color=EXACT, linewidth=1.4, label="iterate")
    (head,) = bottom.plot([], [], "o", color=EXACT, markersize=6)
    bottom.set_xscale("log")
    bottom.set_xlim(at["step"][0] / 1.5, at["step"][-1] * 1.5)
    log_axis(bottom.xaxis)
    log_scale(bottom)
    bottom.set_xlabel("step n")
    bottom.set_ylabel("θₙ")
    bottom.legend(loc="upper left")
    text = top.text(0.99, 1.01, "", transform=top.transAxes, ha="right", va="bottom")
    half = TANGENT * (theta[-1] - theta[0]) / 4

    def show(number: int) -> None:
        k = frames[number]
        x, y, slope = (float(shown(at[name][k])) for name in ("theta_exact", "f_exact", "slope_exact"))
        seen = at["theta_exact"][: k + 1] <= theta[-1]
        before.set_data(at["theta_exact"][: k + 1][seen], at["f_exact"][: k + 1][seen])
        there = x <= theta[-1]
        point.set_data([x] if there else [], [y] if there else [])
        tangent.set_data([x - half, x + half] if there else [], [y - half * slope, y + half * slope] if there else [])
        way.set_data(at["step"][: k + 1], positive(at["theta_exact"][: k + 1]))
        head.set_data(at["step"][[k]], positive(at["theta_exact"][[k]]))
        text.set_text(words.replaced(f"n = {int(at['step'][k])}"))

    return Film("orbit", figure, show, len(frames))
