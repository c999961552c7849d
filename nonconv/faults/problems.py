"""The text of an error: where, what, what is allowed, and the nearest name.

    configs/adam.yaml:7:3: optimizer.beta3: unknown parameter of adam
      7 |   beta3: 0.9
        |   ^^^^^
      allowed: name, beta1, beta2, eps, eps_placement, bias_correction, start
      did you mean beta2?

A `Place` is the first part, `configs/adam.yaml:7:3`, with the line that is shown; a `Problem` is the whole.
"""

from dataclasses import dataclass

from nonconv.system.streams import in_line, visible
from nonconv.system.words import kind_of, nearest

__all__ = ["Place", "Problem", "cannot_be", "kind_of", "must_be", "nearest"]

MOST_SHOWN = 160
"""Characters of a line that an error shows; of a longer one the part around the column."""
MOST_TOLD = 2000
"""Characters of a key or a list of what is allowed; a table may have thousands of columns."""
MOST_IN_MESSAGE = 60
"""Characters of what is allowed that a message holds; more are listed in a separate line."""


@dataclass(frozen=True)
class Place:
    """A part of a source: a file, or an option such as `--set a=1`.

    line, column: counted from 1; line 0 is the source as a whole. text: the whole line. width: how many carets go under it.
    """

    source: str
    line: int
    column: int
    text: str
    width: int = 1

    def snippet(self) -> list[str]:
        """Return the line, or the part of a long one around the column, and carets under it."""
        first = max(0, min(self.column - 1 - MOST_SHOWN // 2, len(self.text) - MOST_SHOWN))
        shown, more = self.text[first : first + MOST_SHOWN], self.text[first + MOST_SHOWN :]
        ahead = shown[: self.column - 1 - first]
        # Tabs stay tabs in both lines, so that the carets are under the right columns whatever a tab's width.
        under = "".join("\t" if c == "\t" else " " for c in ahead) + "^" * min(self.width, MOST_SHOWN - len(ahead))
        shown = "".join(c if c.isprintable() or c == "\t" else "?" for c in shown)
        before, after = "..." if first else "", "..." if more else ""
        number = str(self.line)
        return [f"  {number} | {before}{shown}{after}", f"  {' ' * len(number)} | {' ' * len(before)}{under}"]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong; `str` gives the text that a user reads.

    key: the dotted key it is about, if any. allowed: what may be written instead. nearest: a name that was probably meant.
    hint: what else may help, as where a key belongs.
    """

    message: str
    place: Place
    key: str = ""
    allowed: str = ""
    nearest: str = ""
    hint: str = ""

    def __str__(self) -> str:
        """Write the problem in full, over several lines."""
        place = self.place
        where = place.source if place.line == 0 else f"{place.source}:{place.line}:{place.column}"
        # A message may have several lines.
        lines = [": ".join(part for part in (_in_short(where), _in_short(self.key), visible(self.message)) if part)]
        if place.text:
            lines += place.snippet()
        if self.allowed:
            lines.append(f"  allowed: {_in_short(self.allowed)}")
        if self.nearest:
            lines.append(f"  did you mean {_in_short(self.nearest)}?")
        if self.hint:
            lines.append(f"  hint: {_in_short(self.hint)}")
        return "\n".join(lines)


def _in_short(text: str) -> str:
    """Return a part of a problem as it is told: in one line, its middle left out if it is very long."""
    if len(text) > MOST_TOLD:
        text = f"{text[: MOST_TOLD // 2]} ... {text[-MOST_TOLD // 2 :]}"
    return in_line(text)


def cannot_be(got: str) -> str:
    """Write the message about a value where the error lists what is allowed below it. got: from `kind_of`."""
    return f"cannot be {'empty' if got == 'nothing' else got}"


def must_be(allowed: str, got: str) -> tuple[str, str]:
    """Write the message about a value that is not allowed: `must be > 0, got -1`.

    allowed: what may be written; got: from `kind_of`. Returns the message, and what to list below it. The list is empty
    where it fits into the message, as in most cases.
    """
    if not allowed or len(allowed) > MOST_IN_MESSAGE:
        return cannot_be(got), allowed
    words = allowed.split(", ")
    one_of = "one of " if len(words) > 1 and all(word.isidentifier() for word in words) else ""
    return f"must be {one_of}{allowed}{';' if ',' in allowed else ','} got {got}", ""
