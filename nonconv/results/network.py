"""The files and the summary that a network adds: its risk on held-out examples and the noise of its gradient."""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from nonconv.components.definitions import Coupled, Group
from nonconv.engine.blocks import summary_steps
from nonconv.experiment.cell import Cell
from nonconv.numerics.moments import Moments
from nonconv.results.csv_text import as_csv, known, number, status
from nonconv.statistics.intervals import Intervals, sample_intervals
from nonconv.statistics.measured_block import end_names
from nonconv.statistics.networks import DEGRADED, TRAINING_LOSS, log_slope
from nonconv.statistics.tally import Tally

FILES = ("risk.csv", "noise.csv", "group_floors.csv")
INTERVAL_SUFFIXES = ("", "_se", "_ci_low", "_ci_high")
RISK_COLUMNS = ("step", "risk", "se", "ci_low", "ci_high", "n", "n_finite")
TRAINING_COLUMNS = tuple(f"{TRAINING_LOSS}{part}" for part in INTERVAL_SUFFIXES)
WRONG_COLUMNS = tuple(f"wrong{part}" for part in INTERVAL_SUFFIXES)
NOISE_COLUMNS = (
    "step",
    *(f"{name}{part}" for name in ("gradient", "noise") for part in (*INTERVAL_SUFFIXES, "_n_finite")),
    "scale",
    "n",
)


def files(cell: Cell, tally: Tally) -> dict[str, bytes]:
    """Make risk.csv and noise.csv by name; none without held-out examples."""
    if not _held_out(cell):
        return {}
    columns = RISK_COLUMNS + (WRONG_COLUMNS if _classes(cell) else ()) + (TRAINING_COLUMNS if tally.training_losses else ())
    return {
        "risk.csv": as_csv(columns, _risk_rows(cell, tally)),
        "noise.csv": as_csv(NOISE_COLUMNS, (tuple(row.values()) for row in _noise_rows(cell, tally))),
    }


def _held_out(cell: Cell) -> int:
    """Count the held-out examples."""
    assert cell.program.learning is not None
    return int(cell.program.learning.held_out[0].shape[1])


def _classes(cell: Cell) -> int:
    """Count the classes of the labels; 0 for regression."""
    assert cell.program.learning is not None
    return cell.program.learning.shape.classes


def _risk_steps(cell: Cell) -> list[int]:
    """List the steps of tally.risks: the start, and the recorded steps."""
    return [0, *cell.program.record.tolist()]


def _risk_rows(cell: Cell, tally: Tally) -> Iterator[tuple[Any, ...]]:
    """Yield RISK_COLUMNS, WRONG_COLUMNS where examples have classes, TRAINING_COLUMNS where they are a table's, per step."""
    m = _risks(tally)
    found = sample_intervals(cell, m)
    trained = sample_intervals(cell, tally.training_losses) if tally.training_losses else None
    for r, step in enumerate(_risk_steps(cell)):
        wrong = _estimate_at(found, 1, r) if _classes(cell) else []
        training = _estimate_at(trained, 0, r) if trained else []
        yield step, *_estimate_at(found, 0, r), int(m.n[0, r]), int(m.n_finite[0, r]), *wrong, *training


def _risks(tally: Tally) -> Moments:
    """Return the moments of the risk (row 0) and of the share of misclassified examples (row 1)."""
    assert tally.risks is not None
    return tally.risks


def _estimate_at(of: Intervals, k: int, r: int) -> list[float | None]:
    """Return value, standard error and interval of row k at recorded step r; None where there is no interval for a reason."""
    value, *interval = (float(field[k, r]) for field in of.estimate)
    return [value, *(None if of.reasons[k, r] else number for number in interval)]


def _noise_rows(cell: Cell, tally: Tally) -> Iterator[dict[str, Any]]:
    """Yield NOISE_COLUMNS as a mapping per step.

    scale is the ratio of the means: the simple noise scale of McCandlish et al. (arXiv:1812.06162).
    """
    assert tally.noises is not None
    found, m = sample_intervals(cell, tally.noises), tally.noises
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scale = found.estimate.value[1] / found.estimate.value[0]
    for r, step in enumerate(cell.program.record[summary_steps(cell.program.record)].tolist()):
        both = [[*_estimate_at(found, k, r), int(m.n_finite[k, r])] for k in range(2)]
        yield dict(zip(NOISE_COLUMNS, [step, *both[0], *both[1], float(scale[r]), int(m.n[0, r])], strict=True))


def summary(cell: Cell, tally: Tally) -> dict[str, Any]:
    """Return what summary.json says of the networks.

    None for what needs held-out examples where there are none.
    """
    assert cell.program.learning is not None
    layers = widths(cell.program.learning.groups)
    held_out = _held_out(cell)
    return {
        "layers": layers or None,
        "units": sum(layers[1:-1]) if layers else None,
        "held_out": held_out,
        "risk": _course(cell, _risks(tally), 0) | _slope(cell, tally, 0) if held_out else None,
        "wrong": _course(cell, _risks(tally), 1) if held_out and _classes(cell) else None,
        **_training(cell, tally),
        "spoiled": _degraded(tally),
        "idle_share": _idle_share(cell, tally) if held_out else None,
        "noise": _last_noise(cell, tally) if held_out else None,
    }


def _degraded(tally: Tally) -> dict[str, int] | None:
    """Return how many paths ended worse than they began, by kind; None if that was not measured."""
    if tally.degraded is None:
        return None
    return {name: int(count) for name, count in zip(DEGRADED, tally.degraded, strict=True)}


def widths(groups: tuple[Group, ...]) -> list[int]:
    """Return how many units the layers have, the features first; empty where the weights are no chain of layers."""
    # Biases have no inputs.
    weights = [group for group in groups if group.fan_in]
    chained = all(a.fan_out == b.fan_in for a, b in pairwise(weights))
    return [weights[0].fan_in, *(group.fan_out for group in weights)] if weights and chained else []


def _training(cell: Cell, tally: Tally) -> dict[str, Any]:
    """Return the course of the training loss by its name; nothing where examples are drawn from a law, or none held out."""
    m, learning = tally.training_losses, cell.program.learning
    if m is None or learning is None or learning.training is None:
        return {}
    rows = {"rows": learning.training[0].shape[1]}
    return {TRAINING_LOSS: rows | _course(cell, m, 0) | _slope(cell, tally, 2)}


def _slope(cell: Cell, tally: Tally, k: int) -> dict[str, Any]:
    """Return the log-log slope from number k of tally.courses to the next; null where it is not finite.

    It has no interval where the later mean has none.
    """
    steps = cell.program.record[summary_steps(cell.program.record)[-2:]]
    m, of = tally.courses, tally.training_losses if k else tally.risks
    if m is None or of is None or int(m.n) < tally.paths:
        return {"slope": None}
    value, *interval = (float(number) for number in log_slope(m, k, k + 1, float(np.log2(steps[1] / steps[0]))))
    if sample_intervals(cell, of).reasons[0, -1]:
        interval = [math.nan] * len(interval)
    if not math.isfinite(value):
        return {"slope": None}
    return {"slope": {"value": value, **dict(zip(("se", "ci_low", "ci_high"), map(known, interval), strict=True))}}


def _course(cell: Cell, m: Moments, k: int) -> dict[str, Any]:
    """Return row k of m, moments at the steps of the risks, at the start and at the last two summary steps.

    half is null in a run of one summary step.
    """
    late = [1 + int(r) for r in summary_steps(cell.program.record)[-2:]]
    at = {"start": 0, "half": late[0] if len(late) > 1 else None, "end": late[-1]}
    return {name: None if r is None else _mean_at(cell, m, k, r) for name, r in at.items()}


def _mean_at(cell: Cell, risks: Moments, k: int, r: int) -> dict[str, Any]:
    """Return row k of moments of the risks at one step, as JSON has it."""
    value, *interval = _estimate_at(sample_intervals(cell, risks), k, r)
    assert value is not None
    return {
        "step": _risk_steps(cell)[r],
        "value": number(value),
        "status": status(value),
        **dict(zip(("se", "ci_low", "ci_high"), map(known, interval), strict=True)),
        "n": int(risks.n[k, r]),
        "n_finite": int(risks.n_finite[k, r]),
    }


def _idle_share(cell: Cell, tally: Tally) -> float | None:
    """Return the share of idle units over the first paths.

    None for an objective that does not say which units are idle, or has none.
    """
    objective = cell.program.objective.component
    assert isinstance(objective, Coupled)
    assert cell.program.learning is not None
    if objective.idle is None or len(widths(cell.program.learning.groups)) == 2:
        return None
    return number(float(tally.ends.joined[end_names(cell).index("idle")].mean()))


def _last_noise(cell: Cell, tally: Tally) -> dict[str, Any]:
    """Return the last row of noise.csv, as JSON has it."""
    *_, last = _noise_rows(cell, tally)
    row = {name: number(value) if isinstance(value, float) else value for name, value in last.items()}
    return row | {"status": status(last["scale"])}
