"""The cells of a sweep on disk.

    cells/<id>/...                       a finished cell, published by one rename
    unfinished.cells/<id>/...            one that is being written
    unfinished.cells/<id>.checkpoint     whole blocks of a long cell

A cell's id is a hash that omits the number of paths (sweeps.sweep.cell_id). So a sweep with more paths, or with other
values on its axes, finds the cells that it shares with an earlier one and continues from their tallies.
"""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nonconv
from nonconv.atomic import write_whole
from nonconv.experiment.cell import Cell
from nonconv.store.folder import MANIFEST, MARK_BYTES, SCHEMA_VERSION, damaged, digest, read_json, read_manifest
from nonconv.store.formats import as_json, as_yaml, packed, unpacked
from nonconv.store.surroundings import versions

CELLS_FOLDER, UNFINISHED_FOLDER = "cells", "unfinished.cells"
TALLY_FILE = "tally.npz"
"""The tally of whole blocks, from which a sweep with more paths continues."""


class Cells:
    """The folder `cells/` of a sweep, and `unfinished.cells/`, which is removed once the sweep is finished."""

    def __init__(self, sweep: Path) -> None:
        self.folder, self.unfinished = sweep / CELLS_FOLDER, sweep / UNFINISHED_FOLDER

    def path(self, name: str) -> Path:
        """Return the folder of a cell, by its id."""
        return self.folder / name

    def is_finished(self, name: str, cell: Cell) -> bool:
        """Whether the cell's folder holds its result, made by this version, with every file unchanged."""
        manifest = self._read_manifest(name)
        return bool(manifest and manifest["identity"] == cell.identity and not damaged(self.path(name), manifest))

    def count_excess_paths(self, name: str, cell: Cell) -> int:
        """Return how many paths the stored result has if they are more than the cell may have; otherwise 0."""
        manifest = self._read_manifest(name)
        if not manifest or manifest["identity"] == cell.identity or manifest.get("lineage") != cell.lineage:
            return 0
        paths = int((read_json(self.path(name) / "summary.json") or {}).get("paths", 0))
        return paths if paths > cell.paths else 0

    def _read_manifest(self, name: str) -> dict[str, Any] | None:
        """Read the manifest of a cell; None if there is none by this version."""
        manifest = read_manifest(self.path(name))
        return manifest if manifest and manifest["versions"]["nonconv"] == nonconv.__version__ else None

    def load_saved(self, name: str, cell: Cell) -> dict[str, Any] | None:
        """Load the arrays of a tally to continue from; None if there is none.

        They are from the cell's checkpoint, or from its stored result if that has fewer paths.
        """
        checkpoint = self._load_checkpoint(name, cell)
        if checkpoint is not None:
            return checkpoint
        manifest = self._read_manifest(name)
        if not manifest or manifest.get("lineage") != cell.lineage or TALLY_FILE not in manifest["files"]:
            return None
        path = self.path(name) / TALLY_FILE
        if not path.is_file() or digest(path) != manifest["files"][TALLY_FILE]:
            return None
        found = unpacked(path.read_bytes())
        # A cell with a stopping rule must stop where it would have from the start, so it continues only from before that.
        most = cell.stopping.least if cell.stopping else cell.paths
        return found if found and int(found["paths"]) <= most else None

    def _load_checkpoint(self, name: str, cell: Cell) -> dict[str, Any] | None:
        """Load the checkpoint; None unless it is whole, of this cell, by this version."""
        try:
            raw = (self.unfinished / f"{name}.checkpoint").read_bytes()
        except OSError:
            return None
        mark, content = raw[:MARK_BYTES], raw[MARK_BYTES:]
        if mark != _checkpoint_digest(cell, content):
            return None
        return unpacked(content)

    def save_checkpoint(self, name: str, cell: Cell, arrays: Mapping[str, Any]) -> None:
        """Save the arrays of an unfinished cell's tally. Raises OSError."""
        content = packed(arrays)
        write_whole(self.unfinished / f"{name}.checkpoint", _checkpoint_digest(cell, content) + content)

    def publish(self, name: str, files: Mapping[str, bytes]) -> None:
        """Write a finished cell, whole or not at all. Raises OSError.

        files: contents by name, the manifest among them. Nothing is synced to disk, which would take longer than a short cell:
        the digests in the manifest find what a power failure damages, and such a cell is computed again.
        """
        # Beside the cells, on the same file system, so that one rename publishes it.
        half = self.unfinished / name
        shutil.rmtree(half, ignore_errors=True)
        try:
            for folder in {(half / file).parent for file in files}:
                folder.mkdir(parents=True, exist_ok=True)
            for file, content in files.items():
                (half / file).write_bytes(content)
            self._move_into_place(half, self.path(name))
        except BaseException:
            shutil.rmtree(half, ignore_errors=True)
            raise
        (self.unfinished / f"{name}.checkpoint").unlink(missing_ok=True)

    def _move_into_place(self, half: Path, place: Path) -> None:
        """Rename the written folder to the cell's; an older one there is moved away first, then removed."""
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            half.rename(place)
            return
        # A folder cannot be replaced in one step. If the process ends between the renames, the cell is computed again.
        old = half.with_name(f"{half.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        place.rename(old)
        half.rename(place)
        shutil.rmtree(old, ignore_errors=True)

    def remove(self, name: str) -> None:
        """Remove the result and the checkpoint of a cell that failed."""
        shutil.rmtree(self.path(name), ignore_errors=True)
        (self.unfinished / f"{name}.checkpoint").unlink(missing_ok=True)

    def remove_unfinished(self) -> None:
        """Remove `unfinished.cells/`, once every cell is settled."""
        shutil.rmtree(self.unfinished, ignore_errors=True)


def _checkpoint_digest(cell: Cell, content: bytes) -> bytes:
    """Return the digest that begins a checkpoint: it differs for damaged content, another cell or another version."""
    return hashlib.sha256(f"{cell.identity} {nonconv.__version__} ".encode() + content).digest()


def add_manifest(cell: Cell, results: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return all files of a cell's folder: results, config and manifest.

    They depend neither on where nor on when it was computed: no times, no machine. These are in the sweep's manifest, and
    so are the words, which may change while cells stay.
    """
    files = {"config.yaml": as_yaml(cell.portable), **results}
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "identity": cell.identity,
        "lineage": cell.lineage,
        "config": cell.portable,
        "versions": versions(),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())},
    }
    return files | {MANIFEST: as_json(manifest)}
