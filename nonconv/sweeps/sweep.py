"""A grid of experiments, and the survey of its cells.

A sweep is one config and a grid. The cell at a point is the config with the point's values put in, made when it is
needed, so memory does not grow with the grid. Before anything is computed, `survey` makes every cell once: that
finds all errors, all ids, and what the table's columns are.
"""

import hashlib
import json
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from nonconv.components.quantity import LAST
from nonconv.config.document import AS_NUMBER, Document, dotted
from nonconv.config.files import read
from nonconv.config.plugins import load_named
from nonconv.experiment.binding import make_cell
from nonconv.experiment.cell import Cell
from nonconv.experiment.identity import WORDS, decisive, name_of
from nonconv.experiment.quantities import means, titles
from nonconv.faults.errors import ConfigError
from nonconv.faults.problems import Problem, nearest
from nonconv.results.iterates import all_end_names, of_iterate
from nonconv.statistics.measured_block import MSE_PREFIX
from nonconv.sweeps.block import read_grid, same, with_best, with_grids
from nonconv.sweeps.costs import estimate_seconds
from nonconv.sweeps.grid import Grid, Point
from nonconv.system.words import count
from nonconv.theory.moments import infinite_errors

RECORD_DEFAULTS = {"points": 50, "paths": 4, "fan": 0}
"""What each cell records by default. Less than a single run does: there may be many cells."""
IDENTITY_BYTES = 32
"""Of the identity of a cell, which is a SHA-256."""
ID_DIGITS = 16
"""Of a cell's hash, in hexadecimal: two cells of a grid of ten million are alike by chance in one of 300,000 such grids."""
MOST_CACHED_CELLS = 512
"""Cells cached between the survey and their computation. The limit keeps memory from growing with the grid."""
MOST_PROBLEMS = 20
"""After this many different problems the survey stops."""
GOT = re.compile(": cannot be |[,;] got ")
"""What comes before the value in the message of a problem."""
MOST_BROKEN_CELLS = 1000
"""After this many broken cells the survey stops: a large grid that is wrong throughout is reported at once."""


@dataclass(frozen=True, eq=False)
class Sweep:
    """A config with its grid.

    document: the config without its `sweep` block, with the defaults of a sweep. config: as it was written, overrides
    included. cached_cells: cells that will be needed again, by id.
    """

    name: str
    document: Document
    grid: Grid
    config: dict[str, Any]
    cached_cells: dict[str, Cell] = field(default_factory=dict)

    def points(self) -> Iterator[Point]:
        """Yield the points that `include` and `exclude` keep, the first axis slowest."""
        for point in self.grid.points():
            if not (self.grid.include or self.grid.exclude) or self.grid.keeps(full_form(self._document(point).data)):
                yield point

    def cell(self, point: Point) -> Cell:
        """Make the cell at a point. Raises ConfigError."""
        return make_cell(self._document(point))

    def full_config(self, point: Point) -> dict[str, Any]:
        """Return the config of the cell at a point with its components in full, as conditions look up keys in it."""
        return full_form(self._document(point).data)

    def expectations(self) -> dict[str, Any]:
        """Return the validated `expect` block, which must fit the first cell. Raises ConfigError."""
        document = self._document(next(iter(self.points())))
        document.data |= {key: self.config[key] for key in ("expect", "sweep") if key in self.config}
        return make_cell(document).expect

    @cached_property
    def figures(self) -> dict[str, Any]:
        """What the config asks of figures, with what its files hold. Raises ConfigError."""
        if not self.config.get("figures"):
            return {}
        document = self._document(next(iter(self.points())))
        document.data |= {"figures": deepcopy(self.config["figures"])}
        return dict(make_cell(document).resolved.get("figures", {}))

    def cache_cell(self, name: str, cell: Cell) -> Cell:
        """Cache a cell under its id, if there is room. Cells that read files are not: their tables take memory."""
        if len(self.cached_cells) < MOST_CACHED_CELLS and not cell.files:
            self.cached_cells[name] = cell
        return cell

    def get_cell(self, name: str, point: Point) -> Cell:
        """Return the cell with this id: the cached one, or a new one, which is then cached."""
        return self.cached_cells.get(name) or self.cache_cell(name, self.cell(point))

    def take_cell(self, name: str, point: Point) -> Cell:
        """Return the cell with this id, and remove it from the cache: nobody needs it again."""
        return self.cached_cells.pop(name, None) or self.cell(point)

    def drop_cell(self, name: str) -> None:
        """Remove a cell from the cache."""
        self.cached_cells.pop(name, None)

    def _document(self, point: Point) -> Document:
        """Return the config of the cell at a point, with the places of the values put in."""
        document = self.document.with_values(point)
        for setting in point:  # a problem of a key has one place, whatever the value, so that it is reported once
            parts = setting.key.split(".")
            for depth in range(1, len(parts) + 1):
                document.keys.setdefault(tuple(parts[:depth]), self.grid.places[setting.key])
            document.keys[tuple(parts)] = self.grid.places[setting.key]
        return document

    @cached_property
    def claim(self) -> str:
        """The claim of the config, or an empty text."""
        return str(self.config.get("claim", ""))


class StoredFile(NamedTuple):
    """A file that cells need: its path in the output folder, and its content."""

    place: str
    content: bytes


class Survey(NamedTuple):
    """What is known of all cells before any is computed.

    identity: names the sweep's folder; it depends neither on the extent of the axes nor on the number of paths.
    digest: of the identities of all cells. ids: of all cells, in the order of the grid. baseline: the id of that cell.
    keys: the swept keys. xi, floors: labels of what is measured in any cell. path_steps: of all cells together.
    paths, steps: of every cell, or None if cells differ. files: what cells need, by its name in the config.
    config: as written to the folder, with the names that files have there. quantities: what cells end with of the quantities
    that the config asks for, by name, with what axes call it. means: those that are means, which differ path by path.
    iterates: those besides the last; xi and floors have theirs too, as `minimizer polyak`. domain: whether some cell has one.
    medians: whether some cell has means that do not exist. each: what is known of each cell, so that it need not be made again.
    """

    identity: str
    digest: str
    ids: tuple[str, ...]
    baseline: str
    keys: tuple[str, ...]
    xi: tuple[str, ...]
    floors: tuple[str, ...]
    path_steps: int
    paths: int | None
    steps: int | None
    files: dict[str, StoredFile]
    config: dict[str, Any]
    quantities: dict[str, str]
    means: tuple[str, ...]
    iterates: tuple[str, ...]
    domain: bool
    medians: bool
    each: "Each"


@dataclass
class Each:
    """What is known of each cell, by its number in the grid: a few bytes, since there may be a hundred thousand.

    seconds: roughly how long it takes. path_steps: its paths times its steps. identities, kinds: as the methods return them,
    the latter by their numbers in `known`.
    """

    seconds: "array[float]" = field(default_factory=lambda: array("d"))
    path_steps: "array[float]" = field(default_factory=lambda: array("d"))
    identities: bytearray = field(default_factory=bytearray)
    kinds: "array[int]" = field(default_factory=lambda: array("L"))
    known: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, cell: Cell) -> None:
        """Add the next cell."""
        self.seconds.append(estimate_seconds(cell))
        self.path_steps.append(cell.paths * cell.program.steps)
        self.identities += bytes.fromhex(cell.identity)
        kind = cell.program.objective.component.name, cell.program.optimizer.component.name
        self.kinds.append(self.known.setdefault(kind, len(self.known)))

    def identity(self, number: int) -> str:
        """Return the identity of a cell."""
        return self.identities[number * IDENTITY_BYTES : (number + 1) * IDENTITY_BYTES].hex()

    def kind(self, number: int) -> tuple[str, str]:
        """Return the names of a cell's objective and optimizer."""
        return list(self.known)[self.kinds[number]]


def read_sweep(
    path: Path, settings: Sequence[str] = (), grids: Sequence[str] = (), best: Sequence[str] = (), by: str = ""
) -> Sweep:
    """Read the sweep of a config file with overrides.

    settings: of --set. grids: of --grid. best, by: of --best-over and --best-by. Raises ConfigError with every problem of
    its text and of its grid.
    """
    return as_sweep(read(path, settings), grids, best, by)


def as_sweep(document: Document, grids: Sequence[str] = (), best: Sequence[str] = (), by: str = "") -> Sweep:
    """Read the sweep of a config that has been read. Raises as `read_sweep` does."""
    with_grids(document, grids)
    with_best(document, best, by)
    if document.problems:
        raise ConfigError([str(problem) for problem in document.problems])
    # The catalogue is shared by the documents of all cells. The grid needs it: lists in components unfold by parameter.
    document.catalogue, broken = load_named(document)  # once for all cells
    grid = read_grid(document)
    if broken:
        raise ConfigError([str(problem) for problem in broken])
    return Sweep(name_of(Path(document.source)), _without_block(document), grid, document.data)


def _without_block(document: Document) -> Document:
    """Return the document of which each cell is made: without `sweep`, and words, which may change while cells stay."""
    data = deepcopy({key: value for key, value in document.data.items() if key not in ("sweep", *WORDS)})
    record = data.get("record", {})
    if isinstance(record, dict):
        # A choice of steps stands in the place of points.
        chosen = any(record.get(name) is not None for name in ("steps", "every"))
        data["record"] = {name: value for name, value in RECORD_DEFAULTS.items() if name != "points" or not chosen} | record
    return replace(document, data=data)


def survey(sweep: Sweep, progress: Callable[[int], None] = lambda done: None) -> Survey:
    """Make every cell once and collect what is known of it.

    progress: called with the number of cells made. Raises ConfigError with the problems of all cells.
    """
    problems, found = _CellProblems(), _Surveyor(sweep)
    for done, point in enumerate(sweep.points()):
        progress(done)
        try:
            cell = sweep.cell(point)
        except ConfigError as error:
            problems.add(error.problems, point)
        else:
            found.add(point, cell)
    problems.refuse(len(found.ids))
    found.refuse()
    return found.survey()


class _Surveyor:
    """Collects what a Survey holds, cell by cell, in the order of the grid."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep, self.keys = sweep, sweep.grid.keys
        self.ids: list[str] = []
        self.measured: dict[str, None] = {}
        self.iterates: dict[str, None] = {}
        self.quantities: dict[str, str] = {}
        self.means: dict[str, None] = {}
        self.files: dict[str, StoredFile] = {}
        self.sizes: set[tuple[int, int]] = set()
        self.digest, self.each = hashlib.sha256(), Each()
        self.path_steps, self.identity, self.baseline, self.domain, self.medians = 0, "", "", False, False

    def add(self, point: Point, cell: Cell) -> None:
        """Collect what is known of a cell."""
        self.ids.append(cell_id(cell))
        self.sweep.cache_cell(self.ids[-1], cell)
        self.measured |= dict.fromkeys(all_end_names(cell))
        self.iterates |= dict.fromkeys(cell.iterates[1:])
        self.quantities |= titles(cell.quantities)
        self.means |= dict.fromkeys(means(cell.quantities))
        of_averages = [one for one in cell.quantities if one.quantity.of_averages]
        for iterate in cell.iterates[1:]:
            self.quantities |= {
                of_iterate(name, iterate): f"{title} ({iterate})" for name, title in titles(of_averages).items()
            }
            self.means |= dict.fromkeys(of_iterate(name, iterate) for name in means(of_averages))
        self.domain |= cell.program.domain is not None
        self.medians |= any(infinite_errors(cell))
        _add_files(self.files, cell)
        self.sizes.add((cell.paths, cell.program.steps))
        # In the order of the grid: the same cells in another order make another table.
        self.digest.update(cell.identity.encode())
        self.each.add(cell)
        self.path_steps += cell.paths * cell.program.steps
        self.identity = self.identity or _hash_shared(cell, self.keys)
        if not self.baseline and _is_at(point, self.sweep.grid.baseline):
            self.baseline = self.ids[-1]

    def refuse(self) -> None:
        """Raise ConfigError for a grid without cells or baseline, and for what would share a place on disk."""
        if not self.ids:
            raise _error(self.sweep, "", "`include` and `exclude` leave no cell")
        _refuse_duplicates(self.sweep, self.ids)
        find_criterion(self.sweep, self._xi, self._floors, self.means)
        if not self.baseline:
            raise _error(self.sweep, "baseline", "no cell has these values, or `exclude` removes it")
        _refuse_namesakes(self.sweep, self.files)

    @property
    def _xi(self) -> tuple[str, ...]:
        """The labels of all ξ."""
        return tuple(name.removeprefix(MSE_PREFIX) for name in self.measured if name.startswith(MSE_PREFIX))

    @property
    def _floors(self) -> tuple[str, ...]:
        """The names of the floors, and of what networks end with."""
        return tuple(name for name in self.measured if not name.startswith(MSE_PREFIX))

    def survey(self) -> Survey:
        """Return the survey of the cells added."""
        paths, steps = (next(iter(found)) if len(found) == 1 else None for found in map(set, zip(*self.sizes, strict=True)))
        return Survey(
            identity=self.identity,
            digest=self.digest.hexdigest(),
            ids=tuple(self.ids),
            baseline=self.baseline,
            keys=self.keys,
            xi=self._xi,
            floors=self._floors,
            path_steps=self.path_steps,
            paths=paths,
            steps=steps,
            files=self.files,
            config=written_config(self.sweep, self.files),
            quantities=self.quantities,
            means=tuple(self.means),
            iterates=tuple(self.iterates),
            domain=self.domain,
            medians=self.medians,
            each=self.each,
        )


class _CellProblems:
    """The problems of cells, each with the first cell that has it and the number of cells that have it.

    Without this, one wrong value of an outer key would be reported once for every cell of a large grid.
    """

    def __init__(self) -> None:
        self.problems: dict[str, tuple[str, Point, int]] = {}
        self.cells = 0

    def add(self, problems: Sequence[str], point: Point) -> None:
        """Add the problems of one cell. Raises ConfigError after MOST_PROBLEMS different ones, or MOST_BROKEN_CELLS cells."""
        self.cells += 1
        for problem in problems:
            text, first, number = self.problems.get(_kind(problem), (problem, point, 0))
            self.problems[_kind(problem)] = text, first, number + 1
        if len(self.problems) > MOST_PROBLEMS or self.cells == MOST_BROKEN_CELLS:
            shown = [f"{text}\n  in the cell {label(first)}" for text, first, _ in self.problems.values()]
            shown = shown[:MOST_PROBLEMS]
            raise ConfigError([*shown, f"stopped after {count(len(shown), 'problem')} in {count(self.cells, 'cell')}"])

    def refuse(self, good: int) -> None:
        """Raise ConfigError if there are problems. good: the number of cells without any."""
        if self.problems:
            raise ConfigError(
                [f"{text}\n  {self._where(first, number, good)}" for text, first, number in self.problems.values()]
            )

    def _where(self, first: Point, number: int, good: int) -> str:
        """Say which cells have a problem."""
        if number == self.cells + good and number > 1:
            return f"in all {number} cells"
        return f"in the cell {label(first)}" + (f", and in {number - 1} more" if number > 1 else "")


def _kind(problem: str) -> str:
    """Return a problem without its value: all values of a spacing have the same place and count as one problem."""
    first, _, others = problem.partition("\n")
    return f"{GOT.split(first)[0]}\n{others}"


def _error(sweep: Sweep, key: str, message: str) -> ConfigError:
    """Return the error about the `sweep` block as a whole, or about one of its keys."""
    path = ("sweep", key) if key else ("sweep",)
    return ConfigError([str(Problem(message, sweep.document.place(path), ".".join(path)))])


def find_criterion(sweep: Sweep, xi: Sequence[str], floors: Sequence[str], means: Iterable[str]) -> str:
    """Return what the best cell has least of, by its name among what paths end with; by default the error for the first ξ.

    Empty if no best cell is asked for. Raises ConfigError for what is not measured.
    """
    if not sweep.grid.best_over:
        return ""
    asked = sweep.grid.best_by
    own = [label for label in xi if label.split(" ")[0] != LAST]
    if not asked and not own:
        raise _error(sweep, "best_over", "every ξ is the last iterate, whose final error is 0; best_by says what must be least")
    asked = asked or own[0]
    known = [*own, *floors, *means]
    if asked not in known:
        path = ("sweep", "best_by")
        near = nearest(asked, known)
        raise ConfigError(
            [str(Problem(f"nothing is called {asked}", sweep.document.place(path), dotted(path), ", ".join(known), near))]
        )
    return f"{MSE_PREFIX}{asked}" if asked in own else asked


def _is_at(point: Point, wanted: Point) -> bool:
    """Whether a point has these values."""
    values = {setting.key: setting.value for setting in point}
    return all(setting.key in values and same(values[setting.key], setting.value) for setting in wanted)


def _refuse_duplicates(sweep: Sweep, ids: Sequence[str]) -> None:
    """Refuse two cells with the same id, as from 0.1 and a schedule that is always 0.1: they would share one folder."""
    if len(set(ids)) == len(ids):
        return
    first: dict[str, Point] = {}
    for name, point in zip(ids, sweep.points(), strict=True):
        if name in first:
            what = f"duplicate cells: {label(first[name])} and {label(point)} are the same experiment"
            changed = next(one for one, other in zip(point, first[name], strict=False) if one != other)
            raise ConfigError([str(Problem(what, changed.place, f"sweep.{changed.key}"))])
        first[name] = point


def replace_file_names(value: Any, files: dict[str, StoredFile]) -> Any:
    """Return a config's data with each name of a file replaced by the file's path in the sweep's folder."""
    if isinstance(value, dict):
        return {key: replace_file_names(one, files) for key, one in value.items()}
    if isinstance(value, list):
        return [replace_file_names(one, files) for one in value]
    return files[value].place if isinstance(value, str) and value in files else value


def written_config(sweep: Sweep, files: dict[str, StoredFile]) -> dict[str, Any]:
    """Return the config as the folder has it: with the names that files have there, and what the files of `figures` hold."""
    config: dict[str, Any] = replace_file_names(sweep.config, files)
    return config | {"figures": sweep.figures} if sweep.figures else config


def _add_files(files: dict[str, StoredFile], cell: Cell) -> None:
    """Add the files that a cell needs, by their names in its config."""
    for enclosed in cell.enclosures():
        if enclosed.named not in files:
            files[enclosed.named] = StoredFile(enclosed.place, enclosed.content)


def _refuse_namesakes(sweep: Sweep, files: dict[str, StoredFile]) -> None:
    """Refuse two files of the same name: both would be stored in the same place."""
    places = [file.place for file in files.values()]
    duplicate = next((place for place in places if places.count(place) > 1), None)
    if duplicate:
        raise _error(sweep, "", f"two data files are named {Path(duplicate).name}; rename one")


def find_identity(sweep: Sweep) -> str:
    """Return what `survey` will find as the sweep's identity: its first cell is enough. Raises ConfigError."""
    point = next(sweep.points(), None)
    return "" if point is None else _hash_shared(sweep.cell(point), sweep.grid.keys)


def cell_id(cell: Cell) -> str:
    """Return the name of a cell's folder. It does not depend on the number of paths (Cell.lineage)."""
    return cell.lineage[:ID_DIGITS]


def _hash_shared(cell: Cell, keys: Sequence[str]) -> str:
    """Hash what all cells share and the names of the swept keys.

    This names the sweep's folder. It omits the values on the axes, so a sweep that is extended finds its earlier cells.
    """
    shared = deepcopy(cell.resolved)
    for key in ("paths", *keys):
        *outer, last = key.split(".")
        holder: Any = shared
        for name in outer:
            holder = holder.get(name) if isinstance(holder, dict) else holder[int(name)] if isinstance(holder, list) else None
        if isinstance(holder, dict):
            holder.pop(last, None)
        elif isinstance(holder, list):
            holder[int(last)] = None
    # Defaults are left out last: whether a swept key has its default depends on the extent of its axis.
    found = [sorted(keys), decisive(shared, cell.model)]
    return hashlib.sha256(json.dumps(found, sort_keys=True, allow_nan=False).encode()).hexdigest()


def label(point: Point) -> str:
    """Write a point for people: `optimizer.beta1=0.9, optimizer.beta2=0.999`."""
    return ", ".join(f"{setting.key}={name_value(setting.value)}" for setting in point)


def name_value(value: Any) -> str:
    """Write a swept value as text: a number in full, a component without parameters by its name."""
    if isinstance(value, str) or value is None:
        return "null" if value is None else value
    if isinstance(value, dict) and value.keys() == {"name"}:
        return str(value["name"])
    if isinstance(value, dict | list):
        return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6).strip()
    return repr(value)


def full_form(data: dict[str, Any]) -> dict[str, Any]:
    """Return a config's data with components that are written as a name or a number as the mappings they mean.

    So a condition can name `optimizer.name` and `learning_rate.value`, however the config is written.
    """
    full = dict(data)
    for kind in ("objective", "optimizer", "learning_rate", "batch_size"):
        full[kind] = _as_mapping(data.get(kind), kind)
    if isinstance(full["objective"], dict):
        within = {name: full["objective"][name] for name in ("data", "gradient_noise") if name in full["objective"]}
        full["objective"] = full["objective"] | {name: _as_mapping(one, name) for name, one in within.items()}
    return full


def _as_mapping(value: Any, kind: str) -> Any:
    """Return a component as a mapping."""
    if isinstance(value, str):
        return {"name": value}
    number = kind in AS_NUMBER and isinstance(value, int | float)
    return {"name": "constant", "value": value} if number else value
