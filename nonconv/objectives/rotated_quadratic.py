"""A quadratic whose axes are not those of the coordinates: ill-conditioned in directions that no coordinate has."""

from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from annotated_types import Interval, Len
from typing_extensions import Doc

from nonconv.components.definitions import Complaint, Coupled, Group, Known, OneOf, Shape
from nonconv.numerics.arithmetic import Array, Lanes, each
from nonconv.numerics.normal import normal_quantile
from nonconv.numerics.rng import key, uniforms

HALF_GRID = 2.0**-53
"""Half the spacing of uniforms: u + HALF_GRID lies strictly between 0 and 1."""
MOST = 500
"""Most coordinates: the matrix has their square of numbers, which are multiplied in every step."""
Eigenvalue = Annotated[float, Interval(gt=0)]


class RotatedQuadratic(NamedTuple):
    """Half a squared distance to random data, in rotated axes: E of (theta - X)^T R^T D R (theta - X) / 2.

    D holds the eigenvalues, the curvatures along the rows of the rotation R: from largest / condition to largest, or as
    given. R is drawn once, uniformly from all orthogonal matrices, by rotation_seed: the factor Q of a Gaussian matrix whose
    triangular factor has a positive diagonal. The minimizer is E X. Methods that scale each coordinate by itself, as Adam
    does, depend on R; SGD and momentum do not.
    """

    data: Annotated[Any, OneOf("data"), Doc("the law of X; coordinates are independent, or columns of a file")]
    dim: Annotated[int, Interval(ge=1, le=MOST), Doc("number of coordinates")] = 2
    condition: Annotated[float, Interval(ge=1), Doc("the largest eigenvalue over the smallest")] = 10.0
    spacing: Annotated[Literal["log", "linear"], Doc("how the eigenvalues lie between the smallest and the largest")] = "log"
    largest: Annotated[Eigenvalue, Doc("the largest eigenvalue")] = 1.0
    eigenvalues: Annotated[
        tuple[Eigenvalue, ...] | None, Len(1, MOST), Doc("dim numbers, instead of condition, spacing and largest")
    ] = None
    rotate: Annotated[bool, Doc("false: R is the identity, and the axes are the coordinates")] = True
    rotation_seed: Annotated[int, Interval(ge=0), Doc("the seed of R; the same R whatever the seed of the study")] = 0


class RotatedQuadraticConstants(NamedTuple):
    """The matrix R^T D R, (dim, dim); the rotation R, (dim, dim), and the eigenvalues D, (dim,), which no kernel reads."""

    matrix: Array
    rotation: Array
    eigenvalues: Array


def check(h: RotatedQuadratic) -> list[Complaint]:
    """Refuse eigenvalues beside what would make them."""
    defaults = RotatedQuadratic(None)
    for name in ("condition", "spacing", "largest"):
        if h.eigenvalues is not None and getattr(h, name) != getattr(defaults, name):
            return [Complaint(name, "the eigenvalues are given; leave this out")]
    return []


def check_shape(h: RotatedQuadratic, shape: Shape) -> list[Complaint]:
    """Refuse eigenvalues of another number than coordinates."""
    if h.eigenvalues is not None and len(h.eigenvalues) != shape.targets:
        what = f"has {len(h.eigenvalues)} numbers for an objective of dim {shape.targets}"
        return [Complaint("eigenvalues", what, f"{shape.targets} numbers, or dim: {len(h.eigenvalues)}")]
    return []


def eigenvalues(h: RotatedQuadratic, dim: int) -> Array:
    """Return the eigenvalues, (dim,): those given, or rising from largest / condition to largest."""
    if h.eigenvalues is not None:
        return np.array(h.eigenvalues, dtype=np.float64)
    share = np.linspace(0.0, 1.0, dim) if dim > 1 else np.ones(1)
    least = 1.0 / h.condition
    return np.asarray(h.largest * (least ** (1.0 - share) if h.spacing == "log" else least + (1.0 - least) * share))


def rotation(h: RotatedQuadratic, dim: int) -> Array:
    """Return R, (dim, dim)."""
    if not h.rotate:
        return np.eye(dim)
    u = uniforms(key(h.rotation_seed, "rotation"), 0, dim * dim, 0, 1)[:, 0]
    return orthogonalise(normal_quantile(u + HALF_GRID).reshape(dim, dim))


def orthogonalise(columns: Array) -> Array:
    """Return Q of the factors Q R of a square matrix, the diagonal of R being positive.

    Gram and Schmidt's method, each column twice, which is as exact as any. By sums of NumPy's, not by a library of linear
    algebra: its bits may depend on the number of its threads.
    """
    done = np.zeros_like(columns)  # row k is column k of Q
    for k in range(len(columns)):
        column = columns[:, k].copy()
        for _ in range(2):
            column -= (done[:k] * (done[:k] * column).sum(axis=1)[:, None]).sum(axis=0)
        done[k] = column / np.sqrt(np.square(column).sum())
    return np.ascontiguousarray(done.T)


def groups(h: RotatedQuadratic, shape: Shape) -> tuple[Group, ...]:
    """Return all coordinates as one group."""
    return (Group("theta", 0, shape.targets),)


def prepare(h: RotatedQuadratic, shape: Shape) -> RotatedQuadraticConstants:
    """Return the matrix, exactly symmetric, and what it is made of."""
    values, turned = eigenvalues(h, shape.targets), rotation(h, shape.targets)
    matrix = np.einsum("ki,k,kj->ij", turned, values, turned)
    return RotatedQuadraticConstants((matrix + matrix.T) / 2.0, turned, values)


def work(h: RotatedQuadratic, shape: Shape) -> int:
    """Return how many rows of scratch are needed: theta - x, and the product with a row of the matrix."""
    return shape.targets + 1


def loss(k: RotatedQuadraticConstants, n: int, theta: Array, x: Array, y: Array, out: Array, work: Array) -> None:
    """Write (theta - y)^T R^T D R (theta - y) / 2 of n examples y (dim, n) to out[0], and 0 to out[1].

    theta (dim, lanes), out (2, n), work (rows of `work`, n).
    """
    lanes = theta.shape[1]
    for i in each(n):
        out[0, i] = out[1, i] = 0.0
    for s in range(n // lanes):
        first = s * lanes
        for j in range(len(theta)):
            for i in each(lanes):
                work[j, i] = theta[j, i] - y[j, first + i]
        for o in range(len(theta)):
            for i in each(lanes):
                work[len(theta), i] = 0.0
            for j in range(len(theta)):
                a = k.matrix[o, j]
                for i in each(lanes):
                    work[len(theta), i] += a * work[j, i]
            for i in each(lanes):
                out[0, first + i] += 0.5 * (work[o, i] * work[len(theta), i])


def add_gradient(k: RotatedQuadraticConstants, n: int, theta: Array, x: Array, y: Array, gradient: Array, work: Array) -> None:
    """Add R^T D R (theta - y), summed over the examples of each path, to gradient (dim, lanes). Arguments as of `loss`."""
    lanes = theta.shape[1]
    # One example after another, so that it does not matter how many come at once.
    for s in range(n // lanes):
        first = s * lanes
        for j in range(len(theta)):
            away = work[j]
            for i in each(lanes):
                away[i] = theta[j, i] - y[j, first + i]
        for o in range(len(theta)):
            total = gradient[o]
            for j in range(len(theta)):
                a, away = k.matrix[o, j], work[j]
                for i in each(lanes):
                    total[i] += a * away[i]


def penalty(k: RotatedQuadraticConstants, theta: Lanes) -> Lanes:
    """Return 0: there is no penalty."""
    return 0.0


def minimizer(h: RotatedQuadratic, shape: Shape, known: Known) -> Array | str:
    """Return E X, (dim,)."""
    if known.law is None:
        return "that of this data is not computed"
    return "the data have no mean" if np.isnan(known.law.mean).any() else known.law.mean


ROTATED_QUADRATIC = Coupled(
    name="rotated_quadratic",
    parameters=RotatedQuadratic,
    paper="arXiv:2407.08100, in rotated axes; for R Mezzadri (2007), arXiv:math-ph/0609050",
    check=check,
    groups=groups,
    constants=RotatedQuadraticConstants,
    prepare=prepare,
    work=work,
    loss=loss,
    add_gradient=add_gradient,
    penalty=penalty,
    loss_name=lambda h: "half the squared distance in rotated axes",
    check_shape=check_shape,
    minimizer=minimizer,
    degree=lambda h: 1,
    convex=lambda h: True,
    starts_at_zero=True,
)
