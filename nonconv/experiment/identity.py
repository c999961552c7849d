"""The name and the hash of an experiment: all that its results depend on, and nothing else."""

import hashlib
import json
from pathlib import Path
from typing import Any


def name_of(config: Path) -> str:
    """What a config is called: its file's name; in an output folder, that of the config which the folder is from."""
    if config.name != "config.yaml":
        return config.stem
    try:
        return str(json.loads((config.parent / "manifest.json").read_bytes())["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return config.stem


def plain(model: Any) -> dict[str, Any]:
    """A config's model as plain data, as YAML and JSON know it; of `expect`, what was written; without a sweep."""
    left_out = {"expect", "sweep"} if model.plugins else {"expect", "sweep", "plugins"}
    data: dict[str, Any] = model.model_dump(mode="json", exclude=left_out)
    return data if model.expect is None else data | {"expect": model.expect.model_dump(mode="json", exclude_none=True)}


def portable(resolved: dict[str, Any]) -> dict[str, Any]:
    """The resolved config as it lies in an output folder, where a data file stands in `data/`, plug-ins in `plugins/`."""
    if "plugins" in resolved:
        files = [entry | {"file": f"plugins/{Path(entry['file']).name}"} for entry in resolved["plugins"]]
        resolved = resolved | {"plugins": files}
    for part, name in (("objective", "data"), ("start", "")):
        resolved = resolved | {part: _moved(resolved[part], name)}
    return resolved


def _moved(part: Any, name: str) -> Any:
    """A part of a config, or what it holds by a name, with its file in `data/`."""
    held = part.get(name) if name and isinstance(part, dict) else part
    if not isinstance(held, dict) or "file" not in held:
        return part
    moved = held | {"file": f"data/{Path(held['file']).name}"}
    return part | {name: moved} if name else moved


def identity(resolved: dict[str, Any]) -> str:
    """The hash that names a resolved config. What is expected of a result changes nothing of it, and is left out."""
    decisive = {key: value for key, value in resolved.items() if key != "expect"}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True, allow_nan=False).encode()).hexdigest()
