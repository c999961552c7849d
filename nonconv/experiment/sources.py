"""Find, read and pin the files that an experiment's components load. Problems get their place in the config.

A component's `load` gets a `Reader` and asks it for tables or weights. The first time, the digest of a file goes into the
resolved config as `sha256`; a config that has one, as in an output folder, refuses a file that has changed.
"""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from nonconv.components.definitions import Chosen, Complaint, Unusable
from nonconv.config.document import Document, KeyPath
from nonconv.config.validate import problem_of
from nonconv.experiment.table import TableError, read_table
from nonconv.experiment.weights import NotWeights, read_weights
from nonconv.faults.problems import Problem
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.rng import key, uniforms

DATA_PATH: KeyPath = ("objective", "data")


class Sources:
    """The files of one experiment; what is wrong with them is added to `problems`.

    found: the files that were read, by what the config calls them: path and content.
    """

    def __init__(self, document: Document, seed: int, problems: list[Problem]) -> None:
        self.document, self.seed, self.problems = document, seed, problems
        self.found: dict[str, tuple[Path, bytes]] = {}

    def load(self, chosen: Chosen, path: KeyPath, dim: int = 0) -> tuple[Any, str]:
        """Return the parameters as the component's functions take them, and the digest of the file they are from.

        path: of the component in the config. dim: how many coordinates the objective has. The parameters are None where
        they cannot be loaded, which the problems say.
        """
        load = chosen.component.load
        if load is None:
            return chosen.parameters, ""
        reader = Reader(self, path, dim)
        try:
            return load(chosen.parameters, reader), reader.digest
        except TableError as error:
            self.problems += error.problems
        except Unusable as error:
            for complaint in error.complaints:
                self.complain(path, complaint)
        return None, ""

    def uniforms(self, name: str, draws: int, number: int) -> Array:
        """Draw uniforms, shape (draws, number), of the stream with this name: the same in every run of the seed."""
        return uniforms(key(self.seed, name), 0, draws, 0, number)

    def complain(self, path: KeyPath, complaint: Complaint) -> None:
        """Add what a component at this path says of its parameters, as a problem with its place."""
        self.problems.append(problem_of(self.document, path, complaint))


class Reader:
    """What one component loads from, as components.definitions.Files promises.

    digest: of the file that was read, in hexadecimal; empty before. dim: coordinates of the objective, 0 if not known yet.
    """

    def __init__(self, sources: Sources, path: KeyPath, dim: int) -> None:
        self.sources, self.path, self.dim = sources, path, dim
        self.digest = ""

    def table(self, file: str, sha256: str, classes: str = "", **columns: tuple[str, ...]) -> Array:
        """Do what components.definitions.Files.table promises. Also raises TableError."""
        found, content = self._read(file, "")
        numbers = _read_table_once(found, content, tuple(columns.items()), classes)
        self._pin(found, content, sha256)
        return numbers

    def weights(self, file: str, sha256: str) -> Array:
        """Do what components.definitions.Files.weights promises."""
        allowed = f"{self.dim} finite numbers"
        found, content = self._read(file, allowed)
        try:
            numbers = read_weights(found, content, self.dim)
        except NotWeights as error:
            raise Unusable(Complaint("file", f"{found} {error}", allowed)) from None
        self._pin(found, content, sha256)
        return numbers

    def uniforms(self, name: str, number: int) -> Array:
        """Do what components.definitions.Files.uniforms promises."""
        (found,) = self.sources.uniforms(name, 1, number)
        return np.asarray(found)

    def _read(self, file: str, allowed: str) -> tuple[Path, bytes]:
        """Return a file's path and content, and record them as the experiment's. Raises Unusable, with what is allowed."""
        found = self.sources.document.locate(file)
        # Both are copied to data/ in the output folder, under their file names.
        if any(other.name == found.name for other, _ in self.sources.found.values()):
            what = f"{found} has the same name as the data file; in the output folder both would be one file"
            raise Unusable(Complaint("file", what))
        try:
            content = self.sources.document.content(found)
        except FileNotFoundError:
            message = f"there is no file {found}"
        except OSError as error:
            message = f"{found} cannot be read: {error.strerror}"
        except ValueError:
            message = "a file name cannot contain a null character"
        else:
            self.sources.found[file] = found, content
            return found, content
        raise Unusable(Complaint("file", message, allowed))

    def _pin(self, file: Path, content: bytes, sha256: str) -> None:
        """Take the content's digest; complain if the config has another one."""
        self.digest = _digest(content)
        if sha256 not in ("", self.digest):
            self.sources.complain(self.path, Complaint("sha256", f"{file} has changed; its digest is now {self.digest}"))


@lru_cache(maxsize=4)
def _read_table_once(file: Path, content: bytes, columns: tuple[tuple[str, tuple[str, ...]], ...], classes: str) -> Array:
    """Do as `read_table`; cached, since all cells of a sweep ask for the same numbers, which are read-only."""
    numbers = read_table(file, content, dict(columns), classes)
    numbers.flags.writeable = False
    return numbers


@lru_cache(maxsize=4)
def _digest(content: bytes) -> str:
    """Return the SHA-256 of a content, in hexadecimal; cached for the cells of a sweep."""
    return hashlib.sha256(content).hexdigest()
