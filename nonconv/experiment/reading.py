"""What a config names, loaded: components with their parameters, the data, the coordinates; and what is wrong with it.

What needs more than one part of a config is checked here and in the modules that take a `Reading`. Problems are collected
with their places. What the config leaves out and only other parts determine is filled in.
"""

from collections.abc import Callable, Hashable
from functools import cached_property, lru_cache, partial
from typing import Any, cast

import numpy as np

from nonconv.components.definitions import Chosen, Coupled, Dataset, Distribution, Law, Optimizer, Unusable
from nonconv.components.parameters import parameters_of
from nonconv.config.document import Document, KeyPath, dotted
from nonconv.config.figures import STYLE_FILE, from_file, parse_labels, parse_style
from nonconv.config.spec import parameters_from
from nonconv.config.validate import problem_of, refuse
from nonconv.data.nothing import NOTHING, Nothing
from nonconv.datasets.vector import vectors
from nonconv.engine.program import Learning
from nonconv.experiment.identity import plain
from nonconv.experiment.networks import bind
from nonconv.experiment.schedules import FITS, find_misfit
from nonconv.experiment.sources import DATA_PATH, Sources
from nonconv.faults.blame import refusal
from nonconv.faults.problems import Problem
from nonconv.numerics.arithmetic import Array
from nonconv.system.words import count


class Reading:
    """A validated config with its components and data.

    resolved: the config as plain data, filled in on the way. problems: what is wrong. sources: the files that components load.
    loaded: the parameters of the data as their functions take them; None where a file has problems. learning: what only
    objectives on examples have. groups: of the coordinates of a network, which elsewhere are numbered. dim: how many there are.
    """

    def __init__(self, document: Document, model: Any) -> None:
        self.document, self.model = document, model
        self.problems: list[Problem] = []
        self.resolved = plain(model)
        if self.resolved["objective"].get("data", {}) is None:
            del self.resolved["objective"]["data"]  # as a config without the key says
        self._fill_in_digests()
        self._fill_in_figures()
        self.sources = Sources(document, model.seed, self.problems)
        self.objective = self._complete(self.choose("objective", model.objective), ("objective",))
        self.data = self._choose_data(_kind_of_data(self.objective.component))
        self.loaded = self.load(self.data, DATA_PATH)
        self.learning: Learning | None = None
        if isinstance(self.objective.component, Coupled):
            refuse(self.problems if self.loaded is None else ())  # without data the coordinates are not known
            self.learning = bind(self.objective, self.examples(), self.loaded, self.sources)
            self._check_moments()
        # Coordinates come in groups only for a network; elsewhere they are numbered.
        self.groups = self.learning.groups if self.learning else ()
        self.dim = self._find_dim()
        # Only checked here: the objective itself spreads a single number over the coordinates.
        self.vector(getattr(model.objective, "scale", 1.0), ("objective", "scale"))
        for name, value in getattr(model.objective, "constants", {}).items():
            self.vector(value, ("objective", "constants", name))

    def _fill_in_digests(self) -> None:
        """Pin each plug-in by its digest: the identity depends on its content, not on its path."""
        for entry, plugin in zip(self.resolved.get("plugins", []), self.document.catalogue.plugins, strict=True):
            entry["sha256"] = plugin.pin

    def _fill_in_figures(self) -> None:
        """Put what the files of `figures` hold in the place of their names, so that figures can be drawn again without them."""
        block = self.resolved.get("figures", {})
        for key, parsed in (("style", parse_style), ("labels", partial(parse_labels, source=block.get("labels")))):
            named = block.get(key)
            if isinstance(named, str) and (key == "labels" or named.endswith(STYLE_FILE)):
                try:
                    block[key] = from_file(named, lambda name: self.document.content(self.document.locate(name)), parsed)
                except ValueError as error:
                    self.complain(("figures", key), str(error))

    def complain(self, path: KeyPath, message: str, allowed: str = "", nearest: str = "") -> None:
        """Add a problem with the place of a path in the config."""
        self.problems.append(Problem(message, self.document.place(path), dotted(path), allowed, nearest))

    def choose(self, kind: str, part: Any) -> Chosen:
        """Return the component that a part of the config names, with its parameters."""
        component = self.document.catalogue[kind][part.name]
        parameters = parameters_from(component, part)
        if isinstance(component, Distribution | Optimizer):
            component = component.form(parameters) or component
        return Chosen(component, parameters)

    def _choose_data(self, kind: str) -> Chosen:
        """Return the data of the objective; `NOTHING` for an objective without data."""
        return self.choose(kind, self.model.objective.data) if _has_data(self.model) else Chosen(NOTHING, Nothing())

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

    def load(self, chosen: Chosen, path: KeyPath, dim: int = 0) -> Any:
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
            self.complain(("objective", "data"), what, "one column")
            return 1
        if "dim" in self.model.objective.model_fields_set:
            self.complain(
                ("objective", "dim"), f"is {given}, but the data have {count(wanted, 'column')}", f"{wanted}, or leave dim out"
            )
        self.resolved["objective"]["dim"] = wanted
        return int(wanted)

    def vector(self, value: Any, path: KeyPath) -> Array:
        """Return dim numbers, shape (dim,), from a number for every coordinate or from dim of them."""
        numbers = np.asarray(value, dtype=np.float64)
        if numbers.ndim and len(numbers) != self.dim:
            wanted = f"a number, or {self.dim} numbers" if self.dim > 1 else "a number"
            self.complain(path, f"has {count(len(numbers), 'number')} for an objective of dim {self.dim}", wanted)
            return np.zeros(self.dim)
        return np.broadcast_to(numbers, (self.dim,)).copy()

    def check_values(self, kind: str, schedule: Chosen, path: KeyPath = ()) -> None:
        """Complain if a schedule is at some step of the run not what its kind takes. path: where it is; its kind by default."""
        misfit = find_misfit(kind, schedule, self.model.steps)
        if misfit:
            step, value = misfit
            self.complain((*(path or (kind,)), "value"), f"is {value:.6g} at step {step}", FITS[kind].words)

    def _check_moments(self) -> None:
        """Complain of data without all moments where it is not known what the objective makes of them."""
        data = self.data.component
        if self.objective.component.numbers and isinstance(data, Distribution) and not self.problems:
            law = data.law(self.loaded, self.numbers)
            if law.finite_moments != np.inf:
                what = f"{data.name} has no moments of high order, and which moments {self.name} then has is not known"
                self.complain(DATA_PATH, what, "a law with all moments, as a bounded one or normal; or gradient_noise")

    def examples(self) -> Dataset:
        """Return what a coupled objective learns from: a data set, or vectors of a data law."""
        data = self.data.component
        return vectors(data, self.numbers) if isinstance(data, Distribution) else data

    @cached_property
    def numbers(self) -> int:
        """How many numbers a datum of a data law has: one for each coordinate, or column, or as the objective says."""
        component, h = self.objective
        if not isinstance(component, Coupled) or component.numbers is None:
            return self._find_dim()
        return int(self.data.component.dim(self.data.parameters) or component.numbers(h))

    @cached_property
    def law(self) -> Law | None:
        """The moments and bounds of the data, one for each coordinate; None of others. Raises PluginError for a wrong shape."""
        if not isinstance(self.data.component, Distribution) or getattr(self.objective.component, "numbers", None):
            return None
        make: Callable[..., Law] = self.data.component.law
        law = _find_law(make, self.loaded, self.dim)
        if not isinstance(law, Law) or any(getattr(moment, "shape", None) != (self.dim,) for moment in law.arrays().values()):
            raise refusal(make, f"law must return Law, its moments and bounds arrays of {self.dim} numbers")
        return law

    @property
    def size(self) -> Any:
        """What an objective is prepared for: the shape of its examples, or its dimension."""
        return self.learning.shape if self.learning else self.dim

    @property
    def name(self) -> str:
        return str(self.objective.component.name)


def _find_law(make: Callable[..., Law], h: Any, dim: int) -> Any:
    """Return what a component's `law` returns. Where the parameters hold no arrays, cells of a sweep share it."""
    try:
        return _find_law_once(make, h, repr(h), dim)
    except TypeError:  # arrays have no hash
        return _unchanging(make(h, dim))


@lru_cache(maxsize=8)
def _find_law_once(make: Callable[..., Law], h: Any, written: str, dim: int) -> Any:
    """Do as `_find_law`. written: parameters that are equal, but written differently, as -0.0 and 0.0, are not the same."""
    return _unchanging(make(h, dim))


def _unchanging(law: Any) -> Any:
    """Return a law with arrays of its own that nobody can change: what is found from it is shared."""
    if not isinstance(law, Law):
        return law
    own: dict[str, Any] = {name: np.array(array) for name, array in law.arrays().items()}
    for array in own.values():
        array.flags.writeable = False
    return law._replace(**own)


def _kind_of_data(objective: Any) -> str:
    """Return the kind of component that an objective takes as its data: data or dataset."""
    return _kind_in(objective.parameters)


@lru_cache(maxsize=256)
def _kind_in(parameters: Hashable) -> str:
    """Return the kind of the parameter `data`. Cached, for it is the same in all cells of a sweep."""
    return next((p.kind for p in parameters_of(cast(type[Any], parameters)) if p.name == "data" and p.kind), "data")


def _has_data(model: Any) -> bool:
    """Whether the objective takes data."""
    return getattr(model.objective, "data", None) is not None
