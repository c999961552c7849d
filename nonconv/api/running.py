"""`nonconv.run`: one experiment, from its config to its result. The command `run` uses the same two functions."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nonconv.api.options import OUTPUTS, Config, Place, checked_name, checked_place, checked_workers
from nonconv.api.wording import told_in_python
from nonconv.faults.errors import Interrupted

if TYPE_CHECKING:
    from nonconv.api.results import Result
    from nonconv.config.document import Document
    from nonconv.experiment.cell import Cell
    from nonconv.report.figures.drawing_process import Draw
    from nonconv.study.loop import Outcome


@told_in_python
def run(
    config: Config,
    *,
    out: Place | None = None,
    name: str = "",
    workers: int = 0,
    force: bool = False,
    progress: bool | Callable[[int], None] = False,
    **settings: Any,
) -> "Result":
    """Run one experiment, unless its result is there, and return the result.

        nonconv.run("configs/adam_const.yaml", paths=1000, **{"optimizer.beta2": 0.99})

    config: the name of a config file, or a mapping of its keys. out: the output folder; by default outputs/NAME-HASH in the
    working directory. name: of the experiment, instead of the file's. workers: threads; 0 for one per CPU. force: compute it
    again. progress: True shows it on stderr as the command does; a function is called with the number of paths done.
    settings: values of keys of the config, dotted ones as `**{"optimizer.beta2": 0.99}`.

    Nothing else is printed. Ctrl-C raises KeyboardInterrupt once whole blocks of paths are saved; the same call then continues.
    Raises ConfigError with every problem of the config, and UsageError where the folder cannot be used.
    """
    from nonconv.api.configs import as_document
    from nonconv.api.results import read_result
    from nonconv.report.figures.drawing_process import figure_process

    workers = checked_workers(workers)
    cell, folder = read_experiment(as_document(config, settings), out, name)
    if force or not is_current(cell, folder):
        with figure_process() as draw:
            try:
                with _shown(progress, cell) as update:
                    complete(cell, folder, workers, force, update, draw)
            except Interrupted as stop:  # a loop over experiments must stop as well, whatever errors it catches
                raise KeyboardInterrupt(f"{stop} The same call continues.") from None
    return read_result(folder)


def read_experiment(document: "Document", out: Place | None, name: str = "") -> "tuple[Cell, Path]":
    """Return the experiment of a config, and its output folder. name: instead of that of the config. Raises ConfigError."""
    from nonconv.api.looks import refuse_unknown_look
    from nonconv.experiment.binding import make_cell

    cell = make_cell(document)
    refuse_unknown_look(cell.resolved.get("figures", {}))
    if name:
        cell = replace(cell, name=checked_name(name))
    return cell, checked_place("out", out) if out is not None else OUTPUTS / cell.folder_name


def is_current(cell: "Cell", folder: Path) -> bool:
    """Whether the folder has the finished result of an experiment, with its words; what a killed process left is removed."""
    from nonconv.store.folder import tidy
    from nonconv.study import loop

    current = loop.is_current(cell, folder)
    if current:
        tidy(folder)
    return current


def complete(cell: "Cell", folder: Path, workers: int, force: bool, progress: Callable[[int], None], draw: "Draw") -> "Outcome":
    """Simulate an experiment, unless only words have changed, and write its folder. Raises UsageError, or Interrupted."""
    from nonconv.study import loop

    return loop.run(cell, folder, workers, force, progress, draw)


def _shown(progress: bool | Callable[[int], None], cell: "Cell") -> "AbstractContextManager[Callable[[int], None]]":
    """Open what shows progress, and give the function that is called with the number of paths done."""
    from nonconv.terminal.progress import show_progress

    return nullcontext(progress) if callable(progress) else show_progress(cell, quiet=not progress)
