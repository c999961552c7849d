"""Short names: symbols of config keys, and what tells runs apart by what differs between their configs."""

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

SYMBOLS = {
    "optimizer.beta1": "β₁",
    "optimizer.beta2": "β₂",
    "optimizer.beta": "β",
    "optimizer.eps": "ε",
    "learning_rate.value": "γ",
    "learning_rate.exponent": "ρ",
    "batch_size.value": "M",
}
WORDS = ("claim", "expect", "figures")
"""Keys of a config that change no result."""
FIRST = ("optimizer", "learning_rate", "batch_size", "objective", "start", "domain", "seed", "steps", "paths")
"""The parts of a config that name a run, what readers look for first."""
LONGEST = 36
"""Characters of a label that is made; runs that only more words would tell apart are called by their folders."""


XI = {
    "nearest_minimum": "nearest minimum",
    "path_mean": "path mean",
    "last": "last iterate",
    "adam_zero": "zero θ* of the Adam field",
}
"""The candidates for the limit that people call otherwise."""
LONGEST_NAME = 26
"""Characters of the name of a ξ or a coordinate."""


class Varied(NamedTuple):
    """A config key whose values differ. values: as JSON, one for each config; empty where it does not have the key."""

    key: str
    values: tuple[str, ...]


def xi_name(label: str) -> str:
    """Name a ξ for people."""
    return textwrap.shorten(XI.get(label, label), LONGEST_NAME, placeholder=" …)")


def symbol(key: str) -> str:
    """Return `β₁` for optimizer.beta1; the key itself if it has no symbol."""
    return SYMBOLS.get(key, key.removesuffix(".name"))


def varied(configs: Sequence[dict[str, Any]]) -> tuple[Varied, ...]:
    """List the keys whose values differ between configs, but not texts that change no result."""
    flat = [_flatten(config) for config in configs]
    found = []
    for key in dict.fromkeys(key for config in flat for key in config):
        values = tuple(json.dumps(config[key], ensure_ascii=False) if key in config else "" for config in flat)
        if len(set(values)) > 1 and key.split(".")[0] not in WORDS:
            found.append(Varied(key, values))
    return tuple(found)


def _flatten(config: Mapping[str, Any], outer: str = "") -> dict[str, Any]:
    """Return a config as a mapping of dotted keys to values."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        found |= _flatten(value, f"{outer}{key}.") if isinstance(value, dict) else {f"{outer}{key}": value}
    return found


def labels(configs: Sequence[Mapping[str, Any]], names: Sequence[str], longest: int = LONGEST) -> list[str]:
    """Name each config by what differs, in as few words as tell all apart: `adam`, `sgd`; or `β₂ = 0.9`, `β₂ = 0.99`.

    names: of each what it is called otherwise, such as its folder: where configs do not tell runs apart, or not in `longest`
    characters.
    """
    parts: list[list[str]] = [[] for _ in configs]
    for told in differing_parts(configs).values():
        if _distinct(parts) == len(configs):
            break
        joined = [[*part, text] if text else part for part, text in zip(parts, told, strict=True)]
        # What differs in nothing that can be said in a word or two tells nobody anything.
        if _distinct(joined) > _distinct(parts):
            parts = joined
    found = [", ".join(part) for part in parts]
    if max(map(len, found)) > longest or not all(found):
        return list(names)
    return [f"{label} ({name})" if found.count(label) > 1 else label for label, name in zip(found, names, strict=True)]


def differing_parts(configs: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the keys at the top of a config whose values differ; of each value what tells it from the others."""
    found = {}
    keys = [*FIRST, *(key for config in configs for key in config if key not in (*FIRST, *WORDS))]
    for key in dict.fromkeys(keys):
        values = [config.get(key) for config in configs]
        if any(value != values[0] for value in values):
            found[key] = [_told(key, value, values) for value in values]
    return found


def _distinct(parts: Sequence[Sequence[str]]) -> int:
    """Count the different names."""
    return len({", ".join(part) for part in parts})


def _told(key: str, value: Any, values: Sequence[Any]) -> str:
    """Write the value of a key by what tells it from the others: a component by its name, or by its own parameters."""
    if not isinstance(value, dict):
        return "" if value is None or value == [] else f"{symbol(key)} = {_text(value)}"
    alike = [other for other in values if isinstance(other, dict) and other.get("name") == value.get("name")]
    differ = list(_differing(key, value, alike))
    if len(alike) == len(values):
        return ", ".join(f"{name} = {text}" for name, text in differ)
    own = str(value.get("name", key))
    return f"{own} ({', '.join(f'{name} {text}' for name, text in differ)})" if differ else own


def _differing(key: str, value: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield the innermost keys that tell a value from others, no more than are needed, each with its value."""
    own, flat = _flatten(value), [_flatten(other) for other in others]
    told: list[tuple[str, ...]] = [()] * len(flat)
    different = len({json.dumps(one, sort_keys=True) for one in flat})
    for name in dict.fromkeys(name for one in flat for name in one):
        more = [(*part, json.dumps(one.get(name))) for part, one in zip(told, flat, strict=True)]
        if len(set(told)) < len(set(more)):
            told = more
            if name in own:
                yield symbol(f"{key}.{name}").rpartition(".")[2], _text(own[name])
        if len(set(told)) == different:
            return


def _text(value: Any) -> str:
    """Write a value: numbers in six digits, components by their names, lists without brackets."""
    if isinstance(value, float):
        return f"{value:.6g}".replace("-", "−")
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, dict):
        return str(value.get("name", value))
    return "none" if value is None else str(value)
