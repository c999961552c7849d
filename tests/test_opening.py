"""--open: the page of a result in the browser, a figure where there can be no page, a sentence where there is no display."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from kit.command import bad, call
from kit.runs import undrawn
from nonconv.cli import opening
from nonconv.faults.errors import UsageError
from nonconv.page import make
from nonconv.report.figures import drawing_process


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the browser was asked to show, on a display that there seems to be."""
    shown: list[str] = []

    def show(address: str) -> bool:
        shown.append(address)
        return True

    monkeypatch.setattr("webbrowser.open", show)
    monkeypatch.setenv("BROWSER", "mine")
    monkeypatch.setattr(make, "require_libraries", lambda: None)
    monkeypatch.setattr(make, "make_page", lambda folders: f"page of {folders[0].name}".encode())
    monkeypatch.setattr("nonconv.report.figures.catalogue.figure_names", lambda folder: ("floors", "error"))
    return shown


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "outputs" / "it's a run"
    (place / "figures").mkdir(parents=True)
    (place / "figures" / "error.png").touch()
    return place


def test_the_page_is_written_beside_the_folder(folder: Path, opened: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    opening.open_result(folder)
    page = folder.with_name("it's a run.html")
    assert page.read_bytes() == b"page of it's a run"
    assert opened == [page.as_uri()]
    assert capsys.readouterr() == ("", f"Opened {page}\n")
    assert {path.name for path in folder.iterdir()} == {"figures"}, "the folder is as the run left it"


def test_a_figure_where_there_can_be_no_page(
    folder: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*arguments: Any) -> Any:
        raise UsageError("a page needs altair, which is not installed\n  install it: pip install 'nonconv[report]'")

    monkeypatch.setattr(make, "require_libraries", refuse)
    opening.open_result(folder)
    assert opened == [(folder / "figures" / "error.png").as_uri()], "the first that was drawn"
    assert capsys.readouterr().err.startswith("No page: a page needs altair, which is not installed\n  install it: pip")
    (folder / "figures" / "error.png").unlink()
    opening.open_result(folder)
    assert len(opened) == 1

    def full(*arguments: Any) -> Any:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(make, "require_libraries", lambda: None)
    monkeypatch.setattr(opening, "write_whole", full)
    opening.open_result(folder)
    assert "outputs/it's a run.html cannot be written: Read-only file system" in capsys.readouterr().err


def test_without_a_display_the_file_is_named(
    folder: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in opening.DISPLAYS:
        monkeypatch.delenv(name, raising=False)
    opening.open_result(folder)
    assert opened == []
    page = folder.with_name("it's a run.html")
    assert capsys.readouterr().err == f"There is no display; open this file in a browser:\n  {page}\n"
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    monkeypatch.setattr("webbrowser.open", lambda address: False)
    opening.open_result(folder)
    assert "No browser could be started" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "sweep"])
def test_commands_open_what_they_have_made(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: list[str], reference: None
) -> None:
    monkeypatch.setattr(drawing_process, "figure_process", lambda: nullcontext(undrawn))
    monkeypatch.chdir(tmp_path)
    Path("one.yaml").write_text(
        "{steps: 20, paths: 8, optimizer: sgd, learning_rate: 0.1, objective: {name: quadratic, data: normal}}"
    )
    options = ["--grid", "seed=1,2", "--executor", "threads"] if command == "sweep" else []
    for _ in range(2):  # the second time the result is reused
        result = call(command, "one.yaml", *options, "-o", "out", "--open", "--json")
        assert result.exit_code == 0, result.output
        assert result.stdout.startswith("{")
    assert opened == 2 * [(tmp_path / "out.html").as_uri()]
    assert call(command, "one.yaml", *options, "-o", "out", "--open", "--dry-run").exit_code == 0
    assert "unknown" in bad(command, "one.yaml", *options, "--open", "--set", "optimizer=adamm")
    assert len(opened) == 2
