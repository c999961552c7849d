"""A grid of experiments: each point of it is a cell, made when it is needed, so that memory does not follow the grid."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from nonconv.config.document import AS_NUMBER, Document, read
from nonconv.config.plugins import load_named
from nonconv.errors import ConfigError
from nonconv.experiment.binding import make_cell
from nonconv.experiment.cell import Cell
from nonconv.experiment.identity import name_of, portable
from nonconv.faults.problems import Problem
from nonconv.statistics.tally import MSE, ends
from nonconv.sweeps.block import read_grid, same, with_grids
from nonconv.sweeps.grid import Grid, Point

RECORD = {"points": 50, "paths": 4, "fan": 0}
"""What a cell keeps of itself unless the config says otherwise: there may be many."""
ID_DIGITS = 16
MOST_KEPT = 512
"""Cells that are kept from being looked at until they are computed; more would be memory that follows the grid."""
MOST_PROBLEMS = 20
GOT = re.compile(": cannot be |[,;] got ")
"""What comes before the value in the message of a problem."""
MOST_WRONG = 1000
"""Cells: of a large grid that is wrong throughout, the user is told at once."""


@dataclass(frozen=True, eq=False)
class Sweep:
    """A config with its grid. document: without the sweep block, with what is different by default in a sweep.

    config: as it was written, overrides included. kept: some cells that will be needed again, by id.
    """

    name: str
    document: Document
    grid: Grid
    config: dict[str, Any]
    kept: dict[str, Cell] = field(default_factory=dict)

    def points(self) -> Iterator[Point]:
        """The points whose cells exist, the first axis slowest."""
        for point in self.grid.points():
            if not (self.grid.include or self.grid.exclude) or self.grid.keeps(full_form(self._document(point).data)):
                yield point

    def cell(self, point: Point) -> Cell:
        """The cell at a point. Raises ConfigError."""
        return make_cell(self._document(point))

    def keep(self, name: str, cell: Cell) -> Cell:
        """The same cell, which `known` and `taken` then find, if there is room; of files it may be another one by then."""
        if len(self.kept) < MOST_KEPT and not cell.files:
            self.kept[name] = cell
        return cell

    def known(self, name: str, point: Point) -> Cell:
        """The cell of this id, made if it is not kept."""
        return self.kept.get(name) or self.keep(name, self.cell(point))

    def taken(self, name: str, point: Point) -> Cell:
        """The cell of this id, kept no longer."""
        return self.kept.pop(name, None) or self.cell(point)

    def _document(self, point: Point) -> Document:
        document = self.document.with_values(point)
        for setting in point:  # an unknown key is the same problem whatever its value
            parts = setting.key.split(".")
            for depth in range(1, len(parts) + 1):
                document.keys.setdefault(tuple(parts[:depth]), self.grid.places[setting.key])
            document.keys[tuple(parts)] = self.grid.places[setting.key]
        return document

    @cached_property
    def claim(self) -> str:
        return str(self.document.data.get("claim", ""))


class Taken(NamedTuple):
    """A file that cells need: where it stands in an output folder, and its content."""

    place: str
    content: bytes


class Survey(NamedTuple):
    """What is known of all cells before any is computed: their names on disk in order, what is measured of them, the work.

    identity: names the sweep's folder; the same for another extent of its axes and for other numbers of paths.
    digest: of all cells' identities. paths, steps: those of every cell, or None where they differ. files: what cells need,
    by what the config calls it. config: what is written to the folder, where these files stand in their place.
    """

    identity: str
    digest: str
    ids: tuple[str, ...]
    baseline: str
    measured: tuple[str, ...]
    path_steps: int
    paths: int | None
    steps: int | None
    files: dict[str, Taken]
    config: dict[str, Any]


def read_sweep(path: Path, settings: Sequence[str] = (), grids: Sequence[str] = ()) -> Sweep:
    """The sweep of a config file with overrides. Raises ConfigError with every problem of its text and of its grid."""
    document = read(path, settings)
    with_grids(document, grids)
    if document.problems:
        raise ConfigError([str(problem) for problem in document.problems])
    grid = read_grid(document)
    document.catalogue, broken = load_named(document)  # once for all cells
    if broken:
        raise ConfigError([str(problem) for problem in broken])
    return Sweep(name_of(Path(document.source)), _without_block(document), grid, document.data)


def _without_block(document: Document) -> Document:
    """The document of which each cell is made."""
    data = deepcopy({key: value for key, value in document.data.items() if key not in ("sweep", "expect")})
    record = data.get("record", {})
    if isinstance(record, dict):
        data["record"] = RECORD | record
    return replace(document, data=data)


def survey(sweep: Sweep) -> Survey:
    """Look at every cell. Raises ConfigError with what is wrong with any, and which."""
    ids: list[str] = []
    measured: dict[str, None] = {}
    files: dict[str, Taken] = {}
    sizes: set[tuple[int, int]] = set()
    digest = hashlib.sha256()
    path_steps, identity, baseline = 0, "", ""
    wrong = _Wrong()
    for point in sweep.points():
        try:
            cell = sweep.cell(point)
        except ConfigError as error:
            wrong.add(error.problems, point)
            continue
        ids.append(cell_id(cell))
        sweep.keep(ids[-1], cell)
        measured |= dict.fromkeys(ends(cell))
        _take(files, cell)
        sizes.add((cell.paths, cell.program.steps))
        digest.update(cell.identity.encode())
        path_steps += cell.paths * cell.program.steps
        identity = identity or _identity(cell, sweep.grid.keys)
        if not baseline and _is_at(point, sweep.grid.baseline):
            baseline = ids[-1]
    wrong.refuse(len(ids))
    if not ids:
        raise _error(sweep, "", "include and exclude leave no cell")
    _refuse_twins(sweep, ids)
    if not baseline:
        raise _error(sweep, "baseline", "there is no such cell; its values stand in no cell together, or it is excluded")
    _refuse_namesakes(sweep, files)
    paths, steps = (next(iter(found)) if len(found) == 1 else None for found in map(set, zip(*sizes, strict=True)))
    return Survey(
        identity=identity,
        digest=digest.hexdigest(),
        ids=tuple(ids),
        baseline=baseline,
        measured=tuple(measured),
        path_steps=path_steps,
        paths=paths,
        steps=steps,
        files=files,
        config=moved(sweep.config, files),
    )


class _Wrong:
    """What is wrong with cells: each problem with the first cell that has it, and how many have."""

    def __init__(self) -> None:
        self.problems: dict[str, tuple[str, Point, int]] = {}
        self.cells = 0

    def add(self, problems: Sequence[str], point: Point) -> None:
        """Raises ConfigError when so much is wrong that nobody would read on."""
        self.cells += 1
        for problem in problems:
            said, first, number = self.problems.get(_kind(problem), (problem, point, 0))
            self.problems[_kind(problem)] = said, first, number + 1
        if len(self.problems) > MOST_PROBLEMS or self.cells == MOST_WRONG:
            shown = [f"{said}\n  in the cell {label(first)}" for said, first, _ in self.problems.values()]
            raise ConfigError([*shown[:MOST_PROBLEMS], "stopped; other cells are not checked"])

    def refuse(self, good: int) -> None:
        """Raises ConfigError if anything is wrong. good: how many cells are not."""
        if self.problems:
            raise ConfigError(
                [f"{said}\n  {self._where(first, number, good)}" for said, first, number in self.problems.values()]
            )

    def _where(self, first: Point, number: int, good: int) -> str:
        if number == self.cells + good and number > 1:
            return f"in all {number} cells"
        return f"in the cell {label(first)}" + (f", and in {number - 1} more" if number > 1 else "")


def _kind(problem: str) -> str:
    """A problem but for the value: that of a spacing has one place for all its values."""
    first, _, others = problem.partition("\n")
    return f"{GOT.split(first)[0]}\n{others}"


def _error(sweep: Sweep, key: str, message: str) -> ConfigError:
    """What is wrong with the block as a whole."""
    path = ("sweep", key) if key else ("sweep",)
    return ConfigError([str(Problem(message, sweep.document.place(path), ".".join(path)))])


def _is_at(point: Point, wanted: Point) -> bool:
    """Whether a point has these values."""
    values = {setting.key: setting.value for setting in point}
    return all(setting.key in values and same(values[setting.key], setting.value) for setting in wanted)


def _refuse_twins(sweep: Sweep, ids: Sequence[str]) -> None:
    """Cells that are one experiment would be one folder, as where a key has 0.1 and also a schedule that is always 0.1."""
    if len(set(ids)) == len(ids):
        return
    first: dict[str, Point] = {}
    for name, point in zip(ids, sweep.points(), strict=True):
        if name in first:
            raise _error(sweep, "", f"two cells are the same experiment: {label(first[name])}; and {label(point)}")
        first[name] = point


def moved(value: Any, files: dict[str, Taken]) -> Any:
    """A config's data in which the names of files are what they are called in the sweep's folder."""
    if isinstance(value, dict):
        return {key: moved(one, files) for key, one in value.items()}
    if isinstance(value, list):
        return [moved(one, files) for one in value]
    return files[value].place if isinstance(value, str) and value in files else value


def _take(files: dict[str, Taken], cell: Cell) -> None:
    """Add the files that a cell needs, by what its config calls them."""
    for named, file in cell.files.items():
        if named not in files:
            files[named] = Taken(f"data/{file.name}", file.read_bytes())
    for entry, plugin in zip(cell.resolved.get("plugins", ()), cell.plugins, strict=True):
        files[entry["file"]] = Taken(f"plugins/{plugin.path.name}", plugin.content)


def _refuse_namesakes(sweep: Sweep, files: dict[str, Taken]) -> None:
    """All of them will lie in one folder."""
    places = [file.place for file in files.values()]
    double = next((place for place in places if places.count(place) > 1), None)
    if double:
        raise _error(sweep, "", f"two data files have the name {Path(double).name}; rename one")


def cell_id(cell: Cell) -> str:
    """The name of a cell's folder: the same for other numbers of paths."""
    return cell.lineage[:ID_DIGITS]


def _identity(cell: Cell, keys: Sequence[str]) -> str:
    """A hash of what all cells share, and of which keys are swept."""
    shared = deepcopy(portable(cell.resolved))
    for key in ("paths", "expect", *keys):
        *outer, last = key.split(".")
        holder: Any = shared
        for name in outer:
            holder = holder.get(name) if isinstance(holder, dict) else holder[int(name)] if isinstance(holder, list) else None
        if isinstance(holder, dict):
            holder.pop(last, None)
        elif isinstance(holder, list):
            holder[int(last)] = None
    return hashlib.sha256(json.dumps([sorted(keys), shared], sort_keys=True, allow_nan=False).encode()).hexdigest()


def label(point: Point) -> str:
    """`optimizer.beta1=0.9, optimizer.beta2=0.999`."""
    return ", ".join(f"{setting.key}={text(setting.value)}" for setting in point)


def text(value: Any) -> str:
    """A swept value in a table: a number in full, a component by its name."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and value.keys() == {"name"}:
        return str(value["name"])
    if isinstance(value, dict | list):
        return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6).strip()
    return repr(value)


def full_form(data: dict[str, Any]) -> dict[str, Any]:
    """A config's data with components that are written as their names, or as numbers, as the mappings they stand for."""
    full = dict(data)
    for kind in ("objective", "optimizer", "learning_rate", "batch_size"):
        full[kind] = _named(data.get(kind), kind)
    if isinstance(full["objective"], dict) and "data" in full["objective"]:
        full["objective"] = full["objective"] | {"data": _named(full["objective"]["data"], "data")}  # examples are named alike
    return full


def _named(value: Any, kind: str) -> Any:
    if isinstance(value, str):
        return {"name": value}
    number = kind in AS_NUMBER and isinstance(value, int | float)
    return {"name": "constant", "value": value} if number else value


def labels_of(measured: Sequence[str]) -> tuple[list[str], list[str]]:
    """The labels of xi, and the floors, among what is measured."""
    return (
        [name.removeprefix(MSE) for name in measured if name.startswith(MSE)],
        [name for name in measured if not name.startswith(MSE)],
    )
