"""The candidates for a limit, and the minima that some of them rest on."""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from nonconv.components.definitions import Configured, Objective
from nonconv.config.document import KeyPath
from nonconv.config.expect import label
from nonconv.experiment import quantities
from nonconv.experiment.cell import Xi, known
from nonconv.experiment.constrained import minimizer_on
from nonconv.experiment.minima import Minima, Minimum, complaint_of, find_minima, lowest, unique_minimizer
from nonconv.experiment.reading import Reading
from nonconv.experiment.step_parts import has_parts
from nonconv.faults.blame import refusal
from nonconv.numerics.arithmetic import Array
from nonconv.objectives.quadratic import QUADRATIC
from nonconv.optimizers.adam import ADAM
from nonconv.optimizers.averages import is_fixed
from nonconv.schedules.batch_size import CONSTANT as CONSTANT_BATCH

MINIMA = ("minimizer", "nearest_minimum")
"""The xi that minima are looked for, where the objective does not state them."""


class Candidates:
    """The candidates of a config. domain: the least and the largest iterates, (dim,) each; None for all numbers."""

    def __init__(self, config: Reading, domain: tuple[Array, Array] | None) -> None:
        self.config, self.domain = config, domain

    def list_xi(self) -> tuple[Xi, ...]:
        """Return the candidates for the limit, each once.

        An objective without one known minimizer has other ones by default.
        """
        found: dict[str, Xi] = {}
        wanted, sound = self.config.model.xi, not self.config.problems
        if "xi" not in self.config.model.model_fields_set and self._default_xi() != wanted:
            wanted = self._default_xi()
            self.config.resolved["xi"] = list(wanted)
        for k, value in enumerate(wanted):
            path = ("xi", k)
            if value in MINIMA:
                self._check_minima(value, path, sound)
            if value == "adam_zero":
                self._check_adam_zero(path)
            xi = Xi(value, None) if isinstance(value, str) else Xi(label(value), self.config.vector(value, path))
            if xi.label in found:
                self.config.complain(path, f"duplicate xi {xi.label}; first given as xi[{[*found].index(xi.label)}]")
            found[xi.label] = xi
        return tuple(found.values())

    def _default_xi(self) -> tuple[str, ...]:
        """Return the candidates of a config that names none: the minimizer, if there is one."""
        if not (self.seeks or self.config.objective.component.minimizer):
            return ("path_mean", "last") if self.config.learning else ("start",)
        # A config with problems is refused, whatever this is.
        if self.config.problems or self.find_minimizer(wanted=False) is not None:
            return ("minimizer",)
        if self.config.learning:
            return ("path_mean", "last")
        return ("nearest_minimum",) if self.seeks and all(self.minima) else ("start",)

    def _check_minima(self, value: str, path: KeyPath, sound: bool) -> None:
        """Complain unless there is a minimizer, or for nearest_minimum a minimum; sound: whether the data are known."""
        name, others = self.config.name, "start, path_mean, last, a number, a list of dim numbers"
        if self.config.learning or self.config.objective.component.on_orbit is not None:
            why = self._coupled_minimizer if self.config.learning else ""
            if isinstance(why, str) and (sound or self.config.objective.component.minimizer is None):
                self.config.complain(path, f"{name} has no {why and 'known '}minimizer{why and f': {why}'}", others)
        elif sound and self.config.law and (value == "nearest_minimum" or self.find_minimizer(wanted=True) is None):
            what, allowed = complaint_of(name, value, self.minima, self.config.law, self.domain)
            if what:
                self.config.complain(path, what, f"{allowed}{others}")

    def _check_adam_zero(self, path: KeyPath) -> None:
        """Complain unless theory.predictions can compute the zero of Adam's vector field for this config."""
        rule, h = self.config.choose("optimizer", self.config.model.optimizer)
        if rule is not ADAM or self.config.objective.component is not QUADRATIC:
            self.config.complain(path, f"adam_zero is known for adam on quadratic, not for {rule.name} on {self.config.name}")
        elif self.config.choose("batch_size", self.config.model.batch_size).component is not CONSTANT_BATCH:
            self.config.complain(path, "adam_zero depends on the batch size, which must be constant")
        elif not is_fixed(h):
            self.config.complain(path, "adam_zero needs decays that are numbers")
        elif h.beta1 > 0 and h.beta1**2 >= h.beta2:
            self.config.complain(path, "adam_zero needs beta1 < sqrt(beta2)")
        elif has_parts(self.config):
            self.config.complain(path, "adam_zero is known for adam without clipping, decay or domain, on data as drawn")

    @cached_property
    def minima(self) -> tuple[Minima, ...]:
        """The local minima of each coordinate; none for an objective that is made for its optimizer."""
        config = self.config
        (objective, h), data = config.objective, config.data.component
        if config.learning:
            point = self._stated_minimizer()
            return ((),) * config.dim if point is None else tuple((Minimum(at, at),) for at in point.tolist())
        if objective.on_orbit is not None or config.law is None:
            return ((),) * config.dim
        self._stated_minimizer()  # of the right shape
        bound = Configured(objective, h, objective.prepare(h, config.dim))
        law = Configured(data, config.loaded, data.prepare(config.loaded, config.dim))
        return find_minima(bound, law, config.law, self.domain)

    @property
    def seeks(self) -> bool:
        """Whether the objective states that its minima are to be looked for, or that there may be several."""
        return isinstance(self.config.objective.component, Objective) and self.config.objective.component.minima is not None

    def needs_minima(self, xi: Sequence[str]) -> bool:
        """Return whether the minima are of use: the objective has several, or a xi of the config rests on them."""
        return self.seeks or "nearest_minimum" in xi or ("minimizer" in xi and self._stated_minimizer() is None)

    def find_minimizer(self, wanted: bool) -> Array | None:
        """Return the one minimizer, shape (dim,): in closed form or, if it is wanted, found numerically; None without one."""
        stated = self._stated_minimizer()
        # On a domain that it is outside of, the minimizer that an objective states is at an end.
        moved = self.domain is not None and self.config.objective.component.minimizer is not None
        return unique_minimizer(self.minima) if stated is None and (wanted or self.seeks or moved) else stated

    def _stated_minimizer(self) -> Array | None:
        """Return the minimizer that the objective has in closed form, shape (dim,); None if it has none. Raises PluginError.

        None as well where it is not finite, or outside of the domain.
        """
        return self._stated

    @cached_property
    def _stated(self) -> Array | None:
        """What `_stated_minimizer` returns."""
        make: Callable[..., Array] | None = self.config.objective.component.minimizer
        if self.config.learning:
            return None if isinstance(self._coupled_minimizer, str) else self._coupled_minimizer
        if make is None:
            return None
        point = make(self.config.objective.parameters, self.config.law)
        if getattr(point, "shape", None) != (self.config.dim,):
            raise refusal(make, f"minimizer must return an array of {self.config.dim} numbers")
        return point if np.isfinite(point).all() and self._is_inside(point) else None

    @cached_property
    def _coupled_minimizer(self) -> Array | str:
        """The minimizer of a coupled objective, shape (dim,), or why there is none. Raises PluginError."""
        (component, h), learning = self.config.objective, self.config.learning
        if component.minimizer is None or learning is None or self.config.problems:
            return ""
        examples = known(component, self.config.examples(), self.config.loaded, self.config.law)
        point: Array | str = component.minimizer(h, learning.shape, examples)
        if not isinstance(point, str) and getattr(point, "shape", None) != (self.config.dim,):
            raise refusal(component.minimizer, f"minimizer must return an array of {self.config.dim} numbers, or a text")
        if self.domain is None or (not isinstance(point, str) and self._is_inside(point)):
            return point
        exact = quantities.exact_examples(component, h, examples)
        if exact is not None and not np.isfinite(exact[1]).all():
            return point  # the data have no mean
        start = np.zeros(self.config.dim) if isinstance(point, str) else point
        bound = Configured(component, h, component.prepare(h, learning.shape))
        return minimizer_on(bound, learning.shape, learning.work, exact, start, self.domain)

    def _is_inside(self, point: Array) -> bool:
        """Return whether a point (dim,) is in the domain."""
        return self.domain is None or bool(np.all((self.domain[0] <= point) & (point <= self.domain[1])))

    @cached_property
    def best(self) -> Array | None:
        """A point at which the mean loss is least, shape (dim,): the minimizer, or one of several; None if none is known."""
        stated, component = self._stated_minimizer(), self.config.objective.component
        if stated is not None or self.config.learning or component.on_orbit is not None or self.config.law is None:
            return stated
        points = [lowest(own)[0].low if own else np.nan for own in self.minima]
        return np.array(points) if np.isfinite(points).all() else None

    def knows_loss(self) -> bool:
        """Whether the expected loss is known exactly, up to a constant."""
        config = self.config
        component, h = config.objective
        if config.learning:
            examples = known(component, config.examples(), config.loaded, config.law)
            return quantities.exact_examples(component, h, examples) is not None
        if getattr(getattr(config.model.objective, "data", None), "drift", None):
            return False  # F is another one at each step
        return not component.mean_is_enough or config.law is None or config.law.has_mean
