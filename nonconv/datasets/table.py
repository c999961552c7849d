"""Rows of a table, the user's own or shipped: csv, diabetes, digits.

Once loaded, all three are a `Table` and share every function. A row is drawn by one uniform: with replacement, or in
an order, where the engine replaces the uniform by one that selects the row to come.
"""

from collections.abc import Callable
from importlib import resources
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from annotated_types import Interval, Len
from numpy.typing import NDArray
from typing_extensions import Doc

from nonconv.components.definitions import Complaint, Dataset, Files, Order, Shape, Unusable
from nonconv.numerics.arithmetic import Array, each, index
from nonconv.numerics.moments import center_and_spread

OrderOfRows = Annotated[
    Order,
    Doc(
        "drawn with replacement; or passes through all rows: shuffled for each (epochs), once for all (once), or never (cyclic)"
    ),
]
Standardise = Annotated[
    bool, Doc("subtract each column's mean and divide by its standard deviation, both of the training rows")
]
Share = Annotated[float, Interval(ge=0, lt=1), Doc("the share of the rows that measures the risk and is never trained on")]


class Csv(NamedTuple):
    """Rows of a CSV file: some columns are the features x, others the targets y.

    (x, y) is a training row; all are equally probable. classes: the one target column holds the whole numbers
    0, ..., K - 1, or -1 and 1, or texts, which are numbered in sorted order; it is never standardised.
    """

    file: Annotated[str, Len(1), Doc("path of the file, relative to the config")]
    features: Annotated[tuple[str, ...], Len(1), Doc("names of the columns x, from the header line")]
    targets: Annotated[tuple[str, ...], Len(1), Doc("names of the columns y")]
    labels: Annotated[Literal["values", "classes"], Doc("what the targets are: numbers, or the class")] = "values"
    standardise: Standardise = True
    order: OrderOfRows = "with_replacement"
    held_out: Share = 0.2
    sha256: Annotated[str, Doc("the file's digest; if given, any other content is refused")] = ""


class Diabetes(NamedTuple):
    """442 patients: the progression of diabetes in a year, from 10 measurements at its beginning.

    x: age, sex, body mass index, blood pressure, six blood serum measurements. y: the progression, a number.
    """

    standardise: Standardise = True
    order: OrderOfRows = "with_replacement"
    held_out: Share = 0.2


class Digits(NamedTuple):
    """1797 handwritten digits: which of ten, from an image of 8 x 8 pixels.

    x: the pixels row by row, each 0, ..., 16. y: the class, 0, ..., 9. A pixel of one value in all training rows becomes 0
    when standardised.
    """

    standardise: Standardise = True
    order: OrderOfRows = "with_replacement"
    held_out: Share = 0.2


class Table(NamedTuple):
    """What the definitions need of a `Csv`, `Diabetes` or `Digits`: its numbers as they are learned from, row by row.

    features, targets (rows, columns): the training rows. held_out_features, held_out_targets: the rows that measure the
    risk. classes: how many, or 0 if targets are any numbers. order: how paths pass through the rows.
    """

    features: Array
    targets: Array
    held_out_features: Array
    held_out_targets: Array
    classes: int
    order: Order


class TableConstants(NamedTuple):
    """What `sample` needs: the number of rows, features (features, rows) and targets (targets, rows)."""

    rows: float
    features: Array
    targets: Array


def check(h: Csv) -> list[Complaint]:
    """Refuse a column that is used twice, and classes in several columns."""
    complaints = []
    for parameter, names, others in (("features", h.features, ()), ("targets", h.targets, h.features)):
        double = next((name for at, name in enumerate(names) if name in (*names[:at], *others)), None)
        if double is not None:
            complaints.append(Complaint(parameter, f"duplicate column {double!r} among features and targets"))
    if h.labels == "classes" and len(h.targets) > 1:
        complaints.append(
            Complaint("targets", f"{len(h.targets)} columns, but classes are in one column", "a list of one column")
        )
    return complaints


def count_classes(targets: Array) -> int:
    """Return the number of classes of targets (rows, 1).

    Raises Unusable unless they are the whole numbers 0, ..., K - 1, each at least once, and K is 2 or more.
    """
    if np.any(targets != np.floor(targets)) or np.any(targets < 0):
        wrong = targets[(targets != np.floor(targets)) | (targets < 0)][0]
        raise Unusable(_complain_about_target(f"classes are the whole numbers 0, 1, ..., but there is a row of {wrong:g}"))
    found = np.unique(targets)
    if len(found) < 2:
        raise Unusable(_complain_about_target(f"all rows are of class {found[0]:g}; there must be at least two classes"))
    if found[-1] != len(found) - 1:
        missing = int(np.argmax(found != np.arange(len(found))))
        what = f"classes go up to {found[-1]:g}, but there is no row of class {missing}; number them 0, 1, ..."
        raise Unusable(_complain_about_target(what))
    return len(found)


def _complain_about_target(message: str) -> Complaint:
    """Return a complaint about the one column of targets."""
    return Complaint("targets", message, entry=0)


def split(
    features: Array,
    targets: Array,
    classes: int,
    share: float,
    order: Order,
    standardise: bool,
    u: Array,
    *,
    constant_features: bool = False,
    names: tuple[str, ...] = (),
) -> Table:
    """Split rows into training and held-out ones; those with the smallest of the uniforms u (rows,) are held out.

    features (rows, F), targets (rows, T). classes: how many, or 0 for values. share: the share of rows to hold out.
    constant_features: whether standardising accepts a feature with one value in all training rows. names: of all columns,
    the features first. Raises Unusable if no row is left to train on, or a column cannot be standardised.
    """
    rows, count = features.shape
    held_out = np.zeros(rows, dtype=np.bool_)
    # Stable, so that ties are broken alike on every machine.
    held_out[np.argsort(u, kind="stable")[: round(share * rows)]] = True
    if np.all(held_out):
        what = f"of {rows} rows {np.sum(held_out)} would be held out, which leaves none to train on"
        raise Unusable(Complaint("held_out", what))
    if standardise:
        features = standardise_columns(features, ~held_out, "features", names[:count], constant_features)
    if standardise and classes == 0:
        targets = standardise_columns(targets, ~held_out, "targets", names[count:], False)
    parts = (features[~held_out], targets[~held_out], features[held_out], targets[held_out])
    return Table(*parts, classes, order)


def standardise_columns(
    columns: Array, training: NDArray[np.bool_], parameter: str, names: tuple[str, ...], constant: bool
) -> Array:
    """Return columns (rows, C) with mean 0 and standard deviation 1 over the training rows; constant ones become 0 there.

    training (rows,): which rows are so. parameter, names: what to name in a complaint. constant: whether constant columns are
    accepted. Raises Unusable for a constant column otherwise.
    """
    trained = columns[training]
    center, spread = center_and_spread(trained)
    same = spread == 0
    if np.any(same) and not constant:
        at = int(np.argmax(same))
        which = f"column {names[at]!r}" if names else f"column {at + 1}"
        what = f"{which} is {trained[0, at]:g} in all {len(trained)} training rows and cannot be standardised"
        raise Unusable(Complaint(parameter, what, "columns that vary, or standardise: false", entry=at))
    # A constant column becomes exactly 0 at the training rows.
    return np.asarray((columns - center) / np.where(same, 1.0, spread))


def shipped(name: str) -> tuple[Array, Array, int]:
    """Read a table that comes with the package: features (rows, F), targets (rows, 1), and the number of classes."""
    if name == "diabetes":
        lines = shipped_text("diabetes.csv").splitlines()[1:]
        table, classes = np.array([[float(field) for field in line.split(",")] for line in lines]), 0
    else:
        # Pixels are 0, ..., 16, so one digit to base 17 each; the last mark of a line is the class.
        table, classes = np.array([[float(int(mark, 17)) for mark in line] for line in shipped_text("digits.txt").split()]), 10
    return np.ascontiguousarray(table[:, :-1]), np.ascontiguousarray(table[:, -1:]), classes


def shipped_text(file: str) -> str:
    """Read a data file of the package."""
    return resources.files("nonconv.datasets").joinpath("data", file).read_text(encoding="ascii")


def load_csv(h: Csv, files: Files) -> Table:
    """Read, check and split the rows of the user's file. Raises Unusable."""
    texts = "targets" if h.labels == "classes" else ""
    columns = files.table(h.file, h.sha256, texts, features=h.features, targets=h.targets)
    features, targets = np.split(columns, [len(h.features)], axis=1)
    if h.labels == "classes" and np.array_equal(np.unique(targets), [-1.0, 1.0]):
        targets = (targets + 1.0) / 2.0
    classes = count_classes(targets) if h.labels == "classes" else 0
    u = files.uniforms("held-out", len(features))
    names = (*h.features, *h.targets)
    return split(features, targets, classes, h.held_out, h.order, h.standardise, u, names=names)


def load_shipped(name: str) -> Callable[[Diabetes | Digits, Files], Table]:
    """Return the `load` of a table that comes with the package."""

    def load(h: Diabetes | Digits, files: Files) -> Table:
        """Read and split the rows. Raises Unusable."""
        features, targets, classes = shipped(name)
        u = files.uniforms("held-out", len(features))
        return split(features, targets, classes, h.held_out, h.order, h.standardise, u, constant_features=True)

    return load


def shape_of(h: Table) -> Shape:
    """Return features, targets and classes of an example."""
    return Shape(h.features.shape[1], h.targets.shape[1], h.classes)


def prepare(h: Table) -> TableConstants:
    # The number of rows is a float since it only multiplies a uniform.
    """Return the constants of `sample`: the training rows, by column."""
    return TableConstants(float(len(h.features)), by_column(h.features), by_column(h.targets))


def by_column(rows: Array) -> Array:
    """Return rows (rows, C) as contiguous columns (C, rows): a kernel reads one column for many examples."""
    return np.ascontiguousarray(rows.T)


def held_out(h: Table) -> tuple[Array, Array]:
    """Return the held-out features (features, rows) and targets (targets, rows)."""
    return by_column(h.held_out_features), by_column(h.held_out_targets)


def sample(k: TableConstants, n: int, u: Array, x: Array, y: Array) -> None:
    """Write the rows floor(u rows) of n examples: features x (features, n), targets y (targets, n), from u (1, n)."""
    for j in range(x.shape[0]):
        column, x_j = k.features[j], x[j]
        for i in each(n):
            x_j[i] = column[index(u[0, i] * k.rows)]
    for j in range(y.shape[0]):
        column, y_j = k.targets[j], y[j]
        for i in each(n):
            y_j[i] = column[index(u[0, i] * k.rows)]


def no_complaints(h: Diabetes | Digits) -> list[Complaint]:
    """Accept any parameters: those of shipped tables always go together."""
    return []


def component(
    name: str,
    parameters: type[Any],
    paper: str,
    load: Callable[[Any, Files], Table],
    check: Callable[[Any], list[Complaint]] = no_complaints,
) -> Dataset:
    """Return the data set of a family of tables, which differ in their parameters and in how they are loaded alone."""
    return Dataset(
        name=name,
        parameters=parameters,
        paper=paper,
        check=check,
        load=load,
        shape=shape_of,
        constants=TableConstants,
        prepare=prepare,
        draws=lambda h: 1,
        sample=sample,
        label_noise=lambda h: "bounded",  # there are finitely many rows, and y is no known function of x
        examples=lambda h: len(h.features),
        rows=lambda h: 0 if h.order == "with_replacement" else len(h.features),
        order=lambda h: h.order,
        held_out=held_out,
        training=lambda h: (by_column(h.features), by_column(h.targets)),
    )


CSV = component("csv", Csv, "the empirical law of the file", load_csv, check)
DIABETES = component("diabetes", Diabetes, "Efron, Hastie, Johnstone, Tibshirani (2004)", load_shipped("diabetes"))
DIGITS = component("digits", Digits, "Alpaydin, Kaynak (1998), doi:10.24432/C50P49", load_shipped("digits"))
