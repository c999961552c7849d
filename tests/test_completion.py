"""What the Tab key offers, asked as bash, zsh and fish ask the program."""

import inspect
import json
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args, get_type_hints

import pytest

from kit.command import variables
from kit.experiments import SGD
from nonconv.cli import app, completion, completion_words
from nonconv.cli.components import KEY
from nonconv.config.catalogue import BUILT_IN
from nonconv.config.keys import config_keys
from nonconv.report.figures.catalogue import FORMATS as FIGURES
from nonconv.report.tables import FORMATS, TABLES
from nonconv.starters import NAMES
from nonconv.sweeps import EXECUTORS

CELLS = "cell,optimizer.name,seed,status\n0a1b,adam,1,done\n0c,sgd,1,done\n"
PROGRAM = "import sys; sys.argv[0] = 'nonconv'; from nonconv.cli import main; main()"


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a config, a run and a sweep."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.yaml").write_text(json.dumps(SGD))
    for name in ("run-1", "sweep-2"):
        (tmp_path / "outputs" / name).mkdir(parents=True)
        (tmp_path / "outputs" / name / "manifest.json").touch()
    (tmp_path / "outputs" / "sweep-2" / "sweep.csv").write_text(
        "cell,optimizer.name,seed,status\n0a1b,adam,1,done\n0c,sgd,1,done\n"
    )
    (tmp_path / "with space").mkdir()


def asked(shell: str, *words: str, **more: str) -> str:
    """What the program prints where the last of these words is completed."""
    told = {"_NONCONV_COMPLETE": f"complete_{shell}"}
    if shell == "bash":
        told |= {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}
    told |= {"_TYPER_COMPLETE_ARGS": " ".join(words), "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables(**told | more), timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def offered(*words: str) -> list[str]:
    """What is offered for the last of these words."""
    return [line.partition("\t")[0] for line in asked("fish", "nonconv", *words).splitlines()]


@pytest.mark.slow
@pytest.mark.processes
def test_each_shell_is_answered_in_its_own_way() -> None:
    assert asked("fish", "nonconv", "run", "one.yaml", "--set", "optimizer.name=adam").splitlines() == [
        "optimizer.name=adam\tAdam: a running average of gradients over the root of one...",
        "optimizer.name=adamw\tAdamW: adam with weight decay that is decoupled from the...",
        "optimizer.name=adamax\tAdamax: Adam whose denominator is a maximum of gradients...",
    ]
    in_zsh = asked("zsh", "nonconv", "run", "one.yaml", "--set", "optimizer.name=adamw")
    assert in_zsh.startswith('_arguments \'*: :(("optimizer.name=adamw":"AdamW\\\\: adam with')
    whole = asked("bash", "nonconv", "run", "one.yaml", "--set", "optimizer.name=adamw")
    torn = asked("bash", "nonconv", "run", "one.yaml", "--set", "optimizer.name", "=", "adamw")
    assert (whole, torn) == ("optimizer.name=adamw\n", "adamw\n"), "bash has the words before a = already"
    assert asked("bash", "nonconv", "run", "wi") == "with\\ space/\n"


@pytest.mark.slow
@pytest.mark.processes
def test_nothing_is_told_where_something_is_wrong(tmp_path: Path) -> None:
    assert asked("bash", "nonconv", "table", "nowhere#") == ""
    assert asked("bash", "nonconv", "run", "'open", COMP_CWORD="x") == ""
    Path("one.yaml").write_text("optimizer: [")
    cache = {"NONCONV_CACHE_DIR": str(tmp_path / "one.yaml")}  # no folder
    assert asked("fish", "nonconv", "run", "one.yaml", "--set", "see", **cache).split("\t")[0] == "seed="


@pytest.mark.slow
@pytest.mark.processes
def test_a_second_time_no_component_is_looked_at(tmp_path: Path) -> None:
    cache = {"NONCONV_CACHE_DIR": str(tmp_path / "cache")}
    first = asked("fish", "nonconv", "explain", "adam", **cache)
    (file,) = (tmp_path / "cache").iterdir()
    file.write_text(file.read_text().replace('"adamw"', '"adamost"'))
    again = asked("fish", "nonconv", "explain", "adam", **cache)
    assert [line.split("\t")[0] for line in first.splitlines()] == ["adam", "adamw", "adamax"]
    assert [line.split("\t")[0] for line in again.splitlines()] == ["adam", "adamost", "adamax"]


def words(offer: Any, *typed: str, kind: str | None = None) -> list[str]:
    """What a function offers for the last word."""
    context = SimpleNamespace(params={"kind": kind})
    parameters = inspect.signature(offer).parameters
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("COMP_WORDS", shlex.join(typed))
        found = offer(context, typed[-1]) if "ctx" in parameters else offer(typed[-1])
    return [word for word, _ in found]


def test_keys_come_level_by_level() -> None:
    every = words(completion.settings, "")
    assert {"seed=", "paths=", "optimizer=", "optimizer.", "objective.", "expect."} <= set(every)
    assert not {"base=", "sweep=", "plugins="} & set(every)
    assert words(completion.settings, "optim") == ["optimizer=", "optimizer."]
    assert set(words(completion.settings, "objective.da")) == {"objective.data.", "objective.data="}
    assert words(completion.settings, "nonsense") == []


def test_one_key_alone_comes_with_its_values() -> None:
    """So that the shell adds no space behind the = sign."""
    assert words(completion.settings, "see") == ["seed=", "seed=0"]
    assert words(completion.settings, "record.spa") == ["record.spacing=", "record.spacing=log", "record.spacing=linear"]
    assert words(completion.settings, "floors.tw") == ["floors.twin=", "floors.twin=true", "floors.twin=false"]


def test_parameters_are_those_of_the_component() -> None:
    assert words(completion.settings, "one.yaml", "optimizer.b") == []
    assert words(completion.settings, "one.yaml", "optimizer=momentum", "optimizer.b") == [
        "optimizer.beta=",
        "optimizer.bias_correction=",
    ]
    assert words(completion.settings, "one.yaml", "optimizer.name=rmsprop", "optimizer.cen") == [
        "optimizer.centered=",
        "optimizer.centered=true",
        "optimizer.centered=false",
    ]
    assert "optimizer.beta2=" in words(completion.settings, "optimizer.b"), "no config, so all of them"


def test_values_of_a_grid() -> None:
    assert words(completion.grids, "optimizer.name=adam,adam") == ["optimizer.name=adam,adamw", "optimizer.name=adam,adamax"]
    assert words(completion.settings, "optimizer.name=adam,adam") == []


@pytest.mark.parametrize("kind", BUILT_IN)
def test_every_component_and_key_is_known(kind: str) -> None:
    known = completion_words.words()
    assert known["kinds"][kind] == {c.name: c.summary for c in BUILT_IN.listed(kind).values()}
    assert set(words(completion.explained, f"{kind}.")) >= {f"{kind}.{name}" for name in BUILT_IN.listed(kind)}
    assert {key.name for key in config_keys()} - set(known["keys"]) <= {"base", "sweep", "plugins"}


def test_components_and_kinds() -> None:
    assert words(completion.explained, "adamw") == ["adamw"]
    assert words(completion.explained, "record.st") == ["record.steps", "record.state"]
    assert words(completion.kinds, "") == [*BUILT_IN, KEY, "gallery"]
    assert words(completion.of_kind, "sig", kind="optimizer") == ["signum", "sign_descent"]
    assert words(completion.of_kind, "reddi", kind="gallery") == ["reddi_cyclic", "reddi_stochastic"]
    assert words(completion.starters, "") == list(NAMES)
    assert words(completion.starters, "own_o") == ["own_optimizer"]


def test_options_of_executors() -> None:
    def offered(executor: str, incomplete: str) -> list[str]:
        context = SimpleNamespace(params={"executor": executor})
        return [word for word, _ in completion.executor_options(context, incomplete)]

    assert offered("submitit", "c") == ["cluster=slurm", "cluster=local", "cpus_per_task="]
    assert offered("pools:make", "") == ["max_workers="]


def test_folders_and_cells() -> None:
    assert words(completion.runs, "") == ["with space/", "outputs/run-1", "outputs/sweep-2"]
    assert words(completion.runs, "mine=outputs/r") == ["mine=outputs/run-1"]
    assert words(completion.runs, "out") == ["outputs/run-1", "outputs/sweep-2"]
    assert words(completion.runs, "outputs/sw") == ["outputs/sweep-2", "outputs/sweep-2#"]
    assert completion.runs("outputs/sweep-2#0a") == [("outputs/sweep-2#0a1b", "optimizer.name=adam, seed=1")]
    assert words(completion.runs, "a=outputs/sweep-2#") == ["a=outputs/sweep-2#0a1b", "a=outputs/sweep-2#0c"]
    assert words(completion.runs, "outputs/run-1#") == words(completion.runs, "nowhere/") == []


def test_files() -> None:
    Path("deep/er").mkdir(parents=True)
    Path("deep/er/two.yml").touch()
    Path("rule.py").touch()
    Path("log.npz").touch()
    Path("bad\nname.yaml").touch()
    assert words(completion.configs, "") == ["deep/", "one.yaml", "outputs/", "with space/"]
    assert words(completion.configs, "d") == ["deep/er/two.yml"], "a folder alone is entered"
    assert words(completion.plugins, "ru") == words(completion.explained, "ru") == ["rule.py"]
    assert words(completion.logs, "l") == ["log.npz"]
    assert words(completion.configs, f"{Path.cwd()}/on") == [f"{Path.cwd()}/one.yaml"]


def test_formats_are_those_that_commands_take() -> None:
    offered = {}
    for command in app.registered_commands:
        assert command.callback is not None
        for name, hint in get_type_hints(command.callback, include_extras=True).items():
            complete = getattr(next(iter(get_args(hint)[1:]), None), "autocompletion", None)
            offered[command.name, name] = complete("") if name in ("kind", "of", "executor") and complete else []
    found = {key: [word for word, _ in own] for key, own in offered.items() if own}
    assert set(found["table", "kind"]) == {*FORMATS}
    assert found["table", "of"] == [*TABLES]
    assert found["plot", "kind"][: len(FIGURES)] == found["compare", "kind"] == [*FIGURES]
    assert found["sweep", "executor"] == [*EXECUTORS]
