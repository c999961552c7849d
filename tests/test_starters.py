"""nonconv new: every starter validates, runs in seconds and says what to type next."""

import re
import shlex
from contextlib import nullcontext
from pathlib import Path

import pytest
import yaml

from kit.command import bad, call, documented, good
from kit.runs import undrawn
from nonconv.report.figures import drawing_process
from nonconv.starters import FOLDER, NAMES, STARTERS
from nonconv.sweeps.sweep import read_sweep

SECONDS_OF_STEPS = 5e7
"""Path-steps that take some seconds at most."""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_list_has_every_starter_in_80_columns() -> None:
    shown = call("new", "--list")
    assert [line.split()[0] for line in shown.stdout.splitlines() if line.strip()][3:] == list(NAMES)
    assert max(map(len, shown.stdout.splitlines())) <= 80
    assert max(len(starter.title) for starter in STARTERS.values()) <= 60
    assert {path.stem for path in FOLDER.iterdir()} == set(NAMES)
    listed = documented("new", "--list", "--json")["starters"]
    assert listed == [{"name": name, "title": starter.title} for name, starter in STARTERS.items()]


CONFIGS = [name for name in NAMES if STARTERS[name].endings[0] == ".yaml"]


@pytest.mark.parametrize("name", CONFIGS)
def test_a_starter_is_a_commented_config_that_takes_seconds(name: str) -> None:
    shown = call("new", name)
    files = [f"{name}{ending}" for ending in STARTERS[name].endings]
    assert (shown.exit_code, shown.stdout.split()) == (0, files)
    steps = shown.stderr.split("Next:\n")[1].splitlines()
    assert all(any(word in step for word in (name, "explain", "list")) for step in steps)
    text = Path(files[0]).read_text(encoding="utf-8")
    assert text.startswith(f"# {STARTERS[name].title}\n#\n# Type next:\n#   nonconv ")
    assert all(f"#   {step.strip()}\n" in text for step in steps)
    assert all(len(line) <= (80 if line.startswith("#") else 88) for line in text.splitlines())
    assert text.count("#") >= 8, "it explains itself"
    good("validate", *Path().glob("*.yaml"))
    config = yaml.safe_load(text)
    cells = len(list(read_sweep(Path(files[0]), [], []).points())) if "sweep" in config else 1
    assert cells * float(config["paths"]) * float(config["steps"]) * config.get("batch_size", 1) <= SECONDS_OF_STEPS


@pytest.mark.slow
@pytest.mark.compiles
@pytest.mark.usefixtures("_undrawn")
@pytest.mark.parametrize("name", NAMES)
def test_what_it_says_to_type_next_works(name: str) -> None:
    good("new", name, "-q")
    for step in STARTERS[name].next_steps(Path(f"{name}{STARTERS[name].endings[0]}")):
        program, *arguments = shlex.split(step, comments=True)
        if program == "python":
            short = Path(arguments[0]).read_text().replace("256, 5000, 50", "40, 600, 2")
            exec(compile(short, arguments[0], "exec"), {"__file__": arguments[0], "__name__": "__main__"})
        if program == "nonconv":
            fewer = ["--set", "paths=16", "--set", "steps=400"] if arguments[0] in ("run", "sweep", "check") else []
            found = call(*arguments, *fewer)
            assert found.exit_code in ((0, 3, 4) if arguments[0] == "check" else (0,)), found.stderr


@pytest.fixture
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing_process, "figure_process", lambda: nullcontext(undrawn))


def test_a_loop_is_a_script_that_names_its_log() -> None:
    shown = call("new", "own_loop", "-o", "deep/er.py")
    assert (shown.exit_code, shown.stdout) == (0, "deep/er.py\n")
    steps = [shlex.split(step, comments=True) for step in STARTERS["own_loop"].next_steps(Path("deep/er.py"))]
    assert [step[:3] for step in steps] == [["python", "deep/er.py"], *2 * [["nonconv", "judge", "deep/er.npz"]]]
    assert "own_loop" not in Path("deep/er.py").read_text(encoding="utf-8")


def test_nothing_is_overwritten() -> None:
    Path("own_data.csv").write_text("mine", encoding="utf-8")
    assert bad("new", "own_data") == "own_data.csv is there already\n  --force overwrites it; -o FILE.yaml writes elsewhere\n"
    assert [path.name for path in Path().iterdir()] == ["own_data.csv"]
    assert Path("own_data.csv").read_text(encoding="utf-8") == "mine"
    good("new", "own_data", "--force")
    assert Path("own_data.csv").read_text(encoding="utf-8").startswith("rooms,")
    Path("dangling.yaml").symlink_to("nowhere")
    assert "is there already" in bad("new", "-o", "dangling.yaml")


@pytest.mark.parametrize("place", ["rents.yaml", "a folder/it's: mine.yml", 'q"uo\\te.yaml'])
def test_files_name_each_other_whatever_they_are_called(place: str) -> None:
    for name in ("own_data", "own_optimizer"):
        written = good("new", name, "-o", place, "--force").splitlines()
        assert [Path(file).suffix for file in written] == [Path(place).suffix, STARTERS[name].endings[1]]
        assert name not in Path(place).read_text(encoding="utf-8")
        good("validate", place)
        steps = STARTERS[name].next_steps(Path(place))
        assert any(place in shlex.split(step, comments=True) for step in steps)


def test_a_folder_a_document_and_silence() -> None:
    Path("here").mkdir()
    assert good("new", "-o", "here") == "here/adam_quadratic.yaml\n"
    found = documented("new", "sweep", "--json")
    assert (found["name"], found["files"]) == ("sweep", ["sweep.yaml"])
    assert found["next"][0].startswith("nonconv sweep sweep.yaml --dry-run")
    assert call("new", "network", "-q").stderr == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["netwrk"], r"there is no starter 'netwrk'\n  allowed: adam_quadratic, .*\n  did you mean network\?"),
        (["my study.yaml"], r".*\n.*\n  `nonconv new -o 'my study.yaml'` writes adam_quadratic to that file"),
        (["-o", "foo"], r"--out foo: adam_quadratic is a \.yaml file\n  did you mean foo\.yaml\?"),
        (["own_loop", "-o", "a.yaml"], r"--out a\.yaml: own_loop is a \.py file\n  did you mean a\.py\?"),
        (["-o", "a\nb.yaml"], r"--out a\\nb\.yaml: the name has characters that cannot be seen"),
        (["-o", "file/x.yaml"], r"file/x\.yaml cannot be written: .*"),
    ],
    ids=str,
)
def test_what_is_refused(arguments: list[str], said: str) -> None:
    Path("file").write_text("")
    assert re.fullmatch(said, bad("new", *arguments).rstrip("\n"))
    assert [path.name for path in Path().iterdir()] == ["file"]
