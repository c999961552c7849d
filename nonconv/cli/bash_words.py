"""bash takes `optimizer.name=ad` for three words, and wants only the end of the third: here they are one.

typer reads words from COMP_WORDS and prints what is offered, a line each. Other shells have whole words.
"""

import io
import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress

VARIABLE = "_NONCONV_COMPLETE"
BREAKS = re.compile("[=:]+")
"""A word of these alone was torn off its neighbours (COMP_WORDBREAKS)."""
SPECIAL = re.compile(r"[^\w@%+=:,./~#{}^-]")
"""A character that bash wants quoted."""


def is_completing() -> bool:
    """Whether a shell asks for completions, with nobody to read messages."""
    return os.environ.get(VARIABLE, "").startswith("complete_")


@contextmanager
def completing() -> Iterator[None]:
    """Prepare what typer reads, and correct what it prints, while a shell asks for completions."""
    sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115  # for the rest of this process
    if os.environ[VARIABLE] != "complete_bash":
        yield
        return
    cut = 0
    with suppress(ValueError):  # an open quotation mark, or no number
        cut = _join_words()
    said = io.StringIO()
    try:
        with redirect_stdout(said):
            yield
    finally:
        for line in filter(None, said.getvalue().splitlines()):
            print(_quoted(line[cut:]))


def _join_words() -> int:
    """Join the words of COMP_WORDS that bash has torn, and return how many characters of the last one bash has already."""
    text, at = os.environ.get("COMP_WORDS", ""), int(os.environ.get("COMP_CWORD") or 0)
    words = text.split("\n") if "\n" in text else shlex.split(text)
    if not any(map(BREAKS.fullmatch, words)):
        return 0
    joined: list[str] = []
    for k, word in enumerate(words[: at + 1]):
        torn = k > 1 and (BREAKS.fullmatch(word) or BREAKS.fullmatch(words[k - 1]))
        joined[-1:] = [joined[-1] + word] if torn else [*joined[-1:], word]
    os.environ["COMP_WORDS"], os.environ["COMP_CWORD"] = "\n".join(joined), str(len(joined) - 1)
    return max(joined[-1].rfind(mark) for mark in "=:") + 1


def _quoted(word: str) -> str:
    """Return a word as one types it in bash."""
    return SPECIAL.sub(r"\\\g<0>", word)
