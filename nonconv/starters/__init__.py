"""Starters: commented files to begin with, which `nonconv new` writes. They lie in `files`, each to be found by its name.

    >>> STARTERS["own_data"].title
    >>> STARTERS["own_data"].files("rents")        # rents.yaml, and rents.csv which it names

The first line of a file is its title; the lines after it say what to type next.
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
    "own_loop",
)
"""In the order in which they are listed, the default first."""
ENDINGS = {"own_data": (".yaml", ".csv"), "own_optimizer": (".yaml", ".py"), "own_loop": (".py",)}
"""Of their files, where they are not a config alone: first the one that the others go with."""
MENTIONED = (".yaml", ".csv", ".py", ".npz")
"""Endings of files that a text may name: its own, and those that it writes."""


class Starter(NamedTuple):
    """A config to begin with, and what else it needs."""

    name: str

    @property
    def endings(self) -> tuple[str, ...]:
        """The endings of its files."""
        return ENDINGS.get(self.name, (".yaml",))

    @property
    def title(self) -> str:
        """What it is about, in one line."""
        return _text(self.name, self.endings[0]).partition("\n")[0].removeprefix("# ")

    def files(self, first: Path) -> dict[Path, str]:
        """Return the files to write, by path; what they say of each other, and what to type next, has their new names."""
        places = {ending: first if ending == self.endings[0] else first.with_suffix(ending) for ending in MENTIONED}
        return {places[ending]: self._renamed(_text(self.name, ending), places) for ending in self.endings}

    def next_steps(self, first: Path) -> list[str]:
        """Return the commands that its comment says to type next."""
        lines = self.files(first)[first].splitlines()
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
