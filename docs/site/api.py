"""The reference of the Python API, made of its docstrings: python docs/site/api.py prints it."""

import inspect
import re
from typing import Any

import nonconv

MODULES = re.compile(r"\bnonconv(?:\.[a-z_]+)+\.(?=[A-Z])")
"""Where a type comes from, which makes signatures long."""
HEAD = """# Python API

All names of `nonconv`, with their signatures and docstrings.
[In Python and notebooks](python.md) introduces them.
"""


def page() -> str:
    """Return the page."""
    names = sorted(nonconv.__all__, key=lambda name: (inspect.isclass(getattr(nonconv, name)), name.lower()))
    return "\n".join([HEAD, *(section(name, getattr(nonconv, name)) for name in names)])


def section(name: str, value: Any) -> str:
    """Describe one name: its signature, its docstring, and of a class its public members."""
    parts = [f"## {name}\n", code(f"nonconv.{name}{signature(value)}"), prose(value)]
    if inspect.isclass(value):
        own = [(key, member) for key, member in vars(value).items() if not key.startswith("_") and describes(member)]
        parts += [part for key, member in own for part in (f"### {name}.{key}\n", code(key + signature(member)), prose(member))]
    return "\n".join(parts)


def describes(member: Any) -> bool:
    """Whether a member of a class is a method or a property with a docstring."""
    return bool(inspect.getdoc(member)) and (inspect.isfunction(member) or hasattr(member, "__get__"))


def signature(value: Any) -> str:
    """Return the signature of what can be called; an error's arguments are nobody's to write."""
    if not callable(value) or (inspect.isclass(value) and issubclass(value, Exception)):
        return ""
    try:
        return MODULES.sub("", str(inspect.signature(value)).replace("'", "").replace("~", ""))
    except (TypeError, ValueError):
        return ""


def code(text: str) -> str:
    """Write a block of Python."""
    return f"```python\n{text}\n```\n"


def prose(value: Any) -> str:
    """Return a docstring as Markdown, which it nearly is: its examples are indented already."""
    return f"{inspect.getdoc(value) or ''}\n"


if __name__ == "__main__":
    print(page())
