"""The data files of a sweep's cells, from its archive or from their folders, without unpacking them to the disk."""

from collections.abc import Iterator
from pathlib import Path

from nonconv.readback import content_of
from nonconv.store.pack import CELLS_ARCHIVE, CELLS_FOLDER, UNREADABLE, Pack, unbundled

Files = dict[str, bytes]


class CellFiles:
    """Reads files of the cells of a finished sweep."""

    def __init__(self, sweep: Path) -> None:
        self.sweep = sweep
        self.archive = Pack(sweep / CELLS_ARCHIVE)

    def read(self, cell: str, names: tuple[str, ...]) -> Files | None:
        """Return those of these files that a cell has; None if there is no whole cell. Raises UsageError."""
        bundle = self.archive.read(cell)
        if bundle is not None:
            try:
                return unbundled(bundle.content, names)
            except UNREADABLE:
                return None
        folder = self.sweep / CELLS_FOLDER / cell
        if Path(cell).name != cell or not folder.is_dir():
            return None
        return dict(_there(folder, names))


def _there(folder: Path, names: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Yield the files that a folder has."""
    for name in names:
        if (folder / name).is_file():
            yield name, content_of(folder / name)
