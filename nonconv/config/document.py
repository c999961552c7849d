"""Read YAML: plain data, the place of every key and value, and all problems of the text.

    >>> document = parse("optimizer: {name: adam}", "a.yaml")
    >>> document.data
    {'optimizer': {'name': 'adam'}}
    >>> document.place(("optimizer", "name")).column
    19

A later problem of any value can so be shown at its line. PyYAML's loader forgets places, hides a duplicate key and reads
`1e-3` and `on` as YAML 1.1 does, so its nodes are walked here instead.

Numbers are YAML 1.2's (`1e-3` is one) plus `10_000`; true and false are the only booleans; tags, merge keys and
aliases that contain themselves are refused. Overrides (`--set a.b=1`) are YAML too, and their values have places as well.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from nonconv.config.catalogue import BUILT_IN, Catalogue
from nonconv.faults.problems import Place, Problem, kind_of
from nonconv.system.reading import MOST_DATA_BYTES, read_file

KeyPath = tuple[str | int, ...]
"""Where a value is in a config: keys, and indices of lists from 0 on; () is the whole."""

MOST_NODES = 100_000
"""More values than this are refused: a few lines of nested aliases can stand for millions of values."""
TOO_MANY = f"more than {MOST_NODES} values, counting aliases in full"
MOST_DIGITS = 300
"""A whole number with more digits is read as infinite: no float holds it."""
AS_NUMBER = ("learning_rate", "batch_size")
"""Kinds whose component `constant` may be written as its value alone: `learning_rate: 0.1`."""
TAG = "tag:yaml.org,2002:"
"""What `!!` abbreviates in the tags of nodes."""
TEXTS = (("claim",),)
"""Keys whose value is text, whatever it looks like: an option need not quote it."""
PLAIN = re.compile(r"(?![\[{\"'!|>,}\]]|[-?:](\s|$))(?!.*:(\s|$)).*")
"""The value of an option that can only be a word, a number or a text: in YAML, ` #` would end it and a tab be an error."""
INDEX = re.compile(r"[0-9]{1,9}")
INTEGER = re.compile(r"[-+]?[0-9][0-9_]*")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?")
WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -float("inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
COMMENT = "` #` begins a comment, which an option cannot have; quote a text with it"
PLAIN_MESSAGES = {
    "but found another document": "a second document begins here; a config has only one",
    "found character '\\t' that cannot start any token": "a tab; indent with spaces",
    "mapping values are not allowed here": "unexpected colon; quote text that has a colon,"
    " and indent all keys of a mapping alike",
}
"""PyYAML's messages that a newcomer meets most, in other words."""
PLAIN_CONTEXTS = {
    "while parsing a flow sequence": "in the list",
    "while parsing a block sequence": "in the list",
    "while parsing a flow mapping": "in the mapping",
    "while parsing a block mapping": "in the mapping",
    "while scanning a quoted scalar": "in the quoted text",
    "while scanning a simple key": "in the key",
}
"""PyYAML's words for what it was reading, in other words."""


class _Nodes(Reader, Scanner, Parser, Composer, BaseResolver):
    """Turn YAML text into nodes; every scalar stays text until `scalar` reads it.

    PyYAML's own loaders add a resolver, which decides by YAML 1.1 what is a number.
    """

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self.composed = 0
        self.has_comment = False

    def scan_to_next_token(self) -> None:
        """Skip space and comments as PyYAML does, and note whether there was a comment."""
        first = self.pointer
        super().scan_to_next_token()
        self.has_comment |= "#" in self.buffer[first : self.pointer]

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node as PyYAML does, unless there are too many. Raises TooManyValues."""
        self.composed += 1
        # Every value may have a key, which is a node as well. The walk counts more exactly, but only when all are there.
        if self.composed > 2 * MOST_NODES:
            raise TooManyValues
        return super().compose_node(parent, index)


class TooManyValues(Exception):
    """Raised while YAML is read that has more than MOST_NODES values."""


def dotted(path: KeyPath) -> str:
    """Write a path as `objective.data.values[2]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def scalar(text: str) -> Any:
    """Return the value of a plain scalar: null, a boolean, a number, or the text itself.

    `1e-3` and `10_000` are numbers; `yes` and `on` are texts.
    """
    if text in WORDS:
        return WORDS[text]
    if INTEGER.fullmatch(text) and len(text) <= MOST_DIGITS:
        return int(text.replace("_", ""))
    if FLOAT.fullmatch(text):
        return float(text.replace("_", ""))
    return text


def copied(data: Any) -> Any:
    """Return a copy of a config's data, in a fifth of the time of the library's deep copy: no part of it is in two places."""
    if isinstance(data, dict):
        return {key: copied(value) for key, value in data.items()}
    return [copied(value) for value in data] if isinstance(data, list) else data


@dataclass
class Document:
    """A config as read: data, the place of every value and key by its path, and problems of the text.

    data: dicts, lists, texts and numbers; None while nothing was read. values, keys: places.
    folder: what names of files in it are relative to. moved: where files are that are not where their names say, as on
    another machine. catalogue: the components that it can name, with those of its plug-ins once these are loaded.
    contents: the data files read so far, by path, shared by all copies: a file that changes later changes nothing. lines: of
    the texts that places are in, by source.
    """

    source: str
    data: Any = None
    values: dict[KeyPath, Place] = field(default_factory=dict)
    keys: dict[KeyPath, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    folder: Path = field(default_factory=Path)
    moved: dict[str, Path] = field(default_factory=dict)
    catalogue: Catalogue = BUILT_IN
    contents: dict[Path, bytes] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)

    def locate(self, file: str) -> Path:
        """Return the path of a file that the config names."""
        return self.moved.get(file, self.folder / file)

    def content(self, path: Path) -> bytes:
        """Return the content of a data file, which is read once for all cells. Raises OSError or ValueError."""
        if path not in self.contents:
            self.contents[path] = read_file(path, MOST_DATA_BYTES)
        return self.contents[path]

    def place(self, path: KeyPath) -> Place:
        """Return the place of a value, or of the nearest key around it that was written."""
        while path not in self.values and path:
            path = path[:-1]
        return self.values.get(path, Place(self.source, 0, 0, ""))

    def place_within(self, path: KeyPath, first: int, width: int) -> Place:
        """Return the place of some characters of a text, `width` from `first` on; of all of it where they cannot be told."""
        place, text = self.place(path), self._text(path)
        lines = self.lines.get(place.source, [])
        if not (width and place.line and text and lines):
            return place
        # White space aside, a text over several lines has the characters of these lines. With escapes it has others.
        wanted = sum(not c.isspace() for c in text[:first])
        found = _places_of(text, lines, place)
        if not found:
            return place
        line, column = found[wanted]
        shown = lines[line]
        return Place(place.source, line + 1, column + 1, shown, max(1, min(width, len(shown) - column)))

    def _text(self, path: KeyPath) -> str:
        """Return the text at a path; empty where there is none, as where it was given in short."""
        found = self.data
        try:
            for part in path:
                found = found[part]
        except (TypeError, KeyError, IndexError):
            return ""
        return found if isinstance(found, str) and path in self.values else ""

    def written(self, path: KeyPath, value: Any) -> str:
        """Return the text of a value as its line has it; as YAML writes it where there is no line, as of an option."""
        place = self.place(path)
        text = place.text[place.column - 1 : place.column - 1 + place.width]
        return text or ("null" if value is None else str(value).lower() if isinstance(value, bool) else str(value))

    def with_values(self, settings: Iterable[tuple[str, Any, Place]]) -> "Document":
        """Return a copy with other values, as a cell of a sweep has them.

        settings: dotted key, value, and the value's place. The document itself stays as it is.
        """
        other = replace(
            self, data=copied(self.data), values=dict(self.values), keys=dict(self.keys), problems=list(self.problems)
        )
        for key, value, place in settings:
            other._set(_parse_key(key), Document(place.source, copied(value), {(): place}))
        return other

    def override(self, setting: str) -> None:
        """Replace or add one value, given as `a.b.c=YAML`. What is wrong with it is added to `problems`.

        >>> document.override("optimizer.beta2=0.99")
        >>> document.override("learning_rate={name: power, value: 0.2, exponent: 1}")
        """
        source = f"--set {setting}"
        name, equals, text = setting.partition("=")
        if not equals or not all(name.split(".")):
            place = Place(source, 0, 0, "")
            self.problems.append(Problem("must have the form key=value, as in optimizer.beta1=0.9", place))
            return
        path = _parse_key(name.strip())
        other = parse_option(text, source, path in TEXTS)
        self.problems += [replace(one, key=f"{name}.{one.key}" if one.key else "") for one in other.problems]
        if not other.problems:
            self._set(path, other)

    def assign(self, key: str, value: Any, place: Place) -> None:
        """Replace or add the value of a dotted key, as `override` does with a text."""
        self._set(_parse_key(key), Document(place.source, value, {(): place}))

    def _set(self, path: KeyPath, other: "Document") -> None:
        """Put the data of another document at a path, with its places.

        Mappings on the way are made where they are missing. What was there is replaced, never merged.
        """
        place, before = other.place(()), copied(self.data)
        holder = self.data = self.data if isinstance(self.data, dict) else {}
        for depth, part in enumerate(path):
            above = path[:depth]
            holder = self._expand(above, holder, place, part)
            if isinstance(holder, dict):
                path = (*above, str(part), *path[depth + 1 :])
                holder.setdefault(path[depth])
            elif not isinstance(holder, list) or not isinstance(part, int) or part > len(holder):
                self.problems.append(_no_such_part(above, holder, part, place))
                self.data = before  # without what was made on the way
                return
            elif part == len(holder):
                holder.append(None)
            if depth == len(path) - 1:
                holder[path[depth]] = other.data
            elif holder[path[depth]] is None:
                holder[path[depth]] = _make_holder(path[depth:])
                self.values[path[: depth + 1]] = place
            holder = holder[path[depth]]
        # Places of what was replaced would point to text that no longer counts.
        for places in (self.values, self.keys):
            for known in [known for known in places if known[: len(path)] == path]:
                del places[known]
        self.values[path] = place
        self.values.update({path + key: value for key, value in other.values.items()})
        self.keys.update({path + key: value for key, value in other.keys.items()})
        self.keys[path] = place

    def _expand(self, path: KeyPath, short: Any, place: Place, part: str | int) -> Any:
        """Expand a component written as its bare name, or a schedule written as a number, to a mapping.

        part: what is looked for in it; for an index, a single value becomes a list of one.
        """
        if isinstance(part, int) and isinstance(short, str | int | float):
            full: Any = [short]
        elif isinstance(short, str):
            full = {"name": short}
        elif isinstance(short, int | float) and path[-1] in AS_NUMBER:
            full = {"name": "constant", "value": short}
        else:
            return short
        holder: Any = self.data
        for outer in path[:-1]:
            holder = holder[outer]
        holder[path[-1]] = full
        written, self.values[path] = self.place(path), place
        self.values.update({(*path, key): written for key in (full if isinstance(full, dict) else [0])})
        return full


def _places_of(text: str, lines: list[str], place: Place) -> list[tuple[int, int]]:
    """Return line and column, from 0 on, of each character of a text but white space; none if it is written otherwise."""
    line, column = place.line - 1, place.column - 1
    head = lines[line][column : column + 1] if line < len(lines) else ""
    if head in ("|", ">"):  # a block: it begins in the next line
        line, column = line + 1, 0
    elif head in ("'", '"'):
        column += 1
    found: list[tuple[int, int]] = []
    for character in text:
        if character.isspace():
            continue
        while line < len(lines) and not lines[line][column:].strip():
            line, column = line + 1, 0
        if line == len(lines):
            return []
        column += len(lines[line][column:]) - len(lines[line][column:].lstrip())
        if lines[line][column] != character:
            return []
        found.append((line, column))
        column += 1
    return found


def _parse_key(key: str) -> KeyPath:
    """Split a dotted key: whole numbers are indices of lists."""
    return tuple(int(part) if INDEX.fullmatch(part) else part for part in key.split("."))


def _make_holder(path: KeyPath) -> Any:
    """Make what is missing at the first part of a path, for the second one to be put into."""
    if isinstance(path[1], int):
        return []
    # `--set learning_rate.value=0.1` works on a config without a learning rate.
    constant = path[0] in AS_NUMBER and path[1:] == ("value",)  # as the default, and a bare number
    return {"name": "constant"} if constant else {}


def _no_such_part(path: KeyPath, holder: Any, part: str | int, place: Place) -> Problem:
    """Describe a path that leads into a list or a value that has no such part."""
    what = "entry" if isinstance(holder, list) else "key"
    message = f"{dotted(path)} is {kind_of(holder)}, so it has no {what} {part}"
    name = ".".join(str(part) for part in path)
    entries = f"{name}.0" + (f" to {name}.{len(holder)}" if holder else "") if isinstance(holder, list) else ""
    return Problem(message, place, allowed=entries)


def parse_option(text: str, source: str, as_text: bool = False) -> Document:
    """Parse the value of an option of the command line: YAML, but a text is taken whole, with ` #` and tabs.

    as_text: whether the value is text whatever it looks like, unless it is quoted.
    """
    place = Place(source, 0, 0, "")
    if PLAIN.fullmatch(text.strip()) and not as_text:
        return Document(source, scalar(text.strip()), {(): place}, problems=_forbidden(text, place))
    if not as_text:
        return parse(text, source, whole=True)
    quoted = parse(text, source, whole=True) if text.strip()[:1] in ("'", '"') else None
    if quoted and isinstance(quoted.data, str) and not quoted.problems:
        return quoted
    return Document(source, text.strip(), {(): place}, problems=_forbidden(text, place))


def _forbidden(text: str, place: Place) -> list[Problem]:
    """Return the problem of a text with a character that YAML does not have."""
    found = Reader.NON_PRINTABLE.search(text)
    return [_not_in_yaml(ord(found.group()), place)] if found else []


def _not_in_yaml(code: int, place: Place) -> Problem:
    return Problem(f"the character U+{code:04X} is not allowed in YAML", place)


def parse(text: str, source: str, whole: bool = False) -> Document:
    """Parse YAML text. What is wrong with it is in the document's `problems`.

    source: what places name. whole: let every place be the source as a whole, since an option is too short to point into.
    """
    document = Document(source)
    lines = document.lines[source] = text.splitlines() or [""]
    nowhere = Place(source, 0, 0, "")

    def place(mark: Any, width: int = 1) -> Place:
        if whole or mark is None:
            return nowhere
        line = lines[mark.line] if mark.line < len(lines) else ""
        return Place(source, mark.line + 1, mark.column + 1, line, max(1, min(width, len(line) - mark.column)))

    try:
        nodes = _Nodes(text)
    except ReaderError as error:
        before = text[: error.position].split("\n")
        at = nowhere if whole else Place(source, len(before), len(before[-1]) + 1, "")
        document.problems.append(_not_in_yaml(int(error.character), at))
        return document
    try:
        # Single: a second document in the file is an error, not ignored.
        node = nodes.get_single_node()
        if whole and nodes.has_comment:
            document.problems.append(Problem(COMMENT, nowhere))
        elif node is not None:
            document.data = _Walk(document, place).value((), node)
    except yaml.MarkedYAMLError as error:
        if whole and nodes.has_comment:
            document.problems.append(Problem(COMMENT, nowhere))
            return document
        document.problems.append(Problem(_describe_syntax_error(error), place(error.problem_mark or error.context_mark)))
    except TooManyValues:
        document.problems.append(Problem(TOO_MANY, place(nodes.get_mark())))
    except (ValueError, OverflowError):
        # PyYAML's scanner lets these through for an escape beyond the last character.
        document.problems.append(Problem("not valid YAML: this escape is not a character", place(nodes.get_mark())))
    # Python's stack is as deep as YAML may be nested: thousands of brackets, which no config has.
    except RecursionError:
        document.problems.append(Problem("nested too deeply", nowhere))
    return document


def _describe_syntax_error(error: yaml.MarkedYAMLError) -> str:
    """Say what PyYAML found, in plain words, and where an unfinished construct begins."""
    problem = str(error.problem or error.context)
    begun, found = error.context_mark, error.problem_mark
    if problem in PLAIN_MESSAGES:
        problem = PLAIN_MESSAGES[problem]
    elif begun and found and begun.line < found.line:
        context = str(error.context)
        problem += f" ({PLAIN_CONTEXTS.get(context, context)} that begins in line {begun.line + 1})"
    return f"not valid YAML: {problem}"


class _Walk:
    """Turn nodes into data; record the place of every key and value, and problems.

    visited: how many nodes so far, aliases counted in full. above: the nodes that contain the current one.
    """

    def __init__(self, document: Document, place: Any) -> None:
        self.document, self.place = document, place
        self.visited = 0
        self.above: list[int] = []

    def value(self, path: KeyPath, node: Any) -> Any:
        """Return the data of a node, and record its place; None where it is refused."""
        self.visited += 1
        one_line = node.start_mark.line == node.end_mark.line
        width = node.end_mark.column - node.start_mark.column if one_line else 1
        place = self.place(node.start_mark, width)
        self.document.values[path] = place
        if self.visited == MOST_NODES + 1:
            self._refuse((), place, TOO_MANY)
        if self.visited > MOST_NODES:
            return None
        # `a: &x [*x]` is valid YAML and would never end.
        if id(node) in self.above:
            return self._refuse(path, place, "an alias must not contain itself")
        if node.tag not in (f"{TAG}map", f"{TAG}seq", f"{TAG}str"):
            tag = node.tag.replace(TAG, "!!")
            return self._refuse(path, place, f"the tag {tag} is not supported; write the value without it")
        self.above.append(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(path, node)
            if isinstance(node, yaml.SequenceNode):
                return [self.value((*path, i), item) for i, item in enumerate(node.value)]
            return self._scalar(path, place, node)
        finally:
            self.above.pop()

    def _scalar(self, path: KeyPath, place: Place, node: Any) -> Any:
        """Return the value of a scalar: plain ones may be numbers, quoted ones are text."""
        if node.style is None:
            return scalar(node.value)
        try:
            # JSON writes characters beyond 16 bits as two escapes, which PyYAML leaves apart. Such text could not be printed.
            return node.value.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            return self._refuse(path, place, "half of a surrogate pair is not a character")

    def _mapping(self, path: KeyPath, node: Any) -> dict[str, Any]:
        """Return a mapping. A duplicate key is a problem: with PyYAML the second one would win silently."""
        data: dict[str, Any] = {}
        for key, value in node.value:
            place = self.place(key.start_mark, max(1, key.end_mark.column - key.start_mark.column))
            if not isinstance(key, yaml.ScalarNode):
                self._refuse(path, place, "a key must be a word")
            elif key.value == "<<":
                self._refuse(path, place, "merge keys (<<) are not supported; write the values out")
            elif key.value in data:
                first = self.document.keys[(*path, key.value)].line
                where = f"; first given in line {first}" if first else ""
                self._refuse((*path, key.value), place, f"duplicate key{where}")
            else:
                self.document.keys[(*path, key.value)] = place
                data[key.value] = self.value((*path, key.value), value)
        return data

    def _refuse(self, path: KeyPath, place: Place, message: str) -> None:
        """Add a problem. The value counts as missing."""
        self.document.problems.append(Problem(message, place, dotted(path)))
