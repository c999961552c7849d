"""Figures become files. The bytes depend on the data alone."""

import io
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from nonconv.report.figures.at_once import at_once
from nonconv.report.figures.axes import STYLE
from nonconv.report.figures.catalogue import SAVED_FORMATS, Maker, makers


def draw_folder(
    folder: Path, names: tuple[str, ...] | None = None, formats: tuple[str, ...] = SAVED_FORMATS
) -> dict[str, bytes]:
    """The figures of the folder of a run or a sweep that has its data files: all, or those of these names. By file name."""
    every = makers(folder)
    return draw(every if names is None else {name: every[name] for name in names}, formats)


def draw(figures: Mapping[str, Maker], formats: tuple[str, ...] = SAVED_FORMATS) -> dict[str, bytes]:
    """Each figure in each format, by file name."""
    with mpl.rc_context(STYLE):
        return {f"{name}.{kind}": file for name, make in figures.items() for kind, file in encode(make(), formats).items()}


def warm_up() -> None:
    """Find and read the fonts, which the first text ever drawn pays for."""
    figure = Figure()
    FigureCanvasAgg(figure)
    figure.subplots().set_title("Θ")
    figure.draw_without_rendering()


def encode(figure: Figure, formats: tuple[str, ...]) -> dict[str, bytes]:
    """The figure in each format. The layout is found once: it is a third of the cost of a figure."""
    FigureCanvasAgg(figure)
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)
        figure.set_layout_engine("none")
    return at_once({kind: partial(_print, figure, kind) for kind in formats})


def _print(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    if kind == "png":
        FigureCanvasAgg(figure).print_png(buffer)  # type: ignore[no-untyped-call]
    elif kind == "svg":
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})  # type: ignore[no-untyped-call]
    else:
        figure.savefig(buffer, format=kind, metadata={"CreationDate": None})
    return buffer.getvalue()
