"""nonconv show, nonconv validate: a config without running it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from nonconv.cli.common import AsJson, ConfigFile, Quiet, Settings, Verbose, reported, say, write_stdout
from nonconv.errors import ConfigError


@reported
def show(
    config: ConfigFile,
    settings: Settings = [],
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Print the resolved config, every default filled in. It is a config itself."""
    from nonconv.experiment import read_cell
    from nonconv.store import as_yaml

    resolved = read_cell(config, settings).resolved
    write_stdout((json.dumps(resolved, indent=2, ensure_ascii=False) + "\n").encode() if as_json else as_yaml(resolved))


@reported
def validate(
    configs: Annotated[list[Path], typer.Argument(metavar="CONFIG...", help="Config files.")],
    settings: Settings = [],
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Print all errors of all configs in one go, and nothing else."""
    from nonconv.experiment import read_cell

    problems: list[str] = []
    for config in configs:
        try:
            read_cell(config, settings)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    if not quiet:
        say(f"{len(configs)} valid")
