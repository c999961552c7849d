"""The command line: one command a file. The only room that prints or exits; heavy imports wait until a command runs."""

import sys

import typer

from nonconv.cli import check_configs, components, folders, run_config

app = typer.Typer(
    help="Does this optimizer converge? Seeded sweeps over thousands of paths, with intervals and pictures.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for command in (
    run_config.run,
    check_configs.show,
    check_configs.validate,
    components.list_components,
    components.explain,
    folders.table,
    folders.plot,
    folders.verify,
    components.schema,
):
    app.command(name=command.__name__.removesuffix("_components"))(command)


@app.callback(invoke_without_command=True)
def version_option(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        from nonconv import __version__

        print(f"nonconv {__version__}")
        raise typer.Exit


def main() -> None:
    """The `nonconv` program."""
    try:
        app()
    except BrokenPipeError:
        sys.stderr.close()  # whoever reads our output has seen enough
        sys.exit(0)


__all__ = ["app", "main"]
