"""Options of commands that draw: `--title`, `--label`, `--labels`, `--size`, `--style`, `--font`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from nonconv.faults.errors import UsageError
from nonconv.terminal.lines import say

if TYPE_CHECKING:
    from nonconv.report.figures.options import FigureOptions

Title = Annotated[str | None, typer.Option("--title", metavar="TEXT", help="The title of the figures; '' for none.")]
Label = Annotated[
    list[str],
    typer.Option("--label", metavar="NAME=TEXT", help="Write TEXT where figures say NAME, whole or in part. Repeatable."),
]
Labels = Annotated[
    Path | None,
    typer.Option("--labels", metavar="FILE", help="A YAML file of NAME: TEXT, as --list-labels prints one."),
]
Size = Annotated[
    str | None, typer.Option("--size", metavar="W,H", help="Width and height in inches, or with cm or mm: 84mm,60mm.")
]
Style = Annotated[
    str | None, typer.Option("--style", metavar="STYLE", help="paper, slide, a style of matplotlib, or a file FILE.mplstyle.")
]
Font = Annotated[str | None, typer.Option("--font", metavar="NAME", help="The font of all texts.")]


def read_options(
    title: str | None, label: list[str], labels: Path | None, size: str | None, style: str | None, font: str | None
) -> "FigureOptions":
    """Return what options ask of figures. Raises UsageError for what is none."""
    from nonconv.config.figures import LARGEST, SMALLEST, STYLE_FILE, from_file, parse_labels, parse_style
    from nonconv.report.figures.options import FigureOptions, parse_label, parse_size

    words: dict[str, str] = {}
    if labels is not None:
        words |= _from_file("--labels", str(labels), lambda text: parse_labels(text, str(labels)), from_file)
    own: dict[str, str] = {}
    for text in label:
        try:
            name, said = parse_label(text)
        except ValueError:
            _refuse(f"--label {text!r}", "NAME=TEXT, as in 'step n=Schritt n'")
        if own.setdefault(name, said) != said:
            _refuse(f"--label: {name!r} is given twice, as {own[name]!r} and as {said!r}", "one text for each name")
    words |= own
    inches = None
    if size is not None:
        allowed = f"W,H from {SMALLEST:g} to {LARGEST:g} inches, as 3.25,2.4; with a unit as 84mm,60mm or 8.4cm,6cm"
        try:
            inches = parse_size(size)
        except ValueError:
            _refuse(f"--size: {size!r} is not a size", allowed)
        if not all(SMALLEST <= side <= LARGEST for side in inches):
            _refuse(f"--size: {size} is {inches[0]:g} by {inches[1]:g} inches", allowed)
    chosen: Any = style
    if style is not None and (style.endswith(STYLE_FILE) or "/" in style):
        chosen = _from_file("--style", style, parse_style, from_file)
    file = str(labels) if labels is not None else ""
    return FigureOptions(title, words, inches, chosen, font, single=frozenset(own), file=file)


def _from_file(option: str, named: str, parsed: Any, from_file: Any) -> dict[str, str]:
    """Return what a file that an option names holds. Raises UsageError."""
    try:
        found: dict[str, str] = from_file(named, lambda name: Path(name).read_bytes(), parsed)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
    return found


def _refuse(what: str, allowed: str) -> NoReturn:
    raise UsageError(f"{what}\n  allowed: {allowed}")


def say_unused(asked: "FigureOptions", used: set[str], texts: list[str]) -> None:
    """Say which of the labels that were given one by one replace nothing, with the nearest text that there is.

    A file may be one for many figures: of that it is told alone where none of its labels is in these.
    """
    from nonconv.faults.problems import nearest

    for name in asked.labels:
        if name in asked.single and name not in used:
            near = nearest(name, texts)
            hint = f"did you mean {near!r}?" if near else "--list-labels prints what they say"
            say(f"--label: no figure says {name!r}; {hint}")
    of_file = asked.labels.keys() - asked.single
    if of_file and not of_file & used:
        say(f"--labels: no figure says any text of {asked.file}; --list-labels prints what they say")
