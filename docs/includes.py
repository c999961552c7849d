"""Fill the pages that quote files and outputs: python docs/includes.py [PAGE ...] writes them, so that what they quote is real.

A page marks a block with a comment on the line before its fence, and this script writes what is between the fences:

    <!-- include: nonconv/optimizers/sgd.py -->                     the file
    <!-- output: nonconv run configs/adam_const.yaml -->            the command and what it prints
    <!-- output: nonconv run ... ; only: ^UNDECIDED ; ^  why -->    the same; lines that match no pattern become "..."
    <!-- setup: cp -r configs/data data -->                         run before the next command, and not shown

The commands of a page run one after the other in a new folder that holds copies of `configs` and `docs/plugins`.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "docs/getting-started.md", "docs/your-first-optimizer.md", "docs/faq.md", "docs/formulas.md")
MARKER = re.compile(r"^<!-- (include|output|setup): (.*?)(?: ; only: (.*))? -->\n", re.MULTILINE)
BLOCK = re.compile(r"\n?```.*?\n```\n", re.DOTALL)
COLUMNS = 98
LANGUAGES = {".py": "python", ".yaml": "yaml"}
PROGRAM = f"{shlex.quote(sys.executable)} -m nonconv"
"""What runs where a page says `nonconv`."""


def filled(page: str, nonconv: str = PROGRAM) -> str:
    """The text of a page with every marked block written anew. Raises ValueError where a marker has no block."""
    text = (ROOT / page).read_text(encoding="utf-8")
    parts, position = [], 0
    with workplace(nonconv) as folder:
        for marker in MARKER.finditer(text):
            kind, what, only = marker.groups()
            parts.append(text[position : marker.end()])
            position = marker.end()
            if kind == "setup":
                prepare(what, folder)
                continue
            old = BLOCK.match(text, position)
            if old is None:
                raise ValueError(f"{page}: no block follows <!-- {kind}: {what} -->")
            parts.append(quoted(what) if kind == "include" else printed(what, only, folder))
            position = old.end()
    return "".join([*parts, text[position:]])


@contextmanager
def workplace(nonconv: str = PROGRAM) -> Iterator[Path]:
    """A new folder with copies of what commands in the pages name, removed afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        shutil.copytree(ROOT / "configs", folder / "configs")
        shutil.copytree(ROOT / "docs" / "plugins", folder / "docs" / "plugins")
        program = folder / ".bin" / "nonconv"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {nonconv} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        yield folder


def run(command: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command of a page in a folder made by `workplace`; stdout holds all that a person sees."""
    settings = {
        "PATH": os.pathsep.join([str(folder / ".bin"), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",  # stdout and stderr share a pipe and keep their order
        "COLUMNS": "80",
    }
    return subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=os.environ | settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
    )


def prepare(command: str, folder: Path) -> None:
    """Run a command that a page needs and does not show. Raises ValueError where it fails."""
    done = run(command, folder)
    if done.returncode:
        raise ValueError(f"<!-- setup: {command} --> failed:\n{done.stdout}")


def quoted(file: str) -> str:
    """A file of the repository as a block."""
    path = ROOT / file
    return f"```{LANGUAGES.get(path.suffix, 'text')}\n{path.read_text(encoding='utf-8').rstrip()}\n```\n"


def printed(command: str, only: str | None, folder: Path) -> str:
    """A command and its output as a block: folded at COLUMNS as a terminal folds it, the exit code last unless it is 0."""
    done = run(command, folder)
    lines = done.stdout.replace(f"{folder}/", "").rstrip().splitlines()
    lines = [line for line in lines if not line.startswith("compiling the kernel")]  # which only some machines must do
    if only is not None:
        lines = _only(lines, only.split(" ; "))
    folded = [part for line in lines for part in _folded(line)]
    if done.returncode:
        folded.append(f"[exit code {done.returncode}]")
    return "\n".join(["```console", f"$ {command}", *folded, "```", ""])


def _only(lines: list[str], patterns: list[str]) -> list[str]:
    """The lines that match a pattern, with "..." for those between them. Raises ValueError where one matches no line."""
    for pattern in patterns:
        if not any(re.search(pattern, line) for line in lines):
            raise ValueError(f"no line matches {pattern!r} in:\n" + "\n".join(lines))
    kept = [line if any(re.search(pattern, line) for pattern in patterns) else "..." for line in lines if line.strip()]
    return [line for k, line in enumerate(kept) if line != "..." or kept[k - 1 : k] != ["..."]]


def _folded(line: str) -> list[str]:
    return textwrap.wrap(line, COLUMNS, break_on_hyphens=False, drop_whitespace=True, replace_whitespace=False) or [""]


def main(pages: Sequence[str]) -> None:
    """Write the pages, all of them if none is named."""
    for page in pages or PAGES:
        text = filled(page)
        (ROOT / page).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
