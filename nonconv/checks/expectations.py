"""Test a result against the `expect` block of its config: one row per expectation, with what was found in words.

An interval decides. A bound is met if the whole interval is on its side, refuted if the whole interval is on the other
side, and undecided otherwise or without an interval:

    expect: {mse: [{xi: minimizer, above: 0.01}]}     0.02098 (0.02006 to 0.0219)    met
                                                      0.02098 (0.00906 to 0.0329)    undecided
                                                      0.00098 (0.00006 to 0.0019)    refuted

Each key of `expect` has a function below that yields its rows; EVALUATORS lists them.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from nonconv.config.document import KeyPath, dotted
from nonconv.config.expect import ERROR_SLOPE, FLOORS, OUTCOMES, RATE, full_name, is_name, label
from nonconv.config.expression import expression
from nonconv.faults.errors import UsageError
from nonconv.faults.problems import Place, Problem, nearest
from nonconv.report.run import LAST, Run, read_run
from nonconv.statistics.measured_block import MSE_PREFIX
from nonconv.statistics.shares import share
from nonconv.system.words import count

Status = Literal["met", "refuted", "undecided"]
STATUSES: tuple[Status, ...] = ("met", "refuted", "undecided")
VERDICT_KEYS = ("verdict", "floor", "slope", "violations")
"""Expectations that need verdict.json."""
NOT_RECORDED = "was not recorded here"
ROUNDING_TOLERANCE = 1e-12
"""How far a measured number may be from a known one if neither is random, relative to the known one."""


class Facts(NamedTuple):
    """An expectation in numbers, for programs.

    kind: its key in `expect`. relation: how `value` must be to `bound`: above, below, between, one of, equal, or within
    `standard_errors` of it. value: what was measured, with its standard error and 95 % interval; None where there is none.
    lower: of a floor, a bound that holds for all floors at once. file: where the number comes from, in the output folder.
    """

    kind: str = ""
    relation: str = ""
    bound: Any = None
    value: Any = None
    se: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    lower: float | None = None
    file: str = ""
    more: Mapping[str, Any] = MappingProxyType({})

    def of(self, at: "Measured") -> "Facts":
        """Return these facts with a measured number."""
        return self._replace(value=at.value, se=at.se, ci_low=at.low, ci_high=at.high, lower=at.lower)

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as JSON has them: numbers that are not finite become null."""
        found = self._asdict()
        return {name: _as_json(value) for name, value in (found | dict(found.pop("more"))).items()}


def _as_json(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if isinstance(value, list | tuple):
        return [_as_json(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Row(NamedTuple):
    """One expectation: its key in the config, what was expected, what was found in words, its status, and all in numbers."""

    key: str
    expected: str
    found: str
    status: Status
    facts: Facts = Facts()


@dataclass(frozen=True)
class Result:
    """A finished run, as expectations read it.

    verdict: of verdict.json. predictions: of predictions.json. exact: nothing in it is random, so that one path shows
    everything and needs no interval. wider: how many times as far as its interval a number must be from a bound to refute
    it: 1 for one run, more for each of many cells. names: the config in which expressions look up keys; None: the run's.
    """

    run: Run
    verdict: Mapping[str, Any]
    predictions: Mapping[str, Any]
    exact: bool
    wider: float = 1.0
    names: Mapping[str, Any] | None = None

    def seen_by(self, iterate: str) -> "Result | None":
        """Return the result as an iterate sees it; None where a cell of a sweep has no such iterate."""
        if iterate == self.run.iterate:
            return self
        if iterate not in self.run.iterates:
            return None
        run = self.run.seen_by(iterate)
        return replace(self, run=run, verdict=run.verdict, predictions=run.predictions)


class Measured(NamedTuple):
    """A number with its 95 % interval, nan if there is none.

    lower: a one-sided lower bound, for floors, which hold at once. se: the standard error.
    """

    value: float
    low: float
    high: float
    lower: float | None = None
    se: float = math.nan


def read_result(folder: Path, exact: bool) -> Result:
    """Read a finished folder. exact: nothing in the run is random. Raises UsageError if it is not one."""
    run = read_run(folder)
    return Result(run, run.verdict, run.predictions, exact)


def combine(statuses: Iterable[Status]) -> Status:
    """Return the worst status: refuted if any is, else undecided if any is, else met."""
    found = set(statuses)
    return "refuted" if "refuted" in found else "undecided" if "undecided" in found else "met"


def find_unanswerable(expect: Mapping[str, Any], result: Result, source: str) -> list[Problem]:
    """Find each `within` expectation that names a prediction which this experiment does not have.

    Only the result knows its predictions, so this cannot be found when the config is read. source: the config's name.
    """
    found = []
    for k, entry in enumerate(expect.get("within", ())):
        allowed = _known_predictions(entry, result.seen_by(entry.get("iterate", LAST)) or result)
        if not is_name(entry["of"]):
            if _calculated(entry["of"], result) is None:
                where = Place(source, 0, 0, "")
                found.append(Problem(f"{entry['of']} is no number here", where, dotted(("expect", "within", k, "of"))))
        elif isinstance(entry["of"], str) and entry["of"] not in allowed:
            known = ", ".join([*allowed, "a number"])
            key = dotted(("expect", "within", k, "of"))
            about = f" for xi = {label(entry['xi'])}" if entry["quantity"] == "mse" else ""
            what = f"there is no prediction {entry['of']!r}{about}"
            found.append(Problem(what, Place(source, 0, 0, ""), key, known, nearest(entry["of"], allowed)))
    return found


def _known_predictions(entry: Mapping[str, Any], result: Result) -> list[str]:
    """List the predictions that an entry of `within` may name."""
    exact = entry["quantity"] == "mse" and label(entry["xi"]) in result.run.theory
    return [*(["theory"] if exact else []), *result.predictions]


def evaluate(expect: Mapping[str, Any], result: Result) -> list[Row]:
    """Test every expectation about a run: one row each, in the order of the keys.

    expect: the block of a resolved config, for which `find_unanswerable` finds nothing. Raises UsageError if an expectation
    needs verdict.json and the folder has none.
    """
    expect = {name: wanted for name, wanted in expect.items() if name in EVALUATORS}
    if not result.verdict and any(name in expect for name in VERDICT_KEYS):
        raise UsageError(
            f"{result.run.folder} has no verdict.json: another version of nonconv computed it; --force computes it again"
        )
    return [row for name, wanted in expect.items() for row in EVALUATORS[name](wanted, result)]


def decide(bounds: Mapping[str, float], at: Measured, wider: float = 1.0) -> Status:
    """Decide by its interval whether a number is within its bounds. bounds: `above`, `below` or both.

    A floor meets `above` by its lower bound, which holds for all floors at once. wider: as in Result.
    """
    statuses: list[Status] = []
    low, high = (at.value + (end - at.value) * wider if wider != 1.0 and end != at.value else end for end in (at.low, at.high))
    if "above" in bounds:
        # A floor's own interval is two-sided and does not hold for all floors at once.
        surely = at.low if at.lower is None else at.lower
        statuses.append(_status(surely >= bounds["above"], high < bounds["above"]))
    if "below" in bounds:
        statuses.append(_status(at.high <= bounds["below"], low > bounds["below"]))
    return combine(statuses)


def bounds_facts(kind: str, bounds: Mapping[str, float], file: str = "") -> Facts:
    """Return an expectation of `above`, `below` or both, in numbers."""
    sides = [side for side in ("above", "below") if side in bounds]
    bound = [bounds[side] for side in sides]
    return Facts(kind, "between" if len(sides) == 2 else sides[0], bound if len(sides) == 2 else bound[0], file=file)


def _status(inside: bool, outside: bool) -> Status:
    """Return the status of one bound; undecided if the interval lies on both sides."""
    return "met" if inside else "refuted" if outside else "undecided"


def bounds_text(bounds: Mapping[str, float]) -> str:
    """Write bounds as `above 0.001 and below 1`."""
    return " and ".join(f"{side} {bounds[side]:g}" for side in ("above", "below") if side in bounds)


def measured_text(at: Measured, where: str = "") -> str:
    """Write a number as `0.02098 (0.02006 to 0.0219), at least 0.019`."""
    interval = f" ({at.low:.4g} to {at.high:.4g})" if not math.isnan(at.low + at.high) else ""
    lower = f", at least {at.lower:.4g}" if at.lower is not None else ""
    return f"{at.value:.4g}{interval or (', no interval' if math.isfinite(at.value) else '')}{where}{lower}"


def _read_number(entry: Mapping[str, Any]) -> Measured:
    """Read a number of verdict.json, where null is any number that is not finite."""
    value, low, high, se = (math.nan if entry[name] is None else entry[name] for name in ("value", "ci_low", "ci_high", "se"))
    return Measured(value, low, high, entry.get("lower"), se)


def _error(result: Result, xi: str, step: int) -> Measured | None:
    """Return E|theta - xi|^2 at a recorded step; None where a cell of a sweep has no such step or xi.

    If nothing is random, or if it is infinite, the interval is the number itself.
    """
    if xi not in result.run.errors or step not in result.run.step:
        return None
    errors, at = result.run.errors[xi], result.run.step.tolist().index(step)
    value, se, low, high = (float(field[at]) for field in (errors.mse, errors.se, errors.ci_low, errors.ci_high))
    if math.isinf(value) or (result.exact and math.isnan(se)):
        return Measured(value, value, value, None, 0.0)
    return Measured(value, low, high, None, se)


def _step(entry: Mapping[str, Any], result: Result) -> int:
    """Return the step of an expectation: the last recorded one if it names none."""
    return int(entry.get("step", result.run.step[-1]))


def _error_name(xi: str, step: int) -> str:
    """Name an error for people."""
    return f"E|Θ − {xi}|² at step {step}"


def _verdict(wanted: str | list[str] | Mapping[str, str | list[str]], result: Result) -> Iterator[Row]:
    """Yield the row of the verdict, or one per iterate. An undecided run refutes nothing."""
    for iterate, one in wanted.items() if isinstance(wanted, Mapping) else [("", wanted)]:
        options = [one] if isinstance(one, str) else one
        key, whose = ("expect.verdict", "") if not iterate else (dotted(("expect", "verdict", iterate)), f" on {iterate}")
        expected = f"verdict{whose} {' or '.join(options)}"
        seen, facts = result.seen_by(iterate or LAST), Facts("verdict", "one of", list(options), file="verdict.json")
        if seen is None:
            yield Row(key, expected, NOT_RECORDED, "undecided", facts)
            continue
        verdict = seen.verdict["verdict"]
        # `undecided` may itself be expected, which then is met.
        status: Status = "met" if verdict in options else "undecided" if verdict == "undecided" else "refuted"
        yield Row(key, expected, f"{verdict}: {seen.verdict['reason']}", status, facts._replace(value=verdict))


def _whose(entry: Mapping[str, Any]) -> str:
    """Name the iterate that an expectation is of, before what is expected; empty for the last."""
    iterate = entry.get("iterate", LAST)
    return "" if iterate == LAST else f"{iterate}: "


def _listed(path: KeyPath, given: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the bounds of a name, or each of several, with their keys."""
    if isinstance(given, list | tuple):
        yield from ((dotted((*path, k)), one) for k, one in enumerate(given))
    else:
        yield dotted(path), given


def _bounded(kind: str, wanted: Mapping[str, Any], result: Result) -> Iterator[Row]:
    """Yield rows for floors or slopes. kind: floor or slope. wanted: bounds by name."""
    for name, given in wanted.items():
        for key, bounds in _listed(("expect", kind, name), given):
            yield _bounded_row(kind, name, key, bounds, result)


def _bounded_row(kind: str, name: str, key: str, bounds: Mapping[str, Any], result: Result) -> Row:
    """Return the row of one floor or slope."""
    expected, facts = (
        f"{_whose(bounds)}{kind} {_slope_name(name)} {bounds_text(bounds)}",
        bounds_facts(kind, bounds, "verdict.json"),
    )
    seen = result.seen_by(bounds.get("iterate", LAST))
    measured = {} if seen is None else seen.verdict.get(f"{kind}s", {})
    if seen is None or name not in measured:
        return Row(key, expected, "was not measured", "undecided", facts)
    at = _read_number(measured[name])
    step = f" at step {measured[name]['step']}" if "step" in measured[name] else ""
    found = measured_text(at, step) if not math.isnan(at.value) else _why_no_value(seen, name)
    return Row(key, expected, found, decide(bounds, at, result.wider), facts.of(at))


def _slope_name(name: str) -> str:
    """Name a slope within a sentence."""
    return f"of E|Θ − {name.removeprefix(ERROR_SLOPE)}|²" if name.startswith(ERROR_SLOPE) else name


def _mse(wanted: list[dict[str, Any]], result: Result) -> Iterator[Row]:
    """Yield a row per entry of `mse`: an error at a step."""
    for k, entry in enumerate(wanted):
        xi, step = label(entry["xi"]), _step(entry, result)
        key, expected = f"expect.mse[{k}]", f"{_whose(entry)}{_error_name(xi, step)} {bounds_text(entry)}"
        facts, seen = bounds_facts("mse", entry, "error.csv"), result.seen_by(entry.get("iterate", LAST))
        at = None if seen is None else _error(seen, xi, step)
        if seen is None or at is None:
            yield Row(key, expected, NOT_RECORDED, "undecided", facts)
        else:
            found = measured_text(at) if not math.isnan(at.value) else _why_no_value(seen, f"{MSE_PREFIX}{xi}")
            yield Row(key, expected, found, decide(entry, at, result.wider), facts.of(at))


def _why_no_value(result: Result, name: str) -> str:
    """Say that a mean over paths has no value, and why, if that is known. name: as in measured_block.end_names."""
    reason = result.run.summary.get("without_interval", {}).get(name, "")
    return f"no value: {reason}" if reason else "nan"


def _of_quantity(name: str, step: int | None, result: Result, iterate: str = "") -> tuple[str, Measured | None]:
    """Return the full name of a quantity with its step, and its number there; None where a cell of a sweep has none."""
    own = result.run.iterate
    iterate = iterate or own
    full = full_name(name, [known for of, known in result.run.courses if of == iterate])
    if full is None:
        return name, None
    course = result.run.courses[iterate, full]
    full = full if iterate == own else f"{full} of {iterate}"
    steps = course.step.tolist()
    wanted = steps[-1] if step is None else step
    if wanted not in steps:
        return f"{full} at step {wanted}", None
    value, se, low, high = (float(field[steps.index(wanted)]) for field in course[1:5])
    exact = math.isinf(value) or (result.exact and math.isnan(low) and math.isnan(high))
    if math.isnan(se) and low == high == value:
        se = 0.0  # its own interval, as what is counted, or a rate without noise
    at = Measured(value, value, value, None, 0.0) if exact else Measured(value, low, high, None, se)
    return f"{full} at step {wanted}", at


def _quantities(wanted: list[dict[str, Any]], result: Result) -> Iterator[Row]:
    """Yield a row per entry of `quantity`."""
    for k, entry in enumerate(wanted):
        yield _quantity_row("quantity", f"expect.quantity[{k}]", entry["name"], entry, result)


def _named(kind: str, prefix: str, wanted: Mapping[str, Any], result: Result) -> Iterator[Row]:
    """Yield a row per rate or quantile. prefix: of the name of the quantity."""
    for name, given in wanted.items():
        for key, bounds in _listed(("expect", kind, name), given):
            yield _quantity_row(kind, key, f"{prefix}{name}", bounds, result)


def _quantity_row(kind: str, key: str, name: str, bounds: Mapping[str, Any], result: Result) -> Row:
    """Return the row of a quantity and its bounds."""
    where, at = _of_quantity(name, bounds.get("step"), result, bounds.get("iterate", LAST))
    expected, facts = f"{where} {bounds_text(bounds)}", bounds_facts(kind, bounds, "quantities.csv")
    if at is None:
        return Row(key, expected, NOT_RECORDED, "undecided", facts)
    if math.isnan(at.value):
        known = f", at least {at.low:.4g}" if not math.isnan(at.low) else ""
        return Row(key, expected, f"unknown{known}", decide(bounds, at, result.wider), facts.of(at))
    return Row(key, expected, measured_text(at), decide(bounds, at, result.wider), facts.of(at))


def _violations(wanted: int, result: Result) -> Iterator[Row]:
    """Yield the row of the a priori bound: how many paths left it."""
    expected = f"{count(wanted, 'violation')} of the a priori bound"
    bound, facts = result.verdict["bound"], Facts("violations", "equal", wanted, file="verdict.json")
    if bound is None:
        yield Row("expect.violations", expected, "no a priori bound is known", "undecided", facts)
        return
    known = None not in (bound["low"], bound["high"])
    found = f"{bound['violations']} on {count(bound['paths'], 'path')}" + (
        f", bound {bound['low']:.4g} to {bound['high']:.4g}" if known else ""
    )
    met = bound["violations"] == wanted
    yield Row("expect.violations", expected, found, "met" if met else "refuted", facts._replace(value=bound["violations"]))


def _within(wanted: list[dict[str, Any]], result: Result) -> Iterator[Row]:
    """Yield a row per entry of `within`: a measured number and a known one."""
    for k, entry in enumerate(wanted):
        seen = result.seen_by(entry.get("iterate", LAST))
        name, at = _quantity(entry, seen or result)
        at = at if seen else None
        expected = f"{_whose(entry)}{name} within {_room_text(entry)} of {_reference_text(entry['of'])}"
        facts = Facts("within", "within", file=_file_of(entry["quantity"]))
        facts = facts._replace(more={name: entry[name] for name in ROOM if name in entry})
        known = _reference(entry, seen) if at and seen else None
        if at and known and entry["quantity"] in OUTCOMES and not result.exact:
            at = at._replace(se=math.sqrt(max(known[0] * (1.0 - known[0]), 0.0) / int(result.run.summary["paths"])))
        if at is None or known is None:
            missing = "was not measured" if at is None else "its reference is not known here"
            yield Row(f"expect.within[{k}]", expected, missing, "undecided", facts)
        else:
            facts = facts.of(at)._replace(bound=known[0])
            yield Row(f"expect.within[{k}]", expected, *compare_with_known(at, entry, *known), facts)


ROOM = ("standard_errors", "relative")
"""What says how far a measured number may be from a known one."""


def _room_text(entry: Mapping[str, Any]) -> str:
    """Write how far a number may be from a known one: `4 standard errors`, `4 standard errors and 0.1 %`."""
    more = f" and {100.0 * entry['relative']:.4g} %" if entry.get("relative") else ""
    return f"{entry['standard_errors']:g} standard errors{more}"


def _file_of(quantity: str) -> str:
    """Return the data file that a measured number is read from."""
    if quantity in OUTCOMES:
        return "summary.json"
    return "error.csv" if quantity == "mse" else "verdict.json" if quantity in FLOORS else "quantities.csv"


def _quantity(entry: Mapping[str, Any], result: Result) -> tuple[str, Measured | None]:
    """Return the name of the measured number, and the number; None if it was not measured."""
    kind = entry["quantity"]
    if kind == "mse":
        xi, step = label(entry["xi"]), _step(entry, result)
        return _error_name(xi, step), _error(result, xi, step)
    if kind in OUTCOMES:
        ended = _ended(kind, result)
        return f"share of paths {kind}", None if ended is None else _share_of_paths(ended, result)
    if kind not in FLOORS:
        return _of_quantity(kind, entry.get("step"), result)
    floors = result.verdict.get("floors", {})
    return f"floor {kind}", _read_number(floors[kind]) if kind in floors else None


def _reference_text(of: str | float) -> str:
    """Write the known number as in the config."""
    return of if isinstance(of, str) else f"{of:g}"


def _reference(entry: Mapping[str, Any], result: Result) -> tuple[float, float] | None:
    """Return the known number, and its standard error (0 if it is exact); None where a cell of a sweep has none."""
    of = entry["of"]
    if not isinstance(of, str):
        return of, 0.0
    if not is_name(of):
        calculated = _calculated(of, result)
        return None if calculated is None else (calculated, 0.0)
    if of == "theory" and entry["quantity"] == "mse" and label(entry["xi"]) in result.run.theory:
        at = result.run.step.tolist().index(_step(entry, result))
        return float(result.run.theory[label(entry["xi"])][at]), 0.0
    if of not in result.predictions:
        return None
    known = result.predictions[of]
    return known["value"], known["se"]


def _calculated(text: str, result: Result) -> float | None:
    """Return the number that an expression is with the keys of the config; None where it is none."""
    value = expression(text).value(result.run.config if result.names is None else result.names)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def compare_with_known(at: Measured, entry: Mapping[str, Any], known: float, known_se: float) -> tuple[str, Status]:
    """Say in words how far apart the measured and the known number are, and whether that is close enough."""
    se = math.hypot(at.se, known_se)
    if math.isnan(at.value) and not math.isnan(known):
        return f"no value to compare with {known:.4g}", "undecided"
    if math.isnan(at.value) or math.isnan(known):
        return f"{at.value:.4g} vs {known:.4g}: not both are numbers", "undecided"
    # One path of a random run has no standard error, and a number alone proves nothing.
    if math.isnan(se) and math.isfinite(at.value):
        return f"{at.value:.4g}, no standard error", "undecided"
    # Equal infinities have no difference.
    distance = 0.0 if at.value == known else abs(at.value - known)
    met = distance <= entry["standard_errors"] * se + (entry.get("relative") or ROUNDING_TOLERANCE) * abs(known)
    beside = "" if _reference_text(entry["of"]) == f"{known:g}" else f" vs {known:.4g}"
    return f"{at.value:.4g}{beside}: {apart(distance, se, entry, met)}", "met" if met else "refuted"


def apart(distance: float, se: float, entry: Mapping[str, Any], met: bool) -> str:
    """Say how far apart two numbers are: in standard errors, unless these do not decide."""
    if not se > 0:
        return f"{distance:.2g} apart, without standard error"
    rounded = met and distance > entry["standard_errors"] * se
    return f"{distance:.2g} apart" if rounded else f"{standard_errors(distance, se)} apart"


def standard_errors(distance: float, se: float) -> str:
    """Write a distance in standard errors."""
    number = f"{distance / se:.2g}"
    return f"{number} standard error{'' if number == '1' else 's'}"


def _outcomes(wanted: Mapping[str, Any], result: Result) -> Iterator[Row]:
    """Yield a row per outcome: all, none, or a share of the paths."""
    for name, expected in wanted.items():
        ended = _ended(name, result)
        yield Row(f"expect.outcomes.{name}", *_outcome(name, expected, ended, result))


def _outcome(name: str, expected: Any, ended: int | None, result: Result) -> tuple[str, str, Status, Facts]:
    """Return the rest of the row of an outcome. ended: how many paths end so; None where a cell of a sweep cannot tell."""
    paths = int(result.run.summary["paths"])
    if isinstance(expected, str):
        target = paths if expected == "all" else 0
        text, facts = f"{expected} of the paths {name}", Facts("outcomes", "equal", target, ended, file="summary.json")
        if ended is None:
            return text, NOT_RECORDED, "undecided", facts
        return text, f"{ended} of {paths}", _status(ended == target, ended != target), facts
    text, facts = f"share of paths {name} {bounds_text(expected)}", bounds_facts("outcomes", expected, "summary.json")
    if ended is None:
        return text, NOT_RECORDED, "undecided", facts
    at = _share_of_paths(ended, result)
    return text, f"{ended} of {paths}, {measured_text(at)}", decide(expected, at, result.wider), facts.of(at)


def _ended(name: str, result: Result) -> int | None:
    """Return how many paths end in a way; None where a cell of a sweep has no such way."""
    summary = result.run.summary
    network = summary.get("network") or {}
    known = summary["outcomes"] | summary.get("domain", {}) | (network.get("spoiled") or {})
    return int(known[name]) if name in known else None


def _share_of_paths(ended: int, result: Result) -> Measured:
    """Return a share of the paths with its interval; the number itself where nothing is random."""
    paths = int(result.run.summary["paths"])
    return Measured(ended / paths, ended / paths, ended / paths, None, 0.0) if result.exact else Measured(*share(ended, paths))


EVALUATORS: dict[str, Callable[[Any, Result], Iterable[Row]]] = {
    "verdict": _verdict,
    "floor": lambda wanted, result: _bounded("floor", wanted, result),
    "slope": lambda wanted, result: _bounded("slope", wanted, result),
    "mse": _mse,
    "quantity": _quantities,
    "rate": lambda wanted, result: _named("rate", f"{RATE}: ", wanted, result),
    "quantile": lambda wanted, result: _named("quantile", "", wanted, result),
    "violations": _violations,
    "within": _within,
    "outcomes": _outcomes,
}
