"""Build sweep.csv as results come in, one line per cell.

Only lines are kept, not results, and those of a large sweep in a file.
"""

import io
import shutil
import tempfile
from collections.abc import Collection, Iterator
from typing import IO

from nonconv.faults.errors import UsageError
from nonconv.results.csv_text import as_lines
from nonconv.results.sweep_files import Ends, Entry, Result, columns, entry_of, line, read_result
from nonconv.sweeps.cells import Cells
from nonconv.sweeps.grid import Point
from nonconv.sweeps.sweep import Survey, Sweep, name_value, replace_file_names
from nonconv.sweeps.tasks import CellJob

MOST_IN_MEMORY = 1 << 20
"""Bytes of lines that are kept in memory."""


class _Lines:
    """Lines by name, in a file beside few of them: a large sweep has more than memory should hold."""

    def __init__(self) -> None:
        self.file: IO[bytes] = io.BytesIO()
        self.places: dict[str, tuple[int, int]] = {}
        self.size = 0

    def add(self, name: str, line: bytes) -> None:
        """Keep a line. Raises OSError."""
        if self.size <= MOST_IN_MEMORY < self.size + len(line):
            held, self.file = self.file, tempfile.TemporaryFile()  # noqa: SIM115  # Table.close closes it
            held.seek(0)
            shutil.copyfileobj(held, self.file)
        self.places[name] = (self.size, len(line))
        self.file.seek(self.size)
        self.file.write(line)
        self.size += len(line)

    def get(self, name: str) -> bytes:
        """Return a line; nothing if there is none of this name."""
        at, length = self.places.get(name, (0, 0))
        self.file.seek(at)
        return self.file.read(length)


class Table:
    """The rows of sweep.csv: made at once for cells computed now, read from their folders for cells finished before.

    Every row compares its cell with the baseline, whose final values must be known first.
    """

    def __init__(self, sweep: Sweep, survey: Survey, cells: Cells) -> None:
        self.sweep, self.survey, self.cells = sweep, survey, cells
        asked = tuple(survey.quantities)
        whether = survey.domain, survey.medians
        self.header = columns(survey.keys, survey.xi, survey.floors, asked, survey.means, survey.iterates, *whether)
        self.lines = _Lines()
        self.baseline: Ends | None = None

    def add(self, job: CellJob, entry: Entry | str) -> None:
        """Add the row of a finished cell, or of a failed one with its reason.

        A cell that comes before the baseline is skipped here; `csv` reads it back from its folder.
        """
        if job.name == self.survey.baseline and not isinstance(entry, str):
            self.baseline = entry.ends
        # Not kept in memory: there may be millions of cells before the baseline.
        elif not (self.baseline or isinstance(entry, str)):
            return
        self.lines.add(job.name, self._line(job.name, job.point, entry))

    def close(self) -> None:
        """Forget the lines."""
        self.lines.file.close()

    def _line(self, name: str, point: Point, entry: Entry | str) -> bytes:
        """Return the line of a cell, with differences to the baseline except for the baseline itself."""
        return line(self.header, name, self.key_texts(point), entry, self.baseline if name != self.survey.baseline else None)

    def key_texts(self, point: Point) -> dict[str, str]:
        """Return the swept values of a cell as sweep.csv has them."""
        return {setting.key: name_value(replace_file_names(setting.value, self.survey.files)) for setting in point}

    def csv(self, failed: Collection[str]) -> Iterator[bytes]:
        """Yield the whole file line by line, rows in the order of the grid. failed: the ids of failed cells."""
        if self.baseline is None and self.survey.baseline not in failed:
            self.baseline = entry_of(self.read(self.survey.baseline)).ends
        yield as_lines([self.header])
        yield from self._lines()

    def read(self, name: str) -> Result:
        """Read the result of a cell that was finished before. Raises UsageError if that is gone, or damaged."""
        stored, path = self.cells.find(name), self.cells.path(name)
        try:
            if stored is not None:
                return read_result(stored.read, path)
            reason = f"{path} is gone"
        except (UsageError, OSError) as error:
            reason = str(error)
        self.cells.remove(name)  # though its digests are right, so that it is computed next time
        raise UsageError(f"{reason}; the same command again computes this cell again")

    def _lines(self) -> Iterator[bytes]:
        """Yield the lines in the order of the grid; read cells that were finished before from their folders."""
        for name, point in zip(self.survey.ids, self.sweep.points(), strict=True):
            yield self.lines.get(name) or self._line(name, point, entry_of(self.read(name)))
