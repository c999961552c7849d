"""The command line: what goes to which stream, what it returns, and what a person is told who got something wrong."""

import csv
import errno
import io
import json
import math
import os
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import nonconv
from kit.command import bad, call, documented, good, process, variables
from kit.experiments import SGD, written
from kit.runs import drawn
from nonconv.checks import verification
from nonconv.cli import app, tables
from nonconv.config.catalogue import BUILT_IN
from nonconv.experiment import binding as experiment
from nonconv.experiment.binding import read_cell
from nonconv.report.figures import drawing_process
from nonconv.results import run_files
from nonconv.store import folder as store
from nonconv.store.folder import MANIFEST
from nonconv.study import loop as study
from nonconv.system.streams import INVISIBLE
from nonconv.terminal import progress

CLAIM = "SGD with a constant learning rate does not converge."
CONFIG = SGD | {"claim": CLAIM, "xi": ["minimizer", "path_mean", 0.5]}
COMMANDS = (
    "new", "run", "sweep", "check", "show", "validate", "list", "explain", "table", "plot", "verify", "compare", "report",
    "judge", "schema",
)  # fmt: skip
NEVER = {"numpy", "scipy", "numba", "llvmlite", "matplotlib", "pydantic", "sympy", "altair", "jinja2", "vl_convert"}
"""What `nonconv --help` has no time for."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return written(tmp_path / "in", CONFIG)


@pytest.fixture(autouse=True)
def _in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs draw nothing, begin in an empty folder, and leave the signals as they were."""
    monkeypatch.setattr(drawing_process, "figure_process", lambda: nullcontext(drawn))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, "subprocess.CompletedProcess[str]"]:
    """A folder made by the real program, figures and all, and what it said."""
    place = tmp_path_factory.mktemp("real")
    return place / "out", process("run", written(place / "in", CONFIG), "-o", place / "out")


@pytest.fixture
def folder(real: tuple[Path, Any], tmp_path: Path) -> Path:
    """A copy of it to play with."""
    shutil.copytree(real[0], tmp_path / "out")
    return tmp_path / "out"


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "error.csv").open() as file:
        return list(csv.DictReader(file))


def all_files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# The program itself


@pytest.mark.processes
def test_importing_the_command_line_imports_nothing_heavy() -> None:
    code = "import sys, nonconv.cli; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=variables())
    assert "nonconv" in done.stdout.split()
    assert NEVER & set(done.stdout.split()) == set()


def test_help_lists_every_command() -> None:
    assert set(COMMANDS) == {command.name for command in app.registered_commands}
    shown = good("--help")
    assert good("-h") == shown
    for name in COMMANDS:
        assert re.search(rf"^  {name} +[A-Z]\w+ .*[^.]\.$", shown, re.MULTILINE)
        assert good(name, "--help").startswith("Usage: ")
    assert good("--version") == f"nonconv {nonconv.__version__}\n"


@pytest.mark.parametrize("arguments", [["runn"], ["run"], ["run", "--sett", "a=1"], ["run", "x.yaml", "--workers", "-1"]])
def test_usage_errors(arguments: list[str]) -> None:
    assert "Usage:" in bad(*arguments)


@pytest.mark.slow
def test_a_run_as_people_see_it(real: tuple[Path, "subprocess.CompletedProcess[str]"]) -> None:
    folder, done = real
    assert (done.returncode, done.stderr) == (0, f"Claim: {CLAIM}\n")
    assert "\x1b" not in done.stdout
    verdict = "undecided, observed on steps 7 to 60: 60 steps are too few; take at least 256 steps."
    verdict += " In theory E|Θ − minimizer|² tends to 0.03947."
    assert f"**Verdict.** {verdict}" in (folder / "summary.md").read_text()
    error = re.search(r"\| 60 \| (\S+ ± \S+) \| (\S+) \| (\S+ ± \S+) \|", (folder / "summary.md").read_text())
    assert error
    assert done.stdout.splitlines() == [
        "UNDECIDED           steps 7 to 60, 300 paths, seed 1",
        "  why               60 steps are too few",
        "  to decide         take at least 256 steps",
        "  in theory         E|Θ − minimizer|² tends to 0.03947",
        f"  at the minimizer  E|Θ − ξ|² = {error[1]} at step 60 (exact: {error[2]})",
        f"  at the path mean  E|Θ − ξ|² = {error[3]} at step 60",
        "  at ξ = 0.5        E|Θ − ξ|² = 1.057 ± 0.046 at step 60 (exact: 1.038)",
        "  experiment        sgd on quadratic (two_point data, dim 1), learning rate",
        "                    0.05, batch size 1",
        f"{folder}{os.sep}",
        "  summary.md, figures/error.png, figures/paths.png, figures/floors.png",
    ]
    assert all((folder / "figures" / f"{name}.png").is_file() for name in ("error", "paths", "floors"))
    assert f"**Claim.** {CLAIM}" in (folder / "summary.md").read_text()
    assert {path.name for path in (folder / "figures").iterdir()} == {
        f"{name}.{kind}" for name in ("error", "floors", "paths") for kind in ("png", "svg")
    }


@pytest.mark.slow
def test_streams_where_greek_letters_cannot_be_shown(real: tuple[Path, Any]) -> None:
    done = process("table", real[0], "--format", "md", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "±".encode() in done.stdout.encode(), "files keep their bytes"
    done = process("explain", "adam", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")


UNBUFFERED = {"PYTHONUNBUFFERED": "1"}
BUFFERED = {"PYTHONUNBUFFERED": ""}


@pytest.mark.slow
@pytest.mark.parametrize("command", ["list", "schema"])
@pytest.mark.parametrize(("reader", "buffering"), [("head -1", BUFFERED), ("true", BUFFERED), ("true", UNBUFFERED)])
def test_a_reader_that_has_seen_enough(command: str, reader: str, buffering: dict[str, str]) -> None:
    pipeline = f"({sys.executable} -m nonconv {command}; echo $? >&2) | {reader}"
    done = subprocess.run(["sh", "-c", pipeline], capture_output=True, text=True, check=True, env=variables(**buffering))
    assert done.stderr == "0\n"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    ("command", "buffering"),
    [("list", BUFFERED), ("schema", BUFFERED), ("--version", BUFFERED), ("--version", UNBUFFERED), ("list", UNBUFFERED)],
)
def test_a_full_disk_behind_stdout(command: str, buffering: dict[str, str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "nonconv", command],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=variables(**buffering),
        )
    assert done.returncode == 2
    assert done.stderr == "standard output: No space left on device\n"


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", ">&-", "2>&-", "2>/dev/full"])
def test_no_result_is_lost_with_a_stream(tmp_path: Path, real: tuple[Path, Any], closed: str) -> None:
    """Closed ones are as good as /dev/null; a file that is opened then must not take their number."""
    config = written(tmp_path / "in", CONFIG)
    command = shlex.join([sys.executable, "-m", "nonconv", "run", str(config), "-o", str(tmp_path / "out")])
    done = subprocess.run(["sh", "-c", f"{command} {closed}"], capture_output=True, text=True, check=False, env=variables())
    assert done.returncode == 0
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stdout.startswith("" if ">&-" in closed.replace("2>&-", "") else "UNDECIDED ")
    for name in ("error.csv", "summary.md", "figures/error.png"):
        assert (tmp_path / "out" / name).read_bytes() == (real[0] / name).read_bytes()


@pytest.mark.slow
def test_nothing_that_is_printed_commands_a_terminal(tmp_path: Path) -> None:
    """Names and texts of the user are shown as escapes, by every command and in every file for people."""
    evil = "\x1b[2Jx\u202e\u200b\x9b\x00\x7f[red]"
    told = r"\u001b[2Jx\u202e\u200b\u009b\u0000\u007f[red]"
    config = written(tmp_path, CONFIG | {"claim": evil, "expect": {"verdict": "undecided"}})
    wrong = written(tmp_path / "wrong", CONFIG | {evil: 1})
    name = evil.replace("\x00", "")
    done = [
        process("run", config, "-o", tmp_path / name),
        process("check", config, "-o", tmp_path, "--json", "--junit", tmp_path / "junit.xml"),
        process("show", config),
        process("validate", wrong),
        process(name),
        process("sweep", config, "--dry-run", "--set", f"{name}=1", "--grid", f"seed={name}"),
    ]
    shown = "".join(one.stdout + one.stderr for one in done)
    shown += (tmp_path / name / "summary.md").read_text() + (tmp_path / "junit.xml").read_text()
    assert [hex(ord(found)) for found in INVISIBLE.findall(shown)] == []
    assert shown.count(told) >= 5
    assert [one.returncode for one in done] == [0, 0, 0, 2, 2, 2]
    # What is written is a config all the same.
    assert yaml.safe_load(done[2].stdout)["claim"] == json.loads(done[1].stdout)["configs"][0]["claim"] == evil


# Errors


def test_an_internal_error_asks_to_be_reported(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> None:
        raise RuntimeError("no such luck")

    monkeypatch.setattr(experiment, "validate", broken)
    text = "Internal error, please report it: RuntimeError: no such luck"
    for command in ("run", "show", "validate"):
        assert bad(command, config, code=1) == f"{text} (-v shows the traceback)\n"
        shown = bad(command, config, "-v", code=1)
        assert shown.startswith(f"{text}\nTraceback")
        assert "in broken" in shown


def test_ctrl_c_before_anything_is_worth_saving(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def impatient(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "make_cell", impatient)
    assert bad("run", config, code=130) == "Stopped.\n"


def test_ctrl_c_while_simulating(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def impatient(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(study, "simulate", impatient)
    monkeypatch.setattr(sys, "argv", ["/usr/bin/nonconv", "run", "a config.yaml", "--force", "--set", "seed=3"])
    assert bad("run", config, "-o", "out", "-q", code=130) == (
        "Stopped. Saved in out: 0 of 300 paths. To continue, run:\n  nonconv run 'a config.yaml' --set seed=3\n"
    )


def test_a_config_that_is_not_there() -> None:
    shown = bad("run", "none.yaml")
    assert "none.yaml" in shown
    assert "Traceback" in bad("run", "none.yaml", "-v")


@pytest.mark.parametrize("command", ["run", "show", "validate"])
def test_all_problems_of_a_config_at_once(tmp_path: Path, command: str) -> None:
    path = written(tmp_path / "in", CONFIG | {"optimizer": "adamm", "stepz": 3})
    shown = bad(command, path)
    assert "unknown optimizer 'adamm'" in shown
    assert "did you mean adam?" in shown
    assert "unknown key" in shown
    assert "did you mean steps?" in shown
    assert f"{path}:1:" in shown
    assert list(Path().iterdir()) == []


@pytest.mark.processes
@pytest.mark.parametrize("why", ["holds files that nonconv did not write", "belongs to another config"])
def test_an_output_folder_that_is_not_ours(config: Path, folder: Path, tmp_path: Path, why: str) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "thesis.tex").write_text("years of work")
    if "another config" in why:
        shutil.copytree(folder, place, dirs_exist_ok=True)
    before = all_files(place)
    shown = bad("run", config, "--set", "seed=5", "-o", place, "-q")
    assert shown.startswith(f"{place} {why}; choose another --out, or --force")
    assert all_files(place) == before
    good("run", config, "--set", "seed=5", "-o", place, "-q", "--force")
    assert (place / "thesis.tex").read_text() == "years of work"


# Tables


FOUND = "does_not_converge: no floor falls, so that E|Θ − ξ|² stays away from 0"
TEXTS = [["configs/adam_asymptotically_constant.yaml", "verdict does_not_converge", FOUND, "met"]]
NUMBERS = [[str(10**k), *["0.01234 ± 0.00012"] * 5] for k in range(4)]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160])
def test_no_word_of_a_table_is_torn(width: int) -> None:
    """Each word is whole, and no line is wider than the terminal, unless a single word is."""
    header = ["config", "expected", "found", "status"]
    shown = list(tables.lines(header, TEXTS, width))
    words = " ".join(shown).split()
    assert all(word in words for text in TEXTS[0] for word in text.split())
    assert max(map(len, shown)) <= max(width, len("expected  ") + len(TEXTS[0][0]))


def test_wide_tables_of_numbers_are_split() -> None:
    header = ["step", "minimizer", "path_mean", "last", "start", "0.5"]
    whole = list(tables.lines(header, NUMBERS, 1000, numbers=True))
    for width in (40, 80):
        shown = list(tables.lines(header, NUMBERS, width, numbers=True))
        assert max(map(len, shown)) <= width
        assert sum(line.count("0.01234 ± 0.00012") for line in shown) == 20
        assert all(line.split()[0] in ("step", "1", "10", "100", "1000") for line in shown if line.strip(" ─"))
    assert sum("0.5" in line for line in whole) == 1
    assert list(tables.lines([], [], 80, numbers=True)) == []


# run


def test_one_json_document_and_silence(config: Path) -> None:
    result = call("run", config, "--json", "-q", "-o", "out")
    assert result.stderr == ""
    document = documented("run", config, "--json", "-o", "out", "--force")
    assert json.loads(result.stdout) == document
    assert document["claim"] == CLAIM
    assert document["folder"] == "out"
    assert {row["xi"] for row in document["errors"]} == {"minimizer", "path_mean", "0.5"}
    assert document["outcomes"] == {"finite": 300, "escaped": 0, "caught": 0, "overflow": 0, "undefined": 0}
    assert document["first_failure"] is None
    assert document["warnings"] == []
    summary, verdict = (json.loads(Path(f"out/{name}.json").read_text()) for name in ("summary", "verdict"))
    predictions = json.loads(Path("out/predictions.json").read_text())
    assert document == summary | verdict | {"folder": "out", "predictions": predictions}
    # What both files hold is the same, so that none hides the other's.
    assert {key for key in summary.keys() & verdict.keys() if summary[key] != verdict[key]} == set()
    assert document["verdict"] == "undecided"
    assert {"states", "floors", "slopes", "level", "decides"} <= document.keys()
    assert document.keys() - documented_keys() == {"schema_version"}


def documented_keys() -> set[str]:
    """The keys that docs/configuration.md lists of the document of a run."""
    page = (Path(nonconv.__file__).parents[1] / "docs" / "configuration.md").read_text(encoding="utf-8")
    table = page.partition("## JSON")[2].partition("`nonconv check --json`")[0]
    names = {name for line in table.splitlines() if line.startswith("|") for name in re.findall(r"`(\w+)", line.split("|")[1])}
    return names - {"theorem_"} | {"theorem_1_1"}


def test_quiet_and_verbose(config: Path) -> None:
    result = call("run", config, "-q", "-o", "out")
    assert (result.exit_code, result.stderr) == (0, "")
    loud = call("run", config, "-v", "-o", "out", "--force", "--workers", "1")
    said = result.stdout.splitlines()
    assert loud.stdout.startswith("\n".join(said[:-1]))
    assert (loud.stdout.splitlines()[-1], "Outcomes: 300 finite." in loud.stdout) == (said[-1], True)
    assert re.search(r"^Simulated in .* s with 1 worker: .* path-steps/s, compilation included\.$", loud.stderr, re.MULTILINE)


def test_the_default_folder_is_named_by_config_and_hash(config: Path) -> None:
    good("run", config)
    place = Path("outputs") / read_cell(config, []).folder_name
    assert re.fullmatch(r"experiment-[0-9a-f]{8}", place.name)
    assert (place / MANIFEST).is_file()
    again = call("run", config)
    assert again.stderr == f"Claim: {CLAIM}\nReused the finished results in {place}; --force computes them again.\n"
    good("run", config, "--set", "seed=9")
    assert len(list(Path("outputs").iterdir())) == 2


def test_overrides_are_part_of_the_config(config: Path) -> None:
    good("run", config, "--set", "paths=64", "--set", "learning_rate.value=0.5", "-o", "out")
    stored = yaml.safe_load(Path("out/config.yaml").read_text())
    assert (stored["paths"], stored["learning_rate"]["value"]) == (64, 0.5)
    assert {row["n"] for row in rows(Path("out"))} == {"64"}
    assert "--set" in bad("run", config, "--set", "paths")
    assert "did you mean paths?" in bad("run", config, "--set", "path=3")


@pytest.mark.parametrize("known", [[], ["-o", "given"]])
def test_a_dry_run_does_nothing(config: Path, monkeypatch: pytest.MonkeyPatch, known: list[str]) -> None:
    place = Path(known[1]) if known else Path("outputs") / read_cell(config, []).folder_name
    with monkeypatch.context() as patched:
        patched.setattr(study, "run", lambda *arguments: pytest.fail("it ran"))
        lines = good("run", config, "--dry-run", *known).splitlines()
        assert lines == ["experiment: 300 paths x 60 steps = 1.8e+04 path-steps", f"{place}: not finished yet"]
        document = documented("run", config, "--dry-run", "--json", *known)
        assert (document["finished"], document["folder"], document["paths"]) == (False, str(place), 300)
    assert list(Path().iterdir()) == []
    good("run", config, *known)
    assert good("run", config, "--dry-run", *known).splitlines()[1] == f"{place}: already finished"
    assert documented("run", config, "--dry-run", "--json", *known)["finished"] is True


# Progress


class Terminal(io.StringIO):
    """A stderr that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_live_bar_on_a_terminal_only(config: Path, monkeypatch: pytest.MonkeyPatch, no_color: str) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "TERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress.show_progress(read_cell(config, []), quiet=False) as update:
        update(100)
        update(300)
    shown = terminal.getvalue()
    assert "done" in shown
    assert "100%" in shown
    assert bool(re.search(r"\x1b\[[0-9;]*[349][0-7]", shown)) is not bool(no_color), "colours"


def test_plain_lines_elsewhere(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PLAIN_SECONDS", -1.0)
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress.show_progress(read_cell(config, []), quiet=False) as update:
        update(100)
        update(300)
    first, last = stream.getvalue().splitlines()
    assert first.startswith("100 of 300 paths, ")
    assert re.fullmatch(r"300 of 300 paths, .* path-steps/s, about 0 s left", last)


def test_no_progress_when_quiet(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with progress.show_progress(read_cell(config, []), quiet=True) as update:
        update(100)
    assert capsys.readouterr() == ("", "")


# Configs


def test_show_prints_a_config_with_every_default(config: Path, tmp_path: Path) -> None:
    shown = good("show", config, "--set", "steps=70")
    resolved = yaml.safe_load(shown)
    assert resolved["objective"]["scale"] == 1.0
    assert resolved["steps"] == 70
    path = tmp_path / "in" / "shown.yaml"
    path.write_text(shown)
    assert read_cell(path, []).identity == read_cell(config, ["steps=70"]).identity
    assert documented("show", config, "--set", "steps=70", "--json")["config"] == resolved


def test_validate_tells_all_errors_of_all_configs(config: Path, tmp_path: Path) -> None:
    result = call("validate", config, config)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "2 valid configs\n")
    assert call("validate", config, "-q").stderr == ""
    broken = [written(tmp_path / name, CONFIG | {"steps": name}) for name in ("one", "two")]
    shown = bad("validate", broken[0], config, broken[1])
    assert all(f"{path}:1:" in shown for path in broken)
    assert shown.count("steps: must be a whole number") == 2


def test_the_schema_is_one() -> None:
    schema = json.loads(good("schema"))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"steps", "objective", "optimizer"} <= schema["properties"].keys()


# Components


def test_list_names_every_component_with_its_source() -> None:
    listed = documented("list", "--json")["components"]
    shown = good("list")
    for component in listed:
        assert re.search(rf"^ *{component['name']} ", shown, re.MULTILINE)
        assert component["source"]
    assert {c["kind"] for c in listed} == set(BUILT_IN)
    assert [c for c in listed if c["kind"] == "data"] == documented("list", "data", "--json")["components"]
    assert "adam" in good("list", "optimizer")
    assert "two_point" not in good("list", "optimizer")
    assert "442 patients" in good("list", "dataset")
    starts = [component["name"] for component in listed if component["kind"] == "start"]
    assert starts == ["he", "glorot", "lecun", "weights"], "data distributions stand there once, as data"


def test_unknown_kinds_and_components_and_their_nearest_names() -> None:
    assert bad("list", "optimiser") == (
        "unknown kind 'optimiser'\n"
        "  allowed: objective, optimizer, learning_rate, batch_size, decay, data, dataset, start, drift, iterate, "
        "quantity, key, gallery\n  did you mean optimizer?\n"
    )
    assert (
        bad("explain", "adamm") == "there is no component or key 'adamm'; `nonconv list` shows them all\n  did you mean adam?\n"
    )
    assert bad("explain", "zzz") == "there is no component or key 'zzz'; `nonconv list` shows them all\n"
    assert "`nonconv show` prints it" in bad("explain", "configs/adam_const.yaml")
    assert "did you mean learning_rate?" in bad("explain", "learning_rates.power")
    assert "no component or key 'optimizer.power'" in bad("explain", "optimizer.power")
    assert bad("explain", "decay") == "'decay' is a kind of component; `nonconv list decay` shows what there is\n"
    for wrong, right in (("domian", "domain"), ("record.stat", "record.state"), ("optimizer.clipnorm", "optimizer.clip_norm")):
        assert bad("explain", wrong).endswith(f"did you mean {right}?\n")


def test_keys_of_a_config_are_listed_and_explained() -> None:
    """By any end of their name; of those that every component of a kind takes, too."""
    assert {"domain", "iterates", "objective.gradient_noise", "optimizer.clip_norm", "record.state", "floors.twin"} <= {
        key["name"] for key in documented("list", "key", "--json")["keys"]
    }
    for name in ("hold", "data.hold", "objective.data.hold"):
        meaning = "How many steps in a row use each batch; left out: one.\nAllowed: a whole number >= 1.\n"
        assert good("explain", name) == f"objective.data.hold (key)\n\n{meaning}\n"
    assert "`nonconv list drift` shows what there is." in good("explain", "objective.data.drift")
    assert "objective.data.hold " in good("list", "key")
    assert "It is required." in good("explain", "steps")


def test_explain_tells_rule_parameters_and_source() -> None:
    shown = good("explain", "adam")
    for text in ("m_n = beta1 m_{n-1}", "beta2", "arXiv:1412.6980", "Where implementations differ", "0.999"):
        assert text in shown
    both = [component["kind"] for component in documented("explain", "power", "--json")["components"]]
    assert both == ["objective", "learning_rate", "batch_size", "decay", "drift"]
    assert [c["kind"] for c in documented("explain", "batch_size.power", "--json")["components"]] == ["batch_size"]
    assert [c["kind"] for c in documented("explain", "csv", "--json")["components"]] == ["data", "dataset"]
    assert "[16]" in good("explain", "mlp")
    assert "2 / fan_in" in good("explain", "he")


def test_every_component_can_be_explained() -> None:
    for component in documented("list", "--json")["components"]:
        shown = good("explain", f"{component['kind']}.{component['name']}")
        assert shown.startswith(f"{component['name']} ({component['kind']})\n")
        assert all(parameter["name"] in shown for parameter in component["parameters"])


# Tables


@pytest.mark.processes
def test_csv_is_error_csv(folder: Path) -> None:
    assert call("table", folder, "--format", "csv").stdout_bytes == (folder / "error.csv").read_bytes()


@pytest.mark.processes
def test_markdown_is_the_default_and_agrees_with_the_csv(folder: Path) -> None:
    shown = good("table", folder)
    assert shown == good("table", folder, "--format", "md")
    header, rule, *lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in shown.splitlines()]
    assert header == ["step", "minimizer", "minimizer, exact", "path_mean", "0.5", "0.5, exact"]
    assert rule == ["---:"] * len(header)
    values = {(row["step"], row["xi"]): float(row["mse"]) for row in rows(folder)}
    for line in lines:
        for xi, cell in zip(header[1:], line[1:], strict=True):
            if not xi.endswith("exact"):
                mean, half = (float(number) for number in cell.split(" ± "))
                assert abs(mean - values[line[0], xi]) < half
    assert lines[-1][0] == "60"


@pytest.mark.processes
def test_latex_is_booktabs_with_its_letters_escaped(folder: Path) -> None:
    shown = good("table", folder, "--format", "latex")
    lines = shown.splitlines()
    assert lines[0] == r"% needs \usepackage{booktabs}"
    assert lines[1] == r"\begin{tabular}{rrrrrr}"
    assert [line for line in lines if line.endswith("rule")] == [r"\toprule", r"\midrule", r"\bottomrule"]
    body = [line for line in lines if line.endswith(r" \\")]
    assert all(line.count("&") == 5 for line in body)
    assert body[0].startswith(r"step & $\xi$ = minimizer & $\xi$ = minimizer, exact & $\xi$ = path\_mean &")
    assert r"$\pm$" in body[1]
    assert shown.isascii()
    assert not re.search(r"(?<!\\)_", shown)


def numbers(folder: Path) -> list[dict[str, Any]]:
    """error.csv with its numbers read; nan for one that is not known."""
    whole = {"step", "batch_size", "n", "n_finite"}

    def number(name: str, text: str) -> str | float:
        return text if name == "xi" else int(text) if name in whole else float(text or "nan")

    return [{name: number(name, text) for name, text in row.items()} for row in rows(folder)]


@pytest.mark.processes
def test_json_and_parquet_have_the_numbers_of_the_csv(folder: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert documented("table", folder, "--format", "json")["rows"] == numbers(folder)
    target = tmp_path / "table.parquet"
    good("table", folder, "--format", "parquet", "-o", target)
    assert parquet.read_table(target).to_pylist() == numbers(folder)


@pytest.mark.processes
def test_parquet_without_pyarrow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert bad("table", folder, "--format", "parquet") == "parquet needs pyarrow: pip install 'nonconv[parquet]'\n"


@pytest.mark.processes
def test_a_table_in_a_file(folder: Path, tmp_path: Path) -> None:
    assert good("table", folder, "--format", "csv", "-o", tmp_path / "t.csv") == ""
    assert (tmp_path / "t.csv").read_bytes() == (folder / "error.csv").read_bytes()
    assert good("table", folder, "-o", "-") == good("table", folder)
    assert bad("table", folder, "-o", tmp_path / "none" / "t.csv") == (
        f"{tmp_path / 'none' / 't.csv'} cannot be written: No such file or directory\n"
    )
    assert bad("table", folder, "-o", tmp_path).endswith("cannot be written: Is a directory\n")


@pytest.mark.processes
def test_unknown_formats(folder: Path) -> None:
    assert bad("table", folder, "--format", "xlsx") == (
        "--format: unknown format 'xlsx'\n  allowed: csv, md, latex, json, parquet\n"
    )
    assert bad("plot", folder, "--format", "gif") == "--format: unknown format 'gif'\n  allowed: png, svg, pdf\n"


# Figures


@pytest.mark.slow
def test_plot_draws_the_figures_of_the_run_again(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "figures"
    names = ("error", "paths", "floors")
    assert good("plot", folder, "-o", target).splitlines() == [str(target / f"experiment-{name}.png") for name in names]
    for name in names:
        assert (target / f"experiment-{name}.png").read_bytes() == (folder / "figures" / f"{name}.png").read_bytes()
    assert good("plot", folder, "--format", "svg").splitlines() == [f"experiment-{name}.svg" for name in names]
    assert Path("experiment-error.svg").read_bytes() == (folder / "figures" / "error.svg").read_bytes()
    good("plot", folder, "--format", "pdf")
    assert Path("experiment-error.pdf").read_bytes().startswith(b"%PDF")
    assert bad("plot", folder, "-o", "experiment-error.svg").endswith("cannot be written: File exists\n")


# Folders that are not what they should be


@pytest.mark.processes
@pytest.mark.parametrize("command", ["table", "plot", "verify"])
def test_folders_without_a_finished_run(folder: Path, tmp_path: Path, command: str) -> None:
    assert bad(command, "none") == "there is no folder none\n"
    none = "is not an output folder of nonconv: it has no manifest.json\n"
    assert bad(command, tmp_path) == f"{tmp_path} {none}  output folders in it: {folder}\n"
    (tmp_path / "empty").mkdir()
    said = "  it is empty: run and sweep write to `outputs/`, or to the folder after `-o`\n"
    assert bad(command, tmp_path / "empty") == f"{tmp_path / 'empty'} {none}{said}"
    (folder / MANIFEST).replace(folder / "unfinished.json")
    assert bad(command, folder) == f"{folder} is unfinished; the command that began it finishes it\n"
    assert bad(command, tmp_path) == f"{tmp_path} {none}  unfinished runs in it: {folder}\n"
    (folder / MANIFEST).write_text('{"name": "something else"}')
    assert bad(command, folder).startswith(f"{folder}/manifest.json is damaged: has no 'config'; ")


@pytest.mark.processes
@pytest.mark.parametrize("command", ["table", "plot"])
@pytest.mark.parametrize("name", ["error.csv", "floors.csv", "paths.npz", "summary.json", "verdict.json", "config.yaml"])
def test_damaged_folders_are_neither_tabulated_nor_drawn(folder: Path, command: str, name: str) -> None:
    (folder / name).write_bytes(b"")
    text = f"{folder}: missing, or changed since written: {name}; the command that wrote it computes it again\n"
    assert bad(command, folder) == text
    (folder / name).unlink()
    assert bad(command, folder) == text


# verify


def verified(folder: Path, code: int) -> tuple[str, str]:
    result = call("verify", folder)
    assert result.exit_code == code
    assert result.stdout.startswith(f"{folder}: ")
    return result.stdout.removeprefix(f"{folder}: "), result.stderr


def forge(folder: Path) -> None:
    """Make the manifest agree with whatever the files now are."""
    content = json.loads((folder / MANIFEST).read_text())
    content["files"] = {name: store.digest(folder / name) for name in content["files"]}
    (folder / MANIFEST).write_text(json.dumps(content))


@pytest.mark.processes
def test_a_run_verifies_bit_for_bit(folder: Path) -> None:
    assert verified(folder, 0) == ("40 recorded paths recomputed: bitwise equal\n", "")


@pytest.mark.processes
@pytest.mark.parametrize("name", ["paths.npz", "config.yaml", "verdict.json", "figures/floors.svg"])
def test_changed_files_are_named(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes().replace(b"0", b"1", 1))
    assert verified(folder, 3) == (f"files are missing or have changed: {name}\n", "")
    (folder / name).unlink()
    assert verified(folder, 3) == (f"files are missing or have changed: {name}\n", "")


@pytest.mark.processes
def test_forged_paths_are_found(folder: Path) -> None:
    with np.load(folder / "paths.npz") as file:
        arrays = dict(file)
    arrays["theta"][7, 3, 0] += 0.25
    np.savez(folder / "paths.npz", **arrays)
    forge(folder)
    assert verified(folder, 3) == ("40 recorded paths recomputed: different (by up to 0.25)\n", "")


@pytest.mark.processes
def test_other_forged_numbers_are_found(config: Path) -> None:
    """States, other iterates, quantities and ends of the paths; of a run that is recomputed whole every data file too."""
    more = ("optimizer={name: momentum}", "record.state=[m]", "iterates=[last, polyak]", "quantities=[excess_risk, rate]")
    good("run", config, *chain(*(("--set", one) for one in more)), "--set", "paths=20", "-o", "out")
    paths = Path("out/paths.npz")
    with np.load(paths) as file:
        arrays = dict(file)
    whole = "20 recorded paths recomputed: bitwise equal"
    assert verified(Path("out"), 0)[0] == f"{whole}\n"
    for name in ("state_m", "iterate_theta", "iterate_end", "quantity_end", "end", "quantile"):
        changed = arrays | {name: arrays[name].copy()}
        changed[name].flat[-1] += 0.25
        np.savez(paths, **changed)
        forge(Path("out"))
        assert verified(Path("out"), 3)[0] == f"{whole}, but other numbers differ: {name} of paths.npz (by up to 0.25)\n"
    np.savez(paths, **arrays)
    for name in ("quantities.csv", "verdict.json"):
        text = (Path("out") / name).read_bytes()
        assert b"0.0" in text
        (Path("out") / name).write_bytes(text.replace(b"0.0", b"0.1", 1))
        forge(Path("out"))
    assert verified(Path("out"), 3)[0] == f"{whole}, but other numbers differ: quantities.csv, verdict.json\n"


@pytest.mark.processes
@pytest.mark.parametrize("change", [("seed: 1", "seed: 2"), ("value: 0.05", "value: 0.06"), ("points: 10", "points: 11")])
def test_a_forged_config_is_found(folder: Path, change: tuple[str, str]) -> None:
    config = folder / "config.yaml"
    text = config.read_text()
    assert text.count(change[0]) == 1
    config.write_text(text.replace(*change))
    forge(folder)
    shown, _ = verified(folder, 3)
    assert shown.startswith("40 recorded paths recomputed: different (")


@pytest.mark.processes
def test_a_forged_config_of_the_manifest_is_found(folder: Path) -> None:
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text.replace('"seed": 1', '"seed": 2', 1))
    assert (
        verified(folder, 3)[0] == "files are missing or have changed: manifest.json (it has another config than config.yaml)\n"
    )


@pytest.mark.processes
def test_a_forged_config_that_is_none(folder: Path) -> None:
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("name: sgd", "name: sdg"))
    forge(folder)
    assert "did you mean sgd?" in bad("verify", folder)


@pytest.mark.processes
@pytest.mark.parametrize("ulp", [1, 64, 65])
def test_other_rounding_is_told_from_other_paths(folder: Path, monkeypatch: pytest.MonkeyPatch, ulp: int) -> None:
    path_arrays = run_files.path_arrays

    def rounded(*arguments: Any) -> Any:
        arrays = path_arrays(*arguments)
        paths = arrays["theta"]
        paths[5, -1, 0] = (paths[5, -1, 0].view(np.int64) + ulp).view(np.float64)
        return arrays

    monkeypatch.setattr(verification, "path_arrays", rounded)
    content = json.loads((folder / MANIFEST).read_text())
    now = content["versions"].pop("scipy")
    content["versions"]["numpy"] = "1.0"
    (folder / MANIFEST).write_text(json.dumps(content))
    shown, reasons = verified(folder, 0 if ulp <= 64 else 3)
    assert shown.startswith(
        f"40 recorded paths recomputed: equal within {ulp} ulp" if ulp <= 64 else "40 recorded paths recomp"
    )
    assert ("different (by up to" in shown) is (ulp > 64)
    assert reasons == f"numpy was 1.0, is now {np.__version__}\nscipy was None, is now {now}\n"


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [
        (1.0, 1.0, 0),
        (1.0, 1.0 + 2**-52, 1),
        (-0.0, 0.0, 0),
        (-5e-324, 5e-324, 2),
        (math.inf, math.inf, 0),
        (math.inf, -math.inf, 2**62),
        (math.nan, -math.nan, 0),
        (math.nan, 1.0, 2**62),
        (math.inf, sys.float_info.max, 2**62),
    ],
)
def test_distance_in_units_in_the_last_place(a: float, b: float, distance: int) -> None:
    assert verification.ulps(np.array([2.0, a]), np.array([2.0, b])) == distance
    assert verification.ulps(np.array([2.0, b]), np.array([2.0, a])) == distance


def test_no_recorded_paths_to_verify(config: Path) -> None:
    good("run", config, "--set", "record.paths=0", "-o", "out")
    assert verified(Path("out"), 0)[0] == "files are unchanged; no paths were recorded, so none were recomputed\n"


# Results that are no numbers

DIVERGING = ("--set", "learning_rate=1.2", "--set", "steps=2500", "--set", "paths=64", "--set", "start=1")


@pytest.mark.slow
def test_divergence_is_a_result(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing_process, "figure_process", lambda: nullcontext(drawing_process.draw_here))
    document = documented("run", config, *DIVERGING, "--json", "-o", "out")
    assert document["outcomes"] == {"finite": 0, "escaped": 0, "caught": 0, "overflow": 64, "undefined": 0}
    failure = document["first_failure"]
    assert 2000 < failure["step"] < 2500
    last = [row for row in document["errors"] if row["step"] == 2500]
    assert {row["xi"] for row in last} == {"minimizer", "path_mean", "0.5"}
    for row in last:
        assert [row[name] for name in ("mse", "se", "ci_low", "ci_high")] == [None] * 4
    verdict = json.loads(Path("out/verdict.json").read_text())
    assert (verdict["verdict"], verdict["slopes"]) == ("diverges", {})
    assert verdict["outcomes"] == document["outcomes"]
    assert {row["n_finite"] for row in verdict["floors"].values()} == {0}
    for row in last:
        assert (row["n"], row["n_finite"]) == (64, 0)
    assert {row["status"] for row in last} == {"overflow"}
    stored = {(row["step"], row["xi"]): row for row in rows(Path("out"))}
    assert (stored["2500", "minimizer"]["mse"], stored["2500", "minimizer"]["n_finite"]) == ("inf", "0")
    with np.load("out/paths.npz") as paths:
        assert set(paths["outcome"]) == {"overflow"}
        assert paths["failure_step"].min() >= failure["step"]
        assert paths["failure_step"][failure["replicate"]] == failure["step"] or failure["replicate"] >= len(paths["theta"])
    shown = good("run", config, *DIVERGING, "-o", "out")
    assert shown.startswith("DIVERGES ")
    assert "  paths             64 overflow; the first to become infinite or undefined" in shown
    assert "  at the minimizer  E|Θ − ξ|²: overflow (64 of 64 paths) at step 2500\n" in shown
    told = good("run", config, *DIVERGING, "-o", "out", "-v")
    assert "Outcomes: 64 overflow; the first to become infinite or undefined was path" in told
    assert "E|Θ − minimizer|² is not finite at step 2500: overflow (64 of 64 paths)." in told
    assert verified(Path("out"), 0)[0].endswith("bitwise equal\n")


@pytest.mark.slow
def test_tables_of_a_divergence(config: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    good("run", config, *DIVERGING, "-o", "out")
    document = documented("table", "out", "--format", "json")["rows"]
    assert document[-1]["mse"] is None
    assert document[0]["mse"] is not None
    good("table", "out", "--format", "parquet", "-o", tmp_path / "t.parquet")
    np.testing.assert_equal(parquet.read_table(tmp_path / "t.parquet").to_pylist(), numbers(Path("out")))
    assert "overflow (64 of 64 paths)" in good("table", "out", "--format", "latex")


def rare(share: float) -> tuple[str, ...]:
    """One step on data that are 0 but for a share of 1e4."""
    data = f"{{name: discrete, values: [0, 1e4], probabilities: [{1 - share:g}, {share:g}]}}"
    return ("--set", f"objective={{name: quadratic, data: {data}}}", "--set", "steps=1", "--set", "xi=0.0")


def test_a_mean_that_rests_on_few_paths_is_warned_of(config: Path) -> None:
    """Of 300 paths six are large on average, so that there is an interval."""
    few = rare(0.02)
    (warning,) = documented("run", config, *few, "--json", "-o", "out")["warnings"]
    large = int(re.search(r"about (\d+)\.0 of 300 paths dominate the mean", warning)[1])  # type: ignore[index]
    assert 1 <= large < 20
    assert f"the largest alone is {1 / large:.0%} of it" in warning
    assert f"- Warning: {warning}." in Path("out/summary.md").read_text()
    assert f"Warning: {warning}." in " ".join(good("run", config, *few, "-o", "out").split())


def test_a_mean_that_rests_on_too_few_paths_has_no_interval(config: Path) -> None:
    """Of 300 paths one and a half are large on average; 3 / 0.005 = 600 paths have three."""
    document = documented("run", config, *rare(0.005), "--json", "-o", "out")
    (warning,) = document["warnings"]
    assert warning == (
        "no interval for E|Θ − 0|²: rare draws decide it, and 300 paths have 50 % of those that an interval needs, "
        "so that it would be narrow and wrong; take 600 paths, or read the quantiles"
    )
    assert [document["errors"][-1][name] for name in ("se", "ci_low", "ci_high")] == [None] * 3
    assert [row["ci_low"] for row in rows(Path("out"))] == [""]
    assert documented("run", config, *rare(0.005), "--set", "paths=600", "--json", "-o", "more")["errors"][-1]["se"] > 0


def test_means_next_to_the_largest_double(config: Path) -> None:
    document = documented("run", config, "--set", "optimizer=adam", "--set", "start=6e153", "--json")
    assert document["errors"][-1]["mse"] == pytest.approx(3.6e307)
    (warning,) = document["warnings"]
    assert warning.endswith(
        "all paths give the same number though the data are noisy: rare values were not drawn, or steps vanish"
    )


def test_few_paths_are_not_heavy_tails(config: Path) -> None:
    assert "Warning" not in good("run", config)
    for paths in (2, 8):
        warning, *_ = documented("run", config, "--set", f"paths={paths}", "--json")["warnings"]
        assert warning == f"intervals from {paths} paths are unreliable; take at least 200 paths"


def test_one_path_has_no_interval(config: Path) -> None:
    document = documented("run", config, "--set", "paths=1", "--json", "-o", "out")
    assert document["warnings"] == ["one path gives no interval"]
    assert [document["errors"][-1][name] for name in ("se", "ci_low", "ci_high")] == [None] * 3
    assert rows(Path("out"))[-1]["ci_low"] == "nan"


@pytest.mark.processes
@pytest.mark.slow
def test_warnings_of_libraries_are_shown_with_v_alone(tmp_path: Path) -> None:
    """Here matplotlib's about its folder. Control: -v shows it."""
    config = written(tmp_path, SGD | {"paths": 8, "steps": 16})
    good("run", config, "-o", tmp_path / "out", "-q")
    environment = {"MPLCONFIGDIR": "/dev/null/none", "HOME": "/dev/null/none"}
    for verbose in ([], ["-v"]):
        done = process("plot", tmp_path / "out", "-o", tmp_path, *verbose, **environment)
        assert done.returncode == 0
        assert ("matplotlib" in done.stderr.lower()) == bool(verbose)
        assert bool(done.stderr) == bool(verbose)


def test_a_schedule_that_overflows_warns_of_nothing(reference: None, tmp_path: Path) -> None:
    """Its rate is 0 from the second step on: a result. Here warnings are errors."""
    rate = {"name": "exponential", "value": 0.1, "factor": 0.5, "steps": 5e-324}
    good("run", written(tmp_path, SGD | {"paths": 8, "steps": 16, "learning_rate": rate}), "-o", tmp_path / "out", "-q")


# Signals

STOPPED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and nohup ignores this one
for ignored in sys.argv[2:]:
    signal.signal(getattr(signal, ignored), signal.SIG_IGN)
number = getattr(signal, sys.argv[1])
sys.argv = ["/usr/bin/nonconv"]
import nonconv.__main__
from nonconv.system.signals import stopping_commands
class Noisy:
    def __del__(self):
        os.kill(os.getpid(), number)
        sum(range(100))
try:
    with stopping_commands():
        noisy = Noisy()
        del noisy
        for _ in range(10**9):
            pass
except KeyboardInterrupt:
    print("saved", flush=True)
os.kill(os.getpid(), number)
print("goes on", flush=True)
"""


@pytest.mark.processes
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_stop_a_command_alike(number: str) -> None:
    """Once while it runs, even if a destructor swallows it; before and after it at once."""
    done = subprocess.run([sys.executable, "-c", STOPPED, number], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "saved\n", "Stopped.\n")


@pytest.mark.processes
def test_a_signal_that_is_to_be_ignored_is() -> None:
    """As SIGHUP is under nohup."""
    code = STOPPED.replace("range(10**9)", "range(10)")
    command = [sys.executable, "-c", code, "SIGHUP", "SIGHUP"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "goes on\n", "")


@pytest.mark.processes
@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not keep this limit")
@pytest.mark.parametrize("limit", ["ulimit -v", "ulimit -d"])
def test_too_little_memory_to_load_numpy(limit: str) -> None:
    """Its BLAS would end the process, or send it SIGINT."""
    for size in (60_000, 100_000, 150_000) if limit == "ulimit -v" else (40_000,):
        command = f"{limit} {size}; exec {sys.executable} -m nonconv"
        done = subprocess.run(["sh", "-c", f"{command} list"], capture_output=True, text=True, check=False, env=variables())
        assert (done.returncode, done.stdout) == (2, "")
        said = f"NumPy cannot be loaded: not enough memory or threads (`{limit}` is {size})."
        assert (done.stderr.splitlines()[0], done.stderr.count("\n")) == (said, 4)
    subprocess.run(["sh", "-c", f"{command} --help"], capture_output=True, check=True, env=variables())
    roomy = ["sh", "-c", f"{limit} 1000000; exec {sys.executable} -m nonconv list"]
    assert "adam" in subprocess.run(roomy, capture_output=True, text=True, check=True, env=variables()).stdout


@pytest.mark.processes
def test_who_imports_the_program_keeps_its_signals() -> None:
    code = "import signal, nonconv.__main__; print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "too many open files"),
        (MemoryError(), "not enough memory"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "no more processes or threads"),
        (RuntimeError("can't start new thread"), "no more processes or threads"),
    ],
    ids=["files", "memory", "processes", "threads"],
)
def test_what_the_system_lacks_is_said(config: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, says: str) -> None:
    """Whatever was raised because of it."""

    def broken(*arguments: Any) -> None:
        try:
            raise error
        except type(error) as cause:
            raise ValueError("of some library") from cause

    monkeypatch.setattr(experiment, "validate", broken)
    assert says in bad("show", config).lower()


# What is read first: 80 columns, colour, ASCII


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config with an average, a quantity, a long claim and many ξ."""
    text = f"""
        claim: {"a long claim of many words " * 6}
        seed: 1
        paths: 60
        steps: 300
        objective: {{name: quadratic, data: {{name: two_point}}}}
        optimizer: {{name: sgd}}
        learning_rate: {{name: constant, value: 0.05}}
        iterates: [last, polyak]
        quantities: [excess_risk]
        xi: [minimizer, 0.5, -0.25, 2, last]
    """
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "mixed.yaml").write_text(textwrap.dedent(text))
    return folder


def in_terminal(folder: Path, width: int, *arguments: str, **environment: str) -> str:
    """What a command shows on a terminal of this width."""
    pty = pytest.importorskip("pty")
    parent, child = pty.openpty()
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    surroundings = {key: value for key, value in variables(**environment).items() if key not in ("COLUMNS", "NO_COLOR")}
    surroundings |= {"TERM": "xterm"} | environment
    with subprocess.Popen(
        [sys.executable, "-m", "nonconv", *arguments], cwd=folder, stdin=child, stdout=child, stderr=child, env=surroundings
    ):
        os.close(child)
        shown = b""
        with suppress(OSError):  # Linux raises where the last writer has closed the terminal
            while found := os.read(parent, 65536):
                shown += found
    os.close(parent)
    return shown.decode().replace("\r\n", "\n")


@pytest.mark.slow
@pytest.mark.processes
def test_a_terminal_of_any_width_and_colour(mixed: Path) -> None:
    good_run = ("run", "mixed.yaml", "-q", "-o", "out")
    wide = in_terminal(mixed, 120, *good_run)
    assert in_terminal(mixed, 80, *good_run) == wide
    assert max(map(len, re.sub(r"\x1b\[[0-9;]*m", "", wide).splitlines())) <= 80
    assert wide.startswith("\x1b[1;31mDOES NOT CONVERGE\x1b[0m   steps 37 to 300, 60 paths, seed 1\n")
    assert wide.count("\x1b") == 2, "colour means something"
    plain = in_terminal(mixed, 80, *good_run, TERM="dumb")
    assert plain == re.sub(r"\x1b\[[0-9;]*m", "", wide)
    narrow = in_terminal(mixed, 46, *good_run, NO_COLOR="1")
    assert max(map(len, narrow.splitlines())) <= 46
    assert narrow.split() == plain.split()
    told = in_terminal(mixed, 80, "run", "mixed.yaml", "-o", "out", NO_COLOR="1")
    told += in_terminal(mixed, 80, "run", "mixed.yaml", "--set", "learning_rat=1", NO_COLOR="1")
    assert max(map(len, told.splitlines())) <= 80
    assert "Claim: a long claim" in told
    assert "did you mean learning_rate?" in told


@pytest.mark.slow
@pytest.mark.processes
def test_a_terminal_without_greek_letters_reads_the_same(mixed: Path) -> None:
    shown = in_terminal(mixed, 80, "run", "mixed.yaml", "-q", "-o", "out", "-v", PYTHONIOENCODING="ascii", NO_COLOR="1")
    assert shown.isascii()
    assert "?" not in shown
    assert "  at the minimizer  E|Theta - xi|^2 = " in shown
    table = [line for line in shown.splitlines() if re.match(r" +(step|1|300)  ", line)]
    assert len(table) >= 3
    assert len({len(line) for line in table[:3]}) == 1, "columns stay aligned"
