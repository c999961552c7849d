"""Words of messages: numbers with their nouns, values as they are told, the name that was meant."""

import difflib
from collections.abc import Iterable


def count(number: int, noun: str) -> str:
    """Write a number and its noun: `1 cell`, `2 cells`, `0 cells`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


SIMILAR = 8
"""How many similar names are looked at."""


def nearest(word: object, names: Iterable[str]) -> str:
    """Return the name that a misspelt word most likely means, or an empty text."""
    written = str(word).lower().replace("-", "_")
    matches = difflib.get_close_matches(written, list(names), n=SIMILAR, cutoff=0.6)
    # Letters in another order are the commonest slip: adma is adam, though adamax shares more with it.
    return next((name for name in matches if sorted(name) == sorted(written)), matches[0] if matches else "")


def kind_of(value: object) -> str:
    """Write a value for an error: `-1`, `'x'`, `a list`, `nothing` for null; long ones are shortened."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value}" if len(str(value)) < 40 else "a number of very many digits"
    if isinstance(value, str):
        return repr(value) if len(value) < 40 else f"{value[:37]!r}..."
    empty = "an empty" if not value else "a"
    return f"{empty} list" if isinstance(value, list | tuple) else f"{empty} mapping"
