"""nonconv check on a sweep: every cell, a share of cells, and the fitted order of a quantity in a swept key."""

import json
import math
import threading
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from kit.command import bad, call
from kit.expectations import VERDICT, result
from kit.experiments import NO_FLOORS
from kit.sweeping import drawn
from nonconv.checks.expectations import Result, Row
from nonconv.checks.sweep_expectations import SweptCell, evaluate_sweep
from nonconv.cli import check_claims
from nonconv.cli.budget import Budget, OverBudget
from nonconv.report.figures import drawing_process
from nonconv.results.sweep_files import Ends
from nonconv.statistics.order import fitted_order
from nonconv.terminal import progress

RATES = (0.02, 0.05, 0.1, 0.2)


def stationary(rate: float) -> float:
    """E|Θ|² of SGD at a constant rate γ on (θ − X)², X = ±1, in the limit: Θ' = (1 − 2γ) Θ + 2γX, so that it is γ / (1 − γ)."""
    return rate / (1.0 - rate)


def true_order(rates: tuple[float, ...]) -> float:
    """The least-squares slope through the logarithms of the exact values."""
    return float(np.polyfit(np.log(rates), np.log([stationary(rate) for rate in rates]), 1)[0])


def squares(generator: np.random.Generator, paths: int, correlation: float) -> list[Any]:
    """Squared errors of each rate: normal iterates, correlated between the rates of a path as with common random numbers."""
    shared = generator.normal(size=paths)
    own = [correlation * shared + math.sqrt(1 - correlation**2) * generator.normal(size=paths) for _ in RATES]
    return [stationary(rate) * z**2 for rate, z in zip(RATES, own, strict=True)]


@pytest.mark.parametrize("correlation", [0.0, 0.99])
def test_the_interval_of_an_order_covers_it(correlation: float) -> None:
    """Misses among 400 are binomial with 5 %: 38 or more, and 5 or fewer, once in 10,000 runs. Seeded, so always or never."""
    generator, true = np.random.default_rng(11), true_order(RATES)
    found = [fitted_order(RATES, squares(generator, 300, correlation)) for _ in range(400)]
    missed = sum(not order.ci_low <= true <= order.ci_high for order in found)
    assert 5 < missed < 38
    # The negative control: an order that is off by a third of a unit is out of all of them.
    assert not any(order.ci_low <= true - 1 / 3 <= order.ci_high for order in found)


def test_pairing_narrows_the_interval_of_an_order() -> None:
    """Independent cells of the same spread have intervals seven times as wide."""
    alone, together = (fitted_order(RATES, squares(np.random.default_rng(3), 1000, rho)) for rho in (0.0, 0.99))
    assert alone.se > 4 * together.se


def test_an_exact_power_law() -> None:
    found = fitted_order((1.0, 2.0, 4.0), [np.full(3, value) for value in (3.0, 12.0, 48.0)], exact=True)
    assert found[:5] == pytest.approx((2.0, 0.0, 2.0, 2.0, 0.0), abs=1e-12)
    assert fitted_order((1.0, 2.0, 3.0), [np.full(3, value) for value in (1.0, 2.0, 6.0)], exact=True).misfit > 0.1


def test_where_an_order_has_no_interval() -> None:
    ones, heavy = np.ones(200), np.r_[1e6, np.ones(199)]
    assert fitted_order((1.0, 2.0), [ones, heavy]).reason == "about 1.0 of 200 paths dominate a mean"
    assert fitted_order((1.0, 2.0), [ones[:1], ones[:1]]).reason == "one path gives no interval"
    assert fitted_order((1.0, 2.0), [ones, 0 * ones]).reason == "a mean is 0, which has no finite logarithm"
    assert fitted_order((1.0, 2.0), [ones, np.r_[np.inf, ones]]).reason == "a mean is inf, which has no finite logarithm"
    assert math.isnan(fitted_order((1.0, 2.0), [ones, heavy]).ci_low)


# Rows from hand-made cells


def cell(
    settings: dict[str, Any], numbers: Any = (1.0, 1.0), verdict: str = "does_not_converge", failure: str = ""
) -> SweptCell:
    """A cell that was computed, or that failed."""
    names: dict[str, Any] = {"optimizer": {"name": settings.get("optimizer", "sgd")}, "learning_rate": {"name": "constant"}}
    names["learning_rate"]["value"] = settings.get("learning_rate.value", 0.1)
    names |= {"seed": settings.get("seed", 0), "steps": settings.get("steps", 100)}

    def opened() -> AbstractContextManager[Result]:
        return nullcontext(result(verdict=VERDICT | {"verdict": verdict}))

    def ends() -> Ends:
        return Ends(["mse: minimizer", "twin"], np.array([numbers, numbers]), {})

    at = ", ".join(f"{key}={value}" for key, value in settings.items())
    return SweptCell(at, at, settings, names, failure, opened, ends, lambda: False)


def rows(cells: list[SweptCell], **expect: Any) -> list[Row]:
    return evaluate_sweep(expect, cells)


def test_every_cell() -> None:
    cells = [cell({"seed": k}) for k in range(3)]
    (met,) = rows(cells, all={"verdict": "does_not_converge"})
    assert met[:4] == ("expect.all.verdict", "in every cell: verdict does_not_converge", "met in all 3 cells", "met")
    assert met.facts.as_dict()["cells"] == {"met": 3, "refuted": 0, "undecided": 0}
    (refuted,) = rows([*cells, cell({"seed": 3}, verdict="converges")], all=[{"verdict": "does_not_converge"}])
    assert refuted.key == "expect.all[0].verdict"
    assert refuted.found == "met in 3, refuted in 1 of 4 cells; first refuted at seed=3: converges: the twins part."
    (undecided,) = rows(
        [*cells, cell({"seed": 3}, failure="no memory")], all={"verdict": "does_not_converge", "where": "seed < 9"}
    )
    assert undecided[1:4] == (
        "in every cell where seed < 9: verdict does_not_converge",
        "met in 3, undecided in 1 of 4 cells; first undecided at seed=3: failed: no memory",
        "undecided",
    )


def test_one_cell_of_many_refutes_only_beyond_an_interval_that_holds_for_all() -> None:
    """The error at step 100 is 0.02 (0.018 to 0.022). Of 100 cells an interval of 3.5 standard errors holds at once."""
    for bound, one, many in ((0.0221, "refuted", "undecided"), (0.024, "refuted", "refuted")):
        for cells, status in ((1, one), (100, many)):
            (found,) = rows([cell({"seed": k}) for k in range(cells)], all={"mse": [{"xi": "minimizer", "above": bound}]})
            assert found.status == status, (bound, cells)
    (met,) = rows([cell({"seed": k}) for k in range(100)], all={"mse": [{"xi": "minimizer", "above": 0.018}]})
    assert met.found == "met in all 100 cells (0.02 in each)"
    assert met.status == "met"


def test_what_a_cell_does_not_record_is_undecided() -> None:
    (found,) = rows([cell({"steps": 100})], all={"mse": [{"xi": "minimizer", "step": 99, "above": 1}]})
    assert (found.status, "was not recorded here" in found.found) == ("undecided", True)


def test_a_share_of_a_grid_is_a_count() -> None:
    verdicts = ["converges", "converges", "does_not_converge", "undecided"]
    cells = [cell({"learning_rate.value": k}, verdict=verdict) for k, verdict in enumerate(verdicts, 1)]
    statuses = [rows(cells, share={"verdict": "converges", "above": bound})[0].status for bound in (0.5, 0.6, 0.8)]
    assert statuses == ["met", "undecided", "refuted"]
    (found,) = rows(cells, share={"verdict": "converges", "below": 0.75})
    assert found[:3] == (
        "expect.share",
        "share of cells with verdict converges: below 0.75",
        "2 of 4 cells, 1 undecided, 0.5 (0.5 to 0.75)",
    )
    (chosen,) = rows(cells, share={"verdict": "converges", "where": "learning_rate.value < 3", "above": 1})
    assert (chosen.status, chosen.facts.as_dict()["estimated"]) == ("met", False)


def test_a_share_of_seeds_is_an_estimate() -> None:
    """18 of 20 seeds: Clopper and Pearson's interval, from tables."""
    cells = [cell({"seed": k}, verdict="converges" if k < 18 else "diverges") for k in range(20)]
    (found,) = rows(cells, share={"verdict": "converges", "above": 0.8})
    assert found[2:4] == ("18 of 20 cells, 0.9 (0.683 to 0.9877); seeds are independent trials", "undecided")
    (met,) = rows(cells, share={"verdict": "converges", "above": 0.68})
    assert met.status == "met"


def test_an_order_has_a_line_for_each_value_of_the_other_keys() -> None:
    generator = np.random.default_rng(2)
    noise = generator.exponential(size=400)
    cells = [
        cell({"optimizer": name, "learning_rate.value": rate, "seed": seed}, noise * rate**power)
        for name, power in (("sgd", 1.0), ("adam", 0.5))
        for rate in RATES
        for seed in (1, 2)
    ]
    wanted = {"of": "mse", "xi": "minimizer", "against": "learning_rate.value", "reference": 1.0, "standard_errors": 4.0}
    sgd, adam = rows(cells, order=wanted)
    assert sgd.expected == (
        "log-log slope of E|Θ − minimizer|² against learning_rate.value at optimizer=sgd within 4 standard errors of 1"
    )
    assert (sgd.status, adam.status) == ("met", "refuted")
    assert (sgd.facts.value, adam.facts.value) == pytest.approx((1.0, 0.5), abs=1e-9)
    assert sgd.facts.as_dict()["cells"] == 8
    falling = {"of": "twin", "against": "1 / learning_rate.value", "where": "optimizer.name == 'sgd'", "below": 0}
    (inverse,) = rows(cells, order=[falling])
    assert (inverse.key, inverse.status, inverse.facts.value) == ("expect.order[0]", "met", pytest.approx(-1.0))


def test_numbers_that_change_together_share_a_line() -> None:
    cells = [cell({"learning_rate.value": rate, "steps": int(10 / rate)}, np.full(64, rate)) for rate in RATES]
    wanted = {"of": "mse", "xi": "minimizer", "against": "learning_rate.value", "above": 0.9}
    (found,) = rows(cells, order=wanted)
    assert found.facts.as_dict()["values"] == 4
    failed = cell({"learning_rate.value": 0.3, "steps": 33}, failure="no memory")
    (undecided,) = rows([*cells, failed], order=wanted)
    assert undecided[2:4] == ("learning_rate.value=0.3, steps=33 failed: no memory", "undecided")


# The command


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing_process, "figure_process", lambda: nullcontext(drawn_either))
    monkeypatch.setattr(check_claims, "EXECUTORS", ("threads",))
    monkeypatch.chdir(tmp_path)


def drawn_either(folder: Path) -> Any:
    """A stand-in for the figures of a run or of a sweep."""
    return drawn(folder) if (folder / "sweep.csv").exists() else lambda: {}


RADEMACHER = {"name": "quadratic", "data": "rademacher"}
ORDER = {"of": "mse", "xi": "minimizer", "against": "learning_rate.value"}
GRID: dict[str, Any] = NO_FLOORS | {
    "paths": 600,
    "steps": 400,
    "objective": RADEMACHER,
    "start": 0.0,
    "xi": ["minimizer"],
    "sweep": {"learning_rate.value": list(RATES)},
}


def config(name: str, expect: dict[str, Any] | None, **changes: Any) -> Path:
    """A config in the working directory."""
    path = Path(f"{name}.yaml")
    path.write_text(yaml.safe_dump(GRID | {"expect": expect} | changes))
    return path


@pytest.mark.compiles
def test_from_end_to_end() -> None:
    """SGD on the quadratic, whose error in the limit is known; and a wrong order, which must be refuted."""
    exact = true_order(RATES)
    expect = {
        "mse": [{"xi": "minimizer", "above": 0.01}],
        "all": [
            {"within": [{"xi": "minimizer", "of": "theory"}], "outcomes": {"finite": "all"}},
            {"within": [{"xi": "minimizer", "of": "learning_rate.value/(1 - learning_rate.value)"}]},
        ],
        "share": {"mse": [{"xi": "minimizer", "above": 0.04}], "above": 0.75, "below": 0.75},
        "order": [ORDER | {"reference": exact}, ORDER | {"above": exact - 0.2, "below": exact + 0.2}],
    }
    shown = call("check", config("sgd", expect), "--json", "--markdown", "new/summary.md", "-q")
    assert shown.exit_code == 0, shown.output
    run, sweep = json.loads(shown.stdout)["configs"]
    assert [(one["subject"], len(one["expectations"])) for one in (run, sweep)] == [("run", 1), ("sweep", 6)]
    order = sweep["expectations"][-1]
    assert abs(order["value"] - exact) < 4 * order["se"], "once in 16,000 runs; seeded, so always or never"
    assert (order["relation"], order["values"], order["paths"]) == ("between", 4, 600)
    assert order["line"] > sweep["expectations"][0]["line"] > 0
    assert "### Not met" not in Path("new/summary.md").read_text()
    wrong = call("check", config("sgd", {"order": ORDER | {"below": 0.8}}), "-q")
    assert (wrong.exit_code, "refuted" in wrong.stdout) == (3, True)
    assert len(list(Path("outputs").iterdir())) == 2, "other expectations compute nothing again"


@pytest.mark.compiles
def test_the_config_itself_need_not_be_one() -> None:
    """Where only its sweep is spoken of: here each cell has an optimizer, and the config none."""
    changes: dict[str, Any] = {"optimizer": None, "sweep": {"optimizer": ["sgd", "momentum"]}, "paths": 64}
    path = config("two", {"all": {"outcomes": {"finite": "all"}}}, **changes)
    path.write_text(path.read_text().replace("optimizer: null\n", ""))
    assert call("check", path, "-q").exit_code == 0
    assert "is about the config itself" in call("check", config("one", {"outcomes": {"finite": "all"}})).stderr


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ({"order": ORDER | {"against": "learning_rat.value", "above": 1}}, "order.against: there is no key learning_rat.value"),
        ({"order": ORDER | {"against": "steps", "above": 1}}, "against: steps has no two different values > 0 in cells that"),
        (
            {"all": {"within": [{"xi": "minimizer", "of": "1/learning_rate.valu"}]}},
            "all.within[0].of: there is no key learning_rate.valu",
        ),
        ({"all": {"verdict": "converges", "where": "learning_rate.value > 9"}}, "expect.all.where: holds in none of 4 cells"),
        ({"all": [{"mse": [{"xi": "start", "above": 1}]}]}, "expect.all[0].mse[0].xi: start is not among the config's xi"),
    ],
)
def test_what_a_sweep_cannot_answer_is_found_before_it_runs(expect: dict[str, Any], said: str) -> None:
    assert said in bad("check", config("sgd", expect), "-q")
    assert not Path("outputs").exists()


def test_choosing_configs_by_name() -> None:
    paths = [config(name, {"outcomes": {"finite": "all"}}, paths=32, steps=20) for name in ("adam_const", "adam_decay", "sgd")]
    for expression, chosen in (("ADAM", 2), ("adam and not decay", 1), ("(decay or sgd)", 2), ("not (decay or sgd)", 1)):
        shown = call("check", *paths, "-k", expression, "-q")
        assert f"of {chosen} config" in shown.stdout
        assert shown.stdout.endswith(f"{3 - chosen} config{'s' * (chosen == 1)} not chosen by -k.\n")
    assert bad("check", *paths, "-k", "lion") == (
        "-k 'lion': matches none of 3 configs\n  there are: adam_const.yaml, adam_decay.yaml, sgd.yaml\n"
    )
    for wrong in ("and", "(", "adam sgd", "not", "()", "adam or", "(" * 200):
        assert "allowed: words of config names with and, or, not and brackets" in bad("check", *paths, "-k", wrong)


def test_a_time_budget_that_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    path = config("one", {"outcomes": {"finite": "all"}, "all": {"outcomes": {"finite": "all"}}})
    shown = call("check", path, "--time-budget", "0.000001", "--junit", "claims.xml")
    assert (shown.exit_code, shown.stderr) == (4, "")
    said = shown.stdout.splitlines()
    assert [said[0], said[-1]] == [
        "UNDECIDED   2 expectations of 1 config: 2 undecided",
        "Not reached within --time-budget 0.000001: one.yaml (run), one.yaml (sweep). The same command continues there.",
    ]
    assert 'skipped="2"' in Path("claims.xml").read_text()
    for wrong in ("0", "-3", "soon", "3 weeks", "inf"):
        assert "--time-budget" in bad("check", path, f"--time-budget={wrong}")


@pytest.mark.slow
@pytest.mark.compiles
def test_a_time_budget_interrupts_and_keeps_what_is_done() -> None:
    """Each of the two would take minutes."""
    path = config("long", {"outcomes": {"finite": "all"}, "all": {"outcomes": {"finite": "all"}}}, paths=10_000_000)
    shown = call("check", path, "--time-budget", "1.5s", "-q")
    assert (shown.exit_code, shown.stderr, shown.stdout.count("not reached")) == (4, "", 2)
    assert not list(Path("outputs").glob("*/manifest.json"))


def test_a_time_budget_ends_while_a_file_is_opened(tmp_path: Path) -> None:
    with pytest.raises(OverBudget), Budget("0.01").limited():
        print((tmp_path / "new").open("w"), threading.Event().wait(10))  # opened, and not yet kept anywhere


def test_reading_a_grid_tells_its_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PLAIN_SECONDS", -1.0)
    path = config("told", {"order": ORDER | {"above": 1}})
    first, second = call("check", path, "--time-budget", "0.01s").stderr.splitlines()[:2]
    assert (first.replace("0 of", "1 of"), first[:19]) == (second, "reading the grid: 0")
    assert "reading" not in call("check", path, "--time-budget", "0.01s", "-q").stderr


def test_an_expectation_about_a_sweep_needs_one() -> None:
    path = config("alone", {"order": ORDER | {"above": 1}})
    told = "expect.order: is about the cells of a sweep, which the config does not have"
    assert told in bad("run", path, "--set", "sweep=null", "-q")
    assert told in bad("check", path, "--set", "sweep=null", "-q")
