"""The output folder: every file is written whole or not at all, and the manifest is written last.

    unfinished.json          begun by the config with this identity; the manifest of a result whose texts are written again
    unfinished.checkpoint    the tally of the whole blocks so far
    config.yaml, error.csv, ...
    manifest.json            finished: the identity, and the SHA-256 of every other file

The first two are removed once the manifest is there, so a folder without a manifest is unfinished. Names that begin with
HALF_WRITTEN are the lock's and those of half-written files, which a killed process leaves behind and the next one
removes.
"""

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, NotRequired, TypedDict

from filelock import FileLock, Timeout

import nonconv
from nonconv.faults.errors import UsageError
from nonconv.readback import Misfit, fitted, parse, read_bytes, read_object
from nonconv.store.formats import as_json, packed, unpacked
from nonconv.system.atomic import HALF_WRITTEN, write_whole, writing_whole

SCHEMA_VERSION = 1
MOST_NAMED = 3
"""Folders that an error names."""
MANIFEST, BEGUN, CHECKPOINT = "manifest.json", "unfinished.json", "unfinished.checkpoint"
COMPUTE_AGAIN = "the command that wrote it computes it again"
KEPT = "finished"
"""The key of unfinished.json for the manifest of a result whose texts are being written again."""
SEALED = ("schema_version", "identity", "config", "files")
"""Keys of a manifest that `Folder.seal` finds itself; the others are its facts."""
SWEEP = "sweep.json"
SUMMARY, SUMMARY_WORDS = "summary.json", ("name", "claim")
"""The file with numbers that has words too, and which."""
ENCLOSED = ("data/", "plugins/")
TEXTS = ("config.yaml", "summary.md", "figures/", *ENCLOSED)
"""Files of a run, and beginnings of their names, that are made of the others, of words, and of what the config names."""
LOCK = f"{HALF_WRITTEN}lock"
MARK_BYTES = 32
"""A checkpoint begins with a SHA-256 of this length, then comes its content."""


class Manifest(TypedDict):
    """What is relied on of a manifest. files: SHA-256 by the names of files. name, claim: a cell has none."""

    identity: str
    config: dict[str, Any]
    versions: dict[str, str]
    files: dict[str, str]
    name: NotRequired[str]
    claim: NotRequired[str]
    lineage: NotRequired[str]
    digest: NotRequired[str]
    cells: NotRequired[int]
    failed: NotRequired[int]
    path_steps: NotRequired[int]
    inputs: NotRequired[dict[str, dict[str, str]]]


class Folder:
    """The output folder of a run or a sweep, named by its identity.

    files: SHA-256 of what was written, by name; `seal` puts them into the manifest. inode: device and number of the folder
    that was opened, whatever has its name later; None before.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self.path, self.identity = path, identity
        self.files: dict[str, str] = {}
        self.inode: tuple[int, int] | None = None

    @contextmanager
    def opened(self, force: bool, keeping: Mapping[str, Any] | None = None) -> Iterator[None]:
        """Hold the folder for writing, by a lock, while the context is open.

        force: begin anew, whatever is there. keeping: the manifest of a result whose numbers stay, however this process ends.
        Raises UsageError when the folder is in use, cannot be written or goes away meanwhile, or, without force, belongs to
        something else.
        """
        self._refuse_foreign(force)
        there = self.path.exists()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.inode = _inode(self.path)
            with _locked(self.path):
                self._refuse_foreign(force)  # again: another process may have finished meanwhile
                self._write_synced(BEGUN, as_json({"identity": self.identity} | ({KEPT: keeping} if keeping else {})))
                # The manifest goes first of all: from now on the folder is unfinished, however this process ends.
                for name in (MANIFEST, *([CHECKPOINT] if force else []), *_list_half_written(self.path)):
                    _remove(self.path / name)
                yield
            self._refuse_lost([name for name in self.files if not (self.path / name).is_file()])
        except Timeout:
            raise UsageError(f"{self.path} is in use by another nonconv; wait for it, or choose another --out") from None
        except (OSError, UsageError) as error:
            self.refuse_vanished()  # which explains whatever else went wrong
            if isinstance(error, UsageError):
                raise
            if not there:
                with suppress(OSError):
                    self.path.rmdir()  # unless there is something in it already, from which the next command continues
            if error.errno is None:  # it is about no file: a library could not be loaded
                raise
            raise UsageError(f"{error.filename or self.path} cannot be written: {error.strerror or error}") from error

    def _refuse_lost(self, names: list[str]) -> None:
        """Raise UsageError if there are files that were written and are not there as they were."""
        if names:
            what = f"{self.path}: removed or changed while other files were written: {', '.join(names)}"
            raise UsageError(f"{what}; run the same command again")

    def refuse_vanished(self) -> None:
        """Raise UsageError if the folder that was opened has been removed, renamed or replaced since."""
        if self.inode is not None and _inode(self.path) != self.inode:
            raise UsageError(
                f"{self.path} was removed, renamed or replaced while results were written to it; run the same command again"
            )

    def _refuse_foreign(self, force: bool) -> None:
        """Raise UsageError if the folder holds what this config did not write. Never overwrite without --force."""
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"{self.path} is a file; choose another --out")
        if force or not self.path.exists():
            return
        owner = self._read_owner()
        if owner is None and any(not path.name.startswith(HALF_WRITTEN) for path in self.path.iterdir()):
            raise UsageError(
                f"{self.path} holds files that nonconv did not write; choose another --out, or --force to write there anyway"
            )
        if owner not in (None, self.identity):
            raise UsageError(f"{self.path} belongs to another config; choose another --out, or --force to overwrite it")

    def _read_owner(self) -> str | None:
        """Return the identity of the config that wrote or began this folder; None if there is none."""
        # Results say it as well: a folder whose manifest is damaged is still its config's, and can be mended.
        contents = (read_object(self.path / name) for name in (MANIFEST, BEGUN, SUMMARY, SWEEP))
        found = (content.get("identity") for content in contents if content)
        return next((identity for identity in found if isinstance(identity, str)), None)

    def is_finished(self) -> bool:
        """Whether the folder holds this config's result by this version, every file as it was written."""
        return self.find_result() is not None

    def find_result(self) -> dict[str, Any] | None:
        """Return the manifest of this config's result by this version, if every file is as it was written."""
        manifest = read_manifest(self.path)
        return manifest if manifest and self._is_own(manifest) and not damaged(self.path, manifest) else None

    def find_kept(self) -> dict[str, Any] | None:
        """Return the manifest of a result whose texts were being written again when the process ended; None without one.

        Its numbers are as they were written.
        """
        manifest = as_manifest((read_object(self.path / BEGUN) or {}).get(KEPT))
        if not manifest or not self._is_own(manifest) or (self.path / MANIFEST).exists():
            return None
        changed = [name for name in damaged(self.path, manifest) if not is_text(name)]
        return manifest if not changed or (changed == [SUMMARY] and self._differs_in_words(manifest)) else None

    def _is_own(self, manifest: Mapping[str, Any]) -> bool:
        """Whether a manifest is of this config, by this version: another one may compute other numbers."""
        return bool(manifest["identity"] == self.identity and manifest["versions"].get("nonconv") == nonconv.__version__)

    def _differs_in_words(self, manifest: Mapping[str, Any]) -> bool:
        """Whether the summary is that of a manifest but for its words: with the old ones it has the old bytes."""
        summary = read_object(self.path / SUMMARY) or {}
        before = as_json(summary | {word: manifest.get(word, "") for word in SUMMARY_WORDS})
        return bool(hashlib.sha256(before).hexdigest() == manifest["files"].get(SUMMARY))

    def write(self, name: str, content: bytes) -> None:
        """Write a file of the result, whole or not at all, and keep its digest for the manifest. Raises OSError."""
        self._write_synced(name, content)
        self.files[name] = hashlib.sha256(content).hexdigest()

    def write_parts(self, name: str, parts: Iterable[bytes]) -> None:
        """Write a file as `write` does, which comes in parts, so that it need not fit into memory. Raises OSError."""
        self._make_room(name)
        found = hashlib.sha256()
        with writing_whole(self.path / name, sync=True) as file:
            for part in parts:
                found.update(part)
                file.write(part)
        self.files[name] = found.hexdigest()

    def manifest(self) -> dict[str, Any]:
        """Read the manifest; empty if there is none."""
        return read_manifest(self.path) or {}

    def include(self, name: str) -> None:
        """Keep the digest of a file that is there already. Raises OSError."""
        self.files[name] = digest(self.path / name)

    def discard(self, name: str) -> None:
        """Remove a result that an earlier run may have left and this one does not have."""
        _remove(self.path / name)

    def discard_folder(self, name: str) -> None:
        """Remove a folder of results that an earlier run may have left."""
        shutil.rmtree(self.path / name, ignore_errors=True)

    def keep(self, manifest: Mapping[str, Any]) -> None:
        """Keep the numbers of a result, for the manifest, and remove what was enclosed with it."""
        self.files = {name: known for name, known in manifest["files"].items() if not is_text(name) and name != SUMMARY}
        for name in manifest["files"]:
            if name.startswith(ENCLOSED):
                _remove(self.path / name)

    def _write_synced(self, name: str, content: bytes) -> None:
        """Write a file and wait until it is on disk."""
        # The manifest says that all other files are there. After a power failure it must not be there without them, and a
        # system may bring files to the disk in another order than they were written.
        self._make_room(name)
        write_whole(self.path / name, content, sync=True)

    def _make_room(self, name: str) -> None:
        """Make sure that a file can be written here. Raises UsageError if the folder is not there any more."""
        if (self.path / name).is_dir():
            _remove(self.path / name)
        self.refuse_vanished()  # writing would make a new folder, without the other files

    def checkpoint(self, arrays: Mapping[str, Any]) -> None:
        """Save the tally of an unfinished run, as named arrays. Raises OSError."""
        self._write_synced(CHECKPOINT, sealed(self.identity, arrays))

    def restore(self) -> dict[str, Any] | None:
        """Read the checkpoint; None unless there is a whole one, of this config, by this version."""
        return read_sealed(self.path / CHECKPOINT, self.identity)

    def seal(self, config: Mapping[str, Any], **facts: Any) -> None:
        """Write the manifest, with the resolved config and facts of the run. The folder is then finished.

        Raises OSError, or UsageError if a file that was written is not there any more.
        """
        self._refuse_lost(damaged(self.path, {"files": self.files}))
        manifest = {
            "schema_version": SCHEMA_VERSION,
            "identity": self.identity,
            "config": config,
            **facts,
            "files": dict(sorted(self.files.items())),
        }  # SEALED names what is put in here
        self._write_synced(MANIFEST, as_json(manifest))
        self.refuse_vanished()
        # After the manifest is on disk: a crash in between leaves a finished folder with two files too many.
        for name in (BEGUN, CHECKPOINT):
            (self.path / name).unlink(missing_ok=True)


def _inode(path: Path) -> tuple[int, int] | None:
    """Return what tells a folder from another one of the same name; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _remove(path: Path) -> None:
    """Remove a file, or an empty folder in its place. Raises OSError for one that holds something."""
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def is_text(name: str) -> bool:
    """Whether a file of a run holds no number that was computed."""
    return name.startswith(TEXTS)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, and remove its file. Raises Timeout if another process has it.

    It is a lock of the system, which ends with the process; a file that is left behind locks nothing.
    """
    with FileLock(folder / LOCK, timeout=0):
        try:
            yield
        finally:
            with suppress(OSError):
                (folder / LOCK).unlink(missing_ok=True)


def tidy(folder: Path) -> None:
    """Remove what a killed process has left in a finished folder, unless another one is at work there."""
    left = [*_list_half_written(folder), *(name for name in (BEGUN, CHECKPOINT, LOCK) if (folder / name).exists())]
    if left:
        with suppress(OSError, Timeout), _locked(folder):
            for name in left:
                (folder / name).unlink(missing_ok=True)


def _list_half_written(folder: Path) -> list[str]:
    """List files that a killed process left half-written, here or one folder below."""
    found = (path for pattern in (f"{HALF_WRITTEN}*", f"*/{HALF_WRITTEN}*") for path in folder.glob(pattern))
    return [str(path.relative_to(folder)) for path in found if path.name != LOCK]


def sealed(identity: str, arrays: Mapping[str, Any]) -> bytes:
    """Return the content of a checkpoint: named arrays, behind a digest.

    Identity and version go into the digest: a checkpoint that is damaged, or of another config or version, has another one.
    """
    content = packed(arrays)
    return _mark(identity, content) + content


def read_sealed(path: Path, identity: str) -> dict[str, Any] | None:
    """Read a checkpoint; None unless there is a whole one, of this identity, by this version."""
    try:
        raw = read_bytes(path)
    except OSError:
        return None
    mark, content = raw[:MARK_BYTES], raw[MARK_BYTES:]
    return unpacked(content) if mark == _mark(identity, content) else None


def _mark(identity: str, content: bytes) -> bytes:
    """Return the digest that begins a checkpoint with this content."""
    return hashlib.sha256(f"{identity} {nonconv.__version__} ".encode() + content).digest()


def damaged(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """List the files of a finished folder that are missing or not as they were written."""
    files: dict[str, str] = manifest["files"]
    return [name for name, known in files.items() if not _is_whole(folder / name, known)]


def _is_whole(file: Path, known: str) -> bool:
    """Whether a file is there, can be read, and has a digest."""
    try:
        return file.is_file() and digest(file) == known
    except OSError:
        return False


def finished(folder: Path) -> dict[str, Any]:
    """Read the manifest of a finished folder. Raises UsageError if it is not finished, not there, or not nonconv's."""
    manifest = read_manifest(folder)
    if manifest is not None:
        return manifest
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    if (folder / MANIFEST).exists():
        raise UsageError(f"{folder / MANIFEST} is damaged: {why_no_manifest(folder)}; {COMPUTE_AGAIN}")
    if (folder / BEGUN).exists():
        raise UsageError(f"{folder} is unfinished; the command that began it finishes it")
    raise UsageError(f"{folder} is not an output folder of nonconv: it has no {MANIFEST}{_what_is_in(folder)}")


def _what_is_in(folder: Path) -> str:
    """Say what else a folder holds: nothing, or output folders."""
    within = sorted(path for path in folder.iterdir() if path.is_dir())
    if not any(folder.iterdir()):
        return "\n  it is empty: run and sweep write to `outputs/`, or to the folder after `-o`"
    for what, mark in (("output folders", MANIFEST), ("unfinished runs", BEGUN)):
        there = [str(path) for path in within if (path / mark).exists()]
        if there:
            more = f" and {len(there) - MOST_NAMED} more" if len(there) > MOST_NAMED else ""
            return f"\n  {what} in it: {', '.join(there[:MOST_NAMED])}{more}"
    return ""


def undamaged(folder: Path) -> dict[str, Any]:
    """Read the manifest of a finished folder whose files are as they were written. Raises UsageError otherwise."""
    manifest = finished(folder)
    changed = damaged(folder, manifest)
    if changed:
        raise UsageError(f"{folder}: missing, or changed since written: {', '.join(changed)}; {COMPUTE_AGAIN}")
    return manifest


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Read the manifest; None if there is none that is a Manifest."""
    return as_manifest(read_object(folder / MANIFEST))


def as_manifest(content: Any) -> dict[str, Any] | None:
    """Return what was read as a manifest; None if it is none."""
    try:
        _check_manifest(content)
    except Misfit:
        return None
    found: dict[str, Any] = content
    return found


def why_no_manifest(folder: Path) -> str:
    """Say why the manifest that is there is none."""
    try:
        _check_manifest(parse(read_bytes(folder / MANIFEST)))
    except (OSError, Misfit) as error:
        return str(getattr(error, "strerror", None) or error)
    return ""


def _check_manifest(content: Any) -> None:
    """Raise Misfit unless a document is a manifest, and all its files are within the folder."""
    fitted(content, Manifest)
    for name in content["files"]:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
            raise Misfit(f"files: {name[:40]!r} is not a file of this folder")
    if Path(content.get("name", "x")).name != content.get("name", "x"):
        raise Misfit(f"name: {content['name'][:40]!r} is not the name of a config")


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal. Raises OSError."""
    with path.open("rb") as file:  # in pieces: the archive of a sweep's cells may be large
        return hashlib.file_digest(file, "sha256").hexdigest()
