"""What a user asks of figures: other words, a size, a style. Nothing is computed for them, and no number changes."""

import contextlib
import itertools
import json
import re
import struct
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.text import Text
from typer.testing import CliRunner

from kit.experiments import SGD, written
from nonconv.cli import app
from nonconv.config.figures import parse_style
from nonconv.experiment.binding import read_cell
from nonconv.faults.errors import ConfigError, UsageError
from nonconv.report.figures import drawing, drawing_process
from nonconv.report.figures.axes import STYLE, own_style
from nonconv.report.figures.catalogue import makers
from nonconv.report.figures.options import FigureOptions, Words, listed, parse_label, parse_size
from nonconv.report.figures.restyle import restyle, words_of
from nonconv.report.figures.styles import check, in_style
from nonconv.study import loop as study
from nonconv.sweeps.executors.threads import open_threads
from nonconv.sweeps.loop import is_finished, run_sweep
from nonconv.sweeps.sweep import read_sweep, survey

SMALL: dict[str, Any] = SGD | {"paths": 40, "steps": 40}
LOOK: dict[str, Any] = {"title": "Titel", "labels": {"step n": "Schritt n"}, "size": [4, 3], "style": {"font.size": 7}}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run without figures."""
    from kit.engines import use_reference

    place = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patched:
        use_reference(patched)
        study.run(read_cell(written(place / "in", SMALL), []), place / "out", 1, draw=lambda folder: dict)
    return place / "out"


def call(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == code, result.stderr
    return result.stdout if code == 0 else result.stderr


def drawn(run: Path, name: str, options: FigureOptions) -> Any:
    """A figure with options, as it is written."""
    with own_style(), in_style(options):
        figure = makers(run)[name]()
        restyle(figure, options)
        figure.draw_without_rendering()
    return figure


def size_of(png: bytes) -> tuple[int, int]:
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def one_figure(name: str) -> Any:
    """A Draw of one figure alone."""
    return lambda folder: partial(drawing.draw_folder, folder, (name,))


# words


@pytest.mark.parametrize(
    ("text", "labels", "said"),
    [
        ("step n", {"step n": "Schritt n"}, "Schritt n"),
        ("ξ = minimizer", {"minimizer": "Minimum"}, "ξ = Minimum"),
        ("minimizers", {"minimizer": "Minimum"}, "minimizers"),
        ("learning\nrate", {"learning rate": "Lernrate"}, "Lernrate"),
        ("branch at step 250", {"branch at step {}": "Zweig ab {}"}, "Zweig ab 250"),
        ("95 % of paths, 12", {"{} % of paths": "{} % der Pfade"}, "95 % der Pfade, 12"),
        ("a b", {"a": "b", "b": "c"}, "b c"),
        ("adam, adam x", {"adam": "x", "adam x": "y"}, "x, y"),
        ("E |Θₙ − ξ|²", {"E |Θₙ − ξ|²": "$"}, "$"),
        ("|Θₙ|² at (n)", {"(n)": "[n]", "|Θₙ|²": "Q"}, "Q at [n]"),
        ("a 1 b 2", {"a {} b {}": "{} und {}{}"}, "1 und 2"),
        ("", {"x": "y"}, ""),
    ],
)
def test_labels_replace_texts_whole_or_in_part(text: str, labels: dict[str, str], said: str) -> None:
    used: set[str] = set()
    assert Words(labels, used).replaced(text) == said
    assert used == ({name for name in labels if said != text} - ({"b"} if text == "a b" and said == "b" else set()))


def test_every_word_of_every_figure_can_be_replaced(run: Path) -> None:
    """A German lecturer fills in the list, and no English word remains: not in titles, axes, legends or marks."""
    texts = drawing.list_texts(makers(run))
    assert {"step n", "learning rate", "minimizer", "branch at step {}", "{} % of paths"} <= {*texts}
    assert not any(re.fullmatch(r"[\d.{}⁻⁰¹²³⁴⁵⁶⁷⁸⁹−]*", text) for text in texts), "no numbers alone"
    ours = {text: f"Ж{k}{' {}' * text.count('{}')}" for k, text in enumerate(texts)}
    options = FigureOptions(labels=ours)
    for name in makers(run):
        left = [text for text in words_of(drawn(run, name, options)) if re.search("[A-Za-z]{2}", text)]
        assert not left, f"{name}: {left}"
    assert options.used == set(texts)


def test_a_file_of_labels_may_be_one_for_many_figures(run: Path, tmp_path: Path) -> None:
    for text, said in (
        ("step n: Schritt n\nneutral: neutral\n", ""),
        ("neutral: neutral\n", "--labels: no figure says any text of de.yaml; --list-labels prints what they say\n"),
    ):
        (tmp_path / "de.yaml").write_text(text)
        with contextlib.chdir(tmp_path):
            result = CliRunner().invoke(app, ["plot", str(run), "--labels", "de.yaml"])
        assert (result.exit_code, result.stderr) == (0, said)
    (tmp_path / "de.yaml").write_text("a: [1\n")
    assert call("plot", run, "--labels", tmp_path / "de.yaml", code=2).count("de.yaml") == 1


def test_what_is_in_several_lines_is_replaced_as_a_whole_and_broken_again(run: Path) -> None:
    options = FigureOptions(labels={"learning rate": "die Lernrate der Methode in jedem Schritt"})
    label = drawn(run, "error", options).axes[1].yaxis.label.get_text()
    assert "\n" in label
    assert label.split() == options.labels["learning rate"].split()


def test_a_list_of_texts_has_no_numbers() -> None:
    assert listed(["1 − β₁", "E |Θₙ|² after 10 steps\nξ = 1"]) == ["1 − β₁", "E |Θₙ|² after {} steps ξ = {}"]
    assert listed(["10⁻²", "0.5", "step 3 of 10", "−1e−05 x", "β₁ = 0.9", "β₁ = 0.8", "step 3 of 12", "n=3"]) == [
        "step {} of {}", "{} x", "β₁ = {}", "n={}",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("3.25,2.4", (3.25, 2.4)),
        (" 3 x 2 ", (3.0, 2.0)),
        ("82.55mm,50.8mm", (3.25, 2.0)),
        ("8.255cm,5.08", (3.25, 2.0)),
        ("4in,2.54cm", (4.0, 1.0)),
    ],
)
def test_sizes_have_units(text: str, size: tuple[float, float]) -> None:
    assert parse_size(text) == pytest.approx(size)


def test_a_label_may_hold_an_equals_sign() -> None:
    assert parse_label("ξ = 0.5=Mitte") == ("ξ = 0.5", "Mitte")
    assert parse_label("a=b=c") == ("a", "b=c")
    assert parse_label("a = b") == ("a", "b")
    assert parse_label("a=") == ("a", "")
    with pytest.raises(ValueError, match="nothing"):
        parse_label("nothing")


# size, style, title


def test_a_size_is_that_of_the_page(run: Path) -> None:
    files = drawing.draw({"paths": makers(run)["paths"]}, ("png",), FigureOptions(size=(3.0, 2.5)))
    assert {size_of(content) for content in files.values()} == {(3 * STYLE["figure.dpi"], round(2.5 * STYLE["figure.dpi"]))}
    wide = {name: drawn(run, name, FigureOptions(style="paper")).get_figwidth() for name in makers(run)}
    assert wide == {"error": 3.25, "paths": 3.25, "floors": 6.75}


@pytest.mark.parametrize("name", ["error", "paths", "floors"])
@pytest.mark.parametrize(
    "look", [{"style": "slide"}, {"size": (3.0, 2.0)}, {"style": {"font.size": 20}}, {"title": "word " * 60}]
)
def test_nothing_is_cut_off_or_covered_on_another_page(run: Path, name: str, look: dict[str, Any]) -> None:
    figure = drawn(run, name, FigureOptions(**look))
    page, renderer = figure.bbox, figure.canvas.get_renderer()
    ticks = {label for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for label in axis.get_ticklabels()}
    texts = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible() and text not in ticks]
    boxes = [text.get_window_extent(renderer) for text in texts]
    for text, box in zip(texts, boxes, strict=True):
        assert min(box.x0, box.y0, page.width - box.x1, page.height - box.y1) > -2, text.get_text()
    for (one, a), (other, b) in itertools.combinations(zip(texts, boxes, strict=True), 2):
        over = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert min(over) < 0.4 * one.get_fontsize() * figure.dpi / 72, (one.get_text(), other.get_text())
    assert min(axes.bbox.height for axes in figure.axes) > 0.07 * page.height
    assert min(text.get_fontsize() for text in texts) > 3.6
    assert look != {"style": "slide"} or min(text.get_fontsize() for text in texts) > 9, "and no smaller than it must be"
    for axes in (axes for axes in figure.axes if axes.get_legend()):
        box = axes.get_legend().get_window_extent(renderer)
        for line in axes.lines:
            points = line.get_transform().transform(np.column_stack([np.float64(values) for values in line.get_data()]))
            assert not any(box.x0 < x < box.x1 and box.y0 < y < box.y1 for x, y in points), line.get_label()


def test_a_style_scales_text_and_lines(run: Path) -> None:
    plain, large = (
        drawn(run, "floors", FigureOptions(style=style)) for style in (None, {"font.size": 10.8, "lines.linewidth": 2.8})
    )
    for before, after in zip(words_sizes(plain), words_sizes(large), strict=True):
        assert after == pytest.approx(1.2 * before)
    lines = [[line.get_linewidth() for line in figure.axes[0].lines] for figure in (plain, large)]
    assert lines[1] == pytest.approx([2 * width for width in lines[0]])


def words_sizes(figure: Any) -> list[float]:
    found = [axes.xaxis.label.get_fontsize() for axes in figure.axes]
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    found += sorted(text.get_fontsize() for legend in legends for text in legend.get_texts())
    return found + [label.get_fontsize() for axes in figure.axes for label in axes.get_xticklabels()]


def test_colours_of_a_style_are_used_and_greys_are_seen_on_black(run: Path) -> None:
    figure = drawn(run, "error", FigureOptions(style="dark_background"))
    assert figure.axes[0].lines[0].get_color()[:3] == pytest.approx((0x8D / 255, 0xD3 / 255, 0xC7 / 255))
    light = drawn(run, "error", FigureOptions(style={"axes.facecolor": "black"}))
    assert sum(light.axes[0].lines[0].get_color()[:3]) == pytest.approx(3.0), "black lines would not be seen"


def test_a_title_is_in_the_place_of_the_own_one(run: Path) -> None:
    for title in ("Mein Titel", ""):
        error, floors = (drawn(run, name, FigureOptions(title=title)) for name in ("error", "floors"))
        assert error.axes[0].get_title(loc="left") == title
        assert floors.get_suptitle() == title
        assert floors.axes[0].get_title(loc="left"), "panels keep theirs"


def test_the_same_bytes_every_time_in_every_style(run: Path) -> None:
    for style, name in (("slide", "error"), ("dark_background", "floors")):
        options = FigureOptions(style=style, labels={"step n": "n"}, font="monospace")
        first, second = (drawing.draw({name: makers(run)[name]}, ("svg", "pdf", "png"), options) for _ in range(2))
        assert first == second
        assert all(not name.endswith("txt") for name in first)


@pytest.mark.parametrize(
    ("style", "said"),
    [
        ("papr", "style: unknown style 'papr'"),
        ({"font.sise": "7"}, "style: matplotlib has no setting 'font.sise'\n  did you mean font.size?"),
        ({"font.size": "big"}, "style: font.size: Could not convert 'big' to float"),
    ],
)
def test_wrong_styles_are_refused(style: Any, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        check(FigureOptions(style=style))
    assert str(raised.value).startswith(said)
    with pytest.raises(UsageError, match=r"font 'DejaVu Sanss'\n  did you mean DejaVu Sans\?"):
        check(FigureOptions(font="DejaVu Sanss"))


def test_a_style_file_is_read_line_by_line() -> None:
    text = '# mine\nfont.size: 7  # small\n\naxes.facecolor: "#eeeeee"\naxes.prop_cycle: cycler(color=["red"])\n'
    assert parse_style(text) == {
        "font.size": "7", "axes.facecolor": "#eeeeee", "axes.prop_cycle": 'cycler(color=["red"])',
    }  # fmt: skip
    with pytest.raises(ValueError, match="line 1 is not"):
        parse_style("font.size 7")


# the command


def test_plot_takes_options_and_says_what_it_does_not_find(run: Path, tmp_path: Path) -> None:
    (tmp_path / "de.yaml").write_text("step n: Schritt n\nminimizer: Minimum\n")
    (tmp_path / "my.mplstyle").write_text("font.size: 7\nfigure.figsize: 4, 3\n")
    asked = ("--labels", tmp_path / "de.yaml", "--style", tmp_path / "my.mplstyle", "--title", "T", "--label", "stepp n=x")
    result = CliRunner().invoke(app, [*map(str, ("plot", run, "-o", tmp_path / "out", "--format", "svg", *asked))])
    assert (result.exit_code, result.stderr) == (0, "--label: no figure says 'stepp n'; did you mean 'step n'?\n")
    text = (tmp_path / "out" / "experiment-error.svg").read_text()
    assert all(word in text for word in ("Schritt n", "Minimum", ">T<", 'width="288pt"'))
    listed_texts = call("plot", run, "--list-labels")
    assert "\nstep n: step n\n" in listed_texts
    (tmp_path / "all.yaml").write_text(listed_texts)
    assert "experiment-error.png" in call("plot", run, "-o", tmp_path / "same", "--labels", tmp_path / "all.yaml")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--label", "a=b", "--label", "a=c"), "--label: 'a' is given twice, as 'b' and as 'c'"),
        (("--size", "3"), "--size: '3' is not a size\n  allowed: W,H from 0.5 to 60 inches"),
        (("--size", "3,600"), "--size: 3,600 is 3 by 600 inches"),
        (("--label", "x"), "--label 'x'\n  allowed: NAME=TEXT"),
        (("--labels", "none.yaml"), "--labels: none.yaml cannot be read: No such file or directory"),
        (("--style", "none.mplstyle"), "--style: none.mplstyle cannot be read: No such file or directory"),
        (("--style", "slidee"), "--style: unknown style 'slidee'\n  allowed: paper, slide, a file FILE.mplstyle, or"),
        (("--font", "DejaVu Sanss"), "--font: matplotlib finds no font 'DejaVu Sanss'\n  did you mean DejaVu Sans?"),
    ],
)
def test_wrong_options_are_refused(run: Path, tmp_path: Path, options: tuple[str, str], said: str) -> None:
    assert call("plot", run, "-o", tmp_path, *options, code=2).startswith(said)
    assert not list(tmp_path.iterdir())


# the config


def test_nothing_is_computed_again_for_figures(tmp_path: Path, reference: None) -> None:
    """Identity and numbers stay, figures are drawn anew; removed again, all is as before."""
    config, folder = SMALL | {"figures": LOOK}, tmp_path / "out"
    plain, looked = (read_cell(written(tmp_path / str(k), one), []) for k, one in enumerate((SMALL, config)))
    assert (plain.identity, plain.lineage) == (looked.identity, looked.lineage)
    study.run(plain, folder, 1, draw=one_figure("error"))
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir() if path.is_file()}
    done = study.run(looked, folder, 1, draw=one_figure("error"))
    assert (done.reused, done.reworded) == (True, True)
    for name in ("error.csv", "floors.csv", "paths.npz"):
        assert (folder / name).stat().st_mtime_ns == before[name][1]
    assert size_of((folder / "figures" / "error.png").read_bytes()) == (640, 480)
    assert "Schritt n" in (folder / "figures" / "error.svg").read_text()
    assert not study.run(looked, folder, 1).reworded, "the second time there is nothing to do"
    study.run(plain, folder, 1, draw=one_figure("error"))
    assert {name: (folder / name).read_bytes() for name in before if name != "manifest.json"} == {
        name: content for name, (content, _) in before.items() if name != "manifest.json"
    }


def test_nothing_of_a_sweep_is_computed_again_for_figures(tmp_path: Path, reference: None) -> None:
    grid = SMALL | {"sweep": {"learning_rate.value": [0.1, 0.2]}, "learning_rate": {"name": "constant", "value": 0.1}}
    folder = tmp_path / "out"
    for k, (config, computed) in enumerate(((grid, 2), (grid | {"figures": LOOK}, 0), (grid | {"figures": LOOK}, 0))):
        sweep = read_sweep(written(tmp_path / str(k), config))
        known = survey(sweep)
        workers = partial(open_threads, sweep, 1)
        outcome = run_sweep(sweep, known, folder, workers, draw=one_figure("lines_mse_minimizer"))
        assert outcome.computed == computed
    assert size_of((folder / "figures" / "lines_mse_minimizer.png").read_bytes()) == (1000, 750)
    assert json.loads((folder / "sweep.json").read_text())["figures"]["title"] == "Titel"
    other = read_sweep(written(tmp_path / "other", grid | {"figures": LOOK | {"title": "Anders"}}))
    from nonconv.store.folder import Folder
    from nonconv.sweeps.cells import Cells

    assert not is_finished(other, survey(other), Folder(folder, survey(other).identity), Cells(folder))


def test_the_config_of_a_sweeps_folder_needs_no_file_of_figures(tmp_path: Path, reference: None) -> None:
    (tmp_path / "de.yaml").write_text("step n: Schritt n\n")
    config = SMALL | {"sweep": {"seed": [1, 2]}, "figures": {"labels": "de.yaml"}}
    for source, computed in ((written(tmp_path, config), 2), (tmp_path / "out" / "config.yaml", 0)):
        sweep = read_sweep(source)
        workers = partial(open_threads, sweep, 1)
        assert run_sweep(sweep, survey(sweep), tmp_path / "out", workers, draw=lambda folder: dict).computed == computed
        assert sweep.figures == {"labels": {"step n": "Schritt n"}}


@pytest.mark.processes
def test_the_figure_process_takes_them_from_the_folder(tmp_path: Path, reference: None) -> None:
    folder = tmp_path / "out"
    with drawing_process.figure_process() as draw:
        study.run(read_cell(written(tmp_path / "in", SMALL | {"figures": LOOK}), []), folder, 1, draw=draw)
    here = drawing.draw_folder(folder)
    assert {name: (folder / "figures" / name).read_bytes() for name in here} == here


def test_files_are_kept_in_the_config_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "de.yaml").write_text("step n: Schritt n\n0.5: halb\n")
    (tmp_path / "base" / "my.mplstyle").write_text("font.size: 7\n")
    written(tmp_path / "base", SMALL | {"figures": {"labels": "de.yaml", "style": "my.mplstyle"}})
    cell = read_cell(written(tmp_path, {"base": "base/experiment.yaml"}), [])
    assert cell.portable["figures"] == {"labels": {"step n": "Schritt n", "0.5": "halb"}, "style": {"font.size": "7"}}
    with pytest.raises(ConfigError, match=r"figures\.labels: none\.yaml cannot be read"):
        read_cell(written(tmp_path / "x", SMALL | {"figures": {"labels": "none.yaml"}}), [])


@pytest.mark.parametrize("command", ["run", "sweep", "validate"])
def test_a_style_is_checked_before_anything_runs(tmp_path: Path, command: str) -> None:
    grid = {"sweep": {"seed": [1, 2]}}
    config = written(tmp_path, SMALL | grid | {"figures": {"style": "papr"}})
    said = call(command, config, *(() if command == "validate" else ("-o", tmp_path / "out")), code=2)
    assert "figures.style: unknown style 'papr'" in said
    assert "did you mean paper?" in said
    assert not (tmp_path / "out").exists()
