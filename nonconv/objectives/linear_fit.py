"""The minimizers of linear models: of the rows of a table, and of examples of which everything is known."""

import hashlib
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from nonconv.components.definitions import Truth
from nonconv.numerics.arithmetic import Array

MOST_COORDINATES = 2000
"""Most coordinates for which Newton's equations are solved."""
MOST_STEPS = 100
"""Most steps of Newton's method. It needs a dozen where there is a minimizer."""
CONVERGED, DEGENERATE = 1e-9, 1e-13
"""A step after which Newton's method is there to rounding; and a share of the curvature that is as good as none."""
NOTHING = 1e-12
"""Entries of unit vectors that are rounding."""
ROWS_AT_ONCE = 32
"""Rows of a table in one product of matrices."""
SEPARABLE = "the classes can be told apart, or all but, and longer weights are always better"
LARGE = f"it is computed for at most {MOST_COORDINATES} coordinates"
UNKNOWN = "that of this law of examples is not computed"
KEPT = 8
"""Fits that are kept: the cells of a sweep share their table."""


class Fit(NamedTuple):
    """What a fit depends on besides the examples. kind: squared, logistic or cross_entropy. classes: 0 for numbers."""

    kind: str
    classes: int
    intercept: bool
    decay: float


def minimize(fit: Fit, x: Array, y: Array) -> Array | str:
    """Return theta (dim,) at which the mean loss of examples x (features, N), y (targets, N) is least.

    Of several the shortest, which SGD from 0 tends to. A text says why there is none.
    """
    digest = hashlib.blake2b(x.tobytes() + y.tobytes(), digest_size=16).digest()
    return _minimize_once(fit, _Rows(digest, x, y))


class _Rows:
    """Examples that are equal if their digests are."""

    def __init__(self, digest: bytes, x: Array, y: Array) -> None:
        self.digest, self.x, self.y = (digest, x.shape, y.shape), x, y

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Rows) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


@lru_cache(maxsize=KEPT)
@np.errstate(all="ignore")  # what is not finite is looked at
def _minimize_once(fit: Fit, rows: _Rows) -> Array | str:
    """Do as `minimize`, once for the same rows."""
    design = rows.x.T if not fit.intercept else np.column_stack([rows.x.T, np.ones(rows.x.shape[1])])
    labels = np.equal(rows.y, np.arange(fit.classes)[:, None]).astype(np.float64) if fit.classes else rows.y
    if len(labels) * design.shape[1] > MOST_COORDINATES:
        return LARGE
    found = _least_squares(design, labels.T, fit.decay) if fit.kind == "squared" else _newton(fit, design, labels)
    if isinstance(found, str):
        return found
    if not np.isfinite(found).all():
        return "it is beyond the range of numbers"
    theta = _flat(found, intercept=fit.intercept)
    theta.flags.writeable = False  # it is shared
    return theta


def _flat(rows: Array, *, intercept: bool) -> Array:
    """Return rows of weights (outputs, columns), the last column being b if there is one, as theta (dim,)."""
    return np.concatenate([rows[:, :-1].ravel(), rows[:, -1]]) if intercept else rows.ravel()


def _sizes(design: Array) -> Array:
    """Return the largest entry of each column of design (N, columns); 1 for a column of zeros."""
    size = np.abs(design).max(axis=0)
    return np.asarray(np.where(size > 0.0, size, 1.0))


def _least_squares(design: Array, labels: Array, decay: float) -> Array:
    """Return the rows of weights (outputs, columns) of least squares, of least length.

    design (N, columns), labels (N, outputs).
    """
    if decay > 0.0:
        # The penalty as rows of its own, so that nothing is squared.
        more = np.sqrt(decay * len(design)) * np.eye(design.shape[1])
        design, labels = np.vstack([design, more]), np.vstack([labels, np.zeros((len(more), labels.shape[1]))])
    # Columns of one size, for the rank of a table must not depend on its units.
    size = _sizes(design)
    found = np.linalg.lstsq(design / size, labels, rcond=None)[0]
    # Once more on what is left, against rounding.
    found += np.linalg.lstsq(design / size, labels - design / size @ found, rcond=None)[0]
    return _shortest(found.T / size, design, size)


def _factors(design: Array, size: Array) -> tuple[Array, Array, Array, int]:
    """Return U (N, rank), S, V^T (columns, columns) of design / size (N, columns), and its rank."""
    scaled = design / size
    # Of the triangular factor, which is small and has the same S and V.
    _, values, right = np.linalg.svd(np.linalg.qr(scaled, mode="r"), full_matrices=True)
    rank = int(np.sum(values > values[0] * max(design.shape) * np.finfo(np.float64).eps))
    left = scaled @ right[:rank].T / values[:rank]
    return left, values, right, rank


def _shortest(rows: Array, design: Array, size: Array) -> Array:
    """Return rows of weights without the part that design (N, columns) does not see."""
    if design.shape[0] > design.shape[1] and np.linalg.matrix_rank(design / size) == design.shape[1]:
        return rows
    _, _, right, rank = _factors(design, size)
    # What is rounding there is 0: of a column in tiny units it would grow.
    unseen = np.linalg.qr((np.where(np.abs(right[rank:]) > NOTHING, right[rank:], 0.0) / size).T)[0]
    return np.asarray(rows - rows @ unseen @ unseen.T)


def _newton(fit: Fit, design: Array, labels: Array) -> Array | str:
    """Return the rows of weights (outputs, columns) of logistic or softmax regression, of least length, or why there are none.

    design (N, columns), labels (classes, N).
    """
    # Logits are contrasts @ psi @ q.T: for softmax those that sum to 0 over classes, for logistic that of class 1 alone.
    contrasts = np.array([[0.0], [1.0]]) if fit.kind == "logistic" else _contrasts(fit.classes)
    outputs = np.eye(1) if fit.kind == "logistic" else contrasts
    if fit.decay > 0.0:
        found = _descend(contrasts, design, labels, fit.decay)
        return found if isinstance(found, str) else np.asarray(outputs @ found)
    # In the coordinates where columns are orthonormal, and only those that the rows see.
    size, number = _sizes(design), len(design)
    left, values, right, rank = _factors(design, size)
    found = _descend(contrasts, left * np.sqrt(number), labels, 0.0)
    if isinstance(found, str):
        return found
    rows = found * np.sqrt(number) / values[:rank] @ right[:rank] / size
    return _shortest(np.asarray(outputs @ rows), design, size)


def _contrasts(classes: int) -> Array:
    """Return an orthonormal basis (classes, classes - 1) of the vectors that sum to 0 (Helmert's)."""
    basis = np.zeros((classes, classes - 1))
    for k in range(1, classes):
        basis[:k, k - 1], basis[k, k - 1] = 1.0, -float(k)
        basis[:, k - 1] /= np.sqrt(k * (k + 1.0))
    return basis


def _descend(contrasts: Array, q: Array, labels: Array, decay: float) -> Array | str:
    """Return psi (m, columns) where the mean cross-entropy of the logits contrasts @ psi @ q.T is least, by Newton's method.

    contrasts (classes, m), q (N, columns), labels (classes, N). A text where there is no minimizer: all classes are told apart;
    or those of some examples, so that the curvature along some direction vanishes while steps stay as long as logits of 1.
    """
    (_, m), (number, columns) = contrasts.shape, q.shape
    psi = np.zeros((m, columns))
    for _ in range(MOST_STEPS):
        logits = contrasts @ psi @ q.T
        if decay == 0.0 and np.all(_margins(logits, labels) > 0.0):
            return SEPARABLE
        p = _softmax(logits)
        gradient = contrasts.T @ (p - labels) @ q / number + decay * psi
        curvature = _curvature(contrasts, q, p) + decay * np.eye(m * columns)
        if decay == 0.0 and _is_degenerate(curvature):
            return SEPARABLE
        step = np.linalg.solve(curvature, -gradient.ravel()).reshape(m, columns)
        if np.abs(step @ q.T).max() <= CONVERGED * (1.0 + np.abs(psi @ q.T).max()):
            return np.asarray(psi + step)
        here, slope, share = _mean_loss(contrasts, q, labels, psi, decay), float(np.sum(gradient * step)), 1.0
        # Armijo's rule, up to the rounding of the loss.
        while share > 1e-10:
            there = _mean_loss(contrasts, q, labels, psi + share * step, decay)
            if there <= here + 1e-4 * share * slope + 1e-15:
                break
            share /= 2.0
        psi = psi + share * step
    return SEPARABLE


def _is_degenerate(curvature: Array) -> bool:
    """Return whether the curvature along some direction is as good as 0, by the pivots of Cholesky's factors."""
    try:
        pivots = np.diag(np.linalg.cholesky(curvature)) ** 2
    except np.linalg.LinAlgError:
        return True
    return bool(pivots.min() < DEGENERATE * pivots.max())


def _margins(logits: Array, labels: Array) -> Array:
    """Return by how much the logit of its own class is above all others, (N,); labels (classes, N) are 0 or 1."""
    own = (logits * labels).sum(axis=0)
    return np.asarray(own - np.where(labels > 0.0, -np.inf, logits).max(axis=0))


def _softmax(logits: Array) -> Array:
    """Return the probabilities of classes, (classes, N)."""
    p = np.exp(logits - logits.max(axis=0))
    return np.asarray(p / p.sum(axis=0))


def _mean_loss(contrasts: Array, q: Array, labels: Array, psi: Array, decay: float) -> float:
    """Return the mean cross-entropy at psi, with the penalty."""
    logits = contrasts @ psi @ q.T
    top = logits.max(axis=0)
    each = np.log(np.exp(logits - top).sum(axis=0)) - (labels * (logits - top)).sum(axis=0)
    return float(each.mean() + decay / 2.0 * np.sum(psi * psi))


def _curvature(contrasts: Array, q: Array, p: Array) -> Array:
    """Return the Hessian of the mean cross-entropy by psi, (m columns, m columns), at probabilities p (classes, N)."""
    (_, m), (number, columns) = contrasts.shape, q.shape
    mean = contrasts.T @ p
    # Rows in blocks whose products are too small for several threads: these would wait for each other on a busy machine.
    padded = np.zeros((-(-number // ROWS_AT_ONCE) * ROWS_AT_ONCE, columns))
    padded[:number] = q
    blocks, weights = padded.reshape(-1, ROWS_AT_ONCE, columns), np.zeros(len(padded))
    found = np.empty((m, columns, m, columns))
    for a in range(m):
        for b in range(a + 1):
            weights[:number] = (contrasts[:, a] * contrasts[:, b]) @ p - mean[a] * mean[b]
            weighted = blocks * weights.reshape(-1, ROWS_AT_ONCE, 1)
            found[a, :, b] = found[b, :, a] = np.matmul(weighted.transpose(0, 2, 1), blocks).sum(axis=0) / number
    return found.reshape(m * columns, m * columns)


def from_truth(fit: Fit, truth: Truth) -> Array | str:
    """Return theta (dim,) at which the expected loss is least, where that is known; else why not."""
    weight, bias = truth.weight, truth.bias
    if fit.kind == "squared" and not fit.classes:
        second, cross = moments(truth, intercept=fit.intercept)
        rows: Array = np.linalg.solve(second + fit.decay * np.eye(len(second)), cross).T.astype(np.float64)
        return _flat(rows, intercept=fit.intercept)
    if fit.kind == "squared" or fit.decay > 0.0 or (not fit.intercept and np.any(bias != 0.0)):
        return UNKNOWN
    if not np.isfinite(weight).all() or not np.isfinite(bias).all():
        return SEPARABLE
    rows = np.column_stack([weight, bias]) if fit.intercept else weight
    # Of the weights of two classes only the difference counts; half of it each is shortest.
    rows = rows if fit.kind == "logistic" else np.vstack([-rows, rows]) / 2.0
    return _flat(rows, intercept=fit.intercept)


def moments(truth: Truth, *, intercept: bool) -> tuple[Array, Array]:
    """Return E a a^T (columns, columns) and E a y^T (columns, targets) of features a, with a last 1 for an intercept."""
    mean = np.append(truth.mean, 1.0) if intercept else truth.mean
    central = np.diag(np.append(truth.variance, 0.0) if intercept else truth.variance)
    weight = np.column_stack([truth.weight, np.zeros(len(truth.weight))]) if intercept else truth.weight
    expected = truth.weight @ truth.mean + truth.bias
    return central + np.outer(mean, mean), central @ weight.T + np.outer(mean, expected)
