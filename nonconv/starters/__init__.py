"""Starters: commented configs to begin with, which `nonconv new` writes. They lie in `files`, each to be found by its name.

    >>> STARTERS["own_data"].title
    >>> STARTERS["own_data"].files("rents")        # rents.yaml, and rents.csv which it names

The first line of a config is its title; the lines after it say what to type next.
"""

import json
import shlex
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "files"
NAMES = (
    "adam_quadratic",
    "vanishing_rate",
    "counterexample",
    "network",
    "sweep",
    "claim",
    "own_loss",
    "own_data",
    "own_optimizer",
)
"""In the order in which they are listed, the default first."""
COMPANIONS = {"own_data": ".csv", "own_optimizer": ".py"}
"""The ending of a second file that a config names."""


class Starter(NamedTuple):
    """A config to begin with, and what else it needs."""

    name: str

    @property
    def endings(self) -> tuple[str, ...]:
        """The endings of its files, the config's first."""
        return ".yaml", *filter(None, [COMPANIONS.get(self.name)])

    @property
    def title(self) -> str:
        """What it is about, in one line."""
        return _text(self.name, ".yaml").partition("\n")[0].removeprefix("# ")

    def files(self, config: Path) -> dict[Path, str]:
        """Return the files to write, by path; what they say of each other, and what to type next, has their new names."""
        places = {ending: config if ending == ".yaml" else config.with_suffix(ending) for ending in self.endings}
        return {place: self._renamed(_text(self.name, ending), places) for ending, place in places.items()}

    def next_steps(self, config: Path) -> list[str]:
        """Return the commands that its comment says to type next."""
        lines = self.files(config)[config].splitlines()
        listed = takewhile(lambda line: line.startswith("#   "), lines[lines.index("# Type next:") + 1 :])
        return [line.removeprefix("#").strip() for line in listed]

    def _renamed(self, text: str, places: dict[str, Path]) -> str:
        """Write other names of files into a text: in quotes as YAML has them, elsewhere as the shell does."""
        for ending, place in places.items():
            was = f"{self.name}{ending}"
            text = text.replace(f'"{was}"', json.dumps(place.name, ensure_ascii=False))
            if str(place) != was:
                text = text.replace(f" {was}", f" {shlex.quote(str(place))}")
        return text


def _text(name: str, ending: str) -> str:
    """Return the text of a starter's file."""
    return (FOLDER / f"{name}{ending}").read_text(encoding="utf-8")


STARTERS = {name: Starter(name) for name in NAMES}
