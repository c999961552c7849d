"""Verify a finished folder: recompute its recorded paths from its config and compare them bit for bit.

First the files are compared with the digests in the manifest. Then the paths are simulated again, in a moment, since
only the blocks with recorded ones are, and so is what was measured of each: other iterates, states, quantities. Where
these are all paths, the data files are compared as well. Another processor or library may round differently; the
versions that changed are named.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nonconv.experiment.binding import read_cell
from nonconv.experiment.cell import Cell
from nonconv.faults.blame import blaming_plugins
from nonconv.numerics.arithmetic import Array
from nonconv.readback import content_of, loaded
from nonconv.report.run import read_config
from nonconv.report.sweep_result import SWEEP_TABLE
from nonconv.results.columns import read_columns
from nonconv.results.run_files import axis_of_paths, path_arrays
from nonconv.results.stored import PATHS_ARRAYS, Arrays, Summary, read_arrays
from nonconv.results.sweep_files import DONE
from nonconv.statistics.tally import Tally
from nonconv.store.folder import MANIFEST, SUMMARY, damaged, finished, read_manifest
from nonconv.store.pack import CELLS_ARCHIVE, CELLS_FOLDER, Pack, opened_run
from nonconv.store.surroundings import versions
from nonconv.study.loop import first_tally, results
from nonconv.study.ready import Ready, make_ready
from nonconv.system.words import count

MOST_CELLS, MOST_FILES_NAMED = 8, 10
"""Of a sweep, how many cells are recomputed, and how many changed files a message names."""
EQUAL = "bitwise equal"
ARRAYS_FILE = "paths.npz"
"""Its arrays are compared, since other versions of libraries may pack them otherwise."""
CLOSE_ULP = 64
"""Paths this close come from the same arithmetic with other rounding, as on another processor or with another library."""


@dataclass(frozen=True)
class Verification:
    """The result of a verification.

    good: nothing contradicts the folder. text: the result, for people. reasons: what may explain a difference.
    """

    good: bool
    text: str
    reasons: tuple[str, ...]


def verify_folder(folder: Path, workers: int) -> Verification:
    """Verify a run or a cell.

    Raises UsageError if the folder is not finished, ConfigError if its config is broken.
    """
    manifest = finished(folder)
    changed = damaged(folder, manifest)
    if changed:
        return Verification(False, f"{folder}: files are missing or have changed: {', '.join(changed)}", ())
    if manifest.get("logged"):
        return Verification(True, f"{folder}: files are unchanged; the paths were logged elsewhere, so none are recomputed", ())
    # The copy in the folder, with the copies of its files: nothing outside the folder counts.
    cell = read_cell(folder / "config.yaml", [])
    stored = read_arrays(content_of(folder / "paths.npz"), PATHS_ARRAYS, folder / "paths.npz")
    paths = len(stored["theta"])
    if not paths:
        return Verification(True, f"{folder}: files are unchanged; no paths were recorded, so none were recomputed", ())
    found = _recompute(cell, folder, stored, manifest, workers)
    # No digest covers the manifest, which has the config too.
    if found.good and manifest["config"] != read_config(folder / "config.yaml"):
        return _changed(folder, [f"{MANIFEST} (it has another config than config.yaml)"])
    return found


@blaming_plugins
def _recompute(cell: Cell, folder: Path, stored: Arrays, manifest: Any, workers: int) -> Verification:
    """Recompute the recorded paths and compare them; then whatever else was measured of the paths that were recomputed."""
    ready = make_ready(cell)
    tally = first_tally(ready, len(stored["theta"]), workers)
    with np.errstate(all="ignore"):  # what is not finite is compared too
        computed = path_arrays(ready.cell, tally)
        found = _compare(folder, stored["theta"], computed["theta"][: len(stored["theta"])], manifest)
        # After other rounding numbers that are made of the paths may differ by more than the paths do.
        if not found.text.endswith(EQUAL):
            return found
        summary = loaded(content_of(folder / SUMMARY), Summary, folder / SUMMARY)
        # All paths of a run of this version.
        whole = tally.paths == summary["paths"] and versions()["nonconv"] == manifest["versions"].get("nonconv")
        others = [*_differing_arrays(stored, computed, whole)]
        if whole:  # its name is that of a file elsewhere
            others += _differing_files(folder, replace(ready, cell=replace(ready.cell, name=summary["name"])), tally)
    if not others:
        return found
    return Verification(False, f"{found.text}, but other numbers differ: {', '.join(others)}", _new_versions(manifest))


def _differing_arrays(stored: Arrays, computed: Arrays, whole: bool) -> Iterator[str]:
    """Name the arrays of paths.npz that differ, and by how much: states, other iterates and the like on the paths of both.

    whole: whether all paths are there, so that quantiles are the same too.
    """
    for name in computed:
        axis = axis_of_paths(name)
        if name not in stored or (axis is None and not whole):
            continue
        ours, theirs = (np.asarray(arrays[name]) for arrays in (computed, stored))
        if axis is not None and ours.ndim == theirs.ndim:
            paths = range(min(ours.shape[axis], theirs.shape[axis]))
            ours, theirs = (np.ascontiguousarray(array.take(paths, axis)) for array in (ours, theirs))
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            yield f"{name} of paths.npz"
        elif ours.tobytes() != theirs.tobytes():
            yield f"{name} of paths.npz" + (f" ({_difference(theirs, ours)})" if ours.dtype.kind == "f" else "")


def _differing_files(folder: Path, ready: Ready, tally: Tally) -> Iterator[str]:
    """Name the data files that differ from those of a tally."""
    for name, content in results(ready, tally).items():
        place = folder / name
        if name != ARRAYS_FILE and place.is_file() and content_of(place) != content:
            yield name


def verify_run(run: Path, workers: int) -> Verification:
    """Verify a run or a cell, as `verify_folder` does, also one that is packed: SWEEP#CELL."""
    with opened_run(run) as folder:
        found = verify_folder(folder, workers)
    return replace(found, text=found.text.replace(str(folder), str(run))) if folder != run else found


def verify_sweep(folder: Path, workers: int) -> Verification:
    """Check the files of a sweep and of all its cells, and verify MOST_CELLS cells that are spread over the grid.

    Raises as `verify_folder` does.
    """
    manifest = finished(folder)
    changed = damaged(folder, manifest)
    if SWEEP_TABLE in changed:  # it names the cells
        return _changed(folder, changed)
    cells = read_columns(folder / SWEEP_TABLE).where("status", DONE)["cell"]
    archive = Pack(folder / CELLS_ARCHIVE)  # its digest is in the manifest
    for cell in (cell for cell in cells if cell not in archive.places):
        place = folder / CELLS_FOLDER / cell
        known = read_manifest(place)
        changed += [f"cells/{cell}/{name}" for name in damaged(place, known)] if known else [f"cells/{cell}/{MANIFEST}"]
    if changed:
        return _changed(folder, changed)
    # Cells are in the order of the grid, so every so-many-th one spreads over it.
    chosen = cells[:: max(1, len(cells) // MOST_CELLS)][:MOST_CELLS]
    places = [Path(f"{folder}#{cell}") if cell in archive.places else folder / CELLS_FOLDER / cell for cell in chosen]
    found = [verify_run(place, workers) for place in places]
    text = "\n".join([f"{folder}: the files of {len(cells)} cells are unchanged", *(one.text for one in found)])
    return Verification(all(one.good for one in found), text, tuple(dict.fromkeys(r for one in found for r in one.reasons)))


def _changed(folder: Path, names: list[str]) -> Verification:
    """Return the verification of a folder whose files have changed."""
    return Verification(False, f"{folder}: files are missing or have changed: {', '.join(names[:MOST_FILES_NAMED])}", ())


def _compare(folder: Path, stored: Array, computed: Array, manifest: Any) -> Verification:
    """Compare stored and recomputed paths; where they differ, name the versions that have changed."""
    what = f"{folder}: {count(len(stored), 'recorded path')} recomputed"
    # As bytes: nan equals nan here, and -0.0 differs from 0.0.
    if stored.tobytes() == computed.tobytes():
        return Verification(True, f"{what}: {EQUAL}", ())
    reasons = _new_versions(manifest)
    if stored.shape != computed.shape:
        return Verification(False, f"{what}: different (shape {computed.shape} instead of {stored.shape})", reasons)
    ulp = ulps(stored, computed)
    if ulp <= CLOSE_ULP:
        return Verification(True, f"{what}: equal within {ulp} ulp", reasons)
    return Verification(False, f"{what}: different ({_difference(stored, computed)})", reasons)


def _new_versions(manifest: Any) -> tuple[str, ...]:
    """Name the versions that have changed since a folder was written."""
    now, then = versions(), manifest["versions"]
    return tuple(f"{name} was {then.get(name)}, is now {now[name]}" for name in now if now[name] != then.get(name))


def _difference(a: Array, b: Array) -> str:
    """Say in words by how much two arrays of the same shape differ."""
    both = np.isfinite(a) & np.isfinite(b)
    with np.errstate(over="ignore"):
        most = np.abs(a[both] - b[both]).max(initial=0.0)
    return f"by up to {most:.3g}" + (", and different ones are finite" if np.any(np.isfinite(a) != np.isfinite(b)) else "")


def ulps(a: Array, b: Array) -> int:
    """Return the largest distance between two arrays of the same shape, in units in the last place (ulp).

    2^62 if inf or nan do not agree.
    """
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    if np.any(~same & ~(np.isfinite(a) & np.isfinite(b))):
        return 2**62
    # Read as whole numbers, doubles of one sign are in order, one per ulp; negative ones are mirrored to go on below 0.
    ordered = [np.where(x.view(np.int64) < 0, np.int64(-(2**63)) - x.view(np.int64), x.view(np.int64)) for x in (a, b)]
    return int(np.where(same, 0, np.abs(ordered[0] - ordered[1])).max())
