"""The `sweep:` block and --grid: what a grid is, whole texts of all that may be wrong with one, and hostile expressions."""

import contextlib
import itertools
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import golden
from nonconv.config.expression import equation, expression
from nonconv.experiment.binding import read_cell
from nonconv.faults.errors import ConfigError
from nonconv.formulas.syntax import DEEPEST, MOST_CHARACTERS
from nonconv.sweeps.block import MOST_CELLS, RESERVED
from nonconv.sweeps.spacings import SPACINGS
from nonconv.sweeps.sweep import MOST_PROBLEMS, RECORD_DEFAULTS, Survey, Sweep, cell_id, label, read_sweep, survey

BASE = """\
seed: 1
paths: 64
steps: 100
objective: {name: quadratic, data: {name: two_point, p_high: 0.25}}
optimizer: {name: adam, beta1: 0.5, beta2: 0.9}
learning_rate: 0.1
"""
TWO_SEEDS = "seed: [1, 2]"
BETAS = "optimizer.beta1: [0, 0.5, 0.9]\noptimizer.beta2: [0.9, 0.99]"
BAD = golden.table("bad_grids.yaml")


def with_block(block: str, base: str = BASE) -> str:
    return base + "".join(f"{line}\n" for line in ["sweep:", *(f"  {line}" for line in block.splitlines())])


def read(folder: Path, block: str, *grids: str, base: str = BASE) -> Sweep:
    path = folder / "bad.yaml"
    path.write_text(with_block(block, base) if block else base, encoding="utf-8")
    return read_sweep(path, grids=grids)


def surveyed(folder: Path, block: str, *grids: str, base: str = BASE) -> Survey:
    return survey(read(folder, block, *grids, base=base))


def labels(folder: Path, block: str, *grids: str, base: str = BASE) -> list[str]:
    """What the cells are called, of a sweep that is good."""
    sweep = read(folder, block, *grids, base=base)
    assert len(survey(sweep).ids) == len(list(sweep.points()))
    return [label(point) for point in sweep.points()]


def told(folder: Path, block: str, *grids: str, base: str = BASE) -> str:
    """What the user is told of a sweep, the folder left out of file names."""
    with pytest.raises(ConfigError) as caught:
        surveyed(folder, block, *grids, base=base)
    assert all(caught.value.problems)
    return str(caught.value).replace(f"{folder}/", "")


# Spacings


@pytest.mark.parametrize(
    ("name", "first", "last", "number"),
    [
        ("linspace", 0, 0.99, 20),
        ("linspace", 0.9, -0.9, 7),
        ("logspace", -3, -1, 9),
        ("logspace", 2, -300, 11),
        ("geomspace", 1e-3, 5, 9),
        ("geomspace", -7, -1e-3, 4),
        ("geomspace", 1e-300, 1e-200, 3),
    ],
)
def test_spacings_are_those_of_numpy(name: str, first: float, last: float, number: int) -> None:
    wanted = getattr(np, name)(first, last, number)
    if name == "linspace":
        wanted[np.abs(wanted) <= np.finfo(float).eps * max(abs(first), abs(last))] = 0  # where it means 0
    assert [f"{value:.12g}" for value in SPACINGS[name](first, last, number)] == [f"{value:.12g}" for value in wanted]


def test_linspace_over_all_numbers() -> None:
    """Where NumPy's overflows."""
    assert SPACINGS["linspace"](-1e308, 1e308, 5) == [-1e308, -5e307, 0, 5e307, 1e308]


def test_one_minus_logspace() -> None:
    assert SPACINGS["one_minus_logspace"](-1, -5, 5) == [0.9, 0.99, 0.999, 0.9999, 0.99999]
    np.testing.assert_allclose(
        SPACINGS["one_minus_logspace"](-0.5, -3.5, 20), 1 - np.logspace(-0.5, -3.5, 20), rtol=0, atol=10**-12
    )


def test_generated_numbers_are_those_one_would_write() -> None:
    assert SPACINGS["linspace"](0, 0.9, 10) == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert SPACINGS["linspace"](-0.3, 0.3, 7) == [-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3]
    assert SPACINGS["logspace"](-3, 0, 4) == [0.001, 0.01, 0.1, 1]
    assert SPACINGS["geomspace"](0.001, 1000, 7) == [0.001, 0.01, 0.1, 1, 10, 100, 1000]
    assert SPACINGS["linspace"](0, 1, 4) == [0, 0.333333333333, 0.666666666667, 1]


@pytest.mark.parametrize("name", ["linspace", "geomspace"])
def test_ends_are_as_they_were_given(name: str) -> None:
    assert SPACINGS[name](0.1234567890123456, 9876543210123456, 3)[::2] == [0.1234567890123456, 9876543210123456]


@pytest.mark.parametrize("name", SPACINGS)
def test_a_spacing_of_one_is_its_first(name: str) -> None:
    assert SPACINGS[name](-1, -3, 1) == SPACINGS[name](-1, -3, 2)[:1]


# Grids


def test_product_the_first_key_slowest(tmp_path: Path) -> None:
    assert labels(tmp_path, "optimizer.beta1: [0, 0.5]\nseed: [1, 2]\noptimizer.beta2: {linspace: [0.9, 0.99, 2]}") == [
        f"seed={seed}, optimizer.beta1={beta1}, optimizer.beta2={beta2}"
        for beta1, seed, beta2 in itertools.product([0, 0.5], [1, 2], [0.9, 0.99])
    ]


def test_keys_are_in_the_order_given(tmp_path: Path) -> None:
    block = "optimizer.beta2: [0.9]\nseed: [1]\nzip: {steps: [1], escape_radius: [9]}\noptimizer.beta1: [0]"
    grid = read(tmp_path, block).grid
    assert grid.keys == ("optimizer.beta2", "seed", "optimizer.beta1", "steps", "escape_radius")
    assert grid.size == 1


def test_whole_keys_come_before_what_is_in_them(tmp_path: Path) -> None:
    block = "optimizer.beta1: [0, 0.9]\noptimizer: [rmsprop, {name: adam, beta2: 0.5}]\nexclude: optimizer.name == 'rmsprop'"
    assert labels(tmp_path, block) == [f"optimizer={{name: adam, beta2: 0.5}}, optimizer.beta1={beta1}" for beta1 in (0, 0.9)]


def test_keys_that_change_together(tmp_path: Path) -> None:
    block = "zip: {optimizer.beta1: [0, 0.5], optimizer.beta2: [0.9, 0.99]}"
    assert labels(tmp_path, block) == ["optimizer.beta1=0, optimizer.beta2=0.9", "optimizer.beta1=0.5, optimizer.beta2=0.99"]


def test_groups_of_keys_that_change_together(tmp_path: Path) -> None:
    block = "zip:\n- {steps: [1, 2], seed: [7, 7]}\n- {optimizer.beta1: {linspace: [0, 0.5, 2]}, escape_radius: [9, 8]}"
    assert labels(tmp_path, block) == [
        "steps=1, seed=7, escape_radius=9, optimizer.beta1=0.0",
        "steps=1, seed=7, escape_radius=8, optimizer.beta1=0.5",
        "steps=2, seed=7, escape_radius=9, optimizer.beta1=0.0",
        "steps=2, seed=7, escape_radius=8, optimizer.beta1=0.5",
    ]


def test_components_with_parameters_of_their_own(tmp_path: Path) -> None:
    block = "optimizer: [sgd, {name: adam, beta1: {linspace: [0, 0.9, 2]}, beta2: {one_minus_logspace: [-1, -2, 2]}}]"
    assert labels(tmp_path, block) == [
        "optimizer=sgd",
        *(
            f"optimizer=adam, optimizer.beta1={beta1}, optimizer.beta2={beta2}"
            for beta1, beta2 in itertools.product([0.0, 0.9], [0.9, 0.99])
        ),
    ]


def test_lists_within_components_unfold(tmp_path: Path) -> None:
    """Into the product; but a parameter that may hold a list keeps it."""
    assert labels(tmp_path, "optimizer: [sgd, {name: adam, beta1: [0, 0.5], bias_correction: [true, false]}]\n") == [
        "optimizer=sgd",
        *(
            f"optimizer=adam, optimizer.beta1={beta1}, optimizer.bias_correction={corrected}"
            for beta1 in (0, 0.5)
            for corrected in (True, False)
        ),
    ]
    whole = "learning_rate: [{name: piecewise, values: [0.1, 0.01], until: [10]}]\n"
    assert len(labels(tmp_path, whole)) == 1
    nested = "objective: [{name: quadratic, dim: 2, scale: [1, 2], data: {name: two_point, p_high: [0.2, 0.4]}}]\n"
    assert [text.rpartition(", ")[2] for text in labels(tmp_path, nested)] == [
        "objective.data.p_high=0.2",
        "objective.data.p_high=0.4",
    ]
    assert "duplicate value; first given as sweep.optimizer[0].beta1[0]" in told(
        tmp_path, "optimizer: [{name: adam, beta1: [0, 0]}]\n"
    )


def test_parts_of_a_step_unfold_and_may_be_left_out(tmp_path: Path) -> None:
    noise = "objective.gradient_noise: [null, rademacher, {name: normal, std: [0.5, 2]}]\n"
    assert labels(tmp_path, noise) == [
        "objective.gradient_noise=null",
        "objective.gradient_noise=rademacher",
        *(f"objective.gradient_noise=normal, objective.gradient_noise.std={std}" for std in (0.5, 2)),
    ]
    named = 'include: objective.gradient_noise.name == "rademacher"\n'
    assert labels(tmp_path, noise + named) == ["objective.gradient_noise=rademacher"]
    drift = "objective.data.drift: [null, {name: linear, speed: [0.1, 0.2]}]\n"
    assert labels(tmp_path, drift) == [
        "objective.data.drift=null",
        *(f"objective.data.drift=linear, objective.data.drift.speed={speed}" for speed in (0.1, 0.2)),
    ]
    without = "objective.data: [{name: two_point, hold: null, order: null}]\noptimizer: [{name: adam, weight_decay: null}]\n"
    assert surveyed(tmp_path, without).digest == surveyed(tmp_path, "objective.data: [two_point]\noptimizer: [adam]\n").digest
    refused = told(tmp_path, "optimizer: [{name: adamw, weight_decay: null}]\n")
    assert "weight_decay: must be a number >= 0, got nothing" in refused, "of which null is not the default"


def test_a_list_unfolds_into_the_cells_that_a_key_of_its_own_gives(tmp_path: Path) -> None:
    """With the ids they have today."""
    inside = surveyed(tmp_path, "optimizer: [{name: adam, beta1: [0, 0.5]}]\n")
    apart = surveyed(tmp_path, "optimizer: [adam]\noptimizer.beta1: [0, 0.5]\n")
    assert inside.ids == apart.ids


def test_spacings_at_any_depth(tmp_path: Path) -> None:
    block = "objective: [{name: quadratic, data: {name: two_point, p_high: {linspace: [0.1, 0.2, 2]}}}]"
    sweep = read(tmp_path, block)
    cells = [sweep.cell(point).resolved["objective"]["data"] for point in sweep.points()]
    assert sweep.grid.keys == ("objective", "objective.data.p_high")
    assert [(data["name"], data["p_high"]) for data in cells] == [("two_point", 0.1), ("two_point", 0.2)]


def test_a_million_points_are_not_unfolded(tmp_path: Path) -> None:
    block = "\n".join(f"{key}: {{linspace: [1, 10, 10]}}" for key in ["seed", "steps", "escape_radius", "start"])
    block += "\nlearning_rate: {linspace: [1, 100, 100]}"
    before = time.process_time()
    sweep = read(tmp_path, block)
    first = list(itertools.islice(sweep.points(), 3))
    assert time.process_time() - before < 1
    assert sweep.grid.size == 10**6
    assert [point[-1].value for point in first] == [1, 2, 3]


# Conditions


@pytest.mark.parametrize(
    ("conditions", "left"),
    [
        ("include: optimizer.beta1 > 0.1", [(0.5, 0.9), (0.5, 0.99), (0.9, 0.9), (0.9, 0.99)]),
        ("include: [optimizer.beta1 > 0.1, optimizer.beta2 < 0.95]", [(0.5, 0.9), (0.9, 0.9)]),
        ("exclude: [optimizer.beta1 == 0, optimizer.beta2 == 0.99]", [(0.5, 0.9), (0.9, 0.9)]),
        (
            "exclude: optimizer.beta1 >= sqrt(optimizer.beta2) or optimizer.beta1 == 0",
            [(0.5, 0.9), (0.5, 0.99), (0.9, 0.9), (0.9, 0.99)],
        ),
        ("include: 0 < optimizer.beta1 < 0.9 and not optimizer.beta2 > 0.9", [(0.5, 0.9)]),
        ("include: max(optimizer.beta1, 0.6) ** 2 - abs(-0.81) == 0", [(0.9, 0.9), (0.9, 0.99)]),
        (
            "include: optimizer.name == 'adam' and learning_rate.value * 10 == steps / 100",
            [*itertools.product([0, 0.5, 0.9], [0.9, 0.99])],
        ),
    ],
)
def test_conditions(conditions: str, left: list[tuple[float, float]], tmp_path: Path) -> None:
    points = list(read(tmp_path, f"{BETAS}\n{conditions}").points())
    assert [tuple(setting.value for setting in point) for point in points] == left


@pytest.mark.parametrize(
    ("conditions", "left"),
    [
        ("include: optimizer.beta1 < 0.5", ["optimizer=adam, optimizer.beta1=0.0"]),
        ("exclude: optimizer.beta1 < 0.5", ["optimizer=sgd", "optimizer=adam, optimizer.beta1=0.9"]),
        ("include: not optimizer.beta1 < 0.5", ["optimizer=adam, optimizer.beta1=0.9"]),
        ("include: optimizer.name == 'sgd' or optimizer.beta1 > 0.5", ["optimizer=sgd", "optimizer=adam, optimizer.beta1=0.9"]),
    ],
)
def test_a_condition_does_not_hold_where_a_key_does_not_exist(conditions: str, left: list[str], tmp_path: Path) -> None:
    assert labels(tmp_path, f"optimizer: [sgd, {{name: adam, beta1: {{linspace: [0, 0.9, 2]}}}}]\n{conditions}") == left


def test_keys_that_are_also_methods_of_python(tmp_path: Path) -> None:
    """A mapping of Python's has `values` too."""
    base = BASE.replace("learning_rate: 0.1", "learning_rate: {name: piecewise, values: [0.1, 0.01], until: [10]}")
    assert labels(tmp_path, "seed: [1, 2]\nexclude: learning_rate.values == 3", base=base) == ["seed=1", "seed=2"]
    assert expression("a.values > 1").value({"a": {"values": 2}}) is True
    assert expression("a.values").value({"a": {}}) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a + b.c * 2", 7),
        ("-a / 2", -0.5),
        ("b.c ** 0.5", math.sqrt(3)),
        ("log(b.c)", math.log(3)),
        ("log(8, 2)", 3),
        ("log10(1000) + exp(a - 1)", 4),
        ("min(a, b.c, 2) - max(a, b.c)", -2),
        ("a == true", True),
        ("s == 'word'", True),
        ("s != 'word'", False),
        ("l == [1]", True),
        ("l == [1, 2] or b.c == 3", True),
        ("t == [4, 5]", True),
        ("l + [1]", None),
        ("a < 2 < b.c", True),
        ("sqrt(-a)", None),
        ("log(a - 1)", None),
        ("1 / (a - 1)", None),
        ("(-a) ** 0.5", None),
        ("exp(1e9)", None),
        ("9**9**9", None),
        ("3999999**3999999", None),
        ("1e308 * 10 - 1e308 * 10", None),
        ("s < 1", None),
        ("s + s", None),
        ("'a' * 1000000000", None),
        ("nothing", None),
        ("a.nothing", None),
        ("s.upper", None),
        ("l.append", None),
        ("b.__class__", None),
    ],
)
def test_value(text: str, value: Any) -> None:
    assert expression(text).value({"a": 1, "b": {"c": 3}, "s": "word", "l": [1], "t": (4, 5)}) == value


def test_keys_of_an_expression() -> None:
    assert expression("log(b.c, 2) > a and b.c != 'x.y' or true").keys == ("b.c", "a")
    assert equation("a = sqrt(b.c)").keys == ("a", "b.c")


def test_an_equation_is_left_minus_right() -> None:
    assert equation("a - 1 = b * 2 - 3").value({"a": 1, "b": 5}) == -7
    assert equation("a = sqrt(b)").value({"a": 1, "b": -1}) is None


@pytest.mark.parametrize(
    "text",
    [
        "().__class__.__bases__[0].__subclasses__()",
        "__import__('os').system('true')",
        "a.__class__()",
        "(lambda: 1)()",
        "[a for a in b]",
        "{a: 1}",
        "[a]",
        "[[1]]",
        "f'{a}'",
        "a[0]",
        "a if a else a",
        "(a := 1)",
        "a; a",
        "a % 2",
        "1 << 99999999",
        "sqrt(x=1)",
        "min(*a)",
        "eval('1')",
        "1j",
        "None",
        "\0",
        "\ud800",
        "'\\d' == a",
        "1or a",
        "",
        "#",
        "9" * MOST_CHARACTERS * 5,
        "a" + " + a" * MOST_CHARACTERS,
        "+".join("a" * (DEEPEST + 2)),
        "-" * (MOST_CHARACTERS - 1) + "1",
        "(" * 150 + "1" + ")" * 150 + "+",
        "(" * 400,
        "[" * 150 + "]" * 150,
    ],
)
def test_hostile_expressions_are_refused(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"^(['\"].* is not|there is no function|has \d+ characters|is nested more than|min takes)"
    ):
        expression(text)


TOKENS = [
    "a",
    "b.c",
    "9",
    "'s'",
    "(",
    ")",
    "**",
    "*",
    "+",
    "-",
    "not ",
    " and ",
    "<",
    "=",
    ",",
    "sqrt(",
    ".",
    "[",
    "1e308",
    "__class__",
]


@pytest.mark.slow
@settings(max_examples=200, derandomize=True, deadline=None)
@given(text=st.text() | st.lists(st.sampled_from(TOKENS), max_size=30).map("".join))
def test_any_expression(text: str) -> None:
    """It is refused, or has a value or none."""
    for read_text in (expression, equation):
        with contextlib.suppress(ValueError):
            assert read_text(text).holds({"a": 2, "b": {"c": "text"}}) in (True, False)


# What a cell of a sweep is


def test_records_are_small_in_a_sweep(tmp_path: Path) -> None:
    sweep = read(tmp_path, TWO_SEEDS)
    assert {key: sweep.cell(next(sweep.points())).resolved["record"][key] for key in RECORD_DEFAULTS} == RECORD_DEFAULTS


def test_records_are_as_the_config_says(tmp_path: Path) -> None:
    sweep = read(tmp_path, TWO_SEEDS, base=f"{BASE}record: {{points: 7, spacing: linear}}\n")
    record = sweep.cell(next(sweep.points())).resolved["record"]
    assert record == {"points": 7, "spacing": "linear", "paths": RECORD_DEFAULTS["paths"], "fan": RECORD_DEFAULTS["fan"]}


def test_expectations_are_of_one_experiment(tmp_path: Path) -> None:
    base = f"{BASE}expect: {{verdict: converges}}\n"
    assert surveyed(tmp_path, TWO_SEEDS, base=base).ids == surveyed(tmp_path, TWO_SEEDS).ids


def test_a_cell_is_the_experiment_run_alone(tmp_path: Path) -> None:
    sweep = read(tmp_path, "optimizer: [sgd, {name: adam, beta1: {linspace: [0, 0.9, 4]}}]\nlearning_rate: [0.1, 0.2]")
    record = [f"record.{key}={value}" for key, value in RECORD_DEFAULTS.items()]
    (tmp_path / "alone.yaml").write_text(BASE)
    identities = set()
    for point in sweep.points():
        values = [f"{setting.key}={yaml.safe_dump(setting.value, default_flow_style=True)}" for setting in point]
        alone = read_cell(tmp_path / "alone.yaml", [*(text.removesuffix("...\n") for text in values), *record])
        cell = sweep.cell(point)
        assert (cell.identity, cell.resolved) == (alone.identity, alone.resolved)
        identities.add(cell.identity)
    assert len(identities) == 10


def test_ids_are_the_same_for_other_numbers_of_paths(tmp_path: Path) -> None:
    few, many = (
        surveyed(tmp_path, BETAS, base=BASE.replace("paths: 64", f"paths: {paths}"))
        for paths in ("64", "{max: 900, target: 0.1}")
    )
    assert few.ids == many.ids
    assert (few.paths, many.paths) == (64, 900)
    assert few.identity == many.identity
    assert few.digest != many.digest
    assert few.path_steps == 6 * 64 * 100


@pytest.mark.parametrize(
    "block",
    [
        "optimizer.beta1: [0, 0.5, 0.9, 0.95]\noptimizer.beta2: [0.9, 0.99]",
        "optimizer.beta2: [0.8, 0.99]\noptimizer.beta1: {linspace: [0.1, 0.9, 7]}",
        f"{BETAS}\nexclude: optimizer.beta1 == 0",
        f"{BETAS}\nbaseline: {{optimizer.beta1: 0.5}}\ncurves: optimizer.beta1 = optimizer.beta2",
        "zip: {optimizer.beta1: [0.3, 0.5], optimizer.beta2: [0.9, 0.99]}",
    ],
)
def test_a_sweep_of_another_extent_is_the_same(block: str, tmp_path: Path) -> None:
    assert surveyed(tmp_path, block).identity == surveyed(tmp_path, BETAS).identity


@pytest.mark.parametrize(
    "block", ["optimizer.beta1: [0, 0.5, 0.9]", f"{BETAS}\nseed: [1]", "optimizer: [sgd, adam]", "optimizer.beta2: [0.5]"]
)
def test_a_sweep_of_other_keys_is_another(block: str, tmp_path: Path) -> None:
    assert surveyed(tmp_path, block).identity != surveyed(tmp_path, BETAS).identity


@pytest.mark.parametrize(
    ("old", "new"),
    [("seed: 1", "seed: 2"), ("steps: 100", "steps: 101"), ("0.25", "0.5"), ("learning_rate: 0.1", "learning_rate: 1")],
)
def test_a_sweep_of_another_config_is_another(old: str, new: str, tmp_path: Path) -> None:
    assert surveyed(tmp_path, BETAS, base=BASE.replace(old, new)).identity != surveyed(tmp_path, BETAS).identity


def test_what_a_swept_key_is_in_the_config_changes_nothing(tmp_path: Path) -> None:
    found, other = (surveyed(tmp_path, BETAS, base=BASE.replace("beta1: 0.5", f"beta1: {beta1}")) for beta1 in (0.5, 0.7))
    assert (found.identity, found.ids, found.digest) == (other.identity, other.ids, other.digest)


def test_an_entry_of_a_list_can_be_swept(tmp_path: Path) -> None:
    base = f"{BASE}xi: [minimizer, 0.5]\n"
    found, other = (surveyed(tmp_path, f"xi.1: {values}", base=base) for values in ("[0.25, 0.5]", "[0.75, 1, 2]"))
    assert found.identity == other.identity
    assert len(set(found.ids + other.ids)) == 5


@pytest.mark.parametrize(
    ("block", "at"),
    [
        (BETAS, "optimizer.beta1=0, optimizer.beta2=0.9"),
        (f"{BETAS}\nbaseline: {{optimizer.beta1: 0.5}}", "optimizer.beta1=0.5, optimizer.beta2=0.9"),
        (f"{BETAS}\nbaseline: {{optimizer.beta2: 0.99, optimizer.beta1: 0.0}}", "optimizer.beta1=0, optimizer.beta2=0.99"),
        (f"{BETAS}\nexclude: optimizer.beta1 == 0", "optimizer.beta1=0.5, optimizer.beta2=0.9"),
        (
            "optimizer: [sgd, {name: adam, beta1: {linspace: [0, 0.9, 2]}}]\nbaseline: {optimizer: adam}",
            "optimizer=adam, optimizer.beta1=0.0",
        ),
        ("optimizer: [sgd, adam]\nbaseline: {optimizer: {name: adam}}", "optimizer=adam"),
    ],
)
def test_baseline(block: str, at: str, tmp_path: Path) -> None:
    sweep = read(tmp_path, block)
    wanted = next(point for point in sweep.points() if label(point) == at)
    assert survey(sweep).baseline == cell_id(sweep.cell(wanted))


def test_what_is_known_of_a_sweep(tmp_path: Path) -> None:
    found = surveyed(tmp_path, "steps: [10, 20]", base=f"{BASE}xi: [minimizer, start]\nfloors: {{twin: false}}\n")
    assert (found.xi, found.floors) == (("minimizer", "start"), ("window", "cauchy"))
    assert (found.path_steps, found.paths, found.steps, found.files) == (64 * 30, 64, None, {})


# --grid

GRIDS: list[tuple[str, list[str]]] = [
    ("seed=1,2", ["seed=1", "seed=2"]),
    ("seed=1", ["seed=1"]),
    ("seed=[1, 2]", ["seed=1", "seed=2"]),
    ("optimizer.beta1=0:0.9:4", ["optimizer.beta1=0.0", "optimizer.beta1=0.3", "optimizer.beta1=0.6", "optimizer.beta1=0.9"]),
    ("learning_rate={logspace: [-3, -1, 3]}", ["learning_rate=0.001", "learning_rate=0.01", "learning_rate=0.1"]),
    ("optimizer=sgd,adam", ["optimizer=sgd", "optimizer=adam"]),
    (
        "optimizer=sgd,{name: adam, beta1: {linspace: [0, 0.9, 2]}}",
        ["optimizer=sgd", "optimizer=adam, optimizer.beta1=0.0", "optimizer=adam, optimizer.beta1=0.9"],
    ),
    ("optimizer={name: adam, beta1: 0},{name: sgd}", ["optimizer={name: adam, beta1: 0}", "optimizer=sgd"]),
    ("optimizer={name: sgd}", ["optimizer=sgd"]),
    ("xi=[start],[minimizer, 0]", ["xi=[start]", "xi=[minimizer, 0]"]),
]


@pytest.mark.parametrize(("grid", "wanted"), GRIDS, ids=[grid for grid, _ in GRIDS])
def test_grid_option(grid: str, wanted: list[str], tmp_path: Path) -> None:
    assert labels(tmp_path, "", grid) == wanted


def test_a_grid_option_replaces_the_values_of_its_key(tmp_path: Path) -> None:
    block = "optimizer.beta1: [0, 0.5, 0.9]\nseed: [1, 2]"
    replaced = labels(tmp_path, block, "optimizer.beta1=0.1", "steps=5,6", "seed=7", "seed=8")
    assert replaced == ["seed=8, steps=5, optimizer.beta1=0.1", "seed=8, steps=6, optimizer.beta1=0.1"]


def test_a_grid_option_fills_an_empty_block(tmp_path: Path) -> None:
    assert labels(tmp_path, "", "seed=1,2", base=f"{BASE}sweep:\n") == ["seed=1", "seed=2"]


def test_a_grid_option_is_the_same_sweep_as_the_block(tmp_path: Path) -> None:
    option, block = surveyed(tmp_path, "", "seed=1,2"), surveyed(tmp_path, TWO_SEEDS)
    assert option._replace(config={}) == block._replace(config={})
    assert option.config["sweep"] == block.config["sweep"] == {"seed": [1, 2]}


# Bad grids


def told_of_case(case: dict[str, Any], folder: Path) -> str:
    """What the user is told of a case of the table."""
    options = [case["grid"]] if "grid" in case else []
    return told(folder, case.get("block", "").rstrip("\n"), *options, base=BASE + case.get("lines", ""))


@pytest.mark.parametrize("case", BAD, ids=lambda case: case["id"])
def test_message(case: dict[str, Any], tmp_path: Path) -> None:
    assert told_of_case(case, tmp_path) == case["says"]


def test_no_case_stands_twice() -> None:
    assert len({case["id"] for case in BAD}) == len(BAD)
    assert len({(case.get("block"), case.get("lines"), case.get("grid")) for case in BAD}) == len(BAD)


def test_a_replaced_value_has_its_place_in_the_option(tmp_path: Path) -> None:
    says = told(tmp_path, "optimizer.beta1:\n- 0\n- 0.9", "optimizer.beta1=0,1")
    assert says.splitlines()[0] == "--grid optimizer.beta1=0,1: optimizer.beta1: cannot be 1"


def test_all_options_are_read(tmp_path: Path) -> None:
    says = told(tmp_path, "", "seed", "steps=[1", "=2").split("\n\n")
    assert [problem.split(": ")[0] for problem in says] == ["--grid seed", "--grid steps=[1", "--grid =2"]


def test_problems_of_the_config_itself_are_said_once(tmp_path: Path) -> None:
    says = told(tmp_path, BETAS, base=BASE.replace("steps: 100", "step: 100"))
    assert says.count("unknown key") == says.count("missing") == 1
    assert says.count("in all 6 cells") == 2


def test_not_all_of_very_many_problems_are_said(tmp_path: Path) -> None:
    says = told(tmp_path, f"seed: {[-k for k in range(1, 31)]}\nsteps: [1, 2]").split("\n\n")
    assert len(says) == MOST_PROBLEMS + 1
    assert says[0].endswith("in the cell seed=-1, steps=1")
    assert says[-1] == f"stopped after {MOST_PROBLEMS} problems in 41 cells"


def test_a_large_grid_that_is_wrong_throughout_is_not_looked_through(tmp_path: Path) -> None:
    block = "optimizer.betta1: [0.5]\nseed: {linspace: [1, 3000, 3000]}\nsteps: {linspace: [1, 3000, 3000]}"
    problem, others = told(tmp_path, block).split("\n\n")
    assert problem.endswith("in the cell seed=1.0, steps=1.0, optimizer.betta1=0.5")
    assert others == "stopped after 1 problem in 1000 cells"


def test_a_grid_of_more_cells_than_a_number_has_digits(tmp_path: Path) -> None:
    """Python refuses to write such numbers out."""
    block = "\n".join(f"a{k}: {{linspace: [1, 2, 100000]}}" for k in range(900))
    before = time.process_time()
    grid = "bad.yaml:8:3: sweep: more than 10**15 cells are too many"
    assert told(tmp_path, block.replace("100000", "10")).splitlines()[0] == grid
    assert time.process_time() - before < 10


def test_two_data_files_of_one_name(tmp_path: Path) -> None:
    for folder, rows in {"a": "x\n1\n2\n", "b": "x\n1\n3\n"}.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "rows.csv").write_text(rows)
    base = BASE.replace("{name: two_point, p_high: 0.25}", "{name: csv, file: a/rows.csv, columns: [x]}")
    says = told(tmp_path, "objective.data.file: [a/rows.csv, b/rows.csv]", base=base)
    assert says.splitlines()[0] == "bad.yaml:8:3: sweep: two data files are named rows.csv; rename one"


# What holds of any block and any option: a grid whose cells are good, or a ConfigError that says something

NUMBERS = st.integers() | st.floats() | st.sampled_from([0, 0.5, 1, 2, 3, 10**299, -(10**299), 1e308, 5e-324, 10**9])
WORDS = st.sampled_from(["adam", "sgd", "seed > 1", "seed = 2", "optimizer.beta1 < 0.5", "1", "name", "9**9**9", "start"])
SCALARS = st.none() | st.booleans() | NUMBERS | WORDS | st.text(max_size=6)
SWEPT = [
    "seed",
    "steps",
    "paths",
    "optimizer",
    "optimizer.beta1",
    "learning_rate",
    "xi",
    "xi.0",
    "start",
    "record.points",
    "objective.data",
    "objective.data.p_high",
    "x.y",
    "a..b",
    "....................",
    "",
    "a." * 400 + "a",
]
KEYS = st.sampled_from([*SWEPT, *RESERVED, *SPACINGS, "name", "beta1"]) | st.text(max_size=4)
SPACED = st.builds(
    lambda name, numbers: {name: numbers}, st.sampled_from([*SPACINGS, "linspce"]), st.lists(NUMBERS, min_size=2, max_size=4)
)
COMPONENT = st.fixed_dictionaries({"name": st.sampled_from(["adam", "sgd", "no"])}, optional={"beta1": SPACED | SCALARS})
VALUES = st.lists(SCALARS | COMPONENT, max_size=4) | SPACED | SCALARS | COMPONENT
MAPPINGS = st.dictionaries(KEYS, VALUES, max_size=4)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
BLOCKS = st.dictionaries(KEYS, VALUES | MAPPINGS | st.lists(MAPPINGS, max_size=2) | ANYTHING, max_size=5) | ANYTHING
TOKENS_OF_YAML = [
    "=",
    "=",
    ":",
    ",",
    "[",
    "]",
    "{",
    "}",
    "0",
    "0.5",
    "1e-3",
    "linspace",
    "logspace: ",
    " ",
    "name: ",
    "adam",
    "#",
    "&a ",
    "*a",
    "!!int ",
    "'",
]
PIECES = [*SWEPT[:-1], *TOKENS_OF_YAML, "\n", '"', "\ud800", "\0"]
OPTIONS = (
    st.builds("{}={}".format, KEYS, st.lists(SCALARS, max_size=3).map(lambda values: ",".join(map(str, values))))
    | st.builds("{}={}:{}:{}".format, st.sampled_from(SWEPT), SCALARS, SCALARS, st.integers(0, 4))
    | st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
    | st.text()
)
BOUNDED = settings(max_examples=200, derandomize=True, deadline=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("grids")


def check(folder: Path, config: str, grids: list[str]) -> None:
    path = folder / "bad.yaml"
    path.write_text(config, encoding="utf-8")
    problems = ["none"]
    try:
        sweep = read_sweep(path, grids=grids)
        assert sweep.grid.size <= MOST_CELLS
        if sweep.grid.size <= 100:
            assert len(set(survey(sweep).ids)) <= sweep.grid.size
    except ConfigError as error:
        problems = list(error.problems)
    assert problems
    assert all(problems)


@pytest.mark.slow
@BOUNDED
@given(block=BLOCKS)
def test_any_block(block: Any, folder: Path) -> None:
    check(folder, BASE + yaml.safe_dump({"sweep": block}, width=math.inf), [])


@pytest.mark.slow
@BOUNDED
@given(grids=st.lists(OPTIONS, min_size=1, max_size=3))
def test_any_option(grids: list[str], folder: Path) -> None:
    check(folder, BASE, grids)


@pytest.mark.slow
@BOUNDED
@given(
    text=st.lists(st.sampled_from([piece for piece in PIECES if piece.isprintable()]) | st.just("\n  "), max_size=20).map(
        "".join
    )
)
def test_any_text_of_a_block(text: str, folder: Path) -> None:
    check(folder, f"{BASE}sweep:\n  {text}\n", [])
