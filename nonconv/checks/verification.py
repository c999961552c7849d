"""Is a finished folder what its config gives? Recomputes the recorded paths and compares them bit for bit."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nonconv.experiment.binding import read_cell
from nonconv.numerics.arithmetic import Array
from nonconv.report.sweep_result import SWEEP_TABLE
from nonconv.results.columns import read_columns
from nonconv.results.sweep_files import DONE
from nonconv.store.folder import MANIFEST, damaged, finished, read_manifest
from nonconv.store.surroundings import versions
from nonconv.study import first_paths

SAMPLED_CELLS, MOST_NAMED = 8, 10
CLOSE_ULP = 64
"""Paths this close came from the same arithmetic with another rounding: another processor, or another library."""


@dataclass(frozen=True)
class Verification:
    """good: nothing contradicts the folder. text: the verdict in a sentence. reasons: what may explain a difference."""

    good: bool
    text: str
    reasons: tuple[str, ...]


def verify_folder(folder: Path, workers: int) -> Verification:
    """Recompute and compare. Raises UsageError if the folder is not finished, ConfigError if its config is broken."""
    manifest = finished(folder)
    changed = damaged(folder, manifest)
    if changed:
        return Verification(False, f"{folder}: files have changed since they were written: {', '.join(changed)}", ())
    cell = read_cell(folder / "config.yaml", [])
    with np.load(folder / "paths.npz") as file:
        stored = file["theta"]
    if not len(stored):
        return Verification(True, f"{folder}: files as written; no paths were recorded, so none were recomputed", ())
    return _compared(folder, stored, first_paths(cell, len(stored), workers), manifest)


def verify_sweep(folder: Path, workers: int) -> Verification:
    """The files of a sweep and all its cells, and the recorded paths of some cells. Raises as `verify_folder` does."""
    manifest = finished(folder)
    cells = read_columns(folder / SWEEP_TABLE).where("status", DONE)["cell"]
    changed = damaged(folder, manifest)
    for cell in cells:
        place = folder / "cells" / cell
        known = read_manifest(place)
        changed += [f"cells/{cell}/{name}" for name in damaged(place, known)] if known else [f"cells/{cell}/{MANIFEST}"]
    if changed:
        return Verification(False, f"{folder}: files are missing or have changed: {', '.join(changed[:MOST_NAMED])}", ())
    chosen = cells[:: max(1, len(cells) // SAMPLED_CELLS)][:SAMPLED_CELLS]
    found = [verify_folder(folder / "cells" / cell, workers) for cell in chosen]
    text = "\n".join([f"{folder}: the files of {len(cells)} cells as written", *(one.text for one in found)])
    return Verification(all(one.good for one in found), text, tuple(dict.fromkeys(r for one in found for r in one.reasons)))


def _compared(folder: Path, stored: Array, computed: Array, manifest: Any) -> Verification:
    what = f"{folder}: {len(stored)} recorded paths recomputed"
    if stored.tobytes() == computed.tobytes():
        return Verification(True, f"{what}: bitwise equal", ())
    now, then = versions(), manifest["versions"]
    reasons = tuple(f"{name} was {then.get(name)}, now is {now[name]}" for name in now if now[name] != then.get(name))
    if stored.shape != computed.shape:
        return Verification(False, f"{what}: different (of shape {computed.shape}, not {stored.shape})", reasons)
    ulp = ulps(stored, computed)
    if ulp <= CLOSE_ULP:
        return Verification(True, f"{what}: equal within {ulp} ulp", reasons)
    return Verification(False, f"{what}: different ({_difference(stored, computed)})", reasons)


def _difference(a: Array, b: Array) -> str:
    both = np.isfinite(a) & np.isfinite(b)
    with np.errstate(over="ignore"):
        most = np.abs(a[both] - b[both]).max(initial=0.0)
    return f"by up to {most:.3g}" + (", and in what is finite" if np.any(np.isfinite(a) != np.isfinite(b)) else "")


def ulps(a: Array, b: Array) -> int:
    """The largest distance in units in the last place; infinities and nan must agree."""
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    if np.any(~same & ~(np.isfinite(a) & np.isfinite(b))):
        return 2**62
    ordered = [np.where(x.view(np.int64) < 0, np.int64(-(2**63)) - x.view(np.int64), x.view(np.int64)) for x in (a, b)]
    return int(np.where(same, 0, np.abs(ordered[0] - ordered[1])).max())
