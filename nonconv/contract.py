"""Does a component keep its contract? Checks that a plug-in's author can call; each passes or says why not.

Whatever is random is drawn from fixed seeds, so that a check gives the same answer every time.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, get_args, get_origin

import numpy as np
from annotated_types import Interval, Len
from pydantic import ValidationError

from nonconv.arithmetic import Array
from nonconv.broken import Broken, Check, demand_same_bits
from nonconv.components import Component, Coupled, Distribution, Initialisation, Law, Limits, Objective, Optimizer, Schedule
from nonconv.config.plugins import Plugin, blame
from nonconv.config.spec import common_parameters, component_model, parameters_from
from nonconv.contract_networks import OF_EXAMPLES, OF_INITIALISATIONS, OF_NETWORKS
from nonconv.data.continuous import UNIFORM, Uniform
from nonconv.data.discrete import TWO_POINT, TwoPoint
from nonconv.data.nothing import NOTHING, Nothing
from nonconv.engine.blocks import Block, simulate
from nonconv.engine.program import Program
from nonconv.engine.reference import Reference
from nonconv.errors import NonconvError
from nonconv.objectives.quadratic import QUADRATIC, Quadratic
from nonconv.optimizers.adam import ADAM, Adam
from nonconv.parameters import Parameter, bare, parameters_of, without_none
from nonconv.rng import key, uniforms

STEPS, PATHS, SEED = 200, 13, 3
LAYOUTS = [(1, "1"), (3, "1"), (2, "5"), (2, "growing")]
"""Coordinates and batch sizes that the engines are compared on."""
MOST_EXAMPLES, MOST_TRIED = 8, 500
OFFERED = {
    "data": [{"name": "two_point", "low": -1.0, "high": 2.0, "p_high": 0.25}],
    "examples": [{"name": "function", "inputs": 2}],
}
"""Components for parameters that are one, by kind."""
NUMBERS = (0.5, 0.1, 1.0, 2.0, 0.9, 0.01, -1.0, 5.0, 0.0, 100.0, -10.0)
WHOLE = (2, 1, 3, 10, 0, 100, -1)
SAMPLES = 2**17
STANDARD_ERRORS = 5.0
FAR = (1e6, 1e9, 1e12, 1e15)
"""Steps around which a schedule is held against its limits."""


class Finding(NamedTuple):
    """What a check of a component found; without reasons it passed."""

    kind: str
    component: str
    check: str
    reasons: tuple[str, ...]


def contract_of(plugin: Plugin) -> list[Finding]:
    """Every check of every component that a plug-in registers; what is both data and start is checked once."""
    said = getattr(plugin.module, "EXAMPLES", {})
    examples = said if isinstance(said, dict) else {}
    different: dict[int, tuple[str, Component]] = {}
    for kind, component in plugin.components:
        different.setdefault(id(component), (kind, component))
    return [found for kind, c in different.values() for found in findings(kind, c, examples.get(c.name, []))]


def findings(kind: str, component: Component, offered: Sequence[Any] = ()) -> Iterator[Finding]:
    """Every check of one component, with the parameters its author offers as mappings, or else with plausible ones."""

    def finding(check: str, reasons: Iterable[str]) -> Finding:
        return Finding(kind, component.name, check, tuple(reasons))

    yield finding("its parameters say what they mean", _silent(kind, component))
    examples, reasons = _examples(kind, component, offered)
    yield finding("a config can choose its parameters", reasons)
    if examples:
        for check, test in checks_of(kind, component).items():
            yield finding(check, _reasons(test, component, examples))


def _reasons(test: Check, component: Component, examples: Sequence[Any]) -> list[str]:
    """Why the check fails, for the first of the examples that it fails with."""
    for h in examples:
        reason = _reason(test, component, h)
        if reason:
            return [f"{reason} (with {_short(h)})"]
    return []


def _reason(test: Check, component: Component, h: Any) -> str:
    try:
        with np.errstate(all="ignore"):
            test(component, h)
    except Broken as broken:
        return str(broken)
    except NonconvError as error:
        return _first_line(error)
    except Exception as error:  # a plug-in's code may raise anything
        return _first_line(blame(error) or f"{type(error).__name__}: {error}")
    return ""


def _first_line(said: object) -> str:
    return str(said).partition("\n")[0]


def _short(h: Any) -> str:
    """The parameters in a few words."""
    told = [f"{name}: {value}" for name, value in h._asdict().items() if name != "data"]
    return ", ".join(told) or "its defaults"


# Parameters


def _silent(kind: str, component: Component) -> Iterator[str]:
    for parameter in [*parameters_of(component.parameters), *common_parameters(kind)]:
        if not parameter.meaning:
            yield f"{parameter.name} has no meaning; write Annotated[..., Doc('what it means')]"
    if not component.paper:
        yield "paper is empty; say where it is from"


def _examples(kind: str, component: Component, offered: Sequence[Any]) -> tuple[list[Any], list[str]]:
    """Different parameters that a config could have, and what is wrong with those that it should."""
    found: list[Any] = []
    refused: list[str] = []
    optional = not any(parameter.required for parameter in parameters_of(component.parameters))
    must_hold = len(offered) or int(optional)  # what the file offers, or else the defaults, which come first
    for k, values in enumerate(offered or _plausible(component)):
        try:
            model = component_model(kind, component.name).model_validate({"name": component.name, **values})
            found.append(parameters_from(component, model))
        except Exception as error:  # of a check, or of what the file offers
            refused += [_why_not(values, error)] if k < must_hold or not found else []
        if len(found) == MOST_EXAMPLES:
            break
    if not found:
        hint = f"EXAMPLES = {{{component.name!r}: [{{...}}]}} in the file can say what is"
        return [], [f"nothing that was tried is allowed; {hint}", *refused[:1]]
    return found, refused[:1] if must_hold else []


def _why_not(values: Any, error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return _first_line(blame(error) or f"{values}: {type(error).__name__}: {error}")
    first = error.errors(include_url=False)[0]
    context = first.get("ctx", {})
    problem = blame(context["error"]) if isinstance(context.get("error"), Exception) else None
    said = context.get("message", f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    return _first_line(problem) if problem else f"{values or 'the defaults'}: {said}"


def _plausible(component: Component) -> Iterator[dict[str, Any]]:
    """Config values, the simplest first: required ones in every combination, then each of the others by itself."""
    parameters = parameters_of(component.parameters)
    required = {p.name: _values(p) for p in parameters if p.required}
    bases = [dict(zip(required, values, strict=True)) for values in itertools.product(*required.values())]
    yield from bases[:1]
    for p in parameters:
        yield from (base | {p.name: value} for base in bases[:1] for value in _values(p)[:3] if not p.required)
    yield from bases[1:MOST_TRIED]


def _values(parameter: Parameter) -> list[Any]:
    """Values that the annotation allows."""
    if parameter.kind:
        return OFFERED.get(parameter.kind, [])
    return _values_of(parameter.annotation)


def _values_of(annotation: Any) -> list[Any]:
    core, metadata = bare(annotation)
    core, origin = without_none(core), get_origin(without_none(core))
    if origin is Literal:
        return list(get_args(core))
    if core is bool:
        return [True, False]
    if origin is tuple:
        inner, least = _values_of(get_args(core)[0]), next((item.min_length for item in metadata if isinstance(item, Len)), 0)
        return [inner[:n] for n in (max(2, least), max(1, least)) if len(inner) >= n]
    if core in (int, float):
        bounds = [item for item in metadata if isinstance(item, Interval)]
        return [number for number in _candidates(core, bounds) if all(_within(number, bound) for bound in bounds)]
    return _values_of(get_args(core)[0]) if get_args(core) and origin is not dict else []


def _candidates(core: type[Any], bounds: Sequence[Interval]) -> list[Any]:
    """Common numbers, and some near the ends of the intervals."""
    ends = [end for b in bounds for end in (b.ge, b.gt, b.le, b.lt) if isinstance(end, int | float)]
    step = 1 if core is int else 0.25
    near = [core(end + offset) for end in ends if abs(end) < 1e9 for offset in (step, -step, 0)]
    return list(dict.fromkeys([*(WHOLE if core is int else NUMBERS), *near]))


def _within(number: Any, bound: Any) -> bool:
    return (
        (bound.ge is None or number >= bound.ge)
        and (bound.gt is None or number > bound.gt)
        and (bound.le is None or number <= bound.le)
        and (bound.lt is None or number < bound.lt)
    )


# Programs to run


def _program(dim: int, batch: str, **changes: Any) -> Program:
    """Adam on the quadratic with two-point data, and what is changed."""
    scale = tuple(0.5 + 0.25 * j for j in range(dim))
    law = TwoPoint(-1.0, 2.0, 0.3)
    whole: dict[str, Any] = {
        "seed": SEED,
        "dim": dim,
        "steps": STEPS,
        "objective": QUADRATIC,
        "objective_parameters": None,
        "objective_constants": QUADRATIC.prepare(Quadratic(None, dim, scale), dim),
        "data": TWO_POINT,
        "data_constants": TWO_POINT.prepare(law, dim),
        "optimizer": ADAM,
        "optimizer_parameters": Adam(),
        "learning_rate": lambda n: 0.1 * n**-0.25,
        "batch_size": (lambda n: 1.0 + np.floor(n / 6.0)) if batch == "growing" else (lambda n: np.full_like(n, float(batch))),
        "start": np.linspace(-1.0, 0.5, dim),
        "record": np.arange(1, STEPS + 1),
    }
    return Program(**(whole | changes))


def _both(program: Program, paths: int = PATHS) -> tuple[Block, Block]:
    """What the compiled engine and what NumPy makes of it."""
    from nonconv.engine.fused import Fused

    engines = (Fused(program), Reference(program))
    ours, reference = (simulate(program, engine, 0, paths, np.zeros(1, dtype=np.uint8)) for engine in engines)
    return ours, reference


def _same(program: Program, component: Any, role: str) -> None:
    """The engines agree to the bit."""
    ours, reference = (block.theta for block in _both(program))
    demand_same_bits(ours, reference, getattr(component, role), f" in {program.dim} coordinates")


# Optimizers


def _state_is_floats(component: Optimizer, h: Any) -> None:
    state = component.start(h)
    if not isinstance(state, component.state):
        raise Broken(f"start returns {type(state).__name__}, not {component.state.__name__}", component.start)
    for name, value in zip(component.state._fields, state, strict=True):
        if type(value) is not float or not math.isfinite(value):
            raise Broken(f"start: {name} is {value!r}; it must be a finite float", component.start)


def _at_step_is_a_table(component: Optimizer, h: Any) -> None:
    n = np.array([1.0, 2.0, 3.0, 10.0, 1e3, 1e6, 1e12])
    per_step = component.at_step(h, n.copy())
    if not isinstance(per_step, component.per_step):
        raise Broken(f"at_step returns {type(per_step).__name__}, not {component.per_step.__name__}", component.at_step)
    for name, column in zip(component.per_step._fields, per_step, strict=True):
        if np.shape(column) != n.shape:
            raise Broken(f"at_step: {name} has the shape {np.shape(column)}, n has {n.shape}", component.at_step)
        if not np.all(np.isfinite(column)):
            raise Broken(f"at_step: {name} is not finite at step {n[~np.isfinite(column)][0]:g}", component.at_step)


def _of_the_step_alone(function: Callable[[Array], Any], blamed: Callable[..., Any]) -> None:
    """The same numbers however the steps are cut or ordered, and the steps left alone."""
    n = np.arange(1.0, 61.0)
    given = n.copy()
    whole = np.atleast_2d(np.array(function(given)))
    if not np.array_equal(given, n):
        raise Broken("changes the steps it is given", blamed)
    pieces = [np.atleast_2d(np.array(function(n[first:last].copy()))) for first, last in ((0, 1), (1, 17), (17, 60))]
    if not np.array_equal(np.concatenate(pieces, axis=1), whole):
        raise Broken("gives other numbers when the steps are cut in pieces", blamed)
    if not np.array_equal(np.atleast_2d(np.array(function(n[::-1].copy())))[:, ::-1], whole):
        raise Broken("gives other numbers when the steps come in another order", blamed)


def _at_step_of_the_step_alone(component: Optimizer, h: Any) -> None:
    if component.per_step._fields:
        _of_the_step_alone(lambda n: component.at_step(h, n), component.at_step)


def _update_compiles(component: Optimizer, h: Any) -> None:
    for dim, batch in LAYOUTS:
        _same(_program(dim, batch, optimizer=component, optimizer_parameters=h), component, "update")


def _update_is_pure(component: Optimizer, h: Any) -> None:
    """Each lane moves as it would alone, and nothing that is given is changed."""
    gradients = np.array([-3.0, -1e-3, 0.5, 1.0, 2.0, 1e4])
    columns = component.at_step(h, np.arange(1.0, 6.0))
    together, alone = gradients.copy(), list(gradients)
    state = component.state(*(np.full_like(gradients, value) for value in component.start(h)))
    states = [component.start(h) for _ in alone]
    for t in range(5):
        per_step = component.per_step(*(float(column[t]) for column in columns))
        before = [value.copy() for value in state]
        direction, after = component.update(per_step, state, together)
        if not np.array_equal(together, gradients * (-0.75) ** t):
            raise Broken("update changes the gradient it is given", component.update)
        if any(not np.array_equal(now, then) for now, then in zip(state, before, strict=True)):
            raise Broken("update changes the state it is given; it must return a new one", component.update)
        moved = [component.update(per_step, s, float(g)) for s, g in zip(states, together, strict=True)]
        if not np.array_equal(np.broadcast_to(direction, gradients.shape), [d for d, _ in moved], equal_nan=True):
            raise Broken("update moves a path otherwise beside others than alone", component.update)
        state = component.state(*(np.broadcast_to(value, gradients.shape).copy() for value in after))
        states, together = [s for _, s in moved], gradients * (-0.75) ** (t + 1)


# Data


def _dim(component: Any, h: Any) -> int:
    return int(component.dim(h) or 2) if isinstance(component, Distribution) else int(getattr(h, "dim", 1))


def _entry(component: Any, h: Any, dim: int, j: int) -> Any:
    return component.constants(*(field[j] for field in component.prepare(h, dim)))


def _constants_fit(component: Any, h: Any) -> None:
    dim = _dim(component, h)
    constants = component.prepare(h, dim)
    if not isinstance(constants, component.constants):
        raise Broken(f"prepare returns {type(constants).__name__}, not {component.constants.__name__}", component.prepare)
    for name, field in zip(component.constants._fields, constants, strict=True):
        if np.shape(field)[:1] != (dim,):
            raise Broken(f"prepare: {name} has the shape {np.shape(field)} for {dim} coordinates", component.prepare)
        if getattr(field, "dtype", None) not in (np.float64, np.uint64):
            raise Broken(f"prepare: {name} must be an array of floats", component.prepare)


def _law_fits(component: Distribution, h: Any) -> None:
    dim = _dim(component, h)
    law = component.law(h, dim)
    if not isinstance(law, Law):
        raise Broken(f"law returns {type(law).__name__}, not Law", component.law)
    for name, moment in zip(Law._fields[:5], law[:5], strict=True):
        if np.shape(moment) != (dim,):
            raise Broken(f"law: {name} has the shape {np.shape(moment)} for {dim} coordinates", component.law)
    if not np.all((law.low <= law.mean) & (law.mean <= law.high) & (law.variance >= 0.0)):
        raise Broken("law: low <= mean <= high and variance >= 0 do not hold", component.law)
    if law.symmetric and np.any(np.abs(law.third_central) > 1e-12 * law.variance**1.5):
        raise Broken("law: symmetric, but its third central moment is not 0", component.law)


def _samples(component: Distribution, h: Any, j: int) -> Array:
    """Many samples of a coordinate, the most extreme uniforms among them."""
    last = 1.0 - 2.0**-52
    extremes = np.array([0.0, 2.0**-52, 2.0**-51, 0.25, 0.5, 0.75, last - 2.0**-52, last])
    u = np.concatenate([uniforms(key(SEED, "data"), j, 1, 0, SAMPLES)[0], extremes])
    return np.broadcast_to(component.sample(_entry(component, h, _dim(component, h), j), u), u.shape)


def _samples_in_bounds(component: Distribution, h: Any) -> None:
    law = component.law(h, _dim(component, h))
    for j in range(_dim(component, h)):
        x = _samples(component, h, j)
        outside = ~((law.low[j] <= x) & (x <= law.high[j]) & np.isfinite(x))
        if outside.any():
            what = f"sample gives {x[outside][0]:.17g}, outside of law's bounds {law.low[j]:g} to {law.high[j]:g}"
            raise Broken(what, component.sample)


def _samples_have_moments(component: Distribution, h: Any) -> None:
    """Within five standard errors, these estimated from the sample."""
    law = component.law(h, _dim(component, h))
    for j in range(_dim(component, h)):
        x = _samples(component, h, j)[:SAMPLES]
        mean, deviation = float(x.mean()), x - x.mean()
        m2, m3, m4, m6 = (float((deviation**k).mean()) for k in (2, 3, 4, 6))
        spread = (m2, m4 - m2**2, m6 - m3**2 - 6.0 * m4 * m2 + 9.0 * m2**3)
        names = ("mean", "variance", "third_central")
        for name, seen, known, squared in zip(names, (mean, m2, m3), law[:3], spread, strict=True):
            rounding = 1e-12 * max(abs(mean), math.sqrt(m2)) ** (1 + names.index(name))
            error = math.sqrt(max(squared, 0.0) / SAMPLES)
            if not abs(seen - known[j]) <= STANDARD_ERRORS * error + rounding:
                what = f"law says {name} {known[j]:.6g}, {SAMPLES} samples have {seen:.6g} (standard error {error:.2g})"
                raise Broken(what, component.law)


def _sample_compiles(component: Distribution, h: Any) -> None:
    dims = {dim for dim, _ in LAYOUTS} if component.dim(h) is None else {component.dim(h)}
    for dim, batch in LAYOUTS:
        if dim in dims or len(dims) == 1:
            size = dim if component.dim(h) is None else _dim(component, h)
            program = _program(size, batch, data=component, data_constants=component.prepare(h, size))
            _same(program, component, "sample")


# Objectives

POINTS = np.array([-2.03, -0.51, -0.07, 0.26, 0.77, 1.4, 3.11])
DATA_LAWS = ((TWO_POINT, TwoPoint(-1.0, 4.0, 0.25)), (UNIFORM, Uniform(-2.0, 3.0)))


def _data_of(component: Objective, h: Any) -> tuple[tuple[Distribution, Any], ...]:
    return DATA_LAWS if hasattr(h, "data") else ((NOTHING, Nothing()),)


def _gradient_compiles(component: Objective, h: Any) -> None:
    law, parameters = _data_of(component, h)[0]
    dim = _dim(component, h)
    for batch in ("1", "5", "growing"):
        changes: dict[str, Any] = {
            "objective": component,
            "objective_parameters": h,
            "objective_constants": component.prepare(h, dim),
            "data": law,
            "data_constants": law.prepare(parameters, dim),
        }
        _same(_program(dim, batch, **changes), component, "gradient")


def _gradient_is_derivative(component: Objective, h: Any) -> None:
    """By central differences, to 1e-6."""
    dim = _dim(component, h)
    for j, x in itertools.product(range(dim), (-1.0, 0.25, 2.0)):
        k = _entry(component, h, dim, j)
        step = 1e-5 * (1.0 + np.abs(POINTS))
        ahead, behind = component.loss(k, POINTS + step, x), component.loss(k, POINTS - step, x)
        difference, slope = (ahead - behind) / (2.0 * step), component.gradient(k, POINTS, x)
        allowed = 1e-6 * np.maximum(1.0, np.maximum(np.abs(ahead), np.abs(difference)))
        wrong = np.broadcast_to(~(np.abs(difference - slope) <= allowed), POINTS.shape)
        if wrong.any():
            at = int(wrong.argmax())
            given = np.broadcast_to(slope, POINTS.shape)[at]
            what = f"at theta = {POINTS[at]:g}, x = {x:g} gradient is {given:.6g}, the loss rises by {difference[at]:.6g}"
            raise Broken(what, component.gradient)


def _minimizer_is_stationary(component: Objective, h: Any) -> None:
    if component.minimizer is None:
        return
    dim = _dim(component, h)
    for law, parameters in _data_of(component, h):
        point = component.minimizer(h, law.law(parameters, dim))
        if np.shape(point) != (dim,):
            raise Broken(f"minimizer has the shape {np.shape(point)} for {dim} coordinates", component.minimizer)
        for j in range(dim):
            x = law.sample(_entry(law, parameters, dim, j), (np.arange(2**12) + 0.5) / 2**12)
            slopes = [component.gradient(_entry(component, h, dim, j), point[j] + offset, x) for offset in (-0.1, 0.0, 0.1)]
            size = max(float(np.abs(slope).mean()) for slope in slopes)
            if not abs(float(np.mean(slopes[1]))) <= 1e-9 * max(size, 1e-300):
                what = f"at the minimizer {point[j]:.6g} the mean gradient is {np.mean(slopes[1]):.3g}, with {law.name} data"
                raise Broken(what, component.minimizer)
            if np.mean(slopes[0]) > 0.0 or np.mean(slopes[2]) < 0.0:
                what = f"{point[j]:.6g} is no minimum: the loss falls beside it, with {law.name} data"
                raise Broken(what, component.minimizer)


# Schedules


def _values_fit(component: Schedule, h: Any) -> None:
    n = np.concatenate([np.arange(1.0, 1001.0), 10.0 ** np.arange(4, 16)])
    values = component.value(h, n.copy())
    if np.shape(values) != n.shape:
        raise Broken(f"value has the shape {np.shape(values)}, n has {n.shape}", component.value)
    if not np.all(np.isfinite(values) & (values >= 0.0)):
        bad = ~(np.isfinite(values) & (values >= 0.0))
        raise Broken(f"value is {values[bad][0]:g} at step {n[bad][0]:g}; it must be finite and not negative", component.value)
    if not np.any(values > 0.0):
        raise Broken("value is 0 at every step", component.value)


def _value_of_the_step_alone(component: Schedule, h: Any) -> None:
    _of_the_step_alone(lambda n: component.value(h, n), component.value)


def _sizes_are_whole(component: Schedule, h: Any) -> None:
    n = np.concatenate([np.arange(1.0, 1001.0), 10.0 ** np.arange(4, 16)])
    sizes = np.asarray(component.value(h, n))
    bad = ~((sizes >= 1.0) & (sizes < 2.0**31) & (sizes == np.floor(sizes)))
    if bad.any():
        what = f"the size is {sizes[bad][0]:g} at step {n[bad][0]:g}; it must be a whole number from 1 to 2147483647"
        raise Broken(what, component.value)


def _limits_hold(component: Schedule, h: Any) -> None:
    """Around steps 1e6 to 1e15 the values come close to the limits, or closer all the time; what is beyond is not seen."""
    limits = component.limits(h)
    if not isinstance(limits, Limits) or not limits.low <= limits.high:
        raise Broken(f"limits returns {limits}; it must be Limits(low, high) with low <= high", component.limits)
    seen = [component.value(h, n + np.arange(5040.0)) for n in FAR]
    if math.isinf(limits.high):
        if not seen[-1].max() > seen[0].max() and not seen[-1].max() >= 2**31 - 1:
            raise Broken(f"limits says it grows without bound; around 1e15 it is {seen[-1].max():g}", component.limits)
        return
    gaps = [max(float((limits.low - x).max()), float((x - limits.high).max()), 0.0) for x in seen]
    close = 1e-6 * max(float(np.abs(seen[0]).max()), abs(limits.high))
    if gaps[-1] > close and not gaps[-1] <= 0.9 * gaps[0]:
        found = f"{seen[-1].min():g} to {seen[-1].max():g}"
        raise Broken(f"limits says {limits.low:g} to {limits.high:g}, but around step 1e15 it is {found}", component.limits)


OF_SCHEDULES: dict[str, Check] = {
    "values are finite, not negative, and one a step": _values_fit,
    "values depend on the step alone": _value_of_the_step_alone,
    "values approach the limits": _limits_hold,
}
OF_DATA: dict[str, Check] = {
    "constants have an entry a coordinate": _constants_fit,
    "law has an entry a coordinate, in order": _law_fits,
    "compiled samples equal NumPy's": _sample_compiles,
    "samples stay within the law's bounds": _samples_in_bounds,
    "samples have the law's moments": _samples_have_moments,
}
CHECKS: dict[str, dict[str, Check]] = {
    "optimizer": {
        "the state starts as floats": _state_is_floats,
        "at_step gives a number a step": _at_step_is_a_table,
        "at_step depends on the step alone": _at_step_of_the_step_alone,
        "update changes nothing it is given": _update_is_pure,
        "compiled update equals NumPy's": _update_compiles,
    },
    "objective": {
        "constants have an entry a coordinate": _constants_fit,
        "compiled gradient equals NumPy's": _gradient_compiles,
        "gradient is the derivative of loss": _gradient_is_derivative,
        "the minimizer has mean gradient zero": _minimizer_is_stationary,
    },
    "data": OF_DATA,
    "examples": OF_EXAMPLES,
    "start": OF_DATA,
    "learning_rate": OF_SCHEDULES,
    "batch_size": {**OF_SCHEDULES, "sizes are whole and at least 1": _sizes_are_whole},
}
"""The checks of each kind by what they say when they pass."""
OF_CLASS: dict[type[Component], dict[str, Check]] = {Coupled: OF_NETWORKS, Initialisation: OF_INITIALISATIONS}
"""Those of classes that share their kind with another."""


def checks_of(kind: str, component: Component) -> dict[str, Check]:
    """The checks of a component."""
    return OF_CLASS.get(type(component), CHECKS[kind])
