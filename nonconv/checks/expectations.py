"""Test a result against the `expect` block of its config: one row per expectation, with what was found in words.

An interval decides. A bound is met if the whole interval is on its side, refuted if the whole interval is on the other
side, and undecided otherwise or without an interval.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from nonconv.config.document import dotted
from nonconv.config.expect import ERROR_SLOPE, label
from nonconv.faults.errors import UsageError
from nonconv.faults.problems import Place, Problem, nearest
from nonconv.report.run import Run, read_run
from nonconv.statistics.shares import share

Status = Literal["met", "refuted", "undecided"]
STATUSES: tuple[Status, ...] = ("met", "refuted", "undecided")
VERDICT_KEYS = ("verdict", "floor", "slope", "violations")
"""Expectations that need verdict.json."""
ROUNDING_TOLERANCE = 1e-12
"""How far a measured number may be from a known one if neither is random, relative to the known one."""


class Row(NamedTuple):
    """One expectation: its key in the config, what was expected and what was found in words."""

    key: str
    expected: str
    found: str
    status: Status


@dataclass(frozen=True)
class Result:
    """A finished run. exact: nothing in it is random, so that one path shows everything and needs no interval."""

    run: Run
    verdict: Mapping[str, Any]
    predictions: Mapping[str, Any]
    exact: bool


class Measured(NamedTuple):
    """A number with its 95 % interval (nan if there is none). lower: a one-sided lower bound, if the number has one."""

    value: float
    low: float
    high: float
    lower: float | None = None
    se: float = math.nan


def read_result(folder: Path, exact: bool) -> Result:
    """Read a finished folder. Raises UsageError if it is not one."""
    run = read_run(folder)
    return Result(run, run.verdict, run.predictions, exact)


def combine(statuses: Iterable[Status]) -> Status:
    """Refuted if any status is, else undecided if any is, else met."""
    found = set(statuses)
    return "refuted" if "refuted" in found else "undecided" if "undecided" in found else "met"


def find_unanswerable(expect: Mapping[str, Any], result: Result, source: str) -> list[Problem]:
    """A problem for each `within` expectation that names a prediction which this experiment does not have."""
    found = []
    for k, entry in enumerate(expect.get("within", ())):
        allowed = _known(entry, result)
        if isinstance(entry["of"], str) and entry["of"] not in allowed:
            known = ", ".join([*allowed, "a number"])
            key = dotted(("expect", "within", k, "of"))
            about = f" for xi = {label(entry['xi'])}" if entry["quantity"] == "mse" else ""
            what = f"there is no prediction {entry['of']!r}{about}"
            found.append(Problem(what, Place(source, 0, 0, ""), key, known, nearest(entry["of"], allowed)))
    return found


def _known(entry: Mapping[str, Any], result: Result) -> list[str]:
    exact = entry["quantity"] == "mse" and label(entry["xi"]) in result.run.theory
    return [*(["theory"] if exact else []), *result.predictions]


def evaluate(expect: Mapping[str, Any], result: Result) -> list[Row]:
    """One row per expectation, in the order of the keys.

    expect: the block of a resolved config, for which `find_unanswerable` finds nothing. Raises UsageError if an expectation
    needs verdict.json and the folder has none.
    """
    if not result.verdict and any(name in expect for name in VERDICT_KEYS):
        raise UsageError(
            f"{result.run.folder} has no verdict.json: another version of nonconv computed it; --force computes it again"
        )
    return [row for name, wanted in expect.items() for row in EVALUATORS[name](wanted, result)]


def decide(bounds: Mapping[str, float], at: Measured) -> Status:
    """Whether a number is within its bounds, decided by its interval. bounds: `above`, `below` or both."""
    statuses: list[Status] = []
    if "above" in bounds:
        surely = at.low if at.lower is None else at.lower
        statuses.append(_side(surely >= bounds["above"], at.high < bounds["above"]))
    if "below" in bounds:
        statuses.append(_side(at.high <= bounds["below"], at.low > bounds["below"]))
    return combine(statuses)


def _side(inside: bool, outside: bool) -> Status:
    return "met" if inside else "refuted" if outside else "undecided"


def _words(bounds: Mapping[str, float]) -> str:
    """`above 0.001 and below 1`."""
    return " and ".join(f"{side} {bounds[side]:g}" for side in ("above", "below") if side in bounds)


def _found(at: Measured, where: str = "") -> str:
    """`0.02098 (0.02006 to 0.0219), at least 0.019`."""
    interval = f" ({at.low:.4g} to {at.high:.4g})" if not math.isnan(at.low + at.high) else ""
    lower = f", at least {at.lower:.4g}" if at.lower is not None else ""
    return f"{at.value:.4g}{interval or (', no interval' if math.isfinite(at.value) else '')}{where}{lower}"


def _stored(entry: Mapping[str, Any]) -> Measured:
    """A number of verdict.json, where null stands for numbers that are not finite."""
    value, low, high, se = (math.nan if entry[name] is None else entry[name] for name in ("value", "ci_low", "ci_high", "se"))
    return Measured(value, low, high, entry.get("lower"), se)


def _error(result: Result, xi: str, step: int) -> Measured:
    """E|theta - xi|^2 at a recorded step. If nothing is random, or if it is infinite, the interval is the number itself."""
    errors, at = result.run.errors[xi], result.run.step.tolist().index(step)
    value, se, low, high = (float(field[at]) for field in (errors.mse, errors.se, errors.ci_low, errors.ci_high))
    if math.isinf(value) or (result.exact and math.isnan(se)):
        return Measured(value, value, value, None, 0.0)
    return Measured(value, low, high, None, se)


def _step(entry: Mapping[str, Any], result: Result) -> int:
    return int(entry.get("step", result.run.step[-1]))


def _about(xi: str, step: int) -> str:
    return f"E|Θ − {xi}|² at step {step}"


def _verdict(wanted: str | list[str], result: Result) -> Iterator[Row]:
    options = [wanted] if isinstance(wanted, str) else wanted
    verdict = result.verdict["verdict"]
    status: Status = "met" if verdict in options else "undecided" if verdict == "undecided" else "refuted"
    yield Row("expect.verdict", f"verdict {' or '.join(options)}", f"{verdict}: {result.verdict['reason']}", status)


def _bounded(kind: str, wanted: Mapping[str, Mapping[str, float]], measured: Mapping[str, Any]) -> Iterator[Row]:
    """Rows for floors or slopes. wanted: bounds by name; measured: entries of verdict.json by name."""
    for name, bounds in wanted.items():
        key, expected = dotted(("expect", kind, name)), f"{kind} {_of(name)} {_words(bounds)}"
        if name not in measured:
            yield Row(key, expected, "was not measured", "undecided")
            continue
        at = _stored(measured[name])
        step = f" at step {measured[name]['step']}" if "step" in measured[name] else ""
        yield Row(key, expected, _found(at, step), decide(bounds, at))


def _of(name: str) -> str:
    """The name of a slope within a sentence."""
    return f"of E|Θ − {name.removeprefix(ERROR_SLOPE)}|²" if name.startswith(ERROR_SLOPE) else name


def _mse(wanted: list[dict[str, Any]], result: Result) -> Iterator[Row]:
    for k, entry in enumerate(wanted):
        xi, step = label(entry["xi"]), _step(entry, result)
        at = _error(result, xi, step)
        yield Row(f"expect.mse[{k}]", f"{_about(xi, step)} {_words(entry)}", _found(at), decide(entry, at))


def _violations(wanted: int, result: Result) -> Iterator[Row]:
    expected = f"{wanted} violations of the a priori bound"
    bound = result.verdict["bound"]
    if bound is None:
        yield Row("expect.violations", expected, "no a priori bound is known", "undecided")
        return
    known = None not in (bound["low"], bound["high"])
    found = f"{bound['violations']} on {bound['paths']} paths" + (
        f", bound {bound['low']:.4g} to {bound['high']:.4g}" if known else ""
    )
    yield Row("expect.violations", expected, found, "met" if bound["violations"] == wanted else "refuted")


def _within(wanted: list[dict[str, Any]], result: Result) -> Iterator[Row]:
    for k, entry in enumerate(wanted):
        name, at = _quantity(entry, result)
        expected = f"{name} within {entry['standard_errors']:g} standard errors of {_said(entry['of'])}"
        if at is None:
            yield Row(f"expect.within[{k}]", expected, "was not measured", "undecided")
        else:
            yield Row(f"expect.within[{k}]", expected, *_apart(at, entry, *_reference(entry, result)))


def _quantity(entry: Mapping[str, Any], result: Result) -> tuple[str, Measured | None]:
    """The measured number and its name."""
    kind = entry["quantity"]
    if kind == "mse":
        xi, step = label(entry["xi"]), _step(entry, result)
        return _about(xi, step), _error(result, xi, step)
    floors = result.verdict.get("floors", {})
    return f"floor {kind}", _stored(floors[kind]) if kind in floors else None


def _said(of: str | float) -> str:
    return of if isinstance(of, str) else f"{of:g}"


def _reference(entry: Mapping[str, Any], result: Result) -> tuple[float, float]:
    """The known number, and its standard error (0 if it is exact)."""
    of = entry["of"]
    if not isinstance(of, str):
        return of, 0.0
    if of == "theory" and entry["quantity"] == "mse" and label(entry["xi"]) in result.run.theory:
        at = result.run.step.tolist().index(_step(entry, result))
        return float(result.run.theory[label(entry["xi"])][at]), 0.0
    known = result.predictions[of]
    value = math.nan if known["value"] is None else known["value"]
    return value, known.get("se") or 0.0


def _apart(at: Measured, entry: Mapping[str, Any], known: float, known_se: float) -> tuple[str, Status]:
    """How far apart the measured and the known number are, in words, and whether that is close enough."""
    se = math.hypot(at.se, known_se)
    if math.isnan(at.value) or math.isnan(known):
        return f"{at.value:.4g} vs {known:.4g}: not both are numbers", "undecided"
    if math.isnan(se) and math.isfinite(at.value):
        return f"{at.value:.4g}, no standard error", "undecided"
    distance = 0.0 if at.value == known else abs(at.value - known)
    met = distance <= entry["standard_errors"] * se + ROUNDING_TOLERANCE * abs(known)
    beside = "" if _said(entry["of"]) == f"{known:g}" else f" vs {known:.4g}"
    apart = f"{distance / se:.2g} standard errors apart" if se > 0 else f"{distance:.2g} apart, without standard error"
    return f"{at.value:.4g}{beside}: {apart}", "met" if met else "refuted"


def _outcomes(wanted: Mapping[str, Any], result: Result) -> Iterator[Row]:
    paths = int(result.run.summary["paths"])
    for name, expected in wanted.items():
        count = int(result.run.summary["outcomes"][name])
        if isinstance(expected, str):
            met = count == (paths if expected == "all" else 0)
            row = f"{expected} of the paths {name}", f"{count} of {paths}", _side(met, not met)
        else:
            at = Measured(count / paths, count / paths, count / paths) if result.exact else Measured(*share(count, paths))
            row = f"share of paths {name} {_words(expected)}", f"{count} of {paths}, {_found(at)}", decide(expected, at)
        yield Row(f"expect.outcomes.{name}", *row)


EVALUATORS: dict[str, Callable[[Any, Result], Iterable[Row]]] = {
    "verdict": _verdict,
    "floor": lambda wanted, result: _bounded("floor", wanted, result.verdict.get("floors", {})),
    "slope": lambda wanted, result: _bounded("slope", wanted, result.verdict.get("slopes", {})),
    "mse": _mse,
    "violations": _violations,
    "within": _within,
    "outcomes": _outcomes,
}
