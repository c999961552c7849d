"""The laboratory of docs/calibration.py: its truths hold, its instances are as stated, and no verdict on them is wrong."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import calibration
from kit.experiments import written
from laboratory.catalogue import FAMILIES, PROCESSES
from laboratory.process import BASE, GOES, PLUGINS, STAYS, Changes, Family, Process, cell_of
from laboratory.tables import Count, detail, verdict_tables
from laboratory.trials import Task, Trial, judged, tasks, trials
from nonconv.experiment.binding import read_cell
from nonconv.experiment.structure import Structure
from nonconv.results import verdict_files
from nonconv.statistics import verdict
from nonconv.theory.recursion import predicted_errors

SEED, LOOKED_AT = 1, 8
SMALL = {**BASE, "steps": 2048}
COMPILED = ("constant rates", "other objectives", "domains", "data that depend on the step", "averages")
NOT_COMPILED = ("rates that vanish slowly", "growing batches", "states that settle", "units and far starts")
"""Of the first LOOKED_AT instances of each process one is tried whose kernel is there already, if there is one. Kernels take
longer to compile than runs take: of processes that need one of their own two are tried in the first of these families, none
in the others, and else one."""
FALSE_VERDICTS = yaml.safe_load((Path(__file__).parent / "false_verdicts.yaml").read_text(encoding="utf-8"))


def label(process: Process) -> str:
    return f"{process.family}: {process.name}"


# No verdict is wrong


PARTS = ("order", "hold", "drift", "gradient_noise", "clip_value", "clip_norm", "weight_decay", "decay_form")


def kernel_of(config: Changes) -> tuple[str, ...]:
    """About what the kernel of a config depends on: names, choices, and which parts of a step there are."""
    rule, objective = config["optimizer"], config["objective"]
    rule = {"name": rule} if isinstance(rule, str) else rule
    law = objective.get("data", "")
    law = {"name": law} if isinstance(law, str) else law
    choices = [f"{key}: {value}" for key, value in rule.items() if isinstance(value, str | bool)]
    parts = [key for part in (objective, law, rule) for key in PARTS if part.get(key, "with_replacement") != "with_replacement"]
    averages = [str(len(config["iterates"]))] if "iterates" in config else []
    parts += ["batches"] if config.get("batch_size", 1) != 1 else []
    inner = [f"{key}: {objective[key]}" for key in ("hidden", "loss") if key in objective]
    return (objective["name"], law["name"], *inner, *sorted(choices), *parts, *averages, "domain" if "domain" in config else "")


@cache
def chosen() -> dict[str, list[Task]]:
    """One instance of most processes, by family."""
    seen = {kernel_of(FALSE_VERDICTS["base"] | example["changes"]) for example in FALSE_VERDICTS["processes"]}
    found: dict[str, list[Task]] = {}
    for family in FAMILIES:
        found[family.name], left = [], 1 + (family.name in COMPILED) - (family.name in NOT_COMPILED)
        for process in family.processes:
            kernels = [kernel_of(process.config(SEED, number)) for number in range(LOOKED_AT)]
            number = next((k for k, kernel in enumerate(kernels) if kernel in seen), -1)
            if number < 0 and left == 0:
                continue
            left -= int(number < 0)
            seen.add(kernels[max(number, 0)])
            found[family.name].append(Task(PROCESSES.index(process), max(number, 0), SEED, SMALL))
    return found


@pytest.fixture(scope="module", params=FAMILIES, ids=lambda family: family.name)
def of_family(request: pytest.FixtureRequest) -> list[Trial]:
    """An instance of most processes of a family, judged."""
    family: Family = request.param
    return list(trials(chosen()[family.name], workers=1))


def test_most_processes_are_tried() -> None:
    assert all(len(tried) >= 2 for tried in chosen().values())
    assert sum(map(len, chosen().values())) >= 0.45 * len(PROCESSES)


@pytest.mark.compiles
@pytest.mark.slow
def test_no_verdict_is_wrong(of_family: list[Trial]) -> None:
    assert [detail(seen) for seen in of_family if seen.wrong] == []


@pytest.mark.compiles
@pytest.mark.slow
def test_runs_in_their_limit_regime_are_decided(of_family: list[Trial]) -> None:
    """All but one in six, of each family; one of few."""
    left_open = [seen for seen in of_family if seen.answer == "undecided" and PROCESSES[seen.process].in_limit]
    assert len(left_open) <= max(1, Count(of_family).in_limit / 6), [detail(seen) for seen in left_open]


@pytest.mark.compiles
@pytest.mark.slow
@pytest.mark.parametrize(
    "example", FALSE_VERDICTS["processes"], ids=lambda example: f"{example['kind']}: {example['why']}"[:60]
)
def test_false_verdicts_are_not_given_again(example: dict[str, Any]) -> None:
    for seed in (1, 2):
        answer, reason = judged({**FALSE_VERDICTS["base"], "seed": seed, **example["changes"]})
        assert answer in (example["truth"], "undecided"), reason


@pytest.mark.compiles
@pytest.mark.slow
def test_a_wrong_state_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: if any slope counted as standing and limits were not known, a vanishing rate would not converge."""
    monkeypatch.setattr(verdict, "_state", lambda *seen: "stands")
    wanted = tasks([find("vanishing rates: sgd")], 4, SEED, steps=1024)
    assert not any(seen.wrong for seen in trials(wanted, workers=1)), "what is known of the limit forbids it"
    nothing = Structure(noise="persists", drive=(0.0, 0.0, 0.0))
    monkeypatch.setattr(verdict_files, "structure", lambda cell, theta, iterate: nothing)
    assert sum(seen.wrong for seen in trials(wanted, workers=1)) >= 3


# Truths


def error_after(config: Changes, steps: int) -> float | None:
    """The exact mean square error at the end of so many steps, where it is known."""
    found = predicted_errors(cell_of({**config, "steps": steps, "xi": ["minimizer"]}))
    return float(found["minimizer"][-1]) if found else None


def ratios(process: Process, times: int) -> Iterator[float]:
    """Yield the exact error after `times` as many steps by that at the end of the run, for a few instances."""
    for number in range(3):
        config = process.config(SEED, number)
        now, later = (error_after(config, k * config["steps"]) for k in (1, times))
        if now is not None and later is not None:
            yield later / now


@pytest.mark.compiles
def test_truths_agree_with_the_exact_recursion() -> None:
    """SGD and momentum in their limit regime: after eight times the steps the error is what it was, or has fallen on."""
    stay, go = [], []
    for process in PROCESSES:
        if process.in_limit and process.family in ("constant rates", "vanishing rates", "growing batches"):
            if process.allowed == STAYS:
                stay += list(ratios(process, 8))
            elif process.allowed == GOES:
                go += list(ratios(process, 8))
    assert min(len(stay), len(go)) >= 20
    assert np.all(np.abs(np.log(stay)) < 0.01)
    assert np.all(np.array(go) < 0.7)


# Instances


def test_processes_have_names_truths_and_reasons() -> None:
    assert len({label(process) for process in PROCESSES}) == len(PROCESSES) >= 80
    assert {answer for process in PROCESSES for answer in process.allowed} == {*STAYS, *GOES, "diverges", "undefined"}
    assert all(process.why and not process.why.endswith(".") for process in PROCESSES)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_instances_are_functions_of_seed_and_number(family: Family) -> None:
    """The same again; others with another number or seed."""
    for process in family.processes:
        config = process.config(SEED, 0)
        assert config == process.config(SEED, 0)
        assert config not in (process.config(SEED, 1), process.config(SEED + 1, 0))


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_instance_is_a_config(family: Family, tmp_path: Path) -> None:
    for process in family.processes:
        for number, steps in enumerate((512, 4096)):
            config = process.config(SEED, number, {**BASE, "steps": steps})
            assert read_cell(written(tmp_path / "in", config), []).program.steps >= 100


# What is written


def trial(number: int, answer: str) -> Trial:
    config = PROCESSES[number].config(SEED, 0)
    return Trial(process=number, number=0, config=config, answer=answer, reason="because")


def find(name: str) -> int:
    return next(k for k, process in enumerate(PROCESSES) if label(process) == name)


def rows_of(lines: list[str], first: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith(f"| {first}")]


def test_counts() -> None:
    """Three runs of a process that converges: wrong, undecided, right; and one, right, of another that needs no decision."""
    falls, slow = find("vanishing rates: sgd"), find("rates that vanish slowly: slow power")
    found = [trial(falls, answer) for answer in ("does_not_converge", "undecided", "converges")] + [trial(slow, "converges")]
    lines = list(verdict_tables(found))
    interval = "0.8 to 90.6 %"  # 1 of 3: the roots of (1 - p)^3 = 0.975 and of 3 p^2 (1 - p) + p^3 = 0.975
    assert rows_of(lines, "vanishing rates |") == [["vanishing rates", "3", "1", "1", "1", "33.3 %", interval, "1 of 3"]]
    assert rows_of(lines, "rates that vanish slowly |")[0][1:5] == ["1", "1", "0", "0"]
    assert rows_of(lines, "all")[0][1:5] == ["4", "2", "1", "1"]
    assert "None." in lines
    assert rows_of(lines, "vanishing rates: sgd")[0][:6] == ["vanishing rates: sgd", "converges", "yes", "1", "1", "1"]


def test_wrong_in_most_instances() -> None:
    number = find("constant rates: sgd")
    lines = list(verdict_tables([trial(number, "converges"), trial(number, "diverges"), trial(number, "undecided")]))
    assert "None." not in lines
    assert rows_of(lines, "constant rates: sgd")[0] == ["constant rates: sgd", STAYS[0], "converges or diverges", "2 of 3"]


def test_undecided_is_never_wrong() -> None:
    number = find("divergence: sgd at the border")
    said = ("does_not_converge", "diverges", "undecided", "converges", "undefined")
    assert [trial(number, answer).wrong for answer in said] == [False, False, False, True, True]


@pytest.mark.compiles
def test_details_repeat_a_run(tmp_path: Path) -> None:
    """The config of a line, saved at the root of the repository, is the config that was run; plug-ins are relative to it."""
    number = find("periodic schedules: short warm restarts")
    line = detail(trial(number, "converges"))
    head, name, said, reason, config = line.split(" | ", 4)
    assert (head, name) == ("WRONG", "periodic schedules: short warm restarts #0")
    assert (said, reason) == ("converges, truth does_not_converge", "because")
    again = yaml.safe_load(config)
    assert again.pop("plugins") == ["docs/laboratory/plugins/restarts.py"]
    assert (PLUGINS.parents[2] / "docs/laboratory/plugins/restarts.py").is_file()
    assert again == {key: value for key, value in PROCESSES[number].config(SEED, 0).items() if key != "plugins"}


@pytest.mark.compiles
def test_document(capsys: pytest.CaptureFixture[str]) -> None:
    """Of two processes: a row for each, its family and all; what is wrong or undecided goes to stderr with its config."""
    only = ["constant rates: sgd ill", "constant rates: relaxes"]
    options = calibration.parser().parse_args(["--details", "--instances", "20", *(f"--only={name}" for name in only)])
    calibration.main(lambda number: number // 10, options)
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert [sum(map(int, row[3:6])) for row in rows_of(lines, "constant rates: ") if len(row) == 7] == [2, 2]
    assert rows_of(lines, "constant rates |") != []
    assert rows_of(lines, "all")[0][1] == "4"
    assert all(len(line) <= 100 for line in lines if not line.startswith("|"))
    assert "## Coverage of 95 % intervals" not in lines
    assert all(" | constant rates: " in line and "{paths: 256" in line for line in err.splitlines())


def test_a_family_that_is_not_there() -> None:
    assert len(calibration.selected(["growing batches"])) >= 10
    with pytest.raises(SystemExit, match=re.escape("no process starts with 'growing hatches'; --list prints all")):
        calibration.selected(["growing batches", "growing hatches"])


@pytest.mark.compiles
@pytest.mark.processes
@pytest.mark.slow
def test_workers_give_the_same_verdicts() -> None:
    wanted = tasks([find("constant rates: sgd"), find("periodic schedules: short warm restarts")], 2, SEED, steps=512)
    assert list(trials(wanted, workers=2)) == list(trials(wanted, workers=1))
