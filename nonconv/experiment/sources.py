"""The tables that networks learn from, read and split; and weights to start from."""

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np

from nonconv.components import Chosen
from nonconv.config.document import Document, KeyPath, dotted, kind_of
from nonconv.config.validate import refuse
from nonconv.datasets.table import Csv, Table, Unusable, count_classes, shipped, split
from nonconv.experiment.table import TableError, read_table
from nonconv.faults.problems import Problem
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.rng import key, uniforms

PATH: KeyPath = ("objective", "data")


class Sources:
    """The files that an experiment learns or starts from; what is wrong with them is added to the problems.

    found: those that were read, by what the config calls them.
    """

    def __init__(self, document: Document, seed: int, problems: list[Problem]) -> None:
        self.document, self.seed, self.problems = document, seed, problems
        self.found: dict[str, Path] = {}

    def table(self, data: Chosen) -> tuple[Table, str]:
        """The table of a csv, diabetes or digits; and its digest, if it is the user's own. Raises ConfigError."""
        h, digest = data.parameters, ""
        try:
            if isinstance(h, Csv):
                file = self.found[h.file] = self.document.locate(h.file)
                numbers, digest = read_table(file, (*h.features, *h.targets))
                self._pin(file, h.sha256, digest, PATH)
                features, targets = np.split(numbers, [len(h.features)], axis=1)
                classes = count_classes(targets) if h.labels == "classes" else 0
            else:
                features, targets, classes = shipped(data.component.name)
            u = uniforms(key(self.seed, "held-out"), 0, 1, 0, len(features))[0]
            spare = not isinstance(h, Csv)
            names = () if spare else (*h.features, *h.targets)
            as_wanted = h.held_out, h.order, h.standardise
            rows = split(features, targets, classes, *as_wanted, u, constant_features=spare, names=names)
        except TableError as error:
            self.problems += [self._of_columns(problem, h) for problem in error.problems]
            refuse(self.problems)  # how many coordinates there are is not known without the table
            raise
        except Unusable as error:
            self.complain((*PATH, *error.path), str(error), error.allowed)
            refuse(self.problems)
            raise
        return rows, digest

    def weights(self, h: Any, dim: int) -> tuple[Array, str]:
        """dim numbers from a file, and its digest."""
        path: KeyPath = ("start", "file")
        file = self.document.locate(h.file)
        if any(other.name == file.name for other in self.found.values()):
            self.complain(path, f"{file} has the name of the data file; in the output folder they would be one file")
            return np.zeros(dim), ""
        self.found[h.file] = file
        try:
            content = file.read_bytes()
            numbers = _numbers(file, content, dim)
        except (OSError, ValueError) as error:
            self.complain(path, _why_not(file, error), f"{dim} finite numbers")
            return np.zeros(dim), ""
        digest = hashlib.sha256(content).hexdigest()
        self._pin(file, h.sha256, digest, ("start",))
        return numbers, digest

    def _pin(self, file: Path, wanted: str, digest: str, path: KeyPath) -> None:
        if wanted not in ("", digest):
            self.complain((*path, "sha256"), f"{file} has changed; its digest now is {digest}")

    def _of_columns(self, problem: Problem, h: Csv) -> Problem:
        """A problem of the table, or of the key that names what is not in it."""
        if problem.place.source:
            return problem
        path = (*PATH, *(("file",) if problem.key == "file" else _column_of(problem.message, h)))
        return Problem(problem.message, self.document.place(path), dotted(path), problem.allowed, problem.nearest)

    def complain(self, path: KeyPath, message: str, allowed: str = "") -> None:
        self.problems.append(Problem(message, self.document.place(path), dotted(path), allowed))


def _column_of(message: str, h: Csv) -> KeyPath:
    """Where the config names the column that a message is about."""
    named = [(key, at, name) for key in ("features", "targets") for at, name in enumerate(getattr(h, key))]
    return next(((key, at) for key, at, name in named if message.endswith(f" column {name!r}")), ())


def _why_not(file: Path, error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"there is no file {file}"
    if isinstance(error, OSError):
        return f"{file} cannot be read: {error.strerror}"
    return f"{file} {error}" if isinstance(error, _NotWeights) else "no file has a null character in its name"


class _NotWeights(ValueError):
    """Why a file does not hold weights."""


def _numbers(file: Path, content: bytes, dim: int) -> Array:
    numbers = _of_array(content) if file.suffix == ".npy" else _of_text(content)
    if numbers.size != dim:
        raise _NotWeights(f"holds {numbers.size} numbers, the objective has {dim} coordinates")
    if not np.isfinite(numbers).all():
        raise _NotWeights(f"holds {numbers[~np.isfinite(numbers)][0]}, which is not finite")
    return numbers


def _of_array(content: bytes) -> Array:
    """The numbers of a .npy file. One that would run code, a pickle, is none."""
    try:
        found = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except Exception:  # whatever NumPy and Python's parser say of a broken or a foreign file
        found = np.empty(0, dtype=object)
    if found.dtype.kind not in "fiu":
        raise _NotWeights("is not an array of numbers as numpy.save writes it")
    return found.astype(np.float64).ravel()


def _of_text(content: bytes) -> Array:
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise _NotWeights("is not UTF-8 text") from None
    return np.array([_number(word, at) for at, line in enumerate(lines, 1) for word in line.replace(",", " ").split()])


def _number(word: str, line: int) -> float:
    try:
        return float(word)
    except ValueError:
        raise _NotWeights(f"does not hold numbers: {kind_of(word)} stands in line {line}") from None
