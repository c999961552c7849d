"""The command line: one file per group of commands.

Only this room prints or exits. A command is a plain function whose parameters are its arguments and options; `reported`
turns its errors into a message and an exit code. Commands import numpy, the engine and matplotlib inside their
functions, so that `nonconv --help` and a config with an error answer at once.
"""

import gc
import os
from contextlib import suppress

import typer

from nonconv.cli import (
    check_claims,
    check_configs,
    compare_runs,
    components,
    folders,
    judge_log,
    new,
    report_page,
    run_config,
    sweep_config,
)
from nonconv.cli.bash_words import completing, is_completing
from nonconv.cli.library_warnings import keep_warnings
from nonconv.cli.shortage import shortage
from nonconv.faults.errors import Interrupted, UsageError
from nonconv.system.signals import stop_at_once
from nonconv.system.streams import make_visible
from nonconv.terminal.lines import say

GARBAGE_THRESHOLDS = (100_000, 50, 100)
"""When Python collects garbage. Its defaults cost a sixth of the time while numba compiles, which makes many objects."""

app = typer.Typer(
    help="Does this optimizer converge? Simulate thousands of seeded paths and measure, with intervals and figures.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for command in (
    new.new,
    run_config.run,
    sweep_config.sweep,
    check_claims.check,
    check_configs.show,
    check_configs.validate,
    components.list_components,
    components.explain,
    folders.table,
    folders.plot,
    folders.verify,
    compare_runs.compare,
    judge_log.judge,
    report_page.report,
    components.schema,
):
    app.command(name=command.__name__.removesuffix("_components"))(command)


@app.callback(invoke_without_command=True)
def version_option(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    """Print the version and exit, if asked to. Its own help text is that of `app`."""
    if version:
        from nonconv import __version__

        print(f"nonconv {__version__}")
        raise typer.Exit


def _run_command() -> object:
    """Run the command in sys.argv and return its exit code; None means 0."""
    try:
        if is_completing():
            with suppress(Exception), completing():  # a shell must not show what is wrong here
                app()
            return 0
        app()
    except SystemExit as end:
        return end.code
    return 0


def main() -> None:
    """Run the command in sys.argv and exit with its code.

    0: done. 1: internal error. 2: wrong config or use. 3, 4: `check` and `verify` found a difference. 5: cells of a sweep
    failed. 130: interrupted.
    """
    stop_at_once()  # again, for those who call this function without `nonconv.__main__`
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    keep_warnings()
    make_visible()
    code: object = 0
    try:
        code = _run_command()
        # Written text may still be in Python's buffer: a full disk shows only when it is flushed.
        print(end="", flush=True)
    except KeyboardInterrupt:  # while an error was told
        code = Interrupted.exit_code
    except BrokenPipeError:
        pass  # the reader has closed the pipe, as `head` does: the command has ended as it has
    except (OSError, MemoryError, ImportError) as error:
        if not code:
            say(shortage(error) or f"standard output: {getattr(error, 'strerror', None) or error}")
        code = code or UsageError.exit_code
    # Everything is written. A normal exit would tear down numba's compiler, which takes a quarter of a second.
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


__all__ = ["app", "main"]
