"""The compiled kernels against the reference engine, bit for bit, and what a block promises whatever moves it."""

import gc
import itertools
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.programs import (
    LAW_OF,
    SOME_OPTIMIZERS,
    all_looks,
    each_engine,
    law_named,
    law_parameters,
    looked_at,
    make,
    optimizer_named,
    run,
)
from nonconv.components.definitions import Chosen
from nonconv.data import DATA
from nonconv.data.continuous import HALF_GRID
from nonconv.data.discrete import Discrete, TwoPoint
from nonconv.data.empirical import Rows
from nonconv.engine import program as timetable
from nonconv.engine.blocks import (
    LANES,
    SMALLEST_BLOCK,
    SNAPSHOT_BYTES,
    WORTHWHILE_SAMPLES,
    Block,
    block_size,
    most_together,
    simulate,
    simulate_together,
)
from nonconv.engine.causes import CAUSES, SQUARES, causes, traced
from nonconv.engine.compiler import definition, njit
from nonconv.engine.fused import Fused
from nonconv.engine.moving import Stopped
from nonconv.engine.plan import NO_PLAN, NOTHING_WANTED, Wanted, plan_for
from nonconv.engine.program import LARGEST_BLOCK, Motion, Program, batch_key
from nonconv.engine.reference import Reference
from nonconv.engine.replay import REPLAY_STEPS, Failed, Failure
from nonconv.engine.squares import watch
from nonconv.engine.strata import path_phases
from nonconv.numerics import elementary, rng
from nonconv.numerics.arithmetic import Array, select
from nonconv.numerics.normal import normal_quantile
from nonconv.objectives.quadratic import QUADRATIC, Quadratic
from nonconv.optimizers import OPTIMIZERS
from nonconv.optimizers.adam import AdamState
from nonconv.schedules import DECAYS
from nonconv.schedules.decay import OneMinusPower


def same_bits(a: Block, b: Block) -> bool:
    """Of all that is left behind, but what is said of failures."""
    ours, theirs = ([x.start, x.theta, x.seen, x.lowest, x.highest, *all_looks(x)] for x in (a, b))
    if a.average is not None and b.average is not None:
        ours, theirs = [*ours, a.average], [*theirs, b.average]
    same = (a.average is None) == (b.average is None) and np.array_equal(a.marks, b.marks)
    return same and all(x.shape == y.shape and x.tobytes() == y.tobytes() for x, y in zip(ours, theirs, strict=True))


ALL = Wanted()
ANY_FLOORS = [Wanted(*flags) for flags in itertools.product((False, True), repeat=3)]


# Engine against engine


class Layout(NamedTuple):
    """The number of coordinates and the batch size."""

    dim: int
    batch: str


LAYOUTS = [Layout(1, "1"), Layout(3, "1"), Layout(2, "5"), Layout(2, "growing")]
each_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS)
some_optimizers = pytest.mark.parametrize("optimizer", SOME_OPTIMIZERS)


each_pair = pytest.mark.parametrize(("optimizer", "data"), LAW_OF.items())


@pytest.mark.compiles
@each_pair
def test_same_bits(optimizer: str, data: str) -> None:
    for layout in LAYOUTS:
        program = make(optimizer, data, *layout, plan=plan_for(45, ALL), track_range=True)
        ours, reference = run(program), run(program, Reference)
        assert same_bits(ours, reference), layout
        assert [twin.shape[0] for twin in ours.twins] == [len(span.twin_marks) for span in program.plan.spans]
        assert np.all(np.isfinite(ours.theta))
        assert len(np.unique(ours.theta[-1])) > 1, "all paths are the same: nothing is compared"


@pytest.mark.compiles
@pytest.mark.parametrize("data", DATA)
def test_samples_have_the_same_bits(data: str) -> None:
    """With scale 1 and rate 1/2, SGD's step from 0 leads to the sample itself."""
    law = law_named(data)
    program = sampling(data)
    u = rng.uniforms(rng.key(program.seed, "data"), 0, 1, 0, 5000)
    x = law.sample(law.constants(*(field[0] for field in program.data.constants)), u)
    assert np.array_equal(run(program, paths=5000).theta[0], x)


@pytest.mark.slow
def test_normal_quantile_has_the_same_bits() -> None:
    """Also of the smallest and the largest uniform, and in the tails of a truncated law."""
    quantile = definition(normal_quantile)

    def loop(p: Array, z: Array) -> None:
        for i in range(p.shape[0]):
            z[i] = quantile(p[i])

    middle, tail = (np.arange(4001) + 0.5) / 4001, 2.0 ** -np.linspace(1.0, 1000.0, 4001)
    p = np.concatenate([[HALF_GRID, 1.0 - HALF_GRID], middle, tail])
    z = np.empty_like(p)
    njit(error_model="numpy")(loop)(p, z)
    assert np.array_equal(z, normal_quantile(p))
    assert np.all(np.isfinite(z))


def sampling(data: str, dim: int = 1) -> Program:
    """A program whose first iterate is its first sample."""
    constants = QUADRATIC.prepare(Quadratic(None, dim), dim)
    return make(
        "sgd", data, dim, steps=1, start=np.zeros(dim), objective_constants=constants, learning_rate=lambda n: 0.5 + 0.0 * n
    )


DIALECTS: list[tuple[str, dict[str, Any]]] = [
    ("momentum", {"nesterov": True}),
    ("momentum", {"form": "ema", "bias_correction": True}),
    ("adagrad", {"eps": 0.1, "eps_placement": "inside", "initial_accumulator": 0.1}),
    ("rmsprop", {"eps": 0.1, "eps_placement": "hat", "bias_correction": True}),
    ("adam", {"beta1": 0.0, "beta2": 0.0, "eps": 0.0}),
    ("adam", {"eps": 0.1, "eps_placement": "inside"}),
    ("adam", {"bias_correction": False, "start": "first_gradient"}),
    ("amsgrad", {"maximum": "after_correction", "beta2": 0.9}),
    ("rmsprop", {"eps": 0.1, "centered": True, "momentum": 0.5, "rate_in_buffer": True}),
    ("adam", {"beta2": Chosen(DECAYS["one_minus_power"], OneMinusPower())}),
]


@pytest.mark.compiles
@pytest.mark.parametrize(("optimizer", "choice"), DIALECTS)
def test_same_bits_in_other_dialects(optimizer: str, choice: dict[str, Any]) -> None:
    program = make(optimizer, "two_point", 3, optimizer_parameters=optimizer_named(optimizer).parameters(**choice))
    assert same_bits(run(program), run(program, Reference))
    assert not same_bits(run(program), run(make(optimizer, "two_point", 3))), "the dialect changes nothing"


@pytest.mark.compiles
@each_optimizer
def test_same_beyond_the_finite_numbers(optimizer: str) -> None:
    """Starts at which squares underflow, overflow, or the iterate itself does: the same numbers, infinities and nan."""
    start = np.array([1e-310, 1e-170, 1e155, -1e300, 1.7e308])
    rate, plan = (lambda n: 2.0 + 0.0 * n), plan_for(45, ALL)
    data = LAW_OF[optimizer].replace("csv", "two_point")  # the table has three columns
    program = make(optimizer, data, 5, start=start, learning_rate=rate, plan=plan, track_range=True)
    ours, reference = run(program), run(program, Reference)
    assert np.array_equal(ours.theta, reference.theta, equal_nan=True)
    for mine, its in zip(ours.twins, reference.twins, strict=True):
        assert np.array_equal(mine, its, equal_nan=True)
    assert np.array_equal(ours.lowest, reference.lowest)
    assert np.array_equal(ours.highest, reference.highest)
    assert np.all(ours.lowest <= ours.start)
    assert np.all(ours.highest >= ours.start)
    assert ours.failed == reference.failed


@pytest.mark.compiles
@pytest.mark.parametrize("paths", [1, 7, 8, 9, LANES - 1, LANES, LANES + 1, LANES + 5, 2 * LANES + 3])
def test_any_number_of_paths(paths: int) -> None:
    """Also when the last group of lanes is not full."""
    program = make("adam", "discrete", 2, "growing", steps=20)
    assert same_bits(run(program, paths=paths), run(program, Reference, paths=paths))


@pytest.mark.compiles
def test_joint_rows_stay_together() -> None:
    """All coordinates of a sample of a table come from one row, and every row comes."""
    table = law_parameters("csv", 3).table
    theta = run(sampling("csv", 3), paths=200).theta[0].T
    assert {tuple(row) for row in theta} == {tuple(row) for row in table}


@pytest.mark.compiles
def test_coordinates_are_independent_otherwise() -> None:
    theta = run(sampling("two_point", 2), paths=200).theta[0].T
    assert {tuple(row) for row in theta} == {(x, y) for x in (-1.0, 2.0) for y in (-1.0, 2.0)}


@pytest.mark.compiles
def test_random_numbers_do_not_depend_on_the_optimizer() -> None:
    """A heavy ball without momentum is SGD on the same data, bit for bit."""
    ball = make("momentum", "uniform", 2, "5", optimizer_parameters=optimizer_named("momentum").parameters(beta=0.0))
    assert same_bits(run(ball), run(make("sgd", "uniform", 2, "5")))


# Blocks, slices, averages, starts

RANDOM_START = Chosen(DATA["discrete"], Discrete((0.0, 1.0, 5.0), (0.25, 0.5, 0.25)))
SOME = settings(max_examples=40, derandomize=True, deadline=None)
MANY = settings(max_examples=200, derandomize=True, deadline=None)


@pytest.mark.compiles
@pytest.mark.slow
@SOME
@given(st.integers(1, 3), st.sampled_from(["1", "2", "5", "growing"]), st.integers(1, 30), st.integers(1, 40), st.data())
def test_any_layout(dim: int, batch: str, steps: int, length: int, data: st.DataObject) -> None:
    """Whatever the sizes, slices of any length, by either engine, give the bits of one slice."""
    changes: dict[str, Any] = {
        "record": np.array(sorted(data.draw(st.sets(st.integers(1, steps), min_size=1)))),
        "average_after": data.draw(st.none() | st.integers(0, steps - 1)),
        "plan": plan_for(steps, data.draw(st.sampled_from(ANY_FLOORS))),
        "track_range": data.draw(st.booleans()),
        "start": RANDOM_START,
    }
    program = make("adam", "discrete", dim, batch, steps, **changes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timetable, "SLICE_STEPS", length)
        cut = make("adam", "discrete", dim, batch, steps, **changes)
        blocks = [run(cut), run(cut, Reference)]
    assert all(same_bits(block, run(program)) for block in blocks)
    alone = run(make("adam", "discrete", dim, batch, steps, **(changes | {"plan": NO_PLAN, "track_range": False})))
    assert alone.theta.tobytes() == blocks[0].theta.tobytes()


@pytest.mark.compiles
@each_engine
def test_odd_slices(engine: type[Fused | Reference], monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices that begin in the middle of a Philox block."""
    whole = run(make("adam", "uniform", 3, "5", average_after=17), engine)
    monkeypatch.setattr(timetable, "SLICE_STEPS", 7)
    cut = make("adam", "uniform", 3, "5", average_after=17)
    first_draws = [piece.first_draw for piece in cut.slices()]
    assert len(first_draws) == 7
    assert any(draw % 2 == 1 for draw in first_draws)
    assert same_bits(run(cut, engine), whole)


def test_of_a_long_timetable_the_last_slices_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is asked for: with all of it in memory, that would grow with the steps."""
    monkeypatch.setattr(timetable, "SLICE_STEPS", 2)
    program = make("adam", "uniform", 1, "growing", 200)
    every = [(piece.first_step, piece.first_draw, piece.coefficients.tolist()) for piece in program.slices()]
    for after in (0, 7, 150):
        found = [(piece.first_step, piece.first_draw, piece.coefficients.tolist()) for piece in program.slices(after=after)]
        assert found[1:] == every[len(every) - len(found) + 1 :]
        assert program.draws_up_to(after) == sum(program.batch_size(np.arange(1.0, after + 1.0))) * program.draws_per_sample
        assert len(program._kept) <= timetable.KEPT_SLICES


@pytest.mark.slow
@MANY
@given(st.integers(1, 60), st.integers(1, 70), st.integers(1, 70), st.sampled_from(["1", "5", "growing"]), st.data())
def test_any_part_of_the_timetable(steps: int, whole: int, length: int, batch: str, data: st.DataObject) -> None:
    """Steps after + 1, ..., last: the numbers of each step, and the draw it begins with, wherever it is cut."""
    after = data.draw(st.integers(0, steps))
    last = data.draw(st.none() | st.integers(after, steps))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timetable, "SLICE_STEPS", whole)
        program = make("adam", data.draw(st.sampled_from(["uniform", "csv"])), 3, batch, steps)
        pieces = list(program.slices(length, after, last))
        at = after + 1
        for piece in pieces:
            samples = program.batch_size(np.arange(1.0, piece.first_step)).sum() if piece.first_step > 1 else 0
            n = np.arange(piece.first_step, piece.first_step + len(piece.batch_size), dtype=np.float64)
            rule, parameters, _ = program.optimizer
            per_step = rule.coefficients(parameters, n, program.learning_rate(n))
            assert piece.first_step == at
            assert 0 < len(n) <= min(length, whole)
            assert piece.first_draw == samples * program.draws_per_sample
            assert np.array_equal(piece.batch_size, program.batch_size(n))
            assert np.array_equal(piece.coefficients.T, np.array([*per_step, program.learning_rate(n)]))
            at += len(n)
        assert at == (steps if last is None else last) + 1


@pytest.mark.parametrize("length", [1, 7, 44, 45, 64])
def test_shorter_slices_are_the_same_timetable(length: int) -> None:
    program = make("adam", "uniform", 3, "growing")
    (whole,) = program.slices()
    pieces = list(program.slices(length))
    samples = np.concatenate([piece.batch_size for piece in pieces])
    assert np.array_equal(samples, whole.batch_size)
    assert np.array_equal(np.concatenate([piece.coefficients for piece in pieces]), whole.coefficients)
    for piece in pieces:
        assert len(piece.batch_size) <= length
        assert piece.first_draw == 3 * samples[: piece.first_step - 1].sum()


@pytest.mark.compiles
@pytest.mark.parametrize("wanted", [NOTHING_WANTED, Wanted(twin=False), ALL], ids=["none", "path alone", "all"])
@pytest.mark.parametrize(("dim", "steps"), [(1, 1), (1, 1000), (10, 1000), (200, 1000), (3000, 1000)])
def test_snapshots_of_a_block_fit(dim: int, steps: int, wanted: Wanted) -> None:
    """Into SNAPSHOT_BYTES, twins included, in blocks of whole eights, and no smaller ones than need be for all floors.

    Nor smaller than worthwhile, nor larger by more than a kernel moves at once. Of twins a quarter of the strata more
    is counted, for the tables that say where each path is looked at.
    """
    start, plan = np.zeros(dim), plan_for(steps, wanted)
    program = make(dim=dim, steps=steps, start=start, plan=plan, record=np.arange(1, steps + 1, max(steps // 50, 1)))
    block = run(program, paths=8)
    tables = sum(span.late.start - span.strata // 4 for span in plan.spans if wanted.twin)
    # Half of the run is looked at whether it is recorded or not, which no block size counts.
    more = len(program.marks) - len(plan.marks(program.record))
    kept = (
        block.seen.nbytes * (1.0 - more / len(program.marks))
        + sum(looks.nbytes for looks in all_looks(block))
        + tables * 8 * dim * block.seen.itemsize
    )
    size = block_size(program)
    assert size % SMALLEST_BLOCK == 0
    assert SMALLEST_BLOCK <= size <= LARGEST_BLOCK
    assert size == SMALLEST_BLOCK or kept * size / 8 <= SNAPSHOT_BYTES
    enough = size == LARGEST_BLOCK or size * dim * steps >= WORTHWHILE_SAMPLES
    assert wanted == Wanted(twin=False) or enough or kept * (size + SMALLEST_BLOCK) / 8 > SNAPSHOT_BYTES
    assert size <= LANES or (size - LANES) * dim * steps < WORTHWHILE_SAMPLES


@cache
def all_paths() -> Block:
    return run(make("adam", "uniform", 2, start=RANDOM_START, average_after=20), paths=320)


@pytest.mark.compiles
@SOME
@given(st.integers(0, 319), st.integers(1, 40))
def test_path_is_the_same_in_any_block(first: int, paths: int) -> None:
    """Alone, with others, at any offset: start, iterates and average."""
    paths, whole = min(paths, 320 - first), all_paths()
    part = run(make("adam", "uniform", 2, start=RANDOM_START, average_after=20), first=first, paths=paths)
    lanes = slice(first, first + paths)
    assert part.average is not None
    assert whole.average is not None
    assert np.array_equal(part.start, whole.start[:, lanes])
    assert np.array_equal(part.theta, whole.theta[:, :, lanes])
    assert np.array_equal(part.average, whole.average[:, lanes])


@pytest.mark.compiles
def test_paths_and_seeds_differ() -> None:
    """Negative control of the tests above: what ought to differ does."""
    assert len(np.unique(all_paths().theta[-1], axis=1).T) == 320
    assert not same_bits(run(make()), run(make(seed=4)))
    assert not same_bits(run(make()), run(make(), first=1))


@pytest.mark.compiles
@pytest.mark.parametrize("after", [0, 20, 44])
def test_average_is_of_the_iterates_after_a_step(after: int) -> None:
    block = run(make("adam", "uniform", 2, average_after=after))
    total = np.zeros((2, 13))
    for theta in block.theta[after:]:
        total += theta
    assert block.average is not None
    assert np.array_equal(block.average, total / (45 - after))


@each_engine
@pytest.mark.parametrize("wanted", ANY_FLOORS, ids=lambda wanted: "".join("-+"[flag] for flag in wanted))
def test_floors_change_no_path(engine: type[Fused | Reference], wanted: Wanted) -> None:
    """Iterates, averages and extremes are the same bits whatever is looked at on the way."""
    record = np.array([1, 9, 30, 45])
    changes: dict[str, Any] = {"average_after": 20, "start": RANDOM_START, "track_range": True, "record": record}
    alone = run(make("adam", "uniform", 2, "5", **changes), engine)
    program = make("adam", "uniform", 2, "5", plan=plan_for(45, wanted), **changes)
    beside = run(program, engine)
    assert len(beside.twins) == (3 if wanted.twin else 0)
    for name in ("start", "theta", "average", "lowest", "highest"):
        assert getattr(beside, name).tobytes() == getattr(alone, name).tobytes(), name
    recorded = np.searchsorted(alone.marks, record)  # half of the run is looked at too
    assert alone.seen[recorded].tobytes() == alone.theta.tobytes()
    whole = run(make("adam", "uniform", 2, "5", **(changes | {"record": np.arange(1, 46)})), engine)
    assert np.array_equal(beside.seen, whole.theta[beside.marks - 1])
    assert set(beside.marks.tolist()) >= {1, 9, 30, 45, *(int(step) for span in program.plan.spans for step in span.path_marks)}


class Branching(Reference):
    """Moves paths step by step, with a twin's data after the branch."""

    def __init__(self, program: Program, branch: int) -> None:
        super().__init__(program)
        self.twin, self.branch, self.done = rng.key(program.seed, "twin"), branch, 0

    def advance(self, motion: Motion) -> None:
        assert len(motion.batch_size) == 1
        super().advance(motion if self.done < self.branch else motion._replace(key=self.twin))
        self.done += 1


@some_optimizers
@each_engine
def test_twins_go_on_with_data_of_their_own(
    engine: type[Fused | Reference], optimizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the path's iterate and the optimizer's state at each branch point, whatever became of the path."""
    block = run(make(optimizer, LAW_OF[optimizer], 2, "growing", plan=plan_for(45, ALL)), engine)
    monkeypatch.setattr(timetable, "SLICE_STEPS", 1)
    plain = make(optimizer, LAW_OF[optimizer], 2, "growing")
    for span, twin in zip(plan_for(45, ALL).spans, block.twins, strict=True):
        expected = simulate(plain, Branching(plain, span.first), 0, 13, np.zeros(1, dtype=np.uint8)).theta
        assert np.array_equal(twin, expected[span.twin_marks - 1])
        assert not np.any(np.all(twin == run(plain, engine).theta[span.twin_marks - 1], axis=(0, 1))), "these are the paths"


@pytest.mark.compiles
@some_optimizers
def test_extremes_are_of_all_iterates(optimizer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And of the start, whatever is recorded, in one slice or several, with floors or without."""
    theta = run(make(optimizer, LAW_OF[optimizer], 2, start=RANDOM_START)).theta
    start = run(make(optimizer, LAW_OF[optimizer], 2, start=RANDOM_START)).start
    every = np.concatenate([start[None], theta])
    for wanted, length in ((NOTHING_WANTED, 8192), (ALL, 8192), (ALL, 7)):
        monkeypatch.setattr(timetable, "SLICE_STEPS", length)
        plan, record = plan_for(45, wanted), np.array([20, 45])
        program = make(optimizer, LAW_OF[optimizer], 2, start=RANDOM_START, track_range=True, plan=plan, record=record)
        for block in (run(program), run(program, Reference)):
            assert np.array_equal(block.lowest, every.min(axis=0))
            assert np.array_equal(block.highest, every.max(axis=0))
    assert np.any(block.lowest < every[[0, 20, 45]].min(axis=0)), "the extremes are among what is recorded"
    assert run(make(optimizer, LAW_OF[optimizer], 2)).lowest.size == 0, "nobody asked"


@pytest.mark.compiles
@pytest.mark.parametrize("period", [1, 9, 200])
@pytest.mark.parametrize("batch", ["1", "growing"])
def test_strata_of_several_tiles(batch: str, period: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each path after its own steps, in one slice or several, with a last tile that is not full, by either engine."""
    steps, paths = 300, LANES + 40
    program, looked = make("adam", dim=2, batch=batch, steps=steps, plan=plan_for(steps, ALL, period)), []
    for length in (8192, 70):
        monkeypatch.setattr(timetable, "SLICE_STEPS", length)
        cut = make("adam", dim=2, batch=batch, steps=steps, plan=plan_for(steps, ALL, period))
        looked += [run(cut, engine, 5, paths) for engine in (Fused, Reference)]
    assert all(same_bits(block, looked[0]) for block in looked)
    for span, sampled in zip(program.plan.spans, looked[0].sampled, strict=True):
        assert np.array_equal(sampled, looked_at(looked[0].theta, span.looks(path_phases(program.seed, 5, paths))))


@pytest.mark.compiles
def test_snapshots_are_a_choice_of_all_iterates() -> None:
    record = np.array([1, 2, 9, 44, 45])
    assert np.array_equal(run(make(record=record)).theta, run(make()).theta[record - 1])


@each_engine
def test_random_starts(engine: type[Fused | Reference]) -> None:
    """Drawn per path and coordinate from a stream of their own."""
    program = make("sgd", "two_point", 2, start=Chosen(DATA["two_point"], TwoPoint(-1.0, 2.0, 0.3)))
    block = run(program, engine, first=5, paths=400)
    u = rng.uniforms(rng.key(program.seed, "start"), 0, 2, 5, 400)
    data = rng.uniforms(rng.key(program.seed, "data"), 0, 2, 5, 400)
    assert np.array_equal(block.start, np.where(u < 0.3, 2.0, -1.0))
    assert not np.array_equal(block.start, np.where(data < 0.3, 2.0, -1.0))


# Programs that are moved together

TOGETHER = [
    {},
    {"learning_rate": lambda n: 0.3 / n},
    {
        "start": np.array([7.0, -7.0]),
        "data_constants": law_named("discrete").prepare(Discrete((0.0, 1.0, 2.0, 9.0), (0.5, 0.1, 0.2, 0.2)), 2),
    },
    {"optimizer_parameters": optimizer_named("adam").parameters(beta1=0.5, eps=0.1, start="first_gradient")},
    {"objective_constants": QUADRATIC.prepare(Quadratic(None, 2, (3.0, 0.1)), 2)},
    {"start": RANDOM_START},
    {"start": np.array([1.7e308, 0.0]), "objective_constants": QUADRATIC.prepare(Quadratic(None, 2, (3.0, 1.0)), 2)},
]
"""What gives a program another batch key."""


def related(batch: str = "1", optimizer: str = "adam", data: str = "discrete", **shared: Any) -> list[Program]:
    changes = [{key: value for key, value in one.items() if optimizer == "adam" or "optimizer" not in key} for one in TOGETHER]
    if data != "discrete":
        changes = [{key: value for key, value in one.items() if key != "data_constants"} for one in changes]
    return [make(optimizer, data, 2, batch, **(one | shared)) for one in changes]


def together(programs: list[Program], first: int = 5, paths: int = LANES + 3) -> list[Block]:
    return simulate_together(programs, Fused, first, paths, np.zeros(1, dtype=np.uint8))


def as_alone(programs: list[Program]) -> bool:
    pairs = zip(programs, together(programs), strict=True)
    return all(same_bits(block, run(program, first=5, paths=LANES + 3)) for program, block in pairs)


@pytest.mark.compiles
@pytest.mark.parametrize("batch", ["1", "5", "growing"])
@pytest.mark.parametrize("track_range", [False, True])
def test_together_as_alone(batch: str, track_range: bool) -> None:
    """All that is left of each program has the bits of a block of its own; also of one that leaves the finite numbers."""
    programs = related(batch, plan=plan_for(45, ALL), track_range=track_range, average_after=20)
    assert len({batch_key(program) for program in programs}) == 1
    blocks = together(programs)
    for program, block in zip(programs, blocks, strict=True):
        alone = run(program, first=5, paths=LANES + 3)
        assert same_bits(block, alone)
        assert block.failed == alone.failed
    assert len({block.theta.tobytes() for block in blocks}) == len(programs), "they are all the same: nothing is compared"
    assert blocks[-1].failed


@pytest.mark.compiles
@each_pair
def test_together_with_any_law(optimizer: str, data: str) -> None:
    assert as_alone(related(optimizer=optimizer, data=data, track_range=True)[:3])


@pytest.mark.compiles
def test_together_over_several_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timetable, "SLICE_STEPS", 7)
    assert as_alone(related("growing", plan=plan_for(45, ALL)))


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 4},
        {"steps": 46},
        {"dim": 1, "start": np.zeros(1)},
        {"optimizer": "sgd"},
        {"data": "uniform"},
        {"record": np.array([45])},
        {"plan": plan_for(45, ALL)},
        {"plan": plan_for(45, Wanted(twin=False))},
        {"track_range": True},
        {"average_after": 3},
        {"orbit": np.zeros(50)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_who_cannot_be_moved_together(change: dict[str, Any]) -> None:
    chosen: dict[str, Any] = {"optimizer": "adam", "data": "discrete", "dim": 2}
    assert batch_key(make(**chosen)) == batch_key(make(**chosen))
    assert batch_key(make(**(chosen | change))) != batch_key(make(**chosen))


def test_tables_of_another_size_have_another_batch_key() -> None:
    table = np.arange(6.0).reshape(3, 2)
    few, many = (make("adam", "csv", 2, data_constants=law_named("csv").prepare(Rows(rows), 2)) for rows in (table, table[:2]))
    assert batch_key(few) != batch_key(many)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dim", "steps", "most"), [(1, 100, 16), (2, 100, 8), (3, 100, 5), (9, 100, 1), (17, 100, 1), (1, 2**17, 2), (1, 2**20, 1)]
)
def test_how_many_are_moved_together(dim: int, steps: int, most: int) -> None:
    assert most_together(make(dim=dim, steps=steps)) == most


def test_programs_moved_together_keep_to_the_memory_of_two_blocks() -> None:
    program = make(steps=2000)  # each of them recorded, for 1024 paths
    assert block_size(program) * program.steps * 8 <= SNAPSHOT_BYTES
    assert most_together(program) == 2


# Failures and stopping


def overflowing() -> Program:
    """SGD that multiplies the error by 5: from 0 it stays finite for 200 steps, from 1e250 it does not."""
    start = Chosen(DATA["two_point"], TwoPoint(0.0, 1e250, 0.2))
    constants = QUADRATIC.prepare(Quadratic(None, 2), 2)
    return make(
        "sgd",
        "two_point",
        2,
        steps=200,
        start=start,
        objective_constants=constants,
        learning_rate=lambda n: 3.0 + 0.0 * n,
    )


def expected_failures(theta: Array, first: int) -> tuple[Failed, ...]:
    """Read off a whole trajectory (steps, dim, paths)."""
    found = []
    for lane in range(theta.shape[2]):
        bad = np.flatnonzero(~np.isfinite(theta[:, :, lane]).all(axis=1))
        if len(bad):
            how: Failure = "undefined" if np.isnan(theta[bad[0], :, lane]).any() else "overflow"
            before = np.abs(theta[bad[0] - 1, :, lane]).max() if bad[0] else 0.0
            found.append(Failed(first + lane, int(bad[0]) + 1, how, float(before), "an overflow"))
    return tuple(found)


@each_engine
def test_overflow_is_found_at_its_step(engine: type[Fused | Reference]) -> None:
    """As the reference engine's trajectory shows, and as 5^n 1e250 > 1.8e308 says: after 84 steps."""
    program = overflowing()
    block = run(program, engine, first=7, paths=40)
    failed = expected_failures(run(program, Reference, first=7, paths=40).theta, 7)
    started_far = {7 + int(lane) for lane in np.flatnonzero(block.start.max(axis=0) > 0)}
    assert block.failed == failed
    assert {f.replicate for f in failed} == started_far
    assert {(f.step, f.how) for f in failed} == {(84, "overflow")}
    assert REPLAY_STEPS < 84, "the search for the step never reaches its second piece"


@each_engine
def test_finite_paths_beside_failed_ones(engine: type[Fused | Reference]) -> None:
    program = overflowing()
    together = run(program, engine, paths=40)
    finite = [lane for lane in range(40) if np.all(np.isfinite(together.theta[-1, :, lane]))]
    assert 0 < len(finite) < 40
    for lane in finite[:8]:
        alone = run(program, engine, first=lane, paths=1)
        assert alone.failed == ()
        assert np.array_equal(alone.theta[:, :, 0], together.theta[:, :, lane])


@each_engine
@pytest.mark.parametrize(("eps", "failed"), [(0.0, True), (1e-8, False)])
def test_adam_without_eps_on_a_zero_gradient(engine: type[Fused | Reference], eps: float, failed: bool) -> None:
    """0 / 0 at step 1 on the paths whose first sample is their start; not with eps."""
    parameters = optimizer_named("adam").parameters(eps=eps)
    program = make("adam", "rademacher", 1, start=np.ones(1), optimizer_parameters=parameters)
    block = run(program, engine, first=3, paths=40)
    u = rng.uniforms(rng.key(program.seed, "data"), 0, 1, 3, 40)[0]
    zero_gradient = [3 + int(lane) for lane in np.flatnonzero(u < 0.5)]
    assert 0 < len(zero_gradient) < 40
    assert block.failed == (tuple(Failed(k, 1, "undefined", 1.0, "0/0") for k in zero_gradient) if failed else ())


SQUARING: dict[str, dict[str, float]] = {
    "adam": {"eps": 0.0},
    "amsgrad": {"eps": 0.0},
    "adagrad": {"eps": 0.0},
    "rmsprop": {"eps": 0.0, "beta2": 0.0},
    "adabelief": {"eps": 0.0, "eps_root": 0.0},
}
"""Rules that divide by a root of squares: without eps they do not change when all gradients are multiplied by a number."""


def scaled(optimizer: str, scale: float, **changes: Any) -> Program:
    """Gradients are at least half of the scale, for the data are -1 and 2."""
    constants = QUADRATIC.prepare(Quadratic(None, 1, scale), 1)
    parameters = optimizer_named(optimizer).parameters(**(SQUARING[optimizer] | changes))
    plan = plan_for(45, ALL)
    return make(
        optimizer, "two_point", plan=plan, start=np.zeros(1), objective_constants=constants, optimizer_parameters=parameters
    )


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_squares_cannot_leave_the_range_between_two_looks(optimizer: str) -> None:
    """What is not suspect at a look stays a normal double until the next one, whatever the gradients are."""
    parameters = optimizer_named(optimizer).parameters(eps=0.0, beta2=0.999)
    program = replace(make(optimizer, "rademacher", 1, start=np.zeros(1), optimizer_parameters=parameters), steps=400_000)
    watched = watch(program)
    assert watched is not None
    assert 1 < watched.every < program.steps
    assert watched.suspect * 0.999 ** (watched.every - 1) == pytest.approx(np.finfo(float).tiny, rel=1e-9, abs=0.0)


@each_engine
@pytest.mark.parametrize("optimizer", SQUARING)
def test_squares_of_gradients_stay_in_the_range_of_numbers_or_the_path_is_undefined(
    optimizer: str, engine: type[Fused | Reference]
) -> None:
    """Steps at every scale have the bits of those at scale 1, up to one from which on the path is undefined."""
    ordinary = run(scaled(optimizer, 1.0), engine)
    assert ordinary.failed == ()
    same = []
    for power in (-1040, -580, -540, -530, -515, -495, 400, 506, 513, 520, 1020):
        block = run(scaled(optimizer, 2.0**power), engine)
        if not block.failed:
            same.append(power)
            # At -515 squares are of the order of the least normal double: right to a rounding.
            almost = power == -515 and np.allclose(block.theta, ordinary.theta, rtol=1e-12, atol=0.0)
            assert same_bits(block, ordinary) or almost, power
            continue
        assert {(one.how, one.cause) for one in block.failed} == {("undefined", CAUSES[SQUARES])}, power
        for one in block.failed:
            before, lost = np.split(block.theta[:, 0, one.replicate], [one.step - 1])
            assert np.isnan(lost).all()
            assert np.allclose(before, ordinary.theta[: len(before), 0, one.replicate], rtol=1e-9, atol=0.0), power
        if power not in (-540, -530, -515):
            assert {one.step for one in block.failed} == {1}
            assert len(block.failed) == 13
            assert all(np.isnan(numbers).all() for numbers in block.sampled)
    assert {-495, 400, 506} <= set(same)
    assert not {-1040, -580, -540, 513, 520, 1020} & set(same)


@each_engine
@pytest.mark.parametrize("eps", [1e-170, 1e-145, 1e-8])
def test_small_squares_do_no_harm_beside_a_large_eps(eps: float, engine: type[Fused | Reference]) -> None:
    """Gradients of 1e-163: with eps 1e-170 the first step would be a million times too long."""
    block = run(scaled("adam", 2.0**-540, eps=eps), engine)
    assert bool(block.failed) == (eps == 1e-170)
    if not block.failed:
        assert 0.0 < np.abs(block.theta[0]).max() < 1e-10


def test_squares_of_twins_alone_may_leave_the_range() -> None:
    """Data of 1e160 are so rare that many paths meet none, while their twins do; only the twins' numbers are lost."""
    law = Discrete((-1.0, 1.0, 1e160), (0.5, 0.495, 0.005))
    constants = law_named("discrete").prepare(law, 1)
    program = make("adam", "discrete", plan=plan_for(45, ALL), start=np.zeros(1), data_constants=constants)
    block = run(program, Reference, paths=200)
    lost = {one.replicate for one in block.failed}
    assert {one.cause for one in block.failed} == {CAUSES[SQUARES]}
    found = [lane for lane in range(200) if lane not in lost and any(np.isnan(twin[:, :, lane]).any() for twin in block.twins)]
    assert 0 < len(lost) < 100
    assert found
    assert np.isfinite(block.theta[:, :, [lane for lane in range(200) if lane not in lost]]).all()


@pytest.mark.parametrize(
    ("definition", "cause"),
    [
        (lambda x: np.sqrt(x - 2.0), "the root of a negative number"),
        (lambda x: (x - 1.0) / (x - x), "0/0"),
        (lambda x: x / (x - x), "a division by 0"),
        (lambda x: 1e308 * (x + x), "an overflow"),
        (lambda x: (1e308 * (x + x)) / (1e308 * (x + x)), "∞/∞"),
        (lambda x: 1e308 * (x + x) - 1e308 * (x + x), "∞ − ∞"),
        (lambda x: (x - x) * (1e308 * (x + x)), "0 · ∞"),
        (lambda x: select(x > 0.0, np.sqrt(x - 2.0), x / (x - x)), "the root of a negative number"),
        (lambda x: select(x < 0.0, np.sqrt(x - 2.0), x / (x - x)) * 2.0, "a division by 0"),
        (lambda x: elementary.exp(800.0 * x), "an overflow"),
        (lambda x: np.maximum(np.sqrt(x - 2.0), 1.0) + np.inf, "the root of a negative number"),
        (lambda x: np.arcsin(x + 1.0), "an undefined operation"),
        (lambda x: np.log(x - x), "an undefined operation"),
        (lambda x: np.power(x - x, -1.0), "a division by 0"),
        (lambda x: np.reciprocal(x - x), "a division by 0"),
        (lambda x: np.sqrt(x - 2.0) + np.stack([x, x])[0], "the root of a negative number"),
        (lambda x: np.sqrt(x - 2.0) + np.stack(AdamState(x, x))[0], "the root of a negative number"),
        (lambda x: select(x > 0.0, x, np.sqrt(x - 2.0)), ""),
    ],
)
def test_the_cause_of_a_number_that_is_not_finite(definition: Callable[[Any], Any], cause: str) -> None:
    """That of the operation which made it so, whatever else was done and not chosen."""
    with np.errstate(all="ignore"):
        assert CAUSES[int(causes(definition(traced(np.ones(3))))[1])] == cause


@each_engine
def test_stop_flag(engine: type[Fused | Reference]) -> None:
    program = make()
    with pytest.raises(Stopped):
        simulate(program, engine(program), 0, 8, np.ones(1, dtype=np.uint8))


@pytest.mark.compiles
def test_a_program_goes_with_its_last_user() -> None:
    """Not when garbage is looked for, which is seldom: in a sweep each cell's timetable would stay until then."""
    program = make("adam", "two_point", steps=20_000)
    gone = weakref.ref(program)
    gc.disable()
    try:
        run(program, paths=8)
        del program
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.compiles
def test_stop_in_the_middle_of_a_slice() -> None:
    """The kernel looks at the flag while it runs: this program would take twenty seconds of this thread."""
    program = make("sgd", "two_point", batch="1000000", steps=500)
    engine, stop = Fused(program), np.zeros(1, dtype=np.uint8)
    timer, started = threading.Timer(0.1, stop.fill, (1,)), time.thread_time()
    timer.start()
    with pytest.raises(Stopped):
        simulate(program, engine, 0, 8, stop)
    timer.join()
    assert time.thread_time() - started < 3.0
