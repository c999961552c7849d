"""Small results of a sweep in one file: a ZIP archive with an entry per cell, which is itself one of the cell's files.

    cells.zip
        0014fc006a9d061a.zip      config.yaml, error.csv, ..., manifest.json

Twenty thousand folders of eight small files take ten times the space, and minutes to look through. Any tool for ZIP
archives can open one. Its bytes depend on its content alone: entries have no time, and are in the order in which they are
added. The comment of an entry says whose result it is, and has its digest, so that damage is found.
"""

import hashlib
import io
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

import nonconv
from nonconv.faults.errors import NonconvError, UsageError
from nonconv.faults.problems import nearest

CELLS_FOLDER, CELLS_ARCHIVE, UNFINISHED_FOLDER = "cells", "cells.zip", "unfinished.cells"
"""Of a sweep: a folder per cell, all small cells, and what is not in its place yet."""
SUFFIX = ".zip"
FAST = 1
"""How hard to compress. The files are small and alike: higher levels take twice the time and save a tenth."""
LOCAL_HEADER = 30
"""Bytes before the name and the content of an entry (APPNOTE.TXT 4.3.7); ours have no extra field there."""
UNREADABLE = (OSError, zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError, KeyError)
"""What zipfile may raise when it reads a damaged archive."""


class Bundle(NamedTuple):
    """The files of one result, as a ZIP archive. owner: its identity and the version that made it."""

    owner: str
    content: bytes


def owner(identity: str) -> str:
    """Return what marks the result with an identity, by this version."""
    return f"{identity} {nonconv.__version__}"


def bundled(identity: str, files: Mapping[str, bytes]) -> Bundle:
    """Write the files of one result, by name, as a ZIP archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in sorted(files.items()):
            archive.writestr(_entry(name), content, zipfile.ZIP_DEFLATED, FAST)
    return Bundle(owner(identity), buffer.getvalue())


def unbundled(content: bytes) -> dict[str, bytes]:
    """Return the files of a bundle by name. Raises one of UNREADABLE for what `bundled` did not write."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _entry(name: str) -> zipfile.ZipInfo:
    """Return an entry without a time, the same on every system."""
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, 0o644 << 16
    return entry


def write_bundles(file: BinaryIO, bundles: Iterable[tuple[str, Bundle]]) -> None:
    """Write named bundles as an archive, one at a time."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, bundle in bundles:
            entry = _entry(name + SUFFIX)
            entry.comment = f"{bundle.owner} {_digest(bundle.content)}".encode()
            archive.writestr(entry, bundle.content)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class _Place(NamedTuple):
    """Where a bundle is in an archive, whose it is, and its digest."""

    offset: int
    size: int
    owner: str
    digest: str


class Pack:
    """An archive of bundles; empty if there is no such file, or none that can be read. places: by name, in its order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.places: dict[str, _Place] = {}
        if path.is_file():
            try:
                with zipfile.ZipFile(path) as archive:
                    self.places = dict(map(_place, archive.infolist()))
            except UNREADABLE:
                self.places = {}

    def read(self, name: str) -> Bundle | None:
        """Return a bundle; None if it is not here, or not as it was written."""
        place = self.places.get(name)
        if place is None:
            return None
        # Not through zipfile, which reads the whole table of contents whenever an archive is opened.
        try:
            with self.path.open("rb") as file:
                file.seek(place.offset)
                content = file.read(place.size)
        except OSError:
            return None
        return Bundle(place.owner, content) if _digest(content) == place.digest else None


def _place(entry: zipfile.ZipInfo) -> tuple[str, _Place]:
    """Return the name of an entry and its place. Raises ValueError for one that `write_bundles` did not write."""
    made_by, _, digest = entry.comment.decode().rpartition(" ")
    offset = entry.header_offset + LOCAL_HEADER + len(entry.orig_filename.encode())
    return entry.filename.removesuffix(SUFFIX), _Place(offset, entry.file_size, made_by, digest)


def open_parts(sweep: Path) -> list[Pack]:
    """Open the archives of a sweep that is not finished, the newest first."""
    return [Pack(path) for path in sorted((sweep / UNFINISHED_FOLDER).glob(f"*{SUFFIX}"), reverse=True)]


def find_bundle(packs: Iterable[Pack], name: str) -> Bundle | None:
    """Return the bundle from the first archive that has it whole; None if none has."""
    return next((bundle for bundle in (pack.read(name) for pack in packs) if bundle), None)


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
    bundle = find_bundle(open_parts(sweep), name)
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
