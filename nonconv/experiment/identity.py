"""The name and the hash of an experiment: of all that its results depend on, and nothing else.

The hash decides whether a finished folder is reused. So `expect` is left out, paths of files are reduced to their names,
and the content of each file counts by its digest.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from nonconv.reading import is_stream


def name_of(config: Path) -> str:
    """Name a config after its file.

    The config of an output folder is always called config.yaml: it has the name in the folder's manifest.
    """
    if config.name != "config.yaml":
        return "stdin" if is_stream(config) else config.stem
    try:
        return str(json.loads((config.parent / "manifest.json").read_bytes())["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return config.stem


def plain(model: Any) -> dict[str, Any]:
    """Turn a config's model into plain data, without its sweep; of `expect` keep only what was written."""
    left_out = {"expect", "sweep"} if model.plugins else {"expect", "sweep", "plugins"}
    data: dict[str, Any] = model.model_dump(mode="json", exclude=left_out)
    return data if model.expect is None else data | {"expect": model.expect.model_dump(mode="json", exclude_none=True)}


def portable(resolved: dict[str, Any]) -> dict[str, Any]:
    """Return the resolved config as an output folder has it: data files in `data/`, plug-ins in `plugins/`."""
    if "plugins" in resolved:
        files = [entry | {"file": f"plugins/{Path(entry['file']).name}"} for entry in resolved["plugins"]]
        resolved = resolved | {"plugins": files}
    for part, name in (("objective", "data"), ("start", "")):
        resolved = resolved | {part: _move_file(resolved[part], name)}
    return resolved


def _move_file(part: Any, name: str) -> Any:
    """Move the file of a part of a config, or of what it holds by a name, to `data/`."""
    held = part.get(name) if name and isinstance(part, dict) else part
    if not isinstance(held, dict) or "file" not in held:
        return part
    moved = held | {"file": f"data/{Path(held['file']).name}"}
    return part | {name: moved} if name else moved


def identity(resolved: dict[str, Any]) -> str:
    """Hash a resolved config: SHA-256 in hexadecimal. `expect` is left out, since it changes no result."""
    decisive = {key: value for key, value in resolved.items() if key != "expect"}
    # Sorted, so that the order of keys in the YAML does not count.
    return hashlib.sha256(json.dumps(decisive, sort_keys=True, allow_nan=False).encode()).hexdigest()
