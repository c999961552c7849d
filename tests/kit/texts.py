"""Good configs as text, and a reader of the JSON Schema."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nonconv.config.document import parse
from nonconv.config.spec import json_schema
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
COMMENTS = {"$defs", "$schema", "default", "description", "title", "x-allowed", "x-kind"}
TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: TYPES["number"](value) and value == int(value),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}
RULES: dict[str, Callable[[Any, Any], bool]] = {
    "$ref": lambda rule, value: accepts(SCHEMA["$defs"][rule.removeprefix("#/$defs/")], value),
    "anyOf": lambda rule, value: any(accepts(option, value) for option in rule),
    "oneOf": lambda rule, value: sum(accepts(option, value) for option in rule) == 1,
    "type": lambda rule, value: TYPES[rule](value),
    "const": lambda rule, value: bool(value == rule),
    "enum": lambda rule, value: value in rule,
    "minimum": lambda rule, value: not TYPES["number"](value) or value >= rule,
    "maximum": lambda rule, value: not TYPES["number"](value) or value <= rule,
    "exclusiveMinimum": lambda rule, value: not TYPES["number"](value) or value > rule,
    "exclusiveMaximum": lambda rule, value: not TYPES["number"](value) or value < rule,
    "minLength": lambda rule, value: not isinstance(value, str) or len(value) >= rule,
    "minItems": lambda rule, value: not isinstance(value, list) or len(value) >= rule,
    "maxItems": lambda rule, value: not isinstance(value, list) or len(value) <= rule,
    "minProperties": lambda rule, value: not isinstance(value, dict) or len(value) >= rule,
    "items": lambda rule, value: not isinstance(value, list) or all(accepts(rule, item) for item in value),
    "required": lambda rule, value: not isinstance(value, dict) or set(rule) <= set(value),
}


def accepts(schema: dict[str, Any], value: Any) -> bool:
    rules = {key: rule for key, rule in schema.items() if key not in COMMENTS}
    known, closed = rules.pop("properties", {}), rules.pop("additionalProperties", True) is False
    if isinstance(value, dict) and known:
        if closed and not set(value) <= set(known):
            return False
        if not all(accepts(known[key], value[key]) for key in value if key in known):
            return False
    return all(RULES[key](rule, value) for key, rule in rules.items())


def data_of(config: dict[str, str]) -> Any:
    return parse("".join(f"{key}: {value}\n" for key, value in config.items()), "config").data
