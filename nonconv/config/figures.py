"""The `figures:` block of a config: how its figures look, and what they call things. It changes no result.

figures:
  title: Adam mit konstanter Lernrate
  labels: {step n: Schritt n, minimizer: Minimalstelle}     # or a file: labels: german.yaml
  size: [3.25, 2.4]                                         # inches
  style: paper                                              # or slide, a style of matplotlib, FILE.mplstyle, a mapping
  font: Source Sans 3
"""

from collections.abc import Callable
from typing import Annotated, Any

import yaml
from annotated_types import Interval, Len
from pydantic import Discriminator, Strict, Tag
from typing_extensions import Doc

from nonconv.components.parameters import Part, Words
from nonconv.config.document import parse

SMALLEST, LARGEST = 0.5, 60.0
"""Inches of a figure along each side."""
STYLE_FILE = ".mplstyle"
STYLE = f"paper, slide, a style of matplotlib, a file that ends in {STYLE_FILE}, or a mapping of matplotlib's settings"
LABELS = "a mapping of texts to what replaces them, or a YAML file with one"

Side = Annotated[float, Interval(ge=SMALLEST, le=LARGEST)]


class Figures(Part):
    """How figures look, and what they call things."""

    title: Annotated[str | None, Doc("above each figure, instead of its own title; an empty text for none")] = None
    labels: Annotated[Any, Words(LABELS), Doc("what figures say instead of their own texts, whole or in part")] = None
    size: Annotated[tuple[Side, ...] | None, Len(2, 2), Doc("width and height of each figure in inches")] = None
    style: Annotated[Any, Words(STYLE), Doc("sizes of text, widths of lines and colours")] = None
    font: Annotated[str | None, Len(1), Doc("the font of all texts")] = None


def text_or_mapping(values: Any) -> Any:
    """Return the type of a text, or of a mapping whose values are of this type."""
    word = Annotated[str, Strict(), Len(1), Tag("word")]
    return Annotated[
        word | Annotated[dict[str, values], Tag("one")],
        Discriminator(lambda value: "one" if isinstance(value, dict) else "word"),
    ]


LABELS_TYPE: Any = text_or_mapping(Annotated[str, Strict()])
STYLE_TYPE: Any = text_or_mapping(Any)


def parse_style(text: str) -> dict[str, str]:
    """Read the settings of a style file: a line `name: value` each. Raises ValueError for a line that is none."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        # A colour may be written with a #; a comment has a space before its own, or is the line.
        plain = "" if line.lstrip().startswith("#") else line.split(" #")[0].split("\t#")[0].strip()
        if plain:
            name, colon, value = plain.partition(":")
            if not colon or not name.strip():
                raise ValueError(f"line {number} is not of the form name: value")
            found[name.strip()] = value.strip().strip('"')
    return found


def parse_labels(text: str, source: str) -> dict[str, str]:
    """Read a YAML mapping of texts to texts. Raises ValueError for anything else."""
    document = parse(text, source)
    if document.problems:
        raise ValueError(str(document.problems[0]))
    found = document.data if isinstance(document.data, dict) else {None: None}
    wrong = next((key for key, value in found.items() if isinstance(value, dict | list) or value is None), "")
    if wrong != "":
        raise ValueError("it is no mapping of texts to what replaces them" if wrong is None else f"{wrong!r} has no text")
    return {str(key): _as_written(value) for key, value in found.items()}


def _as_written(value: Any) -> str:
    return value if isinstance(value, str) else yaml.safe_dump(value).partition("\n")[0]


def from_file(named: str, read: Callable[[str], bytes], parsed: Callable[[str], dict[str, str]]) -> dict[str, str]:
    """Return what a file holds. Raises ValueError that says what is wrong with it."""
    try:
        return parsed(read(named).decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError(f"{named} is not UTF-8 text") from None
    except OSError as error:
        raise ValueError(f"{named} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        # A problem of a document has its place already.
        raise ValueError(str(error) if str(error).startswith(f"{named}:") else f"{named}: {error}") from None
