"""Trajectories logged elsewhere: read, measured and judged by the rules for nonconv's own runs.

Processes are made with seeded NumPy. What is compared with nonconv's own runs has the same paths, so numbers are equal.
"""

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nonconv
from kit.command import bad, good
from kit.experiments import SGD
from kit.runs import contents, undrawn
from nonconv.logged import files
from nonconv.numerics.arithmetic import Array
from nonconv.report.figures import drawing_process

STEPS = np.arange(100, 20_001, 100)
MINIMIZER = -0.5
OWN = SGD | {
    "optimizer": "adam",
    "paths": 400,
    "steps": 60,
    "xi": ["minimizer", [0.25], "last"],
    "record": {"every": 1, "paths": 400},
}


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(drawing_process, "figure_process", lambda: nullcontext(undrawn))
    monkeypatch.chdir(tmp_path)


def sgd(runs: int, rate: Callable[[int], float], last: int = 20_000, dim: int = 1, seed: int = 0) -> Array:
    """SGD on the quadratic with two_point data, logged every 100 steps: (runs, steps, dim)."""
    rng, theta, seen = np.random.default_rng(seed), np.zeros((runs, dim)), []
    for n in range(1, last + 1):
        theta = theta - rate(n) * (theta - rng.choice([-1.0, 1.0], p=[0.75, 0.25], size=theta.shape))
        if n % 100 == 0:
            seen.append(theta.copy())
    return np.array(seen).transpose(1, 0, 2)


@pytest.fixture(scope="session")
def constant() -> Array:
    """A process that does not converge."""
    return sgd(100, lambda n: 0.05)


@pytest.fixture(scope="session")
def vanishing() -> Array:
    """A process that converges."""
    return sgd(100, lambda n: 0.5 / n**0.8)


def judged(values: Any, **options: Any) -> nonconv.Result:
    return nonconv.judge(values, **options)


def refused(values: Any, **options: Any) -> str:
    with pytest.raises(nonconv.UsageError) as caught:
        nonconv.judge(values, **options)
    return str(caught.value)


# Beside nonconv's own runs


def test_its_own_paths_give_its_own_numbers(reference: None) -> None:
    own = nonconv.run(OWN)
    found = judged(own.paths, xi=["minimizer", [0.25], "last"], minimizer=own.summary["xi_points"]["minimizer"])
    for name in ("step", "xi", "mse", "n", "n_finite"):
        assert np.array_equal(found.error[name], own.error[name]), name
    # Where the law of the data says that a sample of this size misleads, the run has no interval. A log cannot know.
    known = ~np.isnan(own.error["se"])
    assert known.mean() > 0.9
    for name in ("se", "ci_low", "ci_high"):
        assert np.array_equal(found.error[name][known], own.error[name][known]), name
    of_file = judged(own.folder / "paths.npz", xi=["minimizer", [0.25], "last"], minimizer=-0.5, out="file")
    assert of_file.error["mse"].tobytes() == own.error["mse"].tobytes()
    quantiles = ("quantity", "value", "ci_low", "ci_high")
    for name in quantiles:
        ours, theirs = found.tables["quantities"][name], own.tables["quantities"][name]
        assert ours.tolist() == theirs.tolist() or np.array_equal(ours, theirs, equal_nan=True), name


def test_every_form_of_a_log_gives_the_same_numbers(constant: Array, tmp_path: Path) -> None:
    values = constant[:5]
    found = judged(values, steps=STEPS, xi=[MINIMIZER])
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    rows = {
        "run": np.repeat(np.arange(5), len(STEPS)),
        "step": np.tile(STEPS, 5),
        "x0": values[:, :, 0].ravel(),
    }
    frame = pandas.DataFrame(rows).sample(frac=1.0, random_state=1)  # rows in any order
    frame.to_csv("log.csv", index=False)
    frame.to_parquet("log.parquet")
    np.savez("log.npz", theta=values[:, :, 0], step=STEPS)
    for other in (frame, polars.DataFrame(rows), "log.csv", "log.parquet", "log.npz", {"theta": values, "step": STEPS}):
        again = judged(other, xi=[MINIMIZER], out=tmp_path / "other", force=True)
        assert np.array_equal(again.error["mse"], found.error["mse"]), type(other)
        assert again.summary["dim"] == 1
        assert np.array_equal(again.floors["value"], found.floors["value"]), type(other)


# The verdict


CONSTANT: list[tuple[dict[str, Any], str, str]] = [
    ({}, "undecided", "the limit of the learning rate is not declared"),
    ({"rate_limit": "unknown", "noise": "persists"}, "undecided", "the limit of the learning rate is not declared"),
    ({"rate_limit": 0.05}, "undecided", "whether the noise stays is not declared"),
    ({"rate_limit": 0.05, "noise": "persists"}, "does_not_converge", "the window floor stands"),
    ({"rate_limit": 0.0}, "undecided", "the learning rate tends to 0, but on these steps"),
    ({"rate_limit": 0.05, "noise": "none"}, "undecided", "but on these steps"),
    ({"rate_limit": 0.05, "batch_limit": "inf", "noise": "persists"}, "undecided", "the batch size grows without bound, but"),
    ({"rate_limit": 0.001, "noise": "persists", "learning_rate": np.full(200, 0.05)}, "undecided", "not yet near its limit"),
    ({"rate_limit": 0.05, "noise": "persists", "learning_rate": np.full(200, 0.05)}, "does_not_converge", "stands"),
]
VANISHING: list[tuple[dict[str, Any], str, str]] = [
    ({}, "undecided", "the limit of the learning rate is not declared"),
    ({"rate_limit": 0}, "converges", "the learning rate tends to 0; the window floor falls"),
    ({"rate_limit": 0, "learning_rate": 0.5 / STEPS**0.8}, "converges", "the window floor falls"),
    ({"rate_limit": 0.01, "noise": "persists"}, "undecided", "nothing declared makes the errors vanish"),
]


@pytest.mark.parametrize(("declared", "verdict", "reason"), CONSTANT)
def test_verdicts_on_what_does_not_converge(constant: Array, declared: Any, verdict: str, reason: str) -> None:
    found = judged(constant, steps=STEPS, minimizer=MINIMIZER, **declared)
    assert found.verdict == verdict
    assert reason in found.reason


@pytest.mark.parametrize(("declared", "verdict", "reason"), VANISHING)
def test_verdicts_on_what_converges(vanishing: Array, declared: Any, verdict: str, reason: str) -> None:
    found = judged(vanishing, steps=STEPS, minimizer=MINIMIZER, **declared)
    assert found.verdict == verdict
    assert reason in found.reason


def test_ten_runs_are_too_few_for_a_verdict_but_not_for_what_was_observed(constant: Array) -> None:
    found = judged(constant[:10], steps=STEPS, minimizer=MINIMIZER, rate_limit=0.05, noise="persists")
    assert found.verdict == "undecided"
    assert found.reason.startswith("10 runs are too few; the window floor ")
    assert found.findings["decides"] == "log at least 50 runs"
    assert any("10 runs are unreliable" in text for text in found.summary["warnings"])


def test_floors_bound_the_variance_of_a_stationary_process(constant: Array) -> None:
    """Var = rate / (2 - rate) Var(x): what is seen of 100 runs is within 4 standard errors, in 6e-5 of cases not."""
    exact = 0.05 / 1.95 * 0.75
    floors = judged(constant, steps=STEPS).floors
    (at,) = np.flatnonzero((floors["floor"] == "window") & (floors["step"] == 20_000))
    assert abs(floors["value"][at] - exact) < 4.0 * floors["se"][at] + exact / 100  # a window has 100 looks
    assert 0.0 < floors["lower"][at] < exact
    assert floors["lower"][at] > exact / 2, "half of it is told from it"


@pytest.mark.slow
def test_intervals_of_ten_runs_cover(constant: Array) -> None:
    """400 logs of ten runs: of 95 % intervals at least 90 % must cover, which 4 standard errors allow from 94.4 % on."""
    exact, covered = 0.05 / 1.95 * 0.75, 0
    rng = np.random.default_rng(5)
    from nonconv.numerics.moments import moments
    from nonconv.statistics.intervals import logged_intervals

    ends = constant[:, -60:, 0].ravel()
    for _ in range(400):
        found = logged_intervals(moments(np.square(rng.choice(ends, 10) - MINIMIZER)[None]))
        covered += bool(found.estimate.low[0] <= exact <= found.estimate.high[0])
    assert covered >= 360


LOG = Path(nonconv.__file__).parents[1] / "configs" / "data" / "adam_torch.npz"
DECLARED: dict[str, Any] = {"minimizer": MINIMIZER, "rate_limit": 0.05, "noise": "persists"}


def test_pytorch_gives_what_nonconv_gives(reference: None) -> None:
    """Final error and floor within 4 standard errors of both, by chance in all but 2e-4 of cases. Another rate is told."""
    log = judged(LOG, **DECLARED)
    adam = {"seed": 1, "paths": 256, "steps": 1600, "objective": SGD["objective"], "optimizer": "adam", "learning_rate": 0.05}
    own = nonconv.run(adam)
    assert log.verdict == "does_not_converge"
    other = nonconv.run(adam, learning_rate=0.1)
    for name in ("window", "error"):
        value, other_value = (_late(result, name) for result in (own, other))
        here = _late(log, name)
        assert abs(here[0] - value[0]) < 4.0 * np.hypot(here[1], value[1]) + 0.02 * value[0], name
        assert abs(here[0] - other_value[0]) > 4.0 * np.hypot(here[1], other_value[1]), name


def _late(result: nonconv.Result, name: str) -> tuple[float, float]:
    """The window floor of the last span, or the error at the last step; with its standard error."""
    if name == "window":
        floor = result.findings["floors"]["window"]
        return floor["value"], floor["se"]
    last = result.error.where(xi="minimizer")
    return float(last["mse"][-1]), float(last["se"][-1])


def test_ten_seeds_of_it_are_what_the_page_says() -> None:
    with np.load(LOG) as log:
        ten = judged({"theta": log["theta"][:10], "step": log["step"]}, **DECLARED)
    assert (ten.verdict, ten.reason[:25]) == ("undecided", "10 runs are too few; the ")
    assert f"{ten.findings['floors']['window']['lower']:.4f}" == "0.0153"


def test_the_page_has_the_loop_that_wrote_the_log() -> None:
    root = Path(nonconv.__file__).parents[1]
    script = (root / "tests" / "oracles" / "make_log.py").read_text()
    loop = script.partition("# begin: the loop\n")[2].partition("    # end: the loop")[0]
    assert loop
    assert loop in (root / "docs" / "judge.md").read_text()


# Twins


def twins(rate: Callable[[int], float], branch: int = 200, runs: int = 80) -> tuple[Array, Array]:
    """Paired runs: the same up to the branch, with other data from there on."""
    rng = np.random.default_rng(3)
    theta, other, seen = np.zeros((runs, 1)), np.zeros((runs, 1)), []
    for n in range(1, 4001):
        x, y = rng.choice([-1.0, 1.0], p=[0.75, 0.25], size=(2, runs, 1))
        theta = theta - rate(n) * (theta - x)
        other = theta.copy() if n <= branch else other - rate(n) * (other - y)
        if n % 20 == 0:
            seen.append((theta.copy(), other.copy()))
    both = np.array(seen).transpose(1, 2, 0, 3)
    return both[0], both[1]


def test_twin_floors_are_half_the_distance_of_paired_runs() -> None:
    theta, other = twins(lambda n: 0.05)
    steps = np.arange(20, 4001, 20)
    found = judged(theta, steps=steps, twins=other, rate_limit=0.05, noise="persists")
    floors = found.floors.where(floor="twin")
    assert found.summary["logged"]["twins"] == 200
    assert (floors["step"] - floors["lag"] == 200).all()
    at = np.searchsorted(steps, floors["step"])
    expected = np.square(theta - other).sum(axis=2)[:, at].mean(axis=0) / 2.0
    assert np.allclose(floors["value"], expected, rtol=1e-12)
    exact = 0.05 / 1.95 * 0.75
    (late,) = np.flatnonzero((found.floors["floor"] == "twin_mean") & (found.floors["step"] == 4000))
    assert abs(found.floors["value"][late] - exact) < 4.0 * found.floors["se"][late]
    assert found.findings["floors"]["twin"]["lower"] > exact / 2
    assert found.verdict == "does_not_converge"
    rows = ["run,step,twin,x0"]
    for k in range(80):
        for own, flag in ((theta, 0), (other, 1)):
            rows += [f"{k},{step},{flag},{float(value)!r}" for step, value in zip(steps, own[k, :, 0], strict=True)]
    Path("twins.csv").write_text("\n".join(rows))
    assert np.array_equal(judged("twins.csv").floors["value"], found.floors["value"])


def test_twins_that_say_nothing(constant: Array) -> None:
    assert "the twins are the same as their runs" in refused(constant, steps=STEPS, twins=constant)
    late = np.where(STEPS[:, None] > 15_000, constant + 1.0, constant)
    found = judged(constant, steps=STEPS, twins=late)
    assert "twin" not in found.floors["floor"]
    assert "the twins branch at step 15000, and twin floors need a branch at step 2500 or before" in found.summary["warnings"]


# Odd logs


def test_runs_that_diverge_are_counted(constant: Array) -> None:
    wild = constant.copy()
    wild[3, 50:] = np.nan
    wild[4, 150:] = np.inf
    found = judged(wild, steps=STEPS, minimizer=MINIMIZER)
    assert found.summary["outcomes"]["overflow"] == 2
    assert found.summary["first_failure"] == {"step": 5100, "replicate": 3}
    assert found.error.where(xi="minimizer", step=5000)["n_finite"].tolist() == [100]
    assert found.error.where(xi="minimizer", step=5100)["n_finite"].tolist() == [99]
    assert np.isinf(found.error.where(xi="minimizer", step=20_000)["mse"]).all()
    wild[:, 100:] = np.nan
    assert judged(wild, steps=STEPS).verdict == "diverges"


def test_gaps_are_no_divergence(constant: Array) -> None:
    """A number that is not finite before one that is was not logged."""
    holed, whole = constant.copy(), constant
    holed[:, 0] = np.nan
    holed[3, 50] = np.inf
    found, known = judged(holed, steps=STEPS, minimizer=MINIMIZER), judged(whole, steps=STEPS, minimizer=MINIMIZER)
    assert (found.verdict, found.summary["outcomes"]) == (known.verdict, known.summary["outcomes"])
    assert sorted(set(known.error["step"]) - set(found.error["step"])) == [100, 5100]
    (gaps, left_out) = found.summary["warnings"][:2]
    assert gaps == "run 0 is not finite at step 100, but later, and so are 99 other runs at some step: read as not logged there"
    assert left_out == "1 step that some runs did not log is left out"


def test_runs_that_run_away_have_escaped() -> None:
    away = np.exp(np.arange(1, 401) / 5.0) * np.array([[1.0], [-2.0]])
    assert judged(away).summary["outcomes"]["escaped"] == 2
    assert judged(away, rate_limit=0.1).verdict == "diverges"
    assert "may come back" in judged(np.repeat(away, 30, axis=0)).reason
    near = np.concatenate([np.full((2, 1), 1e-12), np.random.default_rng(0).normal(size=(2, 399))], axis=1)
    assert judged(near).summary["outcomes"]["escaped"] == 0, "a start next to 0 is no measure"


def test_runs_of_different_lengths_are_judged_on_the_steps_of_all(constant: Array) -> None:
    lists = [constant[0], constant[1, :150], constant[2]]
    found = judged(lists, steps=[STEPS, STEPS[:150], STEPS], xi=[MINIMIZER])
    same = judged(constant[:3, :150], steps=STEPS[:150], xi=[MINIMIZER])
    assert np.array_equal(found.error["mse"], same.error["mse"])
    assert "steps after 15000 are left out, since run 1 was not logged to the end" in found.summary["warnings"]


@pytest.mark.parametrize("missing", ["", "NA"])
def test_missing_values_are_left_out_and_told(missing: str) -> None:
    rows = "run,step,x0,x1\n" + "".join(f"{r},{n},{0.1 * r + n},1\n" for r in (0, 1) for n in (1, 2, 3, 4))
    Path("log.csv").write_text(rows.replace("1,3,3.1,1", f"1,3,{missing},1"))
    found = judged("log.csv")
    assert sorted(set(found.error["step"].tolist())) == [1, 2, 4]
    assert "1 step that some runs did not log is left out" in found.summary["warnings"]


def test_a_declaration_that_the_log_contradicts(constant: Array) -> None:
    """More runs would not help; longer ones would show it, or that what is declared is wrong."""
    for declared, still in (({"rate_limit": 0}, "stand"), ({"rate_limit": 0.05, "noise": "none"}, "stand")):
        found = judged(constant, steps=STEPS, **declared)
        assert found.verdict == "undecided"
        assert (
            found.findings["decides"]
            == f"log at least 160000 steps; if the floors still {still} then, what is declared is wrong"
        )
    falls = constant.mean() + (constant - constant.mean()) / np.sqrt(STEPS)[:, None, None].transpose(1, 0, 2)
    found = judged(falls, steps=STEPS, rate_limit=0.05, noise="persists")
    assert found.verdict == "undecided"
    assert found.findings["decides"].endswith("; if the floors still fall then, what is declared is wrong")


def test_epochs_count_steps_where_nothing_else_does(tmp_path: Path) -> None:
    Path("epochs.csv").write_text("run,epoch,x0\n" + "".join(f"{r},{n},{n + r}\n" for r in range(3) for n in range(1, 5)))
    assert list(judged("epochs.csv").error["step"][::2]) == [1, 2, 3, 4]


def test_one_run_has_no_interval(constant: Array) -> None:
    found = judged(constant[:1], steps=STEPS, minimizer=MINIMIZER, rate_limit=0.05, noise="persists")
    assert np.isnan(found.error["ci_low"]).all()
    assert found.verdict == "undecided"
    assert found.reason.startswith("1 run is too few")
    assert any("how other runs would differ cannot be known" in text for text in found.summary["warnings"])


def test_uneven_steps_and_few_of_them(constant: Array) -> None:
    kept = np.unique(np.geomspace(1, 200, 40).astype(int)) - 1
    uneven = judged(constant[:, kept], steps=STEPS[kept], rate_limit=0.05, noise="persists")
    assert uneven.verdict in ("does_not_converge", "undecided")
    assert {"window", "cauchy_mean"} <= set(uneven.floors["floor"].tolist())
    few = judged(constant[:, ::40], steps=STEPS[::40], rate_limit=0.05, noise="persists")
    assert few.verdict == "undecided"
    assert few.reason == "5 logged steps are too few, or too unevenly spread"


def test_ten_dimensions_and_a_wrong_limit() -> None:
    theta = sgd(60, lambda n: 0.1, last=2000, dim=10)
    found = judged(theta, steps=np.arange(100, 2001, 100), xi=["minimizer", [0.0] * 10], minimizer=[MINIMIZER] * 10)
    mse = found.error.where(step=2000)["mse"]
    exact = 10 * 0.1 / 1.9 * 0.75
    assert abs(mse[0] - exact) < 0.2 * exact
    assert mse[1] > 5 * exact, "of a wrong limit it is larger by its distance"


def test_of_many_coordinates_only_the_first_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FAN_NUMBERS", 2 * 5 * 3)
    found = judged(np.random.default_rng(0).normal(size=(2, 5, 7)))
    assert found.paths["theta"].shape == (2, 5, 3)
    assert [*found.frame("paths").columns] == ["run", "step", "x0", "x1", "x2"]
    assert found.summary["dim"] == 7


# What is refused


CSV: list[tuple[str, str]] = [
    ("", "log.csv is empty"),
    ("run,x0\n0,1\n", "log.csv:1: there is no column step"),
    ("Run,step,x0\n0,1,1\n", "log.csv:1: there is a column 'Run'\n  did you mean run? its name has small letters"),
    ("run,Step,x0\n0,1,1\n", "log.csv:1: there is a column 'Step'\n  did you mean step?"),
    ("run,seed,step,x0\n0,0,1,1\n", "log.csv:1: run and seed both say the run\n  hint: leave one of them out"),
    ("id,step,x0\n0,1,1\n", "log.csv:1: beside x0 there is id"),
    ("run,stp,x0\n0,1,1\n", "did you mean stp? call it step"),
    ("run,step\n0,1\n", "log.csv:1: there is no column of values"),
    ("run,step,x0\n", "log.csv has no rows"),
    ("run,step,x0\n0,1,1\n0,2,abc\n", "log.csv:3: column x0: 'abc' is no number\n  allowed: a number, nan or inf"),
    ("run,step,x0\n0,1.5,1\n", "log.csv:2: column step: '1.5' is no step"),
    ("run,step,x0\n0,-1,1\n", "log.csv:2: column step: '-1' is no step"),
    ("run,step,x0\n0,1,1\n0,1,2\n", "log.csv:3: column step: run 0 has step 1 twice; first log.csv:2"),
    ("run,step,x0\n0,1\n", "log.csv:2: has 2 fields, not 3"),
    ("run,step,x0,x0\n0,1,1,1\n", "log.csv:1: two columns are called 'x0'"),
    (",step,x0\n0,1,1\n", "a column has no name; write the table without its index"),
    ("run,step,x0\n0,1,1\n", "log.csv: the log has 1 step, and at least 2 are needed"),
    ("run,step,x0\n0,1,1\n0,3,1\n1,2,1\n1,4,1\n", "log.csv: the runs have 0 steps in common"),
    ("run,step,twin,x0\n0,1,2,1\n", "column twin: '2' does not say whether it is a twin"),
    ("run,step,twin,x0\n0,1,1,1\n0,2,1,1\n", "is a twin of no run"),
    (
        "run,step,x0,loss\n0,1,1,1\n",
        "log.csv:1: beside x0 there is loss\n  name the columns that are coordinates: --columns x0, or",
    ),
    ("run,step,x0,learning_rate\n0,1,1,-1\n", "column learning_rate: must be a number >= 0, got '-1'"),
]


@pytest.mark.parametrize(("text", "message"), CSV)
def test_wrong_tables(text: str, message: str) -> None:
    Path("log.csv").write_text(text)
    assert message in refused("log.csv")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate_limit": -1}, "rate_limit: must be a number >= 0, or unknown, got -1"),
        ({"rate_limit": "no"}, "rate_limit: must be a number >= 0, or unknown, got 'no'"),
        ({"noise": "persist"}, "did you mean persists?"),
        ({"batch_limit": 0}, "batch_limit: must be a number >= 1"),
        ({"xi": ["minimizer"]}, "xi: the minimizer is not declared"),
        ({"xi": ["minimiser"]}, "did you mean minimizer?"),
        ({"xi": [[1.0, 2.0]]}, "xi: [1.0, 2.0] is not a point"),
        ({"xi": [0.5, 0.5]}, "xi: 0.5 is given twice"),
        ({"steps": [1, 2]}, "step has the shape (2,), and there are 3 iterates of a run"),
        ({"steps": [1, 3, 2]}, "step[2] is 2, and follows 3: steps must rise"),
        ({"steps": [1, 2, 2.5]}, "step[2] is 2.5\n  allowed: whole numbers >= 0"),
        ({"learning_rate": [1.0]}, "learning_rate must be 3 numbers >= 0"),
        ({"twins": np.zeros((1, 3))}, "twins are of 1 runs, theta of 2"),
        ({"name": "a/b"}, "name: 'a/b' cannot be the name of a folder"),
    ],
)
def test_wrong_arguments(options: dict[str, Any], message: str) -> None:
    assert message in refused(np.ones((2, 3)), **options)


NO_LOGS = [np.ones(3), np.ones((1, 2, 3, 4)), [["a"]], {"thet": 1}, np.ones((0, 3)), "no.npz", "a.txx"]


@pytest.mark.parametrize("values", NO_LOGS)
def test_what_is_no_log(values: Any) -> None:
    assert refused(values)


# The command


def test_the_command(constant: Array) -> None:
    np.savez("log.npz", theta=constant, step=STEPS)
    arguments = ["judge", "log.npz", "--minimizer", "-0.5", "--rate-limit", "0.05", "--noise", "persists"]
    shown = good(*arguments)
    assert shown.startswith("DOES NOT CONVERGE   steps 2500 to 20000, 100 runs\n")
    assert max(map(len, shown.splitlines())) <= 80
    document = json.loads(good(*arguments, "--json"))
    assert document["verdict"] == "does_not_converge"
    folder = Path(document["folder"])
    again = judged("log.npz", minimizer=-0.5, rate_limit=0.05, noise="persists")
    assert again.folder == folder
    before = contents(folder)
    good(*arguments, "--force", "-q")
    assert contents(folder) == before
    assert good("table", folder).startswith("|")
    assert "the paths were logged elsewhere" in good("verify", folder)
    assert "undecided" in good("judge", "log.npz", "--json", "--xi", "0.5", "--xi", "path_mean")
    other = judged("log.npz").folder
    said = good("compare", folder, other)
    assert "E|Θ − path mean|²" in said
    assert 'declared.rate_limit: 0.05 -> "unknown"' in said
    assert said.endswith("All results are the same, on every path.\n")
    assert bad("judge", "log.npz", "--rate-limit", "x").startswith("--rate-limit: must be a number >= 0")
    assert bad("judge", "lag.npz") == "lag.npz: there is no such file\n  did you mean log.npz?\n"
    assert "the name of a log ends with .npz, .csv or .parquet" in bad("judge", "log.mat")
