"""Weights to start from: the numbers of a .npy file, as numpy.save writes it, or of a text.

They are taken in the order of the file, coordinate by coordinate.
"""

import io
from pathlib import Path

import numpy as np

from nonconv.faults.problems import kind_of
from nonconv.numerics.arithmetic import Array
from nonconv.system.words import count


class NotWeights(ValueError):
    """Raised where a file does not hold weights, with the reason; the file's name goes before it."""


def read_weights(file: Path, content: bytes, dim: int) -> Array:
    """Read dim finite numbers, shape (dim,), from the content of a file. Raises NotWeights."""
    numbers = _read_npy(content) if file.suffix == ".npy" else _read_text(content)
    if numbers.size != dim:
        raise NotWeights(f"holds {count(numbers.size, 'number')}, but the objective has {count(dim, 'coordinate')}")
    # Paths that start at inf or nan have no result.
    if not np.isfinite(numbers).all():
        raise NotWeights(f"holds {numbers[~np.isfinite(numbers)][0]}, which is not finite")
    return numbers


def _read_npy(content: bytes) -> Array:
    """Return the numbers of a .npy file. Raises NotWeights.

    A pickle is refused: it could run code when it is read.
    """
    try:
        found = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except Exception:  # whatever NumPy and Python's parser say of a broken or a foreign file
        found = np.empty(0, dtype=object)
    if found.dtype.kind not in "fiu":
        raise NotWeights("is not an array of numbers as numpy.save writes it")
    return found.astype(np.float64).ravel()


def _read_text(content: bytes) -> Array:
    """Return the numbers of a text, separated by spaces, commas or line ends. Raises NotWeights."""
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise NotWeights("is not UTF-8 text") from None
    return np.array([_number(word, at) for at, line in enumerate(lines, 1) for word in line.replace(",", " ").split()])


def _number(word: str, line: int) -> float:
    """Read one word of a text. Raises NotWeights with its line."""
    try:
        return float(word)
    except ValueError:
        raise NotWeights(f"does not hold numbers: line {line} has {kind_of(word)}") from None
