"""nonconv new: a commented config to begin with."""

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from nonconv.cli import completion
from nonconv.cli.common import AsJson, Quiet, Verbose, reported, write_stdout
from nonconv.faults.errors import UsageError
from nonconv.starters import NAMES, STARTERS, Starter
from nonconv.system.streams import in_line
from nonconv.terminal.lines import say

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A starter; --list shows them. [default: adam_quadratic]",
        show_default=False,
        autocompletion=completion.starters,
    ),
]


@reported
def new(
    name: Name = NAMES[0],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="The file to write. [default: NAME.yaml]")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the starters, and write nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write a commented config to begin with.

    Its comments say what each key means and what to type next. Nothing that is there is overwritten.
    """
    if listed:
        _print_list(as_json)
        return
    starter = _find(name)
    first = _place(starter, out)
    files = starter.files(first)
    _write(files, force)
    steps = starter.next_steps(first)
    if as_json:
        _print_json({"name": starter.name, "files": [str(path) for path in files], "next": steps})
        return
    for path in files:
        print(path)
    if not quiet:
        say("\nNext:\n" + "\n".join(f"  {step}" for step in steps))


def _find(name: str) -> Starter:
    """Return the starter of a name. Raises UsageError with what there is, and the nearest."""
    from nonconv.faults.problems import nearest

    if name not in STARTERS:
        near = nearest(name, NAMES)
        file = shlex.quote(name if name.endswith((".yaml", ".yml")) else f"{name}.yaml")
        hint = f"did you mean {near}?" if near else f"`nonconv new -o {file}` writes {NAMES[0]} to that file"
        raise UsageError(f"there is no starter {name!r}\n  allowed: {', '.join(NAMES)}\n  {hint}")
    return STARTERS[name]


def _place(starter: Starter, out: Path | None) -> Path:
    """Choose the first file's path: in the folder --out if that is one. Raises UsageError for another kind of file."""
    ending = starter.endings[0]
    first = Path(f"{starter.name}{ending}")
    if out is None:
        return first
    if out.is_dir():
        return out / first
    if in_line(str(out)) != str(out):
        raise UsageError(f"--out {in_line(str(out))}: the name has characters that cannot be seen")
    if out.suffix != ending and (ending, out.suffix) != (".yaml", ".yml"):
        raise UsageError(f"--out {out}: {starter.name} is a {ending} file\n  did you mean {out.with_suffix(ending)}?")
    return out


def _write(files: dict[Path, str], force: bool) -> None:
    """Write files. Raises UsageError if one is there, unless `force`, or cannot be written."""
    there = [str(path) for path in files if path.exists() or path.is_symlink()]
    if there and not force:
        raise UsageError(f"{there[0]} is there already\n  --force overwrites it; -o FILE.yaml writes elsewhere")
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w" if force else "x", encoding="utf-8", newline="\n") as file:
                file.write(text)
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def _print_list(as_json: bool) -> None:
    """Print the starters with their titles."""
    if as_json:
        _print_json({"starters": [{"name": name, "title": starter.title} for name, starter in STARTERS.items()]})
        return
    from nonconv.cli.tables import print_table

    print_table("starters", ["name", "what it is"], [[name, starter.title] for name, starter in STARTERS.items()])
    say("Write one: nonconv new NAME")


def _print_json(facts: dict[str, object]) -> None:
    """Print the document of --json."""
    write_stdout((json.dumps({"schema_version": 1, **facts}, indent=2, ensure_ascii=False) + "\n").encode())
