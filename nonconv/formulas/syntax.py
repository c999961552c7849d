"""What all texts share that Python's parser reads: bounds of their size, their tree, names with dots, numbers of arguments."""

import ast
import warnings
from functools import lru_cache

from nonconv.system.words import kind_of

MOST_CHARACTERS = 1000
DEEPEST = 60
"""Neither long nor deep texts may exhaust Python's stack."""


@lru_cache
def tree(text: str) -> ast.expr:
    """Parse text with Python's parser. Raises ValueError if it is not an expression."""
    try:
        with warnings.catch_warnings():
            # `0or 1` is a warning to Python, which would be printed in the middle of a command.
            warnings.simplefilter("error")
            return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        hint = "; equality is written ==" if "=" in text and "==" not in text else ""
        raise ValueError(f"{kind_of(text)} is not an expression{hint}") from None


def key_of(node: ast.AST) -> str:
    """Return the dotted key that a node is, or an empty text."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def wrong_number(name: str, numbers: tuple[int, int], given: int) -> str:
    """Say that a function takes another number of arguments; empty if it does not. numbers: the least and the most."""
    least, most = numbers
    if least <= given <= most:
        return ""
    several = {1: "one number", 2: "two numbers", 3: "three numbers", 4: "four numbers"}
    takes = several[least] if least == most else "one or two numbers" if most == 2 else f"{several[least]} or more"
    return f"{name} takes {takes}, not {given}"
