"""What the Tab key offers: keys and values for --set and --grid, components, output folders, cells, configs, starters.

Each function takes what has been typed of a word, and returns words with what they mean. None raises or prints.
"""

import functools
import os
import shlex
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import typer

Offer = tuple[str, str]
"""A word, and what it means."""
CONFIG_ENDINGS, LOG_ENDINGS = (".yaml", ".yml"), (".npz", ".csv", ".parquet")
MANIFEST, TABLE, CELL_MARK = "manifest.json", "sweep.csv", "#"
"""What makes a folder an output folder, and one of a sweep; what stands before a cell."""
MOST_TOLD = 60
"""Characters of a meaning that fit beside a word."""
MOST_ENTRIES, MOST_CELLS, MOST_CONFIG_BYTES = 5000, 2000, 1_000_000
"""How much is looked at: nobody reads longer lists, and none may take long."""


def safe(offer: Callable[..., Iterable[Offer]]) -> Callable[..., list[Offer]]:
    """Decorate a function of this file: it offers nothing where it fails, and no word that would break a line."""

    @functools.wraps(offer)
    def wrapper(*arguments: Any, **options: Any) -> list[Offer]:
        try:
            return [
                (word, _told(meaning)) for word, meaning in dict(offer(*arguments, **options)).items() if word.isprintable()
            ]
        except Exception:  # a shell must not show it: the word is completed by its user
            return []

    # typer passes what the annotations ask for, and follows `__wrapped__` to find them.
    return wrapper


def _told(meaning: str) -> str:
    """Shorten a meaning so that it fits beside a word. typer would take what is in brackets for a style."""
    from textwrap import shorten

    return shorten(meaning, MOST_TOLD, placeholder="...").translate({ord("["): "(", ord("]"): ")"})


def choices(*words: str) -> Callable[[str], list[Offer]]:
    """Return what offers these words."""

    def offer(incomplete: str) -> list[Offer]:
        return [(word, "") for word in words if word.startswith(incomplete)]

    return offer


# Keys and values


@safe
def settings(ctx: typer.Context, incomplete: str) -> Iterable[Offer]:
    """Offer for --set: keys up to the next point, and once a key is whole its values."""
    return _assignments(ctx, incomplete, several=False)


@safe
def grids(ctx: typer.Context, incomplete: str) -> Iterable[Offer]:
    """Offer for --grid: as for --set, and after each comma a further value."""
    return _assignments(ctx, incomplete, several=True)


@safe
def executor_options(ctx: typer.Context, incomplete: str) -> Iterable[Offer]:
    """Offer for --executor-option: names of submitit's parameters, or what factories of executors commonly take."""
    from nonconv.sweeps.executors.job_options import CLUSTERS, OFFERED

    names = OFFERED if ctx.params.get("executor") == "submitit" else ("max_workers",)
    words = [word for name in names for word in ([f"{name}={one}" for one in CLUSTERS] if name == "cluster" else [f"{name}="])]
    return [(word, "") for word in words if word.startswith(incomplete)]


def _assignments(ctx: typer.Context, incomplete: str, several: bool) -> Iterable[Offer]:
    """Offer keys, or values of a key that is whole."""
    keys = _keys(_component_names(ctx))
    key, given, value = incomplete.partition("=")
    if given:
        return _values(keys, key, value, several)
    return _next_keys(keys, key)


def _next_keys(keys: dict[str, Any], typed: str) -> list[Offer]:
    """Offer `key=` for keys that stand here and `key.` for those with more below. One alone is completed further."""
    start = typed.rfind(".") + 1
    found: dict[str, str] = {}
    for key, (meaning, _) in keys.items():
        if key.startswith(typed):
            end = key.find(".", start)
            found.setdefault(f"{key}=" if end < 0 else key[: end + 1], meaning if end < 0 else "more keys")
    if len(found) > 1:
        return list(found.items())
    for word, meaning in found.items():
        # Without a second offer the shell would add a space behind the word.
        return _next_keys(keys, word) if word.endswith(".") else [(word, meaning), *_values(keys, word[:-1], "", False)]
    return []


def _values(keys: dict[str, Any], key: str, value: str, several: bool) -> list[Offer]:
    """Offer `key=value` for the values of a key."""
    _, values = keys.get(key, ("", {}))
    head, comma, last = value.rpartition(",") if several else ("", "", value)
    taken = head.split(",")
    fitting = [one for one in values if one.startswith(last) and one not in taken]
    return [(f"{key}={head}{comma}{one}", values[one]) for one in fitting]


def _keys(named: dict[str, str]) -> dict[str, Any]:
    """Return the keys of configs, with the parameters of named components; of all of a kind where none is named."""
    from nonconv.cli.completion_words import PLACES, words

    known = words()
    keys = dict(known["keys"])
    for kind, place in PLACES.items():
        components = known["parameters"][kind]
        name = named.get(place)
        for one in [components[name]] if name in components else () if name else components.values():
            for parameter, told in one.items():
                keys.setdefault(f"{place}.{parameter}", told)
    return keys


def _component_names(ctx: typer.Context) -> dict[str, str]:
    """Return the names of components by place, from the config and the settings before the cursor."""
    named = {}
    typed = _typed_words()
    files = [word for word in typed if word.endswith(CONFIG_ENDINGS)]
    data = _config(ctx.params.get("config") or next(iter(files), None))
    for place in ("objective", "optimizer", "learning_rate", "batch_size", "start", "objective.data"):
        value = data
        for part in place.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        name = value.get("name") if isinstance(value, dict) else value
        if isinstance(name, str):
            named[place] = name
    for word in typed[:-1]:
        key, given, value = word.partition("=")
        if given and value.isidentifier():
            named[key.removesuffix(".name")] = value
    return named


def _typed_words() -> list[str]:
    """Return the words of the command line so far, as the shell tells them. click does not, of a line that is not whole."""
    return shlex.split(os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", ""))


def _config(path: Any) -> Any:
    """Read a config, as far as it can be read."""
    if path is None or not Path(path).is_file() or Path(path).stat().st_size > MOST_CONFIG_BYTES:
        return {}
    import yaml

    try:
        return yaml.load(Path(path).read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError):
        return {}


# Components


@safe
def explained(incomplete: str) -> Iterable[Offer]:
    """Offer for `explain`: components, keys, and plug-in files."""
    from nonconv.cli.completion_words import words

    known = words()
    kind, point, bare = incomplete.rpartition(".")
    own = known["kinds"].get(kind, {}) if point else {}
    yield from ((f"{kind}.{name}", summary) for name, summary in own.items() if name.startswith(bare))
    every = [*(pair for names in known["kinds"].values() for pair in names.items())]
    every += [(key, meaning) for key, (meaning, _) in known["keys"].items() if not key.endswith(".name")]
    yield from ((name, summary) for name, summary in dict(every).items() if name.startswith(incomplete))
    if incomplete:
        yield from _entries(incomplete, lambda path: path.suffix == ".py", lambda path: False)


@safe
def kinds(incomplete: str) -> Iterable[Offer]:
    """Offer for `list`: the kinds of components, key and gallery."""
    from nonconv.cli.completion_words import words

    every = {kind: f"{len(names)} of them" for kind, names in words()["kinds"].items()}
    every |= {"key": "the keys of a config", "gallery": "configs of published claims"}
    return [offer for offer in every.items() if offer[0].startswith(incomplete)]


@safe
def of_kind(ctx: typer.Context, incomplete: str) -> Iterable[Offer]:
    """Offer for `list KIND`: the names of this kind, or of the gallery's claims."""
    from nonconv.cli.completion_words import words

    kind = ctx.params.get("kind")
    if kind == "gallery":
        from nonconv.config.gallery import find_folder

        folder = find_folder()
        return [(path.stem, "") for path in sorted(folder.glob(f"{incomplete}*.yaml"))] if folder else []
    known = words()
    names = {key: meaning for key, (meaning, _) in known["keys"].items()} if kind == "key" else known["kinds"].get(kind, {})
    return [offer for offer in names.items() if offer[0].startswith(incomplete)]


@safe
def starters(incomplete: str) -> Iterable[Offer]:
    """Offer for `new`: the starters."""
    from nonconv.starters import STARTERS

    return [(name, starter.title) for name, starter in STARTERS.items() if name.startswith(incomplete)]


# Files and folders


@safe
def configs(incomplete: str) -> Iterable[Offer]:
    """Offer configs, and folders on the way to them."""
    return _entries(incomplete, lambda path: path.suffix in CONFIG_ENDINGS, lambda path: False)


@safe
def plugins(incomplete: str) -> Iterable[Offer]:
    """Offer Python files, and folders on the way to them."""
    return _entries(incomplete, lambda path: path.suffix == ".py", lambda path: False)


@safe
def logs(incomplete: str) -> Iterable[Offer]:
    """Offer logs of other programs, and folders on the way to them."""
    return _entries(incomplete, lambda path: path.suffix in LOG_ENDINGS, lambda path: False)


@safe
def runs(incomplete: str) -> Iterable[Offer]:
    """Offer output folders, and cells as SWEEP#CELL; those of outputs/ also before anything is typed. A LABEL= stays."""
    label, given, place = incomplete.partition("=")
    head = f"{label}=" if given and "/" not in label else ""
    place = place if head else incomplete
    found = _cells(place) if CELL_MARK in place else _folders(place)
    return [(f"{head}{word}", meaning) for word, meaning in found]


def _folders(typed: str) -> list[Offer]:
    """Offer output folders; of a sweep that is the only one also its mark, behind which its cells are offered."""
    found = _entries(typed, lambda path: False, lambda path: (path / MANIFEST).is_file())
    if not typed:
        found += _entries("outputs/", lambda path: False, lambda path: (path / MANIFEST).is_file())
        found = [offer for offer in found if offer[0] != "outputs/"] if len(found) > 1 else found
    if len(found) == 1 and (Path(found[0][0]) / TABLE).is_file():
        found.append((f"{found[0][0]}{CELL_MARK}", "its cells"))
    return found


def _cells(typed: str) -> Iterable[Offer]:
    """Offer the cells of a sweep, with what tells them apart."""
    import csv

    sweep, _, begun = typed.partition(CELL_MARK)
    with (Path(sweep) / TABLE).open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        header = next(rows)
        keys = header[1 : header.index("status")]
        for row in islice(rows, MOST_CELLS):
            if row[0].startswith(begun):
                yield f"{sweep}{CELL_MARK}{row[0]}", ", ".join(f"{k}={v}" for k, v in zip(keys, row[1:], strict=False))


def _entries(typed: str, is_file: Callable[[Path], bool], is_folder: Callable[[Path], bool]) -> list[Offer]:
    """Offer files and folders that are wanted, and other folders as the way to more. One alone is entered."""
    above, _, begun = typed.rpartition("/")
    place = Path(above or ("/" if typed.startswith("/") else "."))
    prefix = f"{above}/" if "/" in typed else ""
    found = []
    with os.scandir(place) as entries:
        for entry in islice(entries, MOST_ENTRIES):
            if not entry.name.startswith(begun) or (entry.name.startswith((".", "__")) and not begun):
                continue
            path, word = Path(entry.path), f"{prefix}{entry.name}"
            if entry.is_dir():
                found.append((word, "") if is_folder(path) else (f"{word}/", ""))
            elif is_file(path):
                found.append((word, ""))
    if len(found) == 1 and found[0][0].endswith("/") and found[0][0] != typed:
        return _entries(found[0][0], is_file, is_folder) or found
    return sorted(found)
