"""Read a config file, with the config that it is based on.

`base: other.yaml` takes the values of another config. What this file says overrides them, key by key:

- a mapping is merged with that of the base, unless both name different components: then it replaces it
- anything else replaces what the base has: lists, and `expect` and `sweep` as a whole; null takes it away
- names of files in the base are relative to the base

A value keeps the place where it was written, so an error points into the right file. The result is a Document like any
other: nothing later knows that there was a base.
"""

import os.path
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nonconv.config.document import AS_NUMBER, Document, KeyPath, parse
from nonconv.config.figures import STYLE_FILE
from nonconv.faults.problems import Place, Problem, kind_of, must_be, nearest
from nonconv.system.reading import MOST_CONFIG_BYTES, is_stream, read_text_source

BASE = "base"
WHOLE = (("plugins",), ("expect",), ("sweep",))
"""Mappings that are not merged: what is expected of one experiment need not hold of another."""
MOST_BASES = 16
"""The longest chain of configs of which each is the base of the one before."""


def read(path: Path, settings: Iterable[str] = ()) -> Document:
    """Read a config file, its base, and apply overrides. Problems are collected in `problems`; nothing is raised.

    So a caller can report what is wrong with the text together with what is wrong with the values.
    """
    document = _read_with_base(path, ())
    # Applied also to a broken file, so that problems of options are reported with those of the file.
    for setting in settings:
        document.override(setting)
        if document.keys.pop((BASE,), None):
            message = "a file is based on another; options come after both"
            document.problems.append(Problem(message, document.values.pop((BASE,)), BASE))
            del document.data[BASE]
    return document


def _read_with_base(path: Path, above: tuple[Path, ...]) -> Document:
    """Read a file and what it is based on. above: the files that are based on it, which it must not be based on."""
    return with_base(_read_file(path), (*above, path))


def with_base(document: Document, above: tuple[Path, ...] = ()) -> Document:
    """Return a document with what it is based on, if it is. above: its own file and those that are based on it."""
    if not isinstance(document.data, dict) or BASE not in document.data:
        return document
    name, place = document.data.pop(BASE), document.place((BASE,))
    for places in (document.values, document.keys):
        places.pop((BASE,), None)
    file = Path(os.path.normpath(document.folder / name)) if isinstance(name, str) and name else None
    if file is None:
        wrong = f"base {must_be('the name of a config', kind_of(name))[0]}"
    elif any(file.resolve() == other.resolve() for other in above):
        wrong = f"base: {' -> '.join(str(one) for one in (*above, file))} is a circle"
    elif len(above) > MOST_BASES:
        wrong = f"base: more than {MOST_BASES} configs are based on each other"
    else:
        return _merge(document, _read_base(file, place, above))
    document.problems.append(Problem(wrong, place))  # without a key: what is missing may be in the base
    return document


def _read_base(file: Path, place: Place, above: tuple[Path, ...]) -> Document:
    """Read the base that is named at a place; what is wrong with the file as a whole is told there."""
    base = _read_with_base(file, above)
    first = base.problems[0] if base.problems else None
    if first and first.place.source == str(file) and first.place.line == 0:
        base.problems[0] = Problem(f"base {file}: {first.message}", place, nearest=first.nearest)
    return base


def _merge(document: Document, base: Document) -> Document:
    """Give a document what its base has and it does not override."""
    document.problems[:0] = base.problems
    document.lines = base.lines | document.lines
    if isinstance(base.data, dict):
        _move_files(base, os.path.relpath(base.folder, document.folder))
        _merge_mappings((), document, base)
    return document


def _merge_mappings(path: KeyPath, document: Document, base: Document) -> None:
    """Merge the mappings that both documents have at a path."""
    own, theirs = _at(document.data, path), _at(base.data, path)
    for key, value in list(theirs.items()):
        inner = (*path, key)
        if key not in own:
            own[key] = value
            _take_places(inner, document, base)
        elif isinstance(own[key], dict) and inner not in WHOLE:
            theirs[key] = full = _in_full(key, value)
            if isinstance(full, dict) and own[key].get("name", full.get("name")) == full.get("name"):
                _merge_mappings(inner, document, base)
    for key in [key for key, value in own.items() if value is None and theirs.get(key) is not None]:
        del own[key]


def _in_full(key: str, value: Any) -> Any:
    """Return the mapping that a component's bare name stands for, or a schedule's number; anything else as it is."""
    if isinstance(value, str):
        return {"name": value}
    if key in AS_NUMBER and isinstance(value, int | float) and not isinstance(value, bool):
        return {"name": "constant", "value": value}
    return value


def _at(data: Any, path: KeyPath) -> Any:
    """Return the part of plain data at a path."""
    for part in path:
        data = data[part]
    return data


def _take_places(path: KeyPath, document: Document, base: Document) -> None:
    """Take the places of all that a base has at a path."""
    for taken, given in ((document.values, base.values), (document.keys, base.keys)):
        taken.update({known: place for known, place in given.items() if known[: len(path)] == path})


def _move_files(base: Document, folder: str) -> None:
    """Write names of files as from another folder. folder: that of the base, as seen from there."""
    if folder == ".":
        return
    plugins = base.data.get("plugins")
    if isinstance(plugins, str):
        base.data["plugins"] = str(Path(folder, plugins))
    elif isinstance(plugins, list):
        base.data["plugins"] = [str(Path(folder, one)) if isinstance(one, str) else one for one in plugins]
    figures = base.data.get("figures")
    for key in ("labels", "style") if isinstance(figures, dict) else ():
        if isinstance(figures.get(key), str) and (key == "labels" or figures[key].endswith(STYLE_FILE)):
            figures[key] = str(Path(folder, figures[key]))
    _move_named_files(base.data, folder)


def _move_named_files(data: Any, folder: str) -> None:
    """Write each text at a key `file` as from another folder."""
    if isinstance(data, dict) and isinstance(data.get("file"), str):
        data["file"] = str(Path(folder, data["file"]))
    for part in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        _move_named_files(part, folder)


def _read_file(path: Path) -> Document:
    """Read one config file."""
    source = str(path)
    try:
        text = read_text_source(path, MOST_CONFIG_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return _unreadable(source, f"line {line} is not UTF-8 text")
    except FileNotFoundError:
        return _unreadable(source, "there is no such file", _find_similar_config(path))
    except OSError as error:
        own = path / "config.yaml"
        return _unreadable(source, f"cannot be read: {error.strerror}", str(own) if own.is_file() else "")
    document = parse(text, source)
    document.folder = Path() if is_stream(path) else path.parent
    if not document.problems:
        if document.data is None:
            document.problems.append(Problem("the file is empty", Place(source, 0, 0, "")))
        # Checked here and not by the model, whose error would have no key to name.
        elif not isinstance(document.data, dict):
            message = f"the config is {kind_of(document.data)}, not a mapping of keys to values"
            document.problems.append(Problem(message, document.place(())))
    return document


def _unreadable(source: str, message: str, meant: str = "") -> Document:
    """Return the document of a file that cannot be read, with its one problem."""
    return Document(source, problems=[Problem(message, Place(source, 0, 0, ""), nearest=meant)])


def _find_similar_config(missing: Path) -> str:
    """Find the config whose name is most like that of a missing file, beside it or in a folder `configs`.

    Returns its path, or an empty text.
    """
    folders = Path("configs"), missing.parent / "configs", missing.parent
    found = {path.stem: path for folder in folders for path in sorted(folder.glob("*.y*ml"))}
    name = nearest(missing.stem, found)
    return str(found[name]) if name else ""
