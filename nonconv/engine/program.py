"""What is simulated: definitions bound to their numbers, and the timetable of everything that depends on the step alone."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from nonconv.components.definitions import Chosen, Configured, Distribution, Group, Objective, Optimizer, Order, Shape
from nonconv.engine.plan import NO_PLAN, Plan
from nonconv.engine.strata import Hits
from nonconv.faults.blame import refusal
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.rng import Key

SLICE_STEPS = 8192
"""Steps per slice of the timetable, and how many slices are kept: their tables take memory in proportion."""
KEPT_SLICES = 16
LARGEST_BLOCK = 1024
"""Most paths of a block."""


class Slice(NamedTuple):
    """A run of consecutive steps.

    coefficients (steps, columns): the optimizer's PerStep fields, the columns of Program.columns, the learning rate.
    first_draw: of the datum of the first step, which may be held since an earlier one.
    """

    first_step: int
    coefficients: Array
    batch_size: NDArray[np.int64]
    first_draw: int


class Supply(NamedTuple):
    """How data depend on the step.

    order: of the rows, of which there are `rows`; with_replacement needs none. hold: steps that use each batch.
    drift: what is added to every datum of a step, n (steps,) -> (steps,); None for nothing. In a network to every target.
    """

    order: Order = "with_replacement"
    rows: int = 0
    hold: int = 1
    drift: Callable[[Array], Array] | None = None


class Modifiers(NamedTuple):
    """What is done to gradients and iterates beside the rule; None where nothing is.

    clip_value: largest size of a coordinate of the gradient. clip_norm: of its Euclidean norm; clip_eps is added to the norm
    that divides. l2: times theta is added to the gradient, after clipping. decay: theta shrinks by rate x decay per step.
    """

    clip_value: float | None = None
    clip_norm: float | None = None
    clip_eps: float = 0.0
    l2: float | None = None
    decay: float | None = None


class Average(NamedTuple):
    """A running average of the iterates: average <- (1 - weight) average + weight theta, from theta_0 on.

    weight: n (steps,) -> (steps,), each in [0, 1]; of one program, whose number of steps it knows.
    """

    label: str
    weight: Callable[[Array], Array]


AS_THEY_COME, UNCHANGED = Supply(), Modifiers()
"""Of a program that asks for nothing else."""


class Parts(NamedTuple):
    """Which parts of a step a program uses: the text of its kernel has these alone. extremes: Program.track_range."""

    order: Order = "with_replacement"
    hold: bool = False
    drift: bool = False
    noise: Distribution | None = None
    clip_value: bool = False
    clip_norm: bool = False
    l2: bool = False
    decay: bool = False
    pull: bool = False
    domain: bool = False
    averages: int = 0
    own: bool = False
    extremes: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether paths move as the rule says, by data that do not depend on the step."""
        return self._replace(averages=0, own=False, extremes=False) == PLAIN

    @property
    def are_usual(self) -> bool:
        """Whether a kernel of these takes no arguments but those that all kernels take."""
        return self._replace(extremes=False) == PLAIN

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the timetable between the fields of PerStep and the learning rate."""
        clip_norm = ("clip_norm", "clip_eps") if self.clip_norm else ()
        names = [name for name in ("drift", "clip_value", "l2", "decay", "pull") if getattr(self, name)]
        return (*names, *clip_norm, *(f"{part}{k}" for k in range(self.averages) for part in ("keep", "weight")))


PLAIN = Parts()
"""Of a program that uses none."""


class Motion(NamedTuple):
    """One task of an engine: move the paths of a block by the steps of a slice.

    theta (dim, paths), state (slots, dim, paths): moved in place.
    averages (K, dim, paths): the running averages, moved in place; K is 0 where none is wanted.
    average (dim, paths): theta is added to it from index average_from of the slice on.
    lowest, highest (dim, paths): widened to hold theta after each step, unless empty.
    coefficients (steps, columns): the PerStep fields, then the learning rate; (programs * steps, columns) of several
    programs, one after another.
    batch_size (steps,): samples per step.
    marks: rising indices into the slice after which theta is written to the next of snapshots (len(marks), dim, paths), and
    the averages to the next of seen_averages (len(marks), K, dim, paths); with the optimizer's own iterate as one more.
    hits: when single paths are looked at, those after other steps among them. sampled (rows, dim, paths) and sampled_averages
    (rows, K, dim, paths): where theta and the averages of the last `rows` strata are written. first_step: number of the
    slice's first step in the run.
    first_draw, first_replicate: coordinates of the random numbers. key: their stream.
    stop (1,): a nonzero entry, set by another thread, ends the motion early.
    before, branched: draws before `branched` were made with the key `before`: the rest of an epoch depends on them.
    least (dim, paths): lowered to the state of slot `watched` after the steps due, due + every, ... of the slice; due is -1
    where there is nothing to watch.
    noise_key: the stream of the gradient noise.

    Of several programs at once dim is the sum of their dimensions.
    """

    theta: Array
    state: Array
    averages: Array
    average: Array
    lowest: Array
    highest: Array
    coefficients: Array
    batch_size: NDArray[np.int64]
    marks: NDArray[np.int64]
    snapshots: Array
    seen_averages: Array
    hits: Hits
    sampled: Array
    sampled_averages: Array
    first_step: int
    average_from: int
    first_draw: int
    first_replicate: int
    key: Key
    stop: NDArray[np.uint8]
    before: Key
    branched: int
    least: Array
    watched: int
    due: int
    every: int
    noise_key: Key


class Engine(Protocol):
    """What moves paths: engine.reference.Reference or engine.fused.Fused. tile: paths whose hits it takes together."""

    tile: int

    def advance(self, motion: Motion) -> None:
        """Make the steps of a motion in place; with stop[0] set it returns early, and what it wrote is not complete."""
        ...

    def risks(self, theta: Array, stop: NDArray[np.uint8], examples: tuple[Array, Array] | None = None) -> Array:
        """Return mean loss and share of wrong classes, (2, R, paths), of networks theta (R, dim, paths).

        Both are over these examples, features (features, n) and targets (targets, n); over the held-out ones by default.
        """
        ...

    def noises(self, theta: Array, stop: NDArray[np.uint8]) -> Array:
        """Return |G|^2 and tr Var(g), (2, R, paths), of networks theta (R, dim, paths).

        g is the gradient of one held-out example, G its mean over them, penalty included.
        """
        ...


class Learning(NamedTuple):
    """What a program on examples has in addition.

    shape: of one example. draws: uniforms per example. work: rows of scratch. groups: the coordinates by name. held_out:
    features (features, H) and targets (targets, H). training: those that the training loss is a mean over; None where
    examples are drawn from a law, of which the risk is that mean.
    """

    shape: Shape
    draws: int
    work: int
    groups: tuple[Group, ...]
    held_out: tuple[Array, Array]
    training: tuple[Array, Array] | None = None


@dataclass(frozen=True)
class Program:
    """Everything an engine needs to move paths; the same object for every block and every engine.

    objective, data: an Objective with a Distribution, or a Coupled with a Dataset and what `learning` says of them.
    start: dim numbers, or a distribution with its parameters, drawn per path.
    record: the steps whose iterates are kept, rising. average_after: the iterates after this step are averaged per path.
    plan: what floors look at. track_range: whether the least and the largest iterate of each path are kept.
    followed: how many of the first paths are followed over every step (engine.whole).
    orbit: what `engine.orbit` found for an objective that is made for its optimizer, at steps 0, 1, ...
    supply: how data depend on the step. noise: a law that is added to the gradient, a number of its own for each coordinate
    and step. domain: the least and the largest iterates, (dim,) each, on which every step is projected.
    averages: running averages that are iterates too. own: whether that of the optimizer (Optimizer.own) is one, after them.
    """

    seed: int
    dim: int
    steps: int
    objective: Configured[Any]
    data: Configured[Any]
    optimizer: Configured[Optimizer]
    learning_rate: Callable[[Array], Array]
    batch_size: Callable[[Array], Array]
    start: Array | Chosen
    record: NDArray[np.int64]
    average_after: int | None = None
    plan: Plan = NO_PLAN
    track_range: bool = False
    followed: int = 0
    orbit: Array | None = None
    learning: Learning | None = None
    supply: Supply = AS_THEY_COME
    modifiers: Modifiers = UNCHANGED
    noise: Configured[Distribution] | None = None
    domain: tuple[Array, Array] | None = None
    averages: tuple[Average, ...] = ()
    own: bool = False
    # Caches in a frozen class: filled in place, and no part of comparisons. The last slices, and of all how many draws begin.
    _kept: dict[int, Slice] = field(init=False, default_factory=dict, repr=False, compare=False)
    _draws_of: dict[int, int] = field(init=False, default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse constants of the wrong shape. Raises as `refuse_misshapen`."""
        for named, _, constants in (self.objective, self.data):
            each = getattr(named, "each", None)
            component, numbers = each or named, self.learning.shape.targets if each and self.learning else self.dim
            if isinstance(component, Objective | Distribution):
                refuse_misshapen(component, constants, numbers)
        if self.noise:
            refuse_misshapen(self.noise.component, self.noise.constants, self.dim)

    @cached_property
    def parts(self) -> Parts:
        """Which parts of a step are used."""
        supply, m = self.supply, self.modifiers
        return Parts(
            order=supply.order,
            hold=supply.hold > 1,
            drift=supply.drift is not None,
            noise=self.noise.component if self.noise else None,
            clip_value=m.clip_value is not None,
            clip_norm=m.clip_norm is not None,
            l2=m.l2 is not None,
            decay=m.decay is not None and not self.optimizer.component.decays,
            pull=m.decay is not None and self.optimizer.component.decays,
            domain=self.domain is not None,
            averages=len(self.averages),
            own=self.own,
            extremes=self.track_range,
        )

    @property
    def more_iterates(self) -> int:
        """How many iterates there are besides the last: averages, then the optimizer's own."""
        return len(self.averages) + self.own

    @cached_property
    def marks(self) -> NDArray[np.int64]:
        """All steps at which paths are looked at, the recorded ones and half of the run among them."""
        marks = self.plan.marks(self.record)
        # Whether a path escapes is seen from where it was at half of the run, recorded or not.
        half = self.steps // 2
        return marks if half == 0 or half in marks else np.union1d(marks, np.array([half]))

    @cached_property
    def half(self) -> int:
        """The number among `marks` of half of the run; of a run of one step its last."""
        return int(np.searchsorted(self.marks, self.steps // 2))

    def over_units(self, squares: Array) -> Array:
        """Sum squares of coordinates (..., dim, paths) over those that share rounding errors; each gets its sum.

        In a network these are the weights and the bias of one unit: what is added there is rounded together, so that a bias
        near 0 is no more exact than the weights beside it. Coordinates of a separable objective share nothing.
        """
        if self.learning is None:
            return squares
        units = unit_numbers(self.learning.groups)
        by_coordinate = np.moveaxis(squares, -2, 0)
        sums = np.zeros((units.max() + 1, *by_coordinate.shape[1:]))
        np.add.at(sums, units, by_coordinate)
        return np.ascontiguousarray(np.moveaxis(sums[units], 0, -2))

    @property
    def draws_per_sample(self) -> int:
        """How many uniforms one sample takes: one per coordinate, one per row or example, or none."""
        if self.learning:
            return self.learning.draws
        draws: Literal["each", "row", "none"] = self.data.component.draws
        return {"each": self.dim, "row": 1, "none": 0}[draws]

    @cached_property
    def samples(self) -> float:
        """Samples of single coordinates per step, averaged over some steps; at least 1."""
        sizes = self.batch_size(self._begun(np.unique(np.linspace(1.0, self.steps, 33).round())))
        return max(float(sizes.mean()) * self.dim, 1.0)

    def _begun(self, n: Array) -> Array:
        """Return the steps at which the batches of steps n (steps,) were drawn."""
        hold = self.supply.hold
        return n if hold == 1 else np.floor((n - 1.0) / hold) * hold + 1.0

    def held_until(self, step: int) -> int:
        """Return the last step that uses the batch of this one."""
        return -(-step // self.supply.hold) * self.supply.hold

    def draws_up_to(self, step: int) -> int:
        """Return how many draws the batches of the steps up to this one take."""
        whole, rest = divmod(step, SLICE_STEPS)
        found = sum(map(self._draws_in, range(whole)))
        if rest:
            last = self._slice(whole)
            found += self._draws(last.first_step, last.batch_size[:rest])
        return found

    def _draws(self, first_step: int, batch_size: NDArray[np.int64]) -> int:
        """Return how many draws begin in consecutive steps, of which the first is given."""
        hold = self.supply.hold
        return int(batch_size[(1 - first_step) % hold :: hold].sum()) * self.draws_per_sample

    def slices(self, length: int = SLICE_STEPS, after: int = 0, last: int | None = None) -> Iterator[Slice]:
        """Yield the timetable of steps after + 1, ..., last in order; in pieces of at most `length`."""
        end, skipped = self.steps if last is None else last, after // SLICE_STEPS
        # The first draw of a slice is the sum of all batches before.
        draw = sum(map(self._draws_in, range(skipped)))
        for number in range(skipped, -(-end // SLICE_STEPS)):
            whole = self._slice(number)
            skipped, kept = max(0, after + 1 - whole.first_step), min(len(whole.batch_size), end + 1 - whole.first_step)
            if skipped < kept:
                yield from self._pieces(whole, draw, skipped, kept, length)
            draw += self._draws(whole.first_step, whole.batch_size)

    def _pieces(self, whole: Slice, draw: int, skipped: int, kept: int, length: int) -> Iterator[Slice]:
        """Yield the part [skipped, kept) of a slice, in pieces of at most this length. draw: the next one before the slice."""
        draw += self._draws(whole.first_step, whole.batch_size[:skipped])
        for at in range(skipped, kept, length):
            first, end = whole.first_step + at, min(at + length, kept)
            batch = whole.batch_size[at:end]
            # A batch that is held since an earlier step has been drawn already.
            held = 0 if (first - 1) % self.supply.hold == 0 else int(batch[0]) * self.draws_per_sample
            yield Slice(first, whole.coefficients[at:end], batch, draw - held)
            draw += self._draws(first, batch)

    def single_steps(self, piece: Slice) -> Iterator[Slice]:
        """Yield the steps of a slice one by one."""
        yield from self.cut(piece, range(1, len(piece.batch_size) + 1))

    def cut(self, piece: Slice, ends: Sequence[int]) -> Iterator[Slice]:
        """Yield the parts of a slice that end before these indices, which rise; an empty part is left out."""
        # The draws of a batch that is held since an earlier step are made before the slice.
        held = 0 if (piece.first_step - 1) % self.supply.hold == 0 else int(piece.batch_size[0]) * self.draws_per_sample
        for first, end in pairwise((0, *ends)):
            yield from self._pieces(piece, piece.first_draw + held, first, end, SLICE_STEPS)

    def _slice(self, number: int) -> Slice:
        """Return a slice by number; the last few are kept, since every block passes through all of them."""
        found = self._kept.get(number)
        if found is None:
            found = self._kept[number] = self._make_slice(number)
            self._draws_of[number] = self._draws(found.first_step, found.batch_size)
            for oldest in list(self._kept)[:-KEPT_SLICES]:
                self._kept.pop(oldest, None)  # by another thread, perhaps
        return found

    def _draws_in(self, number: int) -> int:
        """Return how many draws begin in a slice, by number."""
        if number not in self._draws_of:
            self._slice(number)
        return self._draws_of[number]

    def _make_slice(self, number: int) -> Slice:
        """Tabulate a slice by number; its first draw is left at 0.

        Raises ValueError, or PluginError for a plug-in's optimizer, unless its table fits.
        """
        first = 1 + number * SLICE_STEPS
        n = np.arange(first, min(first + SLICE_STEPS, self.steps + 1), dtype=np.float64)
        rule, h, _ = self.optimizer
        with np.errstate(all="ignore"):  # schedules may vanish or overflow
            rates, batches = self.learning_rate(n), self.batch_size(self._begun(n))
            per_step = rule.coefficients(h, n, rates)
            between = self._columns(n, rates)
        if not isinstance(per_step, rule.per_step) or any(np.shape(column) != n.shape for column in per_step):
            what = f"{rule.table_name} must return {rule.per_step.__name__}, each field an array of the shape of n"
            raise refusal(rule.tabulate, what)
        return Slice(first, np.stack([*per_step, *between, rates], axis=-1), batches.astype(np.int64), 0)

    def _columns(self, n: Array, rates: Array) -> list[Array]:
        """Tabulate `Parts.columns` at steps n (steps,), whose learning rates are given."""
        m, found = self.modifiers, dict[str, Array]()
        if not self.parts.columns:
            return []
        if self.supply.drift:
            found["drift"] = self.supply.drift(n)
        for name in ("clip_value", "clip_norm", "clip_eps", "l2"):
            found[name] = np.full_like(n, getattr(m, name) or 0.0)
        found["pull"], found["decay"] = np.full_like(n, m.decay or 0.0), 1.0 - rates * (m.decay or 0.0)
        for k, average in enumerate(self.averages):
            weight = average.weight(n)
            found |= {f"keep{k}": 1.0 - weight, f"weight{k}": weight}
        return [found[name] for name in self.parts.columns]


def unit_numbers(groups: Sequence[Group]) -> NDArray[np.int64]:
    """Number the units of a network, and return for each coordinate the number of its unit.

    A group that is neither weights nor the biases after them counts as one unit.
    """
    found: list[NDArray[np.int64]] = []
    number = rows = 0
    for group in groups:
        size = group.last - group.first
        if group.fan_out:
            found.append(number + np.arange(size) // group.fan_in)
            number, rows = number + group.fan_out, group.fan_out
        elif size == rows:
            found.append(number - rows + np.arange(size))
            rows = 0
        else:
            found.append(np.full(size, number))
            number, rows = number + 1, 0
    return np.concatenate(found)


def batch_key(program: Program) -> Hashable:
    """Return what programs must share so that one kernel can simulate them together: all but numbers it takes per program."""
    p = program
    constants = () if p.learning else (*p.objective.constants, *p.data.constants, *(p.noise.constants if p.noise else ()))
    return (
        # Identities of definitions: functions have no other equality.
        *map(id, (p.objective.component, p.data.component, p.optimizer.component, p.learning, p.orbit)),
        *(p.seed, p.dim, p.steps, p.average_after, p.track_range, p.plan.wanted, p.plan.spans),
        *(p.parts, p.supply.rows, p.supply.hold),
        p.marks.tobytes(),
        p.record.tobytes(),
        tuple((field.shape, field.dtype) for field in map(np.asarray, constants)),
        p.batch_size,
    )


def refuse_misshapen(component: Objective | Distribution, constants: Any, dim: int) -> None:
    """Refuse constants without one entry per coordinate: a kernel would read past their end.

    Raises ValueError, or PluginError for a plug-in's component.
    """
    cls = component.constants
    if not isinstance(constants, cls) or any(np.shape(field)[:1] != (dim,) for field in constants):
        what = f"prepare must return {cls.__name__}, each field an array with an entry for each of {dim} coordinates"
        raise refusal(component.prepare, what)
