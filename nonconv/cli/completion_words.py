"""The names that a shell completes: keys of a config with their values, components, kinds.

Reading them off the components takes half a second, which is too long for the Tab key. So they are kept in a file beside
the kernels, whose name has a digest of the files that they come from.
"""

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PLACES = {"objective": "objective", "optimizer": "optimizer", "learning_rate": "learning_rate", "batch_size": "batch_size",
          "start": "start", "data": "objective.data", "dataset": "objective.data"}  # fmt: skip
"""Where components stand in a config whose parameters can be set, by kind."""
APART = {"base", "sweep", "plugins"}
"""Keys that are no values to set: --grid is the sweep."""
Words = dict[str, Any]
"""kinds: {kind: {component: summary}}. keys: {key: [meaning, {value: its meaning}]}. parameters: {kind: {component: keys}}."""


def words() -> Words:
    """Return the names, from the file if it is there, otherwise from the components."""
    file = _folder() / f"names-{_digest()}.json"
    with suppress(OSError, ValueError):
        found: Words = json.loads(file.read_bytes())
        return found
    found = collected()
    with suppress(OSError):
        _folder().mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(found), encoding="utf-8")
        part.replace(file)
    return found


def _folder() -> Path:
    """Return the cache folder. platformdirs is imported only where the environment does not say it."""
    if named := os.environ.get("NONCONV_CACHE_DIR"):
        return Path(named)
    import platformdirs

    return platformdirs.user_cache_path("nonconv")


def _digest() -> str:
    """Return a digest of the sizes and times of all files that names may come from."""
    files = sorted(Path(folder) / name for folder, _, names in os.walk(ROOT) for name in names if name.endswith(".py"))
    facts = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.blake2b(repr(facts).encode(), digest_size=8).hexdigest()


def collected() -> Words:
    """Collect the names from the components."""
    from nonconv.config.catalogue import BUILT_IN
    from nonconv.config.keys import config_keys
    from nonconv.config.spec import parameters_in_config

    keys = {key.name: _told(key) for key in config_keys() if key.name.partition(".")[0] not in APART}
    keys |= {f"{place}.name": ["the rule, by its name", _names(kinds)] for place, kinds in _kinds_by_place().items()}
    keys["objective.data"] = ["where samples come from", _names(["data", "dataset"])]
    parameters = {
        kind: {c.name: {p.name: _told(p) for p in parameters_in_config(kind, c)} for c in BUILT_IN[kind].values()}
        for kind in PLACES
    }
    kinds = {kind: {c.name: c.summary for c in BUILT_IN.listed(kind).values()} for kind in BUILT_IN}
    return {"kinds": kinds, "keys": keys, "parameters": parameters}


def _kinds_by_place() -> dict[str, list[str]]:
    """Return the kinds of component that may stand at a place."""
    return {place: [kind for kind, own in PLACES.items() if own == place] for place in PLACES.values()}


def _names(kinds: list[str]) -> dict[str, str]:
    """Return the components of these kinds with their summaries."""
    from nonconv.config.catalogue import BUILT_IN

    return {name: component.summary for kind in kinds for name, component in BUILT_IN[kind].items()}


def _told(parameter: Any) -> list[Any]:
    """Return the meaning of a key and the values to offer: names, true and false, its default."""
    return [parameter.meaning, _values(parameter)]


def _values(parameter: Any) -> dict[str, str]:
    """Return the values to offer for a key."""
    from typing import Literal, get_args, get_origin

    from nonconv.components.parameters import bare, without_none

    core = without_none(bare(parameter.annotation)[0])
    if parameter.kind:
        return _names([parameter.kind])
    if get_origin(core) is Literal:
        return dict.fromkeys(map(str, get_args(core)), "")
    if core is bool:
        return {"true": "", "false": ""}
    return {str(parameter.default): "the default"} if isinstance(parameter.default, int | float) else {}
