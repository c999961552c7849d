"""`-k EXPR`: choose by name, as pytest does.

    adam and not (decay or toint)

A word holds where it is part of a name, whatever the case; `and`, `or`, `not` and brackets combine words.
"""

import re
from collections.abc import Callable, Iterable

from nonconv.faults.errors import UsageError

TOKEN = re.compile(r"\s*([()]|[^\s()]+)")
DEEPEST = 50
FORM = "words of config names with and, or, not and brackets, as in: -k 'adam and not decay'"
Holds = Callable[[str], bool]


def selection(text: str) -> Holds:
    """Return the function that says whether a name is chosen. Raises UsageError for what is no expression."""
    reader = _Reader(text)
    found = reader.either(0)
    if reader.tokens:
        raise reader.error(f"{reader.tokens[0]!r} is not expected here")
    return found


class _Reader:
    """Reads an expression from its first word on."""

    def __init__(self, text: str) -> None:
        self.text, self.tokens = text, TOKEN.findall(text)

    def error(self, message: str) -> UsageError:
        """Return the error of an expression that cannot be read."""
        return UsageError(f"-k {self.text!r}: {message}\n  allowed: {FORM}")

    def either(self, depth: int) -> Holds:
        """Read parts joined by `or`."""
        parts = [self.all_of(depth)]
        while self._take("or"):
            parts.append(self.all_of(depth))
        return _joined(any, parts)

    def all_of(self, depth: int) -> Holds:
        """Read parts joined by `and`."""
        parts = [self.single(depth)]
        while self._take("and"):
            parts.append(self.single(depth))
        return _joined(all, parts)

    def single(self, depth: int) -> Holds:
        """Read a word, a part in brackets, or either after `not`."""
        if depth > DEEPEST:
            raise self.error(f"is nested more than {DEEPEST} deep")
        if self._take("not"):
            inner = self.single(depth + 1)
            return lambda name: not inner(name)
        if self._take("("):
            found = self.either(depth + 1)
            if not self._take(")"):
                raise self.error("a bracket is not closed")
            return found
        if not self.tokens or self.tokens[0].lower() in ("and", "or", ")"):
            raise self.error("a word is missing" + (f" before {self.tokens[0]!r}" if self.tokens else " at the end"))
        word = self.tokens.pop(0).lower()
        return lambda name: word in name.lower()

    def _take(self, word: str) -> bool:
        """Take the next token if it is this word."""
        if self.tokens and self.tokens[0].lower() == word:
            self.tokens.pop(0)
            return True
        return False


def _joined(combine: Callable[[Iterable[bool]], bool], parts: list[Holds]) -> Holds:
    """Return whether all, or any, of several parts hold."""
    return parts[0] if len(parts) == 1 else lambda name: combine(part(name) for part in parts)
