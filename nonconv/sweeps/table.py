"""Build sweep.csv as results come in, one line per cell.

Only bytes of lines are kept in memory, not results.
"""

from collections.abc import Collection, Iterator

from nonconv.faults.errors import UsageError
from nonconv.results.csv_text import as_lines
from nonconv.results.sweep_files import Ends, Result, columns, line, read_result
from nonconv.sweeps.cells import Cells
from nonconv.sweeps.grid import Point
from nonconv.sweeps.sweep import Survey, Sweep, name_value, replace_file_names
from nonconv.sweeps.tasks import CellJob


class Table:
    """The rows of sweep.csv: made at once for cells computed now, read from their folders for cells finished before.

    Every row compares its cell with the baseline, whose final values must be known first.
    """

    def __init__(self, sweep: Sweep, survey: Survey, cells: Cells) -> None:
        self.sweep, self.survey, self.cells = sweep, survey, cells
        asked = tuple(survey.quantities)
        whether = survey.domain, survey.medians
        self.header = columns(survey.keys, survey.xi, survey.floors, asked, survey.means, survey.iterates, *whether)
        self.lines: dict[str, bytes] = {}
        self.baseline: Ends | None = None

    def add(self, job: CellJob, result: Result | str) -> None:
        """Add the row of a finished cell, or of a failed one with its reason.

        A cell that comes before the baseline is skipped here; `csv` reads it back from its folder.
        """
        if job.name == self.survey.baseline and not isinstance(result, str):
            self.baseline = result.ends
        # Not kept in memory: there may be millions of cells before the baseline.
        elif not (self.baseline or isinstance(result, str)):
            return
        self.lines[job.name] = self._line(job.name, job.point, result)

    def _line(self, name: str, point: Point, result: Result | str) -> bytes:
        """Return the line of a cell, with differences to the baseline except for the baseline itself."""
        return line(self.header, name, self.key_texts(point), result, self.baseline if name != self.survey.baseline else None)

    def key_texts(self, point: Point) -> dict[str, str]:
        """Return the swept values of a cell as sweep.csv has them."""
        return {setting.key: name_value(replace_file_names(setting.value, self.survey.files)) for setting in point}

    def csv(self, failed: Collection[str]) -> bytes:
        """Return the whole file, rows in the order of the grid. failed: the ids of failed cells."""
        if self.baseline is None and self.survey.baseline not in failed:
            self.baseline = self.read(self.survey.baseline).ends
        return b"".join([as_lines([self.header]), *self._lines()])

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
            yield self.lines.get(name) or self._line(name, point, self.read(name))
