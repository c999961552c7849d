"""The pages: what they quote is real, their commands run, their links lead somewhere, and their lines are short."""

import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import kit.undrawn
import nonconv
from kit.thorough import a_few
from nonconv.cli import app
from nonconv.report.figures import drawing_process

ROOT = Path(__file__).parents[1]
INCLUDES = run_path(str(ROOT / "docs" / "includes.py"))
ANSWERS = run_path(str(ROOT / "docs" / "answers.py"))
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/*.md", "docs/answers/*.md", "benchmarks/*.md", "configs/**/*.md", "nonconv/**/*.md")
    for path in ROOT.glob(pattern)
)
WIDTH = 100
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
SMALL = ("--set", "paths=64", "--set", "steps=300", "--set", "expect=null")
"""What `run` and `sweep` are given besides. `check` runs as written: its exit code is what the page says."""
SMALL_GRID = {"configs/adam_betas.yaml": ("--grid", "optimizer.beta1=0,0.9", "--grid", "optimizer.beta2=0.9,0.99")}
"""What the sweep of a config is given besides: 4 cells instead of 400."""
NEEDS_A_CLUSTER = "--executor dask", "sweep CONFIG --executor"
"""Not run here: tests/test_executors.py runs sweeps on a Dask cluster, as jobs, and in other executors."""


def heavy(test: Any) -> Any:
    """Mark a test that runs commands as they are."""
    return pytest.mark.slow(pytest.mark.compiles(pytest.mark.processes(test)))


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def lines_of(page: str) -> Iterator[tuple[int, str, bool]]:
    """Line number, line, and whether it is code: between fences, or indented by four columns outside a list."""
    fenced = in_list = False
    for number, line in enumerate(text_of(page).splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
            yield number, line, True
            continue
        indented = line.startswith("    ")
        if line.strip() and not indented and not fenced:
            in_list = bool(re.match(r"(?:  )?(?:[-*]|\d+\.) ", line)) or (in_list and line.startswith("  "))
        yield number, line, fenced or (indented and not in_list)


# What is quoted


@heavy
@pytest.mark.parametrize("page", INCLUDES["PAGES"])
def test_what_a_page_quotes_is_what_there_is(page: str) -> None:
    """Files and outputs, which `make docs` writes anew. Figures are named, not drawn: tests of figures draw them."""
    if "flock" in text_of(page) and shutil.which("flock") is None:
        pytest.skip("the page holds a lock with the program flock, which is not installed")
    undrawn = shlex.join([sys.executable, "-P", kit.undrawn.__file__])
    assert INCLUDES["filled"](page, undrawn) == text_of(page)


def test_each_line_that_is_explained_is_printed() -> None:
    """Getting started explains the output line by line: what it names in bold begins a line of the output."""
    page = text_of("docs/getting-started.md")
    outputs = [part.split("```")[0] for part in page.split("```console\n")[1:]]
    for title, output, number in (("## Read the result", outputs[0], 5), ("## Read the rest", outputs[1], 7)):
        explained = re.findall(r"\*\*`(.*?)`\*\*", page.split(title)[1].split("\n## ")[0])
        assert len(explained) == number
        assert [label for label in explained if not re.search(rf"^ *{label}", output, re.MULTILINE)] == []


def test_a_marker_without_a_block_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("<!-- include: LICENSE -->\nno block\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no block follows <!-- include: LICENSE -->"):
        INCLUDES["filled"](str(tmp_path / "page.md"))


@pytest.mark.processes
def test_output_is_folded_and_cut(tmp_path: Path) -> None:
    printed = INCLUDES["printed"]
    assert printed("seq 5; false", "2 ; 5", tmp_path) == "```console\n$ seq 5; false\n...\n2\n...\n5\n[exit code 1]\n```\n"
    long = printed("echo " + "word " * 40, None, tmp_path).splitlines()
    assert [len(line) for line in long[2:]] == [94, 94, 9, 3]

    with pytest.raises(ValueError, match="no line matches 'none' in:\n1\n2"):
        printed("seq 2", "1 ; none", tmp_path)


def test_the_tables_of_the_answers_are_of_the_configs_as_they_are() -> None:
    """`python docs/answers.py` writes them anew. Nothing is computed here: digests are compared."""
    assert ANSWERS["out_of_date"]() == []
    marks = [ANSWERS["marked"](path.read_text(encoding="utf-8")) for path in ANSWERS["PAGES"].glob("*.md")]
    assert sorted(name for page in marks for name, _ in page) == sorted(ANSWERS["TABLES"])


def test_the_configs_that_the_answers_name_exist() -> None:
    named = {
        word for page in PAGES if page.startswith("docs/answers/") for word in re.findall(r"configs/\S+?\.yaml", text_of(page))
    }
    assert len(named) > 10
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


# The commands


def commands_of(page: str) -> list[str]:
    """The lines of code that begin with `nonconv`; those of quoted outputs, which begin with $, run where they are quoted."""
    return [line.strip() for _, line, code in lines_of(page) if code and line.strip().startswith("nonconv ")]


# The gallery's commands take minutes: `make gallery` runs them, and tests/test_gallery.py reads its configs.
OF_THE_GALLERY = "docs/gallery.md", "docs/answers/"
OFTEN = (
    "README.md",
    *(f"docs/{name}.md" for name in ("clusters", "getting-started", "plugins", "sweeps", "your-first-optimizer")),
)
"""The pages that a newcomer reads, or that say most of what can be typed."""
WITH_COMMANDS = [page for page in PAGES if commands_of(page) and not page.startswith(OF_THE_GALLERY)]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with what commands name, and no figures."""
    monkeypatch.setattr(drawing_process, "figure_process", lambda: nullcontext(lambda folder: dict))
    with INCLUDES["workplace"]() as folder:
        shutil.copy(folder / "docs" / "plugins" / "signum.py", folder / "my_rule.py")
        monkeypatch.chdir(folder)
        yield folder


def arguments_of(command: str, place: Path) -> list[str]:
    """As a shell would pass them on, with what stands for a name replaced by one that exists."""
    arguments: list[str] = []
    for word in shlex.split(re.split(r"\s#|\s>\s", command)[0])[1:]:  # within a word, # begins no comment
        if "*" in word:
            arguments += sorted(str(path.relative_to(place)) for path in place.glob(word))
        elif word == "outputs/SWEEP#ID":
            cells = sorted(place.glob("outputs/*/cells/*"))
            arguments.append(str(cells[arguments.count(str(cells[0]))]))
        elif "<hash>" in word:
            arguments.append(str(next(place.glob(word.replace("<hash>", "*")))))
        else:
            arguments.append(word.replace("CONFIG", "configs/adam_const.yaml"))
    if arguments[0] == "sweep":
        arguments += SMALL_GRID.get(arguments[1], ())
    return [*arguments, *SMALL] if arguments[0] in ("run", "sweep") else arguments


def test_the_pages_have_commands() -> None:
    assert {"README.md", "docs/getting-started.md", "docs/sweeps.md", "docs/plugins.md"} <= set(WITH_COMMANDS)


@heavy
@pytest.mark.parametrize("page", a_few(WITH_COMMANDS, OFTEN))
def test_the_commands_of_a_page_run(page: str, place: Path) -> None:
    """One after the other, in one folder."""
    ran = 0
    for command in commands_of(page):
        if any(words in command for words in NEEDS_A_CLUSTER):
            continue
        result = CliRunner().invoke(app, arguments_of(command, place))
        assert result.exit_code == 0, f"{command}\n{result.output}"
        ran += 1
    assert ran


# The text


def headings_of(page: Path) -> set[str]:
    """The anchors that GitHub makes of headings."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(page: str) -> list[str]:
    """The links of a page to files, images and headings that do not exist."""
    broken = []
    for _, line, code in lines_of(page):
        for link in [] if code else LINK.findall(line):
            if re.match(r"[a-z]+:", link):
                continue
            file, _, anchor = link.partition("#")
            target = (ROOT / page).parent / file if file else ROOT / page
            if not target.exists() or (anchor and anchor not in headings_of(target)):
                broken.append(link)
    return broken


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    assert broken_links(page) == []


def long_lines(page: str) -> list[tuple[int, int]]:
    """Number and length of the lines that are too long. Code, tables and comments are free; of a link its text counts."""
    found = []
    for number, line, code in lines_of(page):
        shown = LINK.sub(lambda link: link.group().replace(f"({link.group(1)})", ""), line)
        shown = re.sub(r"https?://\S+", "", shown)
        if not code and not line.startswith(("|", "<!--")) and len(shown) > WIDTH:
            found.append((number, len(line)))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_lines_are_short(page: str) -> None:
    assert long_lines(page) == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (f"{'x' * 101}\n", [1]),
        (f"{'x' * 100}\n- an entry\n    {'y' * 100}\n", [3]),
        (f"text\n\n    {'y' * 100}\n| {'z' * 100} |\n```\n{'x' * 101}\n```\n<!-- {'x' * 100} -->\n", []),
        (f"[here](https://a.org/{'x' * 101}) and https://a.org/{'x' * 101}\n", []),
    ],
)
def test_what_counts_as_long(text: str, number: Any, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(text, encoding="utf-8")
    assert [line for line, _ in long_lines(str(tmp_path / "page.md"))] == number


def rooms_of(page: str, heading: str) -> list[str]:
    """The rooms in the first column of the table below a heading, from top to bottom."""
    section = text_of(page).split(f"## {heading}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    return [room.rstrip("/") for cell in cells for room in re.findall(r"`(.*?)`", cell)]


@pytest.mark.parametrize(("page", "heading"), [("docs/architecture.md", "The rooms"), ("CONTRIBUTING.md", "Rooms")])
def test_the_rooms_are_those_of_the_import_contract(page: str, heading: str) -> None:
    """All of them, and none above a room that imports it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    layer_of = {name.strip().removeprefix("nonconv."): k for k, names in enumerate(layers) for name in names.split("|")}
    rooms = rooms_of(page, heading)
    assert sorted(rooms) == sorted(layer_of)
    assert [layer_of[room] for room in rooms] == sorted(layer_of.values())


def test_the_citation_has_the_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["title"], citation["version"], citation["license"]) == ("nonconv", nonconv.__version__, "MIT")


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    links = "[a](page.md) [b](none.md) [c](#title) [d](#none) ![e](none.png) [f](https://a.org)"
    (tmp_path / "page.md").write_text(f"# Title\n{links}\n", encoding="utf-8")
    assert broken_links(str(tmp_path / "page.md")) == ["none.md", "#none", "none.png"]
