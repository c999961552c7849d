"""The loop of a sweep: skip what is there, hand out tasks, merge and land in the order of the grid, publish."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import NamedTuple

from nonconv.errors import Interrupted, UsageError
from nonconv.report.figures.drawing_process import Draw, draw_here
from nonconv.report.sweep_summary import markdown
from nonconv.store.folder import SCHEMA_VERSION, Folder
from nonconv.store.formats import as_json, as_yaml
from nonconv.store.surroundings import surroundings
from nonconv.sweeps.cells import Cells
from nonconv.sweeps.executors import Executor
from nonconv.sweeps.flow import Flow, Tell
from nonconv.sweeps.sweep import Survey, Sweep, labels_of
from nonconv.sweeps.table import Table

MakeExecutor = Callable[[], AbstractContextManager[Executor]]
Progress = Callable[[], AbstractContextManager[Tell]]


class Outcome(NamedTuple):
    """What `run_sweep` did: where it lies, how many cells were computed, were there already, and why others failed."""

    folder: Path
    computed: int
    reused: int
    failures: dict[str, str]


def run_sweep(
    sweep: Sweep,
    survey: Survey,
    folder: Path,
    executor: MakeExecutor,
    force: bool = False,
    fail_fast: bool = False,
    progress: Progress = lambda: nullcontext(lambda news: None),
    draw: Draw = draw_here,
) -> Outcome:
    """Bring the folder of a sweep to its finished state. Raises UsageError, or Interrupted after saving what is whole."""
    store, cells = Folder(folder, survey.identity), Cells(folder)
    if not force:
        if is_finished(sweep, survey, store, cells):
            return Outcome(folder, 0, len(survey.ids), {})
        refuse_fewer_paths(sweep, survey, folder)
    with ExitStack() as opened:
        # First of all workers are forked: progress is shown by a thread, and they are not to hold the folder.
        workers = None if not force and _has_cells(sweep, survey, cells) else opened.enter_context(executor())
        tell = opened.enter_context(progress())
        opened.enter_context(store.opened(force))
        flow = Flow(sweep, survey, cells, force, fail_fast, tell)
        try:
            if workers:
                flow.run(workers)
            else:
                flow.reuse()
            _publish(sweep, survey, store, flow.table, flow.failures, draw)
        except KeyboardInterrupt:
            flow.keep()
            done = flow.computed + flow.reused
            raise Interrupted(f"stopped; {done} of {len(survey.ids)} cells are saved in {folder}") from None
        cells.tidy()
        facts = {"cells": len(survey.ids), "digest": survey.digest, "failed": len(flow.failures)}
        store.seal(survey.config, name=sweep.name, claim=sweep.claim, **facts, **surroundings())
    return Outcome(folder, flow.computed, flow.reused, flow.failures)


def is_finished(sweep: Sweep, survey: Survey, store: Folder, cells: Cells) -> bool:
    """Whether everything is there: the tables of this very grid, and every cell."""
    if not store.is_finished():
        return False
    manifest = store.manifest()
    if manifest.get("digest") != survey.digest or manifest.get("config") != survey.config or manifest.get("failed"):
        return False
    return _has_cells(sweep, survey, cells)


def refuse_fewer_paths(sweep: Sweep, survey: Survey, folder: Path) -> None:
    """Raises UsageError where a cell would be computed again with fewer paths than its result has."""
    cells = Cells(folder)
    for name, point in zip(survey.ids, sweep.points(), strict=True):
        if cells.path(name).exists() and (paths := cells.larger(name, sweep.known(name, point))):
            what = f"{folder} holds {paths} paths of the cell {name}, more than are asked for now"
            raise UsageError(f"{what}; choose another --out, or --force")


def _has_cells(sweep: Sweep, survey: Survey, cells: Cells) -> bool:
    named = zip(survey.ids, sweep.points(), strict=True)
    return all(cells.is_finished(name, sweep.known(name, point)) for name, point in named)


def _publish(sweep: Sweep, survey: Survey, store: Folder, table: Table, failures: dict[str, str], draw: Draw) -> None:
    """Everything but the manifest: the table first, then what is made of it."""
    for file in survey.files.values():
        store.write(file.place, file.content)
    store.write("config.yaml", as_yaml(survey.config))
    xi, floors = labels_of(survey.measured)
    store.write("sweep.csv", table.csv(failures))
    facts = {
        "schema_version": SCHEMA_VERSION,
        "name": sweep.name,
        "identity": survey.identity,
        "claim": sweep.claim,
        "keys": list(sweep.grid.keys),
        "xi": xi,
        "floors": floors,
        "curves": list(sweep.grid.curves),
        "baseline": survey.baseline,
        "cells": len(survey.ids),
        "failed": len(failures),
        "paths": survey.paths,
        "steps": survey.steps,
    }
    store.write("sweep.json", as_json(facts))
    store.discard_folder("figures")  # of another extent of the grid
    figures = draw(store.path)()
    for name, content in figures.items():
        store.write(f"figures/{name}", content)
    store.write("summary.md", markdown(store.path, figures).encode())
