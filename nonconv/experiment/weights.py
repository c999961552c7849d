"""Weights to start from: the numbers of a .npy file or of a text."""

import io
from pathlib import Path

import numpy as np

from nonconv.faults.problems import kind_of
from nonconv.numerics.arithmetic import Array


class NotWeights(ValueError):
    """Why a file does not hold weights."""


def read_weights(file: Path, content: bytes, dim: int) -> Array:
    """dim numbers from the content of a .npy file or a text. Raises NotWeights."""
    numbers = _of_array(content) if file.suffix == ".npy" else _of_text(content)
    if numbers.size != dim:
        raise NotWeights(f"holds {numbers.size} numbers, but the objective has {dim} coordinates")
    if not np.isfinite(numbers).all():
        raise NotWeights(f"holds {numbers[~np.isfinite(numbers)][0]}, which is not finite")
    return numbers


def _of_array(content: bytes) -> Array:
    """The numbers of a .npy file. One that would run code, a pickle, is none."""
    try:
        found = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except Exception:  # whatever NumPy and Python's parser say of a broken or a foreign file
        found = np.empty(0, dtype=object)
    if found.dtype.kind not in "fiu":
        raise NotWeights("is not an array of numbers as numpy.save writes it")
    return found.astype(np.float64).ravel()


def _of_text(content: bytes) -> Array:
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise NotWeights("is not UTF-8 text") from None
    return np.array([_number(word, at) for at, line in enumerate(lines, 1) for word in line.replace(",", " ").split()])


def _number(word: str, line: int) -> float:
    try:
        return float(word)
    except ValueError:
        raise NotWeights(f"does not hold numbers: line {line} has {kind_of(word)}") from None
