"""The command line: one command a file. The only room that prints or exits; heavy imports wait until a command runs."""

import gc
import io
import os
import sys

import typer

from nonconv.cli import check_claims, check_configs, compare_runs, components, folders, run_config, sweep_config
from nonconv.cli.common import say
from nonconv.errors import UsageError

SELDOM = (100_000, 50, 100)
"""How seldom garbage is looked for: with a compiler's many objects Python's own habit is a sixth of its time."""

app = typer.Typer(
    help="Does this optimizer converge? Seeded sweeps over thousands of paths, with intervals and pictures.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for command in (
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
    components.schema,
):
    app.command(name=command.__name__.removesuffix("_components"))(command)


@app.callback(invoke_without_command=True)
def version_option(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        from nonconv import __version__

        print(f"nonconv {__version__}")
        raise typer.Exit


def _exit_code() -> object:
    try:
        app()
    except SystemExit as end:
        return end.code
    return 0


def main() -> None:
    """The `nonconv` program."""
    gc.set_threshold(*SELDOM)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # where Greek letters cannot be shown they are no reason to fail
    code: object = 0
    try:
        code = _exit_code()
        print(end="", flush=True)
    except BrokenPipeError:
        os._exit(0)  # whoever reads our output has seen enough
    except OSError as error:
        if not code:
            say(f"standard output: {error.strerror}")
        code = code or UsageError.exit_code
    # Everything is written; tearing down numba's compiler would take a quarter of a second more.
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


__all__ = ["app", "main"]
