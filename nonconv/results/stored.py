"""What readers rely on in the data files of a folder, and the reader of its arrays.

A folder may be of an earlier version: what that did not write is NotRequired. Keys that are only passed on have no type here.
"""

import io
import zipfile
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from nonconv.faults.errors import UsageError

Arrays = dict[str, NDArray[Any]]
NUMBERS, WHOLE, TEXT = "f", "iu", "U"
"""Kinds of arrays."""
PATHS_ARRAYS = {
    "step": (WHOLE, 1),
    "theta": (NUMBERS, 3),
    "outcome": (TEXT, 1),
    "quantile_level": (NUMBERS, 1),
    "quantile": (NUMBERS, 3),
    "quantile_paths": (WHOLE, 0),
}
"""Kind and number of axes of the arrays in paths.npz that figures and `verify` read."""
END_ARRAYS = {"end_of": (TEXT, 1), "end": (NUMBERS, 2)}
"""Those that differences read."""
ITERATE_ARRAYS = {
    "iterate": (TEXT, 1),
    "iterate_theta": (NUMBERS, 4),
    "iterate_quantile": (NUMBERS, 4),
    "iterate_end": (NUMBERS, 3),
}
"""Those of iterates besides the last, where a run has any."""
QUANTITY_ARRAYS = {"quantity_end_of": (TEXT, 1), "quantity_end": (NUMBERS, 2), "quantity_end_paths": (WHOLE, 1)}
"""Those of quantities that are means, where a run has any."""
UNREADABLE = Exception
"""What NumPy, zipfile and zlib may raise on damaged content; a header is even parsed as Python."""
MOST_ARRAY_BYTES = 4 * 10**9


class ErrorRow(TypedDict):
    """The error for one xi at one step."""

    step: int
    xi: str
    mse: float | None
    status: str
    se: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    n_finite: int
    theory: float | None
    median: NotRequired[dict[str, Any] | None]


class Failure(TypedDict):
    """The first failure of a path."""

    step: int
    replicate: int


class QuantityEnd(TypedDict):
    """What a run ends with of a quantity that its config asks for."""

    iterate: str
    quantity: str
    name: str
    kind: str
    title: str
    xi: str
    step: int
    value: float | None
    status: str
    se: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    n_finite: int
    reason: str
    note: str


class Point(TypedDict):
    """A minimum of the mean loss in one coordinate, or an interval of them."""

    low: float
    high: float
    above: float


class Minima(TypedDict):
    """The minima that a number of coordinates share."""

    coordinate: int
    alike: int
    points: list[Point]


class States(TypedDict):
    """What is kept of the optimizer, and of effective rates whether they are stable."""

    names: list[str]
    edge: float | None
    curvature: list[float | None] | None
    stability: list[float | None] | None


class IterateSummary(TypedDict):
    """What summary.json says of an iterate besides the last."""

    errors: list[ErrorRow]
    without_interval: dict[str, str]


class Summary(TypedDict):
    """summary.json."""

    schema_version: int
    name: str
    claim: str
    seed: int
    paths: int
    steps: int
    dim: int
    errors: list[ErrorRow]
    outcomes: dict[str, int]
    first_failure: Failure | None
    domain: NotRequired[dict[str, int]]
    warnings: list[str]
    without_interval: NotRequired[dict[str, str]]
    quantities: NotRequired[list[QuantityEnd]]
    minima: NotRequired[list[Minima]]
    state: NotRequired[States]
    network: NotRequired[dict[str, Any]]
    counterexample: NotRequired[dict[str, Any]]
    iterates: NotRequired[dict[str, IterateSummary]]


class Measured(TypedDict):
    """A floor or a slope in verdict.json."""

    value: float | None
    se: float | None
    ci_low: float | None
    ci_high: float | None
    lower: NotRequired[float | None]
    step: NotRequired[int]


class IterateVerdict(TypedDict):
    """What verdict.json says of an iterate besides the last."""

    verdict: str
    reason: str
    decides: str
    observed: list[int]
    floors: dict[str, Measured]
    slopes: dict[str, Measured]


class Verdict(TypedDict):
    """verdict.json."""

    verdict: str
    reason: str
    floors: dict[str, Measured]
    slopes: dict[str, Measured]
    iterates: NotRequired[dict[str, IterateVerdict]]


class Prediction(TypedDict):
    """An entry of predictions.json."""

    of: str
    value: float
    se: float


class Sweep(TypedDict):
    """sweep.json."""

    schema_version: int
    name: str
    claim: NotRequired[str]
    keys: list[str]
    xi: list[str]
    floors: list[str]
    curves: list[str]
    baseline: NotRequired[str]
    cells: int
    failed: NotRequired[int]
    paths: int | None
    steps: int | None
    quantities: NotRequired[dict[str, str]]
    iterates: NotRequired[list[str]]


class Named(TypedDict):
    """A component in config.yaml."""

    name: str


class Config(TypedDict):
    """config.yaml of a run, resolved."""

    objective: Named
    optimizer: Named
    learning_rate: Named
    batch_size: Named


def read_arrays(content: bytes, wanted: Mapping[str, tuple[str, int]], what: object) -> Arrays:
    """Read the arrays of an NPZ file. Raises UsageError with `what`, its name, for a damaged one.

    wanted: those that must be there, each with its kinds and its number of axes. Pickles are refused.
    """
    try:
        _check_sizes(content)
        with np.load(io.BytesIO(content)) as file:
            found = {name: file[name] for name in file.files}
    except UNREADABLE:
        raise UsageError(f"{what} is damaged: it is no NPZ file") from None
    require(found, wanted, what)
    return found


def require(found: Arrays, wanted: Mapping[str, tuple[str, int]], what: object) -> None:
    """Raise UsageError with `what`, the name of a file, unless it has these arrays."""
    for name, (kinds, axes) in wanted.items():
        array = found.get(name)
        if array is None:
            raise UsageError(f"{what} is damaged: it has no array {name!r}")
        if array.dtype.kind not in kinds or array.ndim != axes:
            raise UsageError(f"{what} is damaged: {name} has type {array.dtype} and {array.ndim} axes")


def _check_sizes(content: bytes) -> None:
    """Raise ValueError for an archive that would unpack to more than anything nonconv writes."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MOST_ARRAY_BYTES:
            raise ValueError("too large")
