"""The name and the hash of an experiment: of all that its results depend on, and nothing else.

The hash decides whether a finished folder is reused. So words are left out (WORDS, and the names of files, whose content
counts by its digest), and so is every key that has its default: a key that a later version adds changes no hash.
"""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from nonconv.readback import read_object
from nonconv.system.atomic import fitting_name
from nonconv.system.reading import is_stream

WORDS = ("claim", "expect", "figures")
"""Keys of a config that are printed or drawn, or compared with results, and change none."""


def name_of(config: Path) -> str:
    """Name a config after its file.

    The config of an output folder is always called config.yaml: it has the name in the folder's manifest, or that of the
    folder itself where it is a cell's.
    """
    manifest = read_object(config.parent / "manifest.json") if config.name == "config.yaml" else None
    if manifest is None:
        return "stdin" if is_stream(config) else config.stem
    name = manifest.get("name", config.absolute().parent.name)
    return name if isinstance(name, str) and name == Path(name).name else config.stem


def folder_name(name: str, identity: str) -> str:
    """Return the usual name of the output folder of a run or a sweep: `adam_const-1a2b3c4d`."""
    return fitting_name(name, f"-{identity[:8]}")


def plain(model: Any) -> dict[str, Any]:
    """Turn a config's model into plain data, without its sweep; of `expect` keep only what was written."""
    optional = {name for name in ("plugins", "quantities") if not getattr(model, name)}
    # None says that a key is left out, which is not written.
    data: dict[str, Any] = model.model_dump(mode="json", exclude={"expect", "sweep", *optional}, exclude_none=True)
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


def identity(resolved: dict[str, Any], model: BaseModel) -> str:
    """Hash what decides the results of a resolved config: SHA-256 in hexadecimal. model: as `decisive` takes it."""
    return _hashed(decisive(resolved, model))


def identity_and_lineage(resolved: dict[str, Any], model: BaseModel) -> tuple[str, str]:
    """Return the identity, and the same without the number of paths (`Cell.lineage`)."""
    deciding = decisive(resolved, model)
    return _hashed(deciding), _hashed({key: value for key, value in deciding.items() if key != "paths"})


def _hashed(deciding: dict[str, Any]) -> str:
    """Hash what decides results."""
    # Sorted, so that the order of keys in the YAML does not count.
    return hashlib.sha256(json.dumps(deciding, sort_keys=True, allow_nan=False).encode()).hexdigest()


def decisive(resolved: dict[str, Any], model: BaseModel) -> dict[str, Any]:
    """Return what decides the results of a resolved config: no words, no names of files, nothing that is as by default.

    model: the config as it was validated, which knows the defaults.
    """
    kept = _without_defaults({key: value for key, value in resolved.items() if key not in WORDS}, model)
    return {key: without_file_names(value) for key, value in kept.items()}


def _without_defaults(content: dict[str, Any], model: BaseModel) -> dict[str, Any]:
    """Return the keys whose value is not the default, each without its own defaults. A key without a default is kept."""
    defaults, kept = _defaults(type(model)), {}
    for key, value in content.items():
        part = getattr(model, key, None)
        pruned = _without_defaults(value, part) if isinstance(part, BaseModel) and isinstance(value, dict) else value
        if key not in defaults or not _same(pruned, defaults[key]):
            kept[key] = pruned
    return kept


@cache
def _defaults(model: type[BaseModel]) -> dict[str, Any]:
    """Return the defaults of a model's keys, as `_without_defaults` leaves them."""
    found = {}
    for key, field in model.model_fields.items():
        if not field.is_required():
            default = field.get_default(call_default_factory=True)
            plain_default = to_jsonable_python(default)
            found[key] = _without_defaults(plain_default, default) if isinstance(default, BaseModel) else plain_default
    return found


def _same(value: Any, default: Any) -> bool:
    """Whether a value is the default: 1 is 1.0, and {name: constant, value: 1} is 1, but -0.0 is not 0.0."""
    if isinstance(value, dict) and not isinstance(default, dict):
        default = {"name": "constant", "value": default}  # what a number stands for where a schedule is wanted
    return bool(value == default) and str(value).count("-") == str(default).count("-")


def without_file_names(value: Any) -> Any:
    """Return a part of a config without the name of each file that is pinned by its digest."""
    if isinstance(value, list):
        return [without_file_names(one) for one in value]
    if isinstance(value, dict):
        return {key: without_file_names(one) for key, one in value.items() if key != "file" or not value.get("sha256")}
    return value
