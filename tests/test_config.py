"""What a good config means: numbers, short forms, defaults, overrides, data files, its name, and its schema."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
import yaml
from annotated_types import Interval
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import Doc

from kit.texts import GOOD, RICH, accepts, data_of, read, written
from nonconv.components.definitions import Chosen, Unusable
from nonconv.components.parameters import Parameter, parameters_of
from nonconv.config import spec
from nonconv.config.catalogue import BUILT_IN
from nonconv.config.document import parse
from nonconv.config.spec import common_parameters
from nonconv.experiment import table
from nonconv.experiment.binding import read_cell
from nonconv.experiment.identity import WORDS
from nonconv.experiment.recording import recorded_steps
from nonconv.optimizers.adam import Adam

NETWORK = GOOD | {
    "objective": "{name: mlp, hidden: [8, 4], activation: tanh, loss: cross_entropy, data: "
    "{name: teacher, outputs: 3, labels: classes, noise: 0.2, held_out: 16}}",
    "start": "{name: glorot, law: uniform}",
    "record": "{coordinates: [output.bias, 'hidden1.weight[1,2]', 4]}",
}
CSV = GOOD | {"objective": "{name: quadratic, data: {name: csv, file: rows.csv, columns: [y, x]}}"}
ROWS = "x,name,y\n1,one,10\n2,two,20\n6,six,60\n"


def with_rows(folder: Path, rows: str | bytes = ROWS) -> Path:
    (folder / "rows.csv").write_bytes(rows if isinstance(rows, bytes) else rows.encode())
    return folder


# Values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1e4", 10000.0),
        ("1.0e-8", 1e-8),
        ("-2.5E+1", -25.0),
        ("10_000", 10000),
        ("1_0.5", 10.5),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("+3", 3),
        ("010", 10),
        ("-.inf", -np.inf),
        ("true", True),
        ("~", None),
        ("yes", "yes"),
        ("off", "off"),
        ("0x10", "0x10"),
        ("1:30", "1:30"),
        ("2024-07-11", "2024-07-11"),
        ("1.2.3", "1.2.3"),
        ("e3", "e3"),
        ("._5", "._5"),
        ("'1e-3'", "1e-3"),
        ('"true"', "true"),
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ("|\n  1\n  2", "1\n2"),
    ],
)
def test_scalars(text: str, value: Any) -> None:
    read = parse(text, "text")
    assert not read.problems
    assert read.data == value
    assert type(read.data) is type(value)


@pytest.mark.parametrize("steps", ["10_000", "1e4", "10000.0", "+10000"])
def test_whole_numbers(steps: str, tmp_path: Path) -> None:
    cell = read(tmp_path, GOOD | {"steps": steps})
    assert cell.program.steps == 10000
    assert isinstance(cell.program.steps, int)
    assert cell.identity == read(tmp_path, GOOD | {"steps": "10000"}).identity


@pytest.mark.parametrize(
    ("key", "short", "full"),
    [
        ("optimizer", "adam", "{name: adam}"),
        ("learning_rate", "1e-1", "{name: constant, value: 0.1}"),
        ("learning_rate", "2", "{name: constant, value: 2.0, warmup: 0}"),
        ("batch_size", "4", "{name: constant, value: 4}"),
        ("batch_size", "constant", "1"),
        (
            "objective",
            "{name: quadratic, data: rademacher}",
            "{name: quadratic, dim: 1, scale: 1, data: {name: rademacher}}",
        ),
        ("start", "normal", "{name: normal, mean: 0, std: 1}"),
        ("start", "2", "2.0"),
        ("xi", "start", "[start]"),
        ("xi", "0", "[0.0]"),
        ("record", "{}", "{points: 200, spacing: log, paths: 32, fan: 4096}"),
        ("floors", "{}", "{twin: true, window: true, cauchy: true}"),
        ("floors", "{twin: false}", "{twin: false, window: true, cauchy: true}"),
        ("xi", "adam_zero", "[adam_zero]"),
        ("claim", "on_average", "'on_average'"),
    ],
)
def test_short_forms(key: str, short: str, full: str, tmp_path: Path) -> None:
    assert read(tmp_path, GOOD | {key: short}).resolved == read(tmp_path, GOOD | {key: full}).resolved


def test_block_style_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "block.yaml"
    path.write_text(
        "\ufeff# Adam\r\nlearning_rate: 0.1   # constant\r\noptimizer:\r\n  name: adam\r\n  beta1: 8.0e-1\r\n\r\n"
        "objective:\r\n  name: quadratic\r\n  data:\r\n    p_high: 0.25\r\n    name: two_point\r\n"
        "steps: 100\r\npaths: 64\r\nseed: 1\r\n",
        encoding="utf-8",
        newline="",
    )
    assert read_cell(path, []).identity == read(tmp_path, GOOD).identity


def test_aliases(tmp_path: Path) -> None:
    aliased = read(tmp_path, GOOD | {"start": "&zero 0.0", "xi": "[*zero, minimizer]"})
    assert aliased.resolved == read(tmp_path, GOOD | {"start": "0", "xi": "[0, minimizer]"}).resolved


# Defaults


def test_defaults_are_filled_in(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD).resolved == {
        "claim": "",
        "seed": 1,
        "paths": 64,
        "steps": 100,
        "objective": {
            "name": "quadratic",
            "data": {"name": "two_point", "low": -1.0, "high": 1.0, "p_high": 0.25},
            "dim": 1,
            "scale": 1.0,
        },
        "optimizer": {"name": "adam", **Adam(beta1=0.8)._asdict()},
        "learning_rate": {"name": "constant", "value": 0.1, "warmup": 0},
        "batch_size": {"name": "constant", "value": 1},
        "start": 0.0,
        "xi": ["minimizer"],
        "floors": {"twin": True, "window": True, "cauchy": True},
        "record": {"points": 200, "spacing": "log", "paths": 32, "fan": 4096},
    }


def all_parameters(kind: str, name: str) -> list[Parameter]:
    return [*parameters_of(BUILT_IN[kind][name].parameters), *common_parameters(kind)]


OF_NETWORKS = [("start", "he"), ("start", "glorot"), ("start", "lecun")]
WITHOUT_NEEDS = [
    (kind, name)
    for kind in ("optimizer", "batch_size", "start")
    for name in BUILT_IN[kind]
    if not any(parameter.required for parameter in all_parameters(kind, name)) and (kind, name) not in OF_NETWORKS
]


@pytest.mark.parametrize(("kind", "name"), WITHOUT_NEEDS)
def test_every_default_of_a_component(kind: str, name: str, tmp_path: Path) -> None:
    own = dict(getattr(BUILT_IN[kind][name], "defaults", ()))
    every = ((p.name, own.get(p.name, p.default)) for p in all_parameters(kind, name) if not p.later)
    defaults = {key: default for key, default in every if default is not None}  # what is left out is not written
    assert read(tmp_path, GOOD | {kind: name}).resolved[kind] == {"name": name} | defaults


def test_what_came_later_is_shown_where_it_is_not_as_by_default(tmp_path: Path) -> None:
    """So that a config from before has the bytes that it had."""
    rule = {"name": "momentum", "start": "first_gradient"}

    def cell(**more: float) -> Any:
        config: dict[str, Any] = {**GOOD, "optimizer": rule | more}
        return read(tmp_path, config)

    written, left_out, default = cell(dampening=0.5), cell(), cell(dampening=0.0)
    assert written.resolved["optimizer"]["dampening"] == 0.5
    assert "dampening" not in left_out.resolved["optimizer"]
    assert left_out.resolved == default.resolved
    assert left_out.identity == default.identity != written.identity


def test_parts_of_the_cell(tmp_path: Path) -> None:
    cell = read(tmp_path, RICH)
    assert cell.name == "good"
    assert cell.folder_name == f"good-{cell.identity[:8]}"
    assert cell.claim == "Adam: no limit"
    assert (cell.paths, cell.program.steps, cell.program.dim, cell.recorded_paths) == (10_000, 100_000, 2, 4)
    assert [xi.label for xi in cell.xi] == ["minimizer", "start", "path_mean", "last", "0", "(0.5 0.001)"]
    np.testing.assert_array_equal(cell.minimizer, [0.25, 0.25])
    np.testing.assert_array_equal(cell.xi[0].point, cell.minimizer)
    np.testing.assert_array_equal(cell.xi[4].point, [0.0, 0.0])
    assert cell.xi[1].point is None
    assert cell.program.average_after == 50_000
    assert isinstance(cell.program.start, Chosen)
    rate = cell.program.learning_rate(np.array([1.0, 10.0, 1000.0, 1001.0]))
    np.testing.assert_allclose(rate, [0.01, 0.1, 0.1, 0.01], rtol=1e-15)
    np.testing.assert_array_equal(cell.program.batch_size(np.array([1.0, 2.0, 100.0])), [2.0, 3.0, 64.0])


def test_no_more_paths_are_kept_than_there_are(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD | {"paths": "3"}).recorded_paths == 3


# Overrides

DIM_2 = GOOD["objective"][:-1] + ", dim: 2}"


@pytest.mark.parametrize(
    ("config", "overrides", "same"),
    [
        ({}, ["paths=10"], {"paths": "10"}),
        ({}, ["optimizer=sgd"], {"optimizer": "sgd"}),
        ({}, ["optimizer={name: adam}"], {"optimizer": "adam"}),
        ({}, ["optimizer.beta2=0.9"], {"optimizer": "{name: adam, beta1: 0.8, beta2: 0.9}"}),
        ({"optimizer": "adam"}, ["optimizer.beta1=0.5"], {"optimizer": "{name: adam, beta1: 0.5}"}),
        ({"optimizer": "adam"}, ["optimizer.name=sgd"], {"optimizer": "sgd"}),
        ({}, ["learning_rate=1e-3"], {"learning_rate": "0.001"}),
        ({}, ["learning_rate.value=1e-3"], {"learning_rate": "0.001"}),
        ({}, ["learning_rate.warmup=5"], {"learning_rate": "{name: constant, value: 0.1, warmup: 5}"}),
        ({}, ["batch_size.value=8"], {"batch_size": "8"}),
        ({"batch_size": "4"}, ["batch_size.value=8"], {"batch_size": "8"}),
        (
            {},
            ["objective.data=normal", "objective.data.std=2"],
            {"objective": "{name: quadratic, data: {name: normal, std: 2}}"},
        ),
        ({}, ["objective.data.p_high=.5"], {"objective": "{name: quadratic, data: two_point}"}),
        ({}, ["record.points=7", "record.spacing=linear"], {"record": "{points: 7, spacing: linear}"}),
        ({}, ["floors.twin=false"], {"floors": "{twin: false}"}),
        ({"xi": "[minimizer, 0]"}, ["xi.0=start", "xi.1=2"], {"xi": "[start, 2]"}),
        ({}, ["xi=[start, 0]", "xi.1=1"], {"xi": "[start, 1]"}),
        ({}, ["paths=10", "paths=20"], {"paths": "20"}),
        ({}, ["claim=a=b"], {"claim": "a=b"}),
        ({}, ["claim='a: b'"], {"claim": "'a: b'"}),
        ({}, ["claim=run #2"], {"claim": "'run #2'"}),
        ({}, ["claim=#2"], {"claim": "'#2'"}),
        ({}, ["claim=a: - b\t*c"], {"claim": '"a: - b\\t*c"'}),
        ({}, ["claim=42"], {"claim": "'42'"}),
        ({"claim": "before"}, ["claim="], {"claim": "''"}),
        ({}, ["xi.0=start"], {"xi": "[start]"}),
        ({}, ["xi.0=start", "xi.1=2"], {"xi": "[start, 2]"}),
        ({"xi": "start"}, ["xi.1=2"], {"xi": "[start, 2]"}),
        ({"xi": ""}, ["xi.0.0=1", "xi.0.1=2", "objective.dim=2"], {"xi": "[[1, 2]]", "objective": DIM_2}),
        ({}, [" paths = 10 "], {"paths": "10"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_overrides(config: dict[str, str], overrides: list[str], same: dict[str, str], tmp_path: Path) -> None:
    assert read(tmp_path, GOOD | config, *overrides).resolved == read(tmp_path, GOOD | config | same).resolved


def test_an_override_repairs_the_file(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD | {"steps": "none"}, "steps=5").program.steps == 5


# The name of an experiment


@pytest.mark.parametrize(
    "config", [GOOD, RICH, GOOD | {"start": "[0.5]", "xi": "last"}, CSV], ids=["good", "rich", "short", "csv"]
)
def test_resolved_config_is_the_same_experiment(config: dict[str, str], tmp_path: Path) -> None:
    cell = read(with_rows(tmp_path), config)
    again = tmp_path / "resolved.yaml"
    again.write_text(yaml.safe_dump(cell.resolved))
    assert read_cell(again, []).resolved == cell.resolved
    assert read_cell(again, []).identity == cell.identity


CHANGES = {
    "claim": "none",
    "seed": "8",
    "paths": "10_001",
    "steps": "1e6",
    "objective.dim": "1",
    "objective.scale": "[1, .6]",
    "objective.data.values": "[-1, 0, 2]",
    "objective.data.probabilities": "[0.25, 0.5, 0.25]",
    "optimizer.beta1": "0.1",
    "optimizer.beta2": "0.9",
    "optimizer.eps": "0",
    "optimizer.eps_placement": "outside",
    "optimizer.bias_correction": "false",
    "optimizer.maximum": "before_correction",
    "optimizer.start": "first_gradient",
    "learning_rate.values": "[0.1, 0.02]",
    "learning_rate.until": "[1_001]",
    "learning_rate.warmup": "11",
    "batch_size.value": "1.6",
    "batch_size.exponent": "0.5",
    "batch_size.largest": "65",
    "start.low": "-3",
    "start.high": "2",
    "start.mean": "1",
    "start.std": "2",
    "xi": "[minimizer]",
    "escape_radius": "1e4",
    "floors.twin": "false",
    "floors.window": "false",
    "floors.cauchy": "false",
    "record.points": "51",
    "record.spacing": "log",
    "record.paths": "5",
    "record.fan": "7",
}
ALONG = {
    "objective.dim": {"objective.scale": "1", "xi": "[start]"},
    "optimizer.start": {"optimizer.bias_correction": "false"},
}
"""What has to change too, lest the config be refused."""


def leaves(data: Any, path: str = "") -> set[str]:
    if not isinstance(data, dict):
        return {path}
    return {leaf for key, value in data.items() if key != "name" for leaf in leaves(value, f"{path}.{key}".lstrip("."))}


def test_every_parameter_is_changed_below(tmp_path: Path) -> None:
    assert leaves(read(tmp_path, RICH).resolved) == set(CHANGES)


@pytest.mark.parametrize("key", [key for key in CHANGES if key not in WORDS])
def test_every_parameter_changes_the_identity(key: str, tmp_path: Path) -> None:
    along = [f"{other}={value}" for other, value in ALONG.get(key, {}).items()]
    assert read(tmp_path, RICH, *along, f"{key}={CHANGES[key]}").identity != read(tmp_path, RICH, *along).identity


@pytest.mark.parametrize(
    ("key", "one", "other"),
    [
        ("optimizer", "{name: rmsprop}", "{name: adam, beta1: 0}"),
        ("learning_rate", "{name: constant, value: 1}", "{name: power, value: 1, exponent: 0}"),
        ("start", "rademacher", "two_point"),
        ("xi", "[start, last]", "[last, start]"),
    ],
)
def test_another_component_is_another_experiment(key: str, one: str, other: str, tmp_path: Path) -> None:
    assert read(tmp_path, GOOD | {key: one}).identity != read(tmp_path, GOOD | {key: other}).identity


def test_identity_is_of_what_is_computed_alone(tmp_path: Path) -> None:
    """Neither the order of keys nor the name of the file or of its folder is in it, nor the claim."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    reversed_keys = read_cell(written(elsewhere, dict(reversed(RICH.items())), "other.yaml"), ["claim=other"])
    assert reversed_keys.identity == read(tmp_path, RICH).identity
    assert reversed_keys.name == "other"


def test_a_default_that_is_written_changes_no_identity(tmp_path: Path) -> None:
    """Each of them, alone and all together; -0.0 is another number than the default 0.0."""
    plain = read(tmp_path, GOOD)
    every = plain.resolved
    assert read(tmp_path, {key: json.dumps(value) for key, value in every.items()}).identity == plain.identity
    assert read(tmp_path, GOOD, "batch_size=1", "start=0", "record={}").identity == plain.identity
    assert read(tmp_path, GOOD, "start=-0.0").identity != plain.identity


class Planted:
    """Takes a key in the test below."""


def test_a_key_that_a_later_version_adds_changes_no_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of the whole, of a part, and of a component, planted here; with another value it counts."""
    before = read(tmp_path, GOOD)

    for holder in (spec.Experiment, spec.Record, Planted):
        monkeypatch.setitem(holder.__annotations__, "planted", Annotated[int, Interval(ge=0), Doc("a new key")])
        monkeypatch.setattr(holder, "planted", 7, raising=False)
    common = spec.common_parameters
    monkeypatch.setattr(spec, "common_parameters", lambda kind: [*common(kind), *parameters_of(Planted)])
    caches = (spec.experiment_model, spec.component_model, spec.part_model)
    for cached in caches:
        cached.cache_clear()
    try:
        after = read(tmp_path, GOOD)
        assert after.resolved["planted"] == 7
        assert after.resolved["record"]["planted"] == after.resolved["optimizer"]["planted"] == 7
        assert (after.identity, after.lineage) == (before.identity, before.lineage)
        for setting in ("planted=8", "record.planted=8", "optimizer.planted=8"):
            assert read(tmp_path, GOOD, setting).identity != before.identity
    finally:
        for cached in caches:
            cached.cache_clear()


def test_identity_follows_the_content_of_a_data_file(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with_rows(tmp_path / "data")
    beside, below = CSV, CSV | {"objective": CSV["objective"].replace("rows.csv", "data/rows.csv")}
    before = read(with_rows(tmp_path), beside).identity
    assert read(tmp_path, below).identity == before
    (tmp_path / "rows.csv").rename(tmp_path / "renamed.csv")
    assert read(tmp_path, CSV | {"objective": CSV["objective"].replace("rows.csv", "renamed.csv")}).identity == before
    assert read(with_rows(tmp_path, ROWS + "0,none,0\n"), beside).identity != before


# Data files


NUMBERS = "x,y\n1, 0.1\n-2e-7,20\n6,1e100\n"


@pytest.mark.parametrize(
    "content",
    [
        NUMBERS,
        NUMBERS.replace("\n", "\r\n"),
        NUMBERS.replace("\n", "\r"),
        "\ufeff" + NUMBERS,
        NUMBERS + "\n\n",
        NUMBERS + "x,y\n",
        NUMBERS + "1\n",
    ],
    ids=["plain", "crlf", "cr", "mark", "empty lines", "no number", "missing field"],
)
def test_large_tables_are_read_as_small_ones(monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    """NumPy's reader gives the same numbers, or leaves the file to the one that says what is wrong."""

    def told() -> Any:
        try:
            return table.read_table(Path("rows.csv"), content.encode(), {"columns": ("y", "x")}).tolist()
        except table.TableError as error:
            return error.problems

    small = told()
    monkeypatch.setattr(table, "LARGE", 0)
    assert told() == small
    if content == NUMBERS:
        assert table._read_large(content.encode(), ["x", "y"], [1, 0]).tolist() == small  # type: ignore[union-attr]


def test_a_table_of_too_many_numbers_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MOST_NUMBERS", 4)
    with pytest.raises(Unusable, match=r"has about \d+ numbers in these columns, more than 4"):
        table.read_table(Path("rows.csv"), ROWS.encode(), {"columns": ("y", "x")})


def test_data_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its path is relative to the config, its columns are the coordinates, its digest is written down."""
    (tmp_path / "configs").mkdir()
    monkeypatch.chdir(tmp_path)
    cell = read(with_rows(Path("configs")), CSV)
    assert cell.files == {"rows.csv": (Path("configs/rows.csv"), ROWS.encode())}
    assert cell.program.dim == cell.resolved["objective"]["dim"] == 2
    digest = hashlib.sha256(ROWS.encode()).hexdigest()
    assert cell.resolved["objective"]["data"] == {
        "name": "csv",
        "file": "rows.csv",
        "columns": ["y", "x"],
        "standardise": False,
        "sha256": digest,
    }
    assert cell.law is not None
    np.testing.assert_allclose(cell.law.mean, [30.0, 3.0], rtol=1e-15)
    np.testing.assert_array_equal(cell.law.low, [10.0, 1.0])
    assert read(Path("configs"), CSV, f"objective.data.sha256={digest}", "objective.dim=2").identity == cell.identity


def test_standardised_data_file(tmp_path: Path) -> None:
    law = read(with_rows(tmp_path), CSV, "objective.data.standardise=true").law
    assert law is not None
    np.testing.assert_allclose(law.mean, 0.0, atol=1e-15)
    np.testing.assert_allclose(law.variance, 1.0, rtol=1e-15)


@pytest.mark.parametrize(
    "rows",
    [
        ROWS.encode("utf-8-sig"),
        ROWS.replace("\n", "\r\n").encode(),
        ROWS.replace("\n", "\r").encode(),
        ROWS.replace("\n", "\n\n").encode(),
        ROWS.rstrip().encode(),
        ROWS.replace("x,name,y", ' x ,name, "y"').encode(),
        b'x,name,y\n"1","one, or\nuno",10\n2,two,+2e1\n 6,six,60 \n',
    ],
    ids=[
        "byte order mark",
        "CRLF",
        "CR",
        "blank lines",
        "no last line end",
        "spaces in the header",
        "quotes and spaces",
    ],
)
def test_dialects_of_csv(rows: bytes, tmp_path: Path) -> None:
    law = read(with_rows(tmp_path, rows), CSV).law
    assert law is not None
    np.testing.assert_array_equal([law.low, law.high], [[10.0, 1.0], [60.0, 6.0]])


# Recorded steps


@pytest.mark.slow
@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    steps=st.integers(1, 300) | st.integers(1, 10**12),
    points=st.integers(1, 300) | st.sampled_from([1000, 100_000]),
    spacing=st.sampled_from(["log", "linear"]),
)
def test_recorded_steps(steps: int, points: int, spacing: str) -> None:
    recorded = recorded_steps(steps, points, spacing)
    assert recorded.dtype == np.int64
    assert recorded[0] >= 1
    assert recorded[-1] == steps
    assert np.all(np.diff(recorded) > 0)
    assert len(recorded) <= points


@pytest.mark.parametrize("spacing", ["log", "linear"])
def test_few_steps_are_all_recorded(spacing: str) -> None:
    np.testing.assert_array_equal(recorded_steps(20, 1000, spacing), np.arange(1, 21))


# JSON Schema


@pytest.mark.parametrize("config", [GOOD, RICH, CSV, NETWORK], ids=["good", "rich", "csv", "network"])
def test_schema_accepts(config: dict[str, str], tmp_path: Path) -> None:
    assert accepts(data_of(config))
    assert accepts(read(with_rows(tmp_path), config).resolved)


@pytest.mark.parametrize(
    "change",
    [
        {"optimizer": "adam"},
        {"optimizer": "{name: sgd}"},
        {"learning_rate": "{name: cyclic, low: 0, high: 1, period: 1e2, warmup: 5}"},
        {"batch_size": "4"},
        {"start": "normal"},
        {"start": "[1, 2]"},
        {"xi": "start"},
        {"xi": "0"},
        {"xi": "[[0, 1], last, 2]"},
        {"record": "{}"},
        {"steps": "1e4"},
        {"objective": "{name: mlp, hidden: [], data: digits}"},
        {"objective": "{name: mlp, data: {name: csv, file: rows.csv, features: [x], targets: [y]}}", "start": "lecun"},
        {"record": "{coordinates: [1, output.bias]}", "start": "{name: weights, file: w.npy}"},
    ],
    ids=str,
)
def test_schema_accepts_what_is_allowed(change: dict[str, str]) -> None:
    assert accepts(data_of(GOOD | change))


@pytest.mark.parametrize(
    "change",
    [
        {"step": "100"},
        {"steps": "0"},
        {"steps": "1.5"},
        {"steps": "1e13"},
        {"paths": "many"},
        {"seed": "true"},
        {"optimizer": "adamm"},
        {"optimizer": "{name: adam, beta1: 1}"},
        {"optimizer": "{name: adam, betta1: 0.5}"},
        {"optimizer": "{name: adam, eps_placement: below}"},
        {"optimizer": "{beta1: 0.5}"},
        {"objective": "{name: quadratic}"},
        {"objective": "{name: quadratic, data: {name: discrete, values: [], probabilities: []}}"},
        {"objective": "{name: quadratic, scale: [1, 0], data: rademacher}"},
        {"learning_rate": "{name: power, value: 0}"},
        {"learning_rate": "'0.1'"},
        {"batch_size": "{name: constant, value: 0}"},
        {"xi": "[]"},
        {"xi": "minimiser"},
        {"record": "{points: 0}"},
        {"record": "50"},
        {"record": "{coordinates: [0]}"},
        {"objective": "{name: mlp, hiden: [4], data: teacher}"},
        {"objective": "{name: mlp, hidden: 16, data: teacher}"},
        {"objective": "{name: mlp, hidden: [0], data: teacher}"},
        {"objective": "{name: mlp, data: two_point}"},
        {"objective": "{name: mlp, data: {name: teacher, inputs: 0}}"},
        {"objective": "{name: quadratic, data: teacher}"},
        {"start": "{name: he, gain: 0}"},
    ],
    ids=str,
)
def test_schema_refuses(change: dict[str, str]) -> None:
    assert not accepts(data_of(GOOD | change))


def test_schema_refuses_what_lacks_a_key() -> None:
    for key in ("steps", "objective", "optimizer", "learning_rate"):
        assert not accepts(data_of({other: value for other, value in GOOD.items() if other != key}))
