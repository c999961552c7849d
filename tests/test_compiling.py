"""What is said while a kernel is compiled: once per machine, on stderr, by whichever process or thread does it."""

import io
import os
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

from kit.command import process_as_it_is
from kit.processes import wait_until
from nonconv.engine.compiling import compiling, listening
from nonconv.experiment.binding import read_cell
from nonconv.terminal import compiling as told
from nonconv.terminal import progress
from nonconv.terminal.compiling import Lines, View, relayed, telling

SAY_IT = Lines.start
"""Before conftest.py silences it."""
CONFIG = "{steps: 10, paths: 8, optimizer: sgd, learning_rate: 0.1, objective: {name: quadratic, data: two_point}}"
SAID = "compiling the kernel, once per machine"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(Lines, "start", SAY_IT)
    return []


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.compiles
@pytest.mark.slow
@pytest.mark.processes
def test_it_is_said_where_a_kernel_is_compiled_and_not_again(tmp_path: Path) -> None:
    config = tmp_path / "experiment.yaml"
    config.write_text(CONFIG, encoding="utf-8")

    def said(*arguments: object) -> list[str]:
        done = process_as_it_is(*arguments, NONCONV_CACHE_DIR=str(tmp_path / "cache"))
        assert (done.returncode, SAID in done.stdout) == (0, False), done.stderr
        return done.stderr.splitlines()

    assert said("run", config, "-o", tmp_path / "a") == [SAID]
    assert said("verify", tmp_path / "a") == []
    grid = ("--grid", "optimizer.name=sgd,sign_descent", "--workers", "2")
    assert said("sweep", config, "-o", tmp_path / "b", *grid) == [SAID], "a forked worker compiles the second"


def test_functions_of_one_kernel_are_told_as_one(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with telling(quiet=False, say=lines.append):
        for _ in range(3):
            with compiling(), compiling():
                pass
        assert lines == [SAID]
        monkeypatch.setattr(told, "REST_SECONDS", -1.0)
        with compiling():
            pass
    with compiling():
        pass  # nobody listens
    assert lines == [SAID, SAID]


def test_nothing_is_said_when_quiet(lines: list[str]) -> None:
    with telling(quiet=True, say=lines.append), compiling():
        pass
    assert lines == []


def test_a_cache_that_cannot_be_written(lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("NONCONV_CACHE_DIR", str(file))
    with telling(quiet=False, say=lines.append), compiling():
        pass
    assert lines == [f"compiling the kernel, in every run: {file / 'kernels'} cannot be written"]


@pytest.mark.parametrize("of_run", [True, False])
def test_a_bar_with_seconds_on_a_terminal(of_run: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    config = tmp_path / "experiment.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    with progress.show_progress(read_cell(config, []), quiet=False) if of_run else telling(False, print):
        before = terminal.getvalue()
        with compiling():
            while " 0 s" not in terminal.getvalue():  # drawn by another thread
                time.sleep(0.01)
    assert SAID not in before
    assert SAID in terminal.getvalue()
    assert terminal.getvalue().count("\x1b[?25h") == 1, "the cursor is shown again"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs forks")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forks_and_threads_tell_the_process_that_shows_it(lines: list[str]) -> None:
    view = View()
    with relayed() as relay:
        child = os.fork()
        if not child:
            with compiling():
                pass
            os._exit(0)
        os.waitpid(child, 0)
        with relay.heard_by(Lines(lines.append)):
            pass
        assert lines == [SAID]
        with relay.heard_by(view):
            context = compiling()
            thread = Thread(target=context.__enter__)
            thread.start()
            thread.join()  # or it might be inside `__enter__` still
            wait_until(lambda: view.is_shown)  # another thread passes it on
            context.__exit__(None, None, None)
        assert not view.is_shown


def test_only_the_last_listener_hears() -> None:
    heard: list[tuple[str, bool]] = []
    with listening(lambda begins: heard.append(("outer", begins))):
        with listening(lambda begins: heard.append(("inner", begins))), compiling():
            pass
        with pytest.raises(KeyError), compiling():
            raise KeyError
    assert heard == [("inner", True), ("inner", False), ("outer", True), ("outer", False)]
