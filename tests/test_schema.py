"""The JSON Schema of configs: it accepts what ships, refuses what is wrong, and tells what each key means."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from kit.command import good
from kit.texts import SCHEMA, VALIDATOR, accepts
from nonconv.components.parameters import parameters_of
from nonconv.config.catalogue import BUILT_IN
from nonconv.config.document import parse
from nonconv.config.plugins import load_files
from nonconv.config.schema import EXAMPLES, json_schema
from nonconv.config.spec import Experiment, parameters_in_config

ROOT = Path(__file__).parents[1]
SHIPPED = [*ROOT.glob("configs/**/*.yaml"), *ROOT.glob("docs/plugins/*.yaml"), *ROOT.glob("nonconv/starters/files/*.yaml")]


def keys(schema: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each key that the schema describes, wherever it is."""
    if isinstance(schema, dict):
        for name, key in schema.get("properties", {}).items():
            yield f"{place}.{name}", key
        for word, value in schema.items():
            yield from keys(value, f"{place}.{word}")
    elif isinstance(schema, list):
        for value in schema:
            yield from keys(value, place)


def written(path: Path) -> Any:
    """A config as it is written, without what it is based on."""
    return parse(path.read_text(encoding="utf-8"), str(path)).data


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.slow
def test_every_config_that_ships_is_accepted() -> None:
    assert len(SHIPPED) > 100
    for path in SHIPPED:
        data = written(path)
        files = data.get("plugins", [])
        plugins = load_files([path.parent / file for file in ([files] if isinstance(files, str) else files)])
        schema = Draft202012Validator(json_schema(plugins)) if files else VALIDATOR
        assert [error.message for error in schema.iter_errors(data)] == [], path.name


CONST = {"steps": 10, "objective": {"name": "quadratic", "data": "normal"}, "optimizer": "adam", "learning_rate": 0.1}


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({}, True),
        ({"quantities": "excess_risk"}, True),
        ({"base": "other.yaml", "optimizer": {"beta1": 0.5}, "objective": {"data": {"low": 0}}}, True),
        ({"optimizer": {"beta1": 0.5}}, False),
        ({"base": "other.yaml", "optimizer": {"betta1": 0.5}}, False),
        ({"objective": {"data": "normal"}}, False),
        ({"batch_size": {"value": 3}}, False),
        ({"start": {"low": 0}}, False),
        ({"start": {"name": "uniform", "low": 0, "high": 1}}, True),
        ({"start": "nowhere"}, False),
        ({"quantities": "excess_rist"}, False),
        ({"figures": {"size": [3]}}, False),
    ],
    ids=str,
)
def test_what_it_accepts(change: dict[str, Any], good: bool) -> None:
    assert accepts(CONST | change) is good


def test_a_base_may_have_what_is_required() -> None:
    assert accepts({"base": "other.yaml"})
    for key in CONST:
        assert not accepts({name: value for name, value in CONST.items() if name != key})


def test_every_key_says_what_it_means_and_what_is_allowed() -> None:
    described = dict(keys(SCHEMA))
    assert len(described) > 400
    for place, key in described.items():
        assert key["description"].endswith("."), place
        assert key["description"].partition(". Allowed: ")[0] in key["markdownDescription"] or place.endswith(".name"), place
        assert not {"title", "x-allowed", "x-kind"} & key.keys()
    for kind, component in ((known.kind, component) for known in BUILT_IN.values() for component in known.values()):
        model = SCHEMA["$defs"].get(f"{kind}_{component.name}")
        for parameter in parameters_in_config(kind, component) if model else []:
            told = model["properties"][parameter.name]["description"]
            assert parameter.kind or f"Allowed: {parameter.allowed}" in told
            assert parameter.meaning[1:] in told
    eps = SCHEMA["$defs"]["optimizer_adam"]["properties"]["eps"]
    assert eps["description"] == "Keeps the denominator away from zero. Allowed: a number >= 0. Default: 1e-08."
    assert (
        eps["markdownDescription"]
        == "Keeps the denominator away from zero.\n\n- **Allowed**: a number >= 0\n- **Default**: 1e-08"
    )
    start = SCHEMA["$defs"]["optimizer_adam"]["properties"]["start"]
    assert start["description"].startswith("m and v before the first step"), "a formula has no capital letter"
    assert "Allowed: a number, or one of constant, power," in SCHEMA["properties"]["learning_rate"]["description"]


def test_no_alternatives_are_nested_in_others() -> None:
    """Editors would tell nothing of such a key."""
    for place, key in keys(SCHEMA):
        assert not any("anyOf" in option for option in key.get("anyOf", ())), place


@pytest.mark.parametrize("kind", ["objective", "optimizer", "learning_rate", "batch_size"])
def test_every_name_comes_with_its_summary(kind: str) -> None:
    names = next(option["oneOf"] for option in SCHEMA["properties"][kind]["anyOf"] if "const" in option.get("oneOf", [{}])[0])
    assert names == [{"const": name, "description": component.summary} for name, component in BUILT_IN[kind].items()]
    for name, component in BUILT_IN[kind].items():
        model = SCHEMA["$defs"][f"{kind}_{name}"]
        assert f"Source: {component.paper}" in model["markdownDescription"]


def test_every_key_of_the_top_level_has_an_example_that_is_accepted() -> None:
    assert set(EXAMPLES) == {parameter.name for parameter in parameters_of(Experiment)}
    for key, values in EXAMPLES.items():
        plain = [value for value in values if not isinstance(value, dict | list)]
        assert SCHEMA["properties"][key].get("examples", []) == plain
        assert " Example: " in SCHEMA["properties"][key]["description"]
        for value in values:
            assert accepts(CONST | {key: value}), f"{key}: {value}"


def test_a_plug_in_is_part_of_it() -> None:
    schema = json.loads(good("schema", "--plugin", ROOT / "docs" / "plugins" / "lion.py"))
    named = CONST | {"optimizer": {"name": "my_lion", "beta1": 0.5}}
    assert Draft202012Validator(schema).is_valid(named)
    assert not accepts(named)
