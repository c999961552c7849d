"""The tables that networks learn from, read and split; and weights to start from."""

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np

from nonconv.arithmetic import Array
from nonconv.components import Chosen
from nonconv.config.document import Document, KeyPath, dotted
from nonconv.config.problems import Problem
from nonconv.config.table import TableError, read_table
from nonconv.examples.table import Csv, Table, count_classes, shipped, split
from nonconv.rng import key, uniforms

PATH: KeyPath = ("objective", "data")
NO_TABLE = Table(np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((0, 1)), np.zeros((0, 1)), 0, False)


class Sources:
    """The files that an experiment learns or starts from; what is wrong with them is added to the problems.

    found: those that were read, by what the config calls them.
    """

    def __init__(self, document: Document, seed: int, problems: list[Problem]) -> None:
        self.document, self.seed, self.problems = document, seed, problems
        self.found: dict[str, Path] = {}

    def table(self, data: Chosen) -> tuple[Table, str]:
        """The table of a csv, diabetes or digits; and its digest, if it is the user's own."""
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
            rows = split(features, targets, classes, h.held_out, h.order, h.standardise, u, constant_features=spare)
        except TableError as error:
            self.problems += [self._of_columns(problem, h) for problem in error.problems]
            return NO_TABLE, ""
        except ValueError as error:
            self.complain(PATH, str(error))
            return NO_TABLE, ""
        return rows, digest

    def weights(self, h: Any, dim: int) -> tuple[Array, str]:
        """dim numbers from a file, and its digest."""
        path: KeyPath = ("start", "file")
        file = self.document.locate(h.file)
        if any(other.name == file.name for other in self.found.values()):
            self.complain(path, f"{file} has the name of the data file; in the output folder they would be one file")
        self.found[h.file] = file
        try:
            content = file.read_bytes()
            numbers = _numbers(file, content)
        except FileNotFoundError:
            self.complain(path, f"there is no file {file}")
            return np.zeros(dim), ""
        except (OSError, ValueError, EOFError) as error:
            why = getattr(error, "strerror", None) or str(error)
            self.complain(path, f"{file} does not hold numbers: {why}")
            return np.zeros(dim), ""
        digest = hashlib.sha256(content).hexdigest()
        self._pin(file, h.sha256, digest, ("start",))
        if numbers.shape != (dim,) or not np.isfinite(numbers).all():
            what = f"{numbers.size} numbers" if np.isfinite(numbers).all() else "numbers that are not finite"
            self.complain(path, f"{file} holds {what}, the objective has {dim} coordinates", f"{dim} finite numbers")
            return np.zeros(dim), digest
        return numbers, digest

    def _pin(self, file: Path, wanted: str, digest: str, path: KeyPath) -> None:
        if wanted not in ("", digest):
            self.complain((*path, "sha256"), f"{file} has changed; its digest now is {digest}")

    def _of_columns(self, problem: Problem, h: Csv) -> Problem:
        """A problem of the table, or of the key that names what is not in it."""
        if problem.place.source:
            return problem
        parameter = "file" if problem.key == "file" else _parameter_of(problem.message, h)
        path = (*PATH, parameter)
        return Problem(problem.message, self.document.place(path), dotted(path), problem.allowed, problem.nearest)

    def complain(self, path: KeyPath, message: str, allowed: str = "") -> None:
        self.problems.append(Problem(message, self.document.place(path), dotted(path), allowed))


def _parameter_of(message: str, h: Csv) -> str:
    return "targets" if any(repr(column) in message for column in h.targets) else "features"


def _numbers(file: Path, content: bytes) -> Array:
    if file.suffix == ".npy":
        return np.asarray(np.load(io.BytesIO(content), allow_pickle=False), dtype=np.float64).ravel()
    return np.array([float(word) for word in content.decode("utf-8-sig").replace(",", " ").split()])
