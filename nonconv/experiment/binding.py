"""From a validated config to a cell: one fully resolved experiment, named by a hash of all that its results depend on.

The models of `config.spec` check each value alone. Here is checked what needs more than one part of the config, such as
the length of `start` and the dimension of the objective, or what a data file holds. Problems are collected, with their
places, and raised together. What the config leaves out and only other parts determine is filled in.
"""

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from nonconv.components.definitions import (
    EFFECTIVE_RATE,
    Chosen,
    Configured,
    Coupled,
    Dataset,
    Distribution,
    Initialisation,
    Iterate,
    Law,
    Objective,
    Optimizer,
    Order,
    Point,
    Unusable,
)
from nonconv.components.parameters import parameters_of
from nonconv.components.quantity import Asked
from nonconv.config.document import Document, KeyPath, dotted
from nonconv.config.expect import Recorded, find_unrecorded, label
from nonconv.config.files import read
from nonconv.config.spec import DOMAIN, MOST_RECORDED, choices, component_model, parameters_from
from nonconv.config.validate import problem_of, refuse, validate
from nonconv.data.initial import DRAWN, spread
from nonconv.data.nothing import NOTHING, Nothing
from nonconv.datasets.vector import vectors
from nonconv.engine.blocks import SMALLEST_BLOCK
from nonconv.engine.plan import Wanted, plan_for
from nonconv.engine.program import Average, Learning, Modifiers, Program, Supply
from nonconv.experiment import quantities
from nonconv.experiment.cell import Cell, Stopping, Xi, known
from nonconv.experiment.constrained import minimizer_on
from nonconv.experiment.identity import identity, name_of, plain
from nonconv.experiment.minima import Minima, Minimum, complaint_of, find_minima, lowest, unique_minimizer
from nonconv.experiment.networks import bind, coordinate_name, coordinate_of, first_of_each, list_coordinates
from nonconv.experiment.schedules import (
    FITS,
    BatchSizes,
    describe_schedule,
    find_misfit,
    find_period,
    make_drift,
    make_rate,
    may_oscillate,
    with_data,
)
from nonconv.experiment.sources import DATA_PATH, Sources
from nonconv.faults.blame import blaming, refusal
from nonconv.faults.problems import Problem, nearest
from nonconv.numerics.arithmetic import Array
from nonconv.objectives.quadratic import QUADRATIC
from nonconv.optimizers.adam import ADAM
from nonconv.optimizers.averages import is_fixed
from nonconv.schedules.batch_size import CONSTANT as CONSTANT_BATCH
from nonconv.schedules.learning_rate import CONSTANT as CONSTANT_RATE
from nonconv.system.words import count

MOST_SNAPSHOT_BYTES = 256 * 2**20
"""Memory for the recorded iterates of one smallest block."""
MOST_DECK_NUMBERS = 200_000
"""Rows times coordinates of the decks of one path: a worker holds those of 256 paths."""
MINIMA = ("minimizer", "nearest_minimum")
"""The xi that minima are looked for, where the objective does not state them."""
MOST_TABLE_NUMBERS = 5_000_000
"""Numbers in the tables of a discrete law, over all coordinates."""


def read_cell(path: Path, settings: Sequence[str]) -> Cell:
    """Read the experiment of a config file with overrides. Raises ConfigError with every problem."""
    return make_cell(read(path, settings))


@np.errstate(all="ignore")  # what is not finite is looked at, whatever made it so
def make_cell(document: Document) -> Cell:
    """Validate a config and bind it to its components and numbers.

    Raises ConfigError with every problem, and PluginError where a plug-in's own function fails.
    """
    with blaming(lambda: document.catalogue.plugins):
        return _Binding(document, validate(document)).cell()


@lru_cache
def recorded_steps(
    steps: int, points: int, spacing: str, given: tuple[int, ...] = (), every: int | None = None
) -> NDArray[np.int64]:
    """Return the steps given, the multiples of `every`, and at most `points` others, rising to the last, shape (R,).

    spacing: log or linear. Powers of ten, a quarter and half of all steps are among the others, so that tables show round
    steps. Cached, and the array is read-only.
    """
    multiples = [] if every is None else range(every, steps + 1, every)
    record = np.union1d(_spread_steps(steps, points, spacing), np.array([*given, *multiples], dtype=np.int64))
    record.flags.writeable = False  # every experiment of the same length has it
    return record


def _spread_steps(steps: int, points: int, spacing: str) -> NDArray[np.int64]:
    """Return at most `points` different steps, rising to the last."""
    spread = np.geomspace(1, steps, points) if spacing == "log" else np.linspace(steps / points, steps, points)
    found = np.unique(np.clip(np.rint(spread), 1, steps).astype(np.int64))
    # Each anchor replaces the nearest step, so the number of points does not grow.
    for anchor in (*(10**k for k in range(len(str(steps)))), steps // 4, steps // 2, steps):
        if found[0] < anchor or anchor == steps:
            found[np.abs(found - anchor).argmin()] = anchor
    return np.unique(found)


class Iterates(NamedTuple):
    """What is measured: running averages, whether the optimizer's own iterate is, and the names of all, last first."""

    averages: tuple[Average, ...]
    own: bool
    labels: tuple[str, ...]


def _weights(component: Iterate, h: Any, steps: int, n: Array) -> Array:
    """Return the weights (steps,) of an average at steps n. Raises PluginError unless they are in [0, 1]."""
    assert component.weight is not None
    found = component.weight(h, n, steps)
    if getattr(found, "shape", None) != n.shape or not np.all((found >= 0.0) & (found <= 1.0)):
        raise refusal(component.weight, "weight must return an array of the shape of n, of numbers from 0 to 1")
    return found


class _Binding:
    """Check what needs more than one part of the config, and make the cell.

    resolved: the config as plain data, filled in on the way. problems: what is wrong; `cell` raises them. sources: the files
    that components load.
    """

    def __init__(self, document: Document, model: Any) -> None:
        self.document, self.model = document, model
        self.problems: list[Problem] = []
        self.resolved = plain(model)
        if self.resolved["objective"].get("data", {}) is None:
            del self.resolved["objective"]["data"]  # as a config without the key says
        self._fill_in_digests()
        self.sources = Sources(document, model.seed, self.problems)
        self.objective = self._complete(self._choose("objective", model.objective), ("objective",))
        self.data = self._choose_data(_kind_of_data(self.objective.component))
        self.loaded = self._load(self.data, DATA_PATH)
        self.learning: Learning | None = None
        if isinstance(self.objective.component, Coupled):
            refuse(self.problems if self.loaded is None else ())  # without data the coordinates are not known
            self.learning = bind(self.objective, self._examples(), self.loaded, self.sources)
            self._check_moments()
        # Coordinates come in groups only for a network; elsewhere they are numbered.
        self.groups = self.learning.groups if self.learning else ()
        self.dim = self._find_dim()
        # Only checked here: the objective itself spreads a single number over the coordinates.
        self._expand_vector(getattr(model.objective, "scale", 1.0), ("objective", "scale"))
        for name, value in getattr(model.objective, "constants", {}).items():
            self._expand_vector(value, ("objective", "constants", name))

    def cell(self) -> Cell:
        """Make the cell. Raises ConfigError with every problem."""
        model, steps = self.model, self.model.steps
        paths = model.paths if isinstance(model.paths, int) else model.paths.max
        drift = getattr(getattr(model.objective, "data", None), "drift", None)
        domain, supply, noise, modifiers = self._domain, self._supply(), self._choose_noise(), self._modifiers()
        start, xi, coordinates = self._choose_start(), self._list_xi(), self._list_coordinates()
        iterates = self._choose_iterates()
        model = self.model  # with the start that was chosen
        record = self._record()
        rate, batch = self._choose("learning_rate", model.learning_rate), self._choose("batch_size", model.batch_size)
        self._check_values("learning_rate", rate)
        self._check_values("batch_size", batch)
        decays = self._choose_decays()
        moving = self._choose("drift", drift) if drift else None
        period = find_period([rate, batch, *filter(may_oscillate, decays)], steps)
        if not (self.learning and supply.order == "epochs"):  # passes of networks are many, and long
            period = with_data(period, supply, describe_schedule(batch, CONSTANT_BATCH, 1.0).constant, moving, steps)
        plan = plan_for(steps, Wanted(*(getattr(model.floors, name) for name in Wanted._fields)), max(period, 1))
        self._check_snapshots(len(record), plan.snapshots(record))
        self._check_table_size()
        self._check_stopping()
        states = self._list_states()
        asked = self._bind_quantities([x.label for x in xi], record)
        if model.expect is not None:
            recorded = Recorded(
                [x.label for x in xi],
                record.tolist(),
                quantities.names(asked, xi),
                quantities.means(asked),
                iterates.labels,
                quantities.names_of_averages(asked, xi),
                domain is not None,
            )
            self.problems += find_unrecorded(self.document, model.expect, recorded, model.sweep is not None)
        refuse(self.problems)
        # From here on everything is known to fit together; what a plug-in's functions return is still checked.
        data, loaded, dim = self.data.component, self.loaded, self.dim
        optimizer, objective = self._choose("optimizer", model.optimizer), self.objective
        _check_statements(optimizer)
        law = self._law
        if self.learning:
            data = self._examples()
        constants = data.prepare(loaded) if self.learning else data.prepare(loaded, dim)
        program = Program(
            seed=model.seed,
            dim=dim,
            steps=steps,
            objective=Configured(*objective, objective.component.prepare(objective.parameters, self._size)),
            data=Configured(data, loaded, constants),
            optimizer=Configured(*optimizer),
            learning_rate=make_rate(rate, model.learning_rate.warmup),
            batch_size=BatchSizes(batch),
            start=start,
            record=record,
            plan=plan,
            # The mean of the last half of each path, only if a xi asks for it: it costs a sum per step.
            average_after=steps // 2 if any(x.label == "path_mean" for x in xi) else None,
            learning=self.learning,
            supply=supply,
            modifiers=modifiers,
            noise=noise,
            domain=domain,
            averages=iterates.averages,
            own=iterates.own,
        )
        minimizer = self._find_minimizer(wanted=any(x.label == "minimizer" for x in xi))
        return Cell(
            name=name_of(Path(self.document.source)),
            resolved=self.resolved,
            model=model,
            identity=identity(self.resolved, model),
            program=program,
            paths=paths,
            stopping=self._stopping_rule(),
            law=law,
            minimizer=minimizer,
            minima=self.minima if self._needs_minima([x.label for x in xi]) else None,
            xi=tuple(x._replace(point=minimizer) if x.label == "minimizer" else x for x in xi),
            escape_radius=model.escape_radius,
            recorded_paths=min(model.record.paths, paths),
            fan_paths=min(model.record.fan, paths),
            learning_rate=describe_schedule(rate, CONSTANT_RATE, 0.0, model.learning_rate.warmup),
            batch_size=describe_schedule(batch, CONSTANT_BATCH, 1.0),
            period=period,
            files=self.sources.found,
            coordinates=coordinates,
            plugins=self.document.catalogue.plugins,
            swept=model.sweep is not None,
            iterates=iterates.labels,
            drift=describe_schedule(moving, CONSTANT_RATE, -np.inf).limits if moving else None,
            quantities=asked,
            best=self._best if asked else None,
            states=states,
        )

    def _record(self) -> NDArray[np.int64]:
        """Return the recorded steps, rising to the last, shape (R,)."""
        record, steps = self.model.record, self.model.steps
        given, every, points = record.steps or (), record.every, record.points
        if (given or every) and "points" not in record.model_fields_set:
            points = self.resolved["record"]["points"] = 1  # the last step
        if given:
            self.resolved["record"]["steps"] = sorted(given)
        first: dict[int, int] = {}
        for k, step in enumerate(given):
            if step > steps:
                self._complain(("record", "steps", k), f"is {step}, after the last step", f"1 to {steps}")
            elif first.setdefault(step, k) < k:
                what = f"duplicate step {step}; first given as record.steps[{first[step]}]"
                self._complain(("record", "steps", k), what)
        if every and every > steps:
            self._complain(("record", "every"), f"is {every}, after the last step", f"1 to {steps}")
        elif every and steps // every > MOST_RECORDED:
            what = f"gives {steps // every} recorded steps"
            self._complain(("record", "every"), what, f"at least {-(-steps // MOST_RECORDED)}")
            every = None
        return recorded_steps(steps, points, record.spacing, tuple(step for step in given if step <= steps), every)

    def _list_states(self) -> tuple[str, ...]:
        """Return what is kept of the optimizer on the paths that are kept, by name."""
        record, rule = self.model.record, self._choose("optimizer", self.model.optimizer).component
        known = [*rule.state._fields, *(one.name for one in rule.shown), *([EFFECTIVE_RATE] if rule.scaling else [])]
        for k, name in enumerate(record.state or ()):
            path = ("record", "state", k)
            if name == EFFECTIVE_RATE and not rule.scaling:
                self._complain(path, f"{rule.name} states no effective rate", ", ".join(known))
            elif name not in known:
                self._complain(path, f"{rule.name} has no {name!r}", ", ".join(known) or "none", nearest(name, known))
            elif name in record.state[:k]:
                self._complain(path, f"duplicate {name}")
        if record.state and record.paths == 0:
            self._complain(("record", "paths"), "is 0, so there is no path whose state is kept", "at least 1")
        return record.state or ()

    def _supply(self) -> Supply:
        """Return how data depend on the step."""
        part, data = getattr(self.model.objective, "data", None), self.data.component
        hold, drift = getattr(part, "hold", None) or 1, getattr(part, "drift", None)
        order: Order = "with_replacement"
        rows = 0
        if isinstance(data, Dataset):
            rows = data.rows(self.loaded)
            order = data.order(self.loaded) if rows else order
            if drift and data.shape(self.loaded).classes:
                self._complain((*DATA_PATH, "drift"), "is added to targets, and these are classes")
        elif part is not None and part.order not in (None, "with_replacement") and self.loaded is not None:
            order, rows = part.order, data.rows(self.loaded)
            self._check_order(order, rows)
        if drift:
            self._check_values("drift", self._choose("drift", drift), (*DATA_PATH, "drift"))
        if rows and self._batch % rows == 0:
            order = "cyclic"  # a batch of whole passes is the same in any order; as listed nothing is random, to the bit
        return Supply(order, rows, hold, make_drift(self._choose("drift", drift)) if drift else None)

    def _check_moments(self) -> None:
        """Complain of data without all moments where it is not known what the objective makes of them."""
        data = self.data.component
        if self.objective.component.numbers and isinstance(data, Distribution) and not self.problems:
            law = data.law(self.loaded, self._numbers)
            if law.finite_moments != np.inf:
                what = f"{data.name} has no moments of high order, and which moments {self._name} then has is not known"
                self._complain(DATA_PATH, what, "a law with all moments, as a bounded one or normal; or gradient_noise")

    @property
    def _batch(self) -> float:
        """The size of all batches; nan if it changes."""
        constant = describe_schedule(self._choose("batch_size", self.model.batch_size), CONSTANT_BATCH, 1.0).constant
        return np.nan if constant is None else constant

    def _check_order(self, order: Order, rows: int) -> None:
        """Complain unless there are equally likely rows, so few that the decks of all lanes fit into memory."""
        path, most = (*DATA_PATH, "order"), MOST_DECK_NUMBERS
        decks = self._numbers if self.data.component.draws == "each" else 1
        if rows == 0:
            what = f"{self.data.component.name} has no equally likely values to pass through"
            self._complain(path, what, "with_replacement; or a finite law: sequence, csv, discrete with equal probabilities")
        elif self.learning and decks > 1:
            self._complain(path, f"each coordinate of {self.data.component.name} draws its own value", "sequence, csv")
        elif order != "cyclic" and rows * decks > most:
            self._complain(
                path, f"{rows} rows for each of {decks} coordinates do not fit into memory", f"at most {most} in all"
            )

    def _choose_noise(self) -> Configured[Distribution] | None:
        """Return the law that is added to gradients; None if there is none."""
        part = self.model.objective.gradient_noise
        if part is None:
            return None
        path, chosen = ("objective", "gradient_noise"), self._choose("data", part)
        if chosen.component.draws != "each":
            self._complain(path, f"{chosen.component.name} gives whole rows, and noise is drawn for each coordinate alone")
        for name in ("order", "hold", "drift"):
            if getattr(part, name) is not None:
                self._complain((*path, name), "is for data; noise is drawn anew for each step")
        loaded = self._load(chosen, path)
        return None if loaded is None else Configured(chosen.component, loaded, chosen.component.prepare(loaded, self.dim))

    def _modifiers(self) -> Modifiers:
        """Return how gradients are clipped and iterates decay."""
        part = self.model.optimizer
        for name, needed in (("clip_eps", "clip_norm"), ("decay_form", "weight_decay")):
            if getattr(part, name) is not None and getattr(part, needed) is None:
                self._complain(("optimizer", name), f"has no effect without {needed}")
        l2, decay = (part.weight_decay if (part.decay_form == "l2") is wanted else None for wanted in (True, False))
        return Modifiers(part.clip_value, part.clip_norm, part.clip_eps or 0.0, l2 or None, decay or None)

    @cached_property
    def _domain(self) -> tuple[Array, Array] | None:
        """The least and the largest iterates, (dim,) each; None if all numbers are allowed."""
        domain, path = self.model.domain, ("domain",)
        if domain is None:
            return None
        pairs = domain if isinstance(domain[0], tuple) else (domain,)
        if len(pairs) not in (1, self.dim) or (isinstance(domain[0], tuple) and len(pairs) != self.dim):
            self._complain(path, f"has {count(len(pairs), 'pair')} for an objective of dim {self.dim}", DOMAIN)
            return None
        for k, (low, high) in enumerate(pairs):
            if low is not None and high is not None and low > high:
                self._complain(path if pairs != domain else (*path, k), f"low is {low:g}, which is above high, {high:g}")
        ends = ((-np.inf if low is None else low, np.inf if high is None else high) for low, high in pairs)
        low, high = (np.broadcast_to(np.array(end), (self.dim,)).copy() for end in zip(*ends, strict=True))
        return low, high

    def _choose_iterates(self) -> Iterates:
        """Return the iterates that are measured, the last one first."""
        wanted, steps = self.model.iterates, self.model.steps
        averages, labels, own = [], ["last"], False
        for k, part in enumerate(wanted or ()):
            component, h = self._choose("iterate", part)
            label = component.name
            if k == 0 and label != "last":
                self._complain(("iterates", 0), f"is {label}; the last iterate comes first", "last")
            if component.own and self._choose("optimizer", self.model.optimizer).component.own is None:
                self._complain(("iterates", k), f"{self.model.optimizer.name} has no iterate of its own")
            if k > 0:
                label = self._label_of_iterate(component, part, labels, k)
                labels.append(label)
                own = own or component.own
            if component.weight:
                averages.append(Average(label, partial(_weights, component, h, steps)))
        if own:  # the engine has it after the averages
            labels = [*(label for label in labels if label != "own"), "own"]
        return Iterates(tuple(averages), own, tuple(labels))

    def _label_of_iterate(self, component: Iterate, part: Any, labels: list[str], k: int) -> str:
        """Return the name of an iterate in tables: that of its component, with what differs where there are several."""
        same = sum(other.name == component.name for other in self.model.iterates)
        h = parameters_from(component, part)
        label = str(component.name) if same == 1 else " ".join([component.name, *(f"{value:g}" for value in h)])
        if label in labels:
            self._complain(("iterates", k), f"duplicate iterate {label}")
        return label

    def _has_parts(self) -> bool:
        """Whether more happens in a step than the rule says, or data depend on the step."""
        model = self.model
        of_data = (getattr(model.objective.data, name, None) for name in ("order", "hold", "drift"))
        of_rule = (getattr(model.optimizer, name) for name in ("clip_value", "clip_norm", "weight_decay"))
        return any(part is not None for part in (model.domain, model.objective.gradient_noise, *of_data, *of_rule))

    def _bind_quantities(self, xi: Sequence[str], record: NDArray[np.int64]) -> tuple[Asked, ...]:
        """Return the quantities that are measured; complain about those that the experiment does not have."""
        component = self.objective.component
        learning, exact, best = self.learning, True, True
        if self.model.quantities and not self.problems:
            exact = self._knows_loss()
            best = (exact or learning is not None) and self._best is not None
        held_out = learning is not None and learning.held_out[0].shape[1] > 0
        setting = quantities.Setting(component, best, exact, held_out, xi, record, self.model.steps, self.dim)
        asked, wrong = quantities.bind(self.model.quantities, self.document.catalogue, setting)
        for one in wrong:
            self._complain(*one)
        return asked

    def _knows_loss(self) -> bool:
        """Whether the expected loss is known exactly, up to a constant."""
        component, h = self.objective
        if self.learning:
            return (
                quantities.exact_examples(component, h, known(component, self._examples(), self.loaded, self._law)) is not None
            )
        if getattr(getattr(self.model.objective, "data", None), "drift", None):
            return False  # F is another one at each step
        return not component.mean_is_enough or self._law is None or self._law.has_mean

    @cached_property
    def _best(self) -> Array | None:
        """A point at which the mean loss is least, shape (dim,): the minimizer, or one of several; None if none is known."""
        stated, component = self._stated_minimizer(), self.objective.component
        if stated is not None or self.learning or component.on_orbit is not None or self._law is None:
            return stated
        points = [lowest(own)[0].low if own else np.nan for own in self.minima]
        return np.array(points) if np.isfinite(points).all() else None

    def _stopping_rule(self) -> Stopping | None:
        """Return when a run has enough paths; None if their number is fixed."""
        rule = self.model.paths
        return None if isinstance(rule, int) else Stopping(rule.min, rule.target, rule.of)

    def _check_stopping(self) -> None:
        """Complain if the number of paths depends on a floor that is not measured."""
        rule = self._stopping_rule()
        if rule and rule.of != "mse" and not getattr(self.model.floors, rule.of):
            self._complain(("paths", "of"), f"the {rule.of} floor is not measured", f"floors: {{{rule.of}: true}}")

    def _examples(self) -> Dataset:
        """Return what a coupled objective learns from: a data set, or vectors of a data law."""
        data = self.data.component
        return vectors(data, self._numbers) if isinstance(data, Distribution) else data

    @cached_property
    def _numbers(self) -> int:
        """How many numbers a datum of a data law has: one for each coordinate, or column, or as the objective says."""
        component, h = self.objective
        if not isinstance(component, Coupled) or component.numbers is None:
            return self._find_dim()
        return int(self.data.component.dim(self.data.parameters) or component.numbers(h))

    @cached_property
    def _law(self) -> Law | None:
        """The moments and bounds of the data, one for each coordinate; None of others. Raises PluginError for a wrong shape."""
        if not isinstance(self.data.component, Distribution) or getattr(self.objective.component, "numbers", None):
            return None
        make: Callable[..., Law] = self.data.component.law
        law = make(self.loaded, self.dim)
        if not isinstance(law, Law) or any(getattr(moment, "shape", None) != (self.dim,) for moment in law.arrays().values()):
            raise refusal(make, f"law must return Law, its moments and bounds arrays of {self.dim} numbers")
        return law

    @cached_property
    def minima(self) -> tuple[Minima, ...]:
        """The local minima of each coordinate; none for an objective that is made for its optimizer."""
        (objective, h), data = self.objective, self.data.component
        if self.learning:
            point = self._stated_minimizer()
            return ((),) * self.dim if point is None else tuple((Minimum(at, at),) for at in point.tolist())
        if objective.on_orbit is not None or self._law is None:
            return ((),) * self.dim
        self._stated_minimizer()  # of the right shape
        bound = Configured(objective, h, objective.prepare(h, self.dim))
        return find_minima(bound, Configured(data, self.loaded, data.prepare(self.loaded, self.dim)), self._law, self._domain)

    @property
    def seeks(self) -> bool:
        """Whether the objective states that its minima are to be looked for, or that there may be several."""
        return isinstance(self.objective.component, Objective) and self.objective.component.minima is not None

    def _needs_minima(self, xi: Sequence[str]) -> bool:
        """Return whether the minima are of use: the objective has several, or a xi of the config rests on them."""
        return self.seeks or "nearest_minimum" in xi or ("minimizer" in xi and self._stated_minimizer() is None)

    def _stated_minimizer(self) -> Array | None:
        """Return the minimizer that the objective has in closed form, shape (dim,); None if it has none. Raises PluginError.

        None as well where it is not finite, or outside of the domain.
        """
        make: Callable[..., Array] | None = self.objective.component.minimizer
        if self.learning:
            return None if isinstance(self._coupled_minimizer, str) else self._coupled_minimizer
        if make is None:
            return None
        point = make(self.objective.parameters, self._law)
        if getattr(point, "shape", None) != (self.dim,):
            raise refusal(make, f"minimizer must return an array of {self.dim} numbers")
        return point if np.isfinite(point).all() and self._is_inside(point) else None

    def _is_inside(self, point: Array) -> bool:
        """Return whether a point (dim,) is in the domain."""
        return self._domain is None or bool(np.all((self._domain[0] <= point) & (point <= self._domain[1])))

    def _find_minimizer(self, wanted: bool) -> Array | None:
        """Return the one minimizer, shape (dim,): in closed form or, if it is wanted, found numerically; None without one."""
        stated = self._stated_minimizer()
        # On a domain that it is outside of, the minimizer that an objective states is at an end.
        moved = self._domain is not None and self.objective.component.minimizer is not None
        return unique_minimizer(self.minima) if stated is None and (wanted or self.seeks or moved) else stated

    @cached_property
    def _coupled_minimizer(self) -> Array | str:
        """The minimizer of a coupled objective, shape (dim,), or why there is none. Raises PluginError."""
        (component, h), learning = self.objective, self.learning
        if component.minimizer is None or learning is None or self.problems:
            return ""
        examples = known(component, self._examples(), self.loaded, self._law)
        point: Array | str = component.minimizer(h, learning.shape, examples)
        if not isinstance(point, str) and getattr(point, "shape", None) != (self.dim,):
            raise refusal(component.minimizer, f"minimizer must return an array of {self.dim} numbers, or a text")
        if self._domain is None or (not isinstance(point, str) and self._is_inside(point)):
            return point
        exact = quantities.exact_examples(component, h, examples)
        if exact is not None and not np.isfinite(exact[1]).all():
            return point  # the data have no mean
        start = np.zeros(self.dim) if isinstance(point, str) else point
        bound = Configured(component, h, component.prepare(h, learning.shape))
        return minimizer_on(bound, learning.shape, learning.work, exact, start, self._domain)

    def _fill_in_digests(self) -> None:
        """Pin each plug-in by its digest: the identity depends on its content, not on its path."""
        for entry, plugin in zip(self.resolved.get("plugins", []), self.document.catalogue.plugins, strict=True):
            entry["sha256"] = plugin.pin

    def _check_snapshots(self, recorded: int, with_floors: int) -> None:
        """Complain where even the smallest block does not fit into memory."""
        most = MOST_SNAPSHOT_BYTES // (8 * SMALLEST_BLOCK * self.dim)
        if most == 0:
            allowed = f"at most {MOST_SNAPSHOT_BYTES // (8 * SMALLEST_BLOCK)} coordinates"
            self._complain(("objective",), f"{self.dim} coordinates do not fit into memory", allowed)
        elif recorded > most:
            what = f"{recorded} recorded steps of {count(self.dim, 'coordinate')} do not fit into memory"
            key = next((key for key in ("every", "steps") if getattr(self.model.record, key)), "points")
            self._complain(("record", key), what, f"at most {most} {'points' if key == 'points' else 'steps'} with this dim")
        elif with_floors > most:
            what = f"need {with_floors} steps of {count(self.dim, 'coordinate')}, which do not fit into memory"
            self._complain(("floors",), what, "floors: {twin: false, window: false, cauchy: false} with this dim")

    def _check_values(self, kind: str, schedule: Chosen, path: KeyPath = ()) -> None:
        """Complain if a schedule is at some step of the run not what its kind takes. path: where it is; its kind by default."""
        misfit = find_misfit(kind, schedule, self.model.steps)
        if misfit:
            step, value = misfit
            self._complain((*(path or (kind,)), "value"), f"is {value:.6g} at step {step}", FITS[kind].words)

    def _choose_decays(self) -> list[Chosen]:
        """Return the decays of the optimizer that are schedules, and complain where one is none at some step of the run."""
        rule = self._choose("optimizer", self.model.optimizer).parameters
        decays = {name: value for name, value in rule._asdict().items() if isinstance(value, Chosen)}
        for name, decay in decays.items():
            self._check_values("decay", decay, ("optimizer", name))
        return list(decays.values())

    def _check_table_size(self) -> None:
        """Complain where the tables of a discrete law, one per coordinate, do not fit into memory."""
        values = getattr(self.data.parameters, "values", ())
        points = len(values) if isinstance(values, tuple) and isinstance(self.data.component, Distribution) else 0
        if points * self.dim > MOST_TABLE_NUMBERS:
            self._complain((*DATA_PATH, "values"), f"{points} points for each of {self.dim} coordinates do not fit into memory")

    def _complain(self, path: KeyPath, message: str, allowed: str = "", nearest: str = "") -> None:
        """Add a problem with the place of a path in the config."""
        self.problems.append(Problem(message, self.document.place(path), dotted(path), allowed, nearest))

    def _choose(self, kind: str, part: Any) -> Chosen:
        """Return the component that a part of the config names, with its parameters."""
        component = self.document.catalogue[kind][part.name]
        parameters = parameters_from(component, part)
        if isinstance(component, Distribution | Optimizer):
            component = component.form(parameters) or component
        return Chosen(component, parameters)

    def _complete(self, chosen: Chosen, path: KeyPath) -> Chosen:
        """Return a component with what only code can find filled in, also in the resolved config, and its functions made."""
        component, h = chosen
        if component.complete:
            try:
                h = component.complete(h)
            except Unusable as error:
                for complaint in error.complaints:
                    self.problems.append(problem_of(self.document, path, complaint))
                return chosen
            held: Any = self.resolved
            for name in path:
                held = held[name]
            new = {name: value for name, value in h._asdict().items() if value != getattr(chosen.parameters, name)}
            held.update({name: list(value) if isinstance(value, tuple) else value for name, value in new.items()})
        return Chosen(component.made(h) if getattr(component, "made", None) else component, h)

    @property
    def _size(self) -> Any:
        """What an objective is prepared for: the shape of its examples, or its dimension."""
        return self.learning.shape if self.learning else self.dim

    def _choose_data(self, kind: str) -> Chosen:
        """Return the data of the objective; `NOTHING` for an objective without data."""
        return self._choose(kind, self.model.objective.data) if _has_data(self.model) else Chosen(NOTHING, Nothing())

    def _load(self, chosen: Chosen, path: KeyPath, dim: int = 0) -> Any:
        """Return the parameters as the component's functions take them; None where a file has problems.

        The digest of a file goes into the resolved config, so that the identity depends on what the file holds.
        """
        found, digest = self.sources.load(chosen, path, dim)
        if digest:
            held: Any = self.resolved
            for name in path:
                held = held[name]
            held["sha256"] = digest
        return found

    def _find_dim(self) -> int:
        """Return the number of coordinates: of the network, of the columns of the data, or as the config says."""
        if self.learning:
            return self.groups[-1].last
        given, wanted = getattr(self.model.objective, "dim", 1), self.data.component.dim(self.data.parameters)
        if wanted is None or given == wanted:
            return int(given)
        if not hasattr(self.model.objective, "dim"):
            what = f"{self.model.objective.name} has one coordinate, but the data have {count(wanted, 'column')}"
            self._complain(("objective", "data"), what, "one column")
            return 1
        if "dim" in self.model.objective.model_fields_set:
            self._complain(
                ("objective", "dim"), f"is {given}, but the data have {count(wanted, 'column')}", f"{wanted}, or leave dim out"
            )
        self.resolved["objective"]["dim"] = wanted
        return int(wanted)

    def _expand_vector(self, value: Any, path: KeyPath) -> Array:
        """Return dim numbers, shape (dim,), from a number for every coordinate or from dim of them."""
        numbers = np.asarray(value, dtype=np.float64)
        if numbers.ndim and len(numbers) != self.dim:
            wanted = f"a number, or {self.dim} numbers" if self.dim > 1 else "a number"
            self._complain(path, f"has {count(len(numbers), 'number')} for an objective of dim {self.dim}", wanted)
            return np.zeros(self.dim)
        return np.broadcast_to(numbers, (self.dim,)).copy()

    def _choose_start(self) -> Array | Chosen:
        """Return the start: a point, shape (dim,), or a distribution that is drawn for each path.

        A network without `start` begins with He's initialisation: at 0 all its units would stay equal.
        """
        start = self.model.start
        if self.learning and not self.objective.component.starts_at_zero and "start" not in self.model.model_fields_set:
            start = component_model("start", self.document.catalogue["start"]["he"])(name="he")
            self.resolved["start"] = start.model_dump(mode="json")
            # As if it had been written, so that the identity is that of the resolved config.
            self.model = self.model.model_copy(update={"start": start})
        if not isinstance(start, BaseModel):
            return self._expand_vector(start, ("start",))
        component, parameters = chosen = self._choose("start", start)
        if isinstance(component, Initialisation):
            return self._choose_initialisation(component, parameters)
        parameters = self._load(chosen, ("start",), self.dim)
        if isinstance(component, Point):
            return np.zeros(self.dim) if parameters is None else component.point(parameters)
        return Chosen(component, parameters)

    def _choose_initialisation(self, component: Initialisation, parameters: Any) -> Array | Chosen:
        """Return the law of a network's weights at the start."""
        if not any(group.fan_in for group in self.groups) and (not self.learning or self.objective.component.starts_at_zero):
            what = f"{component.name} draws weights by the widths of layers, which {self._name} does not have"
            self._complain(("start",), what, choices(self.document.catalogue, "start").partition(";")[0])
            return np.zeros(self.dim)
        return Chosen(DRAWN[parameters.law], spread(component, parameters, self.groups))

    @property
    def _name(self) -> str:
        return str(self.objective.component.name)

    def _list_coordinates(self) -> tuple[tuple[int, str], ...]:
        """Return which coordinates of a path are kept, as pairs of number from 0 on and name; none for all."""
        wanted = self.model.record.coordinates
        if wanted is None:
            return tuple((k, coordinate_name(k, self.groups)) for k in first_of_each(self.groups))
        found: dict[int, str] = {}
        for at, value in enumerate(wanted):
            k = coordinate_of(value, self.groups, self.dim)
            if k is None:
                self._complain_of_coordinate(value, at)
            elif k in found:
                self._complain(("record", "coordinates", at), f"duplicate coordinate {found[k]}")
            else:
                found[k] = coordinate_name(k, self.groups)
        self.resolved["record"]["coordinates"] = [name if self.groups else k + 1 for k, name in found.items()]
        return tuple(found.items())

    def _complain_of_coordinate(self, value: str | int, at: int) -> None:
        """Complain about an entry of record.coordinates that is no coordinate."""
        names = [group.name for group in self.groups]
        group = str(value).partition("[")[0]
        near = "" if group in names else nearest(group, names)
        what = f"there is no coordinate {value} of {self.dim}"
        self._complain(("record", "coordinates", at), what, list_coordinates(self.groups, self.dim), near)

    def _check_adam_zero(self, path: KeyPath) -> None:
        """Complain unless theory.predictions can compute the zero of Adam's vector field for this config."""
        rule, h = self._choose("optimizer", self.model.optimizer)
        if rule is not ADAM or self.objective.component is not QUADRATIC:
            self._complain(path, f"adam_zero is known for adam on quadratic, not for {rule.name} on {self._name}")
        elif self._choose("batch_size", self.model.batch_size).component is not CONSTANT_BATCH:
            self._complain(path, "adam_zero depends on the batch size, which must be constant")
        elif not is_fixed(h):
            self._complain(path, "adam_zero needs decays that are numbers")
        elif h.beta1 > 0 and h.beta1**2 >= h.beta2:
            self._complain(path, "adam_zero needs beta1 < sqrt(beta2)")
        elif self._has_parts():
            self._complain(path, "adam_zero is known for adam without clipping, decay or domain, on data as drawn")

    def _list_xi(self) -> tuple[Xi, ...]:
        """Return the candidates for the limit, each once.

        An objective without one known minimizer has other ones by default.
        """
        found: dict[str, Xi] = {}
        wanted, sound = self.model.xi, not self.problems
        if "xi" not in self.model.model_fields_set and self._default_xi() != wanted:
            wanted = self._default_xi()
            self.resolved["xi"] = list(wanted)
        for k, value in enumerate(wanted):
            path = ("xi", k)
            if value in MINIMA:
                self._check_minima(value, path, sound)
            if value == "adam_zero":
                self._check_adam_zero(path)
            xi = Xi(value, None) if isinstance(value, str) else Xi(label(value), self._expand_vector(value, path))
            if xi.label in found:
                self._complain(path, f"duplicate xi {xi.label}; first given as xi[{[*found].index(xi.label)}]")
            found[xi.label] = xi
        return tuple(found.values())

    def _default_xi(self) -> tuple[str, ...]:
        """Return the candidates of a config that names none: the minimizer, if there is one."""
        if not (self.seeks or self.objective.component.minimizer):
            return ("path_mean", "last") if self.learning else ("start",)
        # A config with problems is refused, whatever this is.
        if self.problems or self._find_minimizer(wanted=False) is not None:
            return ("minimizer",)
        if self.learning:
            return ("path_mean", "last")
        return ("nearest_minimum",) if self.seeks and all(self.minima) else ("start",)

    def _check_minima(self, value: str, path: KeyPath, sound: bool) -> None:
        """Complain unless there is a minimizer, or for nearest_minimum a minimum; sound: whether the data are known."""
        name, others = self._name, "start, path_mean, last, a number, a list of dim numbers"
        if self.learning or self.objective.component.on_orbit is not None:
            why = self._coupled_minimizer if self.learning else ""
            if isinstance(why, str) and (sound or self.objective.component.minimizer is None):
                self._complain(path, f"{name} has no {why and 'known '}minimizer{why and f': {why}'}", others)
        elif sound and self._law and (value == "nearest_minimum" or self._find_minimizer(wanted=True) is None):
            what, allowed = complaint_of(name, value, self.minima, self._law, self._domain)
            if what:
                self._complain(path, what, f"{allowed}{others}")


def _kind_of_data(objective: Any) -> str:
    """Return the kind of component that an objective takes as its data: data or dataset."""
    return next((p.kind for p in parameters_of(objective.parameters) if p.name == "data" and p.kind), "data")


def _has_data(model: Any) -> bool:
    """Whether the objective takes data."""
    return getattr(model.objective, "data", None) is not None


def _check_statements(optimizer: Chosen) -> None:
    """Try what the verdict will ask of the optimizer, before paths are simulated in vain. Raises PluginError."""
    rule, h = optimizer
    n = np.array([1.0, 2.0, 1e6])
    if getattr(rule.relative_size(h, n.copy()), "shape", None) != n.shape:
        raise refusal(rule.relative_size, "relative_size must return an array of the shape of n")
    if not isinstance(rule.can_be_undefined(h), bool | np.bool_):
        raise refusal(rule.can_be_undefined, "can_be_undefined must return True or False")
    if not isinstance(rule.bounded_direction(h), bool | np.bool_):
        raise refusal(rule.bounded_direction, "bounded_direction must return True or False")
    if rule.squares:
        keeps, divisor = rule.squares.keeps(h), rule.squares.divisor(h)
        if not isinstance(keeps, float | int) or not 0.0 <= keeps <= 1.0:
            raise refusal(rule.squares.keeps, f"keeps of squares must return a number from 0 to 1, got {keeps!r}")
        if not isinstance(divisor, float | int) or not divisor >= 0.0:
            raise refusal(rule.squares.divisor, f"divisor of squares must return a number of at least 0, got {divisor!r}")
