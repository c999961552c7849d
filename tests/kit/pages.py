"""Finished folders of each kind for pages, and pages read back without a browser."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from kit.engines import use_reference
from kit.experiments import SGD, written
from kit.runs import undrawn
from kit.sweeping import outcome
from nonconv.config.files import read
from nonconv.experiment.binding import make_cell
from nonconv.study import loop as study

HOSTILE = "</script><script>alert(1)</script> <b>&amp;\"'"
"""A claim that would be a script if it were not escaped."""
ITERATES = SGD | {
    "paths": 64,
    "steps": 600,
    "claim": HOSTILE,
    "objective": SGD["objective"] | {"dim": 2},
    "xi": ["minimizer", "path_mean", [0.25, 0.5]],
    "iterates": ["last", {"name": "polyak", "after": 0.5}],
    "quantities": ["excess_risk"],
    "record": {"points": 12, "paths": 5},
    "expect": {"verdict": ["does_not_converge", "undecided"], "mse": [{"xi": "minimizer", "below": 1e-9}]},
}
OTHER = SGD | {"paths": 64, "steps": 600, "learning_rate": 0.2, "record": {"points": 10, "paths": 5}}
DIVERGING = SGD | {"paths": 8, "steps": 2000, "learning_rate": 3.0, "record": {"points": 12, "paths": 3}}
ALONE = SGD | {
    "paths": 1,
    "steps": 300,
    "objective": {"name": "quadratic", "data": {"name": "discrete", "values": [0], "probabilities": [1]}},
    "start": 1,
    "xi": ["minimizer"],
}
SWEEP = SGD | {
    "paths": 32,
    "steps": 300,
    "xi": ["minimizer", "path_mean"],
    "sweep": {"learning_rate": [0.05, 0.1, 3.0], "optimizer": ["sgd", "adam"], "seed": [1, 2]},
}
FAILING = SGD | {
    "paths": 4,
    "steps": 300,
    "objective": {"name": "toint", "knots": "uniform", "spacing": 0.5},
    "optimizer": "adam",
    "xi": ["start"],
    "sweep": {"objective.spacing": [0.5, 1e-09]},
}


class Folders:
    """Runs and sweeps in one folder, each computed when it is first asked for, on the reference engine."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def run(self, name: str, config: dict[str, Any]) -> Path:
        """The folder of a run."""
        folder = self.place / name
        if not folder.exists():
            with pytest.MonkeyPatch.context() as patched:
                use_reference(patched)
                study.run(make_cell(read(self._config(name, config))), folder, workers=1, draw=undrawn)
        return folder

    def sweep(self, name: str, config: dict[str, Any]) -> Path:
        """The folder of a sweep."""
        folder = self.place / name
        if not folder.exists():
            with pytest.MonkeyPatch.context() as patched:
                use_reference(patched)
                outcome(self._config(name, config), folder, workers=1, draw=undrawn)
        return folder

    def _config(self, name: str, config: dict[str, Any]) -> Path:
        path = written(self.place.parent / f"{self.place.name}-configs" / name, config)
        return path.rename(path.with_name(f"{name}.yaml"))


class _Reader(HTMLParser):
    """Collects texts, elements, ids, and what an address is given to."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.within: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.elements.append((tag, given))
        self.within.append((tag, given))
        if found := given.get("id"):
            self.ids.append(found)
        self.links += [address for name in ("href", "src") if (address := given.get(name))]

    def handle_endtag(self, tag: str) -> None:
        while self.within and self.within.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.within and self.within[-1][0] == "script":
            self.scripts.append((self.within[-1][1], data))
        elif not (self.within and self.within[-1][0] == "style"):
            self.texts.append(data)


class Page:
    """A page read back: its text, its elements, and the data that its charts draw."""

    def __init__(self, content: bytes) -> None:
        reader = _Reader()
        reader.feed(content.decode())
        self.text = re.sub(r"\s+", " ", " ".join(reader.texts))
        self.ids, self.links, self.elements, self.scripts = reader.ids, reader.links, reader.elements, reader.scripts
        self.told: dict[str, Any] = json.loads(next(text for given, text in self.scripts if given.get("id") == "data"))

    def rows(self, figure: str, table: str) -> list[dict[str, Any]]:
        """The rows of a table that a chart draws."""
        return as_rows(self.told["tables"][self.told["figures"][figure]["data"][table]])


def as_rows(table: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a packed table."""
    columns = [_column(held) for held in table.values()]
    return [dict(zip(table, row, strict=True)) for row in zip(*columns, strict=True)]


def _column(held: Any) -> list[Any]:
    if isinstance(held, list):
        return held
    return [held["of"][k] for k in held["at"]] if "of" in held else [held["same"]] * held["count"]
