"""The cells of a sweep on disk.

    cells/<id>/...                       a finished cell, published by one rename
    cells.zip                            small cells, where there are many (store.pack)
    unfinished.cells/<id>/...            one that is being written
    unfinished.cells/<number>.zip        small cells that are finished, each file written whole
    unfinished.cells/<id>.checkpoint     whole blocks of a long cell

A cell's id is a hash that omits the number of paths (sweeps.sweep.cell_id). So a sweep with more paths, or with other
values on its axes, finds the cells that it shares with an earlier one and continues from their tallies.
"""

import hashlib
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import nonconv
from nonconv.experiment.cell import Cell
from nonconv.experiment.identity import without_file_names
from nonconv.faults.errors import UsageError
from nonconv.readback import loaded, parse, read_bytes
from nonconv.results.stored import Summary
from nonconv.store.folder import MANIFEST, SCHEMA_VERSION, as_manifest, damaged, read_manifest, read_sealed, sealed
from nonconv.store.formats import as_json, as_yaml, unpacked
from nonconv.store.pack import (
    CELLS_ARCHIVE,
    CELLS_FOLDER,
    IN_FOLDER,
    SUFFIX,
    UNFINISHED_FOLDER,
    UNREADABLE,
    Bundle,
    Pack,
    Parts,
    bundled,
    extracted,
    owner,
    unbundled,
    write_bundles,
)
from nonconv.store.surroundings import versions
from nonconv.system.atomic import write_whole, writing_whole

TALLY_FILE = "tally.npz"
"""The tally of whole blocks, from which a sweep with more paths continues."""
CHECKPOINT = ".checkpoint"
FEW_CELLS = 256
"""A sweep of at most so many cells has a folder for each, which is easier to look into."""
LARGEST_PACKED = 65536
"""Bytes of a cell's files, at most, that are packed. Larger ones gain little."""


class Stored(NamedTuple):
    """A cell's result on disk. manifest: of its files. read: returns the content of one of them; raises OSError."""

    manifest: dict[str, Any]
    read: Callable[[str], bytes]


class Cells:
    """The cells of a sweep: `cells/`, `cells.zip`, and `unfinished.cells/`, which is removed once the sweep is finished.

    number: of cells in the sweep; small ones are packed where there are many, and none by default. waiting: finished ones that
    `flush` will write, and which of them have a folder since. failed: those whose result was removed.
    refuse_vanished: called before anything is written; raises UsageError if the sweep's folder is not there any more.
    """

    def __init__(self, sweep: Path, number: int = 0, refuse_vanished: Callable[[], None] = lambda: None) -> None:
        self.sweep, self.packs, self.refuse_vanished = sweep, number > FEW_CELLS, refuse_vanished
        self.folder, self.unfinished = sweep / CELLS_FOLDER, sweep / UNFINISHED_FOLDER
        self.waiting: dict[str, Bundle] = {}
        self.failed: set[str] = set()

    def path(self, name: str) -> Path:
        """Return the folder of a cell that is not packed, by its id."""
        return self.folder / name

    @cached_property
    def _parts(self) -> Parts:
        """The archives of finished small cells that are not in their place yet."""
        return Parts(self.sweep)

    @cached_property
    def _archive(self) -> Pack:
        """The archive of small cells as it was when the sweep was last finished."""
        return Pack(self.sweep / CELLS_ARCHIVE)

    def _find_bundle(self, name: str) -> Bundle | None:
        """Return a small cell; None if there is none, it is damaged, or the cell has a folder since."""
        if name in self.failed:
            return None
        new = self.waiting.get(name) or self._parts.read(name)
        if new and new != IN_FOLDER:
            return new
        return None if self.path(name).exists() else self._archive.read(name)

    def _is_packed_by(self, name: str, mark: str) -> bool:
        """Whether the newest archive that has a cell says that it is of this owner. Its content is not looked at."""
        places = [*self._parts.found(name), self._archive.place(name)]
        newest = next((place for place in places if place), None)
        return newest is not None and newest.owner == mark and name not in self.failed

    def is_finished(self, name: str, identity: str, make: Callable[[], Cell]) -> bool:
        """Whether the cell's result is there, made by this version, with every file unchanged.

        make: makes the cell, which is not needed for one that is packed.
        """
        bundle = self._find_bundle(name)
        if bundle:
            return bundle.owner == owner(identity)
        manifest = self._read_manifest(name)
        return bool(manifest and _is_of(self.path(name), manifest, make()) and not damaged(self.path(name), manifest))

    def is_stored(self, name: str) -> bool:
        """Whether there is any result of a cell, whole or not."""
        return name in self._parts.places or name in self._archive.places or self.path(name).exists()

    def has_begun(self, name: str) -> bool:
        """Whether there is anything of a cell to continue from."""
        return self.is_stored(name) or (self.unfinished / f"{name}{CHECKPOINT}").exists()

    def find(self, name: str) -> Stored | None:
        """Return a cell's result, by this version; None if there is none. Only a small one is known to be undamaged."""
        bundle = self._find_bundle(name)
        if bundle:
            try:
                files = unbundled(bundle.content)
                manifest = as_manifest(parse(files[MANIFEST]))
            except UNREADABLE:
                return None
            return Stored(manifest, files.__getitem__) if manifest and _is_ours(manifest) else None
        manifest = self._read_manifest(name)
        return Stored(manifest, lambda file: read_bytes(self.path(name) / file)) if manifest else None

    @contextmanager
    def opened(self, name: str) -> Iterator[Path]:
        """Yield the folder of a cell; of a packed one a temporary folder. Raises UsageError for a damaged one."""
        bundle = self._find_bundle(name)
        if bundle is None:
            yield self.path(name)
            return
        with extracted(bundle, Path(f"{self.sweep}#{name}"), name) as folder:
            yield folder

    def count_excess_paths(self, name: str, identity: str, make: Callable[[], Cell]) -> int:
        """Return how many paths the stored result has if they are more than the cell may have; otherwise 0.

        make: makes the cell, which is not needed for one that has as many as it may.
        """
        if self._is_packed_by(name, owner(identity)):
            return 0
        stored = self.find(name)
        if not stored or stored.manifest["identity"] == identity:
            return 0
        cell = make()
        if stored.manifest.get("lineage") != cell.lineage:
            return 0
        try:
            paths = loaded(stored.read("summary.json"), Summary, "")["paths"]
        except (OSError, KeyError, UsageError):
            return 0
        return paths if paths > cell.paths else 0

    def _read_manifest(self, name: str) -> dict[str, Any] | None:
        """Read the manifest of a cell's folder; None if there is none by this version."""
        manifest = read_manifest(self.path(name))
        return manifest if manifest and _is_ours(manifest) else None

    def load_saved(self, name: str, cell: Cell) -> dict[str, Any] | None:
        """Load the arrays of a tally to continue from; None if there is none.

        They are from the cell's checkpoint, or from its stored result if that has fewer paths.
        """
        checkpoint = read_sealed(self.unfinished / f"{name}{CHECKPOINT}", cell.identity)
        if checkpoint is not None:
            return checkpoint
        stored = self.find(name)
        if not stored or stored.manifest.get("lineage") != cell.lineage or TALLY_FILE not in stored.manifest["files"]:
            return None
        try:
            content = stored.read(TALLY_FILE)
        except (OSError, KeyError):
            return None
        if hashlib.sha256(content).hexdigest() != stored.manifest["files"][TALLY_FILE]:
            return None
        found = unpacked(content)
        # A cell with a stopping rule must stop where it would have from the start, so it continues only from before that.
        most = cell.stopping.least if cell.stopping else cell.paths
        return found if found and "paths" in found and int(found["paths"]) <= most else None

    def save_checkpoint(self, name: str, cell: Cell, arrays: Mapping[str, Any]) -> None:
        """Save the arrays of an unfinished cell's tally. Raises OSError."""
        self.refuse_vanished()
        write_whole(self.unfinished / f"{name}{CHECKPOINT}", sealed(cell.identity, arrays))

    def publish(self, name: str, identity: str, files: Mapping[str, bytes] | Bundle) -> None:
        """Write a finished cell, whole or not at all, a small one of many at the next `flush`. Raises OSError.

        files: contents by name, the manifest among them; or all of them packed. Nothing is synced to disk, which would take
        longer than a short cell: digests find what a power failure damages, and such a cell is computed again.
        """
        if self.packs and not isinstance(files, Bundle):
            files = bundled_if_small(identity, files)
        if isinstance(files, Bundle):
            self.waiting[name] = files
        else:
            self._write_folder(name, files)
        (self.unfinished / f"{name}{CHECKPOINT}").unlink(missing_ok=True)

    def _write_folder(self, name: str, files: Mapping[str, bytes]) -> None:
        """Write a cell's folder by one rename. Raises OSError."""
        self.refuse_vanished()
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
        self.waiting.pop(name, None)
        if name in self._parts.places:  # written by a sweep of more cells, or of fewer paths
            self.waiting[name] = IN_FOLDER

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

    def flush(self) -> None:
        """Write the small cells that wait: one archive, whole or not at all. Raises OSError."""
        if not self.waiting:
            return
        self.refuse_vanished()
        path = self.unfinished / f"{self._parts.number + 1:09d}{SUFFIX}"
        with writing_whole(path) as file:
            write_bundles(file, self.waiting.items())
        self._parts.add(path)
        self.waiting.clear()

    def pack(self, order: Sequence[str]) -> Path | None:
        """Bring all small cells to `cells.zip`, in this order, then those of other grids; return it, if there is one.

        Its bytes depend on which cells there are, and not on when or by whom each was computed. Raises OSError.
        """
        self.flush()
        archive = self.sweep / CELLS_ARCHIVE
        names = dict.fromkeys([*order, *sorted({*self._parts.places, *self._archive.places})])
        if self.packs or self._parts.packs or self.failed & self._archive.places.keys():
            bundles = self._bundles(names)
            written: list[str] = []
            first = next(bundles, None)
            # Even if it holds the same cells: damage beside them does not show when they are read.
            if first is None:
                archive.unlink(missing_ok=True)
            else:
                with writing_whole(archive, sync=True) as file:
                    write_bundles(file, _noting(chain([first], bundles), written))
            # Only now, and only of what was written: a process that ends before has lost nothing.
            folders = {path.name for path in self.folder.iterdir()} if self.folder.is_dir() else set[str]()
            for name in folders & {*written}:
                shutil.rmtree(self.path(name), ignore_errors=True)
            del self._archive
            self._parts.clear()
        return archive if archive.is_file() else None

    def is_there(self, name: str) -> bool:
        """Whether a cell is in the archive, or all files of its folder are there. Their content is not looked at."""
        if name in self._archive.places:
            return True
        manifest = self._read_manifest(name)
        return manifest is not None and all((self.path(name) / file).is_file() for file in manifest["files"])

    def all_packed(self, names: Sequence[str]) -> bool:
        """Whether all these cells are in the archive."""
        return all(name in self._archive.places for name in names)

    def _bundles(self, names: Iterable[str]) -> Iterator[tuple[str, Bundle]]:
        """Yield the cells for the archive: those that are packed, and small folders; none that failed or is damaged."""
        for name in names:
            if name in self.failed:
                continue
            bundle = self._find_bundle(name) or (self._read_small_folder(name) if self.packs else None)
            if bundle:
                yield name, bundle

    def _read_small_folder(self, name: str) -> Bundle | None:
        """Return the bundle of a cell that has a folder though it is small: there were fewer cells before."""
        manifest = self._read_manifest(name)
        if manifest is None:
            return None
        files = [self.path(name) / file for file in (*manifest["files"], MANIFEST)]
        if any(not file.is_file() for file in files) or sum(file.stat().st_size for file in files) > LARGEST_PACKED:
            return None
        if damaged(self.path(name), manifest):
            return None
        contents = {file: read_bytes(self.path(name) / file) for file in (*manifest["files"], MANIFEST)}
        return bundled(manifest["identity"], contents)

    def remove(self, name: str) -> None:
        """Remove the result and the checkpoint of a cell that failed."""
        self.failed.add(name)
        self.waiting.pop(name, None)
        shutil.rmtree(self.path(name), ignore_errors=True)
        (self.unfinished / f"{name}{CHECKPOINT}").unlink(missing_ok=True)

    def remove_unfinished(self, lost: Collection[str] = ()) -> None:
        """Remove `unfinished.cells/`, once every cell is settled. lost: cells whose checkpoints stay, to be continued."""
        if not lost:
            shutil.rmtree(self.unfinished, ignore_errors=True)
            return
        for path in self.unfinished.glob("*"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.suffix != CHECKPOINT or path.stem not in lost:
                path.unlink(missing_ok=True)


def bundled_if_small(identity: str, files: Mapping[str, bytes]) -> Bundle | dict[str, bytes]:
    """Pack the files of a cell, unless they are large."""
    return bundled(identity, files) if sum(map(len, files.values())) <= LARGEST_PACKED else dict(files)


def _noting(bundles: Iterable[tuple[str, Bundle]], written: list[str]) -> Iterator[tuple[str, Bundle]]:
    """Pass cells on, and add the names of those that were passed on."""
    for name, bundle in bundles:
        yield name, bundle
        written.append(name)


def _is_of(folder: Path, manifest: Mapping[str, Any], cell: Cell) -> bool:
    """Whether a folder's manifest is that of a cell, to the byte: no digest covers it, but all it says is known."""
    config = manifest["config"]
    if manifest["identity"] != cell.identity or without_file_names(config) != without_file_names(cell.portable):
        return False
    expected = _manifest(cell, config, manifest["versions"], manifest["files"])
    try:
        return manifest["versions"].keys() == versions().keys() and read_bytes(folder / MANIFEST) == as_json(expected)
    except OSError:
        return False


def _is_ours(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest is by this version."""
    return bool(manifest["versions"].get("nonconv") == nonconv.__version__)


def add_manifest(cell: Cell, results: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return all files of a cell's folder: results, config and manifest.

    They depend neither on where nor on when it was computed: no times, no machine. These are in the sweep's manifest, and
    so are the words, which may change while cells stay.
    """
    files = {"config.yaml": as_yaml(cell.portable), **results}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    return files | {MANIFEST: as_json(_manifest(cell, cell.portable, versions(), digests))}


def _manifest(cell: Cell, config: Any, made_by: Any, digests: Any) -> dict[str, Any]:
    """Return the manifest of a cell."""
    return {
        "schema_version": SCHEMA_VERSION,
        "identity": cell.identity,
        "lineage": cell.lineage,
        "config": config,
        "versions": made_by,
        "files": digests,
    }
