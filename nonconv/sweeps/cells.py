"""The cells of a sweep on disk. A finished cell is published by one rename; whole blocks of an unfinished one are saved."""

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
        """The folder of a cell, by its id."""
        return self.folder / name

    def is_finished(self, name: str, cell: Cell) -> bool:
        """Whether the cell's folder holds its result, made by this version, with every file unchanged."""
        manifest = self._manifest(name)
        return bool(manifest and manifest["identity"] == cell.identity and not damaged(self.path(name), manifest))

    def count_excess_paths(self, name: str, cell: Cell) -> int:
        """How many paths the stored result has if it has more than the cell may have; otherwise 0."""
        manifest = self._manifest(name)
        if not manifest or manifest["identity"] == cell.identity or manifest.get("lineage") != cell.lineage:
            return 0
        paths = int((read_json(self.path(name) / "summary.json") or {}).get("paths", 0))
        return paths if paths > cell.paths else 0

    def _manifest(self, name: str) -> dict[str, Any] | None:
        manifest = read_manifest(self.path(name))
        return manifest if manifest and manifest["versions"]["nonconv"] == nonconv.__version__ else None

    def load_saved(self, name: str, cell: Cell) -> dict[str, Any] | None:
        """The arrays of a tally to continue from: the cell's checkpoint, or its stored result with fewer paths; or None."""
        checkpoint = self._load_checkpoint(name, cell)
        if checkpoint is not None:
            return checkpoint
        manifest = self._manifest(name)
        if not manifest or manifest.get("lineage") != cell.lineage or TALLY_FILE not in manifest["files"]:
            return None
        path = self.path(name) / TALLY_FILE
        if not path.is_file() or digest(path) != manifest["files"][TALLY_FILE]:
            return None
        found = unpacked(path.read_bytes())
        most = cell.stopping.least if cell.stopping else cell.paths
        return found if found and int(found["paths"]) <= most else None

    def _load_checkpoint(self, name: str, cell: Cell) -> dict[str, Any] | None:
        try:
            raw = (self.unfinished / f"{name}.checkpoint").read_bytes()
        except OSError:
            return None
        mark, content = raw[:MARK_BYTES], raw[MARK_BYTES:]
        if mark != _mark(cell, content):
            return None
        return unpacked(content)

    def save_checkpoint(self, name: str, cell: Cell, arrays: Mapping[str, Any]) -> None:
        """Save the arrays of an unfinished cell's tally. Raises OSError."""
        content = packed(arrays)
        write_whole(self.unfinished / f"{name}.checkpoint", _mark(cell, content) + content)

    def publish(self, name: str, files: Mapping[str, bytes]) -> None:
        """Write a finished cell, whole or not at all. Raises OSError.

        Nothing is synced to disk, which would take longer than a short cell: digests find what a power failure damages.
        """
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
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            half.rename(place)
            return
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


def _mark(cell: Cell, content: bytes) -> bytes:
    """The digest in front of a checkpoint: it differs for damaged content, another cell or another version."""
    return hashlib.sha256(f"{cell.identity} {nonconv.__version__} ".encode() + content).digest()


def add_manifest(cell: Cell, results: Mapping[str, bytes]) -> dict[str, bytes]:
    """All files of a cell's folder: results, config and manifest. They do not depend on where or when it was computed."""
    files = {"config.yaml": as_yaml(cell.portable), **results}
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "identity": cell.identity,
        "lineage": cell.lineage,
        "config": cell.portable,
        "name": cell.name,
        "claim": cell.claim,
        "versions": versions(),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())},
    }
    return files | {MANIFEST: as_json(manifest)}
