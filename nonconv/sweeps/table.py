"""sweep.csv as it grows, one line per cell."""

from collections.abc import Collection, Iterator

from nonconv.results.csv_text import as_lines
from nonconv.results.sweep_files import Ends, Result, columns, line, read_ends, read_result
from nonconv.sweeps.cells import Cells
from nonconv.sweeps.grid import Point
from nonconv.sweeps.sweep import Survey, Sweep, labels_of, moved, text
from nonconv.sweeps.tasks import Order


class Table:
    """The lines of sweep.csv: of cells that land, made at once; of others, that were there before, read from their folders."""

    def __init__(self, sweep: Sweep, survey: Survey, cells: Cells) -> None:
        self.sweep, self.survey, self.cells = sweep, survey, cells
        self.header = columns(sweep.grid.keys, *labels_of(survey.measured))
        self.known: dict[str, bytes] = {}
        self.reference: Ends | None = None

    def add(self, order: Order, result: Result | str) -> None:
        """A cell has landed, or failed. Where it cannot yet be compared with the baseline it is read again in the end."""
        if order.name == self.survey.baseline and not isinstance(result, str):
            self.reference = result.ends
        elif not (self.reference or isinstance(result, str)):
            return
        self.known[order.name] = self._line(order.name, order.point, result)

    def _line(self, name: str, point: Point, result: Result | str) -> bytes:
        keys = {setting.key: text(moved(setting.value, self.survey.files)) for setting in point}
        return line(self.header, name, keys, result, self.reference if name != self.survey.baseline else None)

    def csv(self, failed: Collection[str]) -> bytes:
        """All of it, in the order of the grid."""
        if self.reference is None and self.survey.baseline not in failed:
            self.reference = read_ends(self.cells.path(self.survey.baseline))
        return b"".join([as_lines([self.header]), *self._lines()])

    def _lines(self) -> Iterator[bytes]:
        for name, point in zip(self.survey.ids, self.sweep.points(), strict=True):
            yield self.known.get(name) or self._line(name, point, read_result(self.cells.path(name)))
