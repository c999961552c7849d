"""What is said of paths, in the words of logs: there they are runs, and more of them are logged, not taken."""

import re

REWORDED = (
    (re.compile(r"\btake (at least|about) (\S+) (paths|steps)\b"), r"log \1 \2 \3"),
    (re.compile(r"\btake (more|ten times as many) paths\b"), r"log \1 paths"),
    # Not the ξ that is called path mean.
    (re.compile(r"\bpath(s?)\b(?! mean)"), r"run\1"),
)
"""Patterns and what replaces them, in this order."""


def in_words_of_logs(text: str) -> str:
    """Return a sentence about paths as one about logged runs."""
    for pattern, other in REWORDED:
        text = pattern.sub(other, text)
    return text
