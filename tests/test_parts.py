"""The parts of a step beside the rule: both engines bit for bit, twins and pieces exactly, and each part by hand."""

import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from kit.experiments import SGD, written
from kit.networks import ROWS as ROWS_OF_TABLE
from kit.networks import VALUES
from kit.networks import make as network
from kit.programs import all_looks, make, optimizer_named, run
from nonconv.components.definitions import Configured
from nonconv.data.continuous import NORMAL, Normal
from nonconv.data.discrete import DISCRETE, Discrete
from nonconv.data.empirical import CSV, Rows
from nonconv.engine import program as timetable
from nonconv.engine.fused import Fused
from nonconv.engine.moving import NOT_SAMPLED, Moving, Snapshots
from nonconv.engine.plan import Wanted, plan_for
from nonconv.engine.program import Average, Modifiers, Program, Supply
from nonconv.engine.reference import Reference
from nonconv.experiment.binding import read_cell
from nonconv.numerics.arithmetic import Array, Lanes
from nonconv.numerics.rng import key, uniforms
from nonconv.results.columns import read_columns
from nonconv.study import loop

STEPS = 45
POINTS = Discrete((0.1, 1.0, -2.0, 5.5, 0.25), (0.2,) * 5)
ROWS = Rows(np.array([[k, 0.5 - k**2, 1.0 / (k + 1)] for k in range(7)]))
LAWS: dict[str, dict[str, Any]] = {
    "points": {"data_parameters": POINTS, "data_constants": DISCRETE.prepare(POINTS, 3)},
    "rows": {"data_parameters": ROWS, "data_constants": CSV.prepare(ROWS, 3)},
}
NAMES = {"points": "discrete", "rows": "csv"}
ORDERED = {"points": 5, "rows": 7}


def noise(dim: int = 3) -> Any:
    h = Normal(0.1, 0.5)
    return Configured(NORMAL, h, NORMAL.prepare(h, dim))


AVERAGES = (
    Average("polyak", lambda n: np.minimum(1.0, 1.0 / np.maximum(n - 10.0, 1.0))),
    Average("ema", lambda n: np.full_like(n, 0.1)),
)
PARTS: list[dict[str, Any]] = [
    {"domain": (np.array([-0.3, -1.0, 0.0]), np.array([0.2, np.inf, 0.4]))},
    {"noise": noise()},
    {"averages": AVERAGES},
    {"modifiers": Modifiers(clip_value=0.3)},
    {"modifiers": Modifiers(clip_norm=1.0, clip_eps=1e-6)},
    {"modifiers": Modifiers(l2=0.3)},
    {"modifiers": Modifiers(decay=0.3)},
    {"modifiers": Modifiers(0.5, 0.7, 0.0, 0.1, 0.2)},
    {"supply": Supply(drift=lambda n: np.sin(0.3 * n))},
    {"supply": Supply(hold=4)},
    {"supply": "epochs"},
    {"supply": "once"},
    {"supply": "cyclic"},
]
"""Each part alone."""


def program(law: str, batch: str, optimizer: str = "adam", steps: int = STEPS, **parts: Any) -> Program:
    """A program on three coordinates with floors; `supply` may be an order."""
    if isinstance(parts.get("supply"), str):
        parts["supply"] = Supply(parts["supply"], ORDERED[law])
    whole = LAWS[law] | {"plan": plan_for(steps, Wanted()), "track_range": True} | parts
    return make(optimizer, NAMES[law], 3, batch, steps, **whole)


def everything(block: Any) -> list[Array]:
    averages = [
        array for one in block.averages for array in (one.theta, one.seen, *one.twins, *one.sampled, *one.sampled_twins)
    ]
    return [block.theta, block.seen, *all_looks(block), block.lowest, block.highest, *averages]


def same(a: Any, b: Any) -> bool:
    return all(x.tobytes() == y.tobytes() for x, y in zip(everything(a), everything(b), strict=True))


@pytest.mark.compiles
@pytest.mark.parametrize("part", range(len(PARTS)))
def test_each_part_has_the_same_bits(part: int) -> None:
    """Half of the parts with batches of one example and values of each coordinate's own, half with larger ones and rows."""
    law, batch = [("points", "1"), ("rows", "3")][part % 2]
    own = program(law, batch, "sgd", **PARTS[part])
    ours, reference = run(own), run(own, Reference)
    assert same(ours, reference)
    assert np.all(np.isfinite(ours.theta))
    if "averages" not in PARTS[part]:
        assert not np.array_equal(ours.theta, run(program(law, batch, "sgd"), Reference).theta), "the part does nothing"


class Decaying(NamedTuple):
    """Of `following`: its state."""

    m: Lanes


class Half(NamedTuple):
    """Of `following`: its parameters."""

    share: Lanes = 0.5


def following(c: Half, s: Decaying, g: Lanes, pull: Lanes = 0.0) -> tuple[Lanes, Decaying]:
    """Decay in a way of its own, of which the average knows."""
    m = c.share * s.m + g + pull
    return m, Decaying(m)


def ahead(c: Half, s: Decaying, theta: Lanes) -> Lanes:
    return theta - c.share * s.m


FOLLOWING = replace(
    optimizer_named("momentum"),
    name="following",
    parameters=Half,
    per_step=Half,
    at_step=lambda h, n: Half(np.full_like(n, h.share)),
    state=Decaying,
    start=lambda h: Decaying(0.0),
    update=following,
    own=ahead,
    own_name="ahead",
    decays=True,
)


@pytest.mark.compiles
@pytest.mark.parametrize(("law", "batch"), [("points", "1"), ("rows", "growing")])
def test_a_rule_that_decays_and_has_an_iterate_of_its_own(law: str, batch: str) -> None:
    changes: dict[str, Any] = {"modifiers": Modifiers(decay=0.3), "averages": AVERAGES, "own": True}
    whole = program(law, batch, "momentum", **changes)
    whole = replace(whole, optimizer=Configured(FOLLOWING, Half()))
    ours, reference = run(whole), run(whole, Reference)
    assert same(ours, reference)
    assert len(ours.averages) == 3
    assert not np.array_equal(ours.averages[2].theta, ours.theta)


@pytest.mark.compiles
@pytest.mark.parametrize("kind", ["separable", "network"])
def test_iterates_that_nobody_keeps_are_written_nowhere(kind: str) -> None:
    """As where failures are searched for: beside the arrays of a motion nothing changes."""
    if kind == "network":
        own = network({"hidden": (3,)}, VALUES, "momentum", "1", STEPS, averages=AVERAGES, own=True)
    else:
        own = program("points", "1", "momentum", averages=AVERAGES, own=True)
    own = replace(own, optimizer=Configured(FOLLOWING, Half()))
    around = np.full((20, 3, own.dim, 13), 7.0)
    moving = Moving([own], Fused(own), 0, 13, np.zeros(1, dtype=np.uint8))
    (piece,) = moving.slices()
    motion = moving._motion(piece, np.arange(STEPS), Snapshots.of(STEPS, moving), NOT_SAMPLED)
    moving.engine.advance(motion._replace(seen_averages=around[10:10, :0]))
    assert np.all(around == 7.0)


def any_parts(seed: int) -> tuple[str, str, dict[str, Any]]:
    """Return a random combination of parts, with a law and a batch size."""
    chance = np.random.default_rng(seed)
    law, batch = str(chance.choice(["points", "rows"])), str(chance.choice(["1", "3", "growing"]))
    order = str(chance.choice(["with_replacement", "epochs", "once", "cyclic"]))
    drift = (lambda n: 0.1 * np.cos(n)) if chance.random() < 0.5 else None
    rows = 0 if order == "with_replacement" else ORDERED[law]

    def maybe(value: float) -> float | None:
        return value if chance.random() < 0.4 else None

    found: dict[str, Any] = {
        "supply": Supply(order, rows, int(chance.choice([1, 2, 5, 50])), drift),  # type: ignore[arg-type]  # a word of numpy's
        "modifiers": Modifiers(maybe(0.4), maybe(0.9), 0.0, maybe(0.2), maybe(0.1)),
        "noise": noise() if chance.random() < 0.5 else None,
        "averages": AVERAGES if chance.random() < 0.5 else (),
    }
    if chance.random() < 0.5:
        found["domain"] = PARTS[0]["domain"]
    return law, batch, found


@pytest.mark.compiles
@pytest.mark.parametrize("seed", range(6))
def test_any_parts_have_the_same_bits(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one slice or several, so that passes, holds and averages are restored in their middle."""
    law, batch, parts = any_parts(seed)
    optimizer = ["sgd", "adam", "momentum"][seed % 3]
    blocks = []
    for length in (8192, 7, 1):
        monkeypatch.setattr(timetable, "SLICE_STEPS", length)
        blocks += [run(program(law, batch, optimizer, **parts), engine) for engine in (Fused, Reference)]
    assert all(same(blocks[0], other) for other in blocks[1:])


NETWORK = {"points": VALUES, "rows": ROWS_OF_TABLE}


@pytest.mark.compiles
@pytest.mark.parametrize("seed", range(12, 16))
def test_any_parts_of_networks_have_the_same_bits(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Likewise of a network; its averages and its gradient noise too."""
    law, batch, parts = any_parts(seed)
    if law == "points":
        parts["supply"] = parts["supply"]._replace(order="with_replacement", rows=0)
    elif parts["supply"].rows:
        parts["supply"] = parts["supply"]._replace(rows=11)
    make_network = partial(network, {"hidden": (3,)}, NETWORK[law], ["sgd", "adam", "momentum"][seed % 3], batch, STEPS)
    dim = make_network().dim
    if "domain" in parts:
        parts["domain"] = np.full(dim, -0.4), np.linspace(0.1, 2.0, dim)
    parts["noise"] = noise(dim) if parts["noise"] else None
    blocks = []
    for length in (8192, 7, 1):
        monkeypatch.setattr(timetable, "SLICE_STEPS", length)
        blocks += [run(make_network(plan=plan_for(STEPS, Wanted()), **parts), engine) for engine in (Fused, Reference)]
    assert all(same(blocks[0], other) for other in blocks[1:])
    if parts["supply"].order != "cyclic" or parts["noise"]:
        assert len(np.unique(blocks[0].theta[-1])) > dim


# Twins


def row_of(order: str, left: list[int], dealt: list[int], serial: int, u: float) -> int:
    """The row that comes: of those left of a pass the one that u chooses, whose place the first of them takes."""
    rows = ORDERED["rows"]
    if order == "cyclic" or (order == "once" and serial >= rows):
        return serial % rows if order == "cyclic" else dealt[serial % rows]
    if serial % rows == 0:
        left[:] = range(rows)
    at = int(u * len(left))
    left[0], left[at] = left[at], left[0]
    dealt.append(left.pop(0))
    return dealt[-1]


def by_hand(p: Program, branch: int, paths: int) -> Array:
    """Iterates (steps, dim, paths) of SGD on rows, whose draws after step `branch` are a twin's; path by path."""
    found, rate, k = np.empty((STEPS, 3, paths)), p.learning_rate(np.arange(1.0, STEPS + 1)), p.objective.constants
    assert p.supply.drift is not None
    drift = p.supply.drift(np.arange(1.0, STEPS + 1))
    for path in range(paths):
        theta, serial, left, dealt, batch = np.asarray(p.start).copy(), 0, list[int](), list[int](), list[int]()
        for n in range(1, STEPS + 1):
            if (n - 1) % p.supply.hold == 0:
                size = int(p.batch_size(np.array([float(n)]))[0])
                u = uniforms(key(p.seed, "data" if n <= branch else "twin"), serial, size, path, 1)[:, 0].tolist()
                batch = [row_of(p.supply.order, left, dealt, serial + i, one) for i, one in enumerate(u)]
                serial += size
            g = sum(p.objective.component.gradient(k, theta, ROWS.table[row] + drift[n - 1]) for row in batch) / len(batch)
            if p.noise:
                of, law = p.noise.constants, p.noise.component
                z = uniforms(key(p.seed, f"gradient noise{' of twins' if n > branch else ''}"), 3 * (n - 1), 3, path, 1)[:, 0]
                g = g + np.array([law.sample(law.constants(*(field[j] for field in of)), z[j]) for j in range(3)])
            theta = theta - rate[n - 1] * g
            found[n - 1, :, path] = theta
    return found


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize(("order", "hold"), [("epochs", 1), ("epochs", 4), ("once", 1), ("once", 4), ("cyclic", 3)])
def test_twins_share_what_is_known_when_they_branch(order: str, hold: int, noisy: bool) -> None:
    """The rows that a pass has used, the whole order where it stays, the batch that is held, the drift; no noise."""
    supply = Supply(order, ORDERED["rows"], hold, lambda n: 0.1 * np.cos(n))  # type: ignore[arg-type]  # a word
    own = program("rows", "growing", "sgd", supply=supply, noise=noise() if noisy else None)
    block = run(own, Reference, paths=5)
    path = by_hand(own, STEPS, 5)
    assert np.allclose(block.theta, path, rtol=1e-12, atol=1e-12)
    for span, twins in zip(own.plan.spans, block.twins, strict=True):
        expected = by_hand(own, span.first, 5)
        assert np.allclose(twins, expected[span.twin_marks - 1], rtol=1e-12, atol=1e-12)
        parted = np.abs(expected - path).max(axis=(1, 2)) > 1e-9
        known = order == "cyclic" or (order == "once" and own.draws_up_to(span.first) >= 6)
        held = -(-span.first // hold) * hold
        assert not parted[: span.first if noisy else STEPS if known else held].any()
        assert parted.any() == (noisy or not known)


LEFT: dict[str, tuple[dict[str, Any], int, float]] = {
    "several left": ({"order": "epochs"}, 4, 4),
    "one left": ({"order": "epochs"}, 5, 6),
    "none left": ({"order": "epochs"}, 6, 6),
    "a batch left": ({"order": "epochs", "batch_size": 3}, 1, 2),
    "less than a batch left": ({"order": "epochs", "batch_size": 4}, 1, 1),
    "a batch left, the one before held": ({"order": "epochs", "batch_size": 2, "hold": 3}, 4, 9),
    "held": ({"hold": 3}, 4, 6),
    "several left of the only order": ({"order": "once"}, 4, 4),
    "one left of the only order": ({"order": "once", "batch_size": 5}, 1, math.inf),
    "whole passes": ({"order": "epochs", "batch_size": 12}, 1, math.inf),
    "listed": ({"order": "cyclic", "hold": 2}, 1, math.inf),
    "listed, with noise": ({"order": "cyclic", "hold": 2, "gradient_noise": "rademacher"}, 1, 1),
}


@pytest.mark.parametrize("case", LEFT)
def test_until_when_twins_are_their_paths(case: str, tmp_path: Path) -> None:
    parts, step, until = LEFT[case]
    data = {"name": "sequence", "values": [1, 2, -3, 4, 0.1, 0.7]} | {k: parts[k] for k in ("order", "hold") if k in parts}
    objective = {"name": "quadratic", "data": data} | {k: parts[k] for k in ("gradient_noise",) if k in parts}
    config = SGD | {"objective": objective, "batch_size": parts.get("batch_size", 1)}
    cell = read_cell(written(tmp_path, config), [])
    assert cell.known_until(step) == until
    assert cell.noiseless == (until == math.inf and parts["order"] != "once")
    assert cell.deterministic == cell.noiseless


@pytest.mark.usefixtures("reference")
@pytest.mark.parametrize(("order", "start"), [("once", 0.0), ("cyclic", 0.0), ("cyclic", {"name": "uniform"})])
def test_reports_say_that_a_floor_of_0_proves_nothing(order: str, start: Any, tmp_path: Path) -> None:
    objective = {"name": "quadratic", "data": {"name": "sequence", "values": [1, 2, -3], "order": order}}
    config = SGD | {"objective": objective, "start": start, "paths": 20, "xi": ["minimizer"]}
    loop.run(read_cell(written(tmp_path, config), []), tmp_path / "out", workers=1, draw=lambda folder: dict)
    assert "Warning: no interval for" in (told := (tmp_path / "out" / "summary.md").read_text())
    assert "nothing else is random: 0 proves nothing" in told
    floors = read_columns(tmp_path / "out" / "floors.csv")
    twins = [name.startswith("twin") for name in floors["floor"]]
    assert {low for low, twin in zip(floors["ci_low"], twins, strict=True) if twin} == {""}
