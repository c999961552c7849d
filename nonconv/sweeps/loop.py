"""Run a sweep: skip finished cells, compute the others, then write its tables and figures.

Like a run (study.loop), a sweep brings its folder to the finished state, whatever state that is in.
"""

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from nonconv.faults.errors import Interrupted, UsageError
from nonconv.readback import is_readable
from nonconv.report.figures.drawing_process import Draw, draw_here
from nonconv.report.sweep_result import read_sweep_result
from nonconv.report.sweep_summary import markdown
from nonconv.results.best import BEST_TABLE, Candidate, best_table
from nonconv.store.folder import SCHEMA_VERSION, Folder, tidy
from nonconv.store.formats import as_json, as_yaml
from nonconv.store.surroundings import surroundings
from nonconv.sweeps import saved_survey
from nonconv.sweeps.cells import Cells
from nonconv.sweeps.executors.protocol import Executor
from nonconv.sweeps.flow import Flow, OnEvent
from nonconv.sweeps.sweep import StoredFile, Survey, Sweep, find_criterion, written_config
from nonconv.system.streams import visible
from nonconv.system.words import count

OpenExecutor = Callable[[], AbstractContextManager[Executor]]
"""Starts workers, which end with the context."""
Progress = Callable[[], AbstractContextManager[OnEvent]]
"""Opens a display, and gives the function that is called with every event."""


class Outcome(NamedTuple):
    """What `run_sweep` did.

    folder: where the result is. computed, reused: how many cells were computed, or already finished. failures: why others
    failed, by id.
    """

    folder: Path
    computed: int
    reused: int
    failures: dict[str, str]


def run_sweep(
    sweep: Sweep,
    survey: Survey,
    folder: Path,
    open_executor: OpenExecutor,
    force: bool = False,
    fail_fast: bool = False,
    progress: Progress = lambda: nullcontext(lambda event: None),
    draw: Draw = draw_here,
) -> Outcome:
    """Bring the folder of a sweep to its finished state.

    open_executor: starts the workers; not called if every cell is finished. force: compute every cell again.
    fail_fast: stop at the first cell that fails. progress: opens a function that is called with every event.
    Raises UsageError, or Interrupted once finished cells and whole blocks are saved.
    """
    store = Folder(folder, survey.identity)
    cells = Cells(folder, len(survey.ids), store.refuse_vanished)
    if not force:
        if is_finished(sweep, survey, store, cells):
            tidy(folder)
            return Outcome(folder, 0, len(survey.ids), {})
        refuse_fewer_paths(sweep, survey, folder)
    with ExitStack() as opened:
        # Workers are forked first: a fork must not copy the progress display's thread, nor hold the folder's lock.
        workers = None if not force and _has_all_cells(sweep, survey, cells) else opened.enter_context(open_executor())
        on_event = opened.enter_context(progress())
        opened.enter_context(store.opened(force))
        flow = Flow(sweep, survey, cells, force, fail_fast, on_event)
        opened.enter_context(closing(flow.table))
        try:
            if workers:
                saved_survey.save(folder, sweep, survey)
                flow.run(workers)
            else:
                flow.reuse()
            _publish(sweep, survey, store, flow, draw)
        except KeyboardInterrupt:
            cells.flush()
            flow.save_checkpoint()
            done = flow.computed + flow.reused
            raise Interrupted(f"Stopped. Saved in {folder}: {done} of {count(len(survey.ids), 'cell')}.") from None
        # Before the manifest: a folder that is finished holds nothing unfinished, but of cells whose workers died.
        cells.remove_unfinished(flow.lost)
        store.seal(survey.config, name=sweep.name, claim=sweep.claim, **_facts(sweep, survey, flow), **surroundings())
        _refuse_lost_cells(survey, cells, flow)
    return Outcome(folder, flow.computed, flow.reused, flow.failures)


def _refuse_lost_cells(survey: Survey, cells: Cells, flow: Flow) -> None:
    """Raise UsageError if a cell that was finished is not there any more."""
    lost = [name for name in survey.ids if name not in flow.failures and not cells.is_there(name)]
    if lost:
        what = f"{cells.sweep}: {count(len(lost), 'cell')} removed while others were computed, for example {lost[0]}"
        raise UsageError(f"{what}; run the same command again")


def find_finished(sweep: Sweep, folder: Path, identity: str) -> dict[str, Any] | None:
    """Return the manifest of a finished sweep whose cells are all packed, without making its cells; None otherwise.

    The same config, by the same version, has the same cells if the files that it names have the same content; and the digests
    of the manifest cover everything, `cells.zip` as well.
    """
    manifest = Folder(folder, identity).find_result()
    if not manifest or manifest.get("failed") or manifest.get("packed") is not True or not _has_words(sweep, manifest):
        return None
    inputs = manifest.get("inputs", {})
    try:
        places = {named: StoredFile(entry["place"], b"") for named, entry in inputs.items()}
        changed = any(_digest(sweep, named) != entry["sha256"] for named, entry in inputs.items())
    except (OSError, KeyError, ValueError):
        return None
    same = not changed and _is_same(manifest["config"], written_config(sweep, places))
    return manifest if same and is_readable(read_sweep_result, folder) else None


def _is_same(config: Any, other: Any) -> bool:
    """Whether two configs have the same cells in the same order, which is that of the swept keys."""
    return bool(config == other) and json.dumps(config["sweep"], default=repr) == json.dumps(other["sweep"], default=repr)


def _has_words(sweep: Sweep, manifest: dict[str, Any]) -> bool:
    """Whether a finished sweep has the words of its config; others are written without computing a cell."""
    words = {"name": sweep.name, "claim": sweep.claim, "figures": sweep.figures}
    return all(manifest.get(key, {}) == word for key, word in words.items())


def _digest(sweep: Sweep, named: str) -> str:
    """Return the SHA-256 of a file that a config names. Raises OSError or ValueError."""
    return hashlib.sha256(sweep.document.content(sweep.document.locate(named))).hexdigest()


def is_finished(sweep: Sweep, survey: Survey, store: Folder, cells: Cells) -> bool:
    """Whether the folder holds the tables of exactly this grid, and every cell is finished."""
    if not store.is_finished():
        return False
    manifest = store.manifest()
    if manifest.get("digest") != survey.digest or manifest.get("failed") or not _is_same(manifest.get("config"), survey.config):
        return False
    if not _has_words(sweep, manifest) or not is_readable(read_sweep_result, store.path):
        return False
    # The digest of the archive is in the manifest, so packed cells need not be looked at one by one.
    return manifest.get("packed") is True or _has_all_cells(sweep, survey, cells)


def refuse_fewer_paths(sweep: Sweep, survey: Survey, folder: Path) -> None:
    """Raise UsageError if a cell's stored result has more paths than are asked for.

    It would be replaced by a less exact one.
    """
    cells = Cells(folder, len(survey.ids))
    for number, (name, point) in enumerate(zip(survey.ids, sweep.points(), strict=True)):
        make = partial(sweep.get_cell, name, point)
        if cells.is_stored(name) and (paths := cells.count_excess_paths(name, survey.each.identity(number), make)):
            what = f"{folder}: cell {name} already has {count(paths, 'path')}, more than the config asks for"
            raise UsageError(f"{what}; choose another --out, or --force to overwrite it")


def _has_all_cells(sweep: Sweep, survey: Survey, cells: Cells) -> bool:
    """Whether every cell is finished, so that no worker is needed."""
    named = enumerate(zip(survey.ids, sweep.points(), strict=True))
    return all(
        cells.is_finished(name, survey.each.identity(number), partial(sweep.get_cell, name, point))
        for number, (name, point) in named
    )


def _publish(sweep: Sweep, survey: Survey, store: Folder, flow: Flow, draw: Draw) -> None:
    """Write everything but the manifest: the table first, then figures and summary, which read it."""
    for file in survey.files.values():
        store.write(file.place, file.content)
    store.write("config.yaml", as_yaml(survey.config))
    if archive := flow.cells.pack(survey.ids):
        store.include(archive.name)
    store.write_parts("sweep.csv", flow.table.csv(flow.failures))
    _write_best(sweep, survey, store, flow)
    store.write("sweep.json", as_json(_describe(sweep, survey, len(flow.failures))))
    store.discard_folder("figures")  # left from another extent of the grid
    figures = draw(store.path)()
    for name, content in figures.items():
        store.write(f"figures/{name}", content)
    store.write("summary.md", visible(markdown(store.path, figures)).encode())


def _write_best(sweep: Sweep, survey: Survey, store: Folder, flow: Flow) -> None:
    """Write the best cell over some keys for each combination of the others, if the config asks for it."""
    name = find_criterion(sweep, survey.xi, survey.floors, survey.means)
    if not name:
        store.discard(BEST_TABLE)
        return
    candidates = [
        Candidate(cell, flow.table.key_texts(point), None if cell in flow.failures else flow.table.read(cell).ends)
        for cell, point in zip(survey.ids, sweep.points(), strict=True)
    ]
    store.write(BEST_TABLE, best_table(candidates, sweep.grid.best_over, survey.keys, name))


def _facts(sweep: Sweep, survey: Survey, flow: Flow) -> dict[str, Any]:
    """Return what the manifest says of a sweep: of what `find_finished` asks, too."""
    inputs = {
        named: {"place": file.place, "sha256": hashlib.sha256(file.content).hexdigest()} for named, file in survey.files.items()
    }
    return {
        "cells": len(survey.ids),
        "digest": survey.digest,
        "failed": len(flow.failures),
        "path_steps": survey.path_steps,
        "packed": flow.cells.all_packed(survey.ids),
        "inputs": inputs,
        **({"figures": sweep.figures} if sweep.figures else {}),
    }


def _describe(sweep: Sweep, survey: Survey, failed: int) -> dict[str, Any]:
    """Return the content of sweep.json, from which figures and summaries are made."""
    by = find_criterion(sweep, survey.xi, survey.floors, survey.means)
    return {
        "schema_version": SCHEMA_VERSION,
        "name": sweep.name,
        "identity": survey.identity,
        "claim": sweep.claim,
        "keys": list(survey.keys),
        "xi": list(survey.xi),
        "floors": list(survey.floors),
        "curves": list(sweep.grid.curves),
        "baseline": survey.baseline,
        "cells": len(survey.ids),
        "failed": failed,
        "paths": survey.paths,
        "steps": survey.steps,
        **({"quantities": survey.quantities} if survey.quantities else {}),
        **({"iterates": list(survey.iterates)} if survey.iterates else {}),
        **({"best": {"over": list(sweep.grid.best_over), "by": by}} if by else {}),
        **({"figures": sweep.figures} if sweep.figures else {}),
    }
