"""nonconv check: expectations held against results, and what is said of them.

What may be wrong with `expect` in a config is in bad_configs.yaml.
"""

import json
import math
import re
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from kit.command import bad, call
from kit.expectations import PREDICTIONS, VERDICT, result
from kit.experiments import SGD, written
from kit.runs import drawn
from kit.texts import GOOD, RICH, accepts, data_of
from kit.texts import read as read_good
from nonconv.checks import expectations
from nonconv.checks.claims_markdown import markdown
from nonconv.checks.expectations import Measured, Row, combine, decide, evaluate, find_unanswerable
from nonconv.checks.junit import Checked, junit
from nonconv.experiment.binding import read_cell
from nonconv.report.figures import drawing_process
from nonconv.report.run import Run, read_run
from nonconv.store.formats import as_json
from nonconv.study import loop as study


def row(**expect: Any) -> Row:
    (found,) = evaluate(expect, result())
    return found


def told(**expect: Any) -> tuple[str, str, str, str]:
    """What people read of the one row."""
    return row(**expect)[:4]


# An interval decides


@pytest.mark.parametrize(
    ("bounds", "status"),
    [
        ({"above": 1.0}, "met"),
        ({"above": 1.5}, "undecided"),
        ({"above": 2.0}, "undecided"),
        ({"above": 2.1}, "refuted"),
        ({"below": 2.0}, "met"),
        ({"below": 1.5}, "undecided"),
        ({"below": 1.0}, "undecided"),
        ({"below": 0.9}, "refuted"),
        ({"above": 0.0, "below": 3.0}, "met"),
        ({"above": 0.0, "below": 1.5}, "undecided"),
        ({"above": 1.5, "below": 3.0}, "undecided"),
        ({"above": 2.5, "below": 3.0}, "refuted"),
        ({"above": 0.0, "below": 0.5}, "refuted"),
    ],
    ids=str,
)
def test_an_interval_decides(bounds: dict[str, float], status: str) -> None:
    assert decide(bounds, Measured(1.5, 1.0, 2.0)) == status


def test_the_lower_bound_of_a_floor_stands_in_for_its_interval_from_below() -> None:
    assert decide({"above": 1.0}, Measured(1.5, 1.0, 2.0, 0.9)) == "undecided"
    assert decide({"above": 1.0}, Measured(1.5, 0.9, 2.0, 1.0)) == "met"
    assert decide({"above": 2.1}, Measured(1.5, 1.0, 2.0, 0.9)) == "refuted"
    assert decide({"below": 2.0}, Measured(1.5, 1.0, 2.0, 0.9)) == "met"


def test_without_an_interval_nothing_is_decided() -> None:
    for bounds in ({"above": 1.0}, {"below": 2.0}, {"above": 1.0, "below": 2.0}):
        assert decide(bounds, Measured(1.5, math.nan, math.nan)) == "undecided"


def test_the_status_of_several() -> None:
    assert combine([]) == combine(["met"]) == "met"
    assert combine(["met", "undecided"]) == "undecided"
    assert combine(["undecided", "refuted", "met"]) == "refuted"


# Each expectation


@pytest.mark.parametrize(
    ("wanted", "expected", "status"),
    [
        ("does_not_converge", "verdict does_not_converge", "met"),
        (["diverges", "does_not_converge"], "verdict diverges or does_not_converge", "met"),
        ("converges", "verdict converges", "refuted"),
        ("undecided", "verdict undecided", "refuted"),
    ],
)
def test_verdict(wanted: Any, expected: str, status: str) -> None:
    assert told(verdict=wanted) == ("expect.verdict", expected, "does_not_converge: the twins part.", status)


def test_an_undecided_verdict() -> None:
    found = result(verdict=VERDICT | {"verdict": "undecided", "reason": "too few paths."})
    for wanted, status in (("converges", "undecided"), ("undecided", "met"), (["converges", "undecided"], "met")):
        assert evaluate({"verdict": wanted}, found)[0][2:4] == ("undecided: too few paths.", status)


def test_an_expectation_in_numbers() -> None:
    """What programs read beside the prose: value, interval, bound and relation."""
    twin = {"value": 0.02, "se": 0.001, "ci_low": 0.018, "ci_high": 0.022, "lower": 0.017, "file": "verdict.json"}
    none = {"se": None, "ci_low": None, "ci_high": None, "lower": None}
    for wanted, numbers in (
        ({"floor": {"twin": {"above": 0.01}}}, {"kind": "floor", "relation": "above", "bound": 0.01} | twin),
        ({"floor": {"twin": {"above": 0.01, "below": 1}}}, {"kind": "floor", "relation": "between", "bound": [0.01, 1]} | twin),
        (
            {"mse": [{"xi": "last", "below": 1}]},
            {"kind": "mse", "relation": "below", "bound": 1, "value": None, "file": "error.csv"} | none,
        ),
        (
            {"outcomes": {"escaped": "none"}},
            {"kind": "outcomes", "relation": "equal", "bound": 0, "value": 0, "file": "summary.json"} | none,
        ),
        ({"slope": {"twin": {"below": 0}}}, {"kind": "slope", "relation": "below", "bound": 0, "value": None} | none),
    ):
        found = row(**wanted).facts.as_dict()
        assert found == numbers | {"file": found["file"]}
    within = row(within=[{"quantity": "twin", "of": "plateau", "standard_errors": 2.0}]).facts.as_dict()
    assert (within["relation"], within["bound"], within["standard_errors"], within["value"]) == ("within", 0.021, 2.0, 0.02)


@pytest.mark.parametrize(
    ("name", "bounds", "found", "status"),
    [
        ("twin", {"above": 0.017, "below": 1}, "0.02 (0.018 to 0.022) at step 60, at least 0.017", "met"),
        ("twin", {"above": 0.0175}, "0.02 (0.018 to 0.022) at step 60, at least 0.017", "undecided"),
        ("cauchy", {"above": 0.0175}, "0.02 (0.018 to 0.022) at step 60", "met"),
        ("cauchy", {"below": 0.01}, "0.02 (0.018 to 0.022) at step 60", "refuted"),
        ("window", {"below": 1}, "0.02, no interval at step 60", "undecided"),
    ],
)
def test_floor(name: str, bounds: dict[str, float], found: str, status: str) -> None:
    words = " and ".join(f"{side} {bound:g}" for side, bound in bounds.items())
    assert told(floor={name: bounds}) == (f"expect.floor.{name}", f"floor {name} {words}", found, status)


def test_slope() -> None:
    wanted = {"window": {"above": -0.1, "below": 0.1}, "error: minimizer": {"below": -0.6}, "twin": {"below": 0.0}}
    assert [found[:4] for found in evaluate({"slope": wanted}, result())] == [
        ("expect.slope.window", "slope window above -0.1 and below 0.1", "0 (-0.02 to 0.02)", "met"),
        ("expect.slope.error: minimizer", "slope of E|Θ − minimizer|² below -0.6", "-0.5 (-0.52 to -0.48)", "refuted"),
        ("expect.slope.twin", "slope twin below 0", "was not measured", "undecided"),
    ]


@pytest.mark.parametrize(
    ("entry", "expected", "found", "status"),
    [
        ({"xi": "minimizer", "above": 0.01}, "minimizer|² at step 100 above 0.01", "0.02 (0.018 to 0.022)", "met"),
        ({"xi": "minimizer", "step": 10, "above": 0.2}, "minimizer|² at step 10 above 0.2", "0.1 (0.08 to 0.12)", "refuted"),
        (
            {"xi": "minimizer", "step": 1, "above": 1, "below": 1},
            "minimizer|² at step 1 above 1 and below 1",
            "1 (1 to 1)",
            "met",
        ),
        ({"xi": [1, 0], "below": 1}, "(1 0)|² at step 100 below 1", "2 (2 to 2)", "refuted"),
        ({"xi": 0.5, "below": 1}, "0.5|² at step 100 below 1", "0.25, no interval", "undecided"),
        ({"xi": "start", "above": 1e9}, "start|² at step 100 above 1e+09", "inf (inf to inf)", "met"),
        ({"xi": "start", "below": 1e9}, "start|² at step 100 below 1e+09", "inf (inf to inf)", "refuted"),
        ({"xi": "last", "below": 1}, "last|² at step 100 below 1", "nan", "undecided"),
    ],
    ids=str,
)
def test_mse(entry: dict[str, Any], expected: str, found: str, status: str) -> None:
    assert told(mse=[entry]) == ("expect.mse[0]", f"E|Θ − {expected}", found, status)


def test_where_nothing_is_random_a_number_is_its_own_interval() -> None:
    (found,) = evaluate({"mse": [{"xi": 0.5, "below": 1}]}, result(exact=True))
    assert found[2:4] == ("0.25 (0.25 to 0.25)", "met")
    (found,) = evaluate({"outcomes": {"finite": {"above": 1}}}, result(exact=True))
    assert found[2:4] == ("64 of 64, 1 (1 to 1)", "met")


def test_violations_of_the_bound() -> None:
    expected = "0 violations of the a priori bound"
    assert told(violations=0) == ("expect.violations", expected, "0 on 64 paths, bound -1.25 to 1.5", "met")
    for bound, found, status in (
        (None, "no a priori bound is known", "undecided"),
        ({"violations": 2, "paths": 64, "low": None, "high": None}, "2 on 64 paths", "refuted"),
    ):
        (other,) = evaluate({"violations": 0}, result(verdict=VERDICT | {"bound": bound}))
        assert other[:4] == ("expect.violations", expected, found, status)


@pytest.mark.parametrize(
    ("entry", "found", "status"),
    [
        ({"xi": "minimizer", "of": "theory"}, "0.02 vs 0.0235: 3.5 standard errors apart", "met"),
        ({"xi": "minimizer", "of": "theory", "standard_errors": 3}, "0.02 vs 0.0235: 3.5 standard errors apart", "refuted"),
        ({"xi": "minimizer", "of": "theory", "step": 10}, "0.1 vs 0.12: 2 standard errors apart", "met"),
        ({"xi": "minimizer", "of": "theory", "step": 1}, "1 vs 1: 0 apart, without standard error", "met"),
        ({"xi": [1, 0], "of": "theory"}, "2 vs 2: 8.9e-16 apart, without standard error", "met"),
        ({"xi": [1, 0], "of": 2.1}, "2: 0.1 apart, without standard error", "refuted"),
        ({"xi": [1, 0], "of": 2.1, "relative": 0.05}, "2: 0.1 apart, without standard error", "met"),
        ({"xi": [1, 0], "of": 2.1, "relative": 0.04}, "2: 0.1 apart, without standard error", "refuted"),
        ({"xi": "minimizer", "of": 0.03, "relative": 0.21}, "0.02: 0.01 apart", "met"),
        ({"xi": "minimizer", "of": 0.03, "relative": 0.19}, "0.02: 10 standard errors apart", "refuted"),
        ({"xi": 0.5, "of": 0.25, "relative": 0.5}, "0.25, no standard error", "undecided"),
        ({"xi": "minimizer", "of": "plateau"}, "0.02 vs 0.021: 1 standard error apart", "met"),
        ({"xi": "minimizer", "of": "sampled"}, "0.02 vs 0.024: 1.8 standard errors apart", "met"),
        ({"xi": "minimizer", "of": 0.03}, "0.02: 10 standard errors apart", "refuted"),
        ({"xi": "minimizer", "of": "1/50"}, "0.02 vs 0.02: 0 standard errors apart", "met"),
        ({"xi": "minimizer", "of": "learning_rate.value/2"}, "0.02 vs 0.02: 0 standard errors apart", "met"),
        ({"xi": "minimizer", "of": "sqrt(learning_rate.value) - 0.1"}, "0.02 vs 0.1: 80 standard errors apart", "refuted"),
        ({"xi": "minimizer", "of": "learning_rate.valu"}, "its reference is not known here", "undecided"),
        ({"xi": 0.5, "of": 0.25}, "0.25, no standard error", "undecided"),
        ({"xi": "start", "of": 1.0}, "inf: inf apart, without standard error", "refuted"),
        ({"xi": 0.5, "of": math.nan}, "0.25 vs nan: not both are numbers", "undecided"),
        ({"xi": "start", "of": math.inf}, "inf: 0 apart, without standard error", "met"),
        ({"quantity": "twin", "of": "plateau"}, "0.02 vs 0.021: 1 standard error apart", "met"),
        ({"quantity": "window", "of": 1.0}, "0.02, no standard error", "undecided"),
        # Of a share the standard error is that of the reference: sqrt(0.1 * 0.9 / 64).
        ({"quantity": "escaped", "of": 0.1}, "0: 2.7 standard errors apart", "met"),
        ({"quantity": "escaped", "of": 0.1, "standard_errors": 2}, "0: 2.7 standard errors apart", "refuted"),
        ({"quantity": "escaped", "of": 0}, "0: 0 apart, without standard error", "met"),
        ({"quantity": "escaped", "of": 1}, "0: 1 apart, without standard error", "refuted"),
        ({"quantity": "dead", "of": 0.5}, "was not measured", "undecided"),
    ],
    ids=str,
)
def test_within(entry: dict[str, Any], found: str, status: str) -> None:
    found_row = row(within=[{"quantity": "mse", "standard_errors": 4.0} | entry])
    assert (found_row.key, *found_row[2:4]) == ("expect.within[0]", found, status)


def test_what_within_compares() -> None:
    entry = {"quantity": "mse", "xi": "minimizer", "of": "theory", "standard_errors": 4.0}
    assert row(within=[entry]).expected == "E|Θ − minimizer|² at step 100 within 4 standard errors of theory"
    floor = {"quantity": "twin", "of": 0.1, "standard_errors": 2.5}
    assert row(within=[floor]).expected == "floor twin within 2.5 standard errors of 0.1"
    rounded = row(within=[floor | {"relative": 0.001}])
    assert rounded.expected == "floor twin within 2.5 standard errors and 0.1 % of 0.1"
    assert rounded.facts.more == {"standard_errors": 2.5, "relative": 0.001}
    share = {"quantity": "escaped", "of": 0.5, "standard_errors": 4.0}
    assert row(within=[share]).expected == "share of paths escaped within 4 standard errors of 0.5"
    (missing,) = evaluate({"within": [floor]}, result(verdict=VERDICT | {"floors": {}}))
    assert missing[2:4] == ("was not measured", "undecided")


@pytest.mark.parametrize(
    ("wanted", "expected", "found", "status"),
    [
        ({"escaped": "all"}, "all of the paths escaped", "32 of 64", "refuted"),
        ({"caught": "none"}, "none of the paths caught", "0 of 64", "met"),
        ({"escaped": "none"}, "none of the paths escaped", "32 of 64", "refuted"),
        ({"escaped": {"above": 0.3}}, "share of paths escaped above 0.3", "32 of 64, 0.5 (0.3723 to 0.6277)", "met"),
        ({"escaped": {"above": 0.4}}, "share of paths escaped above 0.4", "32 of 64, 0.5 (0.3723 to 0.6277)", "undecided"),
        ({"undefined": {"above": 0.1}}, "share of paths undefined above 0.1", "0 of 64, 0 (0 to 0.05601)", "refuted"),
        ({"dead": "none"}, "none of the paths dead", "was not recorded here", "undecided"),
        ({"idle": {"below": 0.1}}, "share of paths idle below 0.1", "was not recorded here", "undecided"),
    ],
    ids=str,
)
def test_outcomes(wanted: dict[str, Any], expected: str, found: str, status: str) -> None:
    (found_row,) = evaluate({"outcomes": wanted}, result(escaped=32))
    assert found_row[:4] == (f"expect.outcomes.{next(iter(wanted))}", expected, found, status)


def test_predictions_that_nothing_tells() -> None:
    within = [
        {"quantity": "mse", "xi": "minimizer", "of": "platau"},
        {"quantity": "mse", "xi": 0.5, "of": "theory"},
        {"quantity": "twin", "of": "twin"},
        {"quantity": "twin", "of": "plateau"},
        {"quantity": "mse", "xi": 0.5, "of": 3.0},
        {"quantity": "twin", "of": "1/(learning_rate.value - 0.04)"},
    ]
    assert "\n".join(map(str, find_unanswerable({"within": within}, result(), "my.yaml"))) == (
        "my.yaml: expect.within[0].of: there is no prediction 'platau' for xi = minimizer\n"
        "  allowed: theory, plateau, sampled, a number\n"
        "  did you mean plateau?\n"
        "my.yaml: expect.within[1].of: there is no prediction 'theory' for xi = 0.5\n"
        "  allowed: plateau, sampled, a number\n"
        "my.yaml: expect.within[2].of: there is no prediction 'twin'\n"
        "  allowed: plateau, sampled, a number\n"
        "my.yaml: expect.within[5].of: 1/(learning_rate.value - 0.04) is no number here"
    )


# JUnit


def test_junit() -> None:
    rows = [Row("expect.verdict", "a < b", "c & d", "met"), Row("k", "e", "f", "refuted"), Row("l", "g", "h", "undecided")]
    checked = [
        Checked("my.yaml", "my", "Adam \x07 \ud800 stays.", Path("out"), rows, "run", 12.5, (8, 0, 9)),
        Checked("b.yaml", "b", "", Path("o"), [], "sweep", 0.25),
    ]
    assert junit(checked).decode() == (
        "<?xml version='1.0' encoding='utf-8'?>\n"
        '<testsuites name="nonconv check" tests="3" failures="1" errors="0" skipped="1" time="12.750">\n'
        '  <testsuite name="my.yaml" tests="3" failures="1" errors="0" skipped="1" time="12.500">\n'
        "    <properties>\n"
        '      <property name="claim" value="Adam \\u0007 \\ud800 stays." />\n'
        '      <property name="folder" value="out" />\n'
        "    </properties>\n"
        '    <testcase classname="my.yaml" name="expect.verdict: a &lt; b" file="my.yaml" line="8" time="12.500">\n'
        "      <system-out>c &amp; d</system-out>\n"
        "    </testcase>\n"
        '    <testcase classname="my.yaml" name="k: e" file="my.yaml" time="0.000">\n'
        '      <failure message="refuted: f" />\n'
        "    </testcase>\n"
        '    <testcase classname="my.yaml" name="l: g" file="my.yaml" line="9" time="0.000">\n'
        '      <skipped message="undecided: h" />\n'
        "    </testcase>\n"
        "  </testsuite>\n"
        '  <testsuite name="b.yaml (sweep)" tests="0" failures="0" errors="0" skipped="0" time="0.250">\n'
        "    <properties>\n"
        '      <property name="claim" value="" />\n'
        '      <property name="folder" value="o" />\n'
        "    </properties>\n"
        "  </testsuite>\n"
        "</testsuites>\n"
    )


def test_markdown_shows_texts_as_they_are() -> None:
    rows = [Row("expect.verdict", "E|Θ|² < 1", "0.5 *and*\nmore", "met"), Row("k", "`e`", "f", "refuted")]
    checked = [
        Checked("my_file.yaml", "my", "$x_1$ <b>", Path("out"), rows, "run", 12.5),
        Checked("b.yaml", "b", "", Path("o"), []),
    ]
    told = markdown(checked, ["1 config not chosen by -k."])
    assert told.startswith(
        "## nonconv check\n\n**❌ refuted**: 2 expectations: 1 met, 1 refuted.\n\n1 config not chosen by -k.\n"
    )
    assert "\n| ❌ refuted | my_file.yaml | \\$x_1\\$ \\<b> | 1 of 2 met | 12.5 |\n" in told
    assert "\n| ✅ met | my_file.yaml | E\\|Θ\\|² < 1 | 0.5 \\*and* more |\n" in told
    assert "### Not met\n\n| status | config | expected | found |\n| --- | --- | --- | --- |\n| ❌ refuted |" in told


# expect in a config

EXPECT = "{verdict: [converges], mse: [{xi: minimizer, below: 1}], outcomes: {undefined: none, finite: {above: 0.9}}}"


def test_expect_is_kept_but_changes_nothing(tmp_path: Path) -> None:
    plain, expecting = read_good(tmp_path, RICH), read_good(tmp_path, RICH | {"expect": EXPECT})
    assert "expect" not in plain.resolved
    assert expecting.resolved == plain.resolved | {"expect": yaml.safe_load(EXPECT)}
    assert expecting.identity == plain.identity
    assert read_good(tmp_path, RICH | {"expect": EXPECT}, "expect=null").resolved == plain.resolved


def test_defaults_of_what_is_expected(tmp_path: Path) -> None:
    within = read_good(tmp_path, GOOD | {"expect": "{within: [{xi: minimizer, of: theory}]}"}).resolved["expect"]["within"]
    assert within == [{"quantity": "mse", "xi": "minimizer", "of": "theory", "standard_errors": 4.0}]


def test_every_recorded_step_may_be_expected(tmp_path: Path) -> None:
    for step in read_good(tmp_path, GOOD).program.record:
        read_good(tmp_path, GOOD | {"expect": f"{{mse: [{{xi: minimizer, step: {step}, above: 0}}]}}"})


def test_schema_knows_what_may_be_expected() -> None:
    assert accepts(data_of(GOOD | {"expect": EXPECT}))
    for wrong in ("3", "{verdict: maybe}", "{floor: {twn: {above: 1}}}", "{mse: []}", "{outcomes: {undefined: some}}"):
        assert not accepts(data_of(GOOD | {"expect": wrong})), wrong


# The command


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing_process, "figure_process", lambda: nullcontext(drawn))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The verdict and the predictions of every folder, to be changed at will."""
    known: dict[str, Any] = {"verdict.json": VERDICT, "predictions.json": PREDICTIONS}

    def read_changed(folder: Path) -> Run:
        return replace(read_run(folder), verdict=known["verdict.json"] or {}, predictions=known["predictions.json"] or {})

    monkeypatch.setattr(expectations, "read_run", read_changed)
    return known


def config(name: str, expect: dict[str, Any] | None, **changes: Any) -> Path:
    """A small experiment in the working directory."""
    path = written(Path(name), SGD | ({"expect": expect} if expect is not None else {}) | changes)
    return path.rename(f"{name}.yaml")


MET = {"verdict": "does_not_converge", "mse": [{"xi": "minimizer", "above": 0.01, "below": 0.1}]}


def test_all_met(judged: dict[str, Any]) -> None:
    path = config("one", MET, claim="SGD stays away.")
    shown = call("check", path)
    assert (shown.exit_code, shown.stderr) == (0, "one.yaml (1 of 1): SGD stays away.\n")
    assert shown.stdout == (
        "MET   2 expectations of 1 config: 2 met\n"
        "  one.yaml  2 met\n"
        "    met        verdict does_not_converge\n"
        "               found does_not_converge\n"
        "    met        E|Θ − minimizer|² at step 60 above 0.01 and below 0.1\n"
        "               found 0.04241 (0.03689 to 0.04906)\n"
    )
    told = call("check", path, "-v").stdout
    assert told == shown.stdout.replace("found does_not_converge\n", "found does_not_converge: the twins part.\n")
    again = call("check", path)
    assert (again.exit_code, again.stdout, again.stderr) == (0, shown.stdout, "")
    folder = Path("outputs") / read_cell(path, []).folder_name
    assert call("check", path, "-v").stderr == f"{folder}: reused\n"
    assert re.fullmatch(rf"{folder}: computed in .* s\n", call("check", path, "-q", "-v", "--force").stderr)


@pytest.mark.parametrize(
    ("wanted", "code", "said"),
    [
        ([MET], 0, "2 expectations of 1 config: 2 met"),
        ([{"floor": {"window": {"above": 1}}}], 4, "1 expectation of 1 config: 1 undecided"),
        ([MET, {"verdict": "converges"}], 3, "3 expectations of 2 configs: 2 met, 1 refuted"),
        ([{"floor": {"window": {"above": 1}}}, {"violations": 1}], 3, "2 expectations of 2 configs: 1 refuted, 1 undecided"),
    ],
    ids=str,
)
def test_exit_codes(judged: dict[str, Any], wanted: list[dict[str, Any]], code: int, said: str) -> None:
    paths = [config(f"c{k}", expect) for k, expect in enumerate(wanted)]
    shown = call("check", *paths, "-q")
    assert (shown.exit_code, shown.stderr) == (code, "")
    assert re.fullmatch(rf"[A-Z]+   {said}", shown.stdout.splitlines()[0])


def test_json_and_junit(judged: dict[str, Any]) -> None:
    paths = [config("one", {"verdict": "converges"}, claim="It does."), config("two", {"violations": 0})]
    shown = call("check", *paths, "--json", "--junit", "new/claims.xml", "-o", "results", "-q")
    assert (shown.exit_code, shown.stderr) == (3, "")
    folders = [str(Path("results") / read_cell(path, []).folder_name) for path in paths]
    document = json.loads(shown.stdout)
    seconds = [one["seconds"] for one in document["configs"]]
    assert min(seconds) > 0
    assert document == {
        "schema_version": 1,
        "status": "refuted",
        "counts": {"met": 1, "refuted": 1, "undecided": 0},
        "configs": [
            {
                "config": "one.yaml",
                "subject": "run",
                "name": "one",
                "claim": "It does.",
                "folder": folders[0],
                "status": "refuted",
                "seconds": seconds[0],
                "expectations": [
                    {
                        "key": "expect.verdict",
                        "expected": "verdict converges",
                        "found": "does_not_converge: the twins part.",
                        "status": "refuted",
                        "kind": "verdict",
                        "relation": "one of",
                        "bound": ["converges"],
                        "value": "does_not_converge",
                        "se": None,
                        "ci_low": None,
                        "ci_high": None,
                        "lower": None,
                        "file": f"{folders[0]}/verdict.json",
                        "config": "one.yaml",
                        "line": 1,
                        "seconds": seconds[0],
                    }
                ],
            },
            {
                "config": "two.yaml",
                "subject": "run",
                "name": "two",
                "claim": "",
                "folder": folders[1],
                "status": "met",
                "seconds": seconds[1],
                "expectations": [
                    {
                        "key": "expect.violations",
                        "expected": "0 violations of the a priori bound",
                        "found": "0 on 64 paths, bound -1.25 to 1.5",
                        "status": "met",
                        "kind": "violations",
                        "relation": "equal",
                        "bound": 0,
                        "value": 0,
                        "se": None,
                        "ci_low": None,
                        "ci_high": None,
                        "lower": None,
                        "file": f"{folders[1]}/verdict.json",
                        "config": "two.yaml",
                        "line": 1,
                        "seconds": seconds[1],
                    }
                ],
            },
        ],
    }
    root = ET.fromstring(Path("new/claims.xml").read_bytes())
    assert [(suite.get("name"), suite.get("failures")) for suite in root] == [("one.yaml", "1"), ("two.yaml", "0")]


def test_settings_apply_to_every_config(judged: dict[str, Any]) -> None:
    paths = [config("one", MET), config("two", MET)]
    shown = call("check", *paths, "--set", "expect={mse: [{xi: minimizer, step: 6, above: 0}]}", "--set", "steps=6", "-q")
    assert (shown.exit_code, shown.stdout.count("two.yaml  1 met\n")) == (0, 1)


def test_everything_is_read_before_anything_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "run", lambda *arguments: pytest.fail("it ran"))
    paths = [config("one", {"verdict": "convergent"}), config("two", MET), config("three", None), config("four", {})]
    before = sorted(Path().rglob("*"))
    column = paths[0].read_text().index('"convergent"') + 1
    told = bad("check", *paths, "none.yaml")
    assert [problem.splitlines()[0] for problem in told.split("\n\n")] == [
        f"one.yaml:1:{column}: expect.verdict: cannot be 'convergent'",
        "three.yaml: expect: missing; `nonconv check` tests results against this block",
        f"four.yaml:1:{paths[3].read_text().index('{}') + 1}: expect: cannot be an empty mapping",
        "none.yaml: there is no such file",
    ]
    assert sorted(Path().rglob("*")) == before


def test_a_config_that_expects_nothing() -> None:
    assert bad("check", config("one", None)) == (
        "one.yaml: expect: missing; `nonconv check` tests results against this block\n"
        "  allowed: a mapping of verdict, floor, slope, mse, quantity, rate, quantile, violations, "
        "within, outcomes, all, share, order\n"
    )
    assert "Usage:" in bad("check")


def test_a_prediction_that_is_unknown_is_an_error_of_the_config(judged: dict[str, Any]) -> None:
    path = config("one", {"within": [{"xi": "minimizer", "of": "platau"}]})
    assert bad("check", path, "-q") == (
        "one.yaml: expect.within[0].of: there is no prediction 'platau' for xi = minimizer\n"
        "  allowed: theory, plateau, sampled, a number\n"
        "  did you mean plateau?\n"
    )


def test_a_folder_without_a_verdict(judged: dict[str, Any]) -> None:
    judged["verdict.json"] = None
    path = config("one", MET)
    folder = Path("outputs") / read_cell(path, []).folder_name
    assert (
        bad("check", path, "-q")
        == f"{folder} has no verdict.json: another version of nonconv computed it; --force computes it again\n"
    )
    shown = call("check", path, "-q", "--set", "expect={outcomes: {finite: all}}")
    assert (shown.exit_code, "300 of 300" in shown.stdout) == (0, True)


def test_interrupted(judged: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done is kept; the same command continues."""
    paths = [config("one", MET), config("two", MET)]
    assert call("check", paths[0], "-q").exit_code == 0

    def impatient(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(study, "simulate", impatient)
    monkeypatch.setattr(sys, "argv", ["nonconv", "check", "one.yaml", "two.yaml", "--force"])
    folder = Path("outputs") / read_cell(paths[1], []).folder_name
    assert bad("check", *paths, "-q", code=130) == (
        f"Stopped. Saved in {folder}: 0 of 300 paths. To continue, run:\n  nonconv check one.yaml two.yaml\n"
    )


def test_files_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "run", lambda *arguments: pytest.fail("it ran"))
    path = config("one", MET)
    assert bad("check", path, "--junit", ".") == ". cannot be written: it is a folder\n"
    assert bad("check", path, "--junit", path / "claims.xml") == "one.yaml/claims.xml cannot be written: File exists\n"


def test_run_does_not_look_at_what_is_expected(tmp_path: Path) -> None:
    path = config("one", {"verdict": "converges"})
    assert call("run", path, "-q").exit_code == 0
    (folder,) = Path("outputs").iterdir()
    assert yaml.safe_load((folder / "config.yaml").read_text())["expect"] == {"verdict": "converges"}
    assert call("run", path, "--set", "expect=null", "-v").stderr.endswith(
        f"Reused the finished results in {folder}; --force computes them again.\n"
    )
    assert read_cell(folder / "config.yaml", []).identity == json.loads((folder / "manifest.json").read_text())["identity"]


def test_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """SGD against its exact recursion, with the verdict in the folder."""
    expect = {
        "within": [{"xi": "minimizer", "of": "theory"}, {"xi": "minimizer", "step": 1, "of": "theory"}],
        "outcomes": {"finite": "all", "escaped": {"below": 0.02}},
        "verdict": ["does_not_converge", "undecided"],
    }
    path = config("one", expect)
    call("run", path, "-q")
    (folder,) = Path("outputs").iterdir()
    if not (folder / "verdict.json").exists():
        (folder / "verdict.json").write_bytes(as_json(VERDICT))
    shown = call("check", path, "--json")
    assert shown.exit_code == 0, shown.output
    statuses = [row["status"] for row in json.loads(shown.stdout)["configs"][0]["expectations"]]
    assert statuses == ["met"] * 5
