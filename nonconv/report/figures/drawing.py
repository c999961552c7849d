"""Figures become files. The bytes depend on the data alone: no date, no random ids, no settings of the user.

A figure that cannot be drawn costs no other: a text is in its place (`catalogue.UNDRAWN`).
"""

import io
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from nonconv.report.figures.at_once import at_once
from nonconv.report.figures.axes import own_style
from nonconv.report.figures.catalogue import SAVED_FORMATS, Maker, load, makers, undrawn
from nonconv.report.figures.options import PLAIN, FigureOptions, listed, read_options
from nonconv.report.figures.restyle import restyle, words_of
from nonconv.report.figures.styles import in_style
from nonconv.report.overlay import Overlay


def draw_folder(
    folder: Path,
    names: tuple[str, ...] | None = None,
    formats: tuple[str, ...] = SAVED_FORMATS,
    options: FigureOptions | None = None,
) -> dict[str, bytes]:
    """Draw the figures of the folder of a run or a sweep that has its data files; contents by file name.

    names: draw these alone. options: how they look; None for what the folder's config asks for.
    """
    every = makers(folder)
    chosen = every if names is None else {name: every[name] for name in names}
    return draw(chosen, formats, read_options(folder) if options is None else options)


def draw_overlay(overlay: Overlay, kind: str, options: FigureOptions = PLAIN) -> dict[str, bytes]:
    """Draw several runs in one figure; its content by file name."""
    return draw(overlay_makers(overlay), (kind,), options)


def overlay_makers(overlay: Overlay) -> dict[str, Maker]:
    """Return what makes the figure of several runs, by its name."""
    return {"comparison": partial(load("overlay_figure.overlay_figure"), overlay)}


def draw(
    figures: Mapping[str, Maker], formats: tuple[str, ...] = SAVED_FORMATS, options: FigureOptions = PLAIN
) -> dict[str, bytes]:
    """Draw each figure in each format; contents by file name."""
    found: dict[str, bytes] = {}
    with own_style():
        for name, make in figures.items():
            try:
                with in_style(options):
                    figure = make()
                    restyle(figure, options)
                    found |= {f"{name}.{kind}": file for kind, file in encode(figure, formats).items()}
            except Exception as error:  # numbers that matplotlib cannot take; no memory: the numbers are there all the same
                found |= undrawn(name, error)
    return found


def list_texts(figures: Mapping[str, Maker]) -> list[str]:
    """List the texts that figures draw, each once, with {} for numbers."""
    with own_style():
        return listed(text for make in figures.values() for text in words_of(make()))


def warm_up() -> None:
    """Find and read the fonts. Otherwise the first figure with text would wait for it."""
    figure = Figure()
    FigureCanvasAgg(figure)
    figure.subplots().set_title("Θ")
    figure.draw_without_rendering()


def encode(figure: Figure, formats: tuple[str, ...]) -> dict[str, bytes]:
    """Write a figure in each format; contents by format.

    The layout is found once, and not once per format: it is a third of the cost of a figure.
    """
    FigureCanvasAgg(figure)
    # Found on the raster canvas; the other formats take the positions from it.
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)
        figure.set_layout_engine("none")
    return at_once({kind: partial(_write_format, figure, kind) for kind in formats})


def _write_format(figure: Figure, kind: str) -> bytes:
    """Write a figure in one format, without the date."""
    buffer = io.BytesIO()
    if kind == "png":
        FigureCanvasAgg(figure).print_png(buffer)  # type: ignore[no-untyped-call]
    elif kind == "svg":
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})  # type: ignore[no-untyped-call]
    else:
        figure.savefig(buffer, format=kind, metadata={"CreationDate": None})
    return buffer.getvalue()
