"""The text of an error: where, what, what is allowed, and the nearest name."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A stretch of a source: 1-based line and column, the whole line's text, how many characters the caret spans.

    Line 0 is the source as a whole.
    """

    source: str
    line: int
    column: int
    text: str
    width: int = 1


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. `key` is the dotted key it is about, if any."""

    message: str
    place: Place
    key: str = ""
    allowed: str = ""
    nearest: str = ""

    def __str__(self) -> str:
        where = self.place.source if self.place.line == 0 else f"{self.place.source}:{self.place.line}:{self.place.column}"
        lines = [": ".join(part for part in (where, self.key, self.message) if part)]
        if self.place.text:
            number = str(self.place.line)
            margin = " " * (len(number) + 4)
            under = "".join("\t" if c == "\t" else " " for c in self.place.text[: self.place.column - 1])
            lines.append(f"  {number} | {self.place.text}")
            lines.append(f"{margin[:-1]}| {under}{'^' * self.place.width}")
        if self.allowed:
            lines.append(f"  allowed: {self.allowed}")
        if self.nearest:
            lines.append(f"  did you mean {self.nearest}?")
        return "\n".join(lines)


def nearest(word: object, names: Iterable[str]) -> str:
    """The name that a misspelt word most likely stands for, or nothing."""
    matches = difflib.get_close_matches(str(word).lower().replace("-", "_"), list(names), n=1, cutoff=0.6)
    return matches[0] if matches else ""
