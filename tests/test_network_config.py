"""What a config of a network means: its defaults, its examples, its starts, the names of its coordinates, its files.

A statistical comparison fails beyond 5 standard errors, which happens to a right program in 6e-7 of all comparisons; there
are about 40 of them.
"""

import json
import math
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from nonconv.checks.verification import verify_folder
from nonconv.components.definitions import Group
from nonconv.config.schema import json_schema
from nonconv.engine import moving
from nonconv.engine.moving import start_points
from nonconv.experiment.binding import read_cell
from nonconv.experiment.cell import Cell
from nonconv.experiment.networks import coordinate_name, coordinate_of
from nonconv.faults.errors import ConfigError
from nonconv.numerics.arithmetic import Array
from nonconv.study import loop as study
from nonconv.sweeps.sweep import label, read_sweep, survey

GOOD: dict[str, Any] = {
    "seed": 1,
    "paths": 16,
    "steps": 20,
    "objective": {"name": "mlp", "hidden": [4, 3], "data": {"name": "function", "inputs": 2, "held_out": 8}},
    "optimizer": "sgd",
    "learning_rate": 0.01,
}
ROWS = "a,b,y,c\n" + "".join(f"{k},{k * k % 7},{3 * k % 5},{k % 3}\n" for k in range(20))
WIDTH = 5.0


def network(data: Any, **changes: Any) -> dict[str, Any]:
    return {"objective": {"name": "mlp", "data": data} | changes}


def csv(**changes: Any) -> dict[str, Any]:
    return {"name": "csv", "file": "rows.csv", "features": ["a", "b"], "targets": ["y"]} | changes


@pytest.fixture(autouse=True)
def _beside_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(ROWS, encoding="utf-8")


def written(changes: dict[str, Any], name: str = "network.yaml") -> Path:
    Path(name).write_text(yaml.safe_dump(GOOD | changes), encoding="utf-8")
    return Path(name)


def read(changes: dict[str, Any] | None = None, *settings: str) -> Cell:
    return read_cell(written(changes or {}), list(settings))


def starts(cell: Cell, paths: int = 4000, first: int = 0) -> Array:
    """(dim, paths)."""
    return start_points(cell.program, first, paths)


# Defaults


def test_what_is_left_out() -> None:
    cell = read()
    assert cell.resolved["start"] == {"name": "he", "law": "normal", "gain": 1.0}
    assert cell.resolved["xi"] == ["path_mean", "last"]
    assert "coordinates" not in cell.resolved["record"]
    assert cell.program.dim == 2 * 4 + 4 + 4 * 3 + 3 + 3 + 1
    assert (cell.law, cell.minimizer) == (None, None)
    assert [name for _, name in cell.coordinates] == [
        *("output.bias[0]", "output.weight[0,0]", "hidden2.bias[0]", "hidden2.weight[0,0]"),
        *("hidden1.bias[0]", "hidden1.weight[0,0]"),
    ]
    assert [k for k, _ in cell.coordinates] == [30, 27, 24, 12, 8, 0]


def test_texts_are_classes_in_sorted_order() -> None:
    """The same rows with names and with numbers give the same paths; other texts, quoted or padded, count alike."""
    names = ["setosa", "versicolor", "virginica"]
    rows = [(k, k * k % 7, k % 3) for k in range(20)]
    Path("numbers.csv").write_text("a,b,c\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows))
    Path("texts.csv").write_text("a,b,c\n" + "".join(f'{a},{b}, "{names[c]}"\n' for a, b, c in rows))
    loaded = [
        read_cell(written(network(csv(file=f"{name}.csv", targets=["c"], labels="classes"), loss="cross_entropy")), [])
        for name in ("numbers", "texts")
    ]
    first, second = (cell.program.data.parameters for cell in loaded)
    assert first.classes == second.classes == 3
    assert np.array_equal(first.targets, second.targets)
    assert np.array_equal(first.features, second.features)


@pytest.mark.parametrize(
    ("rows", "labels", "said"),
    [
        ("1,2,x\n3,4,5\n", "classes", "rows.csv:2:5: c: must be a finite number, got 'x'"),
        ("1,2,x\n3,4,\n", "classes", "rows.csv:3:1: c: is empty"),
        ("1,2,x\n3,4,y\n", "values", "hint: texts are read as classes with labels: classes"),
        ("1,2,x\n3,4,x\n", "classes", "all rows are of class 0; there must be at least two classes"),
    ],
)
def test_texts_that_are_no_classes(rows: str, labels: str, said: str) -> None:
    Path("rows.csv").write_text(f"a,b,c\n{rows}")
    with pytest.raises(ConfigError, match=re.escape(said)):
        read_cell(written(network(csv(targets=["c"], labels=labels))), [])


@pytest.mark.parametrize("start", [0, 0.5, [0.25] * 31, "normal", {"name": "uniform", "low": -0.1, "high": 0.1}, "lecun"])
def test_other_starts(start: Any) -> None:
    cell = read({"start": start})
    found = starts(cell, 3)
    assert found.shape == (31, 3)
    assert np.all(np.isfinite(found))
    if not isinstance(start, str | dict):
        assert np.array_equal(found, np.broadcast_to(np.array(start), (3, 31)).T)


@pytest.mark.parametrize("start", ["he", {"name": "discrete", "values": [-1, 0, 2], "probabilities": [0.5, 0.25, 0.25]}])
def test_starts_do_not_depend_on_how_many_are_drawn_at_once(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = read({"start": start})
    at_once = starts(cell, 5)
    for numbers in (1, 7, 16, 80):
        monkeypatch.setattr(moving, "DRAWN_AT_ONCE", numbers)
        assert np.array_equal(starts(cell, 5), at_once)
        assert np.array_equal(starts(cell, 3, first=2), at_once[:, 2:])


def test_points_as_xi() -> None:
    cell = read({"xi": ["start", 0, [0.5] * 31]})
    assert [x.point is None for x in cell.xi] == [True, False, False]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["output.bias"], ["output.bias[0]"]),
        (["output.bias[0]", 1], ["output.bias[0]", "hidden1.weight[0,0]"]),
        (["hidden1.weight[ 2, 1 ]", "hidden1.bias[3]"], ["hidden1.weight[2,1]", "hidden1.bias[3]"]),
        ([31, 30], ["output.bias[0]", "output.weight[0,2]"]),
        (["hidden2.weight"], ["hidden2.weight[0,0]"]),
    ],
)
def test_coordinates(wanted: list[Any], found: list[str]) -> None:
    """However they are called they have one name, and the experiment one identity."""
    cell = read({"record": {"coordinates": wanted}})
    assert [name for _, name in cell.coordinates] == found
    assert cell.identity == read({"record": {"coordinates": found}}).identity


def test_every_coordinate_has_a_name_of_its_own() -> None:
    program = read().program
    assert program.learning is not None
    groups, dim = program.learning.groups, program.dim
    names = [coordinate_name(k, groups) for k in range(dim)]
    assert len(set(names)) == dim
    assert [coordinate_of(name, groups, dim) for name in names] == list(range(dim))
    assert [coordinate_of(k + 1, groups, dim) for k in range(dim)] == list(range(dim))


def test_coordinates_of_the_quadratic() -> None:
    quadratic = {"name": "quadratic", "dim": 3, "data": "normal"}
    cell = read({"objective": quadratic, "record": {"coordinates": [3, 1]}})
    assert cell.coordinates == ((2, "3"), (0, "1"))
    assert cell.resolved["record"]["coordinates"] == [3, 1]
    assert read({"objective": quadratic}).coordinates == ()


# Initialisation

LAWS = [{"name": name, "law": law} for name in ("he", "glorot", "lecun") for law in ("normal", "uniform")]
WIDE = network({"name": "function", "inputs": 5}, hidden=[20, 10])


def groups_of(cell: Cell) -> tuple[Group, ...]:
    assert cell.program.learning is not None
    return cell.program.learning.groups


def expected(name: str, group: Group) -> float:
    return {"he": 2 / group.fan_in, "glorot": 2 / (group.fan_in + group.fan_out), "lecun": 1 / group.fan_in}[name]


@pytest.mark.parametrize("start", LAWS, ids=lambda start: f"{start['name']}-{start['law']}")
def test_variance_of_each_group(start: dict[str, Any]) -> None:
    """The standard error of a variance follows from the fourth moment: 3 or 9/5 of the variance squared."""
    cell = read(WIDE | {"start": start})
    theta, gained = starts(cell, 500), starts(read(WIDE | {"start": start | {"gain": 0.5}}), 500)
    assert np.array_equal(gained, 0.5 * theta) or np.allclose(gained, 0.5 * theta, rtol=1e-15, atol=0)
    for group in groups_of(cell):
        part = theta[group.first : group.last]
        if not group.fan_in:
            assert np.all(part == 0.0)
            continue
        variance = expected(start["name"], group)
        kurtosis = 3.0 if start["law"] == "normal" else 1.8
        assert abs((part**2).mean() / variance - 1.0) < WIDTH * math.sqrt((kurtosis - 1.0) / part.size)
        assert abs(part.mean()) < WIDTH * math.sqrt(variance / part.size)
        inside = np.abs(part).max() <= math.sqrt(3.0 * variance)
        assert inside == (start["law"] == "uniform")


def test_start_of_a_path_is_a_function_of_its_number() -> None:
    cell = read(WIDE)
    whole = starts(cell, 40)
    assert np.array_equal(starts(cell, 7, first=20), whole[:, 20:27])
    assert np.array_equal(whole, starts(read(WIDE | {"paths": 99, "steps": 5, "optimizer": "adam"}), 40))
    assert not np.array_equal(whole, starts(read(WIDE | {"seed": 2}), 40))
    assert len(np.unique(whole[0])) == 40


# Data


@pytest.mark.parametrize(
    ("data", "features", "outputs", "held_out"),
    [
        ("diabetes", 10, 1, 88),
        ("digits", 64, 10, 359),
        (csv(), 2, 1, 4),
        (csv(targets=["y", "c"]), 2, 2, 4),
        (csv(targets=["c"], labels="classes", held_out=0), 2, 3, 0),
        ({"name": "teacher", "outputs": 3, "labels": "classes", "held_out": 5}, 4, 3, 5),
        ({"name": "teacher", "outputs": 3}, 4, 3, 256),
    ],
)
def test_shapes(data: Any, features: int, outputs: int, held_out: int) -> None:
    learning = (cell := read(network(data, hidden=[7]))).program.learning
    assert learning is not None
    x, y = learning.held_out
    assert learning.shape.features == features
    assert (learning.shape.classes or learning.shape.targets) == outputs
    assert cell.program.dim == 7 * (features + 1) + outputs * 8
    assert (x.shape, y.shape) == ((features, held_out), (learning.shape.targets, held_out))


def rows_of(cell: Cell) -> tuple[Array, Array]:
    """The held-out and the training rows, in order."""
    h = cell.program.data.parameters
    return np.hstack([h.held_out_features, h.held_out_targets]), np.hstack([h.features, h.targets])


def test_the_seed_splits_the_rows() -> None:
    data = csv(standardise=False)
    held_out, training = rows_of(read(network(data)))
    again, _ = rows_of(read(network(data, hidden=[3])))
    other, _ = rows_of(read(network(data) | {"seed": 2}))
    assert np.array_equal(held_out, again)
    assert not np.array_equal(held_out, other)
    rejoined = np.vstack([held_out, training])
    assert sorted(rejoined[:, 0]) == list(range(20))
    assert np.array_equal(rejoined[:, 1], rejoined[:, 0] ** 2 % 7)


def test_epochs_pass_through_the_training_rows() -> None:
    for order, rows in (("epochs", 16), ("with_replacement", 0)):
        supply = read(network(csv(order=order))).program.supply
        assert supply[:2] == (order, rows)


# Files


def test_weights_from_a_file() -> None:
    """The same numbers from text and from NumPy, of whatever type; the file's digest is part of the identity."""
    weights = np.linspace(-1, 1, 31).round(3)
    np.save("w.npy", weights)
    np.save("f.npy", weights.reshape(1, 31).astype(">f8"))
    Path("w.txt").write_text(", ".join(map(repr, weights.tolist())).replace(", -0.5", "\n-0.5"), encoding="utf-8")
    cells = [read({"start": {"name": "weights", "file": file}}) for file in ("w.npy", "f.npy", "w.txt")]
    assert all(np.array_equal(cell.program.start, weights) for cell in cells)
    assert len({cell.identity for cell in cells}) == 3
    assert all(len(cell.resolved["start"]["sha256"]) == 64 for cell in cells)
    pinned = read({"start": cells[0].resolved["start"]})
    assert pinned.identity == cells[0].identity


class Harmful:
    """What unpickling would run."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("harm"),)


@pytest.mark.parametrize("kind", ["pickle", "objects", "npz", "text", "complex", "truncated", "huge", "empty"])
def test_files_that_are_no_weights(kind: str) -> None:
    file = Path("w.npy")
    np.save(file, np.linspace(0, 1, 31))
    whole = file.read_bytes()
    if kind == "pickle":
        file.write_bytes(pickle.dumps(Harmful()))
    elif kind == "objects":
        np.save(file, np.array([Harmful()], dtype=object), allow_pickle=True)
    elif kind == "npz":
        np.savez("w.npz", np.zeros(31))
        Path("w.npz").rename(file)
    elif kind in ("text", "complex"):
        np.save(file, np.array(["0.5"] * 31) if kind == "text" else np.zeros(31, dtype=complex))
    else:
        broken = {"truncated": whole[:-9], "huge": whole.replace(b"(31,)", b"(9" + b"9" * 15 + b",)"), "empty": b""}
        file.write_bytes(broken[kind])
    with pytest.raises(ConfigError, match=r"w.npy is not an array of numbers as numpy.save writes it\n"):
        read({"start": {"name": "weights", "file": "w.npy"}})
    assert not Path("harm").exists()


def weighted() -> dict[str, Any]:
    """A network that learns from one file and starts from another."""
    Path("far").mkdir()
    np.save("far/w.npy", np.linspace(-1, 1, 13))
    data = csv(file="far/rows.csv", held_out=0.25)
    Path("rows.csv").rename("far/rows.csv")
    return network(data, hidden=[3]) | {"start": {"name": "weights", "file": "far/w.npy"}}


def test_resolved_config_fed_back() -> None:
    changes = weighted() | {"record": {"coordinates": ["output.bias", 1]}}
    cell = read(changes)
    Path("shown.yaml").write_text(yaml.safe_dump(cell.resolved), encoding="utf-8")
    again = read_cell(Path("shown.yaml"), [])
    assert again.identity == cell.identity
    assert again.resolved == cell.resolved


def no_figures(folder: Path) -> Callable[[], dict[str, bytes]]:
    return dict


def test_the_folder_carries_its_files() -> None:
    cell = read(weighted())
    study.run(cell, Path("out"), 1, draw=no_figures)
    assert sorted(file.name for file in Path("out/data").iterdir()) == ["rows.csv", "w.npy"]
    manifest = json.loads(Path("out/manifest.json").read_text(encoding="utf-8"))
    assert {"data/rows.csv", "data/w.npy"} <= set(manifest["files"])
    for file in ("rows.csv", "w.npy"):
        Path("far", file).unlink()
    kept = read_cell(Path("out/config.yaml"), [])
    assert kept.identity == cell.identity
    assert np.array_equal(kept.program.start, cell.program.start)
    assert verify_folder(Path("out"), 1).text.endswith("bitwise equal")
    np.save("out/data/w.npy", np.zeros(13))
    with pytest.raises(ConfigError, match=r"start.sha256: .*w.npy has changed; its digest is now"):
        read_cell(Path("out/config.yaml"), [])


# Grids and the schema


@pytest.mark.parametrize(
    ("grid", "labels"),
    [
        ({"objective.hidden": [[], [8, 8]]}, ["objective.hidden=[]", "objective.hidden=[8, 8]"]),
        ({"objective.activation": ["relu", "tanh"]}, ["objective.activation=relu", "objective.activation=tanh"]),
        ({"objective.data.noise": [0, 0.5]}, ["objective.data.noise=0", "objective.data.noise=0.5"]),
        ({"start.gain": [0.5, 2]}, ["start.gain=0.5", "start.gain=2"]),
        ({"start": ["glorot", 0]}, ["start=glorot", "start=0"]),
        ({"objective.data": ["diabetes", "digits"]}, ["objective.data=diabetes", "objective.data=digits"]),
    ],
)
def test_grids(grid: dict[str, list[Any]], labels: list[str]) -> None:
    sweep = read_sweep(written({"start": "he", "sweep": grid}))
    assert [label(point) for point in sweep.points()] == labels
    assert len(set(survey(sweep).ids)) == 2


def test_the_schema_knows_networks() -> None:
    definitions = json_schema()["$defs"]
    for name in ("objective_mlp", "dataset_teacher", "dataset_csv", "start_he", "start_weights"):
        assert definitions[name]["additionalProperties"] is False
    assert set(definitions["objective_mlp"]["properties"]) == {
        "name",
        "data",
        "hidden",
        "activation",
        "loss",
        "weight_decay",
        "gradient_noise",
    }
    assert "coordinates" in definitions["record"]["properties"]
