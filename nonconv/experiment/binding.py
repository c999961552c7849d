"""From a validated config to a cell: one fully resolved experiment, named by a hash of all that its results depend on."""

from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from nonconv.components import Chosen, Coupled, Initialisation, Law, Limits
from nonconv.config.document import Document, KeyPath, dotted
from nonconv.config.expect import label, misplaced
from nonconv.config.spec import KINDS, choices, component_model, parameters_from
from nonconv.config.validate import load, refuse
from nonconv.data.empirical import Rows
from nonconv.data.initial import DRAWN, WEIGHTS, spread
from nonconv.data.nothing import NOTHING, Nothing
from nonconv.engine.blocks import SMALLEST_BLOCK
from nonconv.engine.plan import Wanted, plan_for
from nonconv.engine.program import Program
from nonconv.experiment.cell import Cell, Stopping, Xi
from nonconv.experiment.identity import identity, name_of, plain, portable
from nonconv.experiment.networks import bind, coordinate_name, coordinate_of, coordinates_there_are, first_of_each
from nonconv.experiment.sources import Sources
from nonconv.experiment.table import TableError, read_table
from nonconv.faults.blame import blaming, refusal
from nonconv.faults.problems import Problem, nearest
from nonconv.numerics.arithmetic import Array
from nonconv.schedules.learning_rate import warmed_up

MOST_SNAPSHOT_BYTES = 256 * 2**20
MOST_TABLE_NUMBERS = 5_000_000


def read_cell(path: Path, settings: list[str]) -> Cell:
    """The experiment of a config file with overrides. Raises ConfigError with every problem."""
    with blaming():
        document, model = load(path, settings)
        return make_cell(document, model)


def make_cell(document: Document, model: Any) -> Cell:
    """Bind a validated config to its components and numbers. Raises ConfigError."""
    return _Binding(document, model).cell()


@lru_cache
def recorded_steps(steps: int, points: int, spacing: str) -> NDArray[np.int64]:
    """At most `points` different steps, rising to the last; round ones and the last two halvings where they fit."""
    spread = np.geomspace(1, steps, points) if spacing == "log" else np.linspace(steps / points, steps, points)
    found = np.unique(np.clip(np.rint(spread), 1, steps).astype(np.int64))
    for anchor in (*(10**k for k in range(len(str(steps)))), steps // 4, steps // 2, steps):
        if found[0] < anchor or anchor == steps:
            found[np.abs(found - anchor).argmin()] = anchor
    record = np.unique(found)
    record.flags.writeable = False  # every experiment of the same length has it
    return record


class _Binding:
    """The checks that need more than one part of the config, and the making of the cell."""

    def __init__(self, document: Document, model: Any) -> None:
        self.document, self.model = document, model
        self.problems: list[Problem] = []
        self.resolved = plain(model)
        self._fill_in_digests()
        self.sources = Sources(document, model.seed, self.problems)
        self.objective = self._chosen("objective", model.objective)
        coupled = isinstance(self.objective.component, Coupled)
        self.data = self._data("dataset" if coupled else "data")
        self.bound = bind(self.objective, self.data, self.sources, self.resolved) if coupled else None
        self.data_parameters = self.bound.data_parameters if self.bound else self._data_parameters()
        self.groups = self.bound.learning.groups if self.bound else ()
        self.dim = self._dim()
        self._vector(getattr(model.objective, "scale", 1.0), ("objective", "scale"))

    def cell(self) -> Cell:
        model, steps = self.model, self.model.steps
        paths = model.paths if isinstance(model.paths, int) else model.paths.max
        start, xi, coordinates = self._start(), self._xi(), self._coordinates()
        record = recorded_steps(steps, model.record.points, model.record.spacing)
        plan = plan_for(steps, Wanted(*(getattr(model.floors, name) for name in Wanted._fields)))
        self._check_snapshots(len(record), plan.snapshots(record))
        self._check_table_size()
        self._check_stopping()
        if model.expect is not None:
            self.problems += misplaced(self.document, model.expect, [x.label for x in xi], record.tolist())
        refuse(self.problems)
        data, data_parameters, dim = self.data.component, self.data_parameters, self.dim
        optimizer, objective = self._chosen("optimizer", model.optimizer), self.objective
        rate, batch = self._chosen("learning_rate", model.learning_rate), self._chosen("batch_size", model.batch_size)
        law = None if self.bound else self._law()
        program = Program(
            seed=model.seed,
            dim=dim,
            steps=steps,
            objective=objective.component,
            objective_parameters=objective.parameters,
            objective_constants=objective.component.prepare(objective.parameters, self._size),
            data=data,
            data_constants=data.prepare(data_parameters) if self.bound else data.prepare(data_parameters, dim),
            optimizer=optimizer.component,
            optimizer_parameters=optimizer.parameters,
            learning_rate=_rate(rate, model.learning_rate.warmup),
            batch_size=partial(_batch, batch),
            start=start,
            record=record,
            plan=plan,
            average_after=steps // 2 if any(x.label == "path_mean" for x in xi) else None,
            learning=self.bound.learning if self.bound else None,
        )
        minimizer = self._minimizer(objective, law) if law else None
        return Cell(
            name=name_of(Path(self.document.source)),
            resolved=self.resolved,
            identity=identity(portable(self.resolved)),
            program=program,
            paths=paths,
            stopping=self._stopping(),
            law=law,
            minimizer=minimizer,
            xi=tuple(x._replace(point=minimizer) if x.label == "minimizer" else x for x in xi),
            escape_radius=model.escape_radius,
            recorded_paths=min(model.record.paths, paths),
            fan_paths=min(model.record.fan, paths),
            optimizer=optimizer,
            learning_rate_limits=_limits(rate),
            batch_size_limits=_limits(batch),
            files=self.sources.found,
            data_parameters=data_parameters,
            constant_batch=int(model.batch_size.value) if model.batch_size.name == "constant" else None,
            coordinates=coordinates,
            plugins=self.document.plugins,
            swept=model.sweep is not None,
        )

    def _stopping(self) -> Stopping | None:
        rule = self.model.paths
        return None if isinstance(rule, int) else Stopping(rule.min, rule.target, rule.of)

    def _check_stopping(self) -> None:
        rule = self._stopping()
        if rule and rule.of != "mse" and not getattr(self.model.floors, rule.of):
            self._complain(("paths", "of"), f"the {rule.of} floor is not measured", f"floors: {{{rule.of}: true}}")

    def _law(self) -> Law:
        make: Callable[..., Law] = self.data.component.law
        law = make(self.data_parameters, self.dim)
        if not isinstance(law, Law) or any(getattr(moment, "shape", None) != (self.dim,) for moment in law[:5]):
            raise refusal(make, f"law must return Law, its moments and bounds arrays of {self.dim} numbers")
        return law

    def _minimizer(self, objective: Chosen, law: Law) -> Array | None:
        make: Callable[..., Array] | None = objective.component.minimizer
        if make is None:
            return None
        point = make(objective.parameters, law)
        if getattr(point, "shape", None) != (self.dim,):
            raise refusal(make, f"minimizer must return an array of {self.dim} numbers")
        return point

    def _fill_in_digests(self) -> None:
        for entry, plugin in zip(self.resolved.get("plugins", []), self.document.plugins, strict=True):
            entry["sha256"] = plugin.digest

    def _check_snapshots(self, recorded: int, with_floors: int) -> None:
        """Even the smallest block must fit into memory."""
        most = MOST_SNAPSHOT_BYTES // (8 * SMALLEST_BLOCK * self.dim)
        if most == 0:
            allowed = f"at most {MOST_SNAPSHOT_BYTES // (8 * SMALLEST_BLOCK)} coordinates"
            self._complain(("objective",), f"{self.dim} coordinates do not fit into memory", allowed)
        elif recorded > most:
            what = f"{recorded} recorded steps of {self.dim} coordinates do not fit into memory"
            self._complain(("record", "points"), what, f"at most {most} points with this dim")
        elif with_floors > most:
            what = f"look at {with_floors} steps of {self.dim} coordinates, which do not fit into memory"
            self._complain(("floors",), what, "floors: {twin: false, window: false, cauchy: false} with this dim")

    def _check_table_size(self) -> None:
        """Every coordinate has its own copy of a discrete law's table."""
        values = getattr(self.data.parameters, "values", ())
        points = len(values) if isinstance(values, tuple) and not self.bound else 0
        if points * self.dim > MOST_TABLE_NUMBERS:
            path: KeyPath = ("objective", "data", "values")
            self._complain(path, f"{points} points for each of {self.dim} coordinates do not fit into memory")

    def _complain(self, path: KeyPath, message: str, allowed: str = "", nearest: str = "") -> None:
        self.problems.append(Problem(message, self.document.place(path), dotted(path), allowed, nearest))

    def _chosen(self, kind: str, part: Any) -> Chosen:
        component = KINDS[kind][part.name]
        return Chosen(component, parameters_from(component, part))

    @property
    def _size(self) -> Any:
        """What an objective is prepared for: the shape of its examples, or its dimension."""
        return self.bound.learning.shape if self.bound else self.dim

    def _data(self, kind: str) -> Chosen:
        return self._chosen(kind, self.model.objective.data) if _has_data(self.model) else Chosen(NOTHING, Nothing())

    def _data_parameters(self) -> Any:
        return self._load(self.data) if self.data.component.name == "csv" else self.data.parameters

    def _load(self, data: Chosen) -> Rows:
        path: KeyPath = ("objective", "data")
        file = self.sources.found[data.parameters.file] = self.document.locate(data.parameters.file)
        try:
            table, digest = read_table(file, data.parameters.columns)
        except TableError as error:
            for problem in error.problems:
                if problem.place.source:
                    self.problems.append(problem)
                else:
                    self._complain((*path, problem.key), problem.message, problem.allowed, problem.nearest)
            return Rows(np.zeros((1, len(data.parameters.columns))))
        if data.parameters.sha256 not in ("", digest):
            self._complain((*path, "sha256"), f"{file} has changed; its digest now is {digest}")
        if data.parameters.standardise:
            table = self._standardised(table)
        self.resolved["objective"]["data"]["sha256"] = digest
        return Rows(table)

    def _standardised(self, table: Array) -> Array:
        spread = table.std(axis=0)
        for column, width in zip(self.data.parameters.columns, spread, strict=True):
            if width == 0:
                self._complain(("objective", "data", "columns"), f"column {column!r} is constant and cannot be standardised")
        return np.asarray((table - table.mean(axis=0)) / np.where(spread > 0, spread, 1.0))

    def _dim(self) -> int:
        if self.bound:
            return self.groups[-1].last
        given, wanted = getattr(self.model.objective, "dim", 1), self.data.component.dim(self.data.parameters)
        if wanted is None or given == wanted:
            return int(given)
        if not hasattr(self.model.objective, "dim"):
            what = f"{self.model.objective.name} has one coordinate, but the data have {wanted} columns"
            self._complain(("objective", "data"), what, "one column")
            return 1
        if "dim" in self.model.objective.model_fields_set:
            self._complain(
                ("objective", "dim"), f"is {given}, but the data have {wanted} columns", f"{wanted}, or leave dim out"
            )
        self.resolved["objective"]["dim"] = wanted
        return int(wanted)

    def _vector(self, value: Any, path: KeyPath) -> Array:
        """A number for every coordinate, or dim numbers."""
        numbers = np.asarray(value, dtype=np.float64)
        if numbers.ndim and len(numbers) != self.dim:
            wanted = f"a number, or {self.dim} numbers" if self.dim > 1 else "a number"
            self._complain(path, f"has {len(numbers)} numbers for an objective of dim {self.dim}", wanted)
            return np.zeros(self.dim)
        return np.broadcast_to(numbers, (self.dim,)).copy()

    def _start(self) -> Array | Chosen:
        start = self.model.start
        if self.bound and "start" not in self.model.model_fields_set:
            start = component_model("start", "he")(name="he")
            self.resolved["start"] = start.model_dump(mode="json")
        if not isinstance(start, BaseModel):
            return self._vector(start, ("start",))
        law, parameters = chosen = self._chosen("start", start)
        if law is WEIGHTS:
            numbers, self.resolved["start"]["sha256"] = self.sources.weights(parameters, self.dim)
            return numbers
        if not isinstance(law, Initialisation):
            return chosen
        if not self.bound:
            what = f"{law.name} draws weights by the widths of layers, which {self._name} does not have"
            self._complain(("start",), what, choices("start").partition(";")[0])
            return np.zeros(self.dim)
        return Chosen(DRAWN[parameters.law], spread(law, parameters, self.groups))

    @property
    def _name(self) -> str:
        return str(self.objective.component.name)

    def _coordinates(self) -> tuple[tuple[int, str], ...]:
        """Which coordinates of a path are kept, by number and name."""
        wanted = self.model.record.coordinates
        if wanted is None:
            del self.resolved["record"]["coordinates"]
            return tuple((k, coordinate_name(k, self.groups)) for k in first_of_each(self.groups))
        found: dict[int, str] = {}
        for at, value in enumerate(wanted):
            k = coordinate_of(value, self.groups, self.dim)
            if k is None:
                self._complain_of_coordinate(value, at)
            elif k in found:
                self._complain(("record", "coordinates", at), f"{found[k]} stands twice")
            else:
                found[k] = coordinate_name(k, self.groups)
        self.resolved["record"]["coordinates"] = [name if self.groups else k + 1 for k, name in found.items()]
        return tuple(found.items())

    def _complain_of_coordinate(self, value: str | int, at: int) -> None:
        names = [group.name for group in self.groups]
        group = str(value).partition("[")[0]
        near = "" if group in names else nearest(group, names)
        what = f"there is no coordinate {value} of {self.dim}"
        self._complain(("record", "coordinates", at), what, coordinates_there_are(self.groups, self.dim), near)

    def _check_adam_zero(self, path: KeyPath) -> None:
        model = self.model
        if model.optimizer.name != "adam" or model.objective.name != "quadratic":
            which = f"{model.optimizer.name} on {model.objective.name}"
            self._complain(path, f"adam_zero is known for adam on quadratic, not for {which}")
        elif model.batch_size.name != "constant":
            self._complain(path, "adam_zero depends on the batch size, which must be constant")
        elif model.optimizer.beta1 > 0 and model.optimizer.beta1**2 >= model.optimizer.beta2:
            self._complain(path, "adam_zero needs beta1 < sqrt(beta2)")

    def _xi(self) -> tuple[Xi, ...]:
        found: dict[str, Xi] = {}
        wanted, objective = self.model.xi, self.objective.component
        if not getattr(objective, "minimizer", None) and "xi" not in self.model.model_fields_set:
            wanted = ("path_mean", "last") if self.bound else ("start",)
            self.resolved["xi"] = list(wanted)
        for k, value in enumerate(wanted):
            path = ("xi", k)
            if value == "minimizer" and not getattr(objective, "minimizer", None):
                others = "start, path_mean, last, a number, a list of dim numbers"
                self._complain(path, f"{objective.name} has no minimizer", others)
            if value == "adam_zero":
                self._check_adam_zero(path)
            xi = Xi(value, None) if isinstance(value, str) else Xi(label(value), self._vector(value, path))
            if xi.label in found:
                self._complain(path, f"{xi.label} stands twice")
            found[xi.label] = xi
        return tuple(found.values())


def _has_data(model: Any) -> bool:
    return hasattr(model.objective, "data")


def _rate(rate: Chosen, warmup: int) -> Callable[[Array], Array]:
    return lambda n: warmed_up(_values(rate, n), warmup, n)


def _batch(batch: Chosen, n: Array) -> Array:
    sizes = _values(batch, n)
    if not np.all((sizes >= 1.0) & (sizes == np.floor(sizes)) & (sizes < 2.0**31)):
        raise refusal(batch.component.value, "batch sizes must be whole numbers from 1 to 2147483647")
    return sizes


def _limits(schedule: Chosen) -> Limits:
    limits = schedule.component.limits(schedule.parameters)
    if not isinstance(limits, Limits):
        raise refusal(schedule.component.limits, "limits must return Limits")
    return limits


def _values(schedule: Chosen, n: Array) -> Array:
    values: Array = schedule.component.value(schedule.parameters, n)
    if not isinstance(values, np.ndarray) or values.shape != n.shape or values.dtype != np.float64:
        raise refusal(schedule.component.value, "value must return an array of floats of the shape of n")
    return values
