"""What is known of a limit before the run: noise, curvature, reasons and regimes, against closed forms; escape by units."""

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.experiments import written
from nonconv.engine.blocks import block_size, simulate
from nonconv.engine.moving import every_step
from nonconv.engine.reference import Reference
from nonconv.experiment.binding import read_cell
from nonconv.experiment.cell import Cell
from nonconv.results.quantities import median_courses
from nonconv.statistics.measured_block import OUTCOMES
from nonconv.statistics.tally import Tally, measure
from nonconv.study.ready import make_ready
from nonconv.theory.assumptions import departures, leads_elsewhere
from nonconv.theory.limit_point import limit_point
from nonconv.theory.structure import known_limit, structure

BASE: dict[str, Any] = {
    "paths": 64,
    "steps": 4096,
    "objective": {"name": "quadratic", "data": {"name": "rademacher"}},
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "record": {"points": 12, "paths": 0, "fan": 0},
}
ONE = {"name": "discrete", "values": [0.5], "probabilities": [1.0]}
STILL = {"name": "quadratic", "data": ONE}
AWAY_AT_ONCE = {"name": "linear", "speed": 1.0}
PLUGINS = Path(__file__).parent.parent / "docs"


@pytest.fixture
def cell_of(tmp_path: Path) -> Callable[..., Cell]:
    def make(**changes: Any) -> Cell:
        return make_ready(read_cell(written(tmp_path, {**BASE, **changes}), [])).cell

    return make


def network(**changes: Any) -> dict[str, Any]:
    line = {"name": "function", "of": "polynomial", "coefficients": [0.0, 1.0], "low": -1.0, "high": 1.0, "noise": 0.0}
    return {"objective": {"name": "mlp", "hidden": [], "data": line} | changes, "xi": "path_mean", "start": "he"}


def with_drift(objective: dict[str, Any], drift: dict[str, Any]) -> dict[str, Any]:
    return objective | {"data": objective["data"] | {"drift": drift}}


# Noise and curvature near the limit


@pytest.mark.parametrize(
    ("changes", "noise", "curvature"),
    [
        ({}, "persists", 2.0),
        ({"objective": STILL | {"scale": 3.0}}, "none", 6.0),
        ({"objective": {"name": "quadratic", "data": ONE, "dim": 2, "scale": [1.0, 4.0]}}, "none", 8.0),
    ],
)
def test_limit_of_separable_objectives(
    cell_of: Callable[..., Cell], changes: dict[str, Any], noise: str, curvature: float
) -> None:
    found = limit_point(cell_of(**changes), None)
    assert (found.noise, found.curvature) == (noise, curvature)


LANDSCAPES = [str(PLUGINS / "laboratory" / "plugins" / "landscapes.py")]


def test_minima_are_found_where_none_is_declared(cell_of: Callable[..., Cell]) -> None:
    """The double well has two, at -1 and 1, of curvature 2; noise is added to its slope, so it stays."""
    found = limit_point(cell_of(objective={"name": "double_well", "data": "rademacher"}, xi="start"), None)
    assert found.noise == "persists"
    assert found.curvature == pytest.approx(2.0, rel=1e-4)


VALUES = {"name": "sequence", "values": [1.0, 2.0, 6.0]}
LINEAR: dict[str, Any] = {
    "name": "linear_model",
    "intercept": False,
    "data": {"name": "linear", "inputs": 1, "features": "uniform", "noise": 0.0},
}


def held_to(domain: list[Any], **changes: Any) -> dict[str, Any]:
    law = {"name": "uniform", "low": -1.0, "high": 1.0}
    drift = {"drift": changes.pop("drift")} if "drift" in changes else {}
    return {"objective": {"name": "quadratic", "data": law | drift} | changes, "domain": domain, "xi": "start", "start": 2.0}


def pushed(size: float) -> dict[str, Any]:
    return {"gradient_noise": {"name": "uniform", "low": -size, "high": size}}


@pytest.mark.parametrize(
    ("changes", "noise"),
    [
        # All values in each batch.
        *(
            ({"objective": {"name": "quadratic", "data": VALUES | {"order": order}}, "batch_size": batch}, noise)
            for order in ("epochs", "once", "cyclic")
            for batch, noise in ((3, "none"), (6, "none"), (2, "persists"))
        ),
        ({"objective": {"name": "quadratic", "data": VALUES}, "batch_size": 3}, "persists"),
        ({"objective": {"name": "huber", "data": VALUES | {"order": "epochs"}}, "batch_size": 3, "xi": "start"}, "none"),
        # At an end of the domain: gradients are at least 2 (1.5 - 1) = 1 there.
        (held_to([1.5, 3.0]), "vanishes"),
        (held_to([1.5, 3.0], **pushed(0.9)), "vanishes"),
        (held_to([1.5, 3.0], **pushed(1.1)), "persists"),
        (held_to([1.5, 3.0], gradient_noise={"name": "normal", "std": 1e-3}), "persists"),
        (held_to([1.5, 3.0], drift={"name": "sine", "amplitude": 0.4, "period": 20}), "vanishes"),
        (held_to([1.5, 3.0], drift={"name": "sine", "amplitude": 0.6, "period": 20}), "persists"),
        (held_to([1.5, 3.0], drift=AWAY_AT_ONCE), "unknown"),
        (held_to([2.0, 2.0]), "vanishes"),
        # Noise that stays in one coordinate stays.
        (held_to([[1.5, 3.0], [0.0, 3.0]], dim=2), "persists"),
        (held_to([[1.5, 3.0], [-3.0, -1.5]], dim=2) | {"start": [2.0, -2.0]}, "vanishes"),
        # What moves iterates away from where all data agree.
        ({"objective": LINEAR, "xi": "start"}, "vanishes"),
        ({"objective": with_drift(LINEAR, {"name": "power", "value": 1.0}), "xi": "start"}, "vanishes"),
        ({"objective": with_drift(LINEAR, {"name": "power", "value": 1.0, "exponent": 0.0}), "xi": "start"}, "unknown"),
        ({"objective": LINEAR | {"gradient_noise": ONE}, "xi": "start"}, "unknown"),
        ({"objective": LINEAR | {"gradient_noise": "rademacher"}, "xi": "start"}, "persists"),
        ({"objective": LINEAR, "optimizer": {"name": "sgd", "weight_decay": 0.1}, "xi": "start"}, "unknown"),
    ],
)
def test_noise_with_the_parts_of_a_step(cell_of: Callable[..., Cell], changes: dict[str, Any], noise: str) -> None:
    assert limit_point(cell_of(**changes), None).noise == noise


@pytest.mark.parametrize(
    ("data", "rate", "contracts"),
    [
        ({}, 1.05, True),  # E(1 - g a^2)^2 = 1 - 2 g + 9/5 g^2 < 1
        ({"hold": 8}, 1.05, False),  # E(1 - g a^2)^16 > 1
        ({"hold": 8}, 0.66, True),  # |1 - g a^2| <= 1, as a^2 <= 3
        ({"hold": 8}, 0.67, False),
        ({"hold": 2, "features": "normal"}, 0.01, False),  # a^2 has no bound
    ],
)
def test_data_that_come_again_multiply_by_the_same_factors(
    cell_of: Callable[..., Cell], data: dict[str, Any], rate: float, contracts: bool
) -> None:
    cell = cell_of(objective=LINEAR | {"data": LINEAR["data"] | data}, learning_rate=rate, xi="start")
    assert structure(cell).contracting == contracts


@pytest.mark.parametrize(("rate", "contracts"), [(0.49, True), (0.51, False)])
def test_rows_in_an_order_never_expand(cell_of: Callable[..., Cell], rate: float, contracts: bool) -> None:
    """(x theta)^2 / 2 with x up to 2 has second derivatives up to 4."""
    data = {"name": "sequence", "values": [0.5, 1.0, 2.0], "order": "epochs"}
    cell = cell_of(objective={"name": "formula", "loss": "(x*theta)**2/2", "data": data}, learning_rate=rate, xi="start")
    assert structure(cell).contracting == contracts


def test_noise_that_vanishes_at_the_minimum(cell_of: Callable[..., Cell]) -> None:
    """(a theta)^2 / 2 has no noise at 0, curvature E a^2 = 1 and Var a^2 = 9/5 - 1; stable iff (1 - g)^2 + 4 g^2 / 5 < 1."""
    data = {"name": "uniform", "low": -math.sqrt(3.0), "high": math.sqrt(3.0)}
    settings = {"plugins": LANDSCAPES, "objective": {"name": "product", "data": data}, "xi": "start"}
    found = limit_point(cell_of(**settings), None)
    assert found.noise == "vanishes"
    assert (found.curvature, found.spread) == pytest.approx((1.0, 0.8), rel=1e-3)
    border = 2.0 / 1.8
    stable, unstable = (structure(cell_of(**settings, learning_rate=share * border)) for share in (0.99, 1.01))
    assert [reason.kind for reason in stable.reasons] == ["noise"]
    assert (unstable.reasons, unstable.void.partition(",")[0]) == ((), "the mean square grows near the minimum")


@pytest.mark.parametrize(
    ("changes", "noise"),
    [
        ({}, "vanishes"),
        ({"weight_decay": 0.1}, "persists"),
        ({"hidden": [4]}, "unknown"),
        ({"loss": "squared", "data": {"name": "function", "noise": 0.1}}, "persists"),
        ({"data": {"name": "function", "of": "polynomial", "coefficients": [0, 0, 1], "noise": 0}}, "persists"),
        ({"hidden": [3], "activation": "tanh", "data": {"name": "teacher", "hidden": [3], "noise": 0}}, "vanishes"),
        ({"hidden": [2], "activation": "tanh", "data": {"name": "teacher", "hidden": [3], "noise": 0}}, "unknown"),
        ({"hidden": [3], "activation": "relu", "data": {"name": "teacher", "hidden": [3], "noise": 0}}, "unknown"),
        ({"data": {"name": "diabetes"}}, "persists"),
        ({"hidden": [64], "data": {"name": "diabetes"}}, "unknown"),
    ],
)
def test_noise_of_networks(cell_of: Callable[..., Cell], changes: dict[str, Any], noise: str) -> None:
    """It stays with noisy labels or a penalty; with 353 rows unless there are as many weights; else it must fit exactly."""
    assert limit_point(cell_of(**network(**changes)), None).noise == noise


@pytest.mark.parametrize(("batch", "noise"), [(354, "none"), (708, "none"), (355, "persists")])
def test_a_batch_of_every_row_has_no_noise(cell_of: Callable[..., Cell], batch: int, noise: str) -> None:
    """Of 442 rows 88 are held out; a batch of all the others, once or twice, is the same at every step."""
    cell = cell_of(**network(data={"name": "diabetes", "order": "epochs"}), batch_size=batch)
    assert limit_point(cell, None).noise == noise


def test_curvature_of_a_linear_network(cell_of: Callable[..., Cell]) -> None:
    """Of |w x + b - y|^2 with x uniform on [-1, 1]: 2 max(1, 1/3), for any weights."""
    cell = cell_of(**network())
    for theta in ([1.0, 0.0], [-3.0, 2.0]):
        found = limit_point(cell, np.array(theta))
        assert found.curvature == pytest.approx(2.0, rel=0.02), "of 256 examples, whose x have a mean of about 0"
    assert limit_point(cell, np.array([math.inf, 0.0])).curvature is None


def test_curvature_of_a_linear_network_off_centre(cell_of: Callable[..., Cell]) -> None:
    """With x uniform on [0, 2], twice the larger eigenvalue of E (x, 1)(x, 1)' = ((4/3, 1), (1, 1)), of trace 7/3."""
    line = {"name": "function", "of": "polynomial", "coefficients": [0.0, 1.0], "low": 0.0, "high": 2.0, "noise": 0.0}
    found = limit_point(cell_of(**network(data=line)), np.array([0.3, -0.2]))
    assert found.noise == "vanishes"
    assert found.curvature == pytest.approx(7.0 / 3.0 + math.sqrt(37.0 / 9.0), rel=0.1), "3 standard errors of 256 draws"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 10.0),
        ({"objective": {"name": "quadratic", "data": "rademacher", "scale": 4.0}}, 2.5),
        ({"learning_rate": {"name": "power", "value": 0.05, "exponent": 0.5}}, 640.0),
        ({"optimizer": {"name": "momentum", "beta": 0.9}}, 1.0),
        ({"optimizer": {"name": "momentum", "beta": 0.9, "form": "ema"}}, 10.0),
        ({"optimizer": "adam"}, math.nan),
    ],
)
def test_steps_in_which_iterates_forget_their_start(
    cell_of: Callable[..., Cell], changes: dict[str, Any], expected: float
) -> None:
    """1 / (rate x gain x curvature), by the last rate; not known where directions do not follow the size of gradients."""
    assert structure(cell_of(**changes)).relaxation == pytest.approx(expected, rel=1e-9, nan_ok=True)


# Reasons, and what they need


def kinds(cell: Cell) -> tuple[list[str], list[str]]:
    found = structure(cell)
    return [reason.kind for reason in found.reasons], [reason.kind for reason in found.forbids]


NOISY = {"name": "quadratic", "data": "rademacher"}
POWER = {"name": "power", "value": 1.0, "exponent": 0.05}
WAVE = {"name": "cyclic", "low": 0.0, "high": 0.1, "period": 100}


def passing(order: str) -> dict[str, Any]:
    return {"name": "quadratic", "data": {"name": "sequence", "values": [1, -2, 4.1], "order": order}}


@pytest.mark.parametrize(
    ("changes", "reasons", "forbids"),
    [
        ({}, [], []),
        ({"learning_rate": POWER}, ["rate"], ["rate"]),
        ({"learning_rate": WAVE}, [], []),
        ({"learning_rate": {"name": "asymptotically_constant", "value": 0.1, "limit": 1e-9}}, [], []),
        ({"batch_size": POWER}, ["batch"], ["batch"]),
        ({"batch_size": POWER | {"largest": 10}}, [], []),
        ({"batch_size": POWER, "optimizer": "adam"}, [], ["batch"]),
        ({"batch_size": POWER, "optimizer": {"name": "adam", "eps": 0.003}}, ["batch"], ["batch"]),
        ({"batch_size": POWER, "optimizer": {"name": "adam", "eps": 0.002}}, [], ["batch"]),
        ({"optimizer": "adagrad"}, ["rule"], ["rule"]),
        ({"optimizer": "amsgrad"}, [], []),
        ({"optimizer": "amsgrad", "objective": {"name": "quadratic", "data": "normal"}}, ["rule"], ["rule"]),
        ({"objective": STILL}, ["noise"], []),
        ({"objective": STILL, "learning_rate": 1.01}, [], []),
        ({"objective": STILL, "optimizer": "adam"}, [], []),
        ({"objective": STILL, "optimizer": {"name": "adam", "eps": 0.01}}, ["noise"], []),
        ({"objective": STILL, "optimizer": "amsgrad"}, ["noise"], []),
        ({"objective": STILL, "optimizer": "adam", "learning_rate": POWER}, ["rate", "noise"], ["rate"]),
        ({"objective": passing("epochs"), "batch_size": 6}, ["noise"], []),
        ({"objective": passing("epochs"), "batch_size": 4}, [], []),
        ({"objective": passing("with_replacement"), "batch_size": 6}, [], []),
        ({"objective": passing("epochs") | {"gradient_noise": "normal"}, "batch_size": 6}, [], []),
        ({"domain": [0.3, 0.3]}, ["noise"], []),
    ],
)
def test_reasons(cell_of: Callable[..., Cell], changes: dict[str, Any], reasons: list[str], forbids: list[str]) -> None:
    """Limits, not what the run sees; Adam needs rate x curvature / eps below 38, here 0.1 / eps; AMSGrad unbounded data."""
    assert kinds(cell_of(**changes)) == (reasons, forbids)


def drifting(drift: dict[str, Any], data: dict[str, Any] | str = "rademacher") -> dict[str, Any]:
    named = {"name": data} if isinstance(data, str) else data
    return {"objective": {"name": "quadratic", "data": named | {"drift": drift}}}


TO_AND_FRO = {"name": "sine", "amplitude": 1.0, "period": 50}
SLOWER_AND_SLOWER = {"name": "formula", "value": "0.1 * sin(log(n))"}
AWAY = {"name": "linear", "speed": 1e-9}


@pytest.mark.parametrize(
    ("drift", "void"),
    [
        (TO_AND_FRO, ""),
        ({"name": "power", "value": 1.0}, ""),
        ({"name": "piecewise", "values": [0.0, 1e9], "until": [10**6]}, ""),
        (SLOWER_AND_SLOWER, "the data drift to and fro, and no period is seen"),
        (AWAY, "the data drift away without bound"),
        ({"name": "formula", "value": "1e-9 * log(n)"}, "the data drift away without bound"),
        ({"name": "formula", "value": "sin(n**1.01)", "limits": []}, "the data drift to and fro, and no period is seen"),
    ],
)
@pytest.mark.parametrize("iterate", [0, 1])
def test_steps_that_vanish_follow_data_that_never_rest(
    cell_of: Callable[..., Cell], drift: dict[str, Any], void: str, iterate: int
) -> None:
    """A rate that tends to 0, and an average, bring iterates to rest only where what they follow has a limit, or a period."""
    found = structure(cell_of(**drifting(drift), learning_rate=POWER, iterates=["last", "polyak"]), None, iterate)
    assert found.void == void
    assert bool(found.reasons) == (void == "")
    assert "rate" in {reason.kind for reason in found.forbids}, "so that it is never said not to converge, either"


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (0.05, ["average"]),
        (WAVE, ["average"]),
        ({"name": "formula", "value": "0.1 + 0.05 * sin(log(n))"}, []),
        ({"name": "formula", "value": "0.1 * gamma_of_n", "constants": {"gamma_of_n": 1.0}}, ["average"]),
        ({"name": "formula", "value": "abs(sin(n**1.01)) / n**0.1 + 0.1 * (sin(n**2) + 1)"}, []),
    ],
)
def test_averages_where_the_point_may_move(cell_of: Callable[..., Cell], rate: Any, expected: list[str]) -> None:
    """On skewed data Adam's point depends on the rate, and so does the limit of its average: without a period there is none."""
    cell = cell_of(learning_rate=rate, optimizer="adam", iterates=["last", "polyak"])
    found = structure(cell, None, 1)
    assert [reason.kind for reason in found.reasons] == expected
    assert [reason.kind for reason in found.forbids][-1:] == ["average"]


@pytest.mark.parametrize("rule", ["schedule_free_sgd", "schedule_free_adamw"])
def test_own_average_of_a_rule(cell_of: Callable[..., Cell], rule: str) -> None:
    """Its weight is (r + 1) / (n + r) at a constant rate, so that it forgets single iterates; y, the last one, does not."""
    cell = cell_of(optimizer={"name": rule, "r": 2.0}, iterates=["last", "own"])
    last, own = (structure(cell, None, iterate) for iterate in (0, 1))
    assert last.reasons == ()
    assert [reason.kind for reason in own.reasons] == ["average"]
    n = np.arange(2049.0, 4097.0)
    assert own.drive[2] == pytest.approx(math.log2((3.0 / (n + 2.0)).mean()), rel=1e-6)


# Drive and regime


def test_drive_is_the_mean_over_all_steps_of_a_span(cell_of: Callable[..., Cell]) -> None:
    cell = cell_of(learning_rate=POWER, batch_size={"name": "power", "value": 1.0, "exponent": 1.0})
    n = np.arange(1.0, 4097.0)
    values = n**-0.05 / np.ceil(n)
    expected = [math.log2(values[first:last].mean()) for first, last in pairwise([512, 1024, 2048, 4096])]
    assert structure(cell).drive == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("changes", "begins", "steps"),
    [
        ({}, "", 0),
        ({"learning_rate": {"name": "constant", "value": 0.1, "warmup": 100}}, "", 0),
        (
            {"learning_rate": {"name": "constant", "value": 0.1, "warmup": 3000}},
            "the learning rate warms up until step 3000",
            32768,
        ),
        ({"learning_rate": {"name": "piecewise", "values": [0.1, 0.01], "until": [100]}}, "", 0),
        (
            {"learning_rate": {"name": "piecewise", "values": [0.1, 0.01], "until": [3000]}},
            "the learning rate is not yet",
            32768,
        ),
        ({"batch_size": {"name": "piecewise", "values": [1, 9], "until": [3000]}}, "the batch size is not yet", 32768),
        ({"optimizer": {"name": "rmsprop", "beta2": 0.9999}}, "the averages of the optimizer are still warming up", 131072),
        ({"learning_rate": WAVE}, "", 0),
        ({"learning_rate": WAVE | {"period": 700}}, "the learning rate has a period of 700 steps", 5600),
        ({"learning_rate": WAVE | {"period": 6000}}, "the learning rate has a period of 6000 steps", 48000),
    ],
)
def test_regime_of_the_schedules(cell_of: Callable[..., Cell], changes: dict[str, Any], begins: str, steps: int) -> None:
    """And with as many steps as are advised they are in it."""
    found = structure(cell_of(**changes))
    assert found.irregular.startswith(begins)
    assert bool(found.irregular) == bool(begins)
    assert found.regime_steps == steps
    if steps:
        assert structure(cell_of(**changes, steps=steps)).irregular == ""


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (POWER, 0),
        ({"name": "power", "value": 1.0, "exponent": 0.6}, 8192),
        ({"name": "cosine", "value": 0.1, "steps": 40960}, 32768),
        ({"name": "step", "value": 0.1, "every": 30000}, 65536),
    ],
)
def test_steps_until_a_rate_falls(cell_of: Callable[..., Cell], rate: dict[str, Any], expected: int) -> None:
    """By half a doubling per doubling at the end; a power of -0.05 never does."""
    assert structure(cell_of(learning_rate=rate)).fall_steps == expected


@pytest.mark.parametrize(
    ("rule", "power"),
    [("sgd", 1), ("momentum", 1), ("adam", 0), ("amsgrad", 0), ("rmsprop", 0), ("adagrad", 0), ("adabelief", 0)],
)
def test_one_step_has_the_rules_own_scale(cell_of: Callable[..., Cell], rule: str, power: int) -> None:
    """Rate^2, over the batch where directions are in proportion to gradients; as long as averages are full."""
    batch = {"name": "power", "value": 1.0, "exponent": 1.0}
    found = structure(cell_of(optimizer=rule, learning_rate={"name": "power", "value": 0.1, "exponent": 0.5}, batch_size=batch))
    n = np.array([513.0, 1025.0, 2049.0])
    expected = np.log2(0.01 / n / n**power)
    if rule == "adagrad":
        expected -= np.log2(n)
    assert np.diff(found.scale) == pytest.approx(np.diff(expected), abs=0.01)


def test_rates_with_a_finite_sum(cell_of: Callable[..., Cell]) -> None:
    summable = [
        {"name": "power", "value": 0.1, "exponent": 1.01},
        {"name": "exponential", "value": 0.1, "factor": 0.5, "steps": 1000},
        {"name": "step", "value": 0.1, "every": 100},
        {"name": "cosine", "value": 0.1, "steps": 100},
        {"name": "piecewise", "values": [0.1, 0.0], "until": [10]},
    ]
    infinite = [
        0.1,
        {"name": "power", "value": 0.1, "exponent": 1.0},
        {"name": "cosine", "value": 0.1, "steps": 100, "final": 0.01},
        WAVE,
    ]
    assert [structure(cell_of(learning_rate=rate)).summable for rate in (*summable, *infinite)] == [True] * 5 + [False] * 4


def test_what_theory_knows_of_the_limit(cell_of: Callable[..., Cell]) -> None:
    assert known_limit(cell_of()) == f"E|Θ − minimizer|² tends to {0.1 / 1.9:.4g}"
    assert known_limit(cell_of(learning_rate=POWER)) == "the iterates converge, since the learning rate tends to 0"
    assert known_limit(cell_of(optimizer="adam")) == ""
    assert known_limit(cell_of(**drifting(AWAY), learning_rate=POWER)) == ""
    heavy = {"gradient_noise": {"name": "student_t", "df": 1.5}}
    assert known_limit(cell_of(objective=STILL | {"data": "rademacher"} | heavy, learning_rate=POWER)) == ""


def test_what_leads_away_from_the_minimizer(cell_of: Callable[..., Cell]) -> None:
    """Decay, a drift with another limit than 0, noise with another mean, clipping of skewed data."""
    skewed = {"name": "quadratic", "data": {"name": "two_point", "p_high": 0.3}}
    clipped, decayed = {"name": "sgd", "clip_value": 0.5}, {"name": "sgd", "weight_decay": 0.1}
    for changes, expected in (
        ({"optimizer": decayed, **drifting(AWAY)}, ["weight decay", "the drift of the data"]),
        (drifting({"name": "power", "value": 1.0}), []),
        ({"objective": NOISY | {"gradient_noise": "normal"}, "optimizer": clipped}, []),
        ({"objective": NOISY | {"gradient_noise": "cauchy"}}, ["the mean of the gradient noise"]),
        ({"objective": skewed, "optimizer": clipped}, ["clipping"]),
    ):
        assert leads_elsewhere(cell_of(**changes)) == expected


@pytest.mark.parametrize(
    ("changes", "last"),
    [
        ({"objective": passing("once")}, "data are not independent: every pass has them in the same order"),
        ({"objective": passing("epochs"), "batch_size": 3}, "data are not independent: each batch holds all of them"),
        ({"objective": {"name": "quadratic", "data": {"name": "rademacher", "hold": 8}}}, "each is used 8 steps in a row"),
        (drifting({"name": "power", "value": 1.0}), "data do not have one law: it drifts"),
        ({"objective": NOISY | {"gradient_noise": "normal"}}, "which does not come from the data"),
        ({"objective": NOISY | {"gradient_noise": "laplace"}}, "which does not come from the data"),
        ({"objective": NOISY | {"gradient_noise": {"name": "uniform", "low": 0, "high": 1}}}, "and whose mean is not 0"),
        ({"objective": NOISY | {"gradient_noise": "cauchy"}}, "and has no mean"),
        ({"optimizer": {"name": "adam", "clip_norm": 1.0}}, "the gradient is clipped"),
        ({"optimizer": {"name": "adamw"}}, "there is weight decay"),
        ({"optimizer": {"name": "adam", "weight_decay": 0.1, "decay_form": "l2"}}, "there is weight decay"),
        ({"domain": [-5, None]}, "every step is projected on a domain"),
    ],
)
def test_what_the_theorem_does_not_know(cell_of: Callable[..., Cell], changes: dict[str, Any], last: str) -> None:
    """Each part of a step beside the rule is told, and nothing else is."""
    cell = cell_of(**{"optimizer": "adam"} | changes)
    assert [departure.endswith(last) for departure in departures(cell)] == [True]
    assert departures(cell_of(optimizer="adam", iterates=["last", "polyak"])) == []


# Extents of paths without noise


def test_extents_are_those_of_the_whole_trajectory(cell_of: Callable[..., Cell]) -> None:
    ready = make_ready(
        cell_of(objective=STILL | {"dim": 2, "scale": [1.0, 0.1]}, optimizer="momentum", start={"name": "normal"}, steps=300)
    )
    engine, stop = Reference(ready.program), np.zeros(1, np.uint8)
    block = simulate(ready.program, engine, 0, 40, stop)
    theta = np.concatenate([piece for _, piece in every_step(ready.program, engine, 0, 40, stop)])
    assert block.whole is not None
    assert block.whole.extent.shape == (3, 32), "of the first 32 paths"
    for k, (first, last) in enumerate(pairwise([37, 75, 150, 300])):
        box = np.ptp(theta[first:last], axis=0)
        assert block.whole.extent[k] == pytest.approx(np.square(box).sum(axis=0)[:32], rel=1e-12)
        # What it is compared with: the coordinate that moves by the largest share of itself does so by this share.
        size = np.square(theta[last - 1])
        share = (np.square(box) / size).max(axis=0)
        assert block.whole.extent[k] / block.whole.size[k] == pytest.approx(share[:32], rel=1e-12)
        assert np.all(block.whole.size[k] <= size.sum(axis=0)[:32] * (1 + 1e-12))


# Escape in the problem's own units


def tally_of(cell: Cell) -> Tally:
    engine, stop = Reference(cell.program), np.zeros(1, np.uint8)
    size = block_size(cell.program)
    parts = [
        measure(cell, simulate(cell.program, engine, first, min(size, cell.paths - first), stop))
        for first in range(0, cell.paths, size)
    ]
    tally: Tally = parts[0]
    for part in parts[1:]:
        tally += part
    return tally


def outcomes_of(cell: Cell) -> dict[str, int]:
    return {name: int(count) for name, count in zip(OUTCOMES, tally_of(cell).outcomes, strict=True) if count}


TINY = {"name": "quadratic", "data": {"name": "uniform", "low": -1e-9, "high": 1e-9}}
HUGE = {"name": "quadratic", "data": {"name": "two_point", "low": -1e8, "high": 1e8}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"objective": HUGE}, {"finite": 64}),
        ({"objective": STILL, "start": 1e9, "learning_rate": 1e-4}, {"finite": 64}),
        ({"learning_rate": 1.01, "start": 0.01}, {"escaped": 64}),
        ({"learning_rate": 1.0, "start": 0.01}, {"finite": 64}),
        ({"learning_rate": 1.01, "start": 0.01, "objective": TINY}, {"escaped": 64}),
        ({"objective": HUGE, "escape_radius": 1.0}, {"escaped": 64}),
        ({"learning_rate": 2.0, "start": 1.0, "steps": 2000}, {"overflow": 64}),
        ({"objective": STILL | {"gradient_noise": {"name": "normal", "std": 1e9}}, "learning_rate": 0.4}, {"finite": 64}),
        ({"objective": STILL | {"gradient_noise": {"name": "cauchy", "scale": 1e7}}, "learning_rate": 0.4}, {"finite": 64}),
        (drifting({"name": "sine", "amplitude": 1e9, "period": 7}, ONE), {"finite": 64}),
        (drifting({"name": "piecewise", "values": [0.0, 1e9], "until": [700]}, ONE), {"finite": 64}),
        (drifting({"name": "linear", "speed": 1e9}, ONE), {"escaped": 64}),
        ({"optimizer": {"name": "adam", "eps": 0.0}, "objective": STILL, "start": 0.5}, {"undefined": 64}),
    ],
)
def test_escape_is_growth_beyond_the_problems_own_units(
    cell_of: Callable[..., Cell], changes: dict[str, Any], expected: dict[str, int]
) -> None:
    """Neither large data nor a far start escape, nor does a random walk; escape_radius is a number of one's own."""
    assert outcomes_of(cell_of(**({"steps": 1024} | changes))) == expected


def test_infinite_in_one_step_from_nearby_is_undefined(cell_of: Callable[..., Cell]) -> None:
    """Squares of gradients of 1e-170 are 0, and m / 0 is infinite."""
    cell = cell_of(
        optimizer={"name": "adam", "eps": 0.0}, objective={"name": "quadratic", "data": ONE, "scale": 1e-170}, start=0.9
    )
    assert outcomes_of(cell) == {"undefined": 64}


# What the typical path does


@pytest.mark.parametrize(
    ("changes", "course"),
    [
        ({"objective": STILL, "learning_rate": 0.001}, "falls"),
        ({"objective": STILL, "learning_rate": 1.01}, "grows"),
        ({}, "unclear"),
        ({"objective": STILL, "start": 0.5}, "falls"),
    ],
    ids=["falls", "grows", "stays", "is 0"],
)
def test_course_of_the_median(cell_of: Callable[..., Cell], changes: dict[str, Any], course: str) -> None:
    """Between a quarter of the run and its end."""
    cell = cell_of(**({"start": {"name": "normal"}, "xi": ["minimizer"], "steps": 512} | changes))
    found = median_courses(cell, tally_of(cell))["minimizer"]
    assert found["course"] == course
    assert found["last_step"] == 512
    assert abs(found["first_step"] - 128) == np.abs(cell.program.record - 128).min()
    moves = {"falls": np.less, "grows": np.greater}
    if course in moves and found["last"] > 0.0:
        assert moves[course](found["last"], found["first"])
