"""Good configs as text, and what the JSON Schema says of one."""

from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from nonconv.config.document import parse
from nonconv.config.schema import json_schema
from nonconv.experiment.binding import read_cell
from nonconv.experiment.cell import Cell

GOOD = {
    "seed": "1",
    "paths": "64",
    "steps": "100",
    "objective": "{name: quadratic, data: {name: two_point, p_high: 0.25}}",
    "optimizer": "{name: adam, beta1: 0.8}",
    "learning_rate": "0.1",
}
RICH = {
    "claim": "'Adam: no limit'",
    "seed": "7",
    "paths": "10_000",
    "steps": "1e5",
    "objective": "{name: quadratic, dim: 2, scale: [1, .5], data: "
    "{name: discrete, values: [-1, 0, 3], probabilities: [0.5, 0.25, 0.25]}}",
    "optimizer": "{name: amsgrad, beta1: 0, eps: 1e-12, eps_placement: inside, maximum: after_correction}",
    "learning_rate": "{name: piecewise, values: [0.1, 0.01], until: [1_000], warmup: 10}",
    "batch_size": "{name: power, value: 1.5, exponent: 1, largest: 64}",
    "start": "{name: truncated_normal, high: 3}",
    "xi": "[minimizer, start, path_mean, last, 0, [0.5, 1e-3]]",
    "escape_radius": "1e3",
    "record": "{points: 50, spacing: linear, paths: 4}",
}


def written(folder: Path, config: dict[str, str], name: str = "good.yaml") -> Path:
    path = folder / name
    path.write_text("".join(f"{key}: {value}\n" for key, value in config.items()), encoding="utf-8")
    return path


def read(folder: Path, config: dict[str, str], *overrides: str) -> Cell:
    return read_cell(written(folder, config), list(overrides))


SCHEMA = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def accepts(value: Any) -> bool:
    """Whether the JSON Schema of configs accepts a value."""
    return bool(VALIDATOR.is_valid(value))


def data_of(config: dict[str, str]) -> Any:
    return parse("".join(f"{key}: {value}\n" for key, value in config.items()), "config").data
