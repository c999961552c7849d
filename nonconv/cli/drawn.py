"""Figures become files: those of a folder, or one of several runs; and the texts that they draw."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nonconv.cli.common import write_stdout
from nonconv.cli.figure_options import say_unused
from nonconv.faults.errors import UsageError
from nonconv.system.atomic import fitting_name, write_whole
from nonconv.terminal.lines import say

if TYPE_CHECKING:
    from nonconv.report.figures.catalogue import Maker
    from nonconv.report.figures.options import FigureOptions
    from nonconv.report.overlay import Overlay

ANIMATIONS = ("gif", "html")
"""The formats of an animation."""
LEGIBLE = 10
"""More curves than this are hard to tell apart."""


def draw_and_write(runs: list[str], kind: str, out: Path, options: "FigureOptions") -> Iterator[Path]:
    """Draw the figures of a folder, or one of several runs, and write them; yield the path of each. Raises UsageError."""
    from nonconv.report.figures.options import read_options
    from nonconv.report.figures.own_settings import without_user_settings
    from nonconv.report.overlay import read_overlay, split_label
    from nonconv.store.folder import undamaged
    from nonconv.store.pack import opened_run

    if len(runs) > 1:
        yield from write_overlay(read_overlay(runs), kind, out, options)
        return
    with opened_run(Path(split_label(runs[0])[1])) as folder:
        name = undamaged(folder).get("name") or folder.absolute().name  # a cell of a sweep has its id alone
        with without_user_settings():
            from nonconv.report.figures import catalogue, drawing  # loads matplotlib
        look = options.over(read_options(folder))
        _check(options, look, str(folder))
        figures = drawing.draw_folder(folder, formats=(kind,), options=look)
        _say_unused(options, look, lambda: catalogue.makers(folder))
    # Named after the run, since many runs may be plotted into one folder.
    yield from _written({fitting_name(name, f"-{figure}"): content for figure, content in figures.items()}, kind, out)


def animate_and_write(runs: list[str], kind: str, out: Path, options: "FigureOptions") -> Iterator[Path]:
    """Animate a run, and write the files; yield the path of each. Raises UsageError."""
    from nonconv.report.figures.options import read_options
    from nonconv.report.figures.own_settings import without_user_settings
    from nonconv.report.overlay import split_label
    from nonconv.report.run import read_run
    from nonconv.store.folder import undamaged
    from nonconv.store.pack import opened_run

    with opened_run(Path(split_label(runs[0])[1])) as folder:
        name = undamaged(folder).get("name") or folder.absolute().name
        _refuse_others(runs, folder)
        with without_user_settings():
            from nonconv.report.figures.animation import animated, list_texts  # loads matplotlib
        look = options.over(read_options(folder))
        _check(options, look, str(folder))
        run = read_run(folder)
        files = animated(run, kind, look)
        if options.labels.keys() - look.used:
            say_unused(options, look.used, list_texts(run))
    yield from _written({fitting_name(name, f"-{film}"): content for film, content in files.items()}, kind, out)


def write_overlay(
    overlay: "Overlay", kind: str, out: Path, options: "FigureOptions", tables: Mapping[str, bytes] = {}
) -> Iterator[Path]:
    """Write tables and the figure of several runs to a folder; yield the path of each. Raises UsageError."""
    from nonconv.report.figures.own_settings import without_user_settings

    if len(overlay.members) > LEGIBLE:
        say(f"{len(overlay.members)} runs in one figure are hard to tell apart; up to {LEGIBLE} are drawn well.")
    with without_user_settings():
        from nonconv.report.figures import drawing  # loads matplotlib
    _check(options, options)
    figures = drawing.draw_overlay(overlay, kind, options)
    _say_unused(options, options, lambda: drawing.overlay_makers(overlay))
    yield from _written({**tables, **figures}, kind, out)


def _check(asked: "FigureOptions", look: "FigureOptions", folder: str = "") -> None:
    """Raise UsageError if a style or a font is unknown, with the option or the folder that names it."""
    from nonconv.report.figures.styles import check

    try:
        check(look)
    except UsageError as error:
        name = str(error).partition(":")[0]
        place = f"{folder}/config.yaml: figures." if getattr(asked, name) is None else "--"
        raise UsageError(f"{place}{error}") from None


def _say_unused(asked: "FigureOptions", look: "FigureOptions", makers: "Callable[[], Mapping[str, Maker]]") -> None:
    """Say which labels that were asked for replace nothing."""
    if asked.labels.keys() - look.used:
        from nonconv.report.figures.drawing import list_texts

        say_unused(asked, look.used, list_texts(makers()))


def _written(files: Mapping[str, bytes], kind: str, out: Path) -> Iterator[Path]:
    """Write files to a folder; yield the path of each. Raises UsageError at the end for one that is not drawn."""
    from nonconv.report.figures.catalogue import UNDRAWN
    from nonconv.report.markup import printable

    undrawn = []
    for name, content in files.items():
        if name.endswith(f".{UNDRAWN}"):
            undrawn.append(f"{name.removesuffix(UNDRAWN)}{kind}: {printable(content.decode(errors='replace'))}")
            continue
        target = out / name
        try:
            write_whole(target, content)
        except OSError as error:
            raise UsageError(f"{target} cannot be written: {error.strerror}") from None
        yield target
    if undrawn:
        raise UsageError("\n".join(undrawn))


def _texts_of_films(runs: list[str], folder: Path) -> list[str]:
    """List what the animations of a run say. Raises UsageError for what is not one run."""
    from nonconv.report.figures.animation import list_texts
    from nonconv.report.run import read_run

    _refuse_others(runs, folder)
    return list_texts(read_run(folder))


def _refuse_others(runs: list[str], folder: Path) -> None:
    """Raise UsageError for what cannot be animated: several runs, or a sweep."""
    from nonconv.report.sweep_result import is_sweep

    if len(runs) > 1:
        raise UsageError("--animate takes one run")
    if is_sweep(folder):
        raise UsageError(f"--animate: {folder} is a sweep; {folder}#CELL is a cell, by the column `cell` of its sweep.csv")


def print_texts(runs: list[str], animate: bool = False) -> None:
    """Print what the figures of a folder, or of several runs, say, or its animations, as a YAML file for --labels."""
    from nonconv.report.figures.own_settings import without_user_settings
    from nonconv.report.overlay import read_overlay, split_label
    from nonconv.store.folder import undamaged
    from nonconv.store.formats import as_yaml
    from nonconv.store.pack import opened_run

    with opened_run(Path(split_label(runs[0])[1])) as folder:
        undamaged(folder)
        with without_user_settings():
            from nonconv.report.figures import catalogue, drawing  # loads matplotlib
        if animate:
            texts = _texts_of_films(runs, folder)
        else:
            makers = drawing.overlay_makers(read_overlay(runs)) if len(runs) > 1 else catalogue.makers(folder)
            texts = drawing.list_texts(makers)
    write_stdout(as_yaml({text: text for text in texts}))
