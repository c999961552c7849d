"""Tables for the terminal and for results.md, and what machine and versions they are from."""

import datetime
import os
import platform
import subprocess
import textwrap
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable

from nonconv import __version__

COLUMNS = 100
PACKAGES = ("numpy", "numba", "jax", "optax", "torch")


class Table(NamedTuple):
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def show(table: Table, console: Console) -> None:
    """Print a table: the first column is words, the others are numbers."""
    rich = RichTable(title=table.title, box=SIMPLE_HEAD, title_justify="left", title_style="bold", collapse_padding=True)
    for k, name in enumerate(table.header):
        rich.add_column(name, justify="right" if k else "left")
    for row in table.rows:
        rich.add_row(*row)
    console.print(rich)


def markdown(tables: Sequence[Table], reproduce: str, warning: str) -> str:
    """The page results.md."""
    head = ["# Results", setting(reproduce), *([_folded(f"**{warning}**")] if warning else [])]
    return "\n\n".join([*head, *map(_as_markdown, tables)]) + "\n"


def _as_markdown(table: Table) -> str:
    rule = ("---", *("---:" for _ in table.header[1:]))
    lines = (f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in (table.header, rule, *table.rows))
    return "\n".join([f"## {table.title}", "", *lines])


def setting(reproduce: str) -> str:
    """Date, machine, versions."""
    facts = {
        "Date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "Processor": f"{_processor()}, {os.cpu_count()} cores",
        "System": f"{platform.platform()}, Python {platform.python_version()}, {_compiler()}",
        "Packages": ", ".join([f"nonconv {__version__}", *(f"{name} {_version(name)}" for name in PACKAGES)]),
        "Again": reproduce,
    }
    return "\n".join(_folded(f"- {name}: {value}", indent="  ") for name, value in facts.items())


def _folded(text: str, indent: str = "") -> str:
    return textwrap.fill(text, COLUMNS, subsequent_indent=indent, break_on_hyphens=False)


def _processor() -> str:
    """Its name, and what tells apart those of one name."""
    try:
        lines = [line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines()]
    except OSError:
        return platform.processor()
    facts = {key.strip(): value.strip() for key, _, value in lines}
    name = facts.get("model name", platform.machine())
    return f"{name} (family {facts.get('cpu family', '?')}, model {facts.get('model', '?')})"


def _compiler() -> str:
    try:
        return subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except OSError:
        return "no gcc"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
