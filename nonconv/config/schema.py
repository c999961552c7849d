"""The JSON Schema of a config, for editors: they complete keys and names, mark what is wrong, and tell what a key means.

pydantic makes it of the models (`spec`). Here it gets what editors show: each key with its meaning, what is allowed, its
default and an example; each name of a component with its summary. A config with a `base` may leave out names of components.
"""

import inspect
from collections.abc import Iterator
from typing import Any

from nonconv.components.definitions import Component
from nonconv.components.parameters import parameters_of
from nonconv.config.catalogue import BUILT_IN, Catalogue
from nonconv.config.spec import Experiment, choices, experiment_model

Schema = dict[str, Any]
EXAMPLES: dict[str, list[Any]] = {
    "claim": ["Adam with a constant learning rate does not converge."],
    "base": ["adam_const.yaml"],
    "plugins": ["my_rule.py", ["my_rule.py", "my_data.py"]],
    "seed": [2407],
    "paths": [4096, {"max": 100_000, "target": 0.02}],
    "steps": [20_000],
    "objective": [{"name": "quadratic", "data": {"name": "two_point", "low": -1, "high": 1, "p_high": 0.25}}],
    "optimizer": ["adam", {"name": "adam", "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}],
    "learning_rate": [0.05, {"name": "power", "value": 0.5, "exponent": 0.5}],
    "batch_size": [8],
    "start": [0.5, {"name": "uniform", "low": -1, "high": 1}],
    "domain": [[-1, 1]],
    "iterates": [["last", {"name": "polyak", "after": 0.5}]],
    "xi": [["minimizer", "path_mean"]],
    "escape_radius": [1e6],
    "floors": [{"cauchy": False}],
    "quantities": [["excess_risk", {"name": "quantile", "level": 0.99}]],
    "record": [{"points": 200, "spacing": "log", "paths": 32}],
    "figures": [{"size": [3.25, 2.4], "style": "paper"}],
    "sweep": [{"optimizer.beta1": {"linspace": [0, 0.9, 10]}, "seed": [1, 2, 3]}],
    "expect": [{"verdict": "does_not_converge", "outcomes": {"finite": "all"}}],
}
"""What may be written, by key of the top level."""
OWN = ("x-allowed", "x-kind", "x-values")
"""What the models say for our own messages (spec)."""
NAMED = ("objective", "optimizer", "learning_rate", "batch_size", "start")
"""Keys that are a component, of which a config with a base may have parts."""


def json_schema(catalogue: Catalogue = BUILT_IN) -> Schema:
    """Make the JSON Schema of a config that can name these components."""
    schema = experiment_model(catalogue).model_json_schema()
    base = next(p for p in parameters_of(Experiment) if p.name == "base")
    about_base = {"type": "string", "description": base.meaning, "x-allowed": "the name of a config"}
    schema["properties"] = {"base": about_base} | schema["properties"]
    required, definitions = schema.pop("required"), schema["$defs"]
    _flatten(schema)
    _tell_names(schema, definitions)
    for part in list(_parts(schema)):
        _tell_keys(part, part.get("required", required if part is schema else []), catalogue)
    for key, values in EXAMPLES.items():
        _add_examples(schema["properties"][key], values)
    for kind in catalogue:
        for component in catalogue[kind].values():
            if f"{kind}_{component.name}" in definitions:
                _tell_component(definitions[f"{kind}_{component.name}"], component)
    _allow_parts(schema, required)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "nonconv config"}


def _parts(schema: Any) -> Iterator[Schema]:
    """Yield every mapping of a schema that has keys of its own."""
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield schema
        for value in schema.values():
            yield from _parts(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _parts(value)


def _flatten(schema: Any) -> None:
    """Put alternatives of alternatives side by side: editors tell nothing of a key whose alternatives are nested."""
    if isinstance(schema, dict):
        options = schema.get("anyOf")
        if isinstance(options, list):
            schema["anyOf"] = [inner for one in options for inner in (one["anyOf"] if one.keys() == {"anyOf"} else [one])]
    for value in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        _flatten(value)


def _tell_names(schema: Any, definitions: Schema) -> None:
    """Where a component may be named alone, give each name its summary."""
    if isinstance(schema, list):
        for value in schema:
            _tell_names(value, definitions)
    if not isinstance(schema, dict):
        return
    options = schema["anyOf"] if isinstance(schema.get("anyOf"), list) else []
    models = _models(options)
    for place, option in enumerate(options):
        if set(option.get("enum", [""])) <= models.keys():
            names = [{"const": name, "description": definitions[models[name]]["description"]} for name in option["enum"]]
            options[place] = {"oneOf": names}
    for value in schema.values():
        _tell_names(value, definitions)


def _models(options: list[Any]) -> dict[str, str]:
    """Return the definitions of components among alternatives, by the component's name."""
    among = [one["$ref"].rpartition("/")[2] for option in options for one in option.get("oneOf", [option]) if "$ref" in one]
    return {name: definition for definition in among for name in [_name_in(definition)] if name}


def _name_in(definition: str) -> str:
    """Return the name of the component that a definition is for; empty if it is for none."""
    kind = next((kind for kind in sorted(BUILT_IN, key=len, reverse=True) if definition.startswith(f"{kind}_")), "")
    return definition.removeprefix(f"{kind}_") if kind else ""


def _tell_keys(part: Schema, required: list[str], catalogue: Catalogue) -> None:
    """Say of each key what it means, what is allowed and its default, in plain text and in Markdown."""
    part.pop("title", None)
    for name, key in part["properties"].items():
        key.pop("title", None)  # the name again
        kind = key.get("x-kind")
        allowed = _allowed(key.get("x-allowed"), kind, catalogue)
        facts = {"Allowed": allowed, "Required": "yes" if name in required and name != "name" else None}
        if "default" in key and key["default"] not in (None, "", [], {}) and not isinstance(key["default"], dict):
            facts["Default"] = _written(key["default"])
        meaning = key.get("description", "")
        sentence = f"{_capitalised(meaning)}."
        key["description"] = " ".join([sentence, *(f"{label}: {fact}." for label, fact in facts.items() if fact)])
        lines = [f"- **{label}**: {fact}" for label, fact in facts.items() if fact]
        more = ["", f"`nonconv list {kind}` shows them."] if kind else []
        key["markdownDescription"] = "\n".join([sentence, "", *lines, *more])
        for word in OWN:
            key.pop(word, None)


def _allowed(words: str | None, kind: str | None, catalogue: Catalogue) -> str | None:
    """Say what is allowed, with the names of the components there are."""
    if not kind or not words:
        return words
    among = f"one of the components of kind {kind}"
    return choices(catalogue, kind) if words == among else words.replace(among, f"one of {catalogue.names(kind)}")


def _capitalised(text: str) -> str:
    """Begin with a capital letter, unless the text begins with a formula."""
    first = text.partition(" ")[0]
    return f"{text[:1].upper()}{text[1:]}" if first == "a" or (first.isalpha() and len(first) > 1) else text


def _written(value: Any) -> str:
    """Write a value as YAML does."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(map(_written, value))}]" if isinstance(value, list) else str(value)


def _add_examples(key: Schema, values: list[Any]) -> None:
    """Give a key examples in what it says; those that are no mappings also for editors that offer them."""
    told = [value for value in values if not isinstance(value, dict | list)]
    key |= {"examples": told} if told else {}
    key["description"] += f" Example: {_flow(values[-1])}."
    key["markdownDescription"] += f"\n\nExample: `{_flow(values[-1])}`"


def _flow(value: Any) -> str:
    """Write a value in YAML's flow style."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_flow(one)}' for key, one in value.items())}}}"
    return f"[{', '.join(map(_flow, value))}]" if isinstance(value, list) else _written(value)


def _tell_component(definition: Schema, component: Component) -> None:
    """Say of a component what its rule is and where it comes from."""
    rule = inspect.cleandoc(component.parameters.__doc__ or component.summary)
    definition["title"] = component.name
    definition["markdownDescription"] = f"```text\n{rule}\n```\n\nSource: {component.paper}"
    name = definition["properties"]["name"]
    name["description"], name["markdownDescription"] = component.summary, definition["markdownDescription"]


def _allow_parts(schema: Schema, required: list[str]) -> None:
    """With a base, allow that what is required is left out, and that a component has no name but that of the base."""
    definitions, named = schema["$defs"], {}
    for key in NAMED:
        models = _models_within(schema["properties"][key], definitions)
        parts: Schema = {}
        for model in models:
            for name, about in definitions[model]["properties"].items():
                parts.setdefault(name, {word: about[word] for word in ("description", "markdownDescription")})
        parts.pop("name")
        about = {"description": f"Parts of the {key} of the base; what is left out stays as it is there."}
        definitions[f"{key}_of_base"] = {"type": "object", **about, "properties": parts, "additionalProperties": False}
        own = schema["properties"][key]
        if "anyOf" not in own:
            own["anyOf"] = [{word: own.pop(word) for word in ("oneOf", "$ref") if word in own}]
        own["anyOf"].append({"$ref": f"#/$defs/{key}_of_base"})
        told = {word: own[word] for word in ("description", "markdownDescription")}
        named[key] = told | {"if": {"type": "object"}, "then": {"required": ["name"]}}
    schema["if"] = {"required": ["base"]}
    schema["else"] = {"required": required, "properties": named}


def _models_within(schema: Any, definitions: Schema) -> list[str]:
    """List the definitions of components that a key may be, its parameters left out."""
    if isinstance(schema, list):
        return [found for one in schema for found in _models_within(one, definitions)]
    if not isinstance(schema, dict):
        return []
    name = schema.get("$ref", "").rpartition("/")[2]
    own = [name] if "name" in definitions.get(name, {}).get("properties", {}) else []
    return [*own, *(found for word in ("anyOf", "oneOf") for found in _models_within(schema.get(word, []), definitions))]
