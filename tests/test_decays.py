"""Decays that are schedules: what is left of an average's start, and what is said of rules that have them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

from kit.linear import cell_of
from nonconv.components.definitions import Chosen, Optimizer
from nonconv.config.catalogue import BUILT_IN
from nonconv.config.spec import component_model, parameters_from
from nonconv.engine import program as timetable
from nonconv.engine.blocks import simulate
from nonconv.engine.reference import Reference
from nonconv.numerics.arithmetic import Array
from nonconv.optimizers import OPTIMIZERS
from nonconv.optimizers.averages import CHUNK, CHUNKS, Beta, decay_at, forgets_before, lengthens, remainder
from nonconv.theory.structure import structure


def decay(name: str, **values: Any) -> Chosen:
    component = BUILT_IN["decay"][name]
    model = component_model("decay", component).model_validate({"name": name, **values})
    return Chosen(component, parameters_from(component, model))


SLOW = decay("one_minus_power", exponent=1.0, value=0.25)
DECAYS: list[tuple[str, dict[str, Any]]] = [
    ("one_minus_power", {"exponent": 1.0, "value": 0.25}),
    ("one_minus_power", {"exponent": 0.8, "shift": 5.0}),
    ("geometric", {"value": 0.99, "factor": 0.999}),
    ("power", {"value": 0.9, "exponent": 0.1}),
    ("piecewise", {"values": [0.9999, 0.5, 0.99999], "until": [9000, 9001]}),
    ("formula", {"value": "1 - a/n - b*mod(n, 3)/n", "constants": {"a": 0.25, "b": 0.1}}),
]


@pytest.fixture(params=DECAYS, ids=lambda case: case[0])
def beta(request: pytest.FixtureRequest) -> Chosen:
    """Each decay. Made for the test that needs it: a formula asks sympy, which takes a second."""
    name, values = request.param
    return decay(name, **values)


def test_remainder_is_the_product_of_all_decays(beta: Chosen) -> None:
    n = np.arange(1.0, 3.0 * CHUNK)
    expected = np.exp(np.add.accumulate(np.log(decay_at(beta, n).astype(np.longdouble))))
    assert np.allclose(remainder(beta, n), expected.astype(float), rtol=1e-11, atol=1e-17)
    assert not np.allclose(remainder(beta, n + 1.0), expected.astype(float), rtol=1e-11, atol=1e-17)


def test_remainder_has_the_same_bits_in_any_slice(beta: Chosen) -> None:
    """Also across the ends of chunks, in any order, and alone."""
    n = np.arange(CHUNK - 50.0, CHUNK + 50.0)
    whole = remainder(beta, n)
    assert np.array_equal(remainder(beta, n[::-1])[::-1], whole)
    assert np.array_equal([remainder(beta, one)[0] for one in n.reshape(-1, 1)], whole)
    assert np.array_equal(np.concatenate([remainder(beta, n[:7]), remainder(beta, n[7:])]), whole)


def test_remainder_of_late_steps() -> None:
    """Of 1 - a / n it is gamma(n + 1 - a) / gamma(n + 1) / gamma(1 - a), about n^-a; an integral continues the product."""
    last = float(CHUNK * CHUNKS)
    n = np.array([10.0, last - 1.0, last, last + 1.0, 4.0 * last, 1e9, 1e15])
    a = 0.25
    # Stirling's second term; gammaln itself cancels at 1e15.
    expected = np.power(n, -a) * (1.0 + a * (a - 1.0) / 2.0 / n) / special.gamma(1.0 - a)
    # A decay so near to 1 is rounded: what it lacks has an error of n / 2^53 of itself.
    error = np.abs(remainder(SLOW, n) / expected - 1.0)
    assert np.all(error <= np.maximum(1e-10, np.maximum(1.0 / n**2, 1e-17 * n)))
    assert error[1] < 1e-13


def test_remainder_of_a_formula_is_a_product_where_no_integral_serves() -> None:
    """A decay that is 0 at one late step leaves nothing of what came before; one that oscillates is no smooth function of n."""
    late = float(CHUNK * CHUNKS) + 5.0 * CHUNK
    jump = decay("formula", value="where(n == late, 0, 1 - 1/(4*n))", constants={"late": late})
    before, at, after = remainder(jump, late + np.array([-1.0, 0.0, 1.0]))
    assert before == pytest.approx(remainder(SLOW, np.array([late - 1.0]))[0], rel=1e-9)
    assert (at, after) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("text", "least", "most", "limits"),
    [
        ("1 - 0.9/n", 0.55, 1.0, (1.0, 1.0)),
        ("0.9/sqrt(n)", 0.0, 0.9, (0.0, 0.0)),
        ("0.5 + 0.4*sin(n)", 0.1, 0.9, (0.1, 0.9)),
        ("0.2 + 0.1*mod(n, 4)", 0.2, 0.6, (0.2, 0.5)),
        ("n/(n + 1)", 0.0, 1.0, (1.0, 1.0)),
        ("where(n < 10, 0.5, 0.8)", 0.5, 0.8, (0.8, 0.8)),
    ],
)
def test_bounds_of_a_formula(text: str, least: float, most: float, limits: tuple[float, float]) -> None:
    """`least` and `most` hold at every step, and are found from the parts of the formula; the limits need late steps only."""
    beta = decay("formula", value=text)
    assert beta.component.least(beta.parameters) == pytest.approx(least)
    assert beta.component.most(beta.parameters) == pytest.approx(most)
    assert beta.component.limits(beta.parameters) == pytest.approx(limits)
    values = decay_at(beta, np.arange(1.0, 1000.0))
    assert values[1:].min() >= least - 1e-15
    assert values.max() <= most + 1e-15


def test_an_oscillating_decay_is_part_of_the_period(tmp_path: Path) -> None:
    """Floors are averaged over whole periods of everything that oscillates."""
    wave = {"name": "formula", "value": "0.5 + 0.4*sin(2*pi*n/100)"}
    config = {"steps": 2000, "objective": {"name": "quadratic", "data": "rademacher"}, "learning_rate": 0.01}
    assert cell_of(tmp_path, config | {"optimizer": {"name": "adam", "beta1": wave}}).period == 100
    assert cell_of(tmp_path, config | {"optimizer": {"name": "adam", "beta2": LENGTHENING}}).period == 1


def test_what_decays_say() -> None:
    shrinking = decay("geometric", value=0.9)
    assert [lengthens(beta) for beta in (SLOW, shrinking, 0.999)] == [True, False, False]
    cases: list[tuple[Beta, Beta, bool]] = [
        (0.9, 0.999, True),
        (0.9, 0.81, False),
        (shrinking, 0.999, True),
        (shrinking, 0.8, False),
        (0.0, SLOW, False),  # a new square hardly counts in the end
        (SLOW, 0.999, False),
        (decay("formula", value="0.9/sqrt(n)"), 0.999, True),
        (0.9, decay("formula", value="0.9 + 0.05*sin(n)"), True),
        (0.93, decay("formula", value="0.9 + 0.05*sin(n)"), False),
    ]
    assert [forgets_before(beta1, beta2) for beta1, beta2, _ in cases] == [bounded for *_, bounded in cases]


LENGTHENING = {"name": "one_minus_power", "exponent": 0.8}


@pytest.mark.parametrize(
    ("optimizer", "says"),
    [
        ({"name": "adam", "beta2": LENGTHENING}, ""),
        ({"name": "adam", "beta1": {"name": "geometric"}}, ""),
        ({"name": "adam", "beta1": LENGTHENING}, "the averages of gradients of adam lengthen for ever"),
        ({"name": "momentum", "form": "ema", "beta": LENGTHENING}, "the averages of gradients of momentum lengthen for ever"),
        ({"name": "signum", "beta": LENGTHENING}, "the averages of gradients of signum lengthen for ever"),
        ({"name": "adabelief", "beta2": LENGTHENING}, "how long the directions of adabelief become in the long run"),
        ({"name": "adadelta"}, "how long the directions of adadelta become in the long run is not known"),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else "",
)
def test_where_nothing_is_known_no_verdict_rests_on_it(optimizer: dict[str, Any], says: str, tmp_path: Path) -> None:
    """At a constant rate a run may be said not to converge only where noise persists; at any rate to converge only if known."""
    config = {"steps": 2000, "objective": {"name": "quadratic", "data": "rademacher"}, "optimizer": optimizer}
    constant = structure(cell_of(tmp_path, config | {"learning_rate": 0.01}))
    assert constant.void.startswith(says)
    assert bool(constant.forbids) is bool(says)
    falling = structure(cell_of(tmp_path, config | {"learning_rate": {"name": "power", "value": 0.1}}))
    assert [reason.kind for reason in falling.reasons] == ([] if says else ["rate"])
    assert falling.forbids


def iterates(cell_config: dict[str, Any], tmp_path: Path) -> Array:
    program = cell_of(tmp_path, cell_config).program
    return simulate(program, Reference(program), 0, 5, np.zeros(1, dtype=np.uint8)).theta


@pytest.mark.parametrize("name", ["adam", "amsgrad", "nadam", "momentum", "rmsprop", "ademamix"])
def test_slices_of_the_timetable_change_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decays = {"momentum": ("beta",), "rmsprop": ("beta2",), "ademamix": ("beta2",)}.get(name, ("beta1", "beta2"))
    pieces = {"name": "piecewise", "values": [0.5, 0.9], "until": [30]}
    rule = {"name": name} | dict.fromkeys(decays, pieces)
    config = {"steps": 90, "objective": {"name": "quadratic", "data": "uniform"}, "learning_rate": 0.1, "optimizer": rule}
    whole = iterates(config, tmp_path)
    monkeypatch.setattr(timetable, "SLICE_STEPS", 7)
    assert np.array_equal(iterates(config, tmp_path), whole)


def test_a_number_is_a_schedule_that_does_not_change(tmp_path: Path) -> None:
    config = {"steps": 90, "objective": {"name": "quadratic", "data": "uniform"}, "learning_rate": 0.1}
    number = iterates(config | {"optimizer": {"name": "adam", "beta2": 0.99}}, tmp_path)
    pieces = {"name": "piecewise", "values": [0.99], "until": []}
    assert np.allclose(iterates(config | {"optimizer": {"name": "adam", "beta2": pieces}}, tmp_path), number, rtol=1e-12)
    assert cell_of(tmp_path, config | {"optimizer": {"name": "adam", "beta2": 0.99}}).resolved["optimizer"]["beta2"] == 0.99


@pytest.mark.parametrize("name", ["schedule_free_sgd", "schedule_free_adamw"])
def test_rate_zero_moves_nothing(name: str) -> None:
    """At first, in between and for good: no number is 0 / 0, and the average is kept."""
    rule = OPTIMIZERS[name]
    assert isinstance(rule, Optimizer)
    h, rates = rule.parameters(), np.array([0.0, 0.0, 0.1, 0.2, 0.0, 0.1, 0.0, 0.0])
    columns, state, theta = rule.coefficients(h, np.arange(1.0, 9.0), rates), rule.start(h), np.float64(1.0)
    for t, rate in enumerate(rates):
        c = rule.per_step(*(column[t] for column in columns))
        with np.errstate(invalid="ignore"):  # of the choice that is not taken
            direction, after = rule.update(c, state, np.float64(theta - 0.3 * (-1.0) ** t))
        assert np.isfinite(direction)
        assert np.all(np.isfinite(after))
        assert rate > 0.0 or (after.d, after.total, after.largest) == (state.d, state.total, state.largest)
        theta, state = theta - rate * direction, after
    assert rule.own is not None
    assert 0.0 < abs(rule.own(c, state, theta) - theta) < 0.1
