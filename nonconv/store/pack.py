"""Small results of a sweep in one file: a ZIP archive with an entry per cell, which is itself one of the cell's files.

    cells.zip
        0014fc006a9d061a.zip      config.yaml, error.csv, ..., manifest.json

Twenty thousand folders of eight small files take ten times the space, and minutes to look through. Any tool for ZIP
archives can open one. Its bytes depend on its content alone: entries have no time, and are in the order in which they are
added. The comment of an entry says whose result it is, and has its digest, so that damage is found.
"""

import hashlib
import io
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

import nonconv
from nonconv.faults.errors import NonconvError, UsageError
from nonconv.faults.problems import nearest
from nonconv.store.zip_files import ZipWriter, entries, entry_at, read_table

CELLS_FOLDER, CELLS_ARCHIVE, UNFINISHED_FOLDER = "cells", "cells.zip", "unfinished.cells"
"""Of a sweep: a folder per cell, all small cells, and what is not in its place yet."""
SUFFIX = ".zip"
UNREADABLE = (
    *(OSError, zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError, KeyError),
    struct.error,
)
"""What may be raised when a damaged archive is read."""


class Bundle(NamedTuple):
    """The files of one result, as a ZIP archive. owner: its identity and the version that made it."""

    owner: str
    content: bytes


IN_FOLDER = Bundle("", b"")
"""In a new archive it says that a cell has a folder since: what older archives have of it does not count."""


def owner(identity: str) -> str:
    """Return what marks the result with an identity, by this version."""
    return f"{identity} {nonconv.__version__}"


def bundled(identity: str, files: Mapping[str, bytes]) -> Bundle:
    """Write the files of one result, by name, as a ZIP archive."""
    parts: list[bytes] = []
    archive = ZipWriter(parts.append)
    for name, content in sorted(files.items()):
        archive.add(name, content, compress=True)
    archive.close()
    return Bundle(owner(identity), b"".join(parts))


def unbundled(content: bytes, names: Container[str] | None = None) -> dict[str, bytes]:
    """Return the files of a bundle by name; only those of these names, where they are given.

    Raises one of UNREADABLE for what `bundled` did not write.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist() if names is None or name in names}


def write_bundles(file: BinaryIO, bundles: Iterable[tuple[str, Bundle]]) -> None:
    """Write named bundles as an archive, one at a time."""
    archive = ZipWriter(file.write)
    for name, bundle in bundles:
        archive.add(name + SUFFIX, bundle.content, comment=f"{bundle.owner} {_digest(bundle.content)}".encode())
    archive.close()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class _Place(NamedTuple):
    """Where a bundle is in an archive, whose it is, and its digest."""

    offset: int
    size: int
    owner: str
    digest: str


class Pack:
    """An archive of bundles; empty if there is no such file, or none that can be read.

    places: by name, in its order, where an entry is in the table of contents. Only that is kept, a few hundred bytes per
    entry: there may be a hundred thousand.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.table, self.places = b"", dict[str, int]()
        try:
            with path.open("rb") as file:
                self.table = read_table(file)
            self.places = {entry.name.removesuffix(SUFFIX): at for at, entry in entries(self.table)}
        except UNREADABLE:
            self.table, self.places = b"", {}

    def place(self, name: str) -> _Place | None:
        """Return where a bundle is; None if it is not here."""
        at = self.places.get(name)
        if at is None:
            return None
        entry, _ = entry_at(self.table, at)
        made_by, _, digest = entry.comment.decode(errors="replace").rpartition(" ")
        return _Place(entry.content_at, entry.size, made_by, digest)

    def read(self, name: str) -> Bundle | None:
        """Return a bundle; None if it is not here, or not as it was written."""
        place = self.place(name)
        if place is None:
            return None
        # Not through zipfile, which reads the whole table of contents whenever an archive is opened.
        try:
            with self.path.open("rb") as file:
                file.seek(place.offset)
                content = file.read(place.size)
        except (OSError, ValueError, OverflowError, MemoryError):  # the table may be damaged too
            return None
        return Bundle(place.owner, content) if _digest(content) == place.digest else None


class Parts:
    """The archives of a sweep that is not finished: one of each task, thousands of a large sweep.

    places: by name, in which of them a bundle is, the oldest first. number: the highest in their names.
    """

    def __init__(self, sweep: Path) -> None:
        self.packs: list[Pack] = []
        self.places: dict[str, list[int]] = {}
        self.number = 0
        for path in sorted((sweep / UNFINISHED_FOLDER).glob(f"*{SUFFIX}")):
            self.add(path)

    def add(self, path: Path) -> None:
        """Open the newest archive."""
        self.packs.append(Pack(path))
        self.number = max(self.number, int(path.stem) if path.stem.isdigit() else 0)
        for name in self.packs[-1].places:
            self.places.setdefault(name, []).append(len(self.packs) - 1)

    def found(self, name: str) -> Iterator[_Place | None]:
        """Yield where a bundle is, the newest first."""
        return (self.packs[number].place(name) for number in reversed(self.places.get(name, ())))

    def read(self, name: str) -> Bundle | None:
        """Return a bundle from the newest archive that has it whole; None if none has, or the cell has a folder since."""
        found = (self.packs[number].read(name) for number in reversed(self.places.get(name, ())))
        newest = next((bundle for bundle in found if bundle), None)
        return None if newest == IN_FOLDER else newest

    def clear(self) -> None:
        """Forget them all."""
        self.packs, self.places = [], {}


@contextmanager
def opened_run(run: Path) -> Iterator[Path]:
    """Yield the folder of a run, of a sweep, or of the cell SWEEP#CELL, wherever that is.

    The files of a cell that is packed are in a temporary folder while the context is open; errors call it as it was asked for.
    Raises UsageError if there is no such cell.
    """
    if run.exists() or not (asked := _split(run)):
        yield run
        return
    sweep, name = asked
    if not name and ((sweep / CELLS_FOLDER).is_dir() or (sweep / CELLS_ARCHIVE).exists()):
        raise UsageError(f"{run}: which cell?\n  {sweep}#CELL, where CELL is in the column `cell` of {sweep / 'sweep.csv'}")
    bundle = Parts(sweep).read(name)
    if bundle is None and name and Path(name).name == name and (sweep / CELLS_FOLDER / name).is_dir():
        yield sweep / CELLS_FOLDER / name
        return
    archive = Pack(sweep / CELLS_ARCHIVE)
    bundle = bundle or archive.read(name)
    if bundle is None:
        raise UsageError(_no_such_cell(sweep, name, archive))
    with extracted(bundle, run, name) as folder:
        yield folder


@contextmanager
def extracted(bundle: Bundle, run: Path, name: str) -> Iterator[Path]:
    """Yield a temporary folder with the files of a bundle; errors call it `run`. Raises UsageError for a damaged one."""
    with tempfile.TemporaryDirectory(prefix="nonconv-") as place:
        folder = Path(place) / name
        _write_files(run, folder, bundle.content)
        try:
            yield folder
        except NonconvError as error:
            error.args = tuple(str(text).replace(str(folder), str(run)) for text in error.args)
            raise


def _split(run: Path) -> tuple[Path, str] | None:
    """Return sweep and cell of SWEEP#CELL, or of SWEEP/cells/CELL where that is packed; None for any other path."""
    outer, hash_sign, name = str(run).rpartition("#")
    if hash_sign:
        return Path(outer), name
    sweep = run.parent.parent
    return (sweep, run.name) if run.parent.name == CELLS_FOLDER and (sweep / CELLS_ARCHIVE).exists() else None


def _no_such_cell(sweep: Path, name: str, archive: Pack) -> str:
    """Say why there is no such cell."""
    if not sweep.is_dir():
        return f"there is no folder {sweep}"
    if name in archive.places:
        return f"{sweep / CELLS_ARCHIVE}: the cell {name} is damaged; the command that wrote the sweep computes it again"
    folders = [path.name for path in (sweep / CELLS_FOLDER).glob("*")]
    known = [*dict.fromkeys([*archive.places, *folders])]
    if not known:
        return f"{sweep} has no cells; a cell is named SWEEP#CELL, where SWEEP is the output folder of a sweep"
    near = nearest(name, known)
    hint = f"\n  did you mean {sweep}#{near}?" if near else ""
    return f"{sweep} has no cell {name!r}; the column `cell` of its sweep.csv names them{hint}"


def _write_files(run: Path, folder: Path, content: bytes) -> None:
    """Write the files of a bundle to a folder. Raises UsageError for a bundle that cannot be read."""
    try:
        for name, file in unbundled(content).items():
            parts = PurePosixPath(name).parts
            if ".." in parts or PurePosixPath(name).is_absolute():
                raise ValueError(name)
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(file)
    except UNREADABLE:
        raise UsageError(f"{run} is damaged; the command that wrote the sweep computes it again") from None
