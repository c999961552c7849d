"""The cells of a sweep on disk: each lands whole, by one rename, and what is whole of an unfinished one is kept."""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nonconv
from nonconv.atomic import write_whole
from nonconv.experiment.cell import Cell
from nonconv.store.folder import MANIFEST, MARK_BYTES, SCHEMA_VERSION, damaged, digest, read_json, read_manifest
from nonconv.store.formats import as_json, as_yaml, unpacked
from nonconv.store.surroundings import versions

FOLDER, UNFINISHED = "cells", "unfinished.cells"
TALLY = "tally.npz"
"""What whole blocks of paths gave: where a run with more paths goes on."""


class Cells:
    """The folder `cells/` of a sweep, and `unfinished.cells/`, which is gone when the sweep is finished."""

    def __init__(self, sweep: Path) -> None:
        self.folder, self.unfinished = sweep / FOLDER, sweep / UNFINISHED

    def path(self, name: str) -> Path:
        """Where a cell lies, by its id."""
        return self.folder / name

    def is_finished(self, name: str, cell: Cell) -> bool:
        """Whether the cell's result is there, by this version, every file as it was written."""
        manifest = self._manifest(name)
        return bool(manifest and manifest["identity"] == cell.identity and not damaged(self.path(name), manifest))

    def larger(self, name: str, cell: Cell) -> int:
        """How many paths the result has that is there, if they are more than the cell may have, or 0."""
        manifest = self._manifest(name)
        if not manifest or manifest["identity"] == cell.identity or manifest.get("lineage") != cell.lineage:
            return 0
        paths = int((read_json(self.path(name) / "summary.json") or {}).get("paths", 0))
        return paths if paths > cell.paths else 0

    def _manifest(self, name: str) -> dict[str, Any] | None:
        manifest = read_manifest(self.path(name))
        return manifest if manifest and manifest["versions"]["nonconv"] == nonconv.__version__ else None

    def saved(self, name: str, cell: Cell) -> dict[str, Any] | None:
        """What is whole of the cell already: of an interrupted computation, or of one of fewer paths."""
        kept = self._kept(name, cell)
        if kept is not None:
            return kept
        manifest = self._manifest(name)
        if not manifest or manifest.get("lineage") != cell.lineage or TALLY not in manifest["files"]:
            return None
        path = self.path(name) / TALLY
        if not path.is_file() or digest(path) != manifest["files"][TALLY]:
            return None
        found = unpacked(path.read_bytes())
        most = cell.stopping.least if cell.stopping else cell.paths
        return found if found and int(found["paths"]) <= most else None

    def _kept(self, name: str, cell: Cell) -> dict[str, Any] | None:
        try:
            raw = (self.unfinished / f"{name}.checkpoint").read_bytes()
        except OSError:
            return None
        mark, content = raw[:MARK_BYTES], raw[MARK_BYTES:]
        if mark != _mark(cell, content):
            return None
        return unpacked(content)

    def keep(self, name: str, cell: Cell, content: bytes) -> None:
        """Keep what is whole of an unfinished cell."""
        write_whole(self.unfinished / f"{name}.checkpoint", _mark(cell, content) + content)

    def land(self, name: str, files: Mapping[str, bytes]) -> None:
        """Put a finished cell in its place. Nothing is synced: what a power failure damages is found by its digest."""
        half = self.unfinished / name
        shutil.rmtree(half, ignore_errors=True)
        try:
            for folder in {(half / file).parent for file in files}:
                folder.mkdir(parents=True, exist_ok=True)
            for file, content in files.items():
                (half / file).write_bytes(content)
            self._rename(half, self.path(name))
        except BaseException:
            shutil.rmtree(half, ignore_errors=True)
            raise
        (self.unfinished / f"{name}.checkpoint").unlink(missing_ok=True)

    def _rename(self, half: Path, place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            half.rename(place)
            return
        old = half.with_name(f"{half.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        place.rename(old)
        half.rename(place)
        shutil.rmtree(old, ignore_errors=True)

    def forget(self, name: str) -> None:
        """Remove what is there of a cell that failed."""
        shutil.rmtree(self.path(name), ignore_errors=True)
        (self.unfinished / f"{name}.checkpoint").unlink(missing_ok=True)

    def tidy(self) -> None:
        """All cells are there."""
        shutil.rmtree(self.unfinished, ignore_errors=True)


def _mark(cell: Cell, content: bytes) -> bytes:
    """Stands before a checkpoint: whatever is damaged, or of another cell or version, has another one."""
    return hashlib.sha256(f"{cell.identity} {nonconv.__version__} ".encode() + content).digest()


def with_manifest(cell: Cell, results: Mapping[str, bytes]) -> dict[str, bytes]:
    """All files of a cell's folder. Nothing in them depends on where or when it was computed."""
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
