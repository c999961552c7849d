"""A config that is based on another one: what it takes over, and where its errors point."""

import json
from pathlib import Path
from typing import Any

import pytest

from nonconv.config.files import read
from nonconv.experiment.binding import make_cell, read_cell
from nonconv.faults.errors import ConfigError

BASE: dict[str, Any] = {
    "seed": 3,
    "paths": 64,
    "steps": 200,
    "objective": {"name": "quadratic", "data": {"name": "two_point", "low": -1.0, "high": 1.0, "p_high": 0.25}},
    "optimizer": {"name": "adam", "beta1": 0.5},
    "learning_rate": 0.1,
    "record": {"points": 20},
    "expect": {"verdict": "does_not_converge"},
}


def written(folder: Path, config: dict[str, Any], name: str = "own.yaml") -> Path:
    path = folder / name
    path.write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in config.items()), encoding="utf-8")
    return path


def resolved(path: Path) -> dict[str, Any]:
    return read_cell(path, []).resolved


@pytest.mark.parametrize(
    ("own", "same"),
    [
        ({}, {}),
        ({"steps": 300}, {"steps": 300}),
        ({"optimizer": {"beta2": 0.9}}, {"optimizer": {"name": "adam", "beta1": 0.5, "beta2": 0.9}}),
        ({"optimizer": {"name": "adam", "eps": 1}}, {"optimizer": {"name": "adam", "beta1": 0.5, "eps": 1}}),
        ({"optimizer": "adam"}, {"optimizer": "adam"}),
        ({"optimizer": {"name": "sgd"}}, {"optimizer": "sgd"}),
        ({"learning_rate": {"warmup": 5}}, {"learning_rate": {"name": "constant", "value": 0.1, "warmup": 5}}),
        ({"learning_rate": {"name": "power", "value": 1, "exponent": 1}},) * 2,
        ({"paths": {"max": 512, "target": 0.1}},) * 2,
        (
            {"objective": {"scale": 2, "data": {"p_high": 0.5}}},
            {"objective": BASE["objective"] | {"scale": 2, "data": BASE["objective"]["data"] | {"p_high": 0.5}}},
        ),
        ({"xi": ["start", "last"]},) * 2,
        ({"seed": None}, {"seed": 0}),
        ({"expect": {"outcomes": {"finite": "all"}}},) * 2,
    ],
)
def test_a_base_gives_what_is_not_overridden(own: dict[str, Any], same: dict[str, Any], tmp_path: Path) -> None:
    """The cell is that of the config written out, down to its identity."""
    written(tmp_path, BASE, "base.yaml")
    based, whole = written(tmp_path, {"base": "base.yaml"} | own, "own.yaml"), written(tmp_path, BASE | same, "whole.yaml")
    assert resolved(based) == resolved(whole)
    assert read_cell(based, []).identity == read_cell(whole, []).identity


def test_names_of_files_are_relative_to_the_file_that_has_them(tmp_path: Path) -> None:
    """A data file of the base, and a base of the base."""
    inner = tmp_path / "blocks"
    inner.mkdir()
    (inner / "rows.csv").write_text("a\n1\n-2\n", encoding="utf-8")
    written(
        inner,
        BASE | {"objective": {"name": "quadratic", "data": {"name": "csv", "file": "rows.csv", "columns": ["a"]}}},
        "a.yaml",
    )
    written(inner, {"base": "a.yaml", "steps": 100}, "b.yaml")
    cell = read_cell(written(tmp_path, {"base": "blocks/b.yaml", "seed": 4}), ["paths=8"])
    assert cell.law
    assert (cell.program.steps, cell.program.seed, cell.paths, cell.law.mean[0]) == (100, 4, 8, -0.5)


def told(path: Path, *settings: str) -> str:
    with pytest.raises(ConfigError) as error:
        make_cell(read(path, settings))
    return str(error.value).replace(f"{path.parent}/", "")


def test_errors_point_into_the_right_file(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "seed: -1\nsteps: 10\nobjective: {name: formula, loss: 'theta**2 + nonsense(theta)'}\noptimizer: adam\n",
        encoding="utf-8",
    )
    (tmp_path / "own.yaml").write_text("base: base.yaml\noptimizer: {beta3: 0}\n", encoding="utf-8")
    found = told(tmp_path / "own.yaml", "steps=0")
    assert "base.yaml:1:7: seed: must be" in found
    assert "base.yaml:3:46: objective.loss: " in found
    assert "own.yaml:2:13: optimizer.beta3: unknown parameter of adam" in found
    assert "--set steps=0: steps: must be" in found


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"own": "base: own.yaml"}, "own.yaml:1:7: base: own.yaml -> own.yaml is a circle"),
        ({"own": "base: b.yaml", "b": "base: own.yaml"}, "b.yaml:1:7: base: own.yaml -> b.yaml -> own.yaml is a circle"),
        ({"own": "base: basis.yaml", "base": ""}, "own.yaml:1:7: base basis.yaml: there is no such file"),
        ({"own": "base: b.yaml", "b": ""}, "own.yaml:1:7: base b.yaml: the file is empty"),
        ({"own": "base: b.yaml", "b": "a: ["}, "b.yaml:1:5: not valid YAML"),
        ({"own": "base: 3"}, "own.yaml:1:7: base must be the name of a config, got 3"),
    ],
)
def test_a_base_that_cannot_be_read(files: dict[str, str], message: str, tmp_path: Path) -> None:
    """Is one problem: what else is missing may be in it."""
    for name, text in files.items():
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    found = told(tmp_path / "own.yaml")
    assert message in found
    assert "missing" not in found


def test_a_base_is_of_files_alone(tmp_path: Path) -> None:
    """Not of an option, and not of a cell."""
    path = written(tmp_path, BASE)
    assert told(path, "base=other.yaml") == "--set base=other.yaml: base: a file is based on another; options come after both"
