"""The network against PyTorch, finite differences and plain matrices, and its compiled kernels against the reference engine.

What PyTorch gives is in oracles/networks.json, written by oracles/make_networks.py. `pytest -rP` prints the errors.
"""

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit, ndtr

from kit.networks import LABELS, ROWS, SINE, VALUES, make, start_of, table
from kit.programs import SOME_OPTIMIZERS, all_looks, each_engine, looked_at, optimizer_named
from nonconv.components.definitions import Chosen, Group, Shape
from nonconv.data import DATA
from nonconv.data.discrete import TwoPoint
from nonconv.datasets import DATASETS
from nonconv.engine import program as timetable
from nonconv.engine import tiles
from nonconv.engine.blocks import Block, simulate
from nonconv.engine.deck import EVERY_PASS, deal
from nonconv.engine.fused import Fused
from nonconv.engine.moving import Moving, every_step
from nonconv.engine.plan import Wanted, plan_for
from nonconv.engine.program import Program, unit_numbers
from nonconv.engine.reference import Reference
from nonconv.engine.strata import path_phases
from nonconv.numerics import rng
from nonconv.numerics.arithmetic import Array
from nonconv.objectives import mlp
from nonconv.objectives.activations import ACTIVATIONS, activate
from nonconv.objectives.dense import add_outer
from nonconv.objectives.mlp import MLP, Loss, Mlp

Engines = type[Fused | Reference]
each_optimizer = pytest.mark.parametrize("optimizer", SOME_OPTIMIZERS)
each_activation = pytest.mark.parametrize("activation", ACTIVATIONS)
STOP = np.zeros(1, dtype=np.uint8)
EPS = float(np.finfo(float).eps)

HIDDEN: tuple[tuple[int, ...], ...] = ((), (5,), (4, 3), (3, 3, 3), (9, 8, 10))
"""Widths that fill blocks of four, and widths that leave some over."""


class Kind(NamedTuple):
    loss: Loss
    classes: bool


KINDS = {
    "squared": Kind("squared", False),
    "squared-classes": Kind("squared", True),
    "cross-entropy": Kind("cross_entropy", True),
}
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def taught(kind: Kind) -> Chosen:
    return LABELS if kind.classes else VALUES


LAWS = {"function": SINE, "teacher": VALUES, "classes": LABELS, "epochs": ROWS}


def drawn(chosen: Chosen, number: int, stream: str = "held out") -> tuple[Array, Array]:
    """Examples of a law: features (features, number) and targets (targets, number)."""
    shape, draws = chosen.component.shape(chosen.parameters), chosen.component.draws(chosen.parameters)
    x, y = np.empty((shape.features, number)), np.empty((shape.targets, number))
    u = rng.uniforms(rng.key(7, stream), 0, draws, 0, number)
    chosen.component.sample(chosen.component.prepare(chosen.parameters), number, u, x, y)
    return x, y


def run(program: Program, engine: Engines = Fused, first: int = 0, paths: int = 11) -> Block:
    return simulate(program, engine(program), first, paths, STOP)


def same_bits(a: Block, b: Block) -> bool:
    ours, theirs = ([x.start, x.theta, x.seen, x.lowest, x.highest, *all_looks(x)] for x in (a, b))
    if a.average is not None and b.average is not None:
        ours, theirs = [*ours, a.average], [*theirs, b.average]
    same = (a.average is None) == (b.average is None) and a.failed == b.failed
    return same and all(x.shape == y.shape and x.tobytes() == y.tobytes() for x, y in zip(ours, theirs, strict=True))


def agree(program: Program, paths: int = 11) -> bool:
    """Whether the engines give the same bits; they must be worth comparing."""
    ours = run(program, paths=paths)
    assert np.all(np.isfinite(ours.theta))
    assert paths == 1 or len(np.unique(ours.theta[-1], axis=1).T) > paths // 2, "paths are the same: nothing is compared"
    return same_bits(ours, run(program, Reference, paths=paths))


# PyTorch: losses and gradients

ORACLE = json.loads(Path(__file__).with_name("oracles").joinpath("networks.json").read_text(encoding="utf-8"))

GRADIENT_TOLERANCE = 1e-13
"""Of the largest component. Each is a sum over up to 13 examples of products of up to 4 sums of up to 10 terms: a rounding
for each of some hundred operations in a row, 1e-16 each, if all of them went the same way.
"""
WIDE_MISS = 1e-3
"""What a mistake is off by, at least."""
LONG_STEP = 2.0**40
"""A rate so large that the iterate after one step is the gradient, to its last bits."""


class Case(NamedTuple):
    """PyTorch's mean loss, share of wrong classes and gradient on a batch."""

    seed: int
    hidden: list[int]
    activation: str
    loss: Loss
    features: int
    targets: int
    classes: int
    examples: int
    weight_decay: float
    mean_loss: float
    wrong: float
    gradient: list[float]

    @property
    def name(self) -> str:
        labels = "-classes" if self.classes and self.loss == "squared" else ""
        return f"{self.activation}-{self.loss}{labels}-{'x'.join(map(str, self.hidden)) or 'linear'}"


CASES = [Case(**fields) for fields in ORACLE["gradients"]]


def batch_of(case: Case) -> tuple[Array, Array]:
    """Features and targets row by row, as in oracles/make_networks.py."""
    width = case.features + case.targets
    u = rng.uniforms(rng.key(case.seed, "examples of the network"), 0, case.examples, 0, width)
    x, y = u[:, : case.features], u[:, case.features :]
    return 4.0 * x - 2.0, np.floor(case.classes * y) if case.classes else 4.0 * y - 2.0


def lesson_of(case: Case, **changes: Any) -> Program:
    """One step of SGD on the whole batch: all rows of a table, in some order."""
    x, y = batch_of(case)
    default: dict[str, Any] = {"start": start_of(case.seed, len(case.gradient)), "learning_rate": lambda n: LONG_STEP + 0.0 * n}
    network = {"hidden": tuple(case.hidden), "activation": case.activation, "loss": case.loss}
    return make(
        network | {"weight_decay": case.weight_decay} | changes.pop("network", {}),
        table(x, y, case.classes),
        "sgd",
        str(case.examples),
        steps=1,
        **default | changes,
    )


def gradient_of(program: Program, engine: Engines) -> Array:
    """(dim, 9): for nine paths, each of which has the batch in an order of its own."""
    block = run(program, engine, paths=9)
    return np.asarray((block.start - block.theta[0]) / LONG_STEP)


def error(ours: Array, theirs: list[float]) -> float:
    """The largest difference, relative to the largest of theirs."""
    wanted = np.array(theirs)[:, None]
    return float(np.abs(ours - wanted).max() / np.abs(wanted).max())


@pytest.mark.slow
@each_engine
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_gradient_of_pytorch(engine: Engines, case: Case) -> None:
    seen = error(gradient_of(lesson_of(case), engine), case.gradient)
    print(f"{seen:.1e}  gradient of {case.name}")
    assert seen <= GRADIENT_TOLERANCE


@each_engine
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_loss_of_pytorch(engine: Engines, case: Case) -> None:
    held_out = tuple(np.ascontiguousarray(rows.T) for rows in batch_of(case))
    theta = start_of(case.seed, len(case.gradient))[None, :, None]
    loss, wrong = engine(lesson_of(case, held_out=held_out)).risks(theta, STOP)[:, 0, 0]
    print(f"{abs(loss / case.mean_loss - 1.0):.1e}  loss of {case.name}")
    assert loss == pytest.approx(case.mean_loss, rel=GRADIENT_TOLERANCE, abs=0.0)
    assert wrong == pytest.approx(case.wrong, abs=EPS)


@pytest.mark.compiles
@pytest.mark.parametrize("case", [case for case in CASES if case.hidden == [4, 3]], ids=lambda case: case.name)
def test_another_activation_is_another_gradient(case: Case) -> None:
    """Negative control."""
    for other in set(ACTIVATIONS) - {case.activation}:
        assert error(gradient_of(lesson_of(case, network={"activation": other}), Fused), case.gradient) > WIDE_MISS


@pytest.mark.compiles
@pytest.mark.parametrize("case", [case for case in CASES if case.hidden == [5]], ids=lambda case: case.name)
def test_transposed_weights_are_another_network(case: Case) -> None:
    """Negative control: the first layer's weights column by column, of the start and the gradient."""
    weights = np.arange(25).reshape(5, 5).T.ravel()
    order = np.concatenate([weights, np.arange(25, len(case.gradient))])
    program = lesson_of(case, start=start_of(case.seed, len(case.gradient))[order])
    assert error(gradient_of(program, Fused)[np.argsort(order)], case.gradient) > WIDE_MISS


def test_groups_are_pytorchs_parameters() -> None:
    groups = MLP.groups(Mlp(None, (4, 3)), Shape(5, 2))
    assert [group.name for group in groups] == [
        f"{a}.{b}" for a in ("hidden1", "hidden2", "output") for b in ("weight", "bias")
    ]
    assert [group.last - group.first for group in groups] == [20, 4, 12, 3, 6, 2]
    assert all(before.last == after.first for before, after in pairwise(groups))
    assert [(group.fan_in, group.fan_out) for group in groups[::2]] == [(5, 4), (4, 3), (3, 2)]


def test_units_are_rows_of_weights_with_their_biases() -> None:
    """Two layers of 2 and 1 units, then a group of another kind."""
    groups = [*MLP.groups(Mlp(None, (2,)), Shape(3, 1)), Group("scale", 11, 13)]
    assert unit_numbers(groups).tolist() == [0, 0, 0, 1, 1, 1, 0, 1, 2, 2, 2, 3, 3]


def test_squares_are_summed_over_what_is_rounded_together() -> None:
    """Each weight and bias of a unit gets the sum of all squares there."""
    program = lesson_of(next(case for case in CASES if case.hidden == []))
    squares = np.arange(1.0, 2 * program.dim + 1).reshape(program.dim, 2)
    assert program.learning is not None
    units = unit_numbers(program.learning.groups)
    expected = np.array([squares[units == unit].sum(axis=0) for unit in units])
    assert np.array_equal(program.over_units(squares), expected)
    assert len(set(units.tolist())) < program.dim


# PyTorch: trajectories

TRAJECTORY_TOLERANCE = 1e-9
"""Of 1 + |theta|: what is promised. Seen are 1e-15, the rounding of 200 steps, which these tasks do not make larger."""
RECORDED = np.array(ORACLE["steps"])


def program_of_run(case: dict[str, Any], **changes: Any) -> Program:
    name, of_examples = case["examples"]
    optimizer, of_optimizer = case["optimizer"]
    examples, rule, given = DATASETS[name], optimizer_named(optimizer), ORACLE["run"]
    network = {"hidden": tuple(case["hidden"]), "activation": case["activation"], "loss": case["loss"]}
    return make(
        network | {"weight_decay": given["weight_decay"]},
        Chosen(examples, examples.parameters(**of_examples)),
        optimizer,
        str(given["batch"]),
        steps=int(RECORDED[-1]),
        seed=given["seed"],
        start=start_of(given["seed"], len(case["theta"][0])),
        record=RECORDED,
        learning_rate=lambda n: np.full_like(n, case["rate"]),
        optimizer_parameters=rule.parameters(**of_optimizer | changes),
    )


def error_of_run(case: dict[str, Any], engine: Engines, **changes: Any) -> float:
    """Of the oracle's path, which is the second of three."""
    theta = run(program_of_run(case, **changes), engine, ORACLE["run"]["path"] - 1, 3).theta[:, :, 1]
    wanted = np.array(case["theta"])
    return float(np.max(np.abs(theta - wanted) / (1.0 + np.abs(wanted))))


@pytest.mark.slow
@each_engine
@pytest.mark.parametrize("case", ORACLE["trajectories"], ids=lambda case: case["name"])
def test_trajectory_of_pytorch(engine: Engines, case: dict[str, Any]) -> None:
    seen = error_of_run(case, engine)
    print(f"{seen:.1e}  {case['name']}")
    assert seen <= TRAJECTORY_TOLERANCE


@pytest.mark.compiles
@pytest.mark.parametrize("case", ORACLE["trajectories"], ids=lambda case: case["name"])
def test_other_dialects_miss_the_trajectory(case: dict[str, Any]) -> None:
    """Negative control: eps under the root, or for SGD, which has none, a rate that is off by 1e-5."""
    if case["optimizer"][0] == "sgd":
        seen = error_of_run(case | {"rate": case["rate"] * (1.0 + 1e-5)}, Fused)
    else:
        seen = error_of_run(case, Fused, eps_placement="inside")
    assert seen > 1000 * TRAJECTORY_TOLERANCE


# Finite differences


class Definition:
    """The definition on examples that are kept; theta (dim, lanes), each lane a network on all examples."""

    def __init__(self, hidden: tuple[int, ...], activation: str, kind: Kind, decay: float = 0.1) -> None:
        chosen, self.examples = taught(kind), 5
        h, shape = Mlp(None, hidden, activation, kind.loss, decay), chosen.component.shape(chosen.parameters)  # type: ignore[arg-type]  # a name
        self.constants, self.rows, self.dim = MLP.prepare(h, shape), MLP.work(h, shape), MLP.groups(h, shape)[-1].last
        self.x, self.y = drawn(chosen, self.examples)

    def on_lanes(self, lanes: int) -> tuple[int, Array, Array, Array]:
        n = self.examples * lanes
        return n, np.repeat(self.x, lanes, axis=1), np.repeat(self.y, lanes, axis=1), np.empty((self.rows, n))

    def loss(self, theta: Array) -> Array:
        n, x, y, work = self.on_lanes(theta.shape[1])
        out = np.empty((2, n))
        MLP.loss(self.constants, n, theta, x, y, out, work)
        penalty = 0.5 * self.constants.decay * np.square(theta).sum(axis=0)
        return np.asarray(out[0].reshape(self.examples, -1).mean(axis=0) + penalty)

    def gradient(self, theta: Array) -> Array:
        n, x, y, work = self.on_lanes(theta.shape[1])
        total = np.zeros_like(theta)
        MLP.add_gradient(self.constants, n, theta, x, y, total, work)
        return np.asarray(total / self.examples + MLP.penalty(self.constants, theta))


def differences(definition: Definition, theta: Array, step: float) -> Array:
    steps = step * np.eye(definition.dim)
    return (definition.loss(theta[:, None] + steps) - definition.loss(theta[:, None] - steps)) / (2.0 * step)


def off_by(definition: Definition) -> float:
    """How far the gradient is from central differences, in units of what they may be wrong by.

    Their error is c h^2 and rounding, so that of twice the step is larger by 3 c h^2: three times what is allowed.
    """
    theta, h = start_of(2, definition.dim), 1e-4
    with np.errstate(all="ignore"):
        near, far, gradient = differences(definition, theta, h), differences(definition, theta, 2 * h), None
        gradient = definition.gradient(theta[:, None])[:, 0]
        allowed = np.abs(far - near) + 16 * EPS * (1.0 + definition.loss(theta[:, None])) / h
    assert allowed.max() < 1e-5 * np.abs(gradient).max(), "a kink: the differences say nothing"
    return float((np.abs(near - gradient) / allowed).max())


@pytest.mark.slow
@each_activation
@each_kind
def test_gradient_is_the_slope_of_the_loss(activation: str, kind: Kind) -> None:
    seen = [off_by(Definition(hidden, activation, kind)) for hidden in HIDDEN]
    print(f"{max(seen):.2f}  {activation}")
    assert max(seen) <= 1.0


@each_activation
@each_kind
def test_wrong_slope_is_noticed(activation: str, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: one part in ten thousand."""

    def wrong(function: Callable[[int, Array, Array], None], n: int, z: Array, slope: Array) -> None:
        activate(function, n, z, slope)
        slope *= 1.0001

    monkeypatch.setattr(mlp, "activate", wrong)
    assert off_by(Definition((4, 3), activation, kind)) > 3.0


# Engine against engine

ALL = Wanted()


@pytest.fixture(params=["eight paths", "one path"])
def tile(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What kernels work on at once: one path, as if the networks were large and their batches too, or eight."""
    if request.param == "one path":
        monkeypatch.setattr(tiles, "SHARE_OF_CACHE", 0)
        monkeypatch.setattr(tiles, "ENOUGH_EXAMPLES", 0)
    return str(request.param)


def test_tiles() -> None:
    """A path moves alone where eight are too large, its batch is not small, and its products are those of dense layers."""
    small, large = (make({"hidden": (width, width)}, batch="8") for width in (64, 256))
    assert (tiles.tile_of(small), tiles.tile_of(large)) == (tiles.TOGETHER, tiles.ALONE)
    assert tiles.tile_of(make({"hidden": (256, 256)}, batch="7")) == tiles.TOGETHER
    other = replace(MLP, add_gradient=lambda k, n, theta, x, y, gradient, work: None)
    assert tiles.tile_of(replace(large, objective=large.objective._replace(component=other))) == tiles.TOGETHER


@pytest.mark.compiles
@each_activation
@each_kind
def test_same_bits(tile: str, activation: str, kind: Kind) -> None:
    for hidden in HIDDEN:
        network = {"hidden": hidden, "activation": activation, "loss": kind.loss, "weight_decay": 0.02}
        assert agree(make(network, taught(kind), batch="11", steps=3)), hidden


@pytest.mark.compiles
@each_optimizer
@pytest.mark.parametrize("examples", [SINE, ROWS], ids=["function", "epochs"])
def test_same_bits_with_twins(tile: str, optimizer: str, examples: Chosen) -> None:
    """Twins, averages and extremes included."""
    program = make({}, examples, optimizer, "growing", plan=plan_for(12, ALL), track_range=True, average_after=5)
    assert agree(program)
    block = run(program)
    for span, twin, sampled, of_twin in zip(program.plan.spans, block.twins, block.sampled, block.sampled_twins, strict=True):
        assert not np.any(np.all(twin == block.theta[span.twin_marks - 1], axis=(0, 1))), "these are the paths"
        looks = span.looks(path_phases(program.seed, 0, 11))
        assert np.array_equal(sampled, looked_at(block.theta, looks))
        # All paths are looked at after the same steps of so short a span, some of which are marks.
        marks = span.twin_marks.tolist()
        shared = [(row, marks.index(step)) for row, step in enumerate(looks[span.late.start :, 0].tolist()) if step in marks]
        assert shared
        assert all(np.array_equal(of_twin[row], twin[at]) for row, at in shared)


@pytest.mark.compiles
@pytest.mark.parametrize("period", [1, 7])
def test_strata_of_more_than_one_step(tile: str, period: int) -> None:
    """More strata than steps of a slice, more paths than lanes, and a stratum's steps that differ from path to path."""
    program = make({}, SINE, steps=300, plan=plan_for(300, ALL, period))
    assert agree(program, 19)
    block = run(program, paths=19)
    for span, sampled in zip(program.plan.spans, block.sampled, strict=True):
        assert np.array_equal(sampled, looked_at(block.theta, span.looks(path_phases(program.seed, 0, 19))))
    assert np.ptp(program.plan.spans[-1].looks(path_phases(program.seed, 0, 19)), axis=1).max() > 0


@pytest.mark.compiles
@pytest.mark.parametrize("paths", [1, 7, 8, 9, 30])
def test_any_number_of_paths(tile: str, paths: int) -> None:
    """Also when the last group of lanes is not full."""
    for examples in LAWS.values():
        assert agree(make({"hidden": (4, 3)}, examples, steps=5), paths)


@pytest.mark.compiles
@pytest.mark.parametrize("batch", ["1", "3", "8", "11", "40", "growing"])
@pytest.mark.parametrize("examples", LAWS.values(), ids=LAWS)
def test_any_batch(tile: str, batch: str, examples: Chosen) -> None:
    """Also when it is not made of whole groups of examples, or a batch holds several epochs."""
    assert agree(make({"hidden": (9,)}, examples, batch=batch, steps=9))


@pytest.mark.compiles
@pytest.mark.parametrize("batch", ["8", "20", "67"])
def test_wide_layers(tile: str, batch: str) -> None:
    """Of more columns than are turned at once, and whole vectors of them that leave some over; more examples than a group."""
    assert agree(make({"hidden": (70, 37)}, batch=batch, steps=2))


@pytest.mark.compiles
def test_engines_differ_where_the_definition_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: the examples of a batch added in another order."""

    def backwards(gradient: Array, at: int, delta: Array, x: Array, n: int) -> None:
        lanes = gradient.shape[1]
        order = np.arange(n).reshape(-1, lanes)[::-1].ravel()
        add_outer(gradient, at, delta[:, order], x[:, order], n)

    program = make({})
    ours = run(program)
    monkeypatch.setattr(mlp, "add_outer", backwards)
    assert not same_bits(ours, run(program, Reference))


@pytest.mark.compiles
@settings(max_examples=15, derandomize=True, deadline=None)
@given(st.sampled_from(list(LAWS)), st.sampled_from(["1", "3", "growing"]), st.integers(1, 20), st.integers(1, 21), st.data())
def test_any_slices(law: str, batch: str, steps: int, length: int, data: st.DataObject) -> None:
    """Slices of any length, by either engine, give the bits of one slice."""
    changes: dict[str, Any] = {
        "record": np.array(sorted(data.draw(st.sets(st.integers(1, steps), min_size=1)))),
        "average_after": data.draw(st.none() | st.integers(0, steps - 1)),
        "plan": plan_for(steps, ALL),
        "track_range": data.draw(st.booleans()),
    }
    whole = run(make({}, LAWS[law], "adam", batch, steps, **changes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timetable, "SLICE_STEPS", length)
        cut = make({}, LAWS[law], "adam", batch, steps, **changes)
        blocks = [run(cut), run(cut, Reference)]
    assert all(same_bits(block, whole) for block in blocks)


@each_engine
@pytest.mark.parametrize("examples", LAWS.values(), ids=LAWS)
def test_path_is_the_same_in_any_block(engine: Engines, examples: Chosen) -> None:
    program = make({}, examples, start=Chosen(DATA["two_point"], TwoPoint(-0.5, 0.25, 0.3)))
    whole = run(program, engine, paths=21)
    for first, paths in ((5, 1), (7, 3), (9, 12)):
        part = run(program, engine, first, paths)
        assert np.array_equal(part.start, whole.start[:, first : first + paths])
        assert np.array_equal(part.theta, whole.theta[:, :, first : first + paths])
    assert not np.array_equal(run(program, engine, 5, 3).theta, run(program, engine, 6, 3).theta)


@pytest.mark.compiles
@each_engine
def test_twin_goes_on_from_the_middle(engine: Engines) -> None:
    """With the optimizer's state of its path, and the twin's data from the next draw on."""
    program, branch = make({}, batch="growing"), 5
    moving, seen = Moving([program], engine(program), 0, 9, STOP), np.empty((12, program.dim, 9))
    moving.go(program.record, seen, 0, branch)
    twin, its = moving.twin(branch), np.empty((12, program.dim, 9))
    moving.go(program.record, seen, branch, 12)
    twin.go(program.record, its, branch, 12)
    assert np.array_equal(seen, run(program, paths=9).theta)
    assert not np.any(np.all(its[branch:] == seen[branch:], axis=(0, 1)))
    by_hand = Moving([program], Reference(program), 0, 9, STOP)
    by_hand.go(program.record, seen, 0, branch)
    by_hand.key = rng.key(program.seed, "twin")
    by_hand.go(program.record, seen, branch, 12)
    assert np.array_equal(seen[branch:], its[branch:])


# Epochs


def dealing(rows: int, steps: int, *, epochs: bool = True, batch: str = "1") -> Program:
    """Whose one bias is, after a step of one example, the number of the row that was dealt: b - (2 (b - y)) / 2."""
    law = table(np.zeros((rows, 1)), np.arange(float(rows))[:, None], epochs=epochs)
    rate: Callable[[Array], Array] = lambda n: 0.5 + 0.0 * n  # noqa: E731  # a schedule
    return make({"hidden": ()}, law, "sgd", batch, steps, start=np.zeros(2), learning_rate=rate)


def rows_of(program: Program, engine: Engines = Fused, paths: int = 9, first: int = 0) -> NDArray[np.int64]:
    """Which rows were dealt, (paths, epochs, rows)."""
    theta = run(program, engine, first, paths).theta[:, 1]
    return theta.T.astype(np.int64).reshape(paths, -1, int(program.data.constants.rows))


def passes_through_all(dealt: NDArray[np.int64]) -> bool:
    return np.array_equal(np.sort(dealt, axis=2), np.broadcast_to(np.arange(dealt.shape[2]), dealt.shape))


@each_engine
@pytest.mark.parametrize("rows", [1, 2, 7, 32])
def test_every_row_once_in_each_epoch(engine: Engines, rows: int) -> None:
    assert passes_through_all(rows_of(dealing(rows, 5 * rows), engine))


@pytest.mark.compiles
def test_with_replacement_is_no_epoch() -> None:
    """Negative control."""
    dealt = rows_of(dealing(7, 35, epochs=False))
    assert not passes_through_all(dealt)
    assert set(dealt.ravel()) == set(range(7))


@pytest.mark.compiles
def test_orders_differ_between_paths_and_epochs() -> None:
    """Of 30 rows: two of 45 equal orders have probability 1e-29."""
    orders = rows_of(dealing(30, 150)).reshape(45, 30)
    assert len(np.unique(orders, axis=0)) == 45


@each_engine
@pytest.mark.parametrize("length", [1, 3, 7, 10])
def test_epoch_is_restored_in_its_middle(engine: Engines, length: int) -> None:
    program = dealing(7, 35)
    pieces = [theta for _, theta in every_step(program, engine(program), 3, 9, STOP, length)]
    assert np.array_equal(np.concatenate(pieces), run(program, Reference, 3, 9).theta)


@pytest.mark.compiles
@each_engine
@pytest.mark.parametrize("branch", [0, 1, 6, 7, 9])
def test_twin_deals_what_its_path_left(engine: Engines, branch: int) -> None:
    """Path and twin pass through each epoch together up to the branch, then in orders of their own; even if it is resumed."""
    program = dealing(7, 28)
    moving, seen = Moving([program], engine(program), 0, 9, STOP), np.zeros((28, 2, 9))
    moving.go(program.record, seen, 0, branch)
    twin, its = moving.twin(branch), seen.copy()
    moving.go(program.record, seen, branch, 28)
    for first, last in ((branch, 11), (11, 12), (12, 28)):
        twin.go(program.record, its, first, last)
    ways = [theta[:, 1].T.astype(np.int64).reshape(9, 4, 7) for theta in (seen, its)]
    assert all(map(passes_through_all, ways))
    assert np.array_equal(ways[0], rows_of(program, paths=9).reshape(9, 4, 7))
    assert not np.any(np.all(ways[0][:, 2:] == ways[1][:, 2:], axis=(1, 2)))


def test_deal_reaches_every_order_once() -> None:
    """By enumeration: of 4 rows, the 4 * 3 * 2 * 1 outcomes of the draws are the 24 orders."""
    places = [(np.arange(4 - k) + 0.5) / (4 - k) for k in range(4)]
    u = np.array(list(itertools.product(*places))).T.reshape(1, -1)
    deal(np.empty((4, 24), dtype=np.int32), 0, 4, u, 24, EVERY_PASS, 4)
    orders = (u.reshape(4, 24) * 4).astype(np.int64).T
    assert sorted(map(tuple, orders.tolist())) == list(itertools.permutations(range(4)))


def misfit(kinds: NDArray[np.int64], number: int) -> float:
    """Chi-square of equally probable kinds 0, ..., number - 1, less its mean, in its standard deviations."""
    expected = len(kinds) / number
    square = np.square(np.bincount(kinds, minlength=number) - expected).sum() / expected
    return float((square - (number - 1)) / np.sqrt(2.0 * (number - 1)))


def order_numbers(orders: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which permutation each row of orders (N, rows) is."""
    known = {order: k for k, order in enumerate(itertools.permutations(range(orders.shape[1])))}
    return np.array([known[tuple(order)] for order in orders.tolist()])


MISFIT = 5.0
"""Standard deviations: with 23 degrees of freedom one seed in ten thousand is beyond, with 35 fewer."""


@pytest.mark.compiles
def test_orders_are_equally_probable() -> None:
    """Of 4 rows each of 24; of 3 rows each of the 36 pairs of orders in two epochs, and of two paths next to each other."""
    assert misfit(order_numbers(rows_of(dealing(4, 20), paths=1200).reshape(-1, 4)), 24) < MISFIT
    numbers = order_numbers(rows_of(dealing(3, 6), paths=3600).reshape(-1, 3)).reshape(-1, 2)
    assert misfit(6 * numbers[:, 0] + numbers[:, 1], 36) < MISFIT
    assert misfit(6 * numbers[::2, 0] + numbers[1::2, 0], 36) < MISFIT


def test_unequal_orders_are_noticed() -> None:
    """Negative control: each place is exchanged with any other, the shuffle that everybody writes first."""
    u = rng.uniforms(rng.key(1, "naive"), 0, 4, 0, 6000)
    orders, every = np.tile(np.arange(4), (6000, 1)), np.arange(6000)
    for place in range(4):
        other = (4 * u[place]).astype(np.int64)
        orders[every, place], orders[every, other] = orders[every, other], orders[:, place].copy()
    assert misfit(order_numbers(orders), 24) > 2 * MISFIT


# Risks and noises

FORMULAS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda z: np.maximum(z, 0.0),
    "leaky_relu": lambda z: np.where(z > 0.0, z, 0.01 * z),
    "tanh": np.tanh,
    "sigmoid": expit,
    "softplus": lambda z: np.logaddexp(0.0, z),
    "gelu": lambda z: z * ndtr(z),
    "identity": lambda z: z,
}


def matrices(program: Program, theta: Array) -> list[tuple[Array, Array]]:
    """The weights (outputs, inputs) and biases of one path, layer by layer."""
    assert program.learning
    parts = [theta[group.first : group.last] for group in program.learning.groups]
    return [(weight.reshape(len(bias), -1), bias) for weight, bias in zip(parts[::2], parts[1::2], strict=True)]


def plain_activations(program: Program, theta: Array) -> list[Array]:
    """Of all layers on the held-out examples, the features first: (units, H) each."""
    assert program.learning
    (*hidden, (weight, bias)), found = matrices(program, theta), [program.learning.held_out[0]]
    for w, b in hidden:
        found.append(FORMULAS[program.objective.parameters.activation](w @ found[-1] + b[:, None]))
    return [*found, weight @ found[-1] + bias[:, None]]


def plain_risk(program: Program, theta: Array, kind: Kind) -> tuple[float, float]:
    """By NumPy's matrices and formulas."""
    assert program.learning
    z, y = plain_activations(program, theta)[-1], program.learning.held_out[1]
    if not kind.classes:
        return float(np.square(z - y).sum(axis=0).mean()), 0.0
    one_hot, wrong = np.eye(len(z))[:, y[0].astype(np.int64)], np.mean(z.argmax(axis=0) != y[0])
    if kind.loss == "squared":
        return float(np.square(z - one_hot).sum(axis=0).mean()), float(wrong)
    return float((np.log(np.exp(z).sum(axis=0)) - (z * one_hot).sum(axis=0)).mean()), float(wrong)


def various_weights(dim: int) -> Array:
    """Networks that have little in common: (dim, 11)."""
    return 4.0 * rng.uniforms(rng.key(5, "weights"), 0, dim, 0, 11) - 2.0


@pytest.mark.compiles
@each_activation
@each_kind
def test_risks(activation: str, kind: Kind) -> None:
    """Bit for bit between engines, and what plain matrices give."""
    for hidden in HIDDEN:
        program = make(
            {"hidden": hidden, "activation": activation, "loss": kind.loss}, taught(kind), held_out=drawn(taught(kind), 13)
        )
        theta = various_weights(program.dim)[None]
        ours, reference = Fused(program).risks(theta, STOP), Reference(program).risks(theta, STOP)
        assert ours.tobytes() == reference.tobytes()
        wanted = [plain_risk(program, theta[0, :, path], kind) for path in range(11)]
        np.testing.assert_allclose(ours[:, 0].T, wanted, rtol=1e-13, atol=1e-13)
        assert not kind.classes or len(np.unique(ours[1])) > 1, "all networks are equally often wrong"


@pytest.mark.compiles
@pytest.mark.parametrize("number", [1, 7, 8, 17])
def test_risks_of_any_number_of_examples(number: int) -> None:
    program = make({}, LABELS, held_out=drawn(LABELS, number))
    theta = np.array([scale * various_weights(program.dim) for scale in (0.5, 1.0, 2.0)])
    assert Fused(program).risks(theta, STOP).tobytes() == Reference(program).risks(theta, STOP).tobytes()


NOISE_TOLERANCE = 1e-12
"""Of |G|^2 + tr Var(g), which NumPy adds in another order."""


def noise_error(ours: Array, theirs: Array) -> float:
    return float((np.abs(ours - theirs) / theirs.sum(axis=0)).max())


@pytest.mark.compiles
@each_activation
@each_kind
def test_noises_of_the_engines(activation: str, kind: Kind) -> None:
    for hidden in HIDDEN:
        network = {"hidden": hidden, "activation": activation, "loss": kind.loss, "weight_decay": 0.1}
        program = make(network, taught(kind), held_out=drawn(taught(kind), 5))
        theta = various_weights(program.dim)[None]
        ours, reference = Fused(program).noises(theta, STOP), Reference(program).noises(theta, STOP)
        assert ours.tobytes() == reference.tobytes(), hidden


@pytest.mark.compiles
@pytest.mark.parametrize("number", [1, 2, 9])
def test_noises_of_any_number_of_examples(number: int) -> None:
    """Of one there is no variance."""
    program = make({}, VALUES, held_out=drawn(VALUES, number))
    theta = np.array([scale * various_weights(program.dim) for scale in (0.5, 1.0, 2.0)])
    ours = Fused(program).noises(theta, STOP)
    assert ours.tobytes() == Reference(program).noises(theta, STOP).tobytes()
    assert (number == 1) == bool(np.all(ours[1] == 0.0))


def plain_gradients(program: Program, theta: Array) -> Array:
    """Of each held-out example (H, dim), for tanh and the squared distance."""
    assert program.learning
    activations, y = plain_activations(program, theta), program.learning.held_out[1]
    delta, parts = 2.0 * (activations[-1] - y), []
    for (weight, _), a in zip(reversed(matrices(program, theta)), reversed(activations[:-1]), strict=True):
        parts += [delta, (delta[:, None] * a).reshape(-1, a.shape[1])]
        delta = (weight.T @ delta) * (1.0 - a**2)
    return np.concatenate(parts[::-1]).T


@each_engine
@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
def test_noise_is_the_trace_of_the_covariance(engine: Engines, hidden: tuple[int, ...]) -> None:
    program = make({"hidden": hidden, "activation": "tanh", "weight_decay": 0.1}, VALUES, held_out=drawn(VALUES, 13))
    theta = various_weights(program.dim)
    found = engine(program).noises(theta[None], STOP)[:, 0]
    for path in range(11):
        gradients = plain_gradients(program, theta[:, path])
        mean = gradients.mean(axis=0) + 0.1 * theta[:, path]
        wanted = np.array([mean @ mean, np.trace(np.cov(gradients.T))])
        assert noise_error(found[:, path], wanted) <= NOISE_TOLERANCE


# NaN and overflow


@pytest.mark.compiles
@each_activation
@each_kind
def test_same_beyond_the_finite_numbers(activation: str, kind: Kind) -> None:
    """A rate at which SGD explodes: the same numbers, infinities and nan, and failures at the same steps."""
    network = {"hidden": (4, 3), "activation": activation, "loss": kind.loss, "weight_decay": 0.1}
    rate: Callable[[Array], Array] = lambda n: 1e100 + 0.0 * n  # noqa: E731  # a schedule
    program = make(network, taught(kind), "sgd", steps=5, held_out=drawn(taught(kind), 5), learning_rate=rate)
    ours, reference = run(program), run(program, Reference)
    assert np.array_equal(ours.theta, reference.theta, equal_nan=True)
    assert ours.failed == reference.failed
    assert len(ours.failed) == 11
    risks = Fused(program).risks(ours.theta, STOP)
    assert np.array_equal(risks, Reference(program).risks(ours.theta, STOP), equal_nan=True)
    assert not np.any(np.isfinite(risks[0, -1]))
    assert ours.examined
    assert reference.examined
    pairs = zip(ours.examined[:4], reference.examined[:4], strict=True)
    assert all(mine.tobytes() == its.tobytes() for mine, its in pairs), "nan is one nan"


@each_activation
def test_activation_of_nan_is_nan(activation: str) -> None:
    """Also of relu, whose maximum with 0 could hide it."""
    z, slope = np.array([[np.nan, 1.0]]), np.empty((1, 2))
    activate(ACTIVATIONS[activation], 2, z, slope)
    assert np.array_equal(np.isnan(z), [[True, False]])


@each_engine
@each_activation
def test_nan_in_a_weight_reaches_the_risk(engine: Engines, activation: str) -> None:
    """Of its path, and of no other."""
    for examples, loss in ((VALUES, "squared"), (LABELS, "cross_entropy")):
        program = make({"hidden": (4, 3), "activation": activation, "loss": loss}, examples, held_out=drawn(examples, 5))
        theta = np.repeat(start_of(4, program.dim)[None, :, None], 9, axis=2)
        theta[0, 2, 5] = np.nan
        risk = engine(program).risks(theta, STOP)[0, 0]
        assert np.isnan(risk).tolist() == [path == 5 for path in range(9)]


def test_losses_are_the_registered_ones() -> None:
    """A new loss or activation needs a row in the tables above."""
    assert {kind.loss for kind in KINDS.values()} == set(get_args(Loss))
    assert set(FORMULAS) == set(ACTIVATIONS) == {case.activation for case in CASES}
