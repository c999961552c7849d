"""Lines for people: wrapped between words where they go to a terminal."""

import re
import shutil
import sys
import textwrap
from contextlib import suppress
from typing import TextIO

SENTENCE_WIDTH = 80
"""The longest line of a sentence on a terminal."""
HELD, HELD_ASCII = "\u00a0±\u00a0", "\u00a0+-\u00a0"
"""What keeps a number and its half width in one line: spaces at which no line is broken."""
LEAST_WIDTH = 20
"""A terminal that says it is narrower is not believed."""
AS_IT_IS = re.compile(r" *\d* \| |  nonconv |  File ")
"""How lines begin that are not wrapped: of a config with a caret below, of a command to copy, of a traceback."""


def say(text: str) -> None:
    """Print a message for people on stderr, on a terminal in lines that are easy to read."""
    with suppress(OSError, ValueError):  # a result must not be lost because nobody can be told
        lines = map(_folded, text.split("\n")) if sys.stderr.isatty() else [text]
        print("\n".join(lines), file=sys.stderr, flush=True)


def _folded(line: str) -> str:
    """Return a line wrapped to the width of lines; later lines are indented. A line of a file or a command stays as it is."""
    indent = len(line) - len(line.lstrip())
    if AS_IT_IS.match(line) or len(line) <= line_width(sys.stderr):
        return line
    return " " * indent + wrapped(line.lstrip(), line_width(sys.stderr) - indent, "  ").replace("\n", "\n" + " " * indent)


def line_width(stream: TextIO | None = None) -> int:
    """Return the most columns of a line of text on a stream, or on stdout.

    They are those of the terminal, but not more than are easy to read.
    """
    terminal = shutil.get_terminal_size().columns if (stream or sys.stdout).isatty() else SENTENCE_WIDTH
    return min(SENTENCE_WIDTH, max(LEAST_WIDTH, terminal))


def wrapped(text: str, width: int, indent: str = "") -> str:
    """Wrap a text between words; a longer word stays whole, and so does a number with its interval. indent: of later lines."""
    held = text.replace(" ± ", HELD).replace(" +- ", HELD_ASCII)
    filled = textwrap.fill(held, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return filled.replace(HELD, " ± ").replace(HELD_ASCII, " +- ") or text
